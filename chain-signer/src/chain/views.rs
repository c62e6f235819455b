//! The vault's views, called one by one or in a batch at one block.

use super::{
    Address, Block, Rpc, RpcError, abi,
    vault::{Vault, config},
};
use ethers_core::{
    abi::{AbiDecode, AbiEncode},
    types::{H160, U256},
};
use purr_books::policy::Terms;
use purr_engine::PlayerId;
use purr_protocol::permit::PermitVersion;

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

/// The parameters that a vault was deployed with.
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

/// The subjects that are compared with the books at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// All that the vault holds, and the house's reserve.
    Sums,
    Player(PlayerId),
    /// A table, by the contract's id.
    Table([u8; 32]),
}

impl Asked {
    /// Requests to the node.
    pub const fn requests(self) -> usize {
        match self {
            Self::Player(_) => 1,
            Self::Sums | Self::Table(_) => 2,
        }
    }

    fn calls(self) -> Vec<Vec<u8>> {
        match self {
            Self::Sums => vec![abi::TotalHeldCall {}.encode(), abi::ReserveCall {}.encode()],
            Self::Player(player) => vec![abi::BalanceOfCall { player: H160(player.0) }.encode()],
            Self::Table(table_id) => {
                vec![abi::TableOfCall { table_id }.encode(), abi::SeatsOfCall { table_id }.encode()]
            }
        }
    }

    fn read(self, answers: &mut impl Iterator<Item = Vec<u8>>) -> Result<Figures, RpcError> {
        Ok(match self {
            Self::Sums => Figures::Sums { held: decoded(answers.next())?, reserve: decoded(answers.next())? },
            Self::Player(_) => Figures::Player { free: decoded(answers.next())? },
            Self::Table(_) => {
                let view: abi::TableView = decoded(answers.next())?;
                let seats: Vec<abi::SeatView> = decoded(answers.next())?;
                let seats = seats.into_iter().map(ChainSeat::from).collect();
                Figures::Table { table: ChainTable::from(view), seats }
            }
        })
    }
}

/// The chain's side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figures {
    Sums { held: u64, reserve: u64 },
    Player { free: u64 },
    Table { table: ChainTable, seats: Vec<ChainSeat> },
}

/// Figures of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub block: Block,
    /// In the order of the requested subjects.
    pub figures: Vec<Figures>,
}

/// Requests of a sample beside its figures: the head before and after them.
pub const SAMPLE_REQUESTS: usize = 2;

fn decoded<T: AbiDecode>(answer: Option<Vec<u8>>) -> Result<T, RpcError> {
    T::decode(answer.unwrap_or_default())
        .map_err(|error| RpcError::Answer { method: "eth_call", detail: error.to_string() })
}

impl From<abi::TableView> for ChainTable {
    fn from(view: abi::TableView) -> Self {
        Self { open: view.open, seq: view.seq, rake: view.rake }
    }
}

impl From<abi::SeatView> for ChainSeat {
    fn from(seat: abi::SeatView) -> Self {
        Self {
            player: seat.player.0,
            stack: seat.stack,
            rake_left: seat.rake_left,
            exiting: seat.exiting,
            vacated: seat.vacated,
        }
    }
}

/// Reads the members of `Limits` that are needed. Vaults differ in how many follow: later members are ignored.
fn limits(answer: &[u8]) -> Option<(u64, u16, u16)> {
    let words: Vec<U256> = answer.chunks_exact(32).map(U256::from_big_endian).collect();
    let exit_delay_s = u64::try_from(*words.first()?).ok()?;
    let range_max = u16::try_from(u64::try_from(*words.get(4)?).ok()?).ok()?;
    let exit_sequences = u16::try_from(u64::try_from(*words.get(5)?).ok()?).ok()?;
    Some((exit_delay_s, range_max, exit_sequences))
}

impl Vault {
    /// Figures at the head, all of one block: some nodes only answer for their head. `None`: blocks came too fast.
    pub async fn sample(&self, rpc: &Rpc, asked: &[Asked]) -> Result<Option<Sample>, RpcError> {
        let calls: Vec<(Address, Vec<u8>)> =
            asked.iter().flat_map(|one| one.calls()).map(|data| (self.address, data)).collect();
        let Some((block, answers)) = rpc.calls_at_head(&calls).await? else { return Ok(None) };
        let mut answers = answers.into_iter();
        let figures = asked.iter().map(|one| one.read(&mut answers)).collect::<Result<_, _>>()?;
        Ok(Some(Sample { block, figures }))
    }

    async fn view<T: AbiDecode>(&self, rpc: &Rpc, call: Vec<u8>, block: Option<u64>) -> Result<T, RpcError> {
        let answer = rpc.eth_call(self.address, &call, block).await?;
        T::decode(answer).map_err(|error| RpcError::Answer { method: "eth_call", detail: error.to_string() })
    }

    pub async fn balance(&self, rpc: &Rpc, player: Address, block: Option<u64>) -> Result<u64, RpcError> {
        self.view(rpc, abi::BalanceOfCall { player: H160(player) }.encode(), block).await
    }

    pub async fn table(&self, rpc: &Rpc, id: [u8; 32], block: Option<u64>) -> Result<ChainTable, RpcError> {
        let view: abi::TableView = self.view(rpc, abi::TableOfCall { table_id: id }.encode(), block).await?;
        Ok(view.into())
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
        Ok(seats.into_iter().map(ChainSeat::from).collect())
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

    /// The parameters that are fixed with the vault.
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

    /// The number that the admins' next call must have. The first vaults do not have the function, and revert: their
    /// admins' calls have no number.
    pub async fn action_number(&self, rpc: &Rpc) -> Result<Option<u64>, RpcError> {
        match self.view(rpc, abi::ActionNumberCall {}.encode(), None).await {
            Err(error) if error.is_revert() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The most that a voucher can pay this player now. The first version of the vault only knows the limit of all
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

/// Returns the balance of an ERC-20 token that somebody has outside the vault.
pub async fn token_balance(rpc: &Rpc, token: Address, holder: Address) -> Result<u64, RpcError> {
    let call = abi::BalanceOfCall { player: H160(holder) }.encode();
    let answer = rpc.eth_call(token, &call, None).await?;
    u64::decode(answer).map_err(|error| RpcError::Answer { method: "eth_call", detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ethers_core::abi::Token;

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
}
