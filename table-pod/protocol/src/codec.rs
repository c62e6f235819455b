//! Bytes on the wire.

use crate::pb::{ClientMessage, Events, ServerMessage, server_message::Body};
use bytes::Bytes;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

/// No message of either side is larger, in bytes before framing.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Number of `events` in `ServerMessage`.
const EVENTS_FIELD: u32 = 4;
/// Room for the number and the length of a field.
const FIELD_HEAD_BYTES: usize = 6;

/// How messages are written. Negotiated as the WebSocket subprotocol (RFC 6455, section 1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `purr.v1.proto`, in binary frames.
    Proto,
    /// `purr.v1.json`, in text frames.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("a message of {size} bytes: at most {MESSAGE_BYTES_MAX}")]
    TooLarge { size: usize },
    #[error("not a message of the schema: {0}")]
    Proto(#[from] prost::DecodeError),
    #[error("not a message of the schema: {0}")]
    Json(#[from] serde_json::Error),
}

impl Codec {
    /// Codecs that a client may ask for, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Proto, Self::Json];

    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Proto => "purr.v1.proto",
            Self::Json => "purr.v1.json",
        }
    }

    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.subprotocol() == name)
    }

    /// Whether the message goes in a text frame.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }

    pub fn encode_server(self, message: &ServerMessage) -> Result<Bytes, CodecError> {
        self.encode(message)
    }

    /// A message whose body is an `Events` message that is written as [`Self::Proto`] writes it: for that codec it stays
    /// as it is.
    ///
    /// # Errors
    /// What is no `Events` message, for another codec.
    pub fn encode_events(self, epoch: u64, offset: u64, events: &[u8]) -> Result<Bytes, CodecError> {
        match self {
            Self::Proto => {
                let head = ServerMessage { epoch, offset, body: None };
                let mut bytes = Vec::with_capacity(head.encoded_len() + FIELD_HEAD_BYTES + events.len());
                head.encode_raw(&mut bytes);
                encode_key(EVENTS_FIELD, WireType::LengthDelimited, &mut bytes);
                encode_varint(events.len() as u64, &mut bytes);
                bytes.extend_from_slice(events);
                Ok(bytes.into())
            }
            Self::Json => {
                let body = Some(Body::Events(Events::decode(events)?));
                self.encode_server(&ServerMessage { epoch, offset, body })
            }
        }
    }

    pub fn encode_client(self, message: &ClientMessage) -> Result<Bytes, CodecError> {
        self.encode(message)
    }

    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerMessage, CodecError> {
        self.decode(bytes)
    }

    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientMessage, CodecError> {
        self.decode(bytes)
    }

    fn encode<M: Message + serde::Serialize>(self, message: &M) -> Result<Bytes, CodecError> {
        Ok(match self {
            Self::Proto => Bytes::from(message.encode_to_vec()),
            Self::Json => Bytes::from(serde_json::to_vec(message)?),
        })
    }

    fn decode<M: Message + Default + serde::de::DeserializeOwned>(
        self,
        bytes: &[u8],
    ) -> Result<M, CodecError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(CodecError::TooLarge { size: bytes.len() });
        }
        Ok(match self {
            Self::Proto => M::decode(bytes)?,
            Self::Json => serde_json::from_slice(bytes)?,
        })
    }
}

/// WebSocket close codes; those from 4000 on are this protocol's own (RFC 6455, section 7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    Normal,
    /// The server is going away for a planned reason: reconnect.
    GoingAway,
    /// The client broke the protocol.
    Protocol,
    /// A text message was not UTF-8.
    NotText,
    /// A message was too large.
    TooBig,
    /// The server cannot continue at the moment: reconnect.
    TryAgain,
    /// Another connection of the same player has taken the seat over. Do not reconnect automatically.
    Replaced,
    /// The token ran out and was not renewed in time.
    TokenExpired,
    /// The session was ended by logout or by an administrator. Do not reconnect automatically.
    Revoked,
    /// The client reads too slowly.
    SlowReader,
    /// The table does not exist.
    NoSuchTable,
    /// There are too many spectators: reconnect later.
    Crowded,
}

impl CloseCode {
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::NotText,
        Self::TooBig,
        Self::TryAgain,
        Self::Replaced,
        Self::TokenExpired,
        Self::Revoked,
        Self::SlowReader,
        Self::NoSuchTable,
        Self::Crowded,
    ];

    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::NotText => 1007,
            Self::TooBig => 1009,
            Self::TryAgain => 1013,
            Self::Replaced => 4001,
            Self::TokenExpired => 4002,
            Self::Revoked => 4003,
            Self::SlowReader => 4004,
            Self::NoSuchTable => 4005,
            Self::Crowded => 4006,
        }
    }

    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|close| close.code() == code)
    }

    /// Whether a client should connect again by itself.
    pub const fn reconnect(self) -> bool {
        matches!(
            self,
            Self::GoingAway | Self::TryAgain | Self::TokenExpired | Self::SlowReader | Self::Crowded
        )
    }
}

/// Reason of [`CloseCode::Replaced`]: the id of the attach that took over. A gateway can hold a connection open that
/// its player has long given up, and attach to a new pod with it after the player's next one. A client that was
/// replaced by an attach of its own reconnects, which ends the stale connection.
pub mod replaced {
    const BY: &str = "taken over by ";

    pub fn reason(id: u64) -> String {
        format!("{BY}{id}")
    }

    /// The id of the attach that took over.
    pub fn by(reason: &str) -> Option<u64> {
        reason.strip_prefix(BY)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::{Act, ActionKind, client_message::Body};

    #[test]
    fn both_codecs_carry_the_same_message() {
        let act = Act { hand: 9, kind: ActionKind::RaiseTo.into(), amount: u64::MAX, question: None };
        let message = ClientMessage { id: 3, body: Some(Body::Act(act)) };
        for codec in Codec::ALL {
            let bytes = codec.encode_client(&message).unwrap();
            assert_eq!(codec.decode_client(&bytes).unwrap(), message);
        }
        let json = Codec::Json.encode_client(&message).unwrap();
        assert!(std::str::from_utf8(&json).unwrap().contains("ACTION_KIND_RAISE_TO"));
    }

    #[test]
    fn events_that_are_written_already_are_the_message_that_they_would_be() {
        use crate::pb::{Event, TurnStarted, event::Kind, server_message::Body};
        let turn = |seat| Event { kind: Some(Kind::Turn(TurnStarted { seat, ..TurnStarted::default() })) };
        for (epoch, offset, count) in [(0, 0, 0), (1, 0, 1), (1 << 40, 300, 2), (u64::MAX, u64::MAX, 900)] {
            let events = Events { events: (0..count).map(turn).collect() };
            let written = events.encode_to_vec();
            let message = ServerMessage { epoch, offset, body: Some(Body::Events(events)) };
            for codec in Codec::ALL {
                let bytes = codec.encode_events(epoch, offset, &written).unwrap();
                assert_eq!(bytes, codec.encode_server(&message).unwrap(), "{codec:?}, {count}");
            }
        }
        assert!(Codec::Json.encode_events(1, 1, &[0xff]).is_err());
    }

    #[test]
    fn a_reason_names_the_attach_that_took_over_and_fits_a_close_frame() {
        let longest = replaced::reason(u64::MAX);
        assert_eq!(replaced::by(&longest), Some(u64::MAX));
        // The part of a reason that `purr_runtime::ws` keeps.
        assert!(longest.len() <= 40);
        assert_eq!(replaced::by("another connection took over"), None);
    }

    #[test]
    fn unknown_fields_are_tolerated_in_binary() {
        let mut bytes = Codec::Proto.encode_client(&ClientMessage { id: 3, body: None }).unwrap().to_vec();
        bytes.extend([0xfa, 0x3f, 0x01, 0x00]); // field 1023, one byte
        assert_eq!(Codec::Proto.decode_client(&bytes).unwrap().id, 3);
    }

    #[test]
    fn unknown_fields_are_tolerated_in_json() {
        let text = br#"{"id":"3","sooner":{"a":[1]},"sit":{"seat":1,"amount":"5","colour":"red"}}"#;
        let message = Codec::Json.decode_client(text).unwrap();
        let Some(Body::Sit(sit)) = message.body else { panic!("{message:?}") };
        assert_eq!((message.id, sit.seat, sit.amount), (3, 1, 5));
    }

    #[test]
    fn an_oversized_message_is_refused_before_it_is_read() {
        let error = Codec::Json.decode_client(&vec![b' '; MESSAGE_BYTES_MAX + 1]).unwrap_err();
        assert!(matches!(error, CodecError::TooLarge { .. }));
    }
}
