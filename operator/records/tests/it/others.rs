//! The public statistics of a player, on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, TABLE, player, record, stored};
use purr_protocol::statistics::LeadersBy;
use purr_store::StoredHand;

const DAY_MS: u64 = 86_400_000;
const DAY: i32 = 20_000;

fn hands(numbers: std::ops::RangeInclusive<u64>, day: u64) -> Vec<StoredHand> {
    numbers
        .map(|number| stored(&record(TABLE, number, 30), &format!("{}-0", day * DAY_MS + number)))
        .collect()
}

#[tokio::test]
async fn others_figures_come_from_a_hundred_hands_before_today_on_and_have_no_amounts() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let all = [player(0), player(1), player(9)];
    database.ingest(&hands(1..=99, 19_999)).await.unwrap();
    database.ingest(&hands(100..=150, 20_000)).await.unwrap();
    assert!(database.public_statistics(&all, DAY).await.unwrap().players.is_empty(), "99 before today");
    let told = database.public_statistics(&all, DAY + 1).await.unwrap().players;
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), [player(0), player(1)]);
    let figures = &told[&player(0)];
    assert_eq!(figures.hands, 150);
    let vpip = figures.rates["vpip"].as_ref().unwrap();
    assert!(vpip.n <= 150 && vpip.low <= vpip.value && vpip.value <= vpip.high);
    let text = serde_json::to_string(figures).unwrap();
    assert!(["won\"", "rake", "adjusted", "played"].iter().all(|amount| !text.contains(amount)), "{text}");
}

#[tokio::test]
async fn a_leaderboard_names_nobody_and_marks_the_caller() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&hands(1..=120, 19_995)).await.unwrap();
    let (by, caller) = (LeadersBy::Won, Some(player(1)));
    assert!(
        database.leaders(1, by, DAY, caller).await.unwrap().leaders.is_empty(),
        "nobody played yesterday"
    );
    let board = database.leaders(7, by, DAY, caller).await.unwrap();
    assert_eq!(board.leaders.len(), 3);
    assert!(board.leaders.windows(2).all(|pair| pair[0].big_blinds >= pair[1].big_blinds));
    assert_eq!(board.leaders.iter().map(|leader| leader.place).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(board.leaders.iter().filter(|leader| leader.you).count(), 1);
    for seat in 0..3 {
        assert!(board.leaders.iter().all(|leader| leader.name != player(seat)));
    }
    // The answer is cached for all callers.
    database.ingest(&hands(121..=300, 19_995)).await.unwrap();
    let again = database.leaders(7, by, DAY, None).await.unwrap();
    assert!(again.leaders.iter().all(|leader| !leader.you && leader.hands == 120));
}
