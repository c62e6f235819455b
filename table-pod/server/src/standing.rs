//! A successor before it has the table: it stands by until the controller orders the take-over, then waits for the end
//! of the predecessor's hand.
//!
//! No step here fences anyone, and each may be repeated or lost: a predecessor without news from its successor deals
//! again after [`crate::core::HANDING_OVER_MS`], and a successor without news from its predecessor takes over.

use crate::{actor::Handle, signer::Signer};
use async_trait::async_trait;
use purr_protocol::handover::{HandOver, HandedOver, Order, Standing, Successor};
use purr_runtime::{ClientError, Identity, InternalClient, Readiness, Role};
use purr_store::RedisStore;
use std::{sync::OnceLock, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// Longest time that a predecessor takes to answer; it answers at once when its hand ends.
pub const ASK_WAIT: Duration = Duration::from_secs(2);
/// Time limit of one request, beyond [`ASK_WAIT`].
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A predecessor that cannot be reached for this long is gone: the successor takes over.
const GONE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(100);
/// Between two attempts to connect while standing by.
const CONNECT_RETRY: Duration = Duration::from_secs(1);

/// The process's state towards its table, shared by its take-over and its HTTP routes.
pub struct Post {
    now: watch::Sender<Successor>,
    order: watch::Sender<Option<Order>>,
    table: OnceLock<Handle>,
}

impl Default for Post {
    fn default() -> Self {
        let (now, order) = (watch::Sender::default(), watch::Sender::default());
        Self { now, order, table: OnceLock::new() }
    }
}

impl Post {
    /// The state of a process that has its table.
    pub fn serving(handle: Handle) -> Self {
        let post = Self::default();
        post.serves(handle);
        post
    }

    pub fn serves(&self, handle: Handle) {
        let _ = self.table.set(handle);
        self.now.send_replace(Successor { standing: Standing::Serving, ..Successor::default() });
    }

    /// `None` until the table has been taken over.
    pub fn table(&self) -> Option<&Handle> {
        self.table.get()
    }

    pub fn now(&self) -> Successor {
        self.now.borrow().clone()
    }

    pub fn order(&self, order: Order) {
        self.order.send_replace(Some(order));
    }

    pub fn is(&self, standing: Standing, waits_for: Option<String>) {
        self.now.send_modify(|now| (now.standing, now.waits_for) = (standing, waits_for));
    }
}

/// Why a predecessor has not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    #[error("the predecessor cannot be reached: {0}")]
    Unreachable(String),
    /// The predecessor runs a release without hand-overs, or no longer has a table.
    #[error("the predecessor hands nothing over: {0}")]
    Refused(String),
}

/// Asks the pod that has the table.
#[async_trait]
pub trait Predecessor: Send + Sync {
    async fn ask(&self, address: &str, ask: &HandOver) -> Result<HandedOver, NotAsked>;
}

/// Asks over mutual TLS, with the certificate of the same table.
pub struct HttpPredecessor {
    identity: Identity,
    uid: String,
}

impl HttpPredecessor {
    pub fn new(identity: Identity, uid: &str) -> Self {
        Self { identity, uid: uid.to_owned() }
    }
}

#[async_trait]
impl Predecessor for HttpPredecessor {
    async fn ask(&self, address: &str, ask: &HandOver) -> Result<HandedOver, NotAsked> {
        let client = InternalClient::new(self.identity.clone(), address, Role::Table(self.uid.clone()));
        client.post("/v1/hand-over", ask, ASK_WAIT + ANSWER_WAIT).await.map_err(|error| match &error {
            ClientError::Problem(problem) if problem.status < 500 => NotAsked::Refused(error.to_string()),
            _ => NotAsked::Unreachable(error.to_string()),
        })
    }
}

/// Connects to the store group and the signer until both answer. Writes nothing.
pub async fn connect(post: &Post, store: &RedisStore, signer: &dyn Signer, readiness: &Readiness) {
    loop {
        let problem = match store.warm().await {
            Err(error) => error.to_string(),
            // A table that the signer does not know yet is an answer too.
            Ok(()) => match signer.entries(u64::from(u32::MAX)).await {
                Err(error @ crate::signer::SignerError::Unavailable(_)) => error.to_string(),
                Ok(_) | Err(_) => return,
            },
        };
        readiness.not_ready("take-over", problem.clone());
        post.is(Standing::Connecting, Some(problem));
        sleep(CONNECT_RETRY).await;
    }
}

/// What a successor knows about its predecessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    pub address: String,
    /// When the predecessor's last hand ended, if it reports that.
    pub hand_ended: Option<Instant>,
}

/// Stands by until the controller orders the take-over and the predecessor is between two hands. Returns the
/// predecessor where the order names one.
pub async fn until_free(post: &Post, predecessor: &dyn Predecessor, epoch: u64) -> Option<Freed> {
    let mut orders = post.order.subscribe();
    post.is(Standing::StandingBy, Some("the controller's order".into()));
    loop {
        let order = orders.borrow_and_update().clone();
        let Some(order) = order else {
            // The sender lives in `post`.
            let _ = orders.changed().await;
            continue;
        };
        let address = order.predecessor?;
        tokio::select! {
            free = ask_until_free(post, predecessor, &address, epoch) => {
                if let Some(hand_ended) = free {
                    return Some(Freed { address, hand_ended });
                }
                // The controller drains the predecessor, and then orders again.
                let _ = orders.changed().await;
            }
            // A new order takes effect at once.
            _ = orders.changed() => {}
        }
    }
}

/// `Some`: the predecessor runs no hand, with the end of its last hand, or it is gone. `None`: it does not hand the
/// table over.
async fn ask_until_free(
    post: &Post,
    predecessor: &dyn Predecessor,
    address: &str,
    epoch: u64,
) -> Option<Option<Instant>> {
    post.is(Standing::TakingOver, Some(format!("the end of the hand at {address}")));
    let mut heard = Instant::now();
    loop {
        match predecessor.ask(address, &HandOver { epoch, taken: false }).await {
            Ok(HandedOver { free: true, rested_ms }) => {
                let rested = rested_ms.map(Duration::from_millis);
                return Some(rested.and_then(|rested| Instant::now().checked_sub(rested)));
            }
            Ok(HandedOver { free: false, .. }) => heard = Instant::now(),
            Err(error @ NotAsked::Refused(_)) => {
                tracing::warn!(%error, address, "hand-over");
                let standing = Standing::TakingOver;
                post.now.send_replace(Successor {
                    standing,
                    waits_for: Some(error.to_string()),
                    refused: true,
                });
                return None;
            }
            Err(error) if heard.elapsed() >= GONE => {
                tracing::warn!(%error, address, "taking over without a hand-over");
                return Some(None);
            }
            Err(error) => {
                tracing::info!(%error, address, "hand-over");
                sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
