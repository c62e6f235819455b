//! A proxy between gateway and table that sends messages twice. TCP and TLS rule that out, but a client that is cut off
//! from its answers repeats messages in the same way.

use crate::{
    simulator::Dice,
    solo::{UID, house, secrets::Secrets},
};
use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use futures::{SinkExt, StreamExt};
use purr_protocol::{
    Codec,
    pb::{self, client_message::Body as Ask},
    trunk::{ASSERTED, Encoding, Lane, ToTable, Up, up},
};
use purr_runtime::{
    CancellationToken, Identity, Role,
    client::dial,
    problem::Answer,
    ws::{self, Message, ServerSocket, Upgrade, trunk_limits},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Ids of another player's life: no client comes so far.
const RENUMBERED: u64 = 1 << 60;

/// The messages that are sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Repeats one command in so many, with the same frame.
    Same(u64),
    /// Repeats every action as a new command, as if the table did not know ids: the seeded bug.
    Renumbered,
}

/// A running repeater; dropping it ends it.
pub struct Repeater {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<anyhow::Result<()>>,
}

struct Shared {
    pod: SocketAddr,
    identity: Identity,
    how: How,
    dice: Mutex<Dice>,
    repeated: AtomicU64,
}

impl Repeater {
    /// # Errors
    /// Where there is no port, or no certificate.
    pub async fn start(
        pod: SocketAddr,
        how: How,
        seed: u64,
        secrets: &Secrets,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let identity = secrets.identity("repeater-gateway", &[&Role::Gateway.to_string()])?;
        let (dice, repeated) = (Mutex::new(Dice::new(seed)), AtomicU64::new(0));
        let shared = Arc::new(Shared { pod, identity, how, dice, repeated });
        let routes = Router::new().route("/v1/tables/{uid}/trunk", get(trunk)).with_state(shared.clone());
        let mut tasks = JoinSet::new();
        let table = secrets.identity("repeater-table", &[&Role::Table(UID.into()).to_string()])?;
        let address = house::serve(&mut tasks, table, routes, stop).await?;
        Ok(Self { address, shared, _tasks: tasks })
    }

    pub fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Relaxed)
    }
}

async fn trunk(State(shared): State<Arc<Shared>>, mut request: Request<Body>) -> Result<Response, Answer> {
    let upgrade = Upgrade::from_request(&mut request)?;
    Ok(upgrade.accept_within(trunk_limits(), Some(ASSERTED), move |gateway| async move {
        if let Err(error) = shared.carry(gateway).await {
            tracing::debug!(%error, "repeater");
        }
    }))
}

impl Shared {
    async fn carry(&self, mut gateway: ServerSocket) -> anyhow::Result<()> {
        let pod = self.pod.to_string();
        let stream = dial(&self.identity, &pod, &Role::Table(UID.into())).await?;
        let mut request = format!("wss://{pod}/v1/tables/{UID}/trunk").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", ASSERTED.parse()?);
        let mut pod = ws::connect_within(trunk_limits(), stream, request).await?;
        let mut codecs = HashMap::new();
        loop {
            tokio::select! {
                said = gateway.next() => {
                    let Some(said) = said else { break };
                    let said = match said? {
                        Message::Binary(frame) => frame,
                        control => {
                            pod.send(control).await?;
                            continue;
                        }
                    };
                    let mut twice = Vec::new();
                    let ToTable { said, seen } = ToTable::read(said)?;
                    if let Some(seen) = seen {
                        pod.send(Message::Binary(ToTable::seen(seen))).await?;
                    }
                    for up in said {
                        let again = self.again(&up, &mut codecs)?;
                        self.repeated.fetch_add(u64::from(again.is_some()), Ordering::Relaxed);
                        twice.push(up);
                        twice.extend(again);
                    }
                    while let Some(frame) = ToTable::next_frame(&mut twice) {
                        pod.send(Message::Binary(frame)).await?;
                    }
                }
                said = pod.next() => {
                    let Some(said) = said else { break };
                    gateway.send(said?).await?;
                }
            }
        }
        Ok(())
    }

    /// Returns the message that follows a player's message.
    fn again(&self, up: &Up, codecs: &mut HashMap<Lane, Codec>) -> anyhow::Result<Option<Up>> {
        let said = match &up.body {
            Some(up::Body::Open(open)) => {
                codecs.insert(up.lane, Encoding::try_from(open.encoding)?.into());
                return Ok(None);
            }
            Some(up::Body::Message(said)) => said,
            Some(up::Body::Gone(_)) => {
                codecs.remove(&up.lane);
                return Ok(None);
            }
            Some(up::Body::Renew(_)) | None => return Ok(None),
        };
        let codec = *codecs.get(&up.lane).context("a lane that was not opened")?;
        let message = codec.decode_client(said)?;
        // A second attach is against the protocol, and a gateway never makes one.
        let once = matches!(message.body, None | Some(Ask::Attach(_) | Ask::RenewToken(_) | Ask::Ping(_)));
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match self.how {
            _ if once => None,
            How::Same(one_in) => dice.one_in(one_in).then(|| up.clone()),
            How::Renumbered => {
                let Some(Ask::Act(act)) = message.body else { return Ok(None) };
                // Without its question, because the table refuses a second answer to the same question anyway.
                let act = pb::Act { question: None, ..act };
                let other = pb::ClientMessage { id: message.id | RENUMBERED, body: Some(Ask::Act(act)) };
                Some(Up { body: Some(up::Body::Message(codec.encode_client(&other)?)), ..up.clone() })
            }
        })
    }
}
