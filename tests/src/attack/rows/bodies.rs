//! Requests whose body never ends: refreshes without a token, and messages of a stream with one.

use super::Kind;
use crate::attack::{
    report::{Row, cost},
    scene::Scene,
    storm::Attackers,
    victims::Felt,
};
use std::rc::Rc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

pub(super) const NAME: &str = "bodies";
/// Twice the number of places for requests.
const REQUESTS: usize = 2_000;
/// Enough addresses that each stays within its limits of sockets and requests.
const ADDRESSES: usize = 50;
const ACCOUNTS: usize = 6;

pub(super) async fn row(scene: &mut Scene, quiet: &Felt) -> anyhow::Result<Row> {
    let orders = scene.orders(Kind::Bodies, REQUESTS, ADDRESSES, ACCOUNTS, 0)?;
    let probe = "GET /v1/tables HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (felt, tally, probed) = scene.attacked(orders, Some(probe.into()), scene.options.measure()).await?;
    let what = format!("{REQUESTS} half-sent requests, {ACCOUNTS} free accounts, {ADDRESSES} addresses");
    Ok(Row::new(NAME, cost(&what, &tally), quiet, &felt).probed(probed))
}

/// Sends all but the end of a request, and waits.
pub(super) async fn attacker(all: Rc<Attackers>, number: usize) {
    let Ok(mut stream) = all.dial(number).await else { return };
    let head = if number.is_multiple_of(2) {
        "POST /v1/auth/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{".to_owned()
    } else {
        let (uid, token) = (&all.orders.uid, all.token(number));
        format!(
            "POST /v1/tables/{uid}/stream/{:048} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
            content-length: 100\r\n\r\n{{",
            0
        )
    };
    if stream.write_all(head.as_bytes()).await.is_err() {
        return all.refused();
    }
    all.sent(1);
    let _held = all.holds();
    let mut answer = [0; 12];
    let answered = timeout(all.left(), stream.read_exact(&mut answer)).await;
    // A time-out (408) is expected and is not a refusal.
    if answered.is_ok() && !answer.ends_with(b" 408") {
        all.refused();
    }
}
