//! Encoding and decoding of the vault contract's calls.

use super::{
    Address, abi,
    batch::{Item, ItemBody, LANE_BYTES, Seating, encode_body, unpack},
    eip712::uid_word,
};
use ethers_core::{
    abi::{AbiDecode, AbiEncode, ParamType, Token, decode},
    types::H160,
};
use purr_books::policy::{Lane, Terms};
use std::collections::BTreeMap;

pub use super::views::{Bounds, token_balance};

/// Most blocks in one log query (HyperEVM's bound).
pub const LOG_BLOCKS_MAX: u64 = 50;

/// The vault at an address.
#[derive(Clone, Copy, Debug)]
pub struct Vault {
    pub address: Address,
}

/// `settleEntries(items)`.
pub fn encode_settle(items: &[Item]) -> Vec<u8> {
    let items = items
        .iter()
        .map(|item| {
            let (kind, data) = encode_body(&item.body);
            abi::Item {
                table_id: item.table,
                first_seq: item.first,
                last_seq: item.last,
                kind,
                data: data.into(),
            }
        })
        .collect();
    abi::SettleEntriesCall { items }.encode()
}

/// `openTable(config)`.
pub fn encode_open(uid: &str, terms: Terms) -> Option<Vec<u8>> {
    Some(abi::OpenTableCall { config: config(uid, terms)? }.encode())
}

pub(super) fn config(uid: &str, terms: Terms) -> Option<abi::TableConfig> {
    Some(abi::TableConfig {
        uid: uid_word(uid)?,
        seats: terms.seats,
        rake_bps: terms.rake_basis_points,
        rake_cap: terms.rake_cap,
        big_blind: terms.big_blind,
    })
}

/// A call of the vault, decoded from its calldata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Open { uid: [u8; 32], terms: Terms },
    Settle(Vec<Item>),
}

/// Why calldata is no call of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    #[error("is neither openTable nor settleEntries")]
    Unknown,
    /// The decoded call does not encode to the same bytes.
    #[error("is not canonical")]
    NotCanonical,
    #[error("item {first} of {} does not decode", hex::encode(.table))]
    Item { table: [u8; 32], first: u64 },
}

/// Decodes calldata and checks every bit of it.
///
/// # Errors
/// [`BadCall`] says what does not decode.
pub fn decode_call(data: &[u8]) -> Result<Call, BadCall> {
    if let Ok(call) = abi::OpenTableCall::decode(data) {
        let c = &call.config;
        let terms = Terms {
            seats: c.seats,
            rake_basis_points: c.rake_bps,
            rake_cap: c.rake_cap,
            big_blind: c.big_blind,
        };
        let out = Call::Open { uid: c.uid, terms };
        return if call.encode() == data { Ok(out) } else { Err(BadCall::NotCanonical) };
    }
    let call = abi::SettleEntriesCall::decode(data).map_err(|_| BadCall::Unknown)?;
    if call.clone().encode() != data {
        return Err(BadCall::NotCanonical);
    }
    let items = call
        .items
        .iter()
        .map(|item| {
            let bad = BadCall::Item { table: item.table_id, first: item.first_seq };
            let body = decode_body(item.kind, &item.data).ok_or(bad)?;
            Ok(Item { table: item.table_id, first: item.first_seq, last: item.last_seq, body })
        })
        .collect::<Result<Vec<_>, BadCall>>()?;
    Ok(Call::Settle(items))
}

fn decode_body(kind: u8, data: &[u8]) -> Option<ItemBody> {
    let body = match kind {
        0 => {
            let (root, packed) = data.split_first_chunk()?;
            let (packed, rest) = packed.as_chunks::<LANE_BYTES>();
            if !rest.is_empty() {
                return None;
            }
            let mut lanes = BTreeMap::<u8, Lane>::new();
            for (seat, lane) in packed.iter().map(unpack) {
                if lanes.last_key_value().is_some_and(|(last, _)| *last >= seat) {
                    return None;
                }
                lanes.insert(seat, lane);
            }
            ItemBody::Hands { root: *root, lanes }
        }
        1 => ItemBody::Sit(decode_seating(data)?),
        2 => ItemBody::TopUp(decode_seating(data)?),
        3 => {
            let types = [ParamType::Uint(8), ParamType::Address, ParamType::Uint(64)];
            let mut tokens = decode(&types, data).ok()?.into_iter();
            ItemBody::Leave {
                seat: small(tokens.next()?)?,
                player: tokens.next()?.into_address()?.0,
                stack: small(tokens.next()?)?,
            }
        }
        _ => return None,
    };
    // Bytes that decoding skips could hide something, so the call is encoded again and compared.
    (encode_body(&body).1 == data).then_some(body)
}

fn small<T: TryFrom<u64>>(token: Token) -> Option<T> {
    T::try_from(u64::try_from(token.into_uint()?).ok()?).ok()
}

fn decode_seating(data: &[u8]) -> Option<Seating> {
    let (uint, word) = (ParamType::Uint(64), ParamType::FixedBytes(32));
    let types = [
        uint.clone(),
        ParamType::Address,
        uint.clone(),
        uint.clone(),
        uint.clone(),
        uint.clone(),
        uint,
        word.clone(),
        word,
    ];
    let mut tokens = decode(&types, data).ok()?.into_iter();
    Some(Seating {
        seat: small(tokens.next()?)?,
        player: tokens.next()?.into_address()?.0,
        amount: small(tokens.next()?)?,
        max_total_rake: small(tokens.next()?)?,
        expiry_s: small(tokens.next()?)?,
        nonce: small(tokens.next()?)?,
        v: small(tokens.next()?)?,
        r: tokens.next()?.into_fixed_bytes()?.try_into().ok()?,
        s: tokens.next()?.into_fixed_bytes()?.try_into().ok()?,
    })
}

/// `withdraw(...)` with a voucher.
pub fn encode_withdraw(
    player: Address,
    amount: u64,
    nonce: u64,
    deadline_s: u64,
    signature: &[u8; 65],
) -> Vec<u8> {
    let signature = signature.to_vec().into();
    abi::WithdrawCall { player: H160(player), amount, nonce, deadline: deadline_s, signature }.encode()
}

/// `requestExit()`: the player's own clock starts.
pub fn encode_request_exit() -> Vec<u8> {
    abi::RequestExitCall {}.encode()
}

/// `finaliseExit(player)`: anybody may, once the clock has run out.
pub fn encode_finalise_exit(player: Address) -> Vec<u8> {
    abi::FinaliseExitCall { player: H160(player) }.encode()
}

/// `deposit(amount)`.
pub fn encode_deposit(amount: u64) -> Vec<u8> {
    abi::DepositCall { amount }.encode()
}

/// `fundReserve(amount)`: anybody may; the vault must be approved for it.
pub fn encode_fund_reserve(amount: u64) -> Vec<u8> {
    abi::FundReserveCall { amount }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(body: ItemBody) -> Item {
        Item { table: [4; 32], first: 3, last: 3, body }
    }

    fn seating() -> Seating {
        Seating {
            seat: 2,
            player: [1; 20],
            amount: 5,
            max_total_rake: 6,
            expiry_s: 7,
            nonce: u64::MAX,
            v: 28,
            r: [8; 32],
            s: [9; 32],
        }
    }

    #[test]
    fn a_settle_call_reads_back_as_what_was_written() {
        let lanes = [(0, Lane { delta: -5, rake: 0 }), (7, Lane { delta: 4, rake: 1 })].into();
        let items = vec![
            item(ItemBody::Hands { root: [1; 32], lanes }),
            item(ItemBody::Sit(seating())),
            item(ItemBody::TopUp(seating())),
            item(ItemBody::Leave { seat: 9, player: [3; 20], stack: 12 }),
        ];
        assert_eq!(decode_call(&encode_settle(&items)), Ok(Call::Settle(items)));
    }

    #[test]
    fn calldata_with_something_hidden_in_it_is_refused() {
        let mut data = encode_settle(&[item(ItemBody::Leave { seat: 9, player: [3; 20], stack: 12 })]);
        assert!(decode_call(&data).is_ok());
        data.push(0);
        assert!(decode_call(&data).is_err());
        assert!(decode_call(&[1, 2, 3, 4]).is_err());
        assert!(decode_call(&encode_deposit(5)).is_err());
    }

    #[test]
    fn opening_a_table_reads_back() {
        let uid = "0a0b0c0d-0000-4000-8000-000000000001";
        let terms = Terms { seats: 6, rake_basis_points: 500, rake_cap: 3, big_blind: 2 };
        let data = encode_open(uid, terms).unwrap();
        assert_eq!(decode_call(&data), Ok(Call::Open { uid: uid_word(uid).unwrap(), terms }));
    }
}
