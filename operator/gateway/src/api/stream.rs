//! A table where no WebSocket gets through: the same messages, as server-sent events down and requests up.

use super::lobby::{no_place, reach};
use crate::{
    app::{App, read},
    auth::Caller,
    client_address::ClientAddress,
    metrics::Upstream,
    relay::NotTaken,
    retry_after::RetryAfter,
};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use purr_protocol::{Codec, MESSAGE_BYTES_MAX, Problem, pb};
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// `Retry-After` for a message to a stream whose queue is full.
const BUSY: Duration = Duration::from_secs(1);
/// Tells proxies (nginx) not to buffer events.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Where to resume: the last message that was seen. Without it a snapshot comes first.
#[derive(Deserialize, JsonSchema)]
pub struct Resume {
    epoch: Option<u64>,
    offset: Option<u64>,
    /// Id of the attach, as in a socket's first message: whom this replaces may know it for its own.
    #[serde(default)]
    id: u64,
}

/// `GET /v1/tables/{uid}/stream`.
pub async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Resume>, QueryRejection>,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let uid = reach(&app, path).await?;
    let Query(Resume { epoch, offset, id }) = query.map_err(|error| {
        let problem = Problem::new(400, "query", "The query is not as expected").detail(error.body_text());
        Answer::from(problem).into_response()
    })?;
    let resume = epoch.zip(offset).map(|(epoch, offset)| pb::Cursor { epoch, offset });
    // The guard has verified the token; the table verifies it again.
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.split_once(' ')).map_or("", |(_, token)| token.trim());
    let address = address.map(|Extension(ClientAddress(ip))| ip);
    let relay = app.relays.open(uid, Codec::Json, address).await.map_err(no_place)?;
    let attach = pb::Attach { token: token.to_owned(), resume };
    let mut events = relay.serve_stream(caller.player, id, attach).ok_or_else(|| {
        Answer::from(Problem::new(503, "randomness", "No stream can be opened")).into_response()
    })?;
    let events = futures::stream::poll_fn(move |context| events.poll_recv(context));
    let body = Body::from_stream(futures::StreamExt::map(events, Ok::<Bytes, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

/// `POST /v1/tables/{uid}/stream/{stream}`: one message, in the order in which they are answered.
pub async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Body,
) -> Result<StatusCode, Response> {
    let gone = || Answer::from(Problem::new(410, "stream", "There is no such stream")).into_response();
    let Path((uid, stream)) = path.map_err(|_| gone())?;
    let bytes = read(body, MESSAGE_BYTES_MAX).await.map_err(IntoResponse::into_response)?;
    let text = Utf8Bytes::try_from(bytes).map_err(|_| {
        Answer::from(Problem::new(400, "json", "The body is not a message of purr.v1.json")).into_response()
    })?;
    let streams = app.relays.streams();
    match streams.hand_on(&*app.auth.sessions, &stream, caller.player, &uid, text).await {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(NotTaken::Gone) => Err(gone()),
        Err(NotTaken::Busy) => {
            let problem = Problem::new(409, "busy", "Too many messages wait already");
            Err((RetryAfter(BUSY), Answer::from(problem)).into_response())
        }
        Err(NotTaken::Unreachable(error)) => {
            app.auth.metrics.upstream_error(Upstream::Sessions);
            tracing::debug!(%error, "a letter to another gateway");
            let problem = Problem::new(503, "stream", "The stream's gateway cannot be reached now");
            Err((RetryAfter(BUSY), Answer::from(problem)).into_response())
        }
    }
}
