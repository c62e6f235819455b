//! The month's figures from the database.

use super::database::{Database, DatabaseError, db, undb};
use crate::{
    cases::{CaseEvent, State, next, open},
    report::{Refunded, Report},
};
use std::collections::BTreeMap;

fn counted(rows: Vec<(String, i64)>) -> BTreeMap<String, u64> {
    rows.into_iter().map(|(name, count)| (name, undb(count))).collect()
}

/// Decisions in the events of one month.
#[derive(Default)]
struct Decided {
    decisions: BTreeMap<String, u64>,
    appeals: u64,
    granted: u64,
}

impl Database {
    /// Figures of what happened from `from` on and before `to`, in milliseconds since 1970. Checks the log of openings.
    pub async fn report(&self, month: &str, from: u64, to: u64) -> Result<Report, DatabaseError> {
        let (from, to) = (db(from), db(to));
        let opened: i64 =
            sqlx::query_scalar("SELECT count(*) FROM cases WHERE opened_ms >= $1 AND opened_ms < $2")
                .bind(from)
                .bind(to)
                .fetch_one(&self.pool)
                .await?;
        let sanctions = sqlx::query_as("SELECT kind, count(*) FROM sanctions WHERE in_force GROUP BY kind")
            .fetch_all(&self.pool)
            .await?;
        let (ordered, amount): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(total), 0)::bigint FROM refunds WHERE at_ms >= $1 AND at_ms < $2",
        )
        .bind(from)
        .bind(to)
        .fetch_one(&self.pool)
        .await?;
        let (players, paid): (i64, i64) = sqlx::query_as(
            "SELECT count(DISTINCT p.player), coalesce(sum(p.amount) FILTER (WHERE p.paid_by IS NOT NULL), 0)::bigint
             FROM refund_payments p JOIN refunds r ON r.id = p.refund_id WHERE r.at_ms >= $1 AND r.at_ms < $2",
        )
        .bind(from)
        .bind(to)
        .fetch_one(&self.pool)
        .await?;
        let openings = sqlx::query_as(
            "SELECT CASE WHEN opener = 'detectors' THEN 'detectors' ELSE 'reviewers' END AS who, count(*)
             FROM openings WHERE at_ms >= $1 AND at_ms < $2 GROUP BY who",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?;
        let cases = self.case_counts().await?.into_iter().map(|(state, n)| (state, undb(n))).collect();
        let Decided { decisions, appeals, granted } = self.decisions(from, to).await?;
        Ok(Report {
            month: month.to_owned(),
            hands: None,
            cases_opened: undb(opened),
            cases,
            decisions,
            appeals,
            appeals_granted: granted,
            sanctions: counted(sanctions),
            refunds: Refunded {
                ordered: undb(ordered),
                players: undb(players),
                ordered_amount: undb(amount),
                paid_amount: undb(paid),
            },
            openings: counted(openings),
            openings_checked: undb(self.verify_openings().await?),
        })
    }

    /// Replays the events of every changed case with the one transition function.
    async fn decisions(&self, from: i64, to: i64) -> Result<Decided, DatabaseError> {
        let mut decided = Decided::default();
        let changed: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT case_id FROM case_events WHERE at_ms >= $1 AND at_ms < $2 AND actor <> 'detectors'",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?;
        for id in changed {
            let rows: Vec<(String, i64)> =
                sqlx::query_as("SELECT body, at_ms FROM case_events WHERE case_id = $1 ORDER BY seq")
                    .bind(id)
                    .fetch_all(&self.pool)
                    .await?;
            let corrupt = |detail: String| DatabaseError::Corrupt { what: "events of case", id, detail };
            let mut case = None;
            for (body, at_ms) in rows {
                let event: CaseEvent =
                    serde_json::from_str(&body).map_err(|error| corrupt(error.to_string()))?;
                let within = (from..to).contains(&at_ms);
                let before = case.take();
                let after = match (before.as_ref(), event) {
                    (None, CaseEvent::Signal(scored)) => open(scored, undb(at_ms)),
                    (Some(before), event) => {
                        if within && matches!(event, CaseEvent::Appeal { .. }) {
                            decided.appeals += 1;
                        }
                        next(before, event, undb(at_ms)).map_err(|error| corrupt(error.to_string()))?
                    }
                    (None, _) => return Err(corrupt("the first is no signal".into())),
                };
                if within {
                    note(before.map(|case| case.state), after.state, &mut decided);
                }
                case = Some(after);
            }
        }
        Ok(decided)
    }
}

fn note(before: Option<State>, after: State, decided: &mut Decided) {
    let action = match (before, after) {
        (Some(State::Open | State::Dissent), State::Decided { action } | State::Closed { action }) => action,
        (Some(State::Appealed { action: was }), State::Closed { action }) => {
            decided.granted += u64::from(action < was);
            action
        }
        _ => return,
    };
    let name = serde_json::to_value(action).ok().and_then(|name| name.as_str().map(str::to_owned));
    *decided.decisions.entry(name.unwrap_or_default()).or_default() += 1;
}
