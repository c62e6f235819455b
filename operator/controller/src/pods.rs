//! Questions to a table's pod and to the signer.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use purr_protocol::{
    drain::{DrainReason, DrainRequest, DrainStatus},
    handover::{Order, Successor},
    seated::{SeatedTable, SeatedTables},
    settlement::TableStatus,
};
use purr_runtime::{ClientError, Identity, InternalClient, Role, ports};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

const WAIT: Duration = Duration::from_secs(5);
/// Time limit of a liveness check.
const ALIVE_WAIT: Duration = Duration::from_secs(1);
/// Longest answer of `/readyz`, in bytes.
const READYZ_MAX: usize = 16 * 1024;

/// Why a pod or the signer has not answered as expected.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the pod has no address")]
    NoAddress,
    #[error("no answer on the health port within {} ms", .0.as_millis())]
    TimeOut(Duration),
    #[error("connect to the health port: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the health port: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request to the health port: {0}")]
    Request(#[from] http::Error),
    #[error("the answer of the health port: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the signer answers {status}{}", .problem.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Signer { status: StatusCode, problem: Option<String> },
}

/// Speaks as the role `controller`.
pub struct Pods {
    identity: Identity,
    signer: InternalClient,
}

impl Pods {
    pub fn new(identity: Identity, signer_addr: &str) -> Self {
        let signer = InternalClient::new(identity.clone(), signer_addr, Role::ChainSigner);
        Self { identity, signer }
    }

    /// Orders a table to drain, or reads the progress: repeating the order changes nothing.
    pub async fn drain(&self, ip: &str, uid: &str, why: DrainReason) -> Result<DrainStatus, PodError> {
        self.ask(ip, uid, why).await
    }

    pub async fn pause(&self, ip: &str, uid: &str, paused: bool) -> Result<(), PodError> {
        self.ask(ip, uid, if paused { DrainReason::Pause } else { DrainReason::Resume }).await.map(drop)
    }

    /// Orders whether the table accepts new players.
    pub async fn close(&self, ip: &str, uid: &str, closed: bool) -> Result<(), PodError> {
        self.ask(ip, uid, if closed { DrainReason::Close } else { DrainReason::Open }).await.map(drop)
    }

    /// How far a successor is.
    pub async fn standing(&self, ip: &str, uid: &str) -> Result<Successor, PodError> {
        let pod = InternalClient::new(
            self.identity.clone(),
            ports::address(ip, ports::INTERNAL),
            Role::Table(uid.to_owned()),
        );
        Ok(pod.get("/v1/standing", WAIT).await?)
    }

    /// Orders a successor to take over from the pod of this address; from nobody: at once.
    pub async fn take_over(&self, ip: &str, uid: &str, from: Option<&str>) -> Result<Successor, PodError> {
        let pod = InternalClient::new(
            self.identity.clone(),
            ports::address(ip, ports::INTERNAL),
            Role::Table(uid.to_owned()),
        );
        let order = Order { predecessor: from.map(|ip| ports::address(ip, ports::INTERNAL)) };
        Ok(pod.post("/v1/take-over", &order, WAIT).await?)
    }

    async fn ask(&self, ip: &str, uid: &str, reason: DrainReason) -> Result<DrainStatus, PodError> {
        let pod = InternalClient::new(
            self.identity.clone(),
            ports::address(ip, ports::INTERNAL),
            Role::Table(uid.to_owned()),
        );
        Ok(pod.post("/v1/drain", &DrainRequest { reason }, WAIT).await?)
    }

    /// The last entry in the signer's journal for this table; 0 for an unknown table.
    pub async fn head(&self, uid: &str) -> Result<u64, PodError> {
        let status = self.signer.get::<TableStatus>(&format!("/v1/tables/{uid}"), WAIT).await;
        match status {
            Ok(status) => Ok(status.head_seq),
            Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of the tables at which somebody sits, by the signer's journal, after this UID.
    pub async fn seated(&self, after: &str) -> Result<Vec<SeatedTable>, PodError> {
        let page: SeatedTables = self.signer.get(&format!("/v1/seated?after={after}"), WAIT).await?;
        Ok(page.tables)
    }

    /// Whether the signer answers at all. Any answer but a server's error counts, also that it does
    /// not know the table.
    pub async fn signer_answers(&self, uid: &str) -> Result<(), PodError> {
        let answer = self.signer.raw(Method::GET, &format!("/v1/tables/{uid}"), Bytes::new(), WAIT).await;
        let (status, body) = answer?;
        if !status.is_server_error() {
            return Ok(());
        }
        let problem: Option<purr_protocol::Problem> = serde_json::from_slice(&body).ok();
        let problem = problem.map(|problem| match problem.detail {
            Some(detail) => format!("{}: {detail}", problem.title),
            None => problem.title,
        });
        Err(PodError::Signer { status, problem })
    }

    /// The checks that a pod still fails before it is ready; empty if there are none.
    pub async fn missing(&self, ip: &str) -> Result<Vec<String>, PodError> {
        timeout(WAIT, ops(ip, "/readyz")).await.map_err(|_| PodError::TimeOut(WAIT))?
    }

    /// Whether its process answers `/livez` within a second.
    pub async fn alive(&self, ip: &str) -> Result<(), PodError> {
        timeout(ALIVE_WAIT, ops(ip, "/livez")).await.map_err(|_| PodError::TimeOut(ALIVE_WAIT))?.map(drop)
    }
}

/// The lines that a path of the pod's health port returns; none if all checks pass.
async fn ops(ip: &str, path: &str) -> Result<Vec<String>, PodError> {
    let address = ports::address(ip, ports::OPS);
    let stream = TcpStream::connect(&address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, &address).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let ready = response.status() == StatusCode::OK;
    let body =
        Limited::new(response.into_body(), READYZ_MAX).collect().await.map_err(PodError::Body)?.to_bytes();
    connection.abort();
    if ready {
        return Ok(Vec::new());
    }
    Ok(String::from_utf8_lossy(&body).lines().take(16).map(str::to_owned).collect())
}
