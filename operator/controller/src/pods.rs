//! Questions to a table's pod and to the signer.

use crate::table::decide::{Drained, Why};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use purr_protocol::{
    handover::{Order, Successor},
    settlement::TableStatus,
};
use purr_runtime::{Identity, InternalClient, Role};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::net::TcpStream;

const WAIT: Duration = Duration::from_secs(5);
/// A process that is asked whether it lives has this long.
const ALIVE_WAIT: Duration = Duration::from_secs(1);
/// Of an answer of `/readyz`, in bytes.
const READYZ_MAX: usize = 16 * 1024;

/// Speaks as the role `controller`.
pub struct Pods {
    identity: Identity,
    signer: InternalClient,
}

#[derive(Serialize)]
struct Ask {
    reason: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DrainStatus {
    drained: bool,
    hand_running: bool,
    seated: usize,
    unsettled: usize,
}

impl Pods {
    pub fn new(identity: Identity, signer_addr: &str) -> Self {
        let signer = InternalClient::new(identity.clone(), signer_addr, Role::ChainSigner);
        Self { identity, signer }
    }

    /// Asks a table to drain, or how far it is: asking again changes nothing.
    pub async fn drain(&self, ip: &str, uid: &str, why: Why) -> Result<Drained, String> {
        let reason = match why {
            Why::Delete => "delete",
            Why::Rollout => "rollout",
        };
        let DrainStatus { drained, hand_running, seated, unsettled } = self.ask(ip, uid, reason).await?;
        Ok(Drained { drained, hand_running, seated, unsettled })
    }

    pub async fn pause(&self, ip: &str, uid: &str, paused: bool) -> Result<(), String> {
        self.ask(ip, uid, if paused { "pause" } else { "resume" }).await.map(drop)
    }

    /// Whether the table takes new players.
    pub async fn close(&self, ip: &str, uid: &str, closed: bool) -> Result<(), String> {
        self.ask(ip, uid, if closed { "close" } else { "open" }).await.map(drop)
    }

    /// How far a successor is.
    pub async fn standing(&self, ip: &str, uid: &str) -> Result<Successor, String> {
        let pod = InternalClient::new(self.identity.clone(), address(ip, 8443), Role::Table(uid.to_owned()));
        pod.get("/v1/standing", WAIT).await.map_err(|error| error.to_string())
    }

    /// Orders a successor to take over from the pod of this address; from nobody: at once.
    pub async fn take_over(&self, ip: &str, uid: &str, from: Option<&str>) -> Result<Successor, String> {
        let pod = InternalClient::new(self.identity.clone(), address(ip, 8443), Role::Table(uid.to_owned()));
        let order = Order { predecessor: from.map(|ip| address(ip, 8443)) };
        pod.post("/v1/take-over", &order, WAIT).await.map_err(|error| error.to_string())
    }

    async fn ask(&self, ip: &str, uid: &str, reason: &'static str) -> Result<DrainStatus, String> {
        let pod = InternalClient::new(self.identity.clone(), address(ip, 8443), Role::Table(uid.to_owned()));
        pod.post("/v1/drain", &Ask { reason }, WAIT).await.map_err(|error| error.to_string())
    }

    /// The last entry in the signer's journal for this table; 0 where it does not know the table.
    pub async fn head(&self, uid: &str) -> Result<u64, String> {
        let status = self.signer.get::<TableStatus>(&format!("/v1/tables/{uid}"), WAIT).await;
        match status {
            Ok(status) => Ok(status.head_seq),
            Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => Ok(0),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the signer answers at all. Any answer but a server's error counts, also that it does
    /// not know the table.
    pub async fn signer_answers(&self, uid: &str) -> Result<(), String> {
        let answer = self.signer.raw(Method::GET, &format!("/v1/tables/{uid}"), Bytes::new(), WAIT).await;
        match answer {
            Ok((status, _)) if !status.is_server_error() => Ok(()),
            Ok((status, body)) => {
                let problem: Option<purr_protocol::Problem> = serde_json::from_slice(&body).ok();
                Err(problem.map_or_else(
                    || format!("the signer answers {status}"),
                    |problem| match problem.detail {
                        Some(detail) => format!("{}: {detail}", problem.title),
                        None => problem.title,
                    },
                ))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What a pod says is missing until it is ready; empty when nothing is.
    pub async fn missing(&self, ip: &str) -> Result<Vec<String>, String> {
        let asked = tokio::time::timeout(WAIT, ops(ip, "/readyz")).await;
        asked.map_err(|_| "time-out".to_owned())?.map_err(|error| error.to_string())
    }

    /// Whether its process answers `/livez` within a second.
    pub async fn alive(&self, ip: &str) -> Result<(), String> {
        let asked = tokio::time::timeout(ALIVE_WAIT, ops(ip, "/livez")).await;
        asked.map_err(|_| "time-out".to_owned())?.map(drop).map_err(|error| error.to_string())
    }
}

/// The lines that a path of the pod's health port has to say; none where all is well.
async fn ops(ip: &str, path: &str) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let address = address(ip, 9090);
    let stream = TcpStream::connect(&address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, &address).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let ready = response.status() == StatusCode::OK;
    let body = Limited::new(response.into_body(), READYZ_MAX).collect().await?.to_bytes();
    connection.abort();
    if ready {
        return Ok(Vec::new());
    }
    Ok(String::from_utf8_lossy(&body).lines().take(16).map(str::to_owned).collect())
}

fn address(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
