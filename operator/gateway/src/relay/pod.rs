//! The pod's side of a relay.

use super::{
    Shared,
    from_pod::FromPod,
    trunk::{Gone, OpenLane},
};
use crate::routing::Target;
use bytes::Bytes;
use purr_engine::PlayerId;
use purr_protocol::{Codec, timing::Rtt};
use purr_runtime::{Delays, jittered};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Tries to reach a pod in a row after which the wait no longer grows.
const TRIES_MAX: u32 = 6;
/// Extra attempts that a spectator's back-off counts, so that players reconnect before spectators.
const GUEST_TRIES: u32 = 3;

/// The player to connect.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub player: PlayerId,
    /// Whether the player has no seat, as far as known.
    pub guest: bool,
    /// Expiry of the player's access token, in seconds since 1970.
    pub until_s: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NotReached {
    #[error("no pod has an address")]
    NoPod,
    #[error("{pod}: {detail}")]
    Pod { pod: String, detail: Arc<str> },
}

/// A player's lane to the pod of a table.
pub(super) struct Pod {
    lane: OpenLane,
    target: Target,
    /// Expiry of the player's access token, as last sent to the table.
    until_s: u64,
    pub since: Instant,
}

/// One attempt to reach the table's pod, after a back-off that a new route cuts short.
pub(super) async fn reach(
    shared: Arc<Shared>,
    uid: String,
    codec: Codec,
    who: Who,
    tries: u32,
) -> Result<Pod, NotReached> {
    if tries > 0 {
        wait(&shared, &uid, if who.guest { tries + GUEST_TRIES } else { tries }).await;
    }
    let target = shared.routes.read(|table| table.target(&uid)).ok_or(NotReached::NoPod)?;
    let failed = |detail: Arc<str>| NotReached::Pod { pod: target.pod.clone(), detail };
    let trunk = shared.trunks.to(&shared, &uid, &target).await.map_err(failed)?;
    let gone = || failed(Gone.to_string().into());
    let lane = trunk.open(codec, who.player).ok_or_else(gone)?;
    let asserts = || shared.auth.assertions.assert(&uid, who.player, lane.number(), who.until_s, Vec::new());
    let assertion = lane.is_asserted().then(asserts).transpose();
    let assertion = assertion.map_err(|error| failed(error.to_string().into()))?;
    lane.greet(codec, assertion).await.map_err(|_| gone())?;
    Ok(Pod { lane, target, until_s: who.until_s, since: Instant::now() })
}

/// Waits for the back-off, or until the table's target changes.
async fn wait(shared: &Shared, uid: &str, tries: u32) {
    let delays = Delays::new(shared.pace.backoff_min, shared.pace.backoff_max);
    // Jitter keeps a thousand players of one node from reconnecting at the same moment.
    let delay = sleep(jittered(delays.after(tries.min(TRIES_MAX))));
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

impl Pod {
    /// Receives the next message, or the reason for the end. Cancel-safe.
    pub async fn next(&mut self) -> FromPod {
        self.lane.hears().await
    }

    /// Returns a message that has already arrived.
    pub fn try_next(&mut self) -> Option<FromPod> {
        self.lane.has_heard()
    }

    pub async fn send(&self, message: Bytes, rtt: Rtt, wait: Duration) -> Result<(), Gone> {
        self.lane.say(message, rtt, wait).await
    }

    /// Whether assertions prove the player's identity to the table, so that the table never sees the access token.
    pub fn is_asserted(&self) -> bool {
        self.lane.is_asserted()
    }

    /// Sends a newer expiry of the player's token to a table that accepts assertions.
    pub async fn renew(
        &mut self,
        shared: &Shared,
        uid: &str,
        who: Who,
        wait: Duration,
    ) -> Result<(), NotReached> {
        if !self.is_asserted() || self.until_s == who.until_s {
            return Ok(());
        }
        let failed = |detail: String| NotReached::Pod { pod: self.target.pod.clone(), detail: detail.into() };
        let lane = self.lane.number();
        let assertion = shared.auth.assertions.assert(uid, who.player, lane, who.until_s, Vec::new());
        let assertion = assertion.map_err(|error| failed(error.to_string()))?;
        self.lane.renew(assertion, wait).await.map_err(|gone| failed(gone.to_string()))?;
        self.until_s = who.until_s;
        Ok(())
    }

    pub fn name(&self) -> &str {
        &self.target.pod
    }
}
