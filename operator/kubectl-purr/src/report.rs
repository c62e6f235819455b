//! An archive for support. Objects are cut down to a list of members that hold no secret; all text goes through
//! [`crate::redact`] besides. Secrets and ConfigMaps are not read at all.

use crate::redact::Redactor;
use serde_json::{Map, Value};
use std::io::{self, Write};

/// Longest file, in bytes; the end of a longer one is kept, because it has the latest events.
const FILE_MAX: usize = 4 << 20;

/// Members of a kind that are kept, by their path. A path goes through lists.
pub fn members(kind: &str) -> &'static [&'static str] {
    match kind {
        // Defined by this project: no member holds a secret. Wallets and addresses are taken out as text.
        "PokerTable" | "PokerTableFleet" => &["spec", "status"],
        "Pod" => &[
            "spec.nodeName",
            "spec.containers.name",
            "spec.containers.image",
            "spec.containers.resources",
            "spec.initContainers.name",
            "spec.initContainers.image",
            "status.phase",
            "status.reason",
            "status.message",
            "status.startTime",
            "status.conditions",
            "status.containerStatuses.name",
            "status.containerStatuses.ready",
            "status.containerStatuses.restartCount",
            "status.containerStatuses.state",
            "status.containerStatuses.lastState",
            "status.containerStatuses.imageID",
            "status.initContainerStatuses.name",
            "status.initContainerStatuses.state",
            "status.initContainerStatuses.restartCount",
        ],
        "Deployment" | "StatefulSet" => &[
            "spec.replicas",
            "spec.strategy",
            "spec.updateStrategy",
            "spec.template.spec.containers.name",
            "spec.template.spec.containers.image",
            "spec.template.spec.containers.resources",
            "status",
        ],
        "CronJob" => &["spec.schedule", "spec.suspend", "status"],
        "Job" => &["spec.backoffLimit", "spec.activeDeadlineSeconds", "status"],
        "PersistentVolumeClaim" => &["spec.storageClassName", "spec.accessModes", "spec.resources", "status"],
        "Event" => &[
            "type",
            "reason",
            "message",
            "count",
            "firstTimestamp",
            "lastTimestamp",
            "eventTime",
            "series",
            "involvedObject.kind",
            "involvedObject.name",
            "reportingComponent",
            "source.component",
        ],
        _ => &[],
    }
}

/// Metadata kept of every object. Annotations are dropped, because users may put anything there.
const METADATA: [&str; 7] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.labels",
];

/// Reduces an object to the members on its kind's list.
pub fn trimmed(kind: &str, object: &Value) -> Value {
    let mut out = Value::Object(Map::new());
    for path in METADATA.iter().chain(members(kind)) {
        let path: Vec<&str> = path.split('.').collect();
        if let Some(found) = at(object, &path) {
            merge(&mut out, found);
        }
    }
    out
}

/// Returns the value at a path, in the objects and lists around it.
fn at(value: &Value, path: &[&str]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value.clone()) };
    match value {
        Value::Array(list) => Some(Value::Array(
            list.iter().map(|one| at(one, path).unwrap_or_else(|| Map::new().into())).collect(),
        )),
        Value::Object(map) => {
            let found = at(map.get(*first)?, rest)?;
            Some(Value::Object([((*first).to_owned(), found)].into_iter().collect()))
        }
        _ => None,
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(held) => merge(held, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.iter_mut().zip(from).for_each(|(a, b)| merge(a, b)),
        (into, from) => *into = from,
    }
}

/// An archive while it is written, with one redactor for all files.
pub struct Archive<W: Write> {
    tar: tar::Builder<W>,
    redactor: Redactor,
    now_s: u64,
    files: usize,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W, now_s: u64) -> Self {
        Self { tar: tar::Builder::new(out), redactor: Redactor::default(), now_s, files: 0 }
    }

    /// Adds the objects of a kind, as JSON.
    pub fn objects(&mut self, kind: &str, objects: &[Value]) -> io::Result<()> {
        let list = objects.iter().map(|object| self.redactor.value(&trimmed(kind, object)));
        let text = serde_json::to_string_pretty(&list.collect::<Value>())?;
        self.put(&format!("objects/{kind}.json"), &text)
    }

    pub fn text(&mut self, path: &str, text: &str) -> io::Result<()> {
        let from = text.len().saturating_sub(FILE_MAX);
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let text = self.redactor.lines(&text[from..]);
        self.put(path, &text)
    }

    fn put(&mut self, path: &str, text: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.now_s);
        self.tar.append_data(&mut header, format!("purr-report/{path}"), text.as_bytes())?;
        self.files += 1;
        Ok(())
    }

    /// Number of files, after the last one.
    pub fn finish(self) -> io::Result<usize> {
        self.tar.into_inner()?.flush()?;
        Ok(self.files)
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
