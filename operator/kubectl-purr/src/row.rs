//! One row of a table on the terminal, or of its JSON.

use serde::{Serialize, Serializer, ser::SerializeMap};

/// Named values in the order of their columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<(&'static str, String)>);

impl Row {
    pub fn new<const N: usize>(values: [(&'static str, String); N]) -> Self {
        Self(values.into())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
