//! Calls written and answers read by the ABI of contracts: static words and one trailing `bytes`, all that a player needs.

use purr_protocol::permit::{address_word, keccak, uint};

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Value {
    Address([u8; 20]),
    Number(u64),
    /// At most one, as the last argument.
    Bytes(Vec<u8>),
}

/// The first four bytes of a call of this function, or of its revert with this error.
pub fn selector(signature: &str) -> [u8; 4] {
    let hash = keccak(signature.as_bytes());
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Call data, as in `call("approve(address,uint256)", &[Address(vault), Number(amount)])`.
pub fn call(signature: &str, values: &[Value]) -> Vec<u8> {
    let (mut head, mut tail) = (selector(signature).to_vec(), Vec::new());
    for value in values {
        match value {
            Value::Address(address) => head.extend(address_word(address)),
            Value::Number(number) => head.extend(uint(*number)),
            Value::Bytes(bytes) => {
                head.extend(uint(values.len() as u64 * 32));
                tail.extend(uint(bytes.len() as u64));
                tail.extend(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
        }
    }
    head.extend(tail);
    head
}

/// A word of an answer as a number; numbers that are larger than any amount here count as the largest.
pub fn number_at(answer: &[u8], at: usize) -> Option<u64> {
    let word: &[u8; 32] = answer.get(at * 32..)?.first_chunk()?;
    let (high, low) = word.split_at(24);
    if high.iter().any(|byte| *byte != 0) {
        return Some(u64::MAX);
    }
    low.try_into().ok().map(u64::from_be_bytes)
}

/// A word of an answer as an address.
pub fn address_at(answer: &[u8], at: usize) -> Option<[u8; 20]> {
    let word: &[u8; 32] = answer.get(at * 32..)?.first_chunk()?;
    let (high, low) = word.split_at(12);
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    low.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_as_the_contract_reads_them() {
        // The examples of the ABI's specification have these selectors.
        assert_eq!(hex::encode(selector("transfer(address,uint256)")), "a9059cbb");
        let data = call(
            "withdraw(address,uint64,uint64,uint64,bytes)",
            &[
                Value::Address([0xaa; 20]),
                Value::Number(1),
                Value::Number(2),
                Value::Number(3),
                Value::Bytes(vec![0xbb; 65]),
            ],
        );
        assert_eq!(data.len(), 4 + 5 * 32 + 32 + 96);
        assert_eq!(number_at(&data[4..], 4), Some(160), "the bytes begin behind five words");
        assert_eq!(number_at(&data[4..], 5), Some(65));
        assert_eq!(address_at(&data[4..], 0), Some([0xaa; 20]));
        assert_eq!(&data[4 + 6 * 32..4 + 6 * 32 + 65], [0xbb; 65]);
    }

    #[test]
    fn a_short_answer_is_no_number_and_a_huge_one_is_the_largest() {
        assert_eq!(number_at(&[0; 31], 0), None);
        assert_eq!(number_at(&[0xff; 32], 0), Some(u64::MAX));
        assert_eq!(address_at(&[0xff; 32], 0), None);
    }
}
