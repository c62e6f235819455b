//! purr-runtime
