//! purr-engine
