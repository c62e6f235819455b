//! Before anything is signed: is it the right vault, and is the journal whole?

use super::{Sender, SenderError};
use crate::{
    chain::{address_text, vault::LOG_BLOCKS_MAX},
    journal::{Lease, TableRow},
};
use purr_books::{
    events::VaultEvent,
    ledger::Subject,
    whole::{Behind, Standing, TableStanding, behind},
};
use purr_protocol::settlement::ChainConfig;

/// The contract's `KeyRole`.
pub(super) const OPERATOR: u8 = 1;
/// `decimals()` of ERC-20.
const DECIMALS: [u8; 4] = [0x31, 0x3c, 0xe5, 0x67];

fn wrong<T>(why: String) -> Result<T, SenderError> {
    Err(SenderError::Wrong(why))
}

impl Sender {
    /// Checks chain, code, token and the key's role; builds the answer to `GET /v1/config`.
    pub(super) async fn check_vault(&mut self) -> Result<(), SenderError> {
        let (rpc, address) = (&self.rpc, address_text(self.vault.address));
        let chain_id = rpc.chain_id().await?;
        if chain_id != self.domain.chain_id {
            return wrong(format!("the node is on chain {chain_id}, not {}", self.domain.chain_id));
        }
        if rpc.code(self.vault.address).await?.is_empty() {
            return wrong(format!("there is no contract at {address}"));
        }
        let token = self.vault.token(rpc).await?;
        if self.token.is_some_and(|want| want != token) {
            return wrong(format!("the token of vault {address} is {}", address_text(token)));
        }
        let key = self.signer.address();
        if !self.vault.is_active(rpc, key, OPERATOR).await? {
            return wrong(format!("the vault does not let the key {} settle", address_text(key)));
        }
        let bounds = self.vault.bounds(rpc).await?;
        self.range_max = bounds.range_max.max(1).into();
        let decimals = rpc.eth_call(token, &DECIMALS, None).await?;
        self.journal.identify(chain_id, self.vault.address, bounds).await?;
        self.service.chain_checked(ChainConfig {
            chain_id,
            vault: address,
            token: address_text(token),
            decimals: decimals.last().copied().unwrap_or(0),
            confirmations: self.confirmations,
            operator: address_text(key),
            permit_version: bounds.permits.number(),
        });
        Ok(())
    }

    /// Checks that the journal is not behind the chain. A journal restored from a backup may lack what was signed
    /// later, and an empty one may have been lost: then the signer must not sign.
    pub(super) async fn check_whole(&self) -> Result<(), SenderError> {
        let behind = self.behind().await?;
        self.service.set_whole(behind.is_none());
        match behind {
            None => {
                self.readiness.ready("journal-whole");
                Ok(())
            }
            Some(why) => {
                self.readiness.not_ready("journal-whole", why.to_string());
                Err(SenderError::Behind(why))
            }
        }
    }

    /// As [`Self::check_whole`], for the replica that sends: an empty journal reads the vault's log first.
    pub(super) async fn check_whole_as_sender(&mut self, lease: &Lease) -> Result<(), SenderError> {
        while self.behind().await? == Some(Behind::Unread) {
            let head = self.rpc.block(None).await?.ok_or(SenderError::NoBlock(0))?;
            self.journal.renew(lease).await?;
            self.take_in(lease, head).await?;
            if self.journal.position().await?.is_none() {
                break;
            }
        }
        self.check_whole().await
    }

    /// Highest number that admins have passed over in blocks that the journal has not applied yet. Passing over numbers
    /// that the journal never had is no sign of a lost journal.
    async fn voided_through(&self, table: &TableRow) -> Result<u64, SenderError> {
        let mut through = table.head_seq;
        let Some(head) = self.rpc.block(None).await? else { return Ok(through) };
        let mut next = match self.journal.position().await? {
            Some(position) => position.block + 1,
            None => self.vault_block,
        };
        while next <= head.number {
            let to = head.number.min(next + LOG_BLOCKS_MAX - 1);
            for log in self.vault.logs(&self.rpc, next, to).await? {
                match log.event {
                    VaultEvent::RangeVoided { table: id, first, last }
                        if id == table.table_id && first <= through + 1 =>
                    {
                        through = through.max(last);
                    }
                    _ => {}
                }
            }
            next = to + 1;
        }
        Ok(through)
    }

    /// The newest checkpoint outside the database that the journal does not continue. If none can be read there, the
    /// log has them.
    async fn rewritten(&self) -> Result<Option<(u64, u64)>, SenderError> {
        let kept = self.service.checkpoints.kept(&self.domain, self.signer.address()).await;
        Ok(match self.journal.contradicts(&kept).await? {
            Some(found) => {
                self.metrics.checkpoint_contradicted.set(1);
                Some((found.counter, found.rows))
            }
            None => None,
        })
    }

    async fn behind(&self) -> Result<Option<Behind>, SenderError> {
        let key = self.signer.address();
        let heads = self.journal.heads(key).await?;
        let sent = self.rpc.nonce(key).await?;
        let mut tables = Vec::with_capacity(heads.tables.len());
        for table in heads.tables {
            let chain = self.vault.table(&self.rpc, table.table_id, None).await?.seq;
            let voided = if chain > table.head_seq { self.voided_through(&table).await? } else { 0 };
            tables.push(TableStanding { uid: table.uid, head: table.head_seq, chain, voided });
        }
        let unknown = self.journal.differing().await?.into_keys().find_map(|subject| match subject {
            Subject::Table(name) if name.starts_with("0x") => Some(name),
            _ => None,
        });
        let depth =
            self.rpc.block(None).await?.map_or(0, |head| head.number.saturating_sub(self.confirmations));
        let position = self.journal.position().await?;
        let caught_up = position.is_some_and(|position| position.block >= depth);
        Ok(behind(&Standing {
            known: heads.nonce_last.map_or(0, |last| last + 1),
            sent,
            accept_used_key: self.accept_used_key,
            has_read: caught_up || heads.nonce_last.is_some() || !tables.is_empty(),
            unknown_table: unknown,
            tables,
            rewritten: self.rewritten().await?,
        }))
    }
}
