//! Parquet files beside PostgreSQL: the same sums, whatever happens to hands after they were exported.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use bytes::Bytes;
use common::{Postgres, TABLE, player, record, stored};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, RowAccessor},
};
use purr_facts::{NAMES, Position, SQUARES, WIDTH};
use purr_protocol::{
    feed::{Feed, FeedItem, Happened, SettledHand},
    record::HandRecord,
};
use purr_records::{
    Database,
    export::{Bucket, ExportError, Exported, Folder, Wanted, manifest::Entry},
};
use purr_store::StoredHand;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::BufRead,
    path::Path,
};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const DAY: i32 = 20_000;

/// A hand at this hour of the first day.
fn at(hand: u64, hour: i64) -> StoredHand {
    let ms = i64::from(DAY) * DAY_MS + hour * HOUR_MS + i64::try_from(hand).unwrap();
    stored(&record(TABLE, hand, 30 + hand % 3 * 10), &format!("{ms}-0"))
}

fn wanted() -> Wanted {
    Wanted { from: DAY, to: DAY + 2, until_ms: i64::MAX, pseudonymous: false }
}

async fn connect(postgres: &Postgres) -> PgConnection {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    connection
}

/// By player, day, blinds, players dealt in and position: every counter.
type Sums = BTreeMap<(String, i32, i64, i64, i32, String), Vec<i128>>;

async fn counters(postgres: &Postgres) -> Sums {
    let columns: Vec<String> = NAMES.iter().map(|name| format!("{name}::text")).collect();
    let sql = format!(
        "SELECT '0x' || encode(player, 'hex'), day, small_blind, big_blind, dealt_in, position, ARRAY[{}]
         FROM player_counters",
        columns.join(", ")
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connect(postgres).await).await.unwrap();
    let sums = rows.iter().map(|row| {
        let position = Position::from_code(row.get(5)).unwrap().name().to_owned();
        let dealt_in: i16 = row.get(4);
        let key = (row.get(0), row.get(1), row.get(2), row.get(3), i32::from(dealt_in), position);
        let values: Vec<String> = row.get(6);
        (key, values.iter().map(|value| value.parse().unwrap()).collect())
    });
    sums.collect()
}

/// Returns the files that the manifests name, each file's hash compared.
fn entries(folder: &Path) -> Vec<Entry> {
    let Ok(manifests) = fs::read_dir(folder.join("manifest")) else { return Vec::new() };
    let mut entries = Vec::new();
    for file in manifests {
        for line in fs::read(file.unwrap().path()).unwrap().lines() {
            let entry: Entry = serde_json::from_str(&line.unwrap()).unwrap();
            let bytes = fs::read(folder.join(&entry.file)).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), entry.sha256);
            assert_eq!(bytes.len() as u64, entry.bytes);
            entries.push(entry);
        }
    }
    entries
}

fn files(folder: &Path) -> BTreeSet<String> {
    entries(folder).into_iter().map(|entry| entry.file).collect()
}

/// Number of files in the folder, whether or not a manifest names them.
fn lying(folder: &Path) -> usize {
    let days = ["hands", "facts"].map(|kind| fs::read_dir(folder.join(kind)).unwrap());
    days.into_iter().flatten().map(|day| fs::read_dir(day.unwrap().path()).unwrap().count()).sum()
}

fn wide(bytes: &[u8]) -> i128 {
    i128::from_be_bytes(bytes.try_into().unwrap())
}

fn date(row: &parquet::record::Row) -> i32 {
    let Some((_, Field::Date(day))) = row.get_column_iter().nth(4) else { panic!("{row}: no day") };
    *day
}

/// The sums of the exported facts.
fn exported(folder: &Path) -> Sums {
    let mut sums = Sums::new();
    for entry in entries(folder).iter().filter(|entry| entry.file.starts_with("facts/")) {
        let reader =
            SerializedFileReader::new(Bytes::from(fs::read(folder.join(&entry.file)).unwrap())).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        let mut before = None;
        let mut count = 0;
        for row in rows {
            count += 1;
            let place = (
                row.get_string(0).unwrap().clone(),
                row.get_string(1).unwrap().clone(),
                row.get_long(2).unwrap(),
            );
            assert!(before.as_ref() < Some(&place), "{} is not sorted", entry.file);
            before = Some(place);
            let key = (
                row.get_string(0).unwrap().clone(),
                date(&row),
                row.get_long(5).unwrap(),
                row.get_long(6).unwrap(),
                row.get_int(7).unwrap(),
                row.get_string(8).unwrap().clone(),
            );
            let sum = sums.entry(key).or_insert_with(|| vec![0; WIDTH]);
            for (at, sum) in sum.iter_mut().enumerate() {
                *sum += if at < WIDTH - SQUARES {
                    i128::from(row.get_long(10 + at).unwrap())
                } else {
                    wide(row.get_decimal(10 + at).unwrap().data())
                };
            }
        }
        assert_eq!(count, entry.rows);
    }
    sums
}

/// Reports from the signer that a hand is void.
async fn void(database: &Database, hand: &StoredHand) {
    let hands = vec![SettledHand { hand: hand.hand, hash: hand.hash.clone() }];
    let what = Happened::Void { table: TABLE.to_owned(), hands };
    let item = FeedItem { id: "row:0".into(), at_ms: 1, what };
    assert!(database.follow(0, &Feed { through: 1, items: vec![item] }).await.unwrap());
}

#[tokio::test]
async fn exported_facts_sum_to_the_counters_and_a_second_run_writes_nothing() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    database.ingest(&[at(1, 0), at(2, 0), at(3, 23), at(4, 30)]).await.unwrap();
    let first = database.export(&folder, wanted()).await.unwrap();
    assert_eq!(first, Exported { hours: 3, files: 6, hands: 4, removed: 0 });
    assert_eq!(exported(dir.path()), counters(&postgres).await);
    assert_eq!(database.export(&folder, wanted()).await.unwrap(), Exported::default());
    // A hand that comes late is in one hour alone.
    let before = files(dir.path());
    database.ingest(&[at(5, 23)]).await.unwrap();
    let late = database.export(&folder, wanted()).await.unwrap();
    assert_eq!(late, Exported { hours: 1, files: 2, hands: 2, removed: 2 });
    assert_eq!(files(dir.path()).intersection(&before).count(), 4);
    assert_eq!(exported(dir.path()), counters(&postgres).await);
    assert_eq!(lying(dir.path()), 6);
}

#[tokio::test]
async fn a_hand_that_is_voided_after_its_export_leaves_the_files() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    let (kept, alone) = (at(1, 0), at(2, 5));
    database.ingest(&[kept, alone.clone()]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    void(&database, &alone).await;
    let after = database.export(&folder, wanted()).await.unwrap();
    assert_eq!(after, Exported { hours: 1, files: 0, hands: 0, removed: 2 });
    assert_eq!(exported(dir.path()), counters(&postgres).await);
    // The records are in conflict, so neither counts.
    let other = stored(&record(TABLE, 1, 70), &format!("{}-1", i64::from(DAY) * DAY_MS + 1));
    database.ingest(&[other]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    assert!(exported(dir.path()).is_empty() && counters(&postgres).await.is_empty());
    assert_eq!(lying(dir.path()), 0);
}

#[tokio::test]
async fn hours_that_are_not_over_wait_and_files_of_a_run_that_was_cut_off_are_removed() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    database.ingest(&[at(1, 0), at(2, 1)]).await.unwrap();
    let stray = "facts/2024-10-04/2024-10-04T00-0000-0000.parquet";
    folder.put(stray, b"half").unwrap();
    let until_ms = i64::from(DAY) * DAY_MS + HOUR_MS;
    let first = database.export(&folder, Wanted { until_ms, ..wanted() }).await.unwrap();
    assert_eq!(first, Exported { hours: 1, files: 2, hands: 1, removed: 1 });
    assert_eq!(folder.get(stray).unwrap(), None);
    assert_eq!(database.export(&folder, wanted()).await.unwrap().hours, 1);
}

#[tokio::test]
async fn a_pseudonymous_export_has_no_address_and_the_same_sums_under_other_names() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    database.ingest(&[at(1, 0), at(2, 0)]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    let open = exported(dir.path());
    let hidden = database.export(&folder, Wanted { pseudonymous: true, ..wanted() }).await.unwrap();
    assert_eq!((hidden.hours, hidden.removed), (1, 1), "hands have no address: their file is the same");
    let names: BTreeSet<String> = exported(dir.path()).into_keys().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), 3);
    assert!((0..3).all(|seat| !names.contains(&player(seat).to_string())));
    let sums = |all: Sums| {
        let mut values: Vec<Vec<i128>> = all.into_values().collect();
        values.sort();
        values
    };
    assert_eq!(sums(exported(dir.path())), sums(open));
}

#[tokio::test]
async fn an_erased_player_leaves_the_files_with_the_next_export() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    database.ingest(&[at(1, 0), at(2, 7)]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    database.erase(player(1)).await.unwrap();
    assert_eq!(database.export(&folder, wanted()).await.unwrap().hours, 2);
    let sums = exported(dir.path());
    assert_eq!(sums, counters(&postgres).await);
    assert!(sums.keys().all(|(name, ..)| *name != player(1).to_string()));
}

#[tokio::test]
async fn while_hands_are_counted_anew_nothing_is_exported_and_then_the_files_are_the_same() {
    let (postgres, dir) = (Postgres::new(), tempfile::tempdir().unwrap());
    let (database, folder) = (postgres.database().await, Folder(dir.path().into()));
    database.ingest(&[at(1, 0)]).await.unwrap();
    database.ingest(&[at(2, 0)]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    let before = files(dir.path());
    database.forget_counters().await.unwrap();
    let refused = database.export(&folder, wanted()).await;
    assert!(matches!(refused, Err(ExportError::Counting)), "{refused:?}");
    assert_eq!(files(dir.path()), before);
    while database.recount().await.unwrap() > 0 {}
    database.export(&folder, wanted()).await.unwrap();
    assert_eq!(files(dir.path()), before);
}

/// Exports hands of two days, with a void one and one in conflict; `tests/export.sh` reads the files back.
#[tokio::test]
#[ignore = "writes files for tests/export.sh"]
async fn files_for_other_programs_and_the_sums_that_they_must_have() {
    let file = fs::File::open(std::env::var("PURR_RECORDS").unwrap()).unwrap();
    let out = std::env::var("PURR_EXPORT_TEST").unwrap();
    let (postgres, folder) = (Postgres::new(), Folder(Path::new(&out).join("export")));
    let database = postgres.database().await;
    let hands: Vec<StoredHand> = std::io::BufReader::new(file)
        .lines()
        .zip(0i64..)
        .map(|(line, number)| {
            let record: HandRecord = serde_json::from_str(&line.unwrap()).unwrap();
            stored(&record, &format!("{}-{number}", i64::from(DAY) * DAY_MS + number * 80_000))
        })
        .collect();
    for batch in hands.chunks(100) {
        database.ingest(batch).await.unwrap();
    }
    let mut other: HandRecord = serde_json::from_slice(&hands[7].record).unwrap();
    other.epoch += 1;
    database.ingest(&[stored(&other, "1-1")]).await.unwrap();
    database.export(&folder, wanted()).await.unwrap();
    let sums: Vec<Value> = counters(&postgres)
        .await
        .into_iter()
        .map(|((player, day, small_blind, big_blind, dealt_in, position), values)| {
            let counts: Map<String, Value> = NAMES
                .iter()
                .zip(values)
                .map(|(name, value)| ((*name).into(), value.to_string().into()))
                .collect();
            let key = json!([player, day, small_blind, big_blind, dealt_in, position]);
            json!({ "key": key, "counts": counts })
        })
        .collect();
    let stakes: Vec<(i64, i64, i64, String, String)> = sqlx::query_as(
        "SELECT small_blind, big_blind, sum(hands)::bigint, sum(pot)::text, sum(rake)::text FROM table_hours
         GROUP BY small_blind, big_blind ORDER BY big_blind, small_blind",
    )
    .fetch_all(&mut connect(&postgres).await)
    .await
    .unwrap();
    let expected = json!({ "counters": sums, "stakes": stakes });
    fs::write(Path::new(&out).join("expected.json"), expected.to_string()).unwrap();
}
