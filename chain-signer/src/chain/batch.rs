//! Turns waiting entries into the items of one `settle` call: netted hands, Merkle roots, lanes.

use super::{Address, eip712::parse_signature};
use ethers_core::{
    abi::{Token, encode},
    types::{H160, U256},
    utils::keccak256,
};
use purr_books::{books::left_on_chain, policy::Lane};
use purr_protocol::settlement::{Entry, EntryBody, Permit};
use std::collections::BTreeMap;

/// The contract's bound on items in a call.
pub const ITEMS_MAX: usize = 64;

/// An accepted entry; hands have their lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub entry: Entry,
    pub lanes: BTreeMap<u8, Lane>,
    /// For a Leave: by how much its stack is above the chain's ([`purr_books::books::Owner::borne`]).
    pub borne: u64,
}

/// One item of the call, in plain types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemBody {
    Hands { root: [u8; 32], lanes: BTreeMap<u8, Lane> },
    Sit(Seating),
    TopUp(Seating),
    Leave { seat: u8, player: Address, stack: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seating {
    pub seat: u8,
    pub player: Address,
    pub amount: u64,
    pub max_total_rake: u64,
    pub expiry_s: u64,
    pub nonce: u64,
    pub v: u8,
    pub r: [u8; 32],
    pub s: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub table: [u8; 32],
    pub first: u64,
    pub last: u64,
    pub body: ItemBody,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("entry {0}: the permit's signature is malformed")]
    Signature(u64),
    #[error("entry {0}: the record hash is malformed")]
    RecordHash(u64),
    #[error("entries {0} and {1} do not follow each other")]
    Gap(u64, u64),
    #[error("the deltas of entry {0} overflow")]
    Overflow(u64),
}

/// Bytes of a lane in an item's data.
pub const LANE_BYTES: usize = 17;

/// One lane as the contract packs it: seat, rake, and the delta in two's complement.
pub fn pack(seat: u8, lane: Lane) -> [u8; LANE_BYTES] {
    let mut bytes = [seat; LANE_BYTES];
    bytes[1..9].copy_from_slice(&lane.rake.to_be_bytes());
    bytes[9..].copy_from_slice(&lane.delta.to_be_bytes());
    bytes
}

/// The opposite of [`pack`].
pub fn unpack(bytes: &[u8; LANE_BYTES]) -> (u8, Lane) {
    let (mut rake, mut delta) = ([0; 8], [0; 8]);
    rake.copy_from_slice(&bytes[1..9]);
    delta.copy_from_slice(&bytes[9..]);
    (bytes[0], Lane { delta: i64::from_be_bytes(delta), rake: u64::from_be_bytes(rake) })
}

/// keccak256 of the lanes of one hand, each in the low bytes of a word.
pub fn deltas_hash(lanes: &BTreeMap<u8, Lane>) -> [u8; 32] {
    let mut text = Vec::with_capacity(lanes.len() * 32);
    for (seat, lane) in lanes {
        text.extend([0; 32 - LANE_BYTES]);
        text.extend(pack(*seat, *lane));
    }
    keccak256(text)
}

/// The leaf of one hand in the item's Merkle tree.
pub fn leaf(seq: u64, deltas: [u8; 32], record: [u8; 32]) -> [u8; 32] {
    keccak256(encode(&[
        Token::Uint(U256::from(seq)),
        Token::FixedBytes(deltas.to_vec()),
        Token::FixedBytes(record.to_vec()),
    ]))
}

/// As in OpenZeppelin's contracts: pairs are sorted, and an odd last node moves up.
pub fn merkle_root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [a, b] => keccak256([a.min(b).as_slice(), a.max(b).as_slice()].concat()),
                odd => odd[0],
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}

/// Makes items out of a table's waiting entries, in order. Consecutive hands are netted, at most
/// `hands_max` into one item; a sit, top-up or leave is an item by itself.
pub fn items(table: [u8; 32], waiting: &[Waiting], hands_max: usize) -> Result<Vec<Item>, BatchError> {
    for pair in waiting.windows(2) {
        if pair[0].entry.seq + 1 != pair[1].entry.seq {
            return Err(BatchError::Gap(pair[0].entry.seq, pair[1].entry.seq));
        }
    }
    let mut items = Vec::new();
    let mut rest = waiting;
    while let Some(next) = rest.first() {
        let hands = rest.iter().take_while(|one| matches!(one.entry.body, EntryBody::Hand { .. })).count();
        let (now, later) = rest.split_at(hands.clamp(1, hands_max.max(1)));
        rest = later;
        let seq = next.entry.seq;
        let body = match &next.entry.body {
            EntryBody::Hand { .. } => net(now)?,
            EntryBody::Sit { seat, player, permit } => ItemBody::Sit(seating(seq, seat.0, player.0, permit)?),
            EntryBody::TopUp { seat, player, permit } => {
                ItemBody::TopUp(seating(seq, seat.0, player.0, permit)?)
            }
            EntryBody::Leave { seat, player, stack } => {
                let stack = left_on_chain(*stack, next.borne);
                ItemBody::Leave { seat: seat.0, player: player.0, stack }
            }
        };
        items.push(Item { table, first: seq, last: seq + now.len() as u64 - 1, body });
    }
    Ok(items)
}

fn net(hands: &[Waiting]) -> Result<ItemBody, BatchError> {
    let mut lanes = BTreeMap::<u8, Lane>::new();
    let mut leaves = Vec::with_capacity(hands.len());
    for one in hands {
        let seq = one.entry.seq;
        for (seat, lane) in &one.lanes {
            let sum = lanes.entry(*seat).or_default();
            sum.delta = sum.delta.checked_add(lane.delta).ok_or(BatchError::Overflow(seq))?;
            sum.rake = sum.rake.checked_add(lane.rake).ok_or(BatchError::Overflow(seq))?;
        }
        let EntryBody::Hand { record_hash, .. } = &one.entry.body else { continue };
        let mut record = [0; 32];
        hex::decode_to_slice(record_hash, &mut record).map_err(|_| BatchError::RecordHash(seq))?;
        leaves.push(leaf(seq, deltas_hash(&one.lanes), record));
    }
    Ok(ItemBody::Hands { root: merkle_root(leaves), lanes })
}

fn seating(seq: u64, seat: u8, player: Address, permit: &Permit) -> Result<Seating, BatchError> {
    let (r, s, v) = parse_signature(&permit.signature).ok_or(BatchError::Signature(seq))?;
    Ok(Seating {
        seat,
        player,
        amount: permit.amount,
        max_total_rake: permit.max_total_rake,
        expiry_s: permit.expiry_s,
        nonce: permit.nonce,
        v,
        r,
        s,
    })
}

/// The `data` of an item.
pub fn encode_body(body: &ItemBody) -> (u8, Vec<u8>) {
    let uint = |value: u64| Token::Uint(U256::from(value));
    match body {
        ItemBody::Hands { root, lanes } => {
            let lanes = lanes.iter().flat_map(|(seat, lane)| pack(*seat, *lane));
            (0, root.iter().copied().chain(lanes).collect())
        }
        ItemBody::Sit(seating) => (1, encode_seating(seating)),
        ItemBody::TopUp(seating) => (2, encode_seating(seating)),
        ItemBody::Leave { seat, player, stack } => {
            (3, encode(&[uint((*seat).into()), Token::Address(H160(*player)), uint(*stack)]))
        }
    }
}

fn encode_seating(seating: &Seating) -> Vec<u8> {
    let uint = |value: u64| Token::Uint(U256::from(value));
    encode(&[
        uint(seating.seat.into()),
        Token::Address(H160(seating.player)),
        uint(seating.amount),
        uint(seating.max_total_rake),
        uint(seating.expiry_s),
        uint(seating.nonce),
        uint(seating.v.into()),
        Token::FixedBytes(seating.r.to_vec()),
        Token::FixedBytes(seating.s.to_vec()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_engine::{PlayerId, SeatIndex};

    fn hand(seq: u64, delta: i64) -> Waiting {
        let body = EntryBody::Hand {
            hand: seq,
            deltas: Vec::new(),
            rake: 1,
            record_hash: "11".repeat(32),
            next: String::new(),
        };
        let lanes = [(0, Lane { delta, rake: 0 }), (3, Lane { delta: -delta - 1, rake: 1 })].into();
        Waiting { entry: Entry { seq, body }, lanes, borne: 0 }
    }

    fn leave(seq: u64) -> Waiting {
        let body = EntryBody::Leave { seat: SeatIndex(1), player: PlayerId([2; 20]), stack: 9 };
        Waiting { entry: Entry { seq, body }, lanes: BTreeMap::new(), borne: 0 }
    }

    #[test]
    fn hands_are_netted_but_never_across_a_leave_nor_beyond_the_bound() {
        let waiting = [hand(4, 5), hand(5, -7), leave(6), hand(7, 1), hand(8, 1), hand(9, 1)];
        let items = items([9; 32], &waiting, 2).unwrap();
        let ranges: Vec<_> = items.iter().map(|item| (item.first, item.last)).collect();
        assert_eq!(ranges, [(4, 5), (6, 6), (7, 8), (9, 9)]);
        let ItemBody::Hands { lanes, .. } = &items[0].body else { panic!("not hands") };
        assert_eq!(lanes[&0], Lane { delta: -2, rake: 0 });
        assert_eq!(lanes[&3], Lane { delta: 0, rake: 2 });
    }

    #[test]
    fn a_leave_of_who_bore_a_shortfall_names_the_chains_stack() {
        let short = Waiting { borne: 4, ..leave(6) };
        // The Leave names less than its seat bore, because the hands that made its stack were voided.
        let shorter = Waiting { borne: 10, ..leave(7) };
        let items = items([9; 32], &[leave(5), short, shorter], 2).unwrap();
        let stacks: Vec<_> = items
            .iter()
            .map(|item| match item.body {
                ItemBody::Leave { stack, .. } => stack,
                _ => panic!("no leave"),
            })
            .collect();
        assert_eq!(stacks, [9, 5, 0]);
    }

    #[test]
    fn a_hole_in_the_sequence_is_no_batch() {
        assert_eq!(items([9; 32], &[hand(1, 1), hand(3, 1)], 9), Err(BatchError::Gap(1, 3)));
    }

    #[test]
    fn a_lane_survives_packing() {
        for (seat, delta, rake) in [(0, -1, 0), (9, i64::MAX, u64::MAX), (5, i64::MIN, 1), (1, 0, 0)] {
            let lane = Lane { delta, rake };
            assert_eq!(unpack(&pack(seat, lane)), (seat, lane));
        }
        let lane = Lane { delta: -2, rake: 3 };
        assert_eq!(hex::encode(pack(4, lane)), "040000000000000003fffffffffffffffe");
    }

    #[test]
    fn one_leaf_is_its_own_root_and_pairs_are_sorted() {
        let (a, b, c) = ([1; 32], [2; 32], [3; 32]);
        assert_eq!(merkle_root(vec![a]), a);
        assert_eq!(merkle_root(vec![a, b]), merkle_root(vec![b, a]));
        let ab = merkle_root(vec![a, b]);
        assert_eq!(merkle_root(vec![a, b, c]), merkle_root(vec![ab, c]));
    }
}
