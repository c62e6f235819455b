//! Reads of a table's own writes: what this process has written and the watches do not show yet.
//!
//! A reconcile that begins between a write and its echo on the watch would decide from the state before the write. It would
//! write the same status again with a later time, raise the generation from an old version, or miss the pod that it made.

use super::observe::PodView;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use purr_crds::PokerTable;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Time after which a created pod that the watch does not show must have been deleted again.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The last writes to one table that its watches have not shown.
#[derive(Clone, Debug, Default)]
pub struct Own {
    table: Option<Arc<PokerTable>>,
    pod: Option<(PodView, Instant)>,
}

impl Own {
    /// The answer to a write of the table.
    pub fn wrote(&mut self, table: Arc<PokerTable>) {
        self.table = Some(table);
    }

    pub fn created(&mut self, pod: PodView, now: Instant) {
        self.pod = Some((pod, now));
    }

    pub fn deleted(&mut self, pod: &str) {
        self.pod.take_if(|(held, _)| held.name == pod);
    }

    /// The newer of the table that the watch shows and the last answer to a write.
    pub fn table(&mut self, watched: &Arc<PokerTable>) -> Arc<PokerTable> {
        self.table.take_if(|own| !is_newer(&own.metadata, &watched.metadata));
        self.table.as_ref().unwrap_or(watched).clone()
    }

    /// The pods that the watch shows, plus the one that this process created since.
    pub fn pods(&mut self, mut watched: Vec<PodView>, now: Instant) -> Vec<PodView> {
        self.pod.take_if(|(own, since)| {
            now.saturating_duration_since(*since) >= SHOWN_WITHIN
                || watched.iter().any(|pod| pod.name == own.name)
        });
        watched.extend(self.pod.as_ref().map(|(pod, _)| pod.clone()));
        watched
    }
}

/// Resource versions of one resource are numbers that grow with each write (KEP-5504). A version that is not a number
/// counts as not newer.
fn is_newer(own: &ObjectMeta, watched: &ObjectMeta) -> bool {
    let version = |meta: &ObjectMeta| meta.resource_version.as_ref()?.parse::<u128>().ok();
    version(own).zip(version(watched)).is_some_and(|(own, watched)| own > watched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn table(version: &str) -> Arc<PokerTable> {
        let mut table = testing::table();
        table.metadata.resource_version = Some(version.into());
        Arc::new(table)
    }

    fn version(table: &PokerTable) -> &str {
        table.metadata.resource_version.as_deref().unwrap()
    }

    fn pod(name: &str) -> PodView {
        PodView { name: name.into(), ..PodView::default() }
    }

    fn names(pods: Vec<PodView>) -> Vec<String> {
        pods.into_iter().map(|pod| pod.name).collect()
    }

    #[test]
    fn an_own_write_counts_until_the_watch_shows_it_or_something_newer() {
        let mut own = Own::default();
        assert_eq!(version(&own.table(&table("9"))), "9");
        own.wrote(table("10"));
        assert_eq!(version(&own.table(&table("9"))), "10");
        assert_eq!(version(&own.table(&table("10"))), "10");
        assert!(own.table.is_none(), "shown, so it is not kept");
        own.wrote(table("12"));
        assert_eq!(version(&own.table(&table("13"))), "13");
        assert!(own.table.is_none());
    }

    #[test]
    fn a_version_that_is_no_number_leaves_the_watch_its_word() {
        let mut own = Own::default();
        own.wrote(table("b"));
        assert_eq!(version(&own.table(&table("a"))), "a");
        assert_eq!(version(&own.table(&table("1"))), "1");
    }

    #[test]
    fn a_created_pod_is_there_until_the_watch_shows_it_and_no_longer_than_its_time() {
        let (mut own, now) = (Own::default(), Instant::now());
        own.created(pod("t-1"), now);
        assert_eq!(names(own.pods(Vec::new(), now)), ["t-1"]);
        assert_eq!(names(own.pods(vec![pod("t-1")], now)), ["t-1"], "once");
        assert!(own.pods(Vec::new(), now).is_empty(), "the watch showed it, and shows now that it is gone");
        own.created(pod("t-2"), now);
        assert_eq!(names(own.pods(vec![pod("t-1")], now)), ["t-1", "t-2"]);
        assert!(own.pods(Vec::new(), now + SHOWN_WITHIN).is_empty());
        own.created(pod("t-3"), now);
        own.deleted("t-1");
        assert_eq!(names(own.pods(Vec::new(), now)), ["t-3"]);
        own.deleted("t-3");
        assert!(own.pods(Vec::new(), now).is_empty());
    }
}
