//! Routes for the controller: seats at tables that no longer exist, and for the certificate that pays them out.

use crate::{
    http_app::{App, allow},
    service::ServiceError,
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use purr_protocol::seated::{SeatedTables, TableSeats};
use purr_runtime::{Peer, Role, problem::Answer};
use serde::Deserialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/seated", get(seated)).route("/v1/tables/{uid}/seats", get(seats))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: String,
}

async fn seated(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Query(After { after }): Query<After>,
) -> Result<Json<SeatedTables>, Answer> {
    allow(&peer, &[Role::Controller])?;
    let found = app.service.journal.seated(&after).await;
    found.map(Json).map_err(|error| app.failed(&ServiceError::from(error)))
}

async fn seats(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
) -> Result<Json<TableSeats>, Answer> {
    allow(&peer, &[Role::Table(uid.clone()), Role::Controller])?;
    let found = app.service.journal.seats(&uid).await;
    found.map(Json).map_err(|error| app.failed(&ServiceError::from(error)))
}
