//! Steps that did not happen.

/// A failed step, as the table's conditions report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub reason: &'static str,
    pub message: String,
    /// Waiting alone does not help, so the conditions report the failure at once rather than after several attempts.
    pub lasts: bool,
}
