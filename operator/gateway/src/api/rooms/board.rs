//! The last figures of all tables from records.

use crate::upstream::{Failed, Server};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Age at which the figures are read again.
const EVERY: Duration = Duration::from_secs(30);

/// The last figures from records.
#[derive(Default)]
pub struct RoomBoard(Mutex<Option<(Instant, Arc<Value>)>>);

impl RoomBoard {
    pub(super) async fn current(&self, records: &Server) -> Result<Arc<Value>, Failed> {
        // All callers wait for one request.
        let mut held = self.0.lock().await;
        if let Some((since, figures)) = held.as_ref()
            && since.elapsed() < EVERY
        {
            return Ok(figures.clone());
        }
        let figures: Arc<Value> = Arc::new(records.get("/v1/rooms?hours=24").await?);
        *held = Some((Instant::now(), figures.clone()));
        Ok(figures)
    }
}
