//! Seats at a table that no longer exists: the controller finds them, and a holder of the table's certificate pays them
//! out.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use common::{
    House, eventually,
    table::{Table, UID, player, sign},
};
use http::Method;
use purr_protocol::{
    seated::{SeatedTables, TableSeats},
    settlement::{Balance, Entry, EntryBody, Fence, Fenced},
};
use purr_runtime::Role;
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn players_at_a_table_that_is_gone_are_found_and_paid_what_the_journal_has() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    house.fund(2, 1_000 * USDC).await;
    let gateway = house.client(&signer, &Role::Gateway);
    let controller = house.client(&signer, &Role::Controller);
    let free = async |n: usize| {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.unwrap();
        balance.free
    };
    let seated = async |after: &str| {
        let page: SeatedTables = controller.get(&format!("/v1/seated?after={after}"), WAIT).await.unwrap();
        page.tables
    };
    for n in 1..=2 {
        eventually("the deposit", || async { (free(n).await == 1_000 * USDC).then_some(()) }).await;
    }
    let table = Table::open(&house, &signer).await;
    assert!(seated("").await.is_empty(), "an empty table is nobody's loss");
    table.sit(&house, 1, 300 * USDC, 1).await;
    table.sit(&house, 2, 400 * USDC, 2).await;
    let hand = table.hand(&[(1, -50_000_000), (2, 50_000_000)], 0);
    table.submit(hand).await;

    let found = seated("").await;
    assert_eq!((found.len(), found[0].uid.as_str()), (1, UID));
    assert_eq!((found[0].players, found[0].chips), (2, 700 * USDC));
    assert!(seated(UID).await.is_empty(), "the next page");
    let (status, _) = gateway.raw(Method::GET, "/v1/seated", Default::default(), WAIT).await.unwrap();
    assert_eq!(status, 403, "no gateway sees all seats");

    // The requests of `purr-controller pay-out`, with a certificate of its own for the table.
    let role = Role::Table(UID.into());
    let (identity, mine) = (house.identity(&role), house.client(&signer, &role));
    let seats: TableSeats = mine.get(&format!("/v1/tables/{UID}/seats"), WAIT).await.unwrap();
    assert_eq!((seats.epoch, seats.head_seq), (1, 3));
    let stacks: Vec<u64> = seats.seats.iter().map(|seat| seat.stack).collect();
    assert_eq!(stacks, [250 * USDC, 450 * USDC]);
    let epoch = 1 << 16 | 1;
    let _: Fenced = mine.post(&format!("/v1/tables/{UID}/fence"), &Fence { epoch }, WAIT).await.unwrap();
    let (status, code) = table.refused(1, table.hand(&[(1, 1), (2, -1)], 0)).await;
    assert_eq!((status, code.as_str()), (409, "fenced"), "a process of before plays no further hand");
    let leaves: Vec<Entry> = (4..)
        .zip(&seats.seats)
        .map(|(seq, seat)| Entry {
            seq,
            body: EntryBody::Leave { seat: seat.seat, player: seat.player, stack: seat.stack },
        })
        .collect();
    let signed = Some(sign(&identity, UID, &leaves));
    assert_eq!(table.submit_signed(epoch, &leaves, signed).await.unwrap(), 5);
    assert!(seated("").await.is_empty());
    for (n, amount) in [(1, 950 * USDC), (2, 1_050 * USDC)] {
        eventually("the player is paid", || async { (free(n).await == amount).then_some(()) }).await;
    }
}
