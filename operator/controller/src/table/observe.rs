//! The view of a pod that decisions need, from the API object.

use super::build::{
    self, ANNOTATION_CLOSED, ANNOTATION_DRAINING, ANNOTATION_HASH, ANNOTATION_ORDERED, ANNOTATION_PAUSED,
    ANNOTATION_STAND_BY,
};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// Characters kept of a pod's message.
const MESSAGE_MAX: usize = 512;

/// A pod of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    /// The one in its name: labels can be edited.
    pub generation: u64,
    /// Fingerprint of its current labels and owner.
    pub marks: u64,
    /// Its labels or owner were edited.
    pub strayed: bool,
    pub hash: String,
    /// The last pause order that the pod got.
    pub paused: bool,
    /// The last closing order that the pod got.
    pub closed: bool,
    /// The pod was ordered, or is about to be ordered, to make way for its successor.
    pub draining: bool,
    /// The pod connects, but does not take the table over before it is ordered to.
    pub stand_by: bool,
    /// The pod stood by, and was ordered or is about to be ordered to take over.
    pub ordered: bool,
    pub ip: Option<String>,
    pub node: Option<String>,
    /// Its process serves.
    pub ready: bool,
    /// A container of it has run.
    pub started: bool,
    /// Kubelet is backing off before it restarts a crashed container: 10 s after the second crash in a row, then longer
    /// and longer.
    pub backing_off: bool,
    pub life: Life,
    /// Why it does not run, in the kubelet's words.
    pub trouble: Option<Trouble>,
    pub created_s: i64,
    /// When the successor of a pod that was asked to go is started at the latest, in seconds since 1970.
    pub move_by_s: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    #[default]
    Alive,
    /// Asked to go, and given its time.
    Terminating,
    /// Its node is gone. Whatever still runs there is fenced by the next generation.
    Lost,
    /// The pod will never run (again): evicted, or refused by its node.
    Failed,
}

/// A pod's problem, for the table's conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: &'static str,
    pub message: String,
}

/// Divisor of the grace period. A table plays on for at most half of it; half of that is reserved for the successor's
/// start.
const MOVE_PART: i64 = 4;

impl PodView {
    pub fn of(pod: &Pod) -> Self {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let annotations = pod.metadata.annotations.as_ref();
        let annotation = |key| annotations.and_then(|all| all.get(key)).map(String::as_str);
        let status = pod.status.as_ref();
        let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
        let life = life(pod);
        Self {
            generation: build::parse_pod_name(&name).map_or(0, |(_, generation)| generation),
            marks: build::marks(&pod.metadata),
            strayed: false,
            name,
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            hash: annotation(ANNOTATION_HASH).unwrap_or_default().to_owned(),
            paused: annotation(ANNOTATION_PAUSED) == Some("true"),
            closed: annotation(ANNOTATION_CLOSED) == Some("true"),
            draining: annotation(ANNOTATION_DRAINING) == Some("true"),
            stand_by: annotation(ANNOTATION_STAND_BY) == Some("true"),
            ordered: annotation(ANNOTATION_ORDERED) == Some("true"),
            ip: status.and_then(|status| status.pod_ip.clone()),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            ready: life == Life::Alive && condition(pod, "Ready").is_some_and(|ready| ready.status == "True"),
            started: container.is_some_and(|container| {
                let state = container.state.as_ref();
                container.restart_count > 0
                    || state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
            }),
            backing_off: container.and_then(waits_for) == Some("CrashLoopBackOff"),
            life,
            trouble: container.and_then(trouble).or_else(|| unschedulable(pod)).or_else(|| failed(pod)),
            created_s: pod.metadata.creation_timestamp.as_ref().map_or(0, |at| at.0.as_second()),
            move_by_s: pod.metadata.deletion_timestamp.as_ref().map_or(0, |at| {
                let grace_s = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
                at.0.as_second() - grace_s + grace_s / MOVE_PART
            }),
        }
    }

    /// Whether the pod runs but does not serve, so that its `/readyz` says why.
    pub fn can_explain(&self) -> bool {
        !self.ready && self.started && self.trouble.is_none() && self.life == Life::Alive && self.ip.is_some()
    }
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn life(pod: &Pod) -> Life {
    // Set by the taint manager when it gives up on the pod's node, or by the collector of pods whose
    // node has been deleted (KEP-3329).
    let lost = condition(pod, "DisruptionTarget").is_some_and(|target| {
        target.status == "True"
            && matches!(target.reason.as_deref(), Some("DeletionByTaintManager" | "DeletionByPodGC"))
    });
    let status = pod.status.as_ref();
    let ended = status.and_then(|status| status.phase.as_deref());
    match (pod.metadata.deletion_timestamp.is_some(), ended) {
        (true, _) if lost => Life::Lost,
        (true, _) => Life::Terminating,
        (false, Some("Failed" | "Succeeded")) => Life::Failed,
        (false, _) => Life::Alive,
    }
}

fn waits_for(container: &ContainerStatus) -> Option<&str> {
    container.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

fn trouble(container: &ContainerStatus) -> Option<Trouble> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let said = || waiting.message.clone().unwrap_or_default();
    let (reason, message) = match waiting.reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            // The kubelet alternates between the error and its back-off; one message for both, or
            // every turn would be news.
            ("ImageUnavailable", format!("image {} cannot be pulled", container.image))
        }
        "CrashLoopBackOff" | "RunContainerError" => {
            let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let message = last.map_or_else(
                || tail(&said()).to_owned(),
                |last| {
                    let text = last.message.as_deref().unwrap_or_default().trim();
                    format!("exit code {}: {}", last.exit_code, tail(text))
                },
            );
            ("CrashLoop", message)
        }
        "CreateContainerConfigError" | "CreateContainerError" => {
            ("ContainerRefused", tail(&said()).to_owned())
        }
        _ => return None,
    };
    Some(Trouble { reason, message })
}

fn unschedulable(pod: &Pod) -> Option<Trouble> {
    let scheduled = condition(pod, "PodScheduled")?;
    (scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")).then(|| Trouble {
        reason: "Unschedulable",
        message: tail(scheduled.message.as_deref().unwrap_or_default()).to_owned(),
    })
}

fn failed(pod: &Pod) -> Option<Trouble> {
    if life(pod) != Life::Failed {
        return None;
    }
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_deref().unwrap_or("Failed");
    let message = status.message.as_deref().unwrap_or_default();
    Some(Trouble { reason: "PodFailed", message: tail(&format!("{reason}: {message}")).to_owned() })
}

/// Returns the end of a text, where a log usually names the error.
fn tail(text: &str) -> &str {
    let skip = text.chars().count().saturating_sub(MESSAGE_MAX);
    text.char_indices().nth(skip).map_or("", |(at, _)| &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: &serde_json::Value) -> PodView {
        let mut base = serde_json::json!({"metadata": {"name": "t-3"}});
        for (key, value) in json.as_object().unwrap() {
            if key == "metadata" {
                let fields = value.as_object().unwrap().clone();
                base["metadata"].as_object_mut().unwrap().extend(fields);
            } else {
                base[key] = value.clone();
            }
        }
        PodView::of(&serde_json::from_value(base).unwrap())
    }

    #[test]
    fn a_pods_generation_is_the_one_in_its_name_whatever_its_labels_say() {
        let edited = serde_json::json!({"metadata": {"labels": {"purr.poker/generation": "99"}}});
        assert_eq!(pod(&edited).generation, 3);
        assert_eq!(pod(&serde_json::json!({"metadata": {"name": "probe"}})).generation, 0);
        assert_ne!(pod(&edited).marks, pod(&serde_json::json!({})).marks);
    }

    #[test]
    fn a_pod_that_waits_for_its_image_says_which() {
        for reason in ["ErrImagePull", "ImagePullBackOff"] {
            let view = pod(&serde_json::json!({"status": {"containerStatuses": [{
                "name": "table", "image": "nowhere/table:1", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason, "message": "back-off"}}}]}}));
            let trouble = view.trouble.unwrap();
            assert_eq!(trouble.reason, "ImageUnavailable");
            assert!(trouble.message.contains("nowhere/table:1"));
            assert!(!view.started);
        }
    }

    #[test]
    fn a_crash_loop_carries_the_pods_last_words() {
        let view = pod(&serde_json::json!({"status": {"containerStatuses": [{
            "name": "table", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"exitCode": 1, "message": "data keys: no such file\n"}}}]}}));
        let trouble = view.trouble.unwrap();
        assert_eq!(
            (trouble.reason, trouble.message.as_str()),
            ("CrashLoop", "exit code 1: data keys: no such file")
        );
        assert!(view.started && view.backing_off);
    }

    #[test]
    fn of_long_last_words_the_end_is_kept() {
        let words = format!("{}the end", "x".repeat(5_000));
        let view = pod(&serde_json::json!({"status": {"containerStatuses": [{
            "name": "table", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 101, "message": words}}}]}}));
        let message = view.trouble.unwrap().message;
        assert!(message.starts_with("exit code 101: ") && message.ends_with("the end"), "{message}");
        assert!(message.len() < 600);
    }

    #[test]
    fn a_pod_that_goes_is_lost_only_when_its_node_is() {
        let going = serde_json::json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(pod(&serde_json::json!({"metadata": going})).life, Life::Terminating);
        let target = |reason| {
            serde_json::json!({"metadata": going, "status": {"conditions":
                [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}})
        };
        assert_eq!(pod(&target("DeletionByTaintManager")).life, Life::Lost);
        assert_eq!(pod(&target("EvictionByEvictionAPI")).life, Life::Terminating);
    }

    #[test]
    fn an_evicted_pod_has_failed() {
        let view = pod(&serde_json::json!({"status": {"phase": "Failed", "reason": "Evicted",
            "message": "The node was low on resource: memory."}}));
        assert_eq!(view.life, Life::Failed);
        assert!(view.trouble.unwrap().message.starts_with("Evicted: "));
    }

    #[test]
    fn a_pod_that_goes_is_not_ready_whatever_it_says() {
        let view = pod(&serde_json::json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        assert!(!view.ready);
    }
}
