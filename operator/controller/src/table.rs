//! One table's reconcile, in steps: fetch, validate, build, decide, apply, status.
//!
//! [`validate`], [`build`], [`decide`] and [`status`] are functions of values; [`fetch`] and [`apply`] call the API
//! server and pods.

pub mod apply;
pub mod build;
pub mod decide;
pub mod failed;
pub mod fetch;
pub mod observe;
pub mod own;
pub mod reasons;
pub mod reconcile;
pub mod secret;
pub mod status;
pub mod validate;

pub use reasons::{PAUSED, QUEUED};
pub use reconcile::{ReconcileError, reconcile};
pub use validate::{AUTO, store_name};
