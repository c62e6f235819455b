//! Stands between gateway and table and sends messages twice: what TCP and TLS rule out, and a client that is cut off
//! from its answers does all the time.

use crate::{
    simulator::Dice,
    solo::{UID, house, secrets::Secrets},
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use futures::{SinkExt, StreamExt};
use purr_protocol::{
    Codec, Problem,
    pb::{self, client_message::Body as Ask},
};
use purr_runtime::{
    CancellationToken, Identity, Role,
    client::dial,
    problem::Answer,
    ws::{self, Message, ServerSocket, Upgrade},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Utf8Bytes, client::IntoClientRequest};

/// Ids of another player's life: no client comes so far.
const RENUMBERED: u64 = 1 << 60;

/// What is sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// One command in so many, the same frame again.
    Same(u64),
    /// Every action a second time as another command, which a table that knew no ids would make of it: the seeded bug.
    Renumbered,
}

/// Repeats, until it is dropped.
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
        let routes = Router::new().route("/v1/tables/{uid}/socket", get(socket)).with_state(shared.clone());
        let mut tasks = JoinSet::new();
        let table = secrets.identity("repeater-table", &[&Role::Table(UID.into()).to_string()])?;
        let address = house::serve(&mut tasks, table, routes, stop).await?;
        Ok(Self { address, shared, _tasks: tasks })
    }

    pub fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Relaxed)
    }
}

async fn socket(State(shared): State<Arc<Shared>>, mut request: Request<Body>) -> Result<Response, Answer> {
    let upgrade = Upgrade::from_request(&mut request)?;
    let codec = upgrade.subprotocols.iter().find_map(|name| Codec::from_subprotocol(name));
    let codec = codec.ok_or_else(|| Problem::new(400, "subprotocol", "None that is known"))?;
    Ok(upgrade.accept(codec.subprotocol(), move |gateway| async move {
        if let Err(error) = shared.carry(gateway, codec).await {
            tracing::debug!(%error, "repeater");
        }
    }))
}

fn frame(codec: Codec, message: &pb::ClientMessage) -> anyhow::Result<Message> {
    let bytes = codec.encode_client(message)?;
    Ok(if codec.is_text() { Message::Text(Utf8Bytes::try_from(bytes)?) } else { Message::Binary(bytes) })
}

impl Shared {
    async fn carry(&self, mut gateway: ServerSocket, codec: Codec) -> anyhow::Result<()> {
        let pod = self.pod.to_string();
        let stream = dial(&self.identity, &pod, &Role::Table(UID.into())).await?;
        let mut request = format!("wss://{pod}/v1/tables/{UID}/socket").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", codec.subprotocol().parse()?);
        let mut pod = ws::connect(stream, request).await?;
        loop {
            tokio::select! {
                said = gateway.next() => {
                    let Some(said) = said else { break };
                    let said = said?;
                    let again = self.again(&said, codec)?;
                    pod.send(said).await?;
                    if let Some(again) = again {
                        self.repeated.fetch_add(1, Ordering::Relaxed);
                        pod.send(again).await?;
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

    /// What follows a frame of the gateway.
    fn again(&self, said: &Message, codec: Codec) -> anyhow::Result<Option<Message>> {
        let message = match said {
            Message::Binary(bytes) => codec.decode_client(bytes)?,
            Message::Text(text) => codec.decode_client(text.as_bytes())?,
            _ => return Ok(None),
        };
        // A second attach is against the protocol, and a gateway never makes one.
        let once = matches!(message.body, None | Some(Ask::Attach(_) | Ask::RenewToken(_) | Ask::Ping(_)));
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match self.how {
            _ if once => None,
            How::Same(one_in) => dice.one_in(one_in).then(|| said.clone()),
            How::Renumbered if matches!(message.body, Some(Ask::Act(_))) => {
                Some(frame(codec, &pb::ClientMessage { id: message.id | RENUMBERED, ..message })?)
            }
            How::Renumbered => None,
        })
    }
}
