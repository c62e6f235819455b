//! The way to a table where no WebSocket gets through: events of a streamed answer down, requests up.

use super::{
    End, closed,
    events::{Event, Events},
    refusal,
};
use crate::api::{Gateway, HttpClient};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use purr_protocol::{
    Codec,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
};
use purr_runtime::ws::CloseFrame;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

/// Messages that wait to be posted.
const WAITING_MAX: usize = 64;
/// A refusal's problem document, in bytes.
const PROBLEM_MAX: usize = 16 * 1024;

struct Post {
    id: u64,
    token: Arc<str>,
    body: Bytes,
}

/// The fate of a message that was not taken.
enum NotTaken {
    /// Later, perhaps.
    Busy(u64),
    Over(End),
}

pub(super) struct Stream {
    body: Incoming,
    events: Events,
    posts: mpsc::Sender<Post>,
    not_taken: mpsc::Receiver<NotTaken>,
    token: Arc<str>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Deserialize)]
struct Opened {
    stream: String,
}

#[derive(Deserialize)]
struct Closed {
    code: u16,
    reason: String,
}

async fn ask(client: &HttpClient, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, End> {
    client.request(request).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        End::Lost(format!("{error}{cause}"))
    })
}

async fn refused(response: Response<Incoming>) -> End {
    let status = response.status();
    let body = Limited::new(response.into_body(), PROBLEM_MAX).collect().await;
    refusal(status, body.ok().map(|body| body.to_bytes()).as_deref())
}

fn no_request(error: &http::Error) -> End {
    End::Final(error.to_string())
}

impl Stream {
    /// Opens a stream to the table at `path` that resumes as `attach` says.
    pub(crate) async fn open(
        client: &HttpClient,
        gateway: &Gateway,
        path: &str,
        attach: &pb::ClientMessage,
        within: Duration,
        wait: Duration,
    ) -> Result<Self, End> {
        let Some(Ask::Attach(pb::Attach { token, resume })) = &attach.body else {
            return Err(End::Final("attach comes first".into()));
        };
        let resume = resume.map(|at| format!("&epoch={}&offset={}", at.epoch, at.offset)).unwrap_or_default();
        let url = format!("{}{path}", gateway.base);
        let request = Request::builder()
            .uri(format!("{url}?id={}{resume}", attach.id))
            .header(header::ACCEPT, "text/event-stream, application/problem+json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())
            .map_err(|error| no_request(&error))?;
        let opening = async {
            let response = ask(client, request).await?;
            if response.status() != StatusCode::OK {
                return Err(refused(response).await);
            }
            let (mut body, mut events) = (response.into_body(), Events::default());
            let first = Self::event(&mut body, &mut events).await?;
            Ok((body, events, first))
        };
        let late = |_| End::Lost("no stream in time".into());
        let (body, events, first) = timeout(within, opening).await.map_err(late)??;
        let opened: Option<Opened> = Some(&first)
            .filter(|first| first.name == "open")
            .and_then(|f| serde_json::from_str(&f.data).ok());
        // For instance, the page of a captive portal.
        let stream = opened.ok_or_else(|| End::Lost("the answer is no stream".into()))?.stream;
        if !stream.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(End::Lost("a stream's id that is none".into()));
        }
        let (posts, queue) = mpsc::channel(WAITING_MAX);
        let (report, not_taken) = mpsc::channel(WAITING_MAX);
        let task = tokio::spawn(post_all(client.clone(), format!("{url}/{stream}"), wait, queue, report));
        Ok(Self { body, events, posts, not_taken, token: token.as_str().into(), task })
    }

    /// Dropping the future loses nothing.
    async fn event(body: &mut Incoming, events: &mut Events) -> Result<Event, End> {
        loop {
            if let Some(event) = events.next() {
                return Ok(event);
            }
            let frame = match body.frame().await {
                None => return Err(End::Lost("the stream is gone".into())),
                Some(Err(error)) => return Err(End::Lost(error.to_string())),
                Some(Ok(frame)) => frame,
            };
            if let Some(data) = frame.data_ref() {
                events.feed(data).map_err(|error| End::Final(error.to_string()))?;
            }
        }
    }

    /// The next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<pb::ServerMessage, End> {
        loop {
            let event = tokio::select! {
                event = Self::event(&mut self.body, &mut self.events) => event?,
                Some(not_taken) = self.not_taken.recv() => match not_taken {
                    NotTaken::Busy(id) => return Ok(busy(id)),
                    NotTaken::Over(end) => return Err(self.last_words(end).await),
                },
            };
            match event.name.as_str() {
                "" => {
                    let message = Codec::Json.decode_server(event.data.as_bytes());
                    return message
                        .map_err(|error| End::Final(format!("the table speaks another protocol: {error}")));
                }
                "close" => return Err(ended(&event)),
                // An event of a newer version.
                _ => {}
            }
        }
    }

    /// Prefers the reason in the stream's last event to the error of a request that came too late.
    async fn last_words(&mut self, end: End) -> End {
        let words = async {
            loop {
                let event = Self::event(&mut self.body, &mut self.events).await.ok()?;
                if event.name == "close" {
                    return Some(ended(&event));
                }
            }
        };
        timeout(Duration::from_millis(200), words).await.ok().flatten().unwrap_or(end)
    }

    pub(crate) fn send(&mut self, message: &pb::ClientMessage) -> Result<(), End> {
        let body = Codec::Json.encode_client(message).map_err(|error| End::Final(error.to_string()))?;
        if let Some(Ask::RenewToken(renew)) = &message.body {
            self.token = renew.token.as_str().into();
        }
        let post = Post { id: message.id, token: self.token.clone(), body };
        self.posts.try_send(post).map_err(|_| End::Lost("the gateway takes no requests".into()))
    }
}

fn ended(event: &Event) -> End {
    match serde_json::from_str::<Closed>(&event.data) {
        Ok(Closed { code, reason }) => closed(Some(&CloseFrame { code: code.into(), reason: reason.into() })),
        Err(_) => closed(None),
    }
}

/// The error that a table sends when it is too busy: the link repeats the command later.
fn busy(id: u64) -> pb::ServerMessage {
    let error = pb::Error { id, code: ErrorCode::RateLimited.into(), ..pb::Error::default() };
    pb::ServerMessage { epoch: 0, offset: 0, body: Some(Body::Error(error)) }
}

/// Posts one request after the other, so that the table gets messages in their order.
async fn post_all(
    client: HttpClient,
    url: String,
    wait: Duration,
    mut queue: mpsc::Receiver<Post>,
    report: mpsc::Sender<NotTaken>,
) {
    while let Some(Post { id, token, body }) = queue.recv().await {
        let posting = async {
            let request = Request::builder()
                .method(Method::POST)
                .uri(&url)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Full::new(body))
                .map_err(|error| no_request(&error))?;
            let response = ask(&client, request).await?;
            match response.status() {
                StatusCode::ACCEPTED => {
                    // Read to its end, so that the connection serves the next one.
                    let _ = Limited::new(response.into_body(), PROBLEM_MAX).collect().await;
                    Ok(true)
                }
                StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    Ok(false)
                }
                StatusCode::GONE => Err(End::Lost("the gateway knows no such stream".into())),
                _ => Err(refused(response).await),
            }
        };
        let late = |_| End::Lost("a request without an answer".into());
        let not_taken = match timeout(wait, posting).await.map_err(late).and_then(|posted| posted) {
            Ok(true) => continue,
            Ok(false) => NotTaken::Busy(id),
            Err(end) => NotTaken::Over(end),
        };
        let over = matches!(not_taken, NotTaken::Over(_));
        if report.send(not_taken).await.is_err() || over {
            return;
        }
    }
}
