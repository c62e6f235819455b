//! A player who sits down where the seat is held, and leaves again.

use super::{Dice, Visit, ask, tally::Tally};
use crate::sockets::{BUY_IN, outside};
use anyhow::{Context, ensure};
use purr_client::{
    Api, Connection, Gateway, Permits, Session, Settings, Update, api::Fleet as FleetInfo, wallet::Vault,
};
use purr_engine::SeatIndex;
use purr_protocol::{
    pb::{self, client_message::Body as Ask},
    permit::{PermitFor, PermitVersion},
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Time limit of a Sit or a leave at the table.
const AT_TABLE: Duration = Duration::from_secs(60);
/// How long one stays.
const STAYS: Duration = Duration::from_secs(3);

pub(super) async fn visit(
    visit: Visit,
    api: &Api,
    gateway: Gateway,
    session: Session,
    info: &FleetInfo,
    tally: &Arc<Tally>,
) -> anyhow::Result<()> {
    let (token, mut dice) = (session.token().await?.text, Dice(visit.seed));
    let Some((table, seat)) = ask(&visit, &token, api, info, tally, &mut dice).await? else { return Ok(()) };
    // Counted as long as the player has the seat.
    let _hold = tally.holds(&table, seat);
    let permits = PermitVersion::NamedSeat;
    let vault = Vault { chain_id: outside::CHAIN_ID, address: outside::VAULT, permits };
    let permits = Permits::new(session.clone(), vault, outside::TABLE_ID);
    let mut connection = Connection::open(session, gateway, &table, Settings::default());
    let permit = Some(permits.sign(PermitFor::Sit(SeatIndex(seat)), BUY_IN, BUY_IN)?);
    let sit = connection.send(Ask::Sit(pb::Sit { seat: seat.into(), amount: BUY_IN, permit })).await?;
    let sat = async {
        loop {
            let update = connection.next().await.context("the connection has ended")?;
            if let Update::Answer { id, result } = update
                && id == sit
            {
                result.with_context(|| format!("Sit at seat {seat} of {table}"))?;
            }
            let view = connection.view();
            if let Some((own, _)) = view.your_seat() {
                ensure!(own.0 == seat, "sat down at {own}, not at {seat}");
                return anyhow::Ok(());
            }
        }
    };
    timeout(AT_TABLE, sat).await.with_context(|| format!("no seat at {table} in time"))??;
    tally.seated();
    let stays = async { while connection.next().await.is_some() {} };
    let _ = timeout(STAYS, stays).await;
    connection.send(Ask::Leave(pb::Leave {})).await?;
    let left =
        async { while connection.view().your_seat().is_some() && connection.next().await.is_some() {} };
    timeout(AT_TABLE, left).await.with_context(|| format!("still at {table}"))?;
    connection.close().await;
    Ok(())
}
