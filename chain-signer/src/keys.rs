//! The signer's two keys: one settles, one signs vouchers.

use crate::{
    chain::{Address, address_text},
    hsm::{HsmError, Signer, Token},
    options::HsmArgs,
};
use serde::{Deserialize, Serialize};
use std::{fs::File, sync::Arc};

#[derive(Clone)]
pub struct Keys {
    pub settle: Arc<dyn Signer>,
    pub voucher: Arc<dyn Signer>,
}

/// Their addresses, as `keys` prints them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAddresses {
    pub settle: String,
    pub voucher: String,
}

impl Keys {
    /// Opens the token; with `create` it also generates missing keys.
    ///
    /// # Errors
    /// See [`HsmError`]; a key of two labels that is one and the same is refused as well.
    pub fn open(args: &HsmArgs, create: bool) -> Result<Self, HsmError> {
        // Two processes that both find no key must not both create one.
        let pin = &args.hsm_pin_file;
        let lock = File::open(pin).map_err(|source| HsmError::PinFile { file: pin.clone(), source })?;
        lock.lock().map_err(|source| HsmError::PinFile { file: pin.clone(), source })?;
        let token = Token::open(args.token())?;
        for label in [&args.hsm_settle_key, &args.hsm_voucher_key] {
            if create && token.ensure_key(label)? {
                tracing::info!(label, "made a key in the token");
            }
        }
        let keys = Self {
            settle: token.signer(&args.hsm_settle_key)?,
            voucher: token.signer(&args.hsm_voucher_key)?,
        };
        if keys.settle.address() == keys.voucher.address() {
            let label = args.hsm_voucher_key.clone();
            return Err(HsmError::BadKey { label, reason: "is the key that settles" });
        }
        Ok(keys)
    }

    pub fn addresses(&self) -> KeyAddresses {
        let text = |key: &Arc<dyn Signer>| address_text(key.address() as Address);
        KeyAddresses { settle: text(&self.settle), voucher: text(&self.voucher) }
    }
}
