//! What the fuzz targets share: tables and commands from bytes, and random play that makes the first corpus.

mod bytes;
pub mod commands;

pub use bytes::Bytes;
