//! Routes of fleets, and of a player's seat in one.

use super::money;
use crate::{
    app::{App, read_json},
    auth::Caller,
    metrics::Seat,
    retry_after::RetryAfter,
    seating::{
        NoSeating,
        fleets::FleetView,
        keeper::{FleetListed, OwnSeat, SeatState},
        key::FleetKey,
        step::{Outcome, SeatRequest, Step, is_id},
    },
    upstream::Failed,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use http::StatusCode;
use purr_engine::Chips;
use purr_protocol::Problem;
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// `Retry-After` when no seat can be given at the moment.
const LATER: Duration = Duration::from_secs(1);

/// All fleets.
#[derive(Serialize, JsonSchema)]
pub struct FleetList {
    pub fleets: Vec<FleetListed>,
}

/// Which request is given back.
#[derive(Deserialize, JsonSchema)]
pub struct BackQuery {
    /// Id of the request. Left out: whatever the caller has in this fleet.
    id: Option<String>,
}

type Named = Result<Path<(String, String)>, PathRejection>;

fn key(path: Named) -> Result<FleetKey, Answer> {
    let no_fleet = || Answer::from(Problem::new(404, "fleet", "There is no such fleet"));
    let Path((namespace, name)) = path.map_err(|_| no_fleet())?;
    FleetKey::new(namespace, name).ok_or_else(no_fleet)
}

fn fleet(app: &App, path: Named) -> Result<Arc<FleetView>, Answer> {
    let key = key(path)?;
    app.seating
        .fleets
        .get(&key)
        .ok_or_else(|| Problem::new(404, "fleet", "There is no such fleet").detail(key.to_string()).into())
}

pub async fn list(State(app): State<App>) -> Json<FleetList> {
    Json(FleetList { fleets: app.seating.snapshot().listed.clone() })
}

pub async fn one(State(app): State<App>, path: Named) -> Result<Json<FleetListed>, Answer> {
    let FleetKey { namespace, name } = key(path)?;
    let snapshot = app.seating.snapshot();
    let found = snapshot.listed.iter().find(|fleet| fleet.namespace == namespace && fleet.name == name);
    found.cloned().map(Json).ok_or_else(|| {
        Problem::new(404, "fleet", "There is no such fleet").detail(format!("{namespace}/{name}")).into()
    })
}

fn later(problem: Problem) -> Response {
    (RetryAfter(LATER), Answer::from(problem)).into_response()
}

fn away(app: &App, error: &NoSeating) -> Response {
    app.metrics.seat(Seat::Unavailable);
    tracing::warn!(%error, "seating");
    later(
        Problem::new(503, "seating", "Seats are not given at the moment").detail(
            "players with a seat play on; holds and waiting lists may be lost: ask again in a moment",
        ),
    )
}

/// Why a request for a seat is refused before any table is searched.
enum NotNow {
    Funds { free: Chips, need: Chips },
    Unknown(Failed),
}

impl IntoResponse for NotNow {
    fn into_response(self) -> Response {
        match self {
            Self::Funds { free, need } => {
                let detail = format!("your free balance is {free}, the least buy-in {need}");
                Answer::from(Problem::new(409, "funds", "Your free balance is too small").detail(detail))
                    .into_response()
            }
            Self::Unknown(failed) => failed.into_response(),
        }
    }
}

/// `POST /v1/fleets/{namespace}/{name}/seats`.
pub async fn ask(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Named,
    body: Body,
) -> Result<Response, Response> {
    let fleet = fleet(&app, path).map_err(IntoResponse::into_response)?;
    let SeatRequest { id, wait } = read_json(body).await.map_err(IntoResponse::into_response)?;
    if !is_id(&id) {
        let problem = Problem::new(400, "id", "The id is not as expected")
            .detail("1 to 64 letters, digits and hyphens");
        return Err(Answer::from(problem).into_response());
    }
    let may = async {
        let free = money::free(&app, caller.player).await.map_err(NotNow::Unknown)?;
        let need = fleet.buy_in_min;
        if free < need { Err(NotNow::Funds { free, need }) } else { Ok(()) }
    };
    let asked = Box::pin(app.seating.ask(&fleet, caller.player, &id, wait, may)).await;
    let outcome = asked.map_err(|error| away(&app, &error))?.map_err(|refused| {
        app.metrics.seat(Seat::Refused);
        refused.into_response()
    })?;
    Ok(answered(&app, &fleet, outcome))
}

fn answered(app: &App, fleet: &FleetView, outcome: Outcome) -> Response {
    if let Some(seat) = SeatState::of(&outcome).filter(|seat| !matches!(seat, SeatState::Paused { .. })) {
        let result = if matches!(seat, SeatState::Waiting { .. }) { Seat::Waiting } else { Seat::Held };
        app.metrics.seat(result);
        return Json(OwnSeat::new(&fleet.key, seat)).into_response();
    }
    app.metrics.seat(Seat::Refused);
    let conflict = |kind, title: &str, detail: String| {
        Answer::from(Problem::new(409, kind, title).detail(detail)).into_response()
    };
    match outcome {
        Outcome::Paused { left_ms } => {
            let wait = Duration::from_millis(left_ms);
            let problem = Problem::new(429, "cool-down", "Wait before you ask for a seat again")
                .detail(format!("seats that were held for you were not used: {} s", left_ms.div_ceil(1_000)));
            (RetryAfter(wait), Answer::from(problem)).into_response()
        }
        Outcome::Ended => conflict(
            "request-over",
            "This request is over",
            "its hold has ended or was given back: ask with another id".into(),
        ),
        Outcome::Elsewhere { fleet } => conflict(
            "held-elsewhere",
            "A seat is held for you in another fleet",
            format!("{fleet}: sit down there or give it back"),
        ),
        Outcome::Behind { size } => conflict(
            "waiting-list",
            "Others wait for a seat",
            format!("{size} on the waiting list come first: ask with wait to join"),
        ),
        Outcome::ListFull { max: 0 } => {
            conflict("no-seat", "No seat is free", "the fleet has no waiting list".into())
        }
        Outcome::ListFull { max } => {
            conflict("list-full", "The waiting list is full", format!("{max} players wait"))
        }
        Outcome::Taken => later(Problem::new(503, "busy", "Others take the seats at this moment")),
        _ => conflict("no-seat", "No seat is free", "ask with wait to join the waiting list".into()),
    }
}

/// `GET /v1/fleets/{namespace}/{name}/seats`.
pub async fn own(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Named,
) -> Result<Json<OwnSeat>, Response> {
    let fleet = fleet(&app, path).map_err(IntoResponse::into_response)?;
    let own = app.seating.step(&fleet.key, caller.player, &Step::Own).await;
    let outcome = own.map_err(|error| away(&app, &error.into()))?;
    Ok(Json(OwnSeat::new(&fleet.key, SeatState::of(&outcome).unwrap_or(SeatState::None))))
}

/// `DELETE /v1/fleets/{namespace}/{name}/seats`.
pub async fn back(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Named,
    query: Result<Query<BackQuery>, QueryRejection>,
) -> Result<StatusCode, Response> {
    let fleet = fleet(&app, path).map_err(IntoResponse::into_response)?;
    let bad = |detail: String| {
        Answer::from(Problem::new(400, "query", "The query is not as expected").detail(detail))
            .into_response()
    };
    let Query(BackQuery { id }) = query.map_err(|error| bad(error.body_text()))?;
    if id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(bad("id: 1 to 64 letters, digits and hyphens".into()));
    }
    let back = app.seating.step(&fleet.key, caller.player, &Step::Back { id }).await;
    let conflict = |kind, title| Answer::from(Problem::new(409, kind, title)).into_response();
    match back.map_err(|error| away(&app, &error.into()))? {
        Outcome::Other => Err(conflict("other-request", "What you have belongs to another request")),
        Outcome::Sitting => Err(conflict("sitting", "You sit down at this moment")),
        _ => {
            app.metrics.seat(Seat::Back);
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
