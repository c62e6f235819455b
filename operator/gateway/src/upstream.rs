//! Calls to the signer and to records, and what becomes of their failures.

use crate::metrics::{Metrics, Upstream};
use bytes::Bytes;
use http::{Method, StatusCode};
use purr_protocol::Problem;
use purr_runtime::{ClientError, InternalClient, problem::Answer};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(5);

/// One server of the fleet, asked on behalf of players.
pub struct Server {
    client: InternalClient,
    which: Upstream,
    metrics: Metrics,
}

impl Server {
    pub fn new(client: InternalClient, which: Upstream, metrics: Metrics) -> Self {
        Self { client, which, metrics }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Answer> {
        self.client.get(path, WAIT).await.map_err(|error| self.answer(&error))
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Answer> {
        self.client.post(path, body, WAIT).await.map_err(|error| self.answer(&error))
    }

    /// The body of an answer, whatever its format.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, Answer> {
        let answer = self.client.raw(Method::GET, path, Bytes::new(), WAIT).await;
        let (status, body) = answer.map_err(|error| self.answer(&error))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refusal(status, serde_json::from_slice(&body).ok()))
    }

    fn answer(&self, error: &ClientError) -> Answer {
        if let Some(problem) = error.problem() {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
            return self.refusal(status, Some(problem.clone()));
        }
        tracing::warn!(%error, upstream = self.which.name(), "call");
        self.unavailable()
    }

    /// A refusal that is about the request goes to who asked; one that is about us does not.
    fn refusal(&self, status: StatusCode, problem: Option<Problem>) -> Answer {
        let about_request = matches!(status.as_u16(), 400 | 404 | 409 | 422 | 429);
        match problem {
            Some(problem) if about_request => problem.into(),
            problem => {
                let upstream = self.which.name();
                tracing::warn!(%status, detail = problem.and_then(|p| p.detail), upstream, "refused");
                self.unavailable()
            }
        }
    }

    fn unavailable(&self) -> Answer {
        self.metrics.upstream_error(self.which);
        let detail = format!("{} does not answer: try again in a moment", self.which.name());
        Problem::new(503, "unavailable", "Not available at the moment").detail(detail).into()
    }
}
