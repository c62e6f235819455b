//! The options of namespaces, and their validation.

use clap::Args;
use std::collections::BTreeSet;

/// Namespaces that one program serves at most, by name.
const NAMESPACES_MAX: usize = 256;

/// Namespaces of PokerTables.
#[derive(Args, Clone, Debug, Default)]
pub struct NamespacesArgs {
    /// Namespaces of the tables, comma-separated. Empty and no --namespace-selector: only --namespace
    #[arg(long, env = "PURR_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Label selector of the tables' namespaces, for instance purr.poker/tables=true. Excludes --namespaces. Needs the
    /// right to list and watch Namespaces
    #[arg(long, env = "PURR_NAMESPACE_SELECTOR", default_value = "")]
    pub namespace_selector: String,
}

/// Options that have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    Named(BTreeSet<String>),
    /// Namespaces that currently have these labels.
    Selected(String),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamespacesError {
    #[error("--namespaces and --namespace-selector exclude each other")]
    Both,
    #[error(
        "--namespaces: '{0}' is no name of a namespace: lower-case letters, digits and dashes, at most 63"
    )]
    Name(String),
    #[error("--namespaces: at most {NAMESPACES_MAX}, not {0}")]
    Many(usize),
    #[error("--namespace-selector: '{0}' is no label selector")]
    Selector(String),
}

impl NamespacesArgs {
    /// Validates the options; the default is `own`.
    pub fn validate(self, own: &str) -> Result<Namespaces, NamespacesError> {
        // An empty environment variable is one empty name.
        let named: BTreeSet<String> = self
            .namespaces
            .into_iter()
            .map(|name| name.trim().to_owned())
            .filter(|n| !n.is_empty())
            .collect();
        let selector = self.namespace_selector.trim().to_owned();
        match (named.is_empty(), selector.is_empty()) {
            (false, false) => Err(NamespacesError::Both),
            (true, true) => Ok(Namespaces::Named(BTreeSet::from([own.to_owned()]))),
            (true, false) if is_selector(&selector) => Ok(Namespaces::Selected(selector)),
            (true, false) => Err(NamespacesError::Selector(selector)),
            (false, true) if named.len() > NAMESPACES_MAX => Err(NamespacesError::Many(named.len())),
            (false, true) => match named.iter().find(|name| !is_name(name)) {
                Some(bad) => Err(NamespacesError::Name(bad.clone())),
                None => Ok(Namespaces::Named(named)),
            },
        }
    }
}

/// RFC 1123.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Rejects only what can never be a selector: the API server checks the rest.
fn is_selector(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_./=!, ()".contains(c);
    text.len() <= 1_024 && text.chars().all(known) && text.chars().any(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(names: &[&str], selector: &str) -> Result<Namespaces, NamespacesError> {
        let namespaces = names.iter().map(|&name| name.to_owned()).collect();
        NamespacesArgs { namespaces, namespace_selector: selector.into() }.validate("purr")
    }

    #[test]
    fn without_options_the_own_namespace_is_served() {
        let own = Namespaces::Named(BTreeSet::from(["purr".to_owned()]));
        assert_eq!(checked(&[], ""), Ok(own.clone()));
        assert_eq!(checked(&[""], ""), Ok(own));
    }

    #[test]
    fn a_name_given_twice_counts_once_and_the_own_namespace_only_where_it_is_named() {
        let named = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(checked(&["b", "a", " b"], ""), Ok(Namespaces::Named(named)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(checked(&["a"], "b=c"), Err(NamespacesError::Both));
        for bad in ["A", "-a", "a.b", "a/b"] {
            assert_eq!(checked(&["a", bad], ""), Err(NamespacesError::Name(bad.into())), "{bad}");
        }
        let many: Vec<String> = (0..257).map(|number| format!("n{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(checked(&many, ""), Err(NamespacesError::Many(257)));
        for bad in ["a=b&limit=1", ",", "a=\"b\""] {
            assert_eq!(checked(&[], bad), Err(NamespacesError::Selector(bad.into())));
        }
        let selected = Namespaces::Selected("purr.poker/tables in (a, b),!c".into());
        assert_eq!(checked(&[], "purr.poker/tables in (a, b),!c"), Ok(selected));
    }
}
