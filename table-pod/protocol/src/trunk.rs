//! The protocol between a gateway and a table pod: one connection for all players that the gateway has at the table.
//!
//! A connection per player would cost both sides a TLS session, a file and two buffers for each, and nine encrypted
//! writes for a message to nine players.

use crate::{CloseCode, Codec, CodecError, MESSAGE_BYTES_MAX, timing::Rtt};
use bytes::Bytes;
use prost::Message;
use purr_engine::PlayerId;

/// The messages of `proto/purr/trunk/v1/trunk.proto`.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, reason = "generated")]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/purr.trunk.v1.rs"));
}

pub use pb::{
    Cursor, Down, Encoding, End, FromTable, Gone, Open, Renew, Roster, RoundTrip, ToTable, Up, down, up,
};

/// The WebSocket subprotocol with the gateway's assertions in place of players' access tokens.
pub const ASSERTED: &str = "purr.trunk.v2";
/// The WebSocket subprotocol of releases without assertions.
pub const SUBPROTOCOL: &str = "purr.trunk.v1";
/// A frame is sent once it has this many bytes, even if more is queued.
pub const FRAME_BYTES_FULL: usize = 4 * MESSAGE_BYTES_MAX;
/// No frame of either side is larger, in bytes: a full one and one more message, with lane numbers.
pub const FRAME_BYTES_MAX: usize = FRAME_BYTES_FULL + 2 * MESSAGE_BYTES_MAX;

/// The number of one player's channel on a trunk.
pub type Lane = u64;

impl From<Codec> for Encoding {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Proto => Self::Proto,
            Codec::Json => Self::Json,
        }
    }
}

impl From<Encoding> for Codec {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Proto => Self::Proto,
            Encoding::Json => Self::Json,
        }
    }
}

impl Roster {
    /// Returns the players with a seat; entries that are no address are left out.
    pub fn players(&self) -> impl Iterator<Item = PlayerId> {
        self.players.iter().filter_map(|bytes| Some(PlayerId(bytes.as_ref().try_into().ok()?)))
    }
}

impl From<Rtt> for RoundTrip {
    fn from(rtt: Rtt) -> Self {
        match rtt {
            Rtt::Unknown => Self::Unknown,
            Rtt::Under50 => Self::Under50Ms,
            Rtt::Under150 => Self::Under150Ms,
            Rtt::Under500 => Self::Under500Ms,
            Rtt::Over => Self::Over,
        }
    }
}

impl From<RoundTrip> for Rtt {
    fn from(rtt: RoundTrip) -> Self {
        match rtt {
            RoundTrip::Unknown => Self::Unknown,
            RoundTrip::Under50Ms => Self::Under50,
            RoundTrip::Under150Ms => Self::Under150,
            RoundTrip::Under500Ms => Self::Under500,
            RoundTrip::Over => Self::Over,
        }
    }
}

impl Up {
    pub fn open(lane: Lane, codec: Codec) -> Self {
        Self::open_asserted(lane, codec, String::new())
    }

    /// Opens a lane with an assertion of the player's identity.
    pub fn open_asserted(lane: Lane, codec: Codec, assertion: String) -> Self {
        let open = Open { encoding: Encoding::from(codec).into(), assertion, ..Open::default() };
        Self { lane, body: Some(up::Body::Open(open)), ..Self::default() }
    }

    /// Adds a trace context.
    #[must_use]
    pub fn traced(mut self, traceparent: String) -> Self {
        if let Some(up::Body::Open(open)) = &mut self.body {
            open.traceparent = traceparent;
        }
        self
    }

    pub fn renew(lane: Lane, assertion: String) -> Self {
        Self { lane, body: Some(up::Body::Renew(Renew { assertion })), ..Self::default() }
    }

    pub fn message(lane: Lane, message: Bytes) -> Self {
        Self { lane, body: Some(up::Body::Message(message)), ..Self::default() }
    }

    pub fn gone(lane: Lane) -> Self {
        Self { lane, body: Some(up::Body::Gone(Gone {})), ..Self::default() }
    }

    /// Adds the class of the player's round trip.
    #[must_use]
    pub fn with_rtt(self, rtt: Rtt) -> Self {
        Self { rtt: RoundTrip::from(rtt).into(), ..self }
    }
}

impl Down {
    pub fn message(lanes: Vec<Lane>, message: Bytes) -> Self {
        Self { lanes, body: Some(down::Body::Message(message)) }
    }

    pub fn end(lanes: Vec<Lane>, code: CloseCode, reason: impl Into<String>) -> Self {
        let end = End { code: code.code().into(), reason: reason.into() };
        Self { lanes, body: Some(down::Body::End(end)) }
    }
}

/// Takes messages from the front that fit in one frame: at least one if there is any.
fn fill<M: Message>(said: &mut Vec<M>) -> Vec<M> {
    let mut size = 0;
    let full = said.iter().position(|one| {
        size += one.encoded_len();
        size >= FRAME_BYTES_FULL
    });
    let rest = said.split_off(full.map_or(said.len(), |last| last + 1));
    std::mem::replace(said, rest)
}

impl ToTable {
    /// # Errors
    /// Where it is no frame of this side.
    pub fn read(frame: Bytes) -> Result<Self, CodecError> {
        Ok(Self::decode(frame)?)
    }

    /// The next frame of the queued messages; `None` if the queue is empty.
    pub fn next_frame(said: &mut Vec<Up>) -> Option<Bytes> {
        (!said.is_empty()).then(|| Self { said: fill(said), seen: None }.encode_to_vec().into())
    }

    /// Returns the first frame of a gateway.
    pub fn seen(cursor: Cursor) -> Bytes {
        Self { said: Vec::new(), seen: Some(cursor) }.encode_to_vec().into()
    }
}

impl FromTable {
    /// # Errors
    /// Where it is no frame of this side.
    pub fn read(frame: Bytes) -> Result<Self, CodecError> {
        Ok(Self::decode(frame)?)
    }

    /// A frame with the seated players and nothing else.
    pub fn seated(players: &[PlayerId]) -> Bytes {
        let players = players.iter().map(|player| Bytes::copy_from_slice(&player.0)).collect();
        Self { said: Vec::new(), told: None, roster: Some(Roster { players }) }.encode_to_vec().into()
    }

    /// The next frame of the queued messages; `None` if the queue is empty. The first frame also carries `told`: a
    /// gateway may know a later cursor than its players have seen, but never an earlier one.
    pub fn next_frame(said: &mut Vec<Down>, told: &mut Option<Cursor>) -> Option<Bytes> {
        let frame = |said, told| Self { said, told, roster: None }.encode_to_vec().into();
        (!said.is_empty()).then(|| frame(fill(said), told.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_all_that_was_said_in_its_order_and_none_is_too_large() {
        let bytes =
            |lane: u64| Bytes::from(vec![0; if lane.is_multiple_of(3) { MESSAGE_BYTES_MAX } else { 9 }]);
        let all: Vec<Up> = (0..40).map(|lane| Up::message(lane, bytes(lane))).collect();
        let (mut said, mut heard, mut frames) = (all.clone(), Vec::new(), 0);
        while let Some(frame) = ToTable::next_frame(&mut said) {
            assert!(frame.len() <= FRAME_BYTES_MAX, "{}", frame.len());
            heard.extend(ToTable::read(frame).unwrap().said);
            frames += 1;
        }
        assert_eq!((heard, frames), (all, 4));
    }

    #[test]
    fn a_roster_carries_addresses_and_nothing_else() {
        let players = [PlayerId([1; 20]), PlayerId([2; 20])];
        let frame = FromTable::read(FromTable::seated(&players)).unwrap();
        assert!(frame.said.is_empty() && frame.told.is_none());
        assert!(frame.roster.unwrap().players().eq(players));
        let odd = Roster { players: vec![Bytes::from_static(b"short"), Bytes::copy_from_slice(&[3; 20])] };
        assert!(odd.players().eq([PlayerId([3; 20])]));
    }

    #[test]
    fn an_encoding_of_a_later_version_is_not_taken_for_another() {
        let open = Up::open(7, Codec::Json);
        assert!(
            matches!(&open.body, Some(up::Body::Open(open)) if Codec::from(open.encoding()) == Codec::Json)
        );
        assert!(Encoding::try_from(9).is_err());
    }
}
