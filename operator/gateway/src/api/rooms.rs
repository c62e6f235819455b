//! What tables did in the last day, for the lobby: asked of records at most once in a while however many look.

use crate::{app::App, upstream::Failed};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Age at which the figures are asked for anew.
const EVERY: Duration = Duration::from_secs(30);

/// The figures as records told them last.
#[derive(Default)]
pub struct RoomBoard(Mutex<Option<(Instant, Arc<Value>)>>);

impl RoomBoard {
    async fn current(&self, app: &App) -> Result<Arc<Value>, Failed> {
        // All wait for one question.
        let mut held = self.0.lock().await;
        if let Some((since, figures)) = held.as_ref()
            && since.elapsed() < EVERY
        {
            return Ok(figures.clone());
        }
        let figures: Arc<Value> = Arc::new(app.records.get("/v1/rooms?hours=24").await?);
        *held = Some((Instant::now(), figures.clone()));
        Ok(figures)
    }
}

pub async fn statistics(State(app): State<App>) -> Result<Json<Value>, Response> {
    let figures = app.rooms.current(&app).await.map_err(IntoResponse::into_response)?;
    Ok(Json((*figures).clone()))
}
