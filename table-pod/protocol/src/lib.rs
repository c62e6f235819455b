//! Messages: between player and table ([`pb`], [`Codec`], [`views`]), and the settlement
//! entries, hand records and summaries that leave a table.

#![warn(unreachable_pub)]

pub mod audit;
pub mod codec;
pub mod deal;
pub mod denial;
pub mod drain;
pub mod epoch;
#[cfg(test)]
mod examples;
pub mod fairplay;
pub mod fairplay_feed;
pub mod feed;
pub mod floor;
pub mod hand;
pub mod handover;
pub mod hands;
pub mod hold;
pub mod limits;
pub mod permit;
mod permit_version;
pub mod problem;
pub mod record;
pub mod seated;
pub mod settlement;
pub mod sign_in;
pub mod snapshot;
pub mod spec;
pub mod statistics;
pub mod summary;
pub mod text;
pub mod timing;
pub mod trunk;
pub mod uid;
pub mod views;
pub mod withdrawal;

/// The schema of players' messages, as gateways serve it.
pub const PLAYER_SCHEMA: &str = include_str!("../proto/purr/v1/player.proto");

/// The messages of `proto/purr/v1/player.proto`, with their proto3 JSON mapping.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, reason = "generated")]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/purr.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/purr.v1.serde.rs"));
}

pub use codec::{CloseCode, Codec, CodecError, MESSAGE_BYTES_MAX};
pub use epoch::Epoch;
pub use problem::Problem;
pub use spec::{ChatRule, Currency, HistoryNames, HistoryRule, RoomRules, Settlement, SpecError, TableSpec};
pub use uid::{TableUid, TableUidError};
