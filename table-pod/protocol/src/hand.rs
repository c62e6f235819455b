//! A hand as players read it: what everybody at the table could see, as JSON, PHH, Open Hand History or text.
//!
//! Records and the table by itself (`purr-solo`) both answer with [`render`].

use crate::{
    record::{HandRecord, Place},
    text::{self, Money, TextError},
};
use purr_engine::{
    HandEnd,
    deal::{Commitment, Opening, Reveal},
    history::HandHistory,
    ohh::{Context, Ohh},
    phh::PhhError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Play money, as the Open Hand History names it (since version 1.4.6 of its specification).
const PLAY_MONEY: &str = "XPM";
/// Currencies that are pegged to one that the format knows: they are written as that one.
const PEGGED: [(&str, &str); 8] = [
    ("USDC", "USD"),
    ("USDT", "USD"),
    ("DAI", "USD"),
    ("PYUSD", "USD"),
    ("EURC", "EUR"),
    ("CHIPS", PLAY_MONEY),
    ("PLAY", PLAY_MONEY),
    ("", PLAY_MONEY),
];

/// The chain's decision about one record of a hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The hand is not final yet, or its outcome is unknown.
    #[default]
    Pending,
    /// Settled with this record.
    Final,
    /// The hand is settled by another record.
    Replaced,
    /// The hand will never settle.
    Void,
}

/// A hand's public part, and how it is stored.
pub struct Stored {
    pub hash: String,
    /// Milliseconds since 1970.
    pub ended_at_ms: i64,
    pub hashes: Vec<String>,
    pub standing: Standing,
    /// The signer has it with this record.
    pub confirmed: bool,
    pub pseudonymous: bool,
    pub record: HandRecord,
}

/// One hand in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hand {
    pub table: String,
    pub epoch: u64,
    /// SHA-256 of the whole record, hex: what the settlement on chain commits to.
    pub hash: String,
    /// Milliseconds since 1970.
    pub ended_at_ms: i64,
    /// There is another record of this hand.
    pub conflict: bool,
    /// Hashes of all records of this hand, the first one first.
    pub hashes: Vec<String>,
    /// The chain's decision about this record.
    #[serde(default)]
    pub standing: Standing,
    /// The chain-signer has the hand with this record, of the table's own certificate. Until then anybody with the tables'
    /// password of the store may have written the record.
    #[serde(default)]
    pub confirmed: bool,
    /// Players stand under names that differ from table to table, not with their addresses.
    #[serde(default)]
    pub pseudonymous: bool,
    /// Seats, rules and every event that all could see.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub history: HandHistory,
    /// How the hand ended: results, rake, and whether all bets went back.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub end: HandEnd,
    /// Root of the Merkle tree over the shuffled deck, hex.
    pub root: String,
    /// Players' commitments to entropy.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub commitments: Vec<Commitment>,
    /// The entropy behind the commitments, where players have revealed it.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub reveals: Vec<Reveal>,
    /// Cards that all have seen, each with its proof.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub openings: Vec<(u8, Opening)>,
    /// The table's name, its currency, and when the hand began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub place: Option<Place>,
}

impl From<Stored> for Hand {
    fn from(stored: Stored) -> Self {
        let Stored { hash, ended_at_ms, hashes, standing, confirmed, pseudonymous, record } = stored;
        // Every field by name: a new one does not compile until somebody has decided who may see it.
        // What is sealed to an auditor stays here too: a stolen key must not open what everybody has.
        let HandRecord {
            version: _,
            table,
            epoch,
            history,
            end,
            root,
            commitments,
            reveals,
            openings,
            sealed: _,
            audit: _,
            fair_play: _,
            // How far away the others were is nobody's business.
            timings: _,
            shown: _,
            place,
        } = record;
        let conflict = hashes.len() > 1;
        Self {
            table,
            epoch,
            hash,
            ended_at_ms,
            conflict,
            hashes,
            standing,
            confirmed,
            pseudonymous,
            history,
            end,
            root,
            commitments,
            reveals,
            openings,
            place,
        }
    }
}

// The query of a hand. No doc comment: it would be in the API document of every program that has the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct HandQuery {
    #[serde(default)]
    pub format: Format,
}

/// How a hand is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Json,
    /// Poker Hand History (TOML), amounts in minor units.
    Phh,
    /// Open Hand History (JSON), amounts in the currency.
    Ohh,
    /// Plain text in the layout that trackers read, amounts in the currency.
    Text,
}

impl Format {
    /// The one list: gateway, records and page follow it.
    pub const ALL: [Self; 4] = [Self::Json, Self::Phh, Self::Ohh, Self::Text];

    /// The name in a query.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Phh => "phh",
            Self::Ohh => "ohh",
            Self::Text => "text",
        }
    }

    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Phh => "PHH",
            Self::Ohh => "Open Hand History",
            Self::Text => "Text for trackers",
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Ohh => "application/json",
            Self::Phh => "application/toml",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// Returns the extension of a file in this format.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Phh => "phh",
            Self::Ohh => "ohh",
            Self::Text => "txt",
        }
    }
}

/// The site that hands are attributed to, and the currency of records without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub network: String,
    pub unit: String,
    pub decimals: u8,
}

/// A hand's text and its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub content_type: &'static str,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the hand as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the hand as PHH: {0}")]
    Phh(#[from] PhhError),
    #[error("the hand as text: {0}")]
    Text(#[from] TextError),
}

/// Writes a hand down.
///
/// # Errors
/// Where the hand has no form in the format.
pub fn render(stored: Stored, format: Format, site: &Site) -> Result<Rendered, RenderError> {
    let text = match format {
        Format::Json => serde_json::to_string(&Hand::from(stored))?,
        Format::Phh => stored.record.history.to_phh()?,
        Format::Ohh => Ohh::from_history(&stored.record.history, &context(&stored, site)).to_string(),
        Format::Text => {
            let place = stored.record.place.as_ref();
            let (unit, decimals) =
                place.map_or((&site.unit, site.decimals), |place| (&place.unit, place.decimals));
            let ended = u64::try_from(stored.ended_at_ms).unwrap_or(0);
            let started = place.and_then(|place| place.started_at_ms).unwrap_or(ended);
            text::text(&stored.record, &stored.hash, Money { code: currency(unit), decimals }, started)?
        }
    };
    Ok(Rendered { content_type: format.content_type(), text })
}

/// Returns the context that the Open Hand History wants. Older records have no start: their hands' ends stand for it.
pub fn context(stored: &Stored, site: &Site) -> Context {
    let place = stored.record.place.as_ref();
    let ended = u64::try_from(stored.ended_at_ms).unwrap_or(0);
    let start = place.and_then(|place| place.started_at_ms).unwrap_or(ended);
    let (unit, decimals) = place.map_or((&site.unit, site.decimals), |place| (&place.unit, place.decimals));
    Context {
        site_name: site.name.clone(),
        network_name: site.network.clone(),
        table_name: place.map_or_else(|| stored.record.table.clone(), |place| place.table_name.clone()),
        currency: currency(unit),
        start_date_utc: utc(start),
        decimals,
        names: Vec::new(),
        observed: true,
    }
}

/// The format's three letters for a currency: ISO 4217, or `XPM` for play money. A token that is pegged to a currency
/// is written as that currency; any other keeps its own name.
pub fn currency(unit: &str) -> String {
    let upper = unit.trim().to_ascii_uppercase();
    let known = PEGGED.iter().find(|(name, _)| *name == upper);
    known.map_or(upper, |(_, code)| (*code).to_owned())
}

/// `yyyy-mm-ddThh:mm:ssZ` (RFC 3339, section 5.8), to the second as the format has it.
fn utc(ms: u64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pegged_token_is_told_as_its_currency_and_chips_as_play_money() {
        for (unit, code) in [
            ("USDC", "USD"),
            ("usdt", "USD"),
            ("EURC", "EUR"),
            ("chips", "XPM"),
            ("PLAY", "XPM"),
            ("", "XPM"),
            ("EUR", "EUR"),
            ("WETH", "WETH"),
        ] {
            assert_eq!(currency(unit), code, "{unit}");
        }
    }

    #[test]
    fn times_are_utc_to_the_second() {
        assert_eq!(utc(1_586_269_970_999).as_deref(), Some("2020-04-07T14:32:50Z"));
        assert_eq!(utc(u64::MAX), None);
    }
}
