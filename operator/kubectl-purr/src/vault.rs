//! The vault's state, and the call that two of its admins make by their own wallets.

use crate::{
    abi::{self, Word},
    outside::{Outside, OutsideError},
    row::Row,
};
use purr_crds::PokerTable;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Outside(#[from] OutsideError),
    #[error("the node answers {method} with an error: {said}")]
    Node { method: &'static str, said: String },
    #[error("the node's answer to {0} is not what the vault answers")]
    Answer(&'static str),
    #[error("table {0} has never run: its status names no vault")]
    Unbound(String),
    #[error("no table of the namespace has run yet: no status names a vault")]
    NoTable,
    #[error("'{0}' is not an address: want 0x and 40 hex digits")]
    Address(String),
    #[error("table {name}: {what}")]
    Table { name: String, what: String },
    #[error("the node is one of chain {node}, and the table's vault is on chain {bound}")]
    Chain { node: u64, bound: u64 },
    #[error("--first {first} is not {next}: the chain has numbers up to {}", next - 1)]
    First { first: u64, next: u64 },
    #[error("--last {last} is below --first {first}")]
    Last { first: u64, last: u64 },
}

/// The vault that a table's status names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub vault: String,
    pub chain_id: u64,
    pub token: String,
    pub decimals: u32,
    pub unit: String,
}

pub fn bound(table: &PokerTable) -> Result<Bound, VaultError> {
    let name = || table.metadata.name.clone().unwrap_or_default();
    let bound = table.status.as_ref().and_then(|status| status.bound.as_ref());
    let bound = bound.ok_or_else(|| VaultError::Unbound(name()))?;
    let range = |what: &str| VaultError::Table { name: name(), what: format!("{what} is out of range") };
    Ok(Bound {
        vault: bound.vault.clone(),
        chain_id: u64::try_from(bound.chain_id).map_err(|_| range("status.bound.chainId"))?,
        token: bound.token.clone(),
        decimals: u32::try_from(bound.decimals).map_err(|_| range("status.bound.decimals"))?,
        unit: bound.unit.clone(),
    })
}

/// A node that answers for the vault's chain.
pub(crate) struct Node {
    outside: Outside,
}

impl Node {
    /// # Errors
    /// Also where the node is one of another chain.
    pub(crate) async fn of(outside: Outside, bound: &Bound) -> Result<Self, VaultError> {
        let node = Self { outside };
        let id = node.rpc("eth_chainId", &json!([])).await?;
        let id = id.as_str().and_then(|id| u64::from_str_radix(id.trim_start_matches("0x"), 16).ok());
        match id.ok_or(VaultError::Answer("eth_chainId"))? {
            id if id == bound.chain_id => Ok(node),
            id => Err(VaultError::Chain { node: id, bound: bound.chain_id }),
        }
    }

    async fn rpc(&self, method: &'static str, params: &Value) -> Result<Value, VaultError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.outside.post(&body).await?;
        match answer.get("error") {
            Some(error) => {
                Err(VaultError::Node { method, said: error["message"].as_str().unwrap_or("?").into() })
            }
            None => answer.get("result").cloned().ok_or(VaultError::Answer(method)),
        }
    }

    async fn eth_call(&self, to: &str, from: Option<&str>, data: &[u8]) -> Result<Vec<Word>, VaultError> {
        let mut call = json!({"to": to, "data": format!("0x{}", hex::encode(data))});
        if let Some(from) = from {
            call["from"] = from.into();
        }
        let answer = self.rpc("eth_call", &json!([call, "latest"])).await?;
        let bytes = answer.as_str().and_then(|text| hex::decode(text.strip_prefix("0x")?).ok());
        Ok(abi::words(&bytes.ok_or(VaultError::Answer("eth_call"))?))
    }

    async fn number(&self, to: &str, signature: &'static str, arguments: &[Word]) -> Result<u64, VaultError> {
        let words = self.eth_call(to, None, &abi::call(signature, arguments)).await?;
        words.first().and_then(abi::number).ok_or(VaultError::Answer(signature))
    }
}

/// Minor units as units of the token, with all decimals.
pub fn amount(minor: u64, decimals: u32) -> String {
    let Some(unit) = 10_u64.checked_pow(decimals).filter(|unit| *unit > 1) else { return minor.to_string() };
    format!("{}.{:0width$}", minor / unit, minor % unit, width = decimals as usize)
}

pub(crate) async fn balances(node: &Node, bound: &Bound) -> Result<Vec<Row>, VaultError> {
    let vault = abi::parse_address(&bound.vault).ok_or_else(|| VaultError::Address(bound.vault.clone()))?;
    let token = node.number(&bound.token, "balanceOf(address)", &[abi::address(vault)]).await?;
    let held = node.number(&bound.vault, "totalHeld()", &[]).await?;
    let reserve = node.number(&bound.vault, "reserve()", &[]).await?;
    let left = node.number(&bound.vault, "outflowLeft()", &[]).await?;
    let paused = node.number(&bound.vault, "paused()", &[]).await?;
    let row = |what: &str, amount: String, meaning: &str| {
        Row::new([("what", what.to_owned()), ("amount", amount), ("meaning", meaning.to_owned())])
    };
    let money = |minor| format!("{} {}", amount(minor, bound.decimals), bound.unit);
    Ok(vec![
        row("token", money(token), "the vault's balance of the token"),
        row(
            "owed",
            money(held.saturating_sub(reserve)),
            "players' free balances and stacks, and tables' rake",
        ),
        row("reserve", money(reserve), "the house's reserve"),
        row("stray", money(token.saturating_sub(held)), "sent to the vault by nobody's deposit"),
        row("missing", money(held.saturating_sub(token)), "must be 0: owed and not there"),
        row("outflow", money(left), "vouchers may still pay so much in this period"),
        row(
            "paused",
            if paused == 0 { "no" } else { "yes" }.into(),
            "whether the guardian has paused the vault",
        ),
    ])
}

/// Arguments of `tableIdOf`: the terms that the table was opened with.
pub fn table_terms(table: &PokerTable) -> Result<[Word; 5], VaultError> {
    let name = table.metadata.name.clone().unwrap_or_default();
    let refused = |what: &str| VaultError::Table { name: name.clone(), what: what.to_owned() };
    let uid =
        table.metadata.uid.as_deref().and_then(abi::uid).ok_or_else(|| refused("metadata.uid is no UUID"))?;
    let spec = &table.spec;
    let number = |value: i64, what: &str| {
        u64::try_from(value).map(abi::uint).map_err(|_| refused(&format!("{what} is negative")))
    };
    let cap = spec.rake.cap.iter().map(|cap| cap.amount).max().unwrap_or_default();
    Ok([
        uid,
        number(spec.seats.into(), "spec.seats")?,
        number(spec.rake.basis_points.into(), "spec.rake.basisPoints")?,
        number(cap, "spec.rake.cap")?,
        number(spec.blinds.big, "spec.blinds.big")?,
    ])
}

const TABLE_ID: &str = "tableIdOf((bytes32,uint8,uint16,uint64,uint64))";
const VOID_RANGE: &str = "voidRange(bytes32,uint64,uint64,uint64)";

/// A transaction that two admins send from their own wallets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Void {
    pub chain_id: u64,
    pub to: String,
    pub value: String,
    pub data: String,
    pub table_id: String,
    pub first: u64,
    pub last: u64,
    /// The vault's `actionNumber`. Every action that two admins carry out raises it, which makes this call invalid.
    pub action_number: u64,
    pub admins: Vec<Admin>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Admin {
    pub address: String,
    /// The vault's answer to the call now.
    pub says: String,
}

/// Checks a range against the chain's last number of the table.
pub fn check_range(first: u64, last: u64, chain: u64) -> Result<(), VaultError> {
    if first != chain + 1 {
        return Err(VaultError::First { first, next: chain + 1 });
    }
    if last < first { Err(VaultError::Last { first, last }) } else { Ok(()) }
}

pub(crate) async fn void(
    node: &Node,
    bound: &Bound,
    table: &PokerTable,
    (first, last): (u64, u64),
    admins: &[String],
) -> Result<Void, VaultError> {
    for admin in admins {
        abi::parse_address(admin).ok_or_else(|| VaultError::Address(admin.clone()))?;
    }
    let id = node.eth_call(&bound.vault, None, &abi::call(TABLE_ID, &table_terms(table)?)).await?;
    let id = *id.first().ok_or(VaultError::Answer("tableIdOf"))?;
    let view = node.eth_call(&bound.vault, None, &abi::call("tableOf(bytes32)", &[id])).await?;
    let view: Vec<u64> = view.iter().map_while(abi::number).collect();
    let [open, chain, ..] = view[..] else { return Err(VaultError::Answer("tableOf")) };
    if open == 0 {
        let name = table.metadata.name.clone().unwrap_or_default();
        return Err(VaultError::Table {
            name,
            what: "the vault does not know it: nothing can be passed over".into(),
        });
    }
    check_range(first, last, chain)?;
    let action_number = node.number(&bound.vault, "actionNumber()", &[]).await?;
    let data = abi::call(VOID_RANGE, &[id, abi::uint(first), abi::uint(last), abi::uint(action_number)]);
    let mut said = Vec::with_capacity(admins.len());
    for admin in admins {
        let answer = node.eth_call(&bound.vault, Some(admin), &data).await;
        let says = match answer.as_deref().map(|words| words.first().and_then(abi::number)) {
            Ok(Some(0)) => "would be remembered as the first approval, for seven days".to_owned(),
            Ok(Some(_)) => "would execute it: another admin has approved".to_owned(),
            Ok(None) => "the vault's answer is not understood".to_owned(),
            Err(error) => format!("would be refused: {error}"),
        };
        said.push(Admin { address: admin.clone(), says });
    }
    Ok(Void {
        chain_id: bound.chain_id,
        to: bound.vault.clone(),
        value: "0x0".into(),
        data: format!("0x{}", hex::encode(data)),
        table_id: format!("0x{}", hex::encode(id)),
        first,
        last,
        action_number,
        admins: said,
    })
}

impl Void {
    pub fn said(&self, table: &str) -> String {
        let Self { chain_id, to, data, first, last, action_number, .. } = self;
        let mut text = format!(
            "Numbers {first} to {last} of table {table} will be passed over: none of their hands is settled, no chip moves.\n\
             Two different admins send this transaction, each from their own wallet. The first call approves, the second executes.\n\
             Nothing was signed or sent.\n\n\
             chain   {chain_id}\nto      {to}\nvalue   0\ndata    {data}\naction  {action_number} (worth nothing once the vault's actionNumber is higher)\n"
        );
        for Admin { address, says } in &self.admins {
            text += &format!("{address}  {says}\n");
        }
        text
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
