//! purr-controller
