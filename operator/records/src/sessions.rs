//! Sessions: hands that a player played at one table without a long break between them.

use crate::{
    database::{Database, DatabaseError},
    players::player,
};
use axum::{
    Json,
    extract::{Path, State},
};
use purr_engine::PlayerId;
use purr_runtime::problem::Answer;
use serde::{Deserialize, Serialize};

/// A longer break between two hands ends a session, in milliseconds.
pub const BREAK_MS: i64 = 30 * 60 * 1_000;
/// Most hands that are read, newest first.
const HANDS_MAX: i64 = 10_000;
/// Sessions of one answer.
const SESSIONS_MAX: usize = 200;

/// One hand of a player.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Played {
    pub table_uid: String,
    /// Milliseconds since 1970.
    pub ended_ms: i64,
    /// After rake, minor units.
    pub delta: i64,
}

/// Hands of one player at one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub table: String,
    /// Ends of the first and the last hand, in milliseconds since 1970.
    pub from_ms: i64,
    pub to_ms: i64,
    pub hands: u64,
    /// After rake, minor units.
    pub won: i64,
}

/// Newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sessions {
    pub sessions: Vec<Session>,
    /// The oldest session may be incomplete, because more hands were played before.
    pub more: bool,
}

/// Joins hands to sessions. Sessions are in the order of their last hands, newest first.
pub fn sessions(hands: &[Played]) -> Vec<Session> {
    let mut found: Vec<Session> = Vec::new();
    // Hands are stored in the order in which they came, and one that was held up somewhere came late.
    let mut newest_first: Vec<&Played> = hands.iter().collect();
    newest_first.sort_by_key(|played| std::cmp::Reverse(played.ended_ms));
    for Played { table_uid, ended_ms, delta } in newest_first {
        // The session of this table that was begun last is the only one that can go on.
        let open = found.iter_mut().rev().find(|session| session.table == *table_uid);
        match open.filter(|session| session.from_ms.saturating_sub(*ended_ms) <= BREAK_MS) {
            Some(session) => {
                session.from_ms = *ended_ms;
                session.hands += 1;
                session.won = session.won.saturating_add(*delta);
            }
            None => found.push(Session {
                table: table_uid.clone(),
                from_ms: *ended_ms,
                to_ms: *ended_ms,
                hands: 1,
                won: *delta,
            }),
        }
    }
    found
}

impl Database {
    /// The last sessions of a player, of the hands that count in the player's figures.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn sessions(&self, player: PlayerId) -> Result<Sessions, DatabaseError> {
        let hands: Vec<Played> = sqlx::query_as(
            "SELECT h.table_uid, h.ended_ms, p.delta FROM hand_players p JOIN hands h ON h.id = p.hand_id
             WHERE p.player = $1 AND NOT h.void
             AND (h.standing = 1 OR (h.standing = 0 AND (h.confirmed OR NOT h.conflict)))
             ORDER BY p.hand_id DESC LIMIT $2",
        )
        .bind(player.0.as_slice())
        .bind(HANDS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let mut found = sessions(&hands);
        let more = i64::try_from(hands.len()).unwrap_or(HANDS_MAX) >= HANDS_MAX || found.len() > SESSIONS_MAX;
        found.truncate(SESSIONS_MAX);
        Ok(Sessions { sessions: found, more })
    }
}

pub(crate) async fn own(
    State(database): State<Database>,
    Path(who): Path<String>,
) -> Result<Json<Sessions>, Answer> {
    Ok(Json(database.sessions(player(&who)?).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(table: &str, minute: i64, delta: i64) -> Played {
        Played { table_uid: table.into(), ended_ms: minute * 60_000, delta }
    }

    #[test]
    fn a_break_of_more_than_half_an_hour_ends_a_session_and_tables_have_their_own() {
        let hands = [
            played("b", 100, 5),
            played("a", 99, -7),
            played("a", 98, 3),
            // 31 minutes before the hand that follows at this table.
            played("a", 67, 10),
            // Exactly half an hour is no break.
            played("a", 37, 1),
            played("b", 71, 2),
        ];
        let found = sessions(&hands);
        let told: Vec<_> = found.iter().map(|s| (s.table.as_str(), s.hands, s.won)).collect();
        assert_eq!(told, [("b", 2, 7), ("a", 2, -4), ("a", 2, 11)]);
        assert_eq!((found[2].from_ms, found[2].to_ms), (37 * 60_000, 67 * 60_000));
        assert_eq!(sessions(&[]), []);
    }

    #[test]
    fn a_hand_that_came_late_is_in_the_session_in_which_it_was_played() {
        // The first hand came after the session that followed two hours later.
        let hands = [played("a", 121, 4), played("a", 0, -9), played("a", 120, 2), played("a", 1, 5)];
        let told: Vec<_> = sessions(&hands).iter().map(|s| (s.from_ms, s.to_ms, s.hands, s.won)).collect();
        assert_eq!(told, [(120 * 60_000, 121 * 60_000, 2, 6), (0, 60_000, 2, -4)]);
    }
}
