//! SQL statements for a whole batch: a round trip to the database costs more than a row.

use crate::{
    check::{Checked, Malformed},
    counting::Changes,
    day::day_of,
    events::{self, Event, Kind},
    standing::{self, Verdict, Version},
};
use purr_store::StoredHand;
use serde_json::json;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A hand whose first record this is.
pub(crate) type Fresh<'a> = (&'a StoredHand, &'a Checked);

/// Locks these tables, in their order, until the transaction ends; their highest hands.
pub(crate) async fn lock_tables(
    database: &mut PgConnection,
    tables: &BTreeSet<&str>,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let tables: Vec<&str> = tables.iter().copied().collect();
    // Sorted like the locks, so that two replicas with the same new tables never deadlock.
    sqlx::query(
        "INSERT INTO tables (uid) SELECT uid FROM unnest($1::text[]) WITH ORDINALITY AS new(uid, at)
         WHERE NOT EXISTS (SELECT 1 FROM tables t WHERE t.uid = new.uid) ORDER BY at ON CONFLICT DO NOTHING",
    )
    .bind(&tables)
    .execute(&mut *database)
    .await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT uid, highest FROM tables WHERE uid = ANY($1) ORDER BY uid COLLATE \"C\" FOR UPDATE",
    )
    .bind(&tables)
    .fetch_all(&mut *database)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Which hands of the batch have a record already.
pub(crate) async fn known<'a>(
    database: &mut PgConnection,
    checked: &'a [Result<Checked, Malformed>],
) -> Result<HashSet<(&'a str, i64)>, sqlx::Error> {
    let hands: Vec<&Checked> = checked.iter().flatten().collect();
    let places: Vec<i64> = sqlx::query_scalar(
        "SELECT at FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS new(uid, hand, at)
         WHERE EXISTS (SELECT 1 FROM hands h WHERE h.table_uid = new.uid AND h.hand = new.hand)",
    )
    .bind(hands.iter().map(|hand| hand.table.as_str()).collect::<Vec<&str>>())
    .bind(hands.iter().map(|hand| hand.hand).collect::<Vec<i64>>())
    .fetch_all(database)
    .await?;
    let at = |place: i64| hands.get(usize::try_from(place).ok()?.checked_sub(1)?);
    Ok(places.into_iter().filter_map(at).map(|hand| (hand.table.as_str(), hand.hand)).collect())
}

/// Stores hands that are not there: index, bodies, players and counters.
pub(crate) async fn keep(
    database: &mut PgConnection,
    fresh: &[Fresh<'_>],
    counting: &mut Option<Changes>,
) -> Result<(), sqlx::Error> {
    if fresh.is_empty() {
        return Ok(());
    }
    let counted = counting.is_some();
    let verdicts = early(database, fresh).await?;
    let verdict =
        |hand: &Checked| verdicts.get(&(hand.table.clone(), hand.hand)).copied().unwrap_or_default();
    let standings: Vec<i16> =
        fresh.iter().map(|(_, hand)| standing::code(verdict(hand).of(&hand.hash))).collect();
    let confirmed: Vec<bool> = fresh.iter().map(|(_, hand)| verdict(hand).confirms(&hand.hash)).collect();
    let texts: Vec<&str> = fresh.iter().map(|(_, hand)| hand.table.as_str()).collect();
    let hashes: Vec<&[u8]> = fresh.iter().map(|(_, hand)| hand.hash.as_slice()).collect();
    let wide = |of: fn(&Checked) -> i64| fresh.iter().map(|(_, hand)| of(hand)).collect::<Vec<i64>>();
    let flag = |of: fn(&Checked) -> bool| fresh.iter().map(|(_, hand)| of(hand)).collect::<Vec<bool>>();
    // Ids are reserved first, because inserted rows come back in no guaranteed order.
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT nextval(pg_get_serial_sequence('hands', 'id')) FROM generate_series(1, $1)",
    )
    .bind(i64::try_from(fresh.len()).unwrap_or(i64::MAX))
    .fetch_all(&mut *database)
    .await?;
    sqlx::query(
        "INSERT INTO hands (id, table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake, public, shown_ms, pot, counted, standing, confirmed)
         OVERRIDING SYSTEM VALUE
         SELECT id, uid, hand, hash, 0, false, epoch, ended_ms, void, rake, public, shown_ms, pot, $12, standing, confirmed
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::boolean[],
             $8::bigint[], $9::boolean[], $10::bigint[], $11::bigint[], $13::smallint[], $14::boolean[])
         AS new(id, uid, hand, hash, epoch, ended_ms, void, rake, public, shown_ms, pot, standing, confirmed)",
    )
    .bind(&ids)
    .bind(&texts)
    .bind(wide(|hand| hand.hand))
    .bind(&hashes)
    .bind(wide(|hand| hand.epoch))
    .bind(wide(|hand| hand.ended_ms))
    .bind(flag(|hand| hand.void))
    .bind(wide(|hand| hand.rake))
    .bind(flag(|hand| hand.public))
    .bind(wide(|hand| hand.shown_ms))
    .bind(wide(|hand| hand.pot))
    .bind(counted)
    .bind(&standings)
    .bind(&confirmed)
    .execute(&mut *database)
    .await?;
    sqlx::query(
        "INSERT INTO hand_bodies (day, hand_id, record) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])",
    )
    .bind(fresh.iter().map(|(_, hand)| day_of(hand.ended_ms)).collect::<Vec<i32>>())
    .bind(&ids)
    .bind(fresh.iter().map(|(stored, _)| stored.record.as_ref()).collect::<Vec<&[u8]>>())
    .execute(&mut *database)
    .await?;
    players(database, fresh, &ids).await?;
    if let Some(changes) = counting {
        for ((_, hand), id) in fresh.iter().zip(&ids) {
            let (hash, void) = (hand.hash, hand.void);
            let version = Version { id: *id, hash, void, counted, ended_ms: hand.ended_ms };
            if standing::counts(&[version], verdict(hand)).is_some() {
                changes.add(&hand.record, hand.ended_ms);
            }
        }
    }
    let ended: Vec<Event> = fresh.iter().map(|(_, hand)| hand_ended(hand)).collect();
    events::put(database, &ended).await
}

pub(crate) fn hand_ended(hand: &Checked) -> Event {
    let hash = hex::encode(hand.hash);
    Event {
        // The key has the hash, because a second record of a hand is an event of its own.
        key: format!("hand:{}:{}:{}", hand.table, hand.hand, &hash[..16]),
        kind: Kind::HandEnded,
        at_ms: hand.ended_ms,
        data: json!({
            "table": hand.table, "hand": hand.hand, "hash": hash, "void": hand.void,
            "pot": hand.pot, "rake": hand.rake, "players": hand.seats.len(),
        }),
    }
}

/// Returns the signer's decisions about hands that came before their records.
async fn early(
    database: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<HashMap<(String, i64), Verdict>, sqlx::Error> {
    // Accepted hands come first, so that final ones replace them.
    let rows: Vec<(String, i64, Option<Vec<u8>>, bool)> = sqlx::query_as(
        "SELECT table_uid, hand, hash, false AS final FROM early_hashes
         WHERE (table_uid, hand) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
         UNION ALL SELECT table_uid, hand, hash, true FROM early_verdicts
         WHERE (table_uid, hand) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) ORDER BY final",
    )
    .bind(fresh.iter().map(|(_, hand)| hand.table.as_str()).collect::<Vec<&str>>())
    .bind(fresh.iter().map(|(_, hand)| hand.hand).collect::<Vec<i64>>())
    .fetch_all(database)
    .await?;
    let verdict = |hash, is_final| match (standing::verdict_of(hash), is_final) {
        (Verdict::Final(hash), false) => Verdict::Accepted(hash),
        (verdict, _) => verdict,
    };
    let by_hand = |(table, hand, hash, is_final)| ((table, hand), verdict(hash, is_final));
    Ok(rows.into_iter().map(by_hand).collect())
}

async fn players(database: &mut PgConnection, fresh: &[Fresh<'_>], ids: &[i64]) -> Result<(), sqlx::Error> {
    let hands =
        || fresh.iter().zip(ids).flat_map(|((_, hand), id)| hand.seats.iter().map(move |_| (*id, *hand)));
    let seats = || fresh.iter().flat_map(|(_, hand)| hand.seats.iter());
    let card = |at: usize| seats().map(|seat| seat.shown.map(|cards| cards[at])).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO hand_players (hand_id, seat, player, delta, stack, low, high, day, pot) SELECT * FROM
         unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::smallint[], $7::smallint[],
             $8::integer[], $9::bigint[])",
    )
    .bind(hands().map(|(id, _)| id).collect::<Vec<i64>>())
    .bind(seats().map(|seat| seat.seat).collect::<Vec<i16>>())
    .bind(seats().map(|seat| seat.player.0.as_slice()).collect::<Vec<&[u8]>>())
    .bind(seats().map(|seat| seat.delta).collect::<Vec<i64>>())
    .bind(seats().map(|seat| seat.stack).collect::<Vec<i64>>())
    .bind(card(0))
    .bind(card(1))
    .bind(hands().map(|(_, hand)| day_of(hand.ended_ms)).collect::<Vec<i32>>())
    .bind(hands().map(|(_, hand)| hand.pot).collect::<Vec<i64>>())
    .execute(database)
    .await?;
    Ok(())
}

/// The hands' numbers, in the order in which they came.
pub(crate) fn by_table<'a>(fresh: &[Fresh<'a>]) -> BTreeMap<&'a str, Vec<i64>> {
    let mut tables: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (_, hand) in fresh {
        tables.entry(&hand.table).or_default().push(hand.hand);
    }
    tables
}

/// Whether the hands follow the highest number without a gap; then advances the number.
pub(crate) fn follow(highest: &mut i64, hands: &[i64]) -> bool {
    let mut next = *highest;
    let all = hands.iter().all(|hand| {
        next += 1;
        *hand == next
    });
    if all {
        *highest = next;
    }
    all
}

pub(crate) async fn raise(database: &mut PgConnection, tables: &[(&str, i64)]) -> Result<(), sqlx::Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let (uids, highest): (Vec<&str>, Vec<i64>) = tables.iter().copied().unzip();
    sqlx::query(
        "UPDATE tables SET highest = new.highest FROM unnest($1::text[], $2::bigint[]) AS new(uid, highest)
         WHERE tables.uid = new.uid",
    )
    .bind(uids)
    .bind(highest)
    .execute(database)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_follow_where_each_is_the_next_number() {
        for (highest, hands, all) in
            [(0, vec![1, 2, 3], true), (4, vec![5], true), (4, vec![6], false), (0, vec![2, 1], false)]
        {
            let mut after = highest;
            assert_eq!(follow(&mut after, &hands), all);
            assert_eq!(after, if all { highest + i64::try_from(hands.len()).unwrap() } else { highest });
        }
    }
}
