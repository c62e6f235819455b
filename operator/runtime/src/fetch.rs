//! Small documents of somebody else's server, over HTTPS: the published keys of an outside issuer.

use crate::roots::{TlsError, read_roots};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("'{0}' is not an https URL")]
    Url(String),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("no answer within {} ms", .0.as_millis())]
    TimeOut(Duration),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("status {0}")]
    Status(StatusCode),
    #[error("the answer cannot be read: {0}")]
    Body(String),
}

/// A document at a fixed URL. Redirects are not followed.
pub struct Document {
    host: String,
    port: u16,
    path: String,
    tls: Arc<ClientConfig>,
}

impl Document {
    /// `ca_file` holds PEM certificates of the CAs that the server's certificate may come from.
    pub fn new(url: &str, ca_file: &Path) -> Result<Self, FetchError> {
        let bad = || FetchError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or_else(bad)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            // Other people's servers may not have TLS 1.3 yet.
            .with_safe_default_protocol_versions()
            .map_err(TlsError::from)?
            .with_root_certificates(read_roots(ca_file)?)
            .with_no_client_auth();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(443), path, tls: Arc::new(tls) })
    }

    /// Fetches the document's text. Fails when it is longer than `bytes_max` or takes longer than `wait`.
    pub async fn get(&self, wait: Duration, bytes_max: usize) -> Result<Bytes, FetchError> {
        timeout(wait, self.exchange(bytes_max)).await.map_err(|_| FetchError::TimeOut(wait))?
    }

    async fn exchange(&self, bytes_max: usize) -> Result<Bytes, FetchError> {
        let host = self.host.trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Url(self.host.clone()))?;
        let stream = TcpStream::connect((host, self.port)).await?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(&self.path)
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Body(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            if !response.status().is_success() {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| FetchError::Body(error.to_string()))
        };
        // Both futures run in this task, so a caller that gives up leaves nothing behind.
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}
