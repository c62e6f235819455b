//! Signatures of tables over their entries: made with the table's certificate, checked when an entry arrives and again
//! before the token signs a transaction with it.

use purr_protocol::settlement::{Submit, TableSignatures, signed_text};
use purr_runtime::{
    Role,
    sign::{Authority, NotSigned, verify},
};
use std::time::SystemTime;

/// Which CA's certificates are accepted, and whether an entry must be signed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// `None`: signatures are not checked.
    pub authority: Option<Authority>,
    /// Whether unsigned entries are refused.
    pub required: bool,
}

/// A certificate in DER, and its signature over each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    pub certificate: Vec<u8>,
    pub entries: Vec<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum BadSignature {
    #[error(
        "entries come without the table's signatures; a table of a release before sends none: \
             --require-signed-entries=false takes them"
    )]
    Missing,
    #[error("want one signature for each entry, in hex")]
    Malformed,
    #[error("entry {seq}: {why}")]
    Entry { seq: u64, why: NotSigned },
    #[error("the table's certificate: {0}")]
    Certificate(NotSigned),
}

impl Trust {
    /// The table's signatures of a request.
    ///
    /// # Errors
    /// Says which entry is not signed by the table.
    pub fn read(
        &self,
        uid: &str,
        submit: &Submit,
        signed: Option<&TableSignatures>,
    ) -> Result<Option<Signatures>, BadSignature> {
        let (Some(authority), Some(signed)) = (&self.authority, signed) else {
            return if self.required { Err(BadSignature::Missing) } else { Ok(None) };
        };
        let bytes = |text: &String| hex::decode(text).map_err(|_| BadSignature::Malformed);
        let certificate = bytes(&signed.certificate)?;
        let entries: Vec<Vec<u8>> = signed.entries.iter().map(bytes).collect::<Result<_, _>>()?;
        if entries.len() != submit.entries.len() {
            return Err(BadSignature::Malformed);
        }
        authority
            .speaks_for(&certificate, &Role::Table(uid.into()), Some(SystemTime::now()))
            .map_err(BadSignature::Certificate)?;
        for (entry, signature) in submit.entries.iter().zip(&entries) {
            let seq = entry.seq;
            let hash = entry.payload_hash().map_err(|_| BadSignature::Malformed)?;
            verify(&certificate, &signed_text(uid, seq, &hash), signature)
                .map_err(|why| BadSignature::Entry { seq, why })?;
        }
        Ok(Some(Signatures { certificate, entries }))
    }

    /// Whether a stored entry is the table's, as far as that is wanted.
    pub fn holds(&self, uid: &str, seq: u64, hash: &[u8; 32], signed: Option<(&[u8], &[u8])>) -> bool {
        let Some((certificate, signature)) = signed else { return !self.required };
        let Some(authority) = &self.authority else { return true };
        authority.speaks_for(certificate, &Role::Table(uid.into()), None).is_ok()
            && verify(certificate, &signed_text(uid, seq, hash), signature).is_ok()
    }
}
