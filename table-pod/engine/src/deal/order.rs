//! Which leaf is dealt when: a permutation from public values.

use super::{DealError, Hash, Reveal};
use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;

/// Which leaf is dealt when, from public values alone: anybody can compute it. HKDF-SHA-256 (RFC 5869)
/// with the root as salt and, by rising seat, seat number and entropy of each reveal as input; its
/// output under the label "deal order" drives an unbiased shuffle.
///
/// # Errors
/// [`DealError::Exhausted`], with a probability below 2^-1000.
pub fn deal_order(root: &Hash, reveals: &[Reveal]) -> Result<[u8; 52], DealError> {
    let mut sorted: Vec<&Reveal> = reveals.iter().collect();
    sorted.sort_by_key(|reveal| reveal.seat);
    let mut extract = HkdfExtract::<Sha256>::new(Some(root));
    for reveal in sorted {
        extract.input_ikm(&[reveal.seat]);
        extract.input_ikm(&reveal.entropy);
    }
    permutation(&extract.finalize().1, b"deal order")
}

/// An unbiased Fisher-Yates shuffle: a byte that would favour some values is thrown away.
pub(super) fn permutation(source: &Hkdf<Sha256>, label: &[u8]) -> Result<[u8; 52], DealError> {
    // A shuffle needs 57 bytes on average, so a short output is tried first. A shorter output of HKDF is the beginning
    // of a longer one (RFC 5869, section 2.3), so this never changes the result.
    let mut stream = [0u8; 1024];
    for length in [96, stream.len()] {
        source.expand(label, &mut stream[..length]).map_err(|_| DealError::Exhausted)?;
        if let Some(order) = shuffle(&stream[..length]) {
            return Ok(order);
        }
    }
    Err(DealError::Exhausted)
}

fn shuffle(stream: &[u8]) -> Option<[u8; 52]> {
    let mut bytes = stream.iter().map(|byte| usize::from(*byte));
    let mut order = [0u8; 52];
    (0u8..).zip(order.iter_mut()).for_each(|(value, place)| *place = value);
    for last in (1..52usize).rev() {
        let sides = last + 1;
        let limit = 256 / sides * sides;
        let pick = bytes.find(|byte| *byte < limit)?;
        order.swap(last, pick % sides);
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_stream_deals_the_same() {
        for number in 0..200u8 {
            let source = Hkdf::<Sha256>::new(None, &[number]);
            let mut long = [0; 1024];
            source.expand(b"x", &mut long).unwrap();
            assert_eq!(permutation(&source, b"x").unwrap(), shuffle(&long).unwrap());
        }
    }

    #[test]
    fn bytes_that_would_favour_some_cards_are_thrown_away() {
        // 52 divides 208: bytes from 208 on are drawn again.
        let mut stream = vec![208, 255, 207];
        stream.extend([0; 50]);
        let mut fair = vec![207];
        fair.extend([0; 50]);
        assert_eq!(shuffle(&stream), shuffle(&fair));
        assert_eq!(shuffle(&stream[..52]), None);
    }
}
