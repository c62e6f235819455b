//! Shared parts of the fuzz targets: tables and commands from bytes, and random play that makes the first corpus.

mod bytes;
pub mod commands;

pub use bytes::Bytes;
