//! The few calls of the vault that are sent or prepared here, as words of the contract's ABI.

use sha3::{Digest, Keccak256};

pub type Word = [u8; 32];

/// Calldata: the first four bytes of the signature's hash, and one word for each static argument.
pub fn call(signature: &str, words: &[Word]) -> Vec<u8> {
    let mut data = Keccak256::digest(signature)[..4].to_vec();
    words.iter().for_each(|word| data.extend(word));
    data
}

pub fn uint(value: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

pub fn address(value: [u8; 20]) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&value);
    word
}

/// `0x` and 40 hex digits.
pub fn parse_address(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

/// A table's UID as the vault has it: its 16 bytes, then 16 zero bytes.
pub fn uid(text: &str) -> Option<Word> {
    let mut word = [0; 32];
    word[..16].copy_from_slice(text.parse::<uuid::Uuid>().ok()?.as_bytes());
    Some(word)
}

/// Words of an answer.
pub fn words(answer: &[u8]) -> Vec<Word> {
    answer.as_chunks::<32>().0.to_vec()
}

/// `None` where the number is larger.
pub fn number(word: &Word) -> Option<u64> {
    let (high, low) = word.split_last_chunk::<8>()?;
    high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_words_are_those_of_the_contract() {
        // ERC-20: every explorer shows this selector.
        let data =
            call("balanceOf(address)", &[address(parse_address(&format!("0x{}", "ab".repeat(20))).unwrap())]);
        assert_eq!(hex::encode(&data[..4]), "70a08231");
        assert_eq!(hex::encode(&data[4..]), format!("{}{}", "00".repeat(12), "ab".repeat(20)));
        assert_eq!(number(&uint(u64::MAX)), Some(u64::MAX));
        assert_eq!(number(&[1; 32]), None);
        assert_eq!(words(&[7; 64]).len(), 2);
        let word = uid("00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!(hex::encode(word), format!("00112233445566778899aabbccddeeff{}", "00".repeat(16)));
        assert_eq!(uid("t1"), None);
    }
}
