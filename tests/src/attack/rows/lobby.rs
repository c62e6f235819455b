//! One address that opens as many lobby streams as it can.

use super::Kind;
use crate::attack::{
    report::{Row, cost},
    scene::Scene,
    storm::Attackers,
    victims::Felt,
    wire,
};
use std::rc::Rc;
use tokio::io::AsyncReadExt;

pub(super) const NAME: &str = "lobby";
/// More streams than one gateway allows.
const STREAMS: usize = 1_900;

pub(super) async fn row(scene: &mut Scene, quiet: &Felt) -> anyhow::Result<Row> {
    // The full number even in the short form, so that the limit is reached. It is also the most connections that one
    // address may have at a gateway.
    let mut orders = scene.orders(Kind::Lobby, STREAMS, 1, 1, 0)?;
    orders.gateways.truncate(1);
    let probe = "GET /v1/lobby/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (felt, tally, probed) =
        scene.attacked(orders, Some(probe.into()), scene.options.measure_long()).await?;
    let what = format!("{STREAMS} streams, 1 address, no account");
    Ok(Row::new(NAME, cost(&what, &tally), quiet, &felt).probed(probed))
}

/// Follows the lobby's stream until the gateway ends it.
pub(super) async fn attacker(all: Rc<Attackers>, number: usize) {
    let Ok(stream) = all.dial(number).await else { return };
    let request = "GET /v1/lobby/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    match wire::ask(stream, request).await {
        Ok((200, mut stream)) => {
            let _held = all.holds();
            let mut bytes = [0; 4_096];
            while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        }
        _ => all.refused(),
    }
}
