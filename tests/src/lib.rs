//! purr-tests
