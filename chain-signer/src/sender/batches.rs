//! From the journal's waiting entries to transactions that the policy passed.

use super::{IN_FLIGHT_MAX, Sender, SenderError, fees, gas};
use crate::{
    calldata::{Known, check_open, check_settle},
    chain::{
        Block, RpcError,
        batch::{BatchError, ITEMS_MAX, Item, items},
        eip712::uid_word,
        vault::{encode_open, encode_settle},
    },
    journal::{Fees, Lease, NewTransaction, PendingTable, Purpose, Transaction},
};
use purr_books::{entry::State, policy::Refusal, whole::most_sent};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Tables whose entries the policy did not pass are left out this long: they must not keep others waiting.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// Why a table's entries are not signed.
#[derive(Debug, thiserror::Error)]
enum NotPassed {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Policy(#[from] Refusal),
}

fn known(pending: &PendingTable) -> Known {
    Known {
        terms: pending.table.terms,
        confirmed_seq: pending.table.confirmed_seq,
        stacks: pending.stacks.clone(),
        waiting: pending.entries.clone(),
    }
}

/// How many more a pool takes of a key that has so many transactions on their way, of which so many have used nonces. As
/// many as a pool takes may be such ones.
fn room(own: usize, used: usize) -> usize {
    IN_FLIGHT_MAX.saturating_sub(own - used.min(own).min(IN_FLIGHT_MAX))
}

impl Sender {
    pub(super) fn first_fees(&self, head: Block, gas: u64) -> Fees {
        fees::first(gas, self.base_fees.sane(head.base_fee), self.priority_fee)
    }

    /// How many more the pool takes of this key.
    async fn room(&self) -> Result<usize, SenderError> {
        let live = self.journal.live().await?;
        let key = self.signer.address();
        let count = |of: &dyn Fn(&Transaction) -> bool| live.iter().filter(|tx| of(tx)).count();
        // What fills a nonce has no event of its own, so a later transaction has to go ahead of its receipt. No pool has
        // it any more.
        let used =
            |tx: &Transaction| tx.purpose == Purpose::Fill && self.without_receipt.contains_key(&tx.id);
        let (own, used) = (count(&|tx| tx.sender == key), count(&|tx| tx.sender == key && used(tx)));
        Ok(room(own, used))
    }

    /// False: the fee budget does not allow it now.
    async fn create(
        &self,
        lease: &Lease,
        head: Block,
        (purpose, calldata, gas): (Purpose, Vec<u8>, u64),
        ranges: Vec<(String, u64, u64)>,
    ) -> Result<bool, SenderError> {
        let sender = self.signer.address();
        let spent = self.journal.spent_in_hour().await?;
        let base_fee = self.base_fees.sane(head.base_fee);
        let Some(fees) = self.afford(self.first_fees(head, gas), base_fee, spent) else { return Ok(false) };
        let known = self.journal.transactions_of(sender).await?;
        let most = most_sent(known, self.accept_used_key);
        let new = NewTransaction {
            purpose,
            sender,
            chain_nonce: self.rpc.nonce_within(sender, most).await?,
            accept_used_key: self.accept_used_key,
            destination: self.vault.address,
            calldata,
            fees,
            ranges,
        };
        self.journal.create(lease, &new).await?;
        self.metrics.transactions.with_label_values(&["checked"]).inc();
        Ok(true)
    }

    /// Opens tables that are not on chain yet; true if a transaction was made.
    pub(super) async fn open_tables(&mut self, lease: &Lease, head: Block) -> Result<bool, SenderError> {
        let mut made = false;
        let unopened = self.journal.unopened().await?;
        if unopened.is_empty() {
            return Ok(false);
        }
        let live = self.journal.live().await?;
        let mut room = self.room().await?;
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
            let gas = match self.estimate(self.vault.address, &calldata).await {
                Ok(estimate) => gas::limit(estimate, false).min(self.gas_max.min(head.gas_limit)),
                Err(RpcError::Refused { message, .. }) => {
                    tracing::error!(table = table.uid, message, "the vault would not open this table");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if !self.create(lease, head, (Purpose::Open, calldata, gas), Vec::new()).await? {
                break;
            }
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
        let most = self.gas_max.min(head.gas_limit);
        let (calldata, gas) = match self.fitting(&mut chosen, most).await {
            Ok(Some(fitting)) => fitting,
            unfit => {
                // The others are not to wait for it.
                if let Some(table) = chosen.first().and_then(|item| tables.get(&item.table)) {
                    self.refused.insert(table.table.uid.clone(), Instant::now());
                }
                return unfit.map(|_| (false, Some(Duration::ZERO)));
            }
        };
        let known: BTreeMap<_, _> = tables.iter().map(|(id, table)| (*id, known(table))).collect();
        let ranges = check_settle(self.allowed, self.domain.chain_id, self.vault.address, &calldata, &known)?;
        let ranges = ranges
            .into_iter()
            .filter_map(|(id, first, last)| Some((tables.get(&id)?.table.uid.clone(), first, last)))
            .collect();
        if !self.create(lease, head, (Purpose::Settle, calldata, gas), ranges).await? {
            return Ok((false, later));
        }
        self.oldest_ms = Some((oldest_ms, Instant::now()));
        Ok((true, next))
    }

    /// One table's items, if the policy passes them. What it does not pass holds up this table only.
    fn passed(&mut self, pending: &PendingTable, room: usize) -> Option<Vec<Item>> {
        let range = self.range_max.min(usize::try_from(pending.table.max_hands).unwrap_or(usize::MAX)).max(1);
        let built = items(pending.table.table_id, &pending.entries, range).map_err(NotPassed::from);
        let checked = built.and_then(|mut items| {
            items.truncate(room);
            let calldata = encode_settle(&items);
            let known = [(pending.table.table_id, known(pending))].into();
            check_settle(self.allowed, self.domain.chain_id, self.vault.address, &calldata, &known)
                .map(|_| items)
                .map_err(|refusal| {
                    self.metrics.refused.with_label_values(&[refusal.rule()]).inc();
                    refusal.into()
                })
        });
        match checked {
            Ok(items) => Some(items),
            Err(error) => {
                tracing::error!(%error, table = pending.table.uid, "ALARM: not signed");
                self.refused.insert(pending.table.uid.clone(), Instant::now());
                None
            }
        }
    }

    /// Drops items from the end until the call fits into the gas that one transaction may use. `None`: the first item alone
    /// does not.
    ///
    /// # Errors
    /// Where no node runs the call, of one item alone if the vault refuses it or it needs too much gas.
    async fn fitting(&self, items: &mut Vec<Item>, most: u64) -> Result<Option<(Vec<u8>, u64)>, SenderError> {
        while !items.is_empty() {
            let calldata = encode_settle(items);
            let estimated = self.estimate(self.vault.address, &calldata).await;
            let estimate = match estimated {
                Ok(estimate) => Some(estimate),
                Err(error) if items.len() > 1 && (error.is_revert() || error.is_about_gas()) => {
                    tracing::warn!(items = items.len(), %error, "the node does not run this batch");
                    None
                }
                Err(error) => return Err(error.into()),
            };
            match gas::plan(estimate, items.len(), most) {
                gas::Plan::Send(gas) => return Ok(Some((calldata, gas))),
                gas::Plan::Fewer(fewer) => items.truncate(fewer),
                gas::Plan::TooBig => {
                    tracing::error!(?estimate, most, "ALARM: one item does not fit into a transaction");
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_nonces_leave_room_for_as_many_again_and_no_more() {
        assert_eq!([(0, 0), (3, 0), (8, 0)].map(|(own, used)| room(own, used)), [8, 5, 0]);
        assert_eq!([(8, 1), (8, 8), (12, 8), (16, 8)].map(|(own, used)| room(own, used)), [1, 8, 4, 0]);
        assert_eq!(room(20, 20), 0);
    }
}
