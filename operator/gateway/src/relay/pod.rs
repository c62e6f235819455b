//! The pod's side of a relay.

use super::Shared;
use crate::routing::Target;
use futures::{SinkExt, StreamExt};
use purr_protocol::Codec;
use purr_runtime::{
    Role,
    client::dial,
    ws::{self, Error, Message},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::client::IntoClientRequest};

/// Tries to reach a pod in a row after which the wait no longer grows.
const TRIES_MAX: u32 = 6;

#[derive(Debug, thiserror::Error)]
pub(super) enum NotReached {
    #[error("no pod has an address")]
    NoPod,
    #[error("{pod}: {detail}")]
    Pod { pod: String, detail: String },
}

/// A socket to the pod of a table.
pub(super) struct Pod {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    target: Target,
    heard: Instant,
    pinged: Instant,
    pub since: Instant,
}

/// What a pod's socket brings.
pub(super) enum FromPod {
    Frame(Message),
    /// With the code of its close frame, where there was one.
    Ended(Option<u16>, String),
}

/// One attempt to reach the table's pod, after a wait that a new route cuts short.
pub(super) async fn reach(
    shared: Arc<Shared>,
    uid: String,
    codec: Codec,
    tries: u32,
) -> Result<Pod, NotReached> {
    if tries > 0 {
        wait(&shared, &uid, tries).await;
    }
    let target = shared.routes.read(|table| table.target(&uid)).ok_or(NotReached::NoPod)?;
    let failed = |detail: String| NotReached::Pod { pod: target.pod.clone(), detail };
    let connecting = connect(&shared, &uid, codec, &target);
    let socket = timeout(shared.pace.connect, connecting)
        .await
        .map_err(|_| failed("no answer in time".into()))?
        .map_err(|error| failed(error.to_string()))?;
    let now = Instant::now();
    Ok(Pod { socket, target, heard: now, pinged: now, since: now })
}

/// Waits the back-off, or until the table has another target than it has now.
async fn wait(shared: &Shared, uid: &str, tries: u32) {
    let ceiling = shared.pace.backoff_min * 2u32.pow(tries.min(TRIES_MAX));
    // Half of it is random: a thousand players of one node do not knock at the same moment.
    let half = ceiling.min(shared.pace.backoff_max) / 2;
    let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
    let delay = sleep(half + half.mul_f64(random));
    tokio::pin!(delay);
    let mut changed = shared.routes.subscribe();
    let target = || shared.routes.read(|table| table.target(uid));
    let before = target();
    loop {
        tokio::select! {
            () = &mut delay => return,
            _ = changed.changed() => {
                let now = target();
                if now.is_some() && now != before {
                    return;
                }
            }
        }
    }
}

async fn connect(
    shared: &Shared,
    uid: &str,
    codec: Codec,
    target: &Target,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, Error> {
    let role = Role::Table(uid.to_owned());
    let stream = dial(&shared.identity, &target.address.to_string(), &role).await?;
    let mut request = format!("wss://{}/v1/tables/{uid}/socket", target.address).into_client_request()?;
    request
        .headers_mut()
        .insert(http::header::SEC_WEBSOCKET_PROTOCOL, http::HeaderValue::from_static(codec.subprotocol()));
    ws::connect(stream, request).await
}

impl Pod {
    /// The next frame, or the end: by the pod, by silence, or because the table has moved.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self, shared: &Shared, uid: &str) -> FromPod {
        let mut changed = shared.routes.subscribe();
        let gone = |detail: &str| FromPod::Ended(None, detail.to_owned());
        loop {
            if shared.routes.read(|table| table.is_outdated(uid, &self.target)) {
                return gone("the table has moved");
            }
            let ping = self.pinged.max(self.heard) + shared.pace.pod_ping;
            let frame = tokio::select! {
                frame = self.socket.next() => frame,
                _ = changed.changed() => continue,
                () = sleep_until(ping) => {
                    if self.heard.elapsed() >= shared.pace.pod_idle {
                        return gone("silent");
                    }
                    self.pinged = Instant::now();
                    if self.send(Message::Ping(bytes::Bytes::new()), shared.pace.write).await.is_err() {
                        return gone("does not take messages");
                    }
                    continue;
                }
            };
            self.heard = Instant::now();
            match frame {
                None => return gone("ended"),
                Some(Err(error)) => return FromPod::Ended(None, error.to_string()),
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.as_ref().map(|frame| frame.reason.to_string()).unwrap_or_default();
                    return FromPod::Ended(frame.map(|frame| frame.code.into()), reason);
                }
                Some(Ok(frame @ (Message::Text(_) | Message::Binary(_)))) => return FromPod::Frame(frame),
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn send(&mut self, frame: Message, wait: Duration) -> Result<(), Error> {
        let late = || Error::Io(std::io::ErrorKind::TimedOut.into());
        timeout(wait, self.socket.send(frame)).await.map_err(|_| late())?
    }

    /// Lets the pod know that the player has gone.
    pub async fn leave(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    pub fn name(&self) -> &str {
        &self.target.pod
    }
}
