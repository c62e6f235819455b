//! Voids, conflicts and settlements on a real PostgreSQL, in every order: the result depends only on what is known, not
//! on the order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, TABLE, player, record, stored};
use purr_engine::Event;
use purr_protocol::feed::{Feed, FeedItem, Happened, SettledHand};
use purr_records::{Database, Fate};
use purr_store::StoredHand;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;

async fn ask(postgres: &Postgres, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
}

async fn counters(postgres: &Postgres) -> Vec<String> {
    ask(postgres, "SELECT c::text FROM player_counters c ORDER BY 1").await
}

/// Makes one of a hand's possible records: two with different actions, and a void one.
fn version(hand: u64, which: u64) -> StoredHand {
    let mut record = record(TABLE, hand, 30 + 10 * which);
    if which == 2 {
        record.end.void = true;
        for event in &mut record.history.events {
            if let Event::HandEnded(end) = event {
                end.void = true;
            }
        }
    }
    stored(&record, &format!("{}-{which}", 1_700_000_000_000 + hand))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Comes(u64, u64),
    Accepts(u64, u64),
    Settles(u64, u64),
    Voids(u64),
}

async fn apply(database: &Database, step: Step, row: &mut u64) {
    let told = |hand: u64, which: u64| SettledHand { hand, hash: version(hand, which).hash };
    let table = TABLE.to_owned();
    let what = match step {
        Step::Comes(hand, which) => {
            let fates = database.ingest(&[version(hand, which)]).await.unwrap();
            assert!(!matches!(fates[0], Fate::Quarantined(_)), "{fates:?}");
            return;
        }
        Step::Accepts(hand, which) => Happened::Accepted { table, hands: vec![told(hand, which)] },
        Step::Settles(hand, which) => Happened::Settled { table, hands: vec![told(hand, which)] },
        Step::Voids(hand) => Happened::Void { table, hands: vec![told(hand, 0)] },
    };
    let item = FeedItem { id: format!("row:{row}"), at_ms: 1, what };
    let feed = Feed { through: *row + 1, items: vec![item] };
    assert!(database.follow(*row, &feed).await.unwrap());
    // The same page again, as another replica brings it, changes nothing.
    assert!(!database.follow(*row, &feed).await.unwrap());
    *row += 1;
}

#[tokio::test]
async fn in_every_order_counters_are_those_of_what_is_known() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let mut dice: u64 = std::env::var("PURR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {dice}");
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % sides
    };
    let mut steps = Vec::new();
    for hand in 1..=60 {
        let versions = 1 + roll(3);
        let mut own: Vec<u64> = (0..3).collect();
        for _ in 0..versions {
            steps.push(Step::Comes(hand, own.swap_remove(roll(own.len()))));
        }
        if roll(2) == 0 {
            steps.push(Step::Accepts(hand, u64::try_from(roll(3)).unwrap()));
        }
        match roll(4) {
            0 => {}
            1 => steps.push(Step::Voids(hand)),
            _ => steps.push(Step::Settles(hand, u64::try_from(roll(3)).unwrap())),
        }
    }
    // Some steps come twice, and all in random order.
    for _ in 0..30 {
        let again = steps[roll(steps.len())];
        steps.push(again);
    }
    for at in (1..steps.len()).rev() {
        steps.swap(at, roll(at + 1));
    }
    let mut row = 0;
    let (mut came, mut word) = (BTreeMap::<u64, Vec<u64>>::new(), BTreeMap::<u64, Option<u64>>::new());
    let mut accepted = BTreeMap::<u64, u64>::new();
    for (at, step) in steps.iter().enumerate() {
        apply(&database, *step, &mut row).await;
        match *step {
            Step::Comes(hand, which) => came.entry(hand).or_default().push(which),
            Step::Accepts(hand, which) => _ = accepted.entry(hand).or_insert(which),
            Step::Settles(hand, which) => _ = word.entry(hand).or_insert(Some(which)),
            Step::Voids(hand) => _ = word.entry(hand).or_insert(None),
        }
        if at % 40 != 0 && at + 1 != steps.len() {
            continue;
        }
        // Computed from the definition alone.
        let counting = came.iter().filter(|(hand, versions)| {
            let versions: std::collections::BTreeSet<u64> = versions.iter().copied().collect();
            match word.get(hand) {
                None if accepted.contains_key(hand) => {
                    versions.contains(&accepted[hand]) && accepted[hand] != 2
                }
                None => versions.len() == 1 && !versions.contains(&2),
                Some(None) => false,
                Some(Some(which)) => versions.contains(which) && *which != 2,
            }
        });
        let hands = ask(&postgres, "SELECT coalesce(sum(hands), 0)::text FROM player_counters").await;
        assert_eq!(hands, [(counting.count() * 3).to_string()], "after {at} steps");
        let live = counters(&postgres).await;
        database.forget_counters().await.unwrap();
        while database.recount().await.unwrap() > 0 {}
        assert_eq!(counters(&postgres).await, live, "after {at} steps");
    }
    assert_eq!(ask(&postgres, "SELECT through::text FROM feed").await, [row.to_string()]);
}

/// Sessions and figures are of the same hands, whatever the signer and the chain say of a hand.
#[tokio::test]
async fn sessions_have_the_hands_that_count_and_no_others() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let own = player(0);
    let (mut row, steps) = (
        0,
        [
            // One record alone; void on chain; two records, of which the chain took the second; two that nobody decides;
            // two of which the signer has the second; bets given back; another's record than the settled one.
            (vec![Step::Comes(1, 0)], 1),
            (vec![Step::Comes(2, 0), Step::Voids(2)], 0),
            (vec![Step::Comes(3, 0), Step::Comes(3, 1), Step::Settles(3, 1)], 1),
            (vec![Step::Comes(4, 0), Step::Comes(4, 1)], 0),
            (vec![Step::Comes(5, 0), Step::Comes(5, 1), Step::Accepts(5, 1)], 1),
            (vec![Step::Comes(6, 2)], 0),
            (vec![Step::Comes(7, 0), Step::Settles(7, 1)], 0),
        ],
    );
    let mut wanted = 0;
    for (steps, counts) in steps {
        let name = format!("{steps:?}");
        for step in steps {
            apply(&database, step, &mut row).await;
        }
        wanted += counts;
        let sessions = database.sessions(own).await.unwrap().sessions;
        let sql = format!(
            "SELECT coalesce(sum(hands), 0) || ':' || coalesce(sum(won), 0) FROM player_counters WHERE player = decode('{}', 'hex')",
            hex::encode(own.0)
        );
        let figures = ask(&postgres, &sql).await;
        let (hands, won) =
            sessions.iter().fold((0, 0), |(hands, won), one| (hands + one.hands, won + one.won));
        assert_eq!((hands, vec![format!("{hands}:{won}")]), (wanted, figures), "{name}");
    }
}

#[tokio::test]
async fn what_the_chain_made_of_a_hand_is_told_with_it_also_where_it_was_known_before() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let mut row = 0;
    for step in [Step::Settles(1, 0), Step::Comes(1, 0), Step::Comes(2, 0), Step::Comes(3, 0), Step::Voids(3)]
    {
        apply(&database, step, &mut row).await;
    }
    apply(&database, Step::Settles(4, 1), &mut row).await;
    apply(&database, Step::Comes(4, 0), &mut row).await;
    let standings = ask(&postgres, "SELECT standing::text FROM hands ORDER BY hand").await;
    assert_eq!(standings, ["1", "0", "3", "2"]);
    apply(&database, Step::Comes(4, 1), &mut row).await;
    let of_four = ask(&postgres, "SELECT standing::text FROM hands WHERE hand = 4 ORDER BY version").await;
    assert_eq!(of_four, ["2", "1"]);
    // The settled record counts though there are two.
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["9"]);
}

#[tokio::test]
async fn a_record_is_confirmed_by_the_signers_hash_alone_whichever_comes_first() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let mut row = 0;
    for step in [
        Step::Comes(1, 0),
        Step::Comes(2, 0),
        Step::Accepts(2, 0),
        Step::Accepts(3, 0),
        Step::Comes(3, 0),
        // A conflicting record arrived first, and alone.
        Step::Comes(4, 1),
        Step::Accepts(4, 0),
        Step::Comes(5, 1),
        Step::Comes(5, 0),
        Step::Accepts(5, 0),
        Step::Settles(6, 0),
        Step::Comes(6, 0),
    ] {
        apply(&database, step, &mut row).await;
    }
    let told = async || {
        ask(&postgres, "SELECT hand || ':' || version || ':' || standing || ':' || confirmed FROM hands ORDER BY hand, version").await
    };
    let wanted =
        ["1:0:0:false", "2:0:0:true", "3:0:0:true", "4:0:2:false", "5:0:2:false", "5:1:0:true", "6:0:1:true"];
    assert_eq!(told().await, wanted);
    // Hand 4 is not counted: its one record is not the table's.
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["15"]);
    apply(&database, Step::Comes(4, 0), &mut row).await;
    apply(&database, Step::Accepts(4, 0), &mut row).await;
    assert_eq!(told().await[3..5], ["4:0:2:false", "4:1:0:true"]);
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["18"]);
    // Entries that the signer has accepted, and the chain's decision about them.
    apply(&database, Step::Voids(3), &mut row).await;
    assert_eq!(ask(&postgres, "SELECT standing::text FROM hands WHERE hand = 3").await, ["3"]);
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["15"]);
}
