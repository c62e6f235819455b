//! Statistics of other players: at a table, if its fleet shows them, and leaderboards, if the room has them.

use crate::seating::fleets::Hud;
use crate::{app::App, auth::Caller};
use axum::{
    Extension, Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use purr_protocol::{
    Problem,
    statistics::{Leaders, LeadersBy, PLAYERS_MAX, PublicAsked, PublicTold, SeatStatistics, TableStatistics},
};
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::Deserialize;

fn problem(status: u16, kind: &'static str, title: &'static str) -> Response {
    Answer::from(Problem::new(status, kind, title)).into_response()
}

/// `GET /v1/tables/{uid}/statistics`. If the fleet shows no statistics the answer is an empty list, not an error: most
/// fleets show none, and browsers would log an error for each table.
pub async fn at_table(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<TableStatistics>, Response> {
    let fleet = path.ok().and_then(|Path(uid)| Some((app.seating.fleets.fleet_of(&uid)?, uid)));
    let Some((fleet, uid)) = fleet.filter(|(fleet, _)| fleet.hud == Hud::Public) else {
        return Ok(Json(TableStatistics::default()));
    };
    let snapshot = app.seating.snapshot();
    let tables = snapshot
        .fresh(&fleet.key)
        .ok_or_else(|| problem(503, "seating", "Who sits at the table is not known at the moment"))?;
    let taken = tables.iter().find(|table| table.uid == uid).map(|table| table.taken.clone());
    let taken = taken.unwrap_or_default();
    let players = taken.iter().map(|taken| taken.player).take(PLAYERS_MAX).collect();
    let told: PublicTold = app
        .records
        .post("/v1/statistics", &PublicAsked { players })
        .await
        .map_err(IntoResponse::into_response)?;
    let seats = taken.into_iter().map(|taken| SeatStatistics {
        seat: taken.seat,
        player: taken.player,
        statistics: told.players.get(&taken.player).cloned(),
    });
    Ok(Json(TableStatistics { seats: seats.collect() }))
}

/// Which leaderboard.
#[derive(Deserialize, JsonSchema)]
pub struct LeadersQuery {
    /// 1, 7 or 30 days before today (UTC); by default 30.
    days: Option<u16>,
    /// won: big blinds won after rake; hands: hands played. By default won.
    by: Option<LeadersBy>,
}

/// `GET /v1/leaderboard`.
pub async fn leaders(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<LeadersQuery>, QueryRejection>,
) -> Result<Json<Leaders>, Response> {
    if !app.page.has_leaderboard() {
        return Err(problem(404, "no-leaderboard", "This room has no leaderboards"));
    }
    let Query(LeadersQuery { days, by }) = query.map_err(|error| {
        let problem = Problem::new(400, "query", "The query is not as expected").detail(error.body_text());
        Answer::from(problem).into_response()
    })?;
    let (days, by) = (days.unwrap_or(30), by.unwrap_or_default().name());
    let path = format!("/v1/leaders?days={days}&by={by}&viewer={}", caller.player);
    app.records.get(&path).await.map(Json).map_err(IntoResponse::into_response)
}
