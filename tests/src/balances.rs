//! Stacks, ledger and chain side by side: the table of balances.

use crate::{Stack, until};
use purr_protocol::settlement::Reconciliation;
use std::{cell::RefCell, collections::BTreeMap, fmt::Write, time::Duration};

/// The money of one player, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub player: String,
    /// The stack as the player sees it.
    pub stack: u64,
    pub ledger_stack: u64,
    pub chain_stack: u64,
    pub ledger_free: u64,
    pub chain_free: u64,
}

impl Line {
    pub fn agrees(&self) -> bool {
        self.stack == self.ledger_stack
            && self.ledger_stack == self.chain_stack
            && self.ledger_free == self.chain_free
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    pub lines: Vec<Line>,
    pub ledger_rake: u64,
    pub chain_rake: u64,
    pub deposited: u64,
    /// The table's last number in the signer's journal and on chain.
    pub head_seq: u64,
    pub chain_seq: u64,
    pub decimals: u8,
    pub unit: String,
}

impl Balances {
    /// `stacks`: the table's figures, by player (as the ledger writes addresses).
    pub fn of(
        reconciliation: &Reconciliation,
        uid: &str,
        stacks: &BTreeMap<String, u64>,
        deposited: u64,
        (decimals, unit): (u8, &str),
    ) -> Self {
        let lines = reconciliation
            .players
            .iter()
            .filter_map(|player| {
                let name = player.player.to_string();
                let stack = *stacks.get(&name)?;
                let seat = player.seats.iter().find(|seat| seat.table == uid);
                Some(Line {
                    player: name,
                    stack,
                    ledger_stack: seat.map_or(0, |seat| seat.ledger_stack),
                    chain_stack: seat.map_or(0, |seat| seat.chain_stack),
                    ledger_free: player.ledger_free,
                    chain_free: player.chain_free,
                })
            })
            .collect();
        let table = reconciliation.tables.iter().find(|table| table.uid == uid);
        Self {
            lines,
            ledger_rake: table.map_or(0, |table| table.ledger_rake),
            chain_rake: table.map_or(0, |table| table.chain_rake),
            deposited,
            head_seq: table.map_or(0, |table| table.head_seq),
            chain_seq: table.map_or(0, |table| table.chain_seq),
            decimals,
            unit: unit.to_owned(),
        }
    }

    /// Whether all lines agree, including rake, and add up to the deposits.
    pub fn agree(&self) -> bool {
        self.lines.iter().all(Line::agrees)
            && self.ledger_rake == self.chain_rake
            && self.chain_seq == self.head_seq
            && self.total() == self.deposited
    }

    fn total(&self) -> u64 {
        self.lines.iter().map(|line| line.chain_stack + line.chain_free).sum::<u64>() + self.chain_rake
    }

    fn amount(&self, minor: u64) -> String {
        let unit = 10_u64.pow(self.decimals.into());
        let width = self.decimals.into();
        format!("{}.{:0width$}", minor / unit, minor % unit)
    }

    pub fn render(&self) -> String {
        let mut text = String::new();
        let head = ["player", "stack", "ledger: stack", "+ free", "chain: stack", "+ free", "agree"];
        let mut row = |cells: [String; 7]| {
            let [player, a, b, c, d, e, agree] = cells;
            let _ = writeln!(text, "{player:<42} {a:>13} {b:>13} {c:>13} {d:>13} {e:>13}  {agree}");
        };
        row(head.map(str::to_owned));
        let say = |agree: bool| (if agree { "yes" } else { "NO" }).to_owned();
        for line in &self.lines {
            row([
                line.player.clone(),
                self.amount(line.stack),
                self.amount(line.ledger_stack),
                self.amount(line.ledger_free),
                self.amount(line.chain_stack),
                self.amount(line.chain_free),
                say(line.agrees()),
            ]);
        }
        let (ledger, chain) = (self.amount(self.ledger_rake), self.amount(self.chain_rake));
        let none = String::new;
        let agree = say(self.ledger_rake == self.chain_rake);
        row(["rake".into(), none(), ledger, none(), chain, none(), agree]);
        let (total, deposited) = (self.amount(self.total()), self.amount(self.deposited));
        let _ = writeln!(
            text,
            "in all {total} of {deposited} {} deposited; entries on chain {} of {}",
            self.unit, self.chain_seq, self.head_seq
        );
        text
    }
}

/// Waits until everything is final on the chain and all three sources agree; returns the last comparison if they never
/// do.
///
/// `sequence`: the table's last number; books that have not reached it may agree on less.
/// `stacks`: by player, as the players see them at each look.
pub async fn settled(
    stack: &Stack,
    (uid, sequence): (&str, u64),
    stacks: impl Fn() -> BTreeMap<String, u64>,
    deposited: u64,
    limit: Duration,
) -> anyhow::Result<Balances> {
    let config = stack.api().config().await?;
    // Many requests are rate-limited; the last successful answer is shown.
    let last = RefCell::new(None);
    let agreed = until("stacks, ledger and chain agree", limit, || async {
        let reconciliation = stack.reconciliation().await?;
        let balances = Balances::of(&reconciliation, uid, &stacks(), deposited, (config.decimals, "USDC"));
        let agreed = balances.agree() && balances.head_seq >= sequence;
        Ok(Some(last.borrow_mut().insert(balances).clone()).filter(|_| agreed))
    });
    let agreed = agreed.await;
    if let (Err(_), Some(balances)) = (&agreed, &*last.borrow()) {
        eprintln!("{}", balances.render());
    }
    agreed
}
