//! The table's sequence: what goes from a table through the signer to the chain, in order.

use purr_engine::{Chips, PlayerId, SeatIndex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The player's EIP-712 permit: the only way chips can come to be at risk at a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permit {
    pub amount: Chips,
    pub max_total_rake: Chips,
    /// Seconds since 1970.
    pub expiry_s: u64,
    pub nonce: u64,
    /// 65 bytes r, s, v; `0x` and hex.
    pub signature: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatDelta {
    pub seat: SeatIndex,
    pub player: PlayerId,
    pub delta: i64,
}

/// One entry of a table's sequence. Numbers start at 1 and have no gaps; a number is bound to one
/// payload for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub seq: u64,
    pub body: EntryBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum EntryBody {
    Sit {
        seat: SeatIndex,
        player: PlayerId,
        permit: Permit,
    },
    TopUp {
        seat: SeatIndex,
        player: PlayerId,
        permit: Permit,
    },
    /// Deltas of everybody dealt in and the rake sum to zero.
    Hand {
        hand: u64,
        deltas: Vec<SeatDelta>,
        rake: Chips,
        /// SHA-256 of the hand record, 64 hex digits.
        record_hash: String,
        /// All that the next hand starts from, for a take-over after both memory and store were lost.
        next: String,
    },
    /// Chips go back to the player's free balance.
    Leave {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
    },
}

impl Entry {
    /// Identifies the payload: SHA-256 of its canonical JSON (this struct's field order).
    pub fn payload_hash(&self) -> Result<[u8; 32], serde_json::Error> {
        Ok(Sha256::digest(serde_json::to_vec(self)?).into())
    }
}

/// `PUT /v1/tables/{uid}`: makes the table known; the signer opens it on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTable {
    pub epoch: u64,
    pub seats: u8,
    pub big_blind: Chips,
    pub rake_basis_points: u16,
    /// The highest cap of any number of players; 0: none.
    pub rake_cap: Chips,
    pub max_hands: u32,
    pub max_delay_ms: u64,
}

impl OpenTable {
    pub fn from_spec(epoch: u64, spec: &crate::TableSpec) -> Self {
        let engine = &spec.engine;
        Self {
            epoch,
            seats: engine.seats,
            big_blind: engine.big_blind,
            rake_basis_points: engine.rake.basis_points,
            rake_cap: engine.rake.caps.iter().map(|cap| cap.amount).max().unwrap_or(0),
            max_hands: spec.settlement.max_hands,
            max_delay_ms: spec.settlement.max_delay_ms,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TableState {
    Opening,
    Open,
}

/// `GET /v1/tables/{uid}` and the answer to [`OpenTable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    /// The contract's id of the table, `0x` and 64 hex digits.
    pub table_id: String,
    pub state: TableState,
    /// The last entry in the signer's journal; 0: none.
    pub head_seq: u64,
    /// The last entry that the chain has confirmed.
    pub confirmed_seq: u64,
    /// How long after `requestExit` a player is paid without anybody's help, in seconds; 0: not known yet.
    #[serde(default)]
    pub exit_delay_s: u64,
    /// Numbers of the sequence that may still touch the seat of a player who has asked to exit; 0: not known yet.
    #[serde(default)]
    pub exit_sequences: u64,
    /// The type of permits that the vault takes; see [`ChainConfig::permit_version`].
    #[serde(default = "first_permits")]
    pub permit_version: u8,
}

fn first_permits() -> u8 {
    crate::permit_version::PermitVersion::AnySeat.number()
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a table's id: want 0x and 64 hex digits")]
pub struct BadTableId(String);

impl TableStatus {
    /// The contract's id of the table; `None` where it is all zeros: play money has no contract.
    ///
    /// # Errors
    /// Where it is no id.
    pub fn contract_id(&self) -> Result<Option<[u8; 32]>, BadTableId> {
        let bad = || BadTableId(self.table_id.chars().take(80).collect());
        let mut id = [0; 32];
        hex::decode_to_slice(self.table_id.strip_prefix("0x").ok_or_else(bad)?, &mut id)
            .map_err(|_| bad())?;
        Ok(Some(id).filter(|id| *id != [0; 32]))
    }
}

/// `POST /v1/tables/{uid}/fence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    pub epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fenced {
    pub epoch: u64,
    pub head_seq: u64,
    /// `next` of the last hand in the journal.
    pub head_next: Option<String>,
    /// Seconds for which the oldest unconfirmed hand has been in the journal; 0: there is none.
    #[serde(default)]
    pub unsettled_s: u64,
}

/// `POST /v1/tables/{uid}/reservations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserve {
    pub epoch: u64,
    pub seat: SeatIndex,
    pub player: PlayerId,
    pub permit: Permit,
    pub top_up: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub reservation: String,
}

/// `POST /v1/tables/{uid}/entries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submit {
    pub epoch: u64,
    pub entries: Vec<Entry>,
}

/// The body of a table's post: entries, and its own signature over each. Tables of a release before sign nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedSubmit {
    #[serde(flatten)]
    pub submit: Submit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<TableSignatures>,
}

/// Signatures of a table's certificate over entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSignatures {
    /// DER, in hex.
    pub certificate: String,
    /// One for each entry, in their order: the TLS scheme's two bytes and the signature over [`signed_text`], in hex.
    pub entries: Vec<String>,
}

/// Returns the text that a table signs for an entry. Nothing else that its key signs begins so.
pub fn signed_text(uid: &str, seq: u64, payload_hash: &[u8; 32]) -> Vec<u8> {
    let hash = hex::encode(payload_hash);
    format!("purr-table-entry 1\n{uid}\n{seq}\n{hash}\n").into_bytes()
}

/// `GET /v1/tables/{uid}/entries?after=N`: entries of the journal after that number, in order, at most 256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entries {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    pub accepted_through: u64,
}

/// The state that a notice reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoticeState {
    Submitted,
    Confirmed,
    Rejected,
    /// This player has asked on chain to leave for good and is dealt no more hands. The range is, twice, the last
    /// entry in the journal by then: a seat taken after it is another one.
    Exit(PlayerId),
    /// A final deposit of this player is no longer on the chain: the player is dealt no more hands and keeps the seat.
    Frozen(PlayerId),
    /// The deposit is on the chain again.
    Thawed(PlayerId),
}

/// A notice about entries `seq_from` to `seq_to`. `id` rises; a reader names the last it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub id: u64,
    pub seq_from: u64,
    pub seq_to: u64,
    pub state: NoticeState,
    pub tx_hash: String,
}

/// `GET /v1/tables/{uid}/events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notices {
    pub notices: Vec<Notice>,
}

/// `GET /v1/config`: what a wallet needs to deposit and to sign permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainConfig {
    pub chain_id: u64,
    pub vault: String,
    pub token: String,
    pub decimals: u8,
    pub confirmations: u64,
    /// The key that settles and signs the receipts of hands now: `0x` and 40 hex digits; empty where it is not told.
    #[serde(default)]
    pub operator: String,
    /// The permits that wallets sign to take a seat or chips: 1, `SeatPermit`; 2, `SitPermit` and `TopUpPermit`, which name the
    /// seat.
    #[serde(default = "first_permits")]
    pub permit_version: u8,
}

/// `GET /v1/tables/{uid}/hands/{hand}/receipt`: the operator's signature (EIP-712) over
/// `HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)`, and what the hashes are of. The
/// vault's `verifyReceipt` checks it, too. Hashes and addresses are `0x` and hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandReceipt {
    pub chain_id: u64,
    pub vault: String,
    pub table: String,
    pub table_id: String,
    /// Number of the hand's entry in the table's sequence.
    pub seq: u64,
    pub hand: u64,
    /// By seat, ascending. `deltasHash` is the keccak256 of them as the contract packs them.
    pub lanes: Vec<ReceiptLane>,
    pub deltas_hash: String,
    /// SHA-256 of the hand's whole record, the sealed part included.
    pub record_hash: String,
    /// The key that signed: operator of the vault then.
    pub signer: String,
    /// r, s and v, 65 bytes.
    pub signature: String,
}

/// The result of a hand for one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptLane {
    pub seat: u8,
    /// Chips won minus chips put in, rake paid.
    pub delta: i64,
    /// The part of the hand's rake that is charged to this seat's permits.
    pub rake: Chips,
}

/// `GET /v1/balances/{player}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// May be seated or withdrawn.
    pub free: Chips,
    /// On its way to a seat.
    pub reserved: Chips,
    pub seated: Vec<SeatedBalance>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatedBalance {
    pub table: String,
    pub stack: Chips,
}

/// A balance as the signer publishes it in the sessions group, under [`PublishedBalance::key`]: for who has to show
/// something while the signer is away. Nothing is granted by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedBalance {
    /// When it was so, in milliseconds since 1970.
    pub at_ms: u64,
    pub balance: Balance,
}

impl PublishedBalance {
    pub fn key(player: PlayerId) -> String {
        format!("balance:{player}")
    }
}

/// `GET /v1/reconciliation`: the ledger beside the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    pub agree: bool,
    pub block: u64,
    pub players: Vec<PlayerReconciliation>,
    pub tables: Vec<TableReconciliation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayerReconciliation {
    #[schemars(with = "String")]
    pub player: PlayerId,
    pub ledger_free: Chips,
    pub chain_free: Chips,
    pub seats: Vec<SeatReconciliation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatReconciliation {
    pub table: String,
    pub ledger_stack: Chips,
    pub chain_stack: Chips,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableReconciliation {
    pub uid: String,
    pub table_id: String,
    pub head_seq: u64,
    pub chain_seq: u64,
    pub ledger_rake: Chips,
    pub chain_rake: Chips,
}
