//! Handlers of the public API.

pub mod admin;
pub mod auth;
pub mod fleets;
pub mod floor;
pub mod integrity;
pub mod lobby;
pub mod money;
pub mod others;
pub mod outside;
pub mod players;
pub mod rooms;
pub mod staff;
pub mod stream;
