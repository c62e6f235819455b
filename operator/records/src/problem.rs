//! Problems that requests of the internal API are answered with.

use crate::database::DatabaseError;
use purr_protocol::Problem;
use purr_runtime::problem::Answer;

/// 400: a request with something in it that this release does not take.
pub(crate) fn bad(detail: impl Into<String>) -> Answer {
    Problem::new(400, "bad-request", "The request is malformed").detail(detail).into()
}

impl From<DatabaseError> for Answer {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "a request failed");
        match error {
            DatabaseError::Expired { .. } => {
                Problem::new(410, "expired", "The record of this hand is no longer kept").into()
            }
            DatabaseError::Corrupt { .. } => Problem::new(500, "corrupt", "The record cannot be read").into(),
            _ => Problem::new(503, "unavailable", "The hand history is not available now").into(),
        }
    }
}
