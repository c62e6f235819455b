//! Roles beyond that of a player: a file by wallet address, written by the operator.

use arc_swap::ArcSwap;
use purr_engine::PlayerId;
use purr_runtime::token::UserRole;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not JSON of roles by address: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path}: '{address}' is not an address")]
    Address { path: PathBuf, address: String },
}

type ByPlayer = HashMap<PlayerId, Vec<UserRole>>;

#[derive(Default)]
pub struct Roles {
    path: Option<PathBuf>,
    by_player: ArcSwap<ByPlayer>,
}

impl Roles {
    /// Loads the file. Without a file all wallets are players only.
    pub fn load(path: Option<&Path>) -> Result<Self, RolesError> {
        let roles = Self { path: path.map(Path::to_owned), by_player: ArcSwap::default() };
        roles.reload()?;
        Ok(roles)
    }

    /// Reads the file again; it applies from the next token on.
    pub fn reload(&self) -> Result<(), RolesError> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| RolesError::Read { path: path.clone(), source })?;
        self.by_player.store(parse(path, &text)?.into());
        Ok(())
    }

    /// The roles of a wallet; each has the role of a player.
    pub fn of(&self, player: PlayerId) -> Vec<UserRole> {
        let mut roles = vec![UserRole::Player];
        let more = self.by_player.load();
        roles.extend(more.get(&player).into_iter().flatten().filter(|role| **role != UserRole::Player));
        roles
    }
}

fn parse(path: &Path, text: &str) -> Result<ByPlayer, RolesError> {
    let by_text: HashMap<String, Vec<UserRole>> =
        serde_json::from_str(text).map_err(|source| RolesError::Json { path: path.to_owned(), source })?;
    let address =
        |text: String| text.parse().map_err(|_| RolesError::Address { path: path.to_owned(), address: text });
    by_text.into_iter().map(|(text, roles)| Ok((address(text)?, roles))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_same_in_any_case() {
        let text = format!(r#"{{"0x{}": ["auditor", "player"]}}"#, "aB".repeat(20));
        let roles =
            Roles { path: None, by_player: ArcSwap::from_pointee(parse(Path::new("x"), &text).unwrap()) };
        assert_eq!(roles.of(PlayerId([0xab; 20])), [UserRole::Player, UserRole::Auditor]);
        assert_eq!(roles.of(PlayerId([1; 20])), [UserRole::Player]);
    }

    #[test]
    fn what_is_no_role_or_address_is_named() {
        let error = |text| parse(Path::new("roles.json"), text).unwrap_err().to_string();
        assert!(error(r#"{"0x00": ["admin"]}"#).contains("'0x00'"));
        assert!(error(r#"{"0x00": ["king"]}"#).contains("king"));
    }
}
