//! Leader election by a Lease of the API, which a controller releases when it ends.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::time::Duration;
use tokio::time::Instant;

/// A holder that has not renewed for this long has lost the lease, in seconds.
const DURATION_S: i32 = 15;
/// The holder stops before other candidates may take the lease.
const GIVE_UP: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(3);
/// The process ends then, and the lease by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

/// A candidate's observations of the lease. Clocks of two machines are never compared: a lease has expired when it has
/// not changed for its duration on the candidate's own clock.
#[derive(Debug, Default)]
struct Seen {
    version: Option<String>,
    since: Option<Instant>,
}

impl Seen {
    /// Whether the lease may be taken.
    fn is_free(&mut self, lease: &Lease, identity: &str, now: Instant) -> bool {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if self.version != lease.metadata.resource_version || self.since.is_none() {
            (self.version, self.since) = (lease.metadata.resource_version.clone(), Some(now));
        }
        let duration_s = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(DURATION_S);
        let duration = Duration::from_secs(u64::try_from(duration_s).unwrap_or(0));
        let unchanged = self.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        holder.is_empty() || holder == identity || unchanged >= duration
    }
}

pub struct Leader {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// `None`: no lease can be made, because the namespace is being deleted.
    held: Option<Lease>,
}

#[derive(Debug, thiserror::Error)]
#[error("the leader's lease was lost: {0}")]
pub struct Lost(String);

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the namespace is being deleted, so that no object can be created in it.
fn is_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

impl Leader {
    /// Waits until this process is the leader.
    ///
    /// In a namespace that is being deleted it leads without a lease, so that the tables there can be deleted. Two
    /// processes may lead at once then: the API server refuses writes that are based on old versions, and if both raise
    /// a generation, one of them fails.
    pub async fn acquire(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        let leases: Api<Lease> = Api::namespaced(client, namespace);
        let mut seen = Seen::default();
        loop {
            match try_acquire(&leases, name, identity, &mut seen).await {
                Ok(Some(held)) => {
                    tracing::info!(lease = name, identity, "leading");
                    return Self { leases, name: name.into(), identity: identity.into(), held: Some(held) };
                }
                Ok(None) => {}
                Err(error) if is_conflict(&error) => {}
                Err(error) if is_terminating(&error) => {
                    tracing::warn!(lease = name, identity, %error, "leads without a lease");
                    return Self { leases, name: name.into(), identity: identity.into(), held: None };
                }
                Err(error) => tracing::warn!(%error, "lease"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Renews for ever; returns when that could not be done in time.
    pub async fn keep(&mut self) -> Lost {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(EVERY).await;
            let left = GIVE_UP.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(())) => renewed = Instant::now(),
                // Only a new leader writes to a lease that is held.
                Ok(Err(error)) if is_conflict(&error) => return Lost(error.to_string()),
                // Deleted together with its namespace, where no lease can be created any more.
                Ok(Err(error)) if is_terminating(&error) => {
                    if self.held.is_some() {
                        tracing::warn!(%error, "leads without a lease");
                    }
                    (self.held, renewed) = (None, Instant::now());
                }
                Ok(Err(error)) => tracing::warn!(%error, "lease not renewed"),
                Err(_) => return Lost("it could not be renewed in time".into()),
            }
        }
    }

    async fn renew(&mut self) -> Result<(), kube::Error> {
        let Some(mut next) = self.held.clone() else {
            // The namespace may have been deleted and created again.
            return self.make().await;
        };
        let spec = next.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        match self.leases.replace(&self.name, &PostParams::default(), &next).await {
            Ok(renewed) => self.held = Some(renewed),
            Err(error) if is_gone(&error) => return self.make().await,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Creates the lease; a conflict if another candidate has created it.
    async fn make(&mut self) -> Result<(), kube::Error> {
        let fresh = lease_of(&self.name, &self.identity);
        self.held = Some(self.leases.create(&PostParams::default(), &fresh).await?);
        Ok(())
    }

    /// Gives it back, so that the next one need not wait.
    pub async fn release(self) {
        let Some(mut held) = self.held else { return };
        let spec = held.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        let params = PostParams::default();
        let back = self.leases.replace(&self.name, &params, &held);
        match tokio::time::timeout(RELEASE_WITHIN, back).await {
            Ok(Ok(_)) => tracing::info!(identity = self.identity, "lease given back"),
            Ok(Err(error)) => tracing::warn!(%error, "lease not given back"),
            Err(_) => tracing::warn!("lease not given back: the API does not answer"),
        }
    }
}

fn spec(identity: &str, transitions: i32) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    LeaseSpec {
        holder_identity: Some(identity.into()),
        lease_duration_seconds: Some(DURATION_S),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..Default::default()
    }
}

fn lease_of(name: &str, identity: &str) -> Lease {
    let metadata = ObjectMeta { name: Some(name.into()), ..Default::default() };
    Lease { metadata, spec: Some(spec(identity, 0)) }
}

async fn try_acquire(
    leases: &Api<Lease>,
    name: &str,
    identity: &str,
    seen: &mut Seen,
) -> Result<Option<Lease>, kube::Error> {
    let Some(lease) = leases.get_opt(name).await? else {
        return leases.create(&PostParams::default(), &lease_of(name, identity)).await.map(Some);
    };
    if !seen.is_free(&lease, identity, Instant::now()) {
        return Ok(None);
    }
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
    // The update carries the resource version that was read, so one of two candidates gets a conflict.
    let taken = Lease { metadata: lease.metadata, spec: Some(spec(identity, transitions.saturating_add(1))) };
    leases.replace(name, &PostParams::default(), &taken).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta { resource_version: Some(version.into()), ..Default::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: Some(15),
                ..Default::default()
            }),
        }
    }

    #[test]
    fn a_lease_that_is_renewed_is_never_free_for_others() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        for second in 0..60_u64 {
            let now = start + Duration::from_secs(second);
            assert!(!seen.is_free(&lease("other", &(second / 3).to_string()), "me", now), "{second}");
        }
    }

    #[test]
    fn a_lease_that_stands_still_is_free_after_its_duration() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert!(!seen.is_free(&lease("other", "1"), "me", start));
        assert!(!seen.is_free(&lease("other", "1"), "me", start + Duration::from_secs(14)));
        assert!(seen.is_free(&lease("other", "1"), "me", start + Duration::from_secs(15)));
    }

    #[test]
    fn a_lease_given_back_or_our_own_is_free_at_once() {
        let now = Instant::now();
        assert!(Seen::default().is_free(&lease("", "1"), "me", now));
        assert!(Seen::default().is_free(&lease("me", "1"), "me", now));
    }
}
