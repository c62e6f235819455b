//! Words with which a player labels own hands to find them again. Nobody else sees them.

use crate::{
    api::Page,
    database::{Database, DatabaseError},
    players::player,
    problem::bad,
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use purr_engine::PlayerId;
use purr_protocol::{Problem, TableUid};
use purr_runtime::problem::Answer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// Tags of one hand.
const TAGS_MAX: usize = 8;
/// Characters of a tag.
const TAG_MAX: usize = 32;
/// Tags of one player over all hands.
const ALL_MAX: i64 = 20_000;

/// All tags that a hand has from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tagging {
    pub table: String,
    pub hand: i64,
    pub tags: Vec<String>,
}

/// The tags of a hand as they are kept, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BadTag {
    #[error("a hand has at most {TAGS_MAX} tags, not {0}")]
    Count(usize),
    #[error("a tag has 1 to {TAG_MAX} characters and no control characters or commas")]
    Text,
}

/// Removes duplicates and surrounding spaces.
fn checked(tags: &[String]) -> Result<BTreeSet<String>, BadTag> {
    let found: BTreeSet<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    if found.len() > TAGS_MAX {
        return Err(BadTag::Count(found.len()));
    }
    let fits = |tag: &String| {
        (1..=TAG_MAX).contains(&tag.chars().count()) && !tag.chars().any(|c| c.is_control() || c == ',')
    };
    if found.iter().all(fits) { Ok(found) } else { Err(BadTag::Text) }
}

/// The outcome of a tagging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Yes,
    /// The player was not dealt in, or there is no record.
    NoHand,
    /// The player has the maximum number of tags.
    Full,
}

impl Database {
    async fn tag(
        &self,
        player: PlayerId,
        table: &str,
        hand: i64,
        tags: &BTreeSet<String>,
    ) -> Result<Kept, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        let own: Option<i64> = sqlx::query_scalar(
            "SELECT h.id FROM hands h JOIN hand_players p ON p.hand_id = h.id
             WHERE h.table_uid = $1 AND h.hand = $2 AND h.version = 0 AND p.player = $3",
        )
        .bind(table)
        .bind(hand)
        .bind(player.0.as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(id) = own else { return Ok(Kept::NoHand) };
        sqlx::query("DELETE FROM hand_tags WHERE player = $1 AND hand_id = $2")
            .bind(player.0.as_slice())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        let others: i64 = sqlx::query_scalar("SELECT count(*) FROM hand_tags WHERE player = $1")
            .bind(player.0.as_slice())
            .fetch_one(&mut *transaction)
            .await?;
        if others + i64::try_from(tags.len()).unwrap_or(ALL_MAX) > ALL_MAX {
            return Ok(Kept::Full);
        }
        sqlx::query("INSERT INTO hand_tags (player, hand_id, tag) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING")
            .bind(player.0.as_slice())
            .bind(id)
            .bind(tags.iter().collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Kept::Yes)
    }

    /// Adds the player's own tags to a page of own hands.
    pub(crate) async fn with_tags(&self, player: PlayerId, mut page: Page) -> Result<Page, DatabaseError> {
        let tables: Vec<&str> = page.hands.iter().map(|hand| hand.table.as_str()).collect();
        let numbers: Vec<i64> = page.hands.iter().map(|hand| hand.hand).collect();
        let rows: Vec<(String, i64, String)> = sqlx::query_as(
            "SELECT h.table_uid, h.hand, t.tag FROM unnest($2::text[], $3::bigint[]) AS v(table_uid, hand)
             JOIN hands h ON h.table_uid = v.table_uid AND h.hand = v.hand AND h.version = 0
             JOIN hand_tags t ON t.hand_id = h.id AND t.player = $1 ORDER BY t.tag",
        )
        .bind(player.0.as_slice())
        .bind(&tables)
        .bind(&numbers)
        .fetch_all(&self.pool)
        .await?;
        let mut by_hand: HashMap<(String, i64), Vec<String>> = HashMap::new();
        for (table, hand, tag) in rows {
            by_hand.entry((table, hand)).or_default().push(tag);
        }
        for hand in &mut page.hands {
            hand.tags = by_hand.remove(&(hand.table.clone(), hand.hand)).unwrap_or_default();
        }
        Ok(page)
    }
}

pub(crate) async fn set(
    State(database): State<Database>,
    Path(who): Path<String>,
    body: Result<Json<Tagging>, JsonRejection>,
) -> Result<Json<Tags>, Answer> {
    let Json(Tagging { table, hand, tags }) = body.map_err(|error| bad(error.body_text()))?;
    if !TableUid::is_one(&table) {
        return Err(bad("the table's UID is malformed"));
    }
    let tags = checked(&tags).map_err(|error| bad(error.to_string()))?;
    match database.tag(player(&who)?, &table, hand, &tags).await? {
        Kept::Yes => Ok(Json(Tags { tags: tags.into_iter().collect() })),
        Kept::NoHand => Err(Problem::new(404, "no-such-hand", "You have no record of this hand").into()),
        Kept::Full => Err(Problem::new(409, "tags-full", "You have too many tags")
            .detail(format!("at most {ALL_MAX} over all hands"))
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_trimmed_kept_once_and_bounded() {
        let of = |tags: &[&str]| checked(&tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[" bluff ", "bluff", "cooler"]).unwrap().len(), 2);
        assert_eq!(of(&[]).unwrap().len(), 0);
        for bad in ["", "a,b", "a\nb", &"a".repeat(33)] {
            assert_eq!(of(&[bad]), Err(BadTag::Text), "{bad:?}");
        }
        let nine: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(checked(&nine), Err(BadTag::Count(9)));
    }
}
