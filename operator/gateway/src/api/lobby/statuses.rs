//! Statuses of tables, asked of the signer once each.

use crate::upstream::{Failed, Server};
use purr_protocol::settlement::{TableState, TableStatus};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

const STATUSES_MAX: usize = 20_000;

/// The signer's answers about open tables, which do not change any more.
#[derive(Default)]
pub struct Statuses(Mutex<HashMap<String, TableStatus>>);

impl Statuses {
    pub(super) async fn get(&self, signer: &Server, uid: &str) -> Result<TableStatus, Failed> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned();
        if let Some(status) = held {
            return Ok(status);
        }
        let status: TableStatus = signer.get(&format!("/v1/tables/{uid}")).await?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state == TableState::Open && held.len() < STATUSES_MAX {
            held.insert(uid.to_owned(), status.clone());
        }
        Ok(status)
    }
}
