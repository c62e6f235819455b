//! purr-gateway
