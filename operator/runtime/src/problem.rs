//! Problem responses (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use purr_protocol::{Problem, problem};

/// A [`Problem`] as an answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.title)]
pub struct Answer(pub Problem);

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        // Layers around a handler can read the problem and add to it.
        response.extensions_mut().insert(self.0);
        response
    }
}
