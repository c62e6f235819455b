//! `purr deposit`, `purr withdraw` and `purr receipt`: the player's own key at the vault.
//!
//! Each command is a function that returns its outcome as a value; [`show`] prints it.

use super::{At, note, print_line};
use crate::{
    amount,
    api::Api,
    chain::{Chain, Mined, Place, Rpc},
    session::Session,
    wallet::{Vault, Wallet, random_nonce},
};
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum, value_parser};
use purr_engine::{Chips, PlayerId};
use purr_protocol::{
    TableUid,
    settlement::{ChainConfig, HandReceipt, ReceiptLane},
    withdrawal::{Voucher, Withdrawal},
};
use serde::Serialize;
use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a voucher may be redeemed, in seconds.
const VOUCHER_LIFE_S: u64 = 600;
/// The deposit's approval only needs to be in a block.
const IN_A_BLOCK: u64 = 1;
/// A voucher is far smaller, in bytes.
const VOUCHER_BYTES_MAX: usize = 8 * 1024;

/// The player's key and a node of the chain.
#[derive(Args, Clone, Debug)]
pub struct ChainArgs {
    /// JSON-RPC of a node of the chain: https://…, or http:// to this machine
    #[arg(long, env = "PURR_RPC", hide_env_values = true)]
    pub rpc: String,
    /// PEM file with a private CA of the node's certificate [default: the CAs that this machine trusts]
    #[arg(long, env = "PURR_RPC_CA")]
    pub rpc_ca: Option<PathBuf>,
    /// File with the wallet's private key in hex; this account pays the fees
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// The most that a unit of gas may cost, in gwei
    #[arg(long, env = "PURR_FEE_LIMIT", default_value_t = 500, value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub fee_limit: u64,
    /// Seconds to wait for a transaction with all of its confirmations
    #[arg(long, default_value_t = 900, value_parser = value_parser!(u64).range(1..))]
    pub wait_s: u64,
    /// How the outcome is written to stdout; progress goes to stderr
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Text,
    /// One JSON object; amounts as text in major units, and in minor units under the same name with `Minor`
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct DepositArgs {
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Amount in major units with a decimal point, as in 250.50
    pub amount: String,
}

#[derive(Args, Clone, Debug)]
pub struct WithdrawArgs {
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Amount in major units with a decimal point, as in 250.50
    #[arg(required_unless_present = "voucher", conflicts_with = "voucher")]
    pub amount: Option<String>,
    /// Redeem the voucher in this JSON file, as an earlier withdrawal printed it, and ask for none
    #[arg(long)]
    pub voucher: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct ReceiptArgs {
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// UID or name of the table
    pub table: String,
    /// Number of the hand
    #[arg(value_parser = value_parser!(u64).range(1..))]
    pub hand: u64,
    /// The first block in which the settlement is looked for; at most the last 1,000,000 blocks are searched
    #[arg(long, default_value_t = 0)]
    pub from_block: u64,
}

/// An amount as JSON has it: in major units as text, and in minor units.
fn major(amount: Chips, place: &Place) -> String {
    amount::write(amount, place.decimals)
}

/// The result of a command, for people and for programs.
pub trait Outcome: Serialize + Display {}

impl<T: Serialize + Display> Outcome for T {}

/// Prints an outcome in the requested format.
pub(super) fn show(outcome: &impl Outcome, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Text => print_line(&outcome.to_string()),
        Output::Json => print_line(&serde_json::to_string(outcome)?),
    }
}

impl ChainArgs {
    pub(super) fn wallet(&self) -> anyhow::Result<Wallet> {
        Ok(Wallet::from_file(&self.key_file)?)
    }

    pub(super) fn rpc(&self) -> anyhow::Result<Rpc> {
        Ok(Rpc::new(&self.rpc, self.rpc_ca.as_deref())?)
    }

    pub(super) async fn open(&self, place: Place) -> anyhow::Result<Chain> {
        Ok(Chain::open(self.rpc()?, self.wallet()?, place, self.fee_limit).await?)
    }

    /// Waits for a transaction and prints its progress.
    pub(super) async fn follow(
        &self,
        chain: &Chain,
        what: &str,
        hash: &str,
        wanted: u64,
    ) -> anyhow::Result<Mined> {
        note(&format!("{what}: transaction {hash}"));
        let told = |count: u64| note(&format!("{what}: {} of {wanted} confirmations", count.min(wanted)));
        let wait = Duration::from_secs(self.wait_s);
        chain.confirmed(hash, wanted, wait, told).await.with_context(|| what.to_owned())
    }
}

/// The room and the chain, both asked with the same key.
struct Room {
    session: Session,
    config: ChainConfig,
    chain: Chain,
}

impl Room {
    async fn open(at: &At, args: &ChainArgs) -> anyhow::Result<Self> {
        let session = Session::new(Api::new(at.gateway()?), args.wallet()?);
        let config = session.api().config().await?;
        let chain = args.open(Place::of_room(&config)?).await?;
        Ok(Self { session, config, chain })
    }
}

/// The result of `purr deposit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deposited {
    pub amount: String,
    pub amount_minor: Chips,
    /// `None`: the vault was allowed to take as much before.
    pub approval: Option<String>,
    pub transaction: String,
    pub block: u64,
    pub confirmations: u64,
}

impl Display for Deposited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { amount, transaction, block, confirmations, .. } = self;
        write!(f, "deposited {amount} in block {block}, {confirmations} confirmations: {transaction}")
    }
}

/// Approves exactly the amount if the vault may not take it yet, deposits it, and waits until the room credits it.
///
/// # Errors
/// A sentence about what was refused; what was sent before has been told by its hash on stderr.
pub async fn deposit(args: &DepositArgs) -> anyhow::Result<Deposited> {
    let Room { chain, .. } = Room::open(&args.at, &args.chain).await?;
    let place = *chain.place();
    let amount = amount::read(&args.amount, place.decimals)?;
    let state = chain.state().await?;
    // An approval costs a fee, and would be for nothing.
    ensure!(!state.is_paused, "deposits are paused at the moment");
    ensure!(
        amount <= state.wallet,
        "the wallet has {}, which is less than {}",
        major(state.wallet, &place),
        major(amount, &place)
    );
    // The vault takes no signed allowance (EIP-2612), and one in a call of its own would cost as much as this.
    let approval = if state.allowance < amount {
        let hash = chain.approve(amount).await.context("approval")?;
        args.chain.follow(&chain, "approval", &hash, IN_A_BLOCK).await?;
        Some(hash)
    } else {
        None
    };
    let hash = chain.deposit(amount).await.context("deposit")?;
    let mined = args.chain.follow(&chain, "deposit", &hash, place.confirmations).await?;
    let Mined { hash: transaction, block, confirmations, .. } = mined;
    Ok(Deposited {
        amount: major(amount, &place),
        amount_minor: amount,
        approval,
        transaction,
        block,
        confirmations,
    })
}

/// The result of `purr withdraw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawn {
    pub amount: String,
    pub amount_minor: Chips,
    pub nonce: u64,
    pub transaction: String,
    pub block: u64,
    pub confirmations: u64,
}

impl Display for Withdrawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { amount, transaction, block, .. } = self;
        write!(f, "withdrew {amount} in block {block}: {transaction}")
    }
}

/// Requests a voucher over the amount from the room, and redeems it at the vault.
///
/// # Errors
/// A sentence about what was refused. Where the voucher was given and not redeemed it is printed, for `--voucher`.
pub async fn withdraw(args: &WithdrawArgs) -> anyhow::Result<Withdrawn> {
    let room = Room::open(&args.at, &args.chain).await?;
    let place = *room.chain.place();
    let voucher = match (&args.voucher, &args.amount) {
        (Some(file), _) => read_voucher(file)?,
        (None, Some(text)) => ask_voucher(&room, amount::read(text, place.decimals)?).await?,
        (None, None) => bail!("name an amount, or a voucher with --voucher"),
    };
    let here: PlayerId = PlayerId(place.vault);
    ensure!(
        voucher.vault.parse() == Ok(here),
        "the voucher is for vault {}, the room's is {here}",
        voucher.vault
    );
    match redeem(&room, args, &voucher).await {
        Ok(mined) => Ok(Withdrawn {
            amount: major(voucher.amount, &place),
            amount_minor: voucher.amount,
            nonce: voucher.nonce,
            transaction: mined.hash,
            block: mined.block,
            confirmations: mined.confirmations,
        }),
        Err(error) => {
            // The voucher's amount is set aside until its deadline: the voucher must not be lost with this process.
            note(
                "the voucher is good until its deadline; save it, and redeem it with `purr withdraw --voucher FILE`:",
            );
            print_line(&serde_json::to_string(&voucher)?)?;
            Err(error)
        }
    }
}

async fn redeem(room: &Room, args: &WithdrawArgs, voucher: &Voucher) -> anyhow::Result<Mined> {
    let Voucher { player, amount, nonce, deadline_s, signature, .. } = voucher;
    let signature = hex::decode(signature.trim_start_matches("0x")).context("the voucher's signature")?;
    let hash = room
        .chain
        .withdraw(*player, (*amount, *nonce, *deadline_s), &signature)
        .await
        .context("withdrawal")?;
    args.chain.follow(&room.chain, "withdrawal", &hash, room.chain.place().confirmations).await
}

async fn ask_voucher(room: &Room, amount: Chips) -> anyhow::Result<Voucher> {
    let token = room.session.token().await?;
    let free = room.session.api().balance(&token.text).await?.free;
    let place = room.chain.place();
    ensure!(
        amount <= free,
        "{} is free to withdraw, which is less than {}",
        major(free, place),
        major(amount, place)
    );
    let vault = Vault::from_config(&room.config)?;
    let (nonce, deadline_s) = (random_nonce()?, room.chain.state().await?.time_s + VOUCHER_LIFE_S);
    let wallet = room.session.wallet();
    let signature = wallet.withdraw_request(&vault, amount, nonce, deadline_s)?;
    let ask = Withdrawal { amount, nonce, deadline_s, signature };
    let voucher = room.session.api().withdraw(&token.text, &ask).await?;
    let voucher: Voucher = serde_json::from_value(voucher).context("the voucher")?;
    let (given, asked) = ((voucher.player, voucher.amount), (wallet.address(), amount));
    ensure!(given == asked, "the room gave a voucher over {given:?}, asked was for {asked:?}");
    Ok(voucher)
}

fn read_voucher(file: &Path) -> anyhow::Result<Voucher> {
    let text = super::read_bounded(file).with_context(|| file.display().to_string())?;
    ensure!(text.len() <= VOUCHER_BYTES_MAX, "{}: too long for a voucher", file.display());
    serde_json::from_slice(&text).with_context(|| format!("{}: not a voucher", file.display()))
}

/// The result of `purr receipt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The operator's signed receipt, as the gateway gives it.
    pub receipt: HandReceipt,
    /// `None`: no transaction of the blocks that were searched has settled the hand.
    pub transaction: Option<String>,
    pub block: Option<u64>,
    #[serde(skip)]
    decimals: u8,
}

impl Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { receipt, .. } = self;
        writeln!(f, "hand {}, number {} of table {}", receipt.hand, receipt.seq, receipt.table)?;
        for ReceiptLane { seat, delta, rake } in &receipt.lanes {
            let sign = if *delta < 0 { '-' } else { '+' };
            let (delta, rake) =
                (amount::write(delta.unsigned_abs(), self.decimals), amount::write(*rake, self.decimals));
            writeln!(f, "  seat {seat}: {sign}{delta}, rake {rake}")?;
        }
        match (&self.transaction, self.block) {
            (Some(hash), Some(block)) => write!(f, "settled in block {block}: {hash}"),
            _ => write!(f, "not settled on the chain in the blocks that were searched"),
        }
    }
}

/// The signed receipt of a hand, with the transaction that settled it, as the chain itself has it.
///
/// # Errors
/// Where there is no such hand, or gateway or node cannot be asked.
pub async fn receipt(args: &ReceiptArgs) -> anyhow::Result<Receipt> {
    let room = Room::open(&args.at, &args.chain).await?;
    let uid = match &args.table {
        // Also of a table that is gone from the lobby.
        uid if TableUid::is_uuid(uid) => uid.clone(),
        name => room.session.api().find_table(name).await?,
    };
    let token = room.session.token().await?;
    let format = crate::api::HandFormat::Receipt;
    let text = room.session.api().hand(&token.text, &uid, args.hand, format).await?;
    let receipt: HandReceipt = serde_json::from_slice(&text).context("the receipt")?;
    let settled = room.chain.settled(&receipt.table_id, receipt.seq, args.from_block).await?;
    Ok(Receipt {
        transaction: settled.as_ref().map(|settled| settled.hash.clone()),
        block: settled.as_ref().map(|settled| settled.block),
        decimals: room.chain.place().decimals,
        receipt,
    })
}
