//! The table's client of the chain-signer.

use async_trait::async_trait;
use purr_protocol::settlement::{
    Accepted, Entries, Entry, Fence, Fenced, Notice, Notices, OpenTable, Reservation, Reserve, SignedSubmit,
    Submit, TableSignatures, TableStatus, signed_text,
};
use purr_runtime::{ClientError, Identity, InternalClient, Role};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A higher epoch has spoken: stop acting.
    #[error("fenced by the signer")]
    Fenced,
    /// The signer refused by a rule: asking again does not help.
    #[error("{0}")]
    Refused(String),
    /// Ask again later.
    #[error("the signer cannot be reached: {0}")]
    Unavailable(String),
}

/// Calls of a table to the signer. Each may be repeated.
#[async_trait]
pub trait Signer: Send + Sync {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError>;
    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError>;
    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError>;
    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError>;
    /// The journal's entries after this number, in order; a long list is cut.
    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError>;
    /// Returns notices after this id; waits some seconds if there are none.
    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError>;
}

/// The chain-signer over mutual TLS.
pub struct HttpSigner {
    client: InternalClient,
    identity: Identity,
    uid: String,
    base: String,
}

const WAIT: Duration = Duration::from_secs(10);
const POLL_MS: u64 = 15_000;

impl HttpSigner {
    pub fn new(identity: Identity, address: &str, uid: &str) -> Self {
        let client = InternalClient::new(identity.clone(), address, Role::ChainSigner);
        Self { client, identity, uid: uid.into(), base: format!("/v1/tables/{uid}") }
    }

    /// Signs entries with the table's own certificate, so that it can be proved later who submitted them.
    fn signatures(&self, entries: &[Entry]) -> Result<TableSignatures, SignerError> {
        let failed = |error: &dyn std::fmt::Display| SignerError::Unavailable(format!("not signed: {error}"));
        let certified = self.identity.certified().map_err(|error| failed(&error))?;
        let sign = |entry: &Entry| {
            let hash = entry.payload_hash().map_err(|error| failed(&error))?;
            let text = signed_text(&self.uid, entry.seq, &hash);
            certified.sign(&text).map(hex::encode).map_err(|error| failed(&error))
        };
        let entries = entries.iter().map(sign).collect::<Result<_, _>>()?;
        Ok(TableSignatures { certificate: hex::encode(certified.certificate()), entries })
    }
}

impl From<ClientError> for SignerError {
    fn from(error: ClientError) -> Self {
        let Some(problem) = error.problem() else { return Self::Unavailable(error.to_string()) };
        match (problem.status, problem.code()) {
            (409, "fenced") => Self::Fenced,
            (400..=428 | 430..=499, _) => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[async_trait]
impl Signer for HttpSigner {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        Ok(self.client.put(&self.base, table, WAIT).await?)
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        Ok(self.client.post(&format!("{}/fence", self.base), &Fence { epoch }, WAIT).await?)
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        let path = format!("{}/reservations", self.base);
        let _: Reservation = self.client.post(&path, request, WAIT).await?;
        Ok(())
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let path = format!("{}/entries", self.base);
        let signed = Some(self.signatures(entries)?);
        let submit = SignedSubmit { submit: Submit { epoch, entries: entries.to_vec() }, signed };
        let accepted: Accepted = self.client.post(&path, &submit, WAIT).await?;
        Ok(accepted.accepted_through)
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        let entries: Entries = self.client.get(&format!("{}/entries?after={after}", self.base), WAIT).await?;
        Ok(entries.entries)
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        let path = format!("{}/events?after={after}&wait_ms={POLL_MS}", self.base);
        let wait = Duration::from_millis(POLL_MS) + WAIT;
        let notices: Notices = self.client.get(&path, wait).await?;
        Ok(notices.notices)
    }
}
