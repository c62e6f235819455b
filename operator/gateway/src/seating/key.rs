//! Names of fleets, as keys of the store.

use std::fmt;

/// A fleet's namespace and name in the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetKey {
    pub namespace: String,
    pub name: String,
}

impl FleetKey {
    /// `None` for a name that the Kubernetes API would refuse: the key becomes part of the store's keys.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Option<Self> {
        let (namespace, name) = (namespace.into(), name.into());
        let good = |text: &str| {
            (1..=63).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        };
        (good(&namespace) && good(&name)).then_some(Self { namespace, name })
    }
}

impl fmt::Display for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
