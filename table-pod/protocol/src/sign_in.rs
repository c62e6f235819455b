//! Messages of a sign-in with a wallet (EIP-4361).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Nonce {
    pub nonce: String,
    pub domain: String,
    pub uri: String,
    pub chain_id: u64,
    pub expires_in_s: u64,
}

/// The answer to a sign-in and to a refresh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    pub access_token: String,
    pub expires_in_s: u64,
    pub refresh_token: String,
}

/// Tokens never reach a log.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_in_s", &self.expires_in_s).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_tokens_has_none() {
        let tokens =
            Tokens { access_token: "secret".into(), expires_in_s: 60, refresh_token: "secret".into() };
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
