//! Reads PHH files with the toml crate: slower than the parser for the usual form, but it accepts all of TOML.

use super::{PhhError, draft::Draft, value::Value};
use toml::{Spanned, de::DeTable, de::DeValue};

/// Reads all hands of a file: its tables, or itself where it has any other field.
pub(super) fn hands(text: &str) -> Result<Vec<Draft>, PhhError> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| Lines::of(text).at(span.start));
        PhhError::Syntax { line, problem: error.message().into() }
    })?;
    let (root, lines) = (table.into_inner(), Lines::of(text));
    let collection = root.iter().all(|(_, value)| matches!(value.get_ref(), DeValue::Table(_)));
    if !collection {
        return Ok(vec![hand("", &root, &lines)]);
    }
    let mut hands: Vec<Draft> = root
        .iter()
        .filter_map(|(name, value)| match value.get_ref() {
            DeValue::Table(fields) => {
                let mut draft = hand(name.get_ref(), fields, &lines);
                draft.line = lines.at(name.span().start);
                Some(draft)
            }
            _ => None,
        })
        .collect();
    // The crate sorts by name.
    hands.sort_by_key(|hand| hand.line);
    Ok(hands)
}

fn hand(name: &str, table: &DeTable<'_>, lines: &Lines) -> Draft {
    let mut fields: Vec<(usize, &str, &Spanned<DeValue<'_>>)> =
        table.iter().map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value)).collect();
    fields.sort_by_key(|(start, ..)| *start);
    let first = fields.first().map_or(0, |(start, ..)| *start);
    let mut draft = Draft::new(name, lines.at(first));
    for (start, key, value) in fields {
        draft.begin(key);
        let line = lines.at(start);
        match read(value.get_ref()) {
            Ok(value) => draft.set(key, value, line),
            Err(error) => draft.fail(line, key, error.to_string()),
        }
    }
    draft
}

/// The documents of the crate hold numbers unread.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a number")]
struct NotANumber(String);

/// # Errors
/// Names the first number in the value that is none.
fn read(value: &DeValue<'_>) -> Result<Value, NotANumber> {
    Ok(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            Value::Number(value.map_err(|_| NotANumber(number.to_string()))?.to_string())
        }
        DeValue::Float(number) => {
            let text = number.as_str();
            let value: f64 = text.parse().map_err(|_| NotANumber(text.to_owned()))?;
            if value.is_infinite() && !text.ends_with("inf") {
                return Err(NotANumber(text.into()));
            }
            Value::Number(text.into())
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
        DeValue::Array(values) => {
            Value::List(values.iter().map(|value| read(value.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Ok((key.to_string(), read(value.get_ref())?))
            };
            Value::Table(entries.into_iter().map(entry).collect::<Result<_, NotANumber>>()?)
        }
    })
}

/// Offsets of line ends, in bytes.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of this byte, from 1.
    fn at(&self, byte: usize) -> usize {
        1 + self.0.partition_point(|end| *end < byte)
    }
}
