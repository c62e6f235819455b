//! Spectators who hold all lanes that they get, while seated players come back.

use super::Kind;
use crate::attack::{
    report::{Row, cost},
    scene::Scene,
    victims::Felt,
};

pub(super) const NAME: &str = "places";
/// More than one gateway ever had lanes at a table.
const SPECTATORS: usize = 520;
const ADDRESSES: usize = 50;

pub(super) async fn row(scene: &mut Scene, quiet: &Felt) -> anyhow::Result<Row> {
    // Not fewer in the short form: it is the number that keeps players out. On the gateway that they come back to.
    let mut orders = scene.orders(Kind::Lanes, SPECTATORS, ADDRESSES, SPECTATORS, 0)?;
    orders.gateways.truncate(1);
    let (felt, tally) = scene.returned(orders).await?;
    let what = format!("{SPECTATORS} free accounts, {ADDRESSES} addresses");
    Ok(Row::new(NAME, cost(&what, &tally), quiet, &felt).back(felt.there_s))
}
