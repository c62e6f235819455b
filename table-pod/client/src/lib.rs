//! purr-client
