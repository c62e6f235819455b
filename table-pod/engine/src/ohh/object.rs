//! An object whose fields are taken one by one, each by the type that the specification gives it.

use super::OhhError;
use crate::{
    card::Card,
    phh::{Amount, Value},
};

pub(super) struct Object {
    /// Path of the object, as in `rounds[1].actions[3]`; empty for the hand itself.
    path: String,
    entries: Vec<(String, Value)>,
}

impl Object {
    pub(super) fn new(path: String, value: Value) -> Result<Self, OhhError> {
        match value {
            Value::Table(entries) => Ok(Self { path, entries }),
            other => Err(OhhError::Field {
                field: path,
                problem: format!("want an object, found {}", other.kind()),
            }),
        }
    }

    /// Returns the rest: fields that nothing here knows.
    pub(super) fn rest(self) -> Vec<(String, Value)> {
        self.entries
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>) -> OhhError {
        OhhError::Field { field: self.path(name), problem: problem.into() }
    }

    /// Takes a field; a null field counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.entries.remove(at);
        if value == Value::Null { None } else { Some(value) }
    }

    pub(super) fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, OhhError> {
        value.ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, OhhError> {
        match self.take(name) {
            None => Ok(None),
            // Some writers leave out the quotes of identifiers.
            Some(Value::Text(text) | Value::Number(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, format!("want a string, found {}", other.kind()))),
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, OhhError> {
        match self.take(name) {
            None => Ok(None),
            // The specification's own example has "table_size": "6".
            Some(Value::Number(text) | Value::Text(text)) => {
                let whole = text.strip_suffix(".0").unwrap_or(&text);
                whole.parse().map(Some).map_err(|_| self.wrong(name, format!("'{text}' is no integer")))
            }
            Some(other) => Err(self.wrong(name, format!("want an integer, found {}", other.kind()))),
        }
    }

    pub(super) fn amount(&mut self, name: &str) -> Result<Option<Amount>, OhhError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(text)) => {
                text.parse().map(Some).map_err(|error| self.wrong(name, format!("{error}")))
            }
            Some(other) => Err(self.wrong(name, format!("want an amount, found {}", other.kind()))),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, OhhError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong(name, format!("want a boolean, found {}", other.kind()))),
        }
    }

    /// A list; one that is not there is empty, and so is an empty string, which some write for it.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, OhhError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::List(values)) => Ok(values),
            Some(Value::Text(text)) if text.is_empty() => Ok(Vec::new()),
            Some(other) => Err(self.wrong(name, format!("want an array, found {}", other.kind()))),
        }
    }

    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Self>, OhhError> {
        let path = self.path(name);
        let values = self.list(name)?.into_iter().enumerate();
        values.map(|(place, value)| Self::new(format!("{path}[{place}]"), value)).collect()
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, OhhError> {
        let text = |value: Value| match value {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong(name, format!("want strings, found {}", other.kind()))),
        };
        // In a block, so that the closure's borrow ends before the list is taken.
        let values = {
            let at = self.entries.iter().position(|(known, _)| known == name);
            match at.map(|at| &self.entries[at].1) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::List(values)) => values.clone(),
                Some(Value::Text(text)) if text.is_empty() => Vec::new(),
                Some(other) => {
                    return Err(self.wrong(name, format!("want an array, found {}", other.kind())));
                }
            }
        };
        let texts = values.into_iter().map(text).collect::<Result<Vec<String>, OhhError>>()?;
        self.entries.retain(|(known, _)| known != name);
        Ok(texts)
    }

    /// A list of cards; an unknown card is `None`.
    pub(super) fn cards(&mut self, name: &str) -> Result<Vec<Option<Card>>, OhhError> {
        let texts = self.texts(name)?;
        let card = |text: String| match text.as_str() {
            "" | "?" | "??" | "X" | "Xx" | "xx" => Ok(None),
            known => known.parse().map(Some).map_err(|error| self.wrong(name, format!("{error}"))),
        };
        texts.into_iter().map(card).collect()
    }
}
