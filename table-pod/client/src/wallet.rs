//! A player's key and its signatures: sign-ins (EIP-191), permits and withdrawals (EIP-712).

use k256::ecdsa::SigningKey;
use purr_engine::{Chips, PlayerId};
use purr_protocol::{
    permit::{
        Domain, PermitFor, PermitVersion, UnknownPermitVersion, address_of, address_word, keccak, uint,
    },
    settlement::{ChainConfig, Permit},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const WITHDRAW: &str = "WithdrawRequest(address player,uint64 amount,uint64 nonce,uint64 deadline)";

/// A key file is one line; longer ones are refused unread.
const KEY_FILE_BYTES_MAX: u64 = 1_024;

#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    #[error("no entropy from the operating system: {0}")]
    Entropy(getrandom::Error),
    /// The text itself is a secret and is not repeated.
    #[error("not a private key: want 64 hex digits of a number below the curve's order")]
    BadKey,
    #[error("key file {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("'{0}' is not a vault: want 0x and 40 hex digits")]
    BadVault(String),
    #[error("'{0}' is not a table id: want 0x and 64 hex digits")]
    BadTableId(String),
    #[error(transparent)]
    Permits(#[from] UnknownPermitVersion),
    #[error("signing failed: {0}")]
    Sign(k256::ecdsa::Error),
}

/// A secp256k1 key. Its text form never reaches a log: `Debug` shows the address.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: PlayerId,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

impl Wallet {
    pub fn random() -> Result<Self, WalletError> {
        loop {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(WalletError::Entropy)?;
            // All but one of 2^128 numbers are keys.
            if let Ok(key) = SigningKey::from_slice(&bytes) {
                return Ok(Self::new(key));
            }
        }
    }

    fn new(key: SigningKey) -> Self {
        let address = address_of(key.verifying_key());
        Self { key, address }
    }

    /// 64 hex digits, with or without `0x`.
    pub fn from_hex(text: &str) -> Result<Self, WalletError> {
        let text = text.trim();
        let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| WalletError::BadKey)?;
        Ok(Self::new(SigningKey::from_slice(&bytes).map_err(|_| WalletError::BadKey)?))
    }

    /// A file that holds the key in hex.
    pub fn from_file(path: &Path) -> Result<Self, WalletError> {
        let error = |source| WalletError::File { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(error)?;
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(error)?;
        Self::from_hex(&text)
    }

    /// Writes the key to a new file that only its owner may read.
    ///
    /// # Errors
    /// Where the file exists: a key is never overwritten.
    pub fn write_file(&self, path: &Path) -> Result<(), WalletError> {
        let error = |source| WalletError::File { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(error)?;
        writeln!(file, "0x{}", hex::encode(self.key.to_bytes())).map_err(error)?;
        file.sync_all().map_err(error)
    }

    pub fn address(&self) -> PlayerId {
        self.address
    }

    /// `personal_sign` (EIP-191, version 0x45): r, s, v with v 27 or 28.
    pub fn personal_sign(&self, message: &str) -> Result<[u8; 65], WalletError> {
        let mut text = format!("\x19Ethereum Signed Message:\n{}", message.len()).into_bytes();
        text.extend(message.as_bytes());
        self.sign(&keccak(&text))
    }

    /// The permit that puts `amount` at risk at this table. `table_id` is the contract's id of it.
    pub fn permit(
        &self,
        vault: &Vault,
        table_id: &[u8; 32],
        what: PermitFor,
        terms: &PermitTerms,
    ) -> Result<Permit, WalletError> {
        let PermitTerms { amount, max_total_rake, expiry_s, nonce } = *terms;
        let mut permit = Permit { amount, max_total_rake, expiry_s, nonce, signature: String::new() };
        let digest = vault.domain().seat_permit(vault.permits, table_id, what, self.address, &permit);
        permit.signature = hex_text(&self.sign(&digest)?);
        Ok(permit)
    }

    /// Asks for a voucher over the same amount, nonce and deadline (seconds since 1970); `0x` and hex.
    pub fn withdraw_request(
        &self,
        vault: &Vault,
        amount: Chips,
        nonce: u64,
        deadline_s: u64,
    ) -> Result<String, WalletError> {
        let digest = vault.digest(&[
            keccak(WITHDRAW.as_bytes()),
            address_word(&self.address.0),
            uint(amount),
            uint(nonce),
            uint(deadline_s),
        ]);
        Ok(hex_text(&self.sign(&digest)?))
    }

    pub(crate) fn sign(&self, digest: &[u8; 32]) -> Result<[u8; 65], WalletError> {
        // Deterministic (RFC 6979) and low-s (EIP-2).
        let (signature, recovery) = self.key.sign_prehash_recoverable(digest).map_err(WalletError::Sign)?;
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        Ok(bytes)
    }
}

/// The content of a seat permit beside table and player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermitTerms {
    pub amount: Chips,
    /// The most rake that may be taken from the seat under this permit.
    pub max_total_rake: Chips,
    /// Seconds since 1970.
    pub expiry_s: u64,
    /// A number that this player has not used yet; [`random_nonce`] makes one.
    pub nonce: u64,
}

/// A number for a permit or a voucher. 63 bits, because ledgers keep it in a signed column.
pub fn random_nonce() -> Result<u64, WalletError> {
    Ok(getrandom::u64().map_err(WalletError::Entropy)? >> 1)
}

/// The contract on its chain: the EIP-712 domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vault {
    pub chain_id: u64,
    pub address: [u8; 20],
    /// The version of the permits that seat a player.
    pub permits: PermitVersion,
}

impl Vault {
    pub fn from_config(config: &ChainConfig) -> Result<Self, WalletError> {
        let bad = || WalletError::BadVault(config.vault.chars().take(64).collect());
        let address: PlayerId = config.vault.parse().map_err(|_| bad())?;
        let permits = config.permit_version.try_into()?;
        Ok(Self { chain_id: config.chain_id, address: address.0, permits })
    }

    fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, vault: self.address }
    }

    pub(crate) fn digest(&self, words: &[[u8; 32]]) -> [u8; 32] {
        self.domain().digest(words)
    }
}

/// `0x` and 64 hex digits.
pub fn parse_table_id(text: &str) -> Result<[u8; 32], WalletError> {
    let bad = || WalletError::BadTableId(text.chars().take(80).collect());
    let mut id = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x").ok_or_else(bad)?, &mut id).map_err(|_| bad())?;
    Ok(id)
}

/// An address with its checksum in the case of its letters (EIP-55).
pub fn checksummed(player: PlayerId) -> String {
    let text = hex::encode(player.0);
    let hash = keccak(text.as_bytes());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let cased =
        text.chars().zip(nibbles).map(|(c, nibble)| if nibble >= 8 { c.to_ascii_uppercase() } else { c });
    "0x".chars().chain(cased).collect()
}

pub(crate) fn hex_text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

pub(crate) fn struct_hash(words: &[[u8; 32]]) -> [u8; 32] {
    keccak(&words.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
    use purr_engine::SeatIndex;

    // The first account of every development chain.
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn signer(digest: &[u8; 32], signature: &[u8]) -> PlayerId {
        let rs = Signature::from_slice(&signature[..64]).unwrap();
        assert!(rs.normalize_s().is_none(), "low s");
        let id = RecoveryId::from_byte(signature[64] - 27).unwrap();
        let key = VerifyingKey::recover_from_prehash(digest, &rs, id).unwrap();
        let hash = keccak(&key.to_encoded_point(false).as_bytes()[1..]);
        PlayerId(hash[12..].try_into().unwrap())
    }

    #[test]
    fn a_known_key_has_its_known_address() {
        let wallet = Wallet::from_hex(KEY).unwrap();
        assert_eq!(checksummed(wallet.address()), ADDRESS);
        assert_eq!(format!("{wallet:?}"), format!("Wallet({})", ADDRESS.to_lowercase()));
    }

    #[test]
    fn a_personal_message_is_signed_as_every_wallet_does() {
        // eth_account.messages.encode_defunct(text="hello"), hashed.
        let digest = keccak(b"\x19Ethereum Signed Message:\n5hello");
        assert_eq!(hex::encode(digest), "50b2c43fd39106bafbba0da34fc430e1f91e3c96ea2acee2bc34119f92b37750");
        let wallet = Wallet::from_hex(KEY).unwrap();
        assert_eq!(signer(&digest, &wallet.personal_sign("hello").unwrap()), wallet.address());
    }

    #[test]
    fn permits_are_what_the_page_signs_by_the_version_of_the_vault() {
        // The same signatures are in tests/page/permit.test.mjs: signing is deterministic (RFC 6979).
        let wallet = Wallet::from_hex(&"07".repeat(32)).unwrap();
        let terms = PermitTerms { amount: 1, max_total_rake: 2, expiry_s: 3, nonce: 4 };
        let (sit, top_up) = (PermitFor::Sit(SeatIndex(3)), PermitFor::TopUp(SeatIndex(3)));
        for (permits, what, signature) in [
            (
                PermitVersion::AnySeat,
                sit,
                "0x21587d3685d9ab9406124f1533bbf323645e34fc796eadab2a39cc0b97c39d50608cb51542789203c015698e8948de61f42445f618710e2b56035915df0e838a1c",
            ),
            (
                PermitVersion::NamedSeat,
                sit,
                "0x4598288185174c0e386e7fcd1519f7324188a2ce10fd0b4d2567dcecd2ea5a5756e8c2845af805a1beb9f4bd819fb4a78528c76c5c5366f57bdb0788b683f9551b",
            ),
            (
                PermitVersion::NamedSeat,
                top_up,
                "0x4084ee5d701e81680a0727aa7a8573df6c5bed97e3c740350212519ea8e39c2352836373ab19900c8c2bd93c63f02c081767721341e247b881900da264ec7ab21c",
            ),
        ] {
            let vault = Vault { chain_id: 31_337, address: [2; 20], permits };
            assert_eq!(wallet.permit(&vault, &[5; 32], what, &terms).unwrap().signature, signature);
        }
    }

    #[test]
    fn a_withdrawal_is_what_the_page_signs() {
        // The same signature is in tests/page/permit.test.mjs.
        let wallet = Wallet::from_hex(&"07".repeat(32)).unwrap();
        let vault = Vault { chain_id: 31_337, address: [2; 20], permits: PermitVersion::NamedSeat };
        assert_eq!(
            wallet.withdraw_request(&vault, 1, 2, 3).unwrap(),
            "0xc6c061b244e6c3d9c78d9cf5d6a1990cabcef4d593bf72eab2b838a896d7a2b12e8c13a1b0530506bc9e0357029c3e9da4def210b4f1696f42237e9652f104a61b"
        );
    }

    #[test]
    fn a_permit_is_bound_to_every_one_of_its_terms() {
        let wallet = Wallet::from_hex(KEY).unwrap();
        let vault = Vault { chain_id: 31_337, address: [2; 20], permits: PermitVersion::NamedSeat };
        let sit = PermitFor::Sit(SeatIndex(3));
        let terms = PermitTerms { amount: 1, max_total_rake: 2, expiry_s: 3, nonce: 4 };
        let permit = wallet.permit(&vault, &[5; 32], sit, &terms).unwrap();
        assert_eq!(permit.signature.len(), 132);
        for other in [
            wallet.permit(&Vault { permits: PermitVersion::AnySeat, ..vault }, &[5; 32], sit, &terms),
            wallet.permit(&vault, &[5; 32], PermitFor::Sit(SeatIndex(4)), &terms),
            wallet.permit(&vault, &[5; 32], PermitFor::TopUp(SeatIndex(3)), &terms),
            wallet.permit(&Vault { chain_id: 1, ..vault }, &[5; 32], sit, &terms),
            wallet.permit(&Vault { address: [3; 20], ..vault }, &[5; 32], sit, &terms),
            wallet.permit(&vault, &[6; 32], sit, &terms),
            wallet.permit(&vault, &[5; 32], sit, &PermitTerms { amount: 9, ..terms }),
            wallet.permit(&vault, &[5; 32], sit, &PermitTerms { max_total_rake: 9, ..terms }),
            wallet.permit(&vault, &[5; 32], sit, &PermitTerms { expiry_s: 9, ..terms }),
            wallet.permit(&vault, &[5; 32], sit, &PermitTerms { nonce: 9, ..terms }),
        ] {
            assert_ne!(other.unwrap().signature, permit.signature);
        }
    }

    #[test]
    fn a_key_file_is_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let wallet = Wallet::random().unwrap();
        wallet.write_file(&path).unwrap();
        assert_eq!(Wallet::from_file(&path).unwrap().address(), wallet.address());
        assert!(matches!(Wallet::random().unwrap().write_file(&path), Err(WalletError::File { .. })));
        std::fs::write(&path, "0x00").unwrap();
        let error = Wallet::from_file(&path).unwrap_err();
        assert!(!error.to_string().contains("0x00"), "{error}");
    }
}
