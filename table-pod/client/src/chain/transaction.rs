//! A transaction of type 2 (EIP-1559) without access list, written in RLP and signed by the player's key.

use crate::wallet::{Wallet, WalletError};
use purr_protocol::permit::keccak;

const TYPE: u8 = 2;

/// A call of a contract that moves no native currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub chain_id: u64,
    pub nonce: u64,
    /// In wei for each unit of gas.
    pub priority_fee: u64,
    /// In wei for each unit of gas, the priority fee included.
    pub max_fee: u64,
    pub gas: u64,
    pub to: [u8; 20],
    pub data: Vec<u8>,
}

/// A signed transaction as nodes take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub raw: Vec<u8>,
    pub hash: [u8; 32],
}

impl Transaction {
    pub fn sign(&self, wallet: &Wallet) -> Result<Signed, WalletError> {
        let fields = self.fields();
        let signature = wallet.sign(&keccak(&typed(&fields)))?;
        let mut signed = fields;
        signed.push(number(u64::from(signature[64] - 27)));
        signed.push(string(without_zeros(&signature[..32])));
        signed.push(string(without_zeros(&signature[32..64])));
        let raw = typed(&signed);
        Ok(Signed { hash: keccak(&raw), raw })
    }

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![
            number(self.chain_id),
            number(self.nonce),
            number(self.priority_fee),
            number(self.max_fee),
            number(self.gas),
            string(&self.to),
            number(0),
            string(&self.data),
            list(&[]),
        ]
    }
}

fn typed(fields: &[Vec<u8>]) -> Vec<u8> {
    [vec![TYPE], list(fields)].concat()
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

fn number(value: u64) -> Vec<u8> {
    string(without_zeros(&value.to_be_bytes()))
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => [length(0x80, bytes.len()), bytes.to_vec()].concat(),
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let content = items.concat();
    [length(0xc0, content.len()), content].concat()
}

fn length(base: u8, len: usize) -> Vec<u8> {
    match u8::try_from(len) {
        Ok(short @ 0..=55) => vec![base + short],
        _ => {
            let digits = (len as u64).to_be_bytes();
            let digits = without_zeros(&digits);
            // At most eight digits.
            let count = u8::try_from(digits.len()).unwrap_or(8);
            [vec![base + 55 + count], digits.to_vec()].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_lists_are_those_of_the_specification() {
        assert_eq!(string(b"dog"), b"\x83dog");
        assert_eq!(list(&[string(b"cat"), string(b"dog")]), b"\xc8\x83cat\x83dog");
        assert_eq!((string(b""), list(&[]), number(0)), (vec![0x80], vec![0xc0], vec![0x80]));
        assert_eq!((number(15), number(1024)), (vec![0x0f], vec![0x82, 0x04, 0x00]));
        let long = string(b"Lorem ipsum dolor sit amet, consectetur adipisicing elit");
        assert_eq!(long[..2], [0xb8, 0x38]);
        assert_eq!(string(&[0; 1_024])[..3], [0xb9, 0x04, 0x00]);
    }

    #[test]
    fn every_field_is_signed() {
        let wallet = Wallet::from_hex(&"07".repeat(32)).unwrap();
        let plain = Transaction {
            chain_id: 31_337,
            nonce: 1,
            priority_fee: 2,
            max_fee: 3,
            gas: 21_000,
            to: [4; 20],
            data: vec![5; 68],
        };
        let signed = plain.sign(&wallet).unwrap();
        assert_eq!(signed, plain.sign(&wallet).unwrap(), "signing is deterministic (RFC 6979)");
        for other in [
            Transaction { chain_id: 1, ..plain.clone() },
            Transaction { nonce: 2, ..plain.clone() },
            Transaction { priority_fee: 9, ..plain.clone() },
            Transaction { max_fee: 9, ..plain.clone() },
            Transaction { gas: 9, ..plain.clone() },
            Transaction { to: [9; 20], ..plain.clone() },
            Transaction { data: vec![9; 68], ..plain },
        ] {
            let other = other.sign(&wallet).unwrap();
            assert_ne!(other.raw[other.raw.len() - 64..], signed.raw[signed.raw.len() - 64..]);
        }
    }
}
