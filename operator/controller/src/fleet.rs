//! One fleet's reconcile, in steps: observe, decide, apply, status.
//!
//! [`decide`] is a function of the observed state and of what this process remembers; [`reconcile`] calls the API
//! server. Each step is recorded as an expectation before it is written, so a watch cache that lags behind never causes
//! the same step twice.

pub mod apply;
pub mod decide;
pub mod demand;
pub mod expect;
pub mod fleets;
pub mod observe;
pub mod reconcile;
pub mod revision;
pub mod rollout;
pub mod status;
pub mod step;
pub mod wake;

/// Label of tables and their pods: the name of the fleet.
pub const LABEL_FLEET: &str = "purr.poker/fleet";
/// Annotation of tables: why the fleet has closed the table.
pub const ANNOTATION_CLOSED_FOR: &str = "purr.poker/closed-for";
/// Annotation of tables: `fleet` if the fleet's template has paused the table rather than a person.
pub const ANNOTATION_PAUSED_BY: &str = "purr.poker/paused-by";
