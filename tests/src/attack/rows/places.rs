//! Spectators who occupy all lanes that they can get, while seated players return.

use super::Kind;
use crate::attack::{
    report::{Row, cost},
    scene::Scene,
    victims::Felt,
};

pub(super) const NAME: &str = "places";
/// More than the lanes of one gateway at a table.
const SPECTATORS: usize = 520;
const ADDRESSES: usize = 50;

pub(super) async fn row(scene: &mut Scene, quiet: &Felt) -> anyhow::Result<Row> {
    // The full number even in the short form, because the number is what keeps players out; on the gateway that players
    // return to.
    let mut orders = scene.orders(Kind::Lanes, SPECTATORS, ADDRESSES, SPECTATORS, 0)?;
    orders.gateways.truncate(1);
    let (felt, tally) = scene.returned(orders).await?;
    let what = format!("{SPECTATORS} free accounts, {ADDRESSES} addresses");
    Ok(Row::new(NAME, cost(&what, &tally), quiet, &felt).back(felt.there_s))
}
