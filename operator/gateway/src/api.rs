//! What the public API answers.

pub mod auth;
pub mod lobby;
pub mod money;
