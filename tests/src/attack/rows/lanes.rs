//! Spectators with full bursts of pings, from many addresses, on both gateways.

use super::Kind;
use crate::attack::{
    report::{Row, cost},
    scene::Scene,
    storm::Attackers,
    victims::Felt,
    wire,
};
use futures::{SinkExt, StreamExt};
use purr_protocol::pb::{self, client_message::Body as Ask};
use std::{rc::Rc, time::Duration};
use tokio::time::sleep_until;

pub(super) const NAME: &str = "lanes";
const SPECTATORS: usize = 2_000;
const ADDRESSES: usize = 50;
/// Number of pings sent at once: the largest burst that a gateway has ever allowed one socket.
const BURST: u64 = 60;
const EVERY: Duration = Duration::from_secs(2);

pub(super) async fn row(scene: &mut Scene, quiet: &Felt) -> anyhow::Result<Row> {
    let count = scene.options.some(SPECTATORS);
    let orders = scene.orders(Kind::Lanes, count, ADDRESSES, count, BURST)?;
    let (felt, tally, _) = scene.attacked(orders, None, scene.options.measure_long()).await?;
    let what = format!("{count} free accounts, {ADDRESSES} addresses, {BURST} pings at once");
    Ok(Row::new(NAME, cost(&what, &tally), quiet, &felt))
}

/// Watches a table and sends pings until the gateway closes the socket.
pub(super) async fn attacker(all: Rc<Attackers>, number: usize) {
    let Ok(stream) = all.dial(number).await else { return };
    let Ok(mut socket) = wire::attach(stream, &all.orders.uid, all.token(number)).await else {
        return all.refused();
    };
    let _held = all.holds();
    let mut due = all.next(EVERY);
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(frame)) if !frame.is_close() => {}
                _ => return all.refused(),
            },
            () = sleep_until(due), if all.orders.burst > 0 => {
                due = all.next(EVERY);
                for id in 0..all.orders.burst {
                    let Ok(ping) = wire::message(id + 2, Ask::Ping(pb::Ping {})) else { return };
                    if socket.feed(ping).await.is_err() {
                        return all.refused();
                    }
                }
                if socket.flush().await.is_err() {
                    return all.refused();
                }
                all.sent(all.orders.burst);
            }
        }
    }
}
