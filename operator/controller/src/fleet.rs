//! One fleet's reconcile, in steps: observe, decide, apply, status.
//!
//! [`decide`] is a function of what was observed and of what this process remembers; [`reconcile`] speaks to the API
//! server. A step is remembered as an expectation before it is written, so that a watch that is behind never makes the
//! same step twice.

pub mod apply;
pub mod decide;
pub mod demand;
pub mod expect;
pub mod observe;
pub mod reconcile;
pub mod revision;
pub mod rollout;
pub mod status;
pub mod wake;

/// On tables and their pods: the name of the fleet.
pub const LABEL_FLEET: &str = "purr.poker/fleet";
/// On tables: why the fleet has closed the table.
pub const ANNOTATION_CLOSED_FOR: &str = "purr.poker/closed-for";
/// On tables: `fleet` where the fleet's template has paused the table, not a person.
pub const ANNOTATION_PAUSED_BY: &str = "purr.poker/paused-by";
