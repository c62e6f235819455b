//! purr-protocol
