//! The feed for records: the journal's rows after a number, as far as they are about seats, money and hands.
//!
//! Rows of the journal are numbered under a lock that is held until the commit, so a reader that has seen a number has
//! missed none below it.

use super::{Journal, JournalError, db, undb};
use purr_books::{
    entry::State,
    events::{VaultEvent, VaultLog},
};
use purr_engine::PlayerId;
use purr_protocol::{
    feed::{Feed, FeedItem, Happened, SettledHand},
    settlement::{Entry, EntryBody},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows that are looked at for one answer.
const ROWS_MAX: i64 = 200;

/// A final event of the vault, as the journal's row of logs names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum Noted {
    Deposit {
        key: String,
        player: PlayerId,
        amount: u64,
    },
    Withdrawal {
        key: String,
        player: PlayerId,
        amount: u64,
    },
    Refused {
        key: String,
        table: String,
        player: PlayerId,
    },
    Settled {
        key: String,
        table: String,
        first: u64,
        last: u64,
    },
    Void {
        key: String,
        table: String,
        first: u64,
        last: u64,
    },
    #[serde(other)]
    Other,
}

/// The note of the journal's row of logs, beside their keys.
pub(super) fn noted(logs: &[VaultLog]) -> impl Serialize {
    logs.iter().filter_map(one).collect::<Vec<Noted>>()
}

fn one(log: &VaultLog) -> Option<Noted> {
    use VaultEvent as E;
    let key = log.key();
    Some(match &log.event {
        E::Deposited { player, amount } => Noted::Deposit { key, player: *player, amount: *amount },
        E::Withdrawn { player, amount, .. } | E::ExitFinalised { player, amount } => {
            Noted::Withdrawal { key, player: *player, amount: *amount }
        }
        E::SeatingRefused { table, player, .. } => {
            Noted::Refused { key, table: hex::encode(table), player: *player }
        }
        E::HandsSettled { table, first, last, .. } => {
            Noted::Settled { key, table: hex::encode(table), first: *first, last: *last }
        }
        E::RangeVoided { table, first, last } => {
            Noted::Void { key, table: hex::encode(table), first: *first, last: *last }
        }
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Logs {
    /// None in rows of releases before.
    #[serde(default)]
    events: Vec<Noted>,
}

#[derive(Deserialize)]
struct Accepted {
    uid: String,
    seq: u64,
}

type EntryRow = (i64, String, String);

impl Journal {
    /// Rows after a number.
    ///
    /// # Errors
    /// Where the database does not answer, or a row cannot be read.
    pub async fn feed(&self, after: u64) -> Result<Feed, JournalError> {
        let rows: Vec<(i64, String, String, i64)> = sqlx::query_as(
            "SELECT id, kind, CASE WHEN kind IN ('entry', 'logs') THEN body ELSE '' END,
             (extract(epoch FROM at) * 1000)::bigint FROM journal WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(db(after, "after")?)
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let through = rows.last().map_or(Ok(after), |row| undb(row.0))?;
        let mut feed = Feed { through, items: Vec::new() };
        for (id, kind, body, at_ms) in rows {
            let items = match kind.as_str() {
                "entry" => self.accepted(serde_json::from_str(&body)?).await?,
                "logs" => self.logs(serde_json::from_str(&body)?).await?,
                _ => continue,
            };
            let item = |(at, (key, what)): (usize, (Option<String>, Happened))| FeedItem {
                id: key.unwrap_or_else(|| format!("journal:{id}:{at}")),
                at_ms,
                what,
            };
            feed.items.extend(items.into_iter().enumerate().map(item));
        }
        Ok(feed)
    }

    async fn entries_between(&self, uid: &str, first: u64, last: u64) -> Result<Vec<EntryRow>, JournalError> {
        let rows = sqlx::query_as(
            "SELECT seq, payload, state FROM entries WHERE uid = $1 AND seq BETWEEN $2 AND $3 AND kind <> 'void' ORDER BY seq",
        )
        .bind(uid)
        .bind(db(first, "seq")?)
        .bind(db(last, "seq")?)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    async fn accepted(
        &self,
        Accepted { uid, seq }: Accepted,
    ) -> Result<Vec<(Option<String>, Happened)>, JournalError> {
        let Some((_, payload, state)) = self.entries_between(&uid, seq, seq).await?.pop() else {
            return Ok(Vec::new());
        };
        let entry: Entry = serde_json::from_str(&payload)?;
        let what = match entry.body {
            EntryBody::Sit { seat, player, permit } => {
                Happened::SeatTaken { table: uid, seat: seat.0, player, amount: permit.amount }
            }
            EntryBody::TopUp { seat, player, permit } => {
                Happened::ToppedUp { table: uid, seat: seat.0, player, amount: permit.amount }
            }
            EntryBody::Leave { seat, player, stack } => {
                Happened::SeatLeft { table: uid, seat: seat.0, player, stack }
            }
            // Where its settlement is in a row of a release before, nobody else says it.
            EntryBody::Hand { hand, record_hash, .. } if state == State::Confirmed.as_str() => {
                let hands = vec![SettledHand { hand, hash: record_hash }];
                Happened::AlreadySettled { table: uid, hands }
            }
            EntryBody::Hand { hand, record_hash, .. } => {
                let hands = vec![SettledHand { hand, hash: record_hash }];
                Happened::Accepted { table: uid, hands }
            }
        };
        Ok(vec![(None, what)])
    }

    async fn logs(&self, Logs { events }: Logs) -> Result<Vec<(Option<String>, Happened)>, JournalError> {
        let mut uids: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut all = Vec::with_capacity(events.len());
        for event in events {
            let item = match event {
                Noted::Deposit { key, player, amount } => (key, Happened::Deposit { player, amount }),
                Noted::Withdrawal { key, player, amount } => (key, Happened::Withdrawal { player, amount }),
                Noted::Refused { key, table, player } => {
                    let Some(table) = self.uid_of(&mut uids, table).await? else { continue };
                    (key, Happened::SeatRefused { table, player })
                }
                Noted::Settled { key, table, first, last } => {
                    let Some(table) = self.uid_of(&mut uids, table).await? else { continue };
                    let hands = self.hands_between(&table, first, last).await?;
                    (key, Happened::Settled { table, hands })
                }
                Noted::Void { key, table, first, last } => {
                    let Some(table) = self.uid_of(&mut uids, table).await? else { continue };
                    let hands = self.hands_between(&table, first, last).await?;
                    (key, Happened::Void { table, hands })
                }
                Noted::Other => continue,
            };
            all.push((Some(item.0), item.1));
        }
        Ok(all)
    }

    async fn hands_between(
        &self,
        uid: &str,
        first: u64,
        last: u64,
    ) -> Result<Vec<SettledHand>, JournalError> {
        let mut hands = Vec::new();
        for (_, payload, _) in self.entries_between(uid, first, last).await? {
            let entry: Entry = serde_json::from_str(&payload)?;
            if let EntryBody::Hand { hand, record_hash, .. } = entry.body {
                hands.push(SettledHand { hand, hash: record_hash });
            }
        }
        Ok(hands)
    }

    async fn uid_of(
        &self,
        known: &mut BTreeMap<String, Option<String>>,
        table: String,
    ) -> Result<Option<String>, JournalError> {
        if let Some(uid) = known.get(&table) {
            return Ok(uid.clone());
        }
        let uid: Option<String> =
            sqlx::query_scalar("SELECT uid FROM tables WHERE table_id = decode($1, 'hex')")
                .bind(&table)
                .fetch_optional(&self.pool)
                .await?;
        known.insert(table, uid.clone());
        Ok(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_release_before_name_no_events_and_those_of_a_later_one_may_name_others() {
        let old: Logs = serde_json::from_str(r#"{"through": 7, "keys": ["log:0x00:1"]}"#).unwrap();
        assert!(old.events.is_empty());
        let later: Logs =
            serde_json::from_str(r#"{"events": [{"kind": "moonLanding", "key": "k"}]}"#).unwrap();
        assert_eq!(later.events, [Noted::Other]);
    }

    #[test]
    fn what_is_noted_of_a_log_is_read_back() {
        let event = VaultEvent::HandsSettled { table: [7; 32], first: 3, last: 5, rake: 1 };
        let log = VaultLog { block: 1, tx: [9; 32], index: 2, event };
        let body = serde_json::json!({ "events": noted(std::slice::from_ref(&log)) }).to_string();
        let read: Logs = serde_json::from_str(&body).unwrap();
        assert_eq!(
            read.events,
            [Noted::Settled { key: log.key(), table: hex::encode([7; 32]), first: 3, last: 5 }]
        );
    }
}
