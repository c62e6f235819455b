//! purr-store
