//! The vault contract's calls, views and events, out of its committed ABI.

use super::{
    Address, Rpc, RpcError,
    batch::{Item, ItemBody, LANE_BYTES, Seating, encode_body, unpack},
};
use crate::chain::eip712::uid_word;
use ethers_contract::EthLogDecode;
use ethers_core::{
    abi::{AbiDecode, AbiEncode, ParamType, RawLog, Token, decode},
    types::{H160, Log, U256},
    utils::id,
};
use purr_books::{
    events::{Reason, VaultEvent, VaultLog},
    policy::{Lane, Terms},
};
use purr_engine::PlayerId;
use purr_protocol::permit::PermitVersion;
use std::collections::BTreeMap;

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated")]
mod abi {
    ethers_contract::abigen!(PurrVault, "contracts/abi/PurrVault.json");
}

/// Most blocks in one log query (HyperEVM's bound).
pub const LOG_BLOCKS_MAX: u64 = 50;

/// The vault at an address.
#[derive(Clone, Copy, Debug)]
pub struct Vault {
    pub address: Address,
}

/// A seat as the chain has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSeat {
    pub player: Address,
    pub stack: u64,
    pub rake_left: u64,
    pub exiting: bool,
    pub vacated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTable {
    pub open: bool,
    pub seq: u64,
    pub rake: u64,
}

/// What a vault was deployed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Hands that one item may have.
    pub range_max: u16,
    /// Seconds from `requestExit` to `finaliseExit`.
    pub exit_delay_s: u64,
    /// Numbers of a table's sequence that may still touch a seat whose exit was asked for.
    pub exit_sequences: u16,
    pub permits: PermitVersion,
}

/// Reads the members of `Limits` that are needed. Vaults differ in how many follow: later members are ignored.
fn limits(answer: &[u8]) -> Option<(u64, u16, u16)> {
    let words: Vec<U256> = answer.chunks_exact(32).map(U256::from_big_endian).collect();
    let exit_delay_s = u64::try_from(*words.first()?).ok()?;
    let range_max = u16::try_from(u64::try_from(*words.get(4)?).ok()?).ok()?;
    let exit_sequences = u16::try_from(u64::try_from(*words.get(5)?).ok()?).ok()?;
    Some((exit_delay_s, range_max, exit_sequences))
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

fn config(uid: &str, terms: Terms) -> Option<abi::TableConfig> {
    Some(abi::TableConfig {
        uid: uid_word(uid)?,
        seats: terms.seats,
        rake_bps: terms.rake_basis_points,
        rake_cap: terms.rake_cap,
        big_blind: terms.big_blind,
    })
}

/// A call of the vault as its calldata says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Open { uid: [u8; 32], terms: Terms },
    Settle(Vec<Item>),
}

/// Reads calldata back, every bit of it.
///
/// # Errors
/// Says what does not decode, or does not encode to the same bytes again.
pub fn decode_call(data: &[u8]) -> Result<Call, String> {
    if let Ok(call) = abi::OpenTableCall::decode(data) {
        let c = &call.config;
        let terms = Terms {
            seats: c.seats,
            rake_basis_points: c.rake_bps,
            rake_cap: c.rake_cap,
            big_blind: c.big_blind,
        };
        let out = Call::Open { uid: c.uid, terms };
        return if call.encode() == data { Ok(out) } else { Err("is not canonical".into()) };
    }
    let call = abi::SettleEntriesCall::decode(data)
        .map_err(|_| "is neither openTable nor settleEntries".to_owned())?;
    if call.clone().encode() != data {
        return Err("is not canonical".into());
    }
    let items = call
        .items
        .iter()
        .map(|item| {
            let body = decode_body(item.kind, &item.data).ok_or_else(|| {
                format!("item {} of {} does not decode", item.first_seq, hex::encode(item.table_id))
            })?;
            Ok(Item { table: item.table_id, first: item.first_seq, last: item.last_seq, body })
        })
        .collect::<Result<Vec<_>, String>>()?;
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
    // Nothing may hide in the bytes that decoding skips.
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

/// What somebody has of an ERC-20 token, outside the vault.
pub async fn token_balance(rpc: &Rpc, token: Address, holder: Address) -> Result<u64, RpcError> {
    let call = abi::BalanceOfCall { player: H160(holder) }.encode();
    let answer = rpc.eth_call(token, &call, None).await?;
    u64::decode(answer).map_err(|error| RpcError::Answer { method: "eth_call", detail: error.to_string() })
}

/// `deposit(amount)`.
pub fn encode_deposit(amount: u64) -> Vec<u8> {
    abi::DepositCall { amount }.encode()
}

/// `fundReserve(amount)`: anybody may; the vault must be approved for it.
pub fn encode_fund_reserve(amount: u64) -> Vec<u8> {
    abi::FundReserveCall { amount }.encode()
}

impl Vault {
    async fn view<T: AbiDecode>(&self, rpc: &Rpc, call: Vec<u8>, block: Option<u64>) -> Result<T, RpcError> {
        let answer = rpc.eth_call(self.address, &call, block).await?;
        T::decode(answer).map_err(|error| RpcError::Answer { method: "eth_call", detail: error.to_string() })
    }

    pub async fn balance(&self, rpc: &Rpc, player: Address, block: Option<u64>) -> Result<u64, RpcError> {
        self.view(rpc, abi::BalanceOfCall { player: H160(player) }.encode(), block).await
    }

    pub async fn table(&self, rpc: &Rpc, id: [u8; 32], block: Option<u64>) -> Result<ChainTable, RpcError> {
        let view: abi::TableView = self.view(rpc, abi::TableOfCall { table_id: id }.encode(), block).await?;
        Ok(ChainTable { open: view.open, seq: view.seq, rake: view.rake })
    }

    /// All seats, free ones with a zero player.
    pub async fn seats(
        &self,
        rpc: &Rpc,
        id: [u8; 32],
        block: Option<u64>,
    ) -> Result<Vec<ChainSeat>, RpcError> {
        let seats: Vec<abi::SeatView> =
            self.view(rpc, abi::SeatsOfCall { table_id: id }.encode(), block).await?;
        Ok(seats
            .into_iter()
            .map(|seat| ChainSeat {
                player: seat.player.0,
                stack: seat.stack,
                rake_left: seat.rake_left,
                exiting: seat.exiting,
                vacated: seat.vacated,
            })
            .collect())
    }

    /// The contract's own id of a table, to compare with ours.
    pub async fn table_id(&self, rpc: &Rpc, uid: &str, terms: Terms) -> Result<[u8; 32], RpcError> {
        let config = config(uid, terms)
            .ok_or_else(|| RpcError::Answer { method: "eth_call", detail: format!("'{uid}' is no UUID") })?;
        self.view(rpc, abi::TableIdOfCall { c: config }.encode(), None).await
    }

    /// The token that the vault holds.
    pub async fn token(&self, rpc: &Rpc) -> Result<Address, RpcError> {
        let token: H160 = self.view(rpc, abi::TokenCall {}.encode(), None).await?;
        Ok(token.0)
    }

    /// The house's reserve.
    pub async fn reserve(&self, rpc: &Rpc, block: Option<u64>) -> Result<u64, RpcError> {
        self.view(rpc, abi::ReserveCall {}.encode(), block).await
    }

    /// The number that the admins' next call must have. The first vaults do not have the function, and revert: their
    /// admins' calls have no number.
    pub async fn action_number(&self, rpc: &Rpc) -> Result<Option<u64>, RpcError> {
        match self.view(rpc, abi::ActionNumberCall {}.encode(), None).await {
            Err(error) if error.is_revert() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// What is fixed with the vault.
    pub async fn bounds(&self, rpc: &Rpc) -> Result<Bounds, RpcError> {
        let answer = rpc.eth_call(self.address, &abi::LimitsCall {}.encode(), None).await?;
        let unread = |detail: &str| RpcError::Answer { method: "eth_call", detail: detail.to_owned() };
        let (exit_delay_s, range_max, exit_sequences) = limits(&answer).ok_or_else(|| unread("no limits"))?;
        let permits = PermitVersion::try_from(self.permit_version(rpc).await?)
            .map_err(|error| unread(&error.to_string()))?;
        Ok(Bounds { range_max, exit_delay_s, exit_sequences, permits })
    }

    /// The first vaults do not have the function, and revert.
    async fn permit_version(&self, rpc: &Rpc) -> Result<u8, RpcError> {
        match self.view(rpc, abi::PermitVersionCall {}.encode(), None).await {
            Err(error) if error.is_revert() => Ok(PermitVersion::AnySeat.number()),
            answer => answer,
        }
    }

    /// The most that a voucher pays this player now, as far as the vault says: the first vaults know the limit of all
    /// players together.
    pub async fn withdrawable(
        &self,
        rpc: &Rpc,
        permits: PermitVersion,
        player: Address,
    ) -> Result<u64, RpcError> {
        let call = match permits {
            PermitVersion::AnySeat => abi::OutflowLeftCall {}.encode(),
            PermitVersion::NamedSeat => abi::WithdrawableCall { player: H160(player) }.encode(),
        };
        self.view(rpc, call, None).await
    }

    /// Whether the key may settle (role 1) or sign vouchers (role 2) now.
    pub async fn is_active(&self, rpc: &Rpc, key: Address, role: u8) -> Result<bool, RpcError> {
        self.view(rpc, abi::IsActiveCall { key: H160(key), role }.encode(), None).await
    }
}

pub(super) fn read(log: &Log) -> Option<VaultLog> {
    if log.removed == Some(true) {
        return None;
    }
    let raw = RawLog { topics: log.topics.clone(), data: log.data.to_vec() };
    let event = event(abi::PurrVaultEvents::decode_log(&raw).ok()?)?;
    Some(VaultLog {
        block: log.block_number?.as_u64(),
        tx: log.transaction_hash?.0,
        index: u64::try_from(log.log_index?.min(U256::from(u64::MAX))).ok()?,
        event,
    })
}

fn event(event: abi::PurrVaultEvents) -> Option<VaultEvent> {
    use abi::PurrVaultEvents as E;
    let player = |address: H160| PlayerId(address.0);
    Some(match event {
        E::DepositedFilter(e) => VaultEvent::Deposited { player: player(e.player), amount: e.amount },
        E::WithdrawnFilter(e) => {
            VaultEvent::Withdrawn { player: player(e.player), amount: e.amount, nonce: e.nonce }
        }
        E::ExitRequestedFilter(e) => {
            VaultEvent::ExitRequested { player: player(e.player), ready_at_s: e.ready_at }
        }
        E::ExitFinalisedFilter(e) => VaultEvent::ExitFinalised { player: player(e.player), amount: e.amount },
        E::PermitCancelledFilter(e) => {
            VaultEvent::PermitCancelled { player: player(e.player), nonce: e.nonce }
        }
        E::TableOpenedFilter(e) => VaultEvent::TableOpened { table: e.table_id },
        E::SeatedFilter(e) => VaultEvent::Seated {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            amount: e.amount,
            nonce: e.nonce,
        },
        E::ToppedUpFilter(e) => VaultEvent::ToppedUp {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            amount: e.amount,
            nonce: e.nonce,
        },
        E::SeatingRefusedFilter(e) => VaultEvent::SeatingRefused {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            nonce: e.nonce,
            reason: e.reason,
        },
        E::HandsSettledFilter(e) => {
            VaultEvent::HandsSettled { table: e.table_id, first: e.first_seq, last: e.last_seq, rake: e.rake }
        }
        E::ShortfallFilter(e) => VaultEvent::Shortfall {
            table: e.table_id,
            first: e.first_seq,
            amount: e.amount,
            reserve: e.from_reserve,
            rake: e.from_rake,
            winners: e.from_winners,
        },
        E::LateWinningsFilter(e) => VaultEvent::LateWinnings {
            table: e.table_id,
            player: player(e.player),
            first: e.first_seq,
            amount: e.amount,
        },
        E::LeftFilter(e) => VaultEvent::Left {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            stack: e.stack,
        },
        E::SeatVacatedFilter(e) => VaultEvent::SeatVacated {
            table: e.table_id,
            player: player(e.player),
            seat: e.seat,
            stack: e.stack,
        },
        E::RangeVoidedFilter(e) => {
            VaultEvent::RangeVoided { table: e.table_id, first: e.first_seq, last: e.last_seq }
        }
        E::ItemRejectedFilter(e) => {
            VaultEvent::ItemRejected { table: e.table_id, seq: e.seq, reason: reason(e.reason) }
        }
        E::RakeSweptFilter(e) => VaultEvent::RakeSwept { table: e.table_id, amount: e.amount },
        E::ReserveFundedFilter(e) => VaultEvent::ReserveFunded { amount: e.amount },
        E::HousePaidFilter(e) => VaultEvent::HousePaid { to: PlayerId(e.to.0), amount: e.amount },
        _ => return None,
    })
}

/// Errors that what came before decides, by selector.
fn reason(selector: [u8; 4]) -> Reason {
    let again = ["BadSequence(uint64)", "TooFast()"].into_iter().any(|error| id(error) == selector);
    if again { Reason::Again(selector) } else { Reason::Never(selector) }
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
    fn the_limits_of_older_and_newer_vaults_are_read() {
        let words = |count: u64| -> Vec<u8> {
            (0..count).flat_map(|n| ethers_core::abi::encode(&[Token::Uint(U256::from(100 + n))])).collect()
        };
        for count in [8, 10, 12] {
            assert_eq!(limits(&words(count)), Some((100, 104, 105)));
        }
        assert_eq!(limits(&words(4)), None);
        assert_eq!(limits(&[0xff; 320]), None);
    }

    #[test]
    fn opening_a_table_reads_back() {
        let uid = "0a0b0c0d-0000-4000-8000-000000000001";
        let terms = Terms { seats: 6, rake_basis_points: 500, rake_cap: 3, big_blind: 2 };
        let data = encode_open(uid, terms).unwrap();
        assert_eq!(decode_call(&data), Ok(Call::Open { uid: uid_word(uid).unwrap(), terms }));
    }
}
