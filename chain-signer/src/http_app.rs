//! Shared parts of the internal API: state, access checks, bodies, and the form of errors.

use crate::{
    journal::{BadDenial, JournalError},
    service::{Service, ServiceError},
};
use axum::body::Bytes;
use purr_books::{ledger::LedgerError, request::RequestError};
use purr_protocol::Problem;
use purr_runtime::{CancellationToken, Peer, Role, problem::Answer};
use serde::de::DeserializeOwned;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn allow(peer: &Peer, roles: &[Role]) -> Result<(), Answer> {
    match &peer.role {
        Some(role) if roles.contains(role) => Ok(()),
        _ => Err(Problem::new(403, "role", "This caller may not do that").into()),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| {
        Answer(Problem::new(400, "body", "The body is not what this request takes").detail(error.to_string()))
    })
}

impl App {
    pub(crate) fn failed(&self, error: &ServiceError) -> Answer {
        let problem = problem(error);
        match error {
            ServiceError::Journal(JournalError::Request(RequestError::Refused(refusal))) => {
                self.service.metrics.refused.with_label_values(&[refusal.rule()]).inc();
            }
            ServiceError::Journal(JournalError::Request(RequestError::Conflict { uid, seq })) => {
                tracing::error!(uid, seq, "ALARM: another payload for an old number");
                self.service.metrics.conflicts.inc();
            }
            ServiceError::Journal(JournalError::Request(RequestError::Fenced { .. })) => {
                self.service.metrics.fenced.inc();
            }
            _ if problem.status >= 500 => tracing::warn!(%error, "request failed"),
            _ => {}
        }
        Answer(problem)
    }
}

/// Maps a refusal of the books to HTTP status, problem kind and title.
fn refused(error: &RequestError) -> (u16, String, &'static str) {
    use RequestError as E;
    match error {
        E::UnknownTable(_) => (404, "unknown-table".into(), "No such table"),
        E::Fenced { .. } => (409, "fenced".into(), "A higher epoch has spoken"),
        E::Conflict { .. } => (409, "conflict".into(), "Another payload for this number"),
        E::NotOpen(_) => (409, "not-open".into(), "The table is not open on chain yet"),
        E::NonceUsed(_) => (409, "nonce-used".into(), "This nonce was used before"),
        E::Frozen(_) => (409, "frozen".into(), "A deposit has vanished"),
        E::Differs(_) => (409, "differs".into(), "Ledger and chain do not agree about this"),
        E::Denied(_) => (409, "denied".into(), "This wallet is denied"),
        E::Held(_) => (409, "held".into(), "Vouchers of this wallet are held"),
        E::Gap { .. } => (422, "gap".into(), "Not the next number"),
        E::NoReservation => (422, "no-reservation".into(), "No reservation for this permit"),
        E::Insufficient(_) => (422, "insufficient-balance".into(), "The free balance is too small"),
        E::Own(_) => (422, "own-limit".into(), "A limit that this player has set forbids it"),
        E::Refused(refusal) => (422, refusal.rule().replace('_', "-"), "A rule refuses this"),
        E::Ledger(LedgerError::Range(_)) => (400, "range".into(), "A number is out of range"),
        E::Ledger(_) | E::Illegal(_) | E::Json(_) => (500, "internal".into(), "The signer failed"),
    }
}

fn problem(error: &ServiceError) -> Problem {
    use JournalError as J;
    let (status, kind, title) = match error {
        ServiceError::BadUid(_) => (400, "uid".to_owned(), "Not a table"),
        ServiceError::Unsigned(_) => (422, "unsigned".into(), "Not signed by this table"),
        ServiceError::NoVault => (503, "no-vault".into(), "No vault configured"),
        ServiceError::NoHand { .. } => (404, "no-receipt".into(), "No receipt of this hand"),
        ServiceError::NotSigned(_) => (404, "not-signed".into(), "The receipt is not signed yet"),
        ServiceError::NotReady(_) => (503, "not-ready".into(), "Not ready yet"),
        ServiceError::Token(_) => (503, "token".into(), "The token did not sign"),
        ServiceError::Outflow { .. } => (422, "outflow-limit".into(), "Beyond the vault's limits now"),
        ServiceError::Chain(_) => (503, "chain".into(), "The chain cannot be asked"),
        ServiceError::Journal(error) => match error {
            J::OtherTerms(_) => (409, "other-terms".into(), "The table was opened with other terms"),
            J::BadDenial(BadDenial::NotDenied) => (404, "not-denied".into(), "This wallet is not denied"),
            J::BadDenial(BadDenial::Full) => (409, "full".into(), "The deny list is full"),
            J::BadDenial(_) => (422, "denial".into(), "Not a denial"),
            J::BadLimit(_) => (422, "limit".into(), "Not a limit"),
            J::BadHold(_) => (422, "hold".into(), "Not a hold"),
            error if error.is_insufficient() => {
                (422, "insufficient-balance".into(), "The free balance is too small")
            }
            J::Request(error) => refused(error),
            J::Range(_) | J::Ledger(LedgerError::Range(_)) => {
                (400, "range".into(), "A number is out of range")
            }
            J::Full(_) => (503, "busy".into(), "Too many entries wait to be stored"),
            J::Sql(_) | J::Schema(_) | J::Batch(_) => {
                (503, "unavailable".into(), "The journal cannot be reached")
            }
            _ => (500, "internal".into(), "The signer failed"),
        },
    };
    let told = Problem::new(status, &kind, title);
    // The detail of an internal error only goes to the log.
    if status == 500 { told } else { told.detail(error.to_string()) }
}
