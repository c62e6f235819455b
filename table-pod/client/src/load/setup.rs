//! The identity of a connection of the generator.

use crate::{seat::Permits, session::Session};
use purr_protocol::{pb, permit::PermitFor};

/// The identity of a connection.
#[derive(Clone, Default)]
pub struct Setup {
    /// The source of access tokens; `None` if the server needs none.
    pub session: Option<Session>,
    /// The wallet that signs buy-ins; `None` for a spectator.
    pub permits: Option<Permits>,
    pub buy_in: u64,
    /// The rake that each permit allows.
    pub max_rake: u64,
}

impl Setup {
    pub(super) fn permit(&self, what: PermitFor, amount: u64) -> Option<pb::Permit> {
        self.permits.as_ref()?.sign(what, amount, self.max_rake).ok()
    }
}
