//! One table's reconcile, in steps: fetch, validate, build, decide, apply, status.
//!
//! [`validate`], [`build`], [`decide`] and [`status`] are functions of values; [`fetch`] and
//! [`apply`] speak to the API server and to pods.

pub mod apply;
pub mod build;
pub mod decide;
pub mod fetch;
pub mod observe;
pub mod own;
pub mod reconcile;
pub mod secret;
pub mod status;
pub mod validate;

pub use reconcile::{ReconcileError, reconcile};
pub use status::{PAUSED, QUEUED};
pub use validate::{AUTO, store_name};
