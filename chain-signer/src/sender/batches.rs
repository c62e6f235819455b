//! From the journal's waiting entries to transactions that the policy passed.

use super::{IN_FLIGHT_MAX, Sender, SenderError, fees, gas};
use crate::{
    calldata::{Known, check_open, check_settle},
    chain::{
        Block, RpcError,
        batch::{ITEMS_MAX, Item, items},
        eip712::uid_word,
        vault::{encode_open, encode_settle},
    },
    journal::{Fees, Lease, NewTransaction, PendingTable, Purpose},
};
use purr_books::entry::State;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Tables whose entries the policy did not pass are left out this long: they must not keep others waiting.
const REFUSED_FOR: Duration = Duration::from_secs(10);

fn known(pending: &PendingTable) -> Known {
    Known {
        terms: pending.table.terms,
        confirmed_seq: pending.table.confirmed_seq,
        stacks: pending.stacks.clone(),
        waiting: pending.entries.clone(),
    }
}

impl Sender {
    pub(super) fn first_fees(&self, head: Block, gas: u64) -> Fees {
        fees::first(gas, self.base_fees.sane(head.base_fee), self.priority_fee)
    }

    async fn room(&self) -> Result<usize, SenderError> {
        let live = self.journal.live(self.signer.address()).await?.len();
        self.metrics.in_flight.set(i64::try_from(live).unwrap_or(i64::MAX));
        Ok(IN_FLIGHT_MAX.saturating_sub(live))
    }

    async fn create(
        &self,
        lease: &Lease,
        head: Block,
        (purpose, calldata, gas): (Purpose, Vec<u8>, u64),
        ranges: Vec<(String, u64, u64)>,
    ) -> Result<(), SenderError> {
        let sender = self.signer.address();
        let new = NewTransaction {
            purpose,
            sender,
            chain_nonce: self.rpc.nonce(sender).await?,
            destination: self.vault.address,
            calldata,
            fees: self.first_fees(head, gas),
            ranges,
        };
        self.journal.create(lease, &new).await?;
        self.metrics.transactions.with_label_values(&["checked"]).inc();
        Ok(())
    }

    /// Opens tables that are not on chain yet; true if a transaction was made.
    pub(super) async fn open_tables(&mut self, lease: &Lease, head: Block) -> Result<bool, SenderError> {
        let mut made = false;
        let unopened = self.journal.unopened().await?;
        if unopened.is_empty() {
            return Ok(false);
        }
        let live = self.journal.live(self.signer.address()).await?;
        let mut room = IN_FLIGHT_MAX.saturating_sub(live.len());
        for table in unopened {
            if room == 0 {
                break;
            }
            if !Box::pin(self.may_open(&table.uid)).await? {
                continue;
            }
            let word = uid_word(&table.uid);
            let (Some(word), Some(calldata)) = (word, encode_open(&table.uid, table.terms)) else { continue };
            if live.iter().any(|tx| tx.state != State::Confirmed && tx.calldata == calldata) {
                continue;
            }
            if self.vault.table(&self.rpc, table.table_id, None).await?.open {
                // Opened already; its event says so at final depth, unless the log was read past it.
                let depth = head.number.saturating_sub(self.confirmations);
                if self.journal.position().await?.is_some_and(|position| position.block >= depth)
                    && self.vault.table(&self.rpc, table.table_id, Some(depth)).await?.open
                {
                    self.journal.mark_open(lease, &table.uid).await?;
                }
                continue;
            }
            if let Err(refusal) = check_open(
                self.allowed,
                self.domain.chain_id,
                self.vault.address,
                &calldata,
                (word, table.terms),
            ) {
                self.metrics.refused.with_label_values(&[refusal.rule()]).inc();
                tracing::error!(%refusal, table = table.uid, "ALARM: not signed");
                continue;
            }
            let gas = match self.rpc.estimate_gas(self.signer.address(), self.vault.address, &calldata).await
            {
                Ok(estimate) => gas::limit(estimate, false),
                Err(RpcError::Refused { message, .. }) => {
                    tracing::error!(table = table.uid, message, "the vault would not open this table");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.create(lease, head, (Purpose::Open, calldata, gas), Vec::new()).await?;
            (made, room) = (true, room - 1);
        }
        Ok(made)
    }

    /// Puts what is due into one transaction; says whether, and when the next table is due.
    pub(super) async fn settle(
        &mut self,
        lease: &Lease,
        head: Block,
    ) -> Result<(bool, Option<Duration>), SenderError> {
        self.refused.retain(|_, at| at.elapsed() < REFUSED_FOR);
        let (due, next_ms) = self.journal.pending(ITEMS_MAX, &self.refused).await?;
        let next = next_ms.map(Duration::from_millis);
        // More that is due than fits waits for room, not for time.
        let later = next.filter(|next| !next.is_zero());
        if due.is_empty() || self.room().await? == 0 {
            return Ok((false, later));
        }
        let mut chosen: Vec<Item> = Vec::new();
        let mut tables = BTreeMap::new();
        let mut oldest_ms = 0;
        for table in due {
            let room = ITEMS_MAX - chosen.len();
            if room == 0 {
                break;
            }
            if !Box::pin(self.may_settle(&table)).await? {
                continue;
            }
            let Some(items) = self.passed(&table, room) else { continue };
            chosen.extend(items);
            oldest_ms = oldest_ms.max(table.age_ms);
            tables.insert(table.table.table_id, table);
        }
        let Some((calldata, gas)) = self.fitting(&mut chosen).await? else { return Ok((false, later)) };
        let known: BTreeMap<_, _> = tables.iter().map(|(id, table)| (*id, known(table))).collect();
        let ranges = check_settle(self.allowed, self.domain.chain_id, self.vault.address, &calldata, &known)?;
        let ranges = ranges
            .into_iter()
            .filter_map(|(id, first, last)| Some((tables.get(&id)?.table.uid.clone(), first, last)))
            .collect();
        self.create(lease, head, (Purpose::Settle, calldata, gas), ranges).await?;
        self.oldest_ms = Some((oldest_ms, Instant::now()));
        Ok((true, next))
    }

    /// One table's items, if the policy passes them. What it does not pass holds up this table only.
    fn passed(&mut self, pending: &PendingTable, room: usize) -> Option<Vec<Item>> {
        let range = self.range_max.min(usize::try_from(pending.table.max_hands).unwrap_or(usize::MAX)).max(1);
        let built = items(pending.table.table_id, &pending.entries, range).map_err(|error| error.to_string());
        let checked = built.and_then(|mut items| {
            items.truncate(room);
            let calldata = encode_settle(&items);
            let known = [(pending.table.table_id, known(pending))].into();
            check_settle(self.allowed, self.domain.chain_id, self.vault.address, &calldata, &known)
                .map(|_| items)
                .map_err(|refusal| {
                    self.metrics.refused.with_label_values(&[refusal.rule()]).inc();
                    refusal.to_string()
                })
        });
        match checked {
            Ok(items) => Some(items),
            Err(error) => {
                tracing::error!(error, table = pending.table.uid, "ALARM: not signed");
                self.refused.insert(pending.table.uid.clone(), Instant::now());
                None
            }
        }
    }

    /// Drops items from the end until the call fits into the gas that one transaction may use.
    async fn fitting(&self, items: &mut Vec<Item>) -> Result<Option<(Vec<u8>, u64)>, SenderError> {
        while !items.is_empty() {
            let calldata = encode_settle(items);
            let estimate =
                self.rpc.estimate_gas(self.signer.address(), self.vault.address, &calldata).await?;
            let gas = gas::limit(estimate, true);
            if gas <= self.gas_max {
                return Ok(Some((calldata, gas)));
            }
            if items.len() == 1 {
                tracing::error!(gas, limit = self.gas_max, "one item needs more gas than --gas-max");
                return Ok(None);
            }
            items.truncate(items.len() / 2);
        }
        Ok(None)
    }
}
