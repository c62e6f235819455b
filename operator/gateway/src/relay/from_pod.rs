//! Messages from a pod to the relay of one player.

use bytes::Bytes;
use purr_protocol::{CloseCode, Codec, pb};
use std::sync::Arc;

/// A message from the pod to one player.
#[derive(Clone, Debug)]
pub(crate) enum FromPod {
    /// The bytes of a message, and the parsed message: `None` if this release cannot parse it.
    Message(Bytes, Option<Arc<pb::ServerMessage>>),
    /// Whether the player has a seat. Comes before the first message, and after each change.
    Seat(bool),
    /// The end of the lane, with a close code if the pod sent one.
    Ended(Option<u16>, String),
}

impl FromPod {
    pub fn message(codec: Codec, bytes: Bytes) -> Self {
        let read = codec.decode_server(&bytes).ok().map(Arc::new);
        Self::Message(bytes, read)
    }

    pub fn too_slow() -> Self {
        Self::Ended(Some(CloseCode::SlowReader.code()), "too slow".into())
    }
}
