//! Taking and leaving a seat: permits, retries, and waiting for the chain.

use crate::{
    api::ApiError,
    link::Refused,
    session::Session,
    view::View,
    wallet::{PermitTerms, Vault, WalletError, parse_table_id, random_nonce},
};
use purr_engine::{Chips, SeatIndex};
use purr_protocol::{
    pb::{self, ErrorCode},
    permit::PermitFor,
    settlement::Permit,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a permit may be used.
const PERMIT_LIFE: Duration = Duration::from_secs(3600);

#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error("the table is not open for buy-ins yet")]
    NotOpen,
}

/// The signer of permits for one table.
#[derive(Clone, Debug)]
pub struct Permits {
    session: Session,
    vault: Vault,
    table_id: [u8; 32],
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.wallet().address())
    }
}

impl Permits {
    /// Asks the gateway which contract and which of its tables this is.
    ///
    /// # Errors
    /// [`SeatError::NotOpen`] until the signer knows the table: ask again.
    pub async fn of_table(session: &Session, uid: &str) -> Result<Self, SeatError> {
        let config = session.api().config().await?;
        let table = session.api().table(uid).await?;
        if table.table_id.is_empty() {
            return Err(SeatError::NotOpen);
        }
        Ok(Self::new(session.clone(), Vault::from_config(&config)?, parse_table_id(&table.table_id)?))
    }

    pub fn new(session: Session, vault: Vault, table_id: [u8; 32]) -> Self {
        Self { session, vault, table_id }
    }

    /// A permit for this amount, of which so much may become rake.
    pub fn sign(
        &self,
        what: PermitFor,
        amount: Chips,
        max_total_rake: Chips,
    ) -> Result<pb::Permit, WalletError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let terms = PermitTerms {
            amount,
            max_total_rake,
            expiry_s: (now + PERMIT_LIFE).as_secs(),
            nonce: random_nonce()?,
        };
        let permit = self.session.wallet().permit(&self.vault, &self.table_id, what, &terms)?;
        Ok(to_message(&permit))
    }
}

fn to_message(permit: &Permit) -> pb::Permit {
    pb::Permit {
        amount: permit.amount,
        max_total_rake: permit.max_total_rake,
        expiry_s: permit.expiry_s,
        nonce: permit.nonce,
        signature: hex::decode(permit.signature.trim_start_matches("0x")).unwrap_or_default(),
    }
}

/// The seat to ask for: the wanted one, otherwise a free one. Players who arrive together start at different seats, and
/// try the next one after each refusal.
pub fn pick(view: &View, wanted: Option<SeatIndex>, refused: usize) -> Option<SeatIndex> {
    if wanted.is_some() {
        return wanted;
    }
    let free = view.free_seats();
    let first = usize::from(view.own().0[19]);
    free.get((first + refused) % free.len().max(1)).copied()
}

/// Whether another attempt, possibly for another seat, may succeed.
pub fn may_help(refused: &Refused) -> bool {
    !matches!(
        refused.code,
        ErrorCode::Amount | ErrorCode::Malformed | ErrorCode::Unauthorized | ErrorCode::Permit
    )
}
