//! JSON over HTTP and mutual TLS, between the fleet's programs.

use crate::{role::Role, roots::TlsError, tls::Identity, trace};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use purr_protocol::Problem;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// Answers larger than this, in bytes, are refused.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// Idle connections kept for the next request.
const IDLE_MAX: usize = 8;
const CONNECT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{server} at {address}: {source}")]
    Connect { server: String, address: String, source: std::io::Error },
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("no answer from {address} within {} ms", .after.as_millis())]
    TimeOut { address: String, after: Duration },
    #[error("HTTP with {address}: {source}")]
    Http { address: String, source: hyper::Error },
    #[error("the answer of {address} cannot be read: {detail}")]
    Answer { address: String, detail: String },
    /// The server refused the request.
    #[error("{} ({}){}", .0.title, .0.status, .0.detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Problem(Problem),
}

impl ClientError {
    /// The server's own refusal, as opposed to not having reached it.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }
}

/// A client of one server of the fleet, known by its role.
pub struct InternalClient {
    identity: Identity,
    address: String,
    server: Role,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl InternalClient {
    /// `address` is host:port; the certificate there must speak for `server`.
    pub fn new(identity: Identity, address: impl Into<String>, server: Role) -> Self {
        Self { identity, address: address.into(), server, idle: Mutex::default() }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new(), wait).await
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        wait: Duration,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, self.json(body)?, wait).await
    }

    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        wait: Duration,
    ) -> Result<T, ClientError> {
        self.call(Method::PUT, path, self.json(body)?, wait).await
    }

    fn json<B: Serialize>(&self, body: &B) -> Result<Bytes, ClientError> {
        serde_json::to_vec(body).map(Bytes::from).map_err(|error| self.bad_answer(error))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let (status, body) = self.raw(method, path, body, wait).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.bad_answer(error));
        }
        let unnamed =
            || Problem::new(status.as_u16(), "unnamed", status.canonical_reason().unwrap_or("error"));
        Err(ClientError::Problem(serde_json::from_slice(&body).unwrap_or_else(|_| unnamed())))
    }

    /// Status and body as they came.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let late = || ClientError::TimeOut { address: self.address.clone(), after: wait };
        timeout(wait, self.exchange(method, path, body)).await.map_err(|_| late())?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.bad_answer(error))?;
        trace::put(request.headers_mut());
        let (response, sender) = self.send(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        let body = body.map_err(|error| self.bad_answer(error))?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(sender);
        }
        Ok((status, body))
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), ClientError> {
        let http_error = |source| ClientError::Http { address: self.address.clone(), source };
        while let Some(mut sender) = self.take_idle() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                // The server closed the idle connection first. A request that was not sent can be sent again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(http_error(error.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(http_error)?;
        Ok((response, sender))
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let failed = |source| ClientError::Connect {
            server: self.server.to_string(),
            address: self.address.clone(),
            source,
        };
        let late = || failed(std::io::ErrorKind::TimedOut.into());
        let stream = dial(&self.identity, &self.address, &self.server);
        let stream = timeout(CONNECT, stream).await.map_err(|_| late())?.map_err(failed)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Http { address: self.address.clone(), source })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "internal connection");
            }
        });
        Ok(sender)
    }

    fn bad_answer(&self, error: impl std::fmt::Display) -> ClientError {
        ClientError::Answer { address: self.address.clone(), detail: error.to_string() }
    }
}

/// A TLS connection to a server of the fleet, whose certificate speaks for `server`.
pub async fn dial(
    identity: &Identity,
    address: &str,
    server: &Role,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let config = identity.client_config().map_err(std::io::Error::other)?;
    let name = server.server_name().map_err(std::io::Error::other)?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(config).connect(name, stream).await
}
