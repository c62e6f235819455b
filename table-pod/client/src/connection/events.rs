//! Server-sent events out of bytes as they come (the HTML standard, section 9.2.6). No I/O.

use bytes::{Buf, BytesMut};
use purr_protocol::MESSAGE_BYTES_MAX;
use std::collections::VecDeque;

/// Longest event: a message with its framing.
const HELD_MAX: usize = MESSAGE_BYTES_MAX + 4 * 1024;

/// One event; `name` is empty if it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub name: String,
    pub data: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EventError {
    #[error("an event of more than {HELD_MAX} bytes")]
    TooLarge,
    #[error("an event that is not UTF-8")]
    Text,
}

/// The part of an event that has arrived.
#[derive(Default)]
pub(super) struct Events {
    line: BytesMut,
    event: Event,
    has_data: bool,
    whole: VecDeque<Event>,
}

impl Events {
    /// Takes the next bytes of the answer.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), EventError> {
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line = self.line.split_to(end);
            self.line.advance(1);
            let line = std::str::from_utf8(&line).map_err(|_| EventError::Text)?;
            self.take(line.strip_suffix('\r').unwrap_or(line));
            if self.event.data.len() > HELD_MAX {
                return Err(EventError::TooLarge);
            }
        }
        if self.line.len() > HELD_MAX { Err(EventError::TooLarge) } else { Ok(()) }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.whole.pop_front()
    }

    fn take(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                self.whole.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, or a field that this protocol does not have.
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    fn all(events: &mut Events) -> Vec<Event> {
        std::iter::from_fn(|| events.next()).collect()
    }

    const TEXT: &str =
        ": hello\n\nevent: open\ndata: {\"stream\":\"ä\"}\n\ndata: a\ndata: b\r\n\r\nid: 7\n\n";

    #[test]
    fn events_are_the_same_however_their_bytes_are_split() {
        let wanted = vec![event("open", "{\"stream\":\"ä\"}"), event("", "a\nb")];
        for size in [1, 2, 3, 7, TEXT.len()] {
            let mut events = Events::default();
            TEXT.as_bytes().chunks(size).for_each(|chunk| events.feed(chunk).unwrap());
            assert_eq!(all(&mut events), wanted, "{size} at a time");
        }
    }

    #[test]
    fn an_event_that_does_not_end_is_bounded() {
        let mut events = Events::default();
        let refused = (0..=HELD_MAX).find_map(|_| events.feed(&[b'x'; 64]).err());
        assert_eq!(refused, Some(EventError::TooLarge));
        let mut events = Events::default();
        let refused = (0..=HELD_MAX).find_map(|_| events.feed(b"data: 0123456789\n").err());
        assert_eq!(refused, Some(EventError::TooLarge));
        assert_eq!(Events::default().feed(b"data: \xff\n"), Err(EventError::Text));
    }
}
