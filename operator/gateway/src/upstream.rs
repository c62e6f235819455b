//! Calls to the signer and to records, and the handling of their failures.

use crate::{
    metrics::{Metrics, Upstream},
    retry_after::RetryAfter,
};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Method;
use purr_protocol::Problem;
use purr_runtime::{
    ClientError, InternalClient,
    breaker::{self, Breaker},
    problem::Answer,
};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(5);

/// One server of the fleet, called on behalf of players.
pub struct Server {
    client: InternalClient,
    which: Upstream,
    metrics: Metrics,
    breaker: Breaker,
}

/// A failed call, as the player sees it.
#[derive(Clone, Debug)]
pub enum Failed {
    /// The server's own answer to the player's request.
    Refused(Problem),
    /// The server was not reached, or not called because its circuit breaker is open; with the time to wait.
    Unavailable(Upstream, Duration),
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(problem) => Answer::from(problem).into_response(),
            Self::Unavailable(which, wait) => {
                let detail = format!("{} does not answer: try again in a moment", which.name());
                let problem = Problem::new(503, "unavailable", "Not available at the moment").detail(detail);
                (RetryAfter(wait), Answer::from(problem)).into_response()
            }
        }
    }
}

impl Server {
    pub fn new(
        client: InternalClient,
        which: Upstream,
        metrics: Metrics,
        breaker: breaker::Settings,
    ) -> Self {
        let breaker = Breaker::new(breaker).shown_by(metrics.breaker(which));
        Self { client, which, metrics, breaker }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.call(self.client.get(path, WAIT)).await
    }

    /// As [`Self::get`], with a time limit for the server's answer.
    pub async fn get_within<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<T, Failed> {
        self.call(self.client.get(path, WAIT + wait)).await
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failed> {
        self.call(self.client.post(path, body, WAIT)).await
    }

    /// The body of an answer, whatever its format.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, Failed> {
        let asked = async {
            let (status, body) = self.client.raw(Method::GET, path, Bytes::new(), WAIT).await?;
            if status.is_success() {
                return Ok(body);
            }
            let unnamed = || Problem::new(status.as_u16(), "unnamed", "error");
            Err(ClientError::Problem(serde_json::from_slice(&body).unwrap_or_else(|_| unnamed())))
        };
        self.call(asked).await
    }

    async fn call<T>(&self, asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failed> {
        let call = match self.breaker.enter() {
            Ok(call) => call,
            Err(wait) => return Err(Failed::Unavailable(self.which, wait)),
        };
        let answer = asked.await;
        let understood = match &answer {
            Ok(_) => true,
            Err(error) => error.problem().is_some_and(|problem| problem.status < 500),
        };
        if understood {
            call.good();
        } else {
            call.bad();
        }
        answer.map_err(|error| self.failed(&error))
    }

    /// Classifies an error: a refusal of the request is passed to the player, a failure of our own is not.
    fn failed(&self, error: &ClientError) -> Failed {
        let about_request = |status| matches!(status, 400 | 404 | 409 | 422 | 429);
        match error.problem() {
            Some(problem) if about_request(problem.status) => Failed::Refused(problem.clone()),
            problem => {
                let status = problem.map_or(0, |problem| problem.status);
                tracing::warn!(%error, status, upstream = self.which.name(), "call");
                self.metrics.upstream_error(self.which);
                Failed::Unavailable(self.which, Duration::from_secs(1))
            }
        }
    }
}
