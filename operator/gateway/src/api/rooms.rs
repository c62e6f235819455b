//! Figures of all tables over the last day, for the lobby: read from records at most once per interval.

mod board;

pub use board::RoomBoard;

use crate::app::App;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::Value;

pub async fn statistics(State(app): State<App>) -> Result<Json<Value>, Response> {
    let figures = app.rooms.current(&app.records).await.map_err(IntoResponse::into_response)?;
    Ok(Json((*figures).clone()))
}
