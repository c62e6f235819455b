//! purr-crds
