//! Turns a PokerTable and the fleet's defaults into the table's spec for its pod.

use crate::{
    allowed::NotAllowed,
    defaults::{Defaults, StoreGroup},
};
use purr_crds::{AntePayer, Bound, Chat, HandHistory, PokerTable, PokerTableSpec};
use purr_engine::{Ante, Betting, ClockConfig, HouseRules, RakeCap, RakeConfig, TableConfig};
use purr_protocol::{
    ChatRule, Currency, HistoryNames, HistoryRule, RoomRules, Settlement, SpecError, TableSpec,
};

/// Default maximum of a time bank, in seconds.
const TIME_BANK_MAX_S: i32 = 120;
/// Default of the longest wait for a lost connection, in seconds (as on PokerStars).
const DISCONNECT_MAX_S: i32 = 240;
/// A player who left with more than the maximum must bring it back within this time.
const RAT_HOLE_MS: u64 = 3_600_000;

/// A table that can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Valid {
    /// `paused` is not of interest here: it changes while the pod runs.
    pub spec: TableSpec,
    pub store: StoreGroup,
    /// Its name in the fleet's configuration.
    pub store_name: String,
    pub bound: Bound,
}

/// Value of `spec.store` that lets the controller choose the group ([`crate::placement`]).
pub const AUTO: &str = "auto";

/// The group that a table is in or will start in; `None` until one is chosen.
pub fn store_name(table: &PokerTable) -> Option<&str> {
    let held = table.status.as_ref().and_then(|status| status.store.as_deref());
    held.or_else(|| (table.spec.store != AUTO).then_some(table.spec.store.as_str()))
}

/// Why no pod is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("spec: {0}")]
    Spec(#[from] SpecError),
    #[error("spec.{field}: {value} is out of range")]
    Range { field: &'static str, value: i64 },
    #[error("spec.store: the fleet's configuration has no store group '{0}'")]
    UnknownStore(String),
    #[error("spec.settlement.vault is left out and the fleet's configuration has no vault yet")]
    NoVault,
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

impl Invalid {
    /// Of the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Spec(_) | Self::Range { .. } => "InvalidSpec",
            Self::UnknownStore(_) => "UnknownStore",
            Self::NoVault => "NoVault",
            Self::NotAllowed(refused) => refused.reason(),
        }
    }
}

pub fn validate(table: &PokerTable, fleet: &Defaults) -> Result<Valid, Invalid> {
    let spec = &table.spec;
    fleet.allowed.check(&spec.pod, &fleet.image)?;
    let bound = bound(table, fleet)?;
    let store_name = store_name(table).unwrap_or(AUTO).to_owned();
    let store =
        fleet.stores.get(&store_name).ok_or_else(|| Invalid::UnknownStore(store_name.clone()))?.clone();
    let spec = TableSpec {
        name: table.metadata.name.clone().unwrap_or_default(),
        engine: engine(spec)?,
        currency: Currency {
            token: bound.token.clone(),
            decimals: number("currency.decimals", bound.decimals.into())?,
            unit: bound.unit.clone(),
        },
        settlement: Settlement {
            vault: bound.vault.clone(),
            chain_id: number("settlement.chainId", bound.chain_id)?,
            max_hands: number("settlement.maxHands", spec.settlement.max_hands.into())?,
            max_delay_ms: millis("settlement.maxDelaySeconds", spec.settlement.max_delay_seconds)?,
        },
        paused: false,
        history: HistoryRule {
            names: match spec.hand_history {
                HandHistory::Pseudonymous => HistoryNames::Pseudonymous,
                HandHistory::Public => HistoryNames::Public,
            },
            delay_s: number("handHistoryDelaySeconds", spec.hand_history_delay_seconds.into())?,
        },
        room: room(&spec.room)?,
    };
    spec.validate()?;
    Ok(Valid { spec, store, store_name, bound })
}

/// The vault and token that a table is bound to: those in its spec, else those it was started with, else the fleet's. A
/// later change of the fleet's vault never moves a bound table.
fn bound(table: &PokerTable, fleet: &Defaults) -> Result<Bound, Invalid> {
    let spec = &table.spec;
    let held = table.status.as_ref().and_then(|status| status.bound.clone());
    let from_fleet = || {
        let chain = fleet.chain.clone()?;
        Some(Bound {
            vault: chain.vault,
            chain_id: i64::try_from(chain.chain_id).ok()?,
            token: chain.token,
            decimals: chain.decimals.into(),
            unit: chain.unit,
        })
    };
    let own_vault = spec.settlement.vault.clone().zip(spec.settlement.chain_id);
    let default = held.or_else(from_fleet);
    let (vault, chain_id) = own_vault
        .or_else(|| default.as_ref().map(|default| (default.vault.clone(), default.chain_id)))
        .ok_or(Invalid::NoVault)?;
    let (token, decimals, unit) = match &spec.currency {
        Some(own) => (own.token.clone(), own.decimals, own.unit.clone()),
        None => {
            let default = default.ok_or(Invalid::NoVault)?;
            (default.token, default.decimals, default.unit)
        }
    };
    Ok(Bound { vault, chain_id, token, decimals, unit })
}

fn engine(spec: &PokerTableSpec) -> Result<TableConfig, Invalid> {
    let ante = number("blinds.ante", spec.blinds.ante)?;
    let mut caps = Vec::with_capacity(spec.rake.cap.len());
    for cap in &spec.rake.cap {
        caps.push(RakeCap {
            players: number("rake.cap[].players", cap.players.into())?,
            amount: number("rake.cap[].amount", cap.amount)?,
        });
    }
    caps.sort_by_key(|cap| cap.players);
    let clock = &spec.clock;
    let time_bank_max = clock.time_bank_max_seconds.unwrap_or(TIME_BANK_MAX_S.max(clock.time_bank_seconds));
    let disconnect_max =
        clock.disconnect_max_seconds.unwrap_or(DISCONNECT_MAX_S.max(clock.disconnect_seconds));
    Ok(TableConfig {
        seats: number("seats", spec.seats.into())?,
        small_blind: number("blinds.small", spec.blinds.small)?,
        big_blind: number("blinds.big", spec.blinds.big)?,
        ante: match spec.blinds.ante_payer {
            _ if ante == 0 => Ante::None,
            AntePayer::Each => Ante::Each(ante),
            AntePayer::BigBlind => Ante::BigBlind(ante),
        },
        betting: Betting::NoLimit,
        straddle: spec.straddle,
        house: HouseRules {
            newcomer_posts_big_alone: spec.newcomer_posts_big_alone,
            straddle_back_in: spec.straddle_back_in,
        },
        run_it_twice: spec.run_it_twice,
        buy_in_min: number("buyIn.min", spec.buy_in.min)?,
        buy_in_max: number("buyIn.max", spec.buy_in.max)?,
        rake: RakeConfig {
            basis_points: number("rake.basisPoints", spec.rake.basis_points.into())?,
            caps,
            no_flop_no_drop: spec.rake.no_flop_no_drop,
        },
        clock: ClockConfig {
            turn_ms: millis("clock.turnSeconds", clock.turn_seconds)?,
            time_bank_ms: millis("clock.timeBankSeconds", clock.time_bank_seconds)?,
            // A table without a time bank never gets one.
            time_bank_gain_ms: match clock.time_bank_seconds {
                0 => 0,
                _ => millis("clock.timeBankGainSeconds", clock.time_bank_gain_seconds)?,
            },
            time_bank_hands: number("clock.timeBankHands", clock.time_bank_hands.into())?,
            time_bank_max_ms: millis("clock.timeBankMaxSeconds", time_bank_max)?,
            disconnect_ms: millis("clock.disconnectSeconds", clock.disconnect_seconds)?,
            disconnect_max_ms: millis("clock.disconnectMaxSeconds", disconnect_max)?,
            reconnect_grace_ms: millis("clock.reconnectGraceSeconds", clock.reconnect_grace_seconds)?,
            disconnect_total_ms: millis("clock.disconnectTotalSeconds", clock.disconnect_total_seconds)?,
        },
        rat_hole_ms: RAT_HOLE_MS,
    })
}

fn room(room: &purr_crds::Room) -> Result<RoomRules, Invalid> {
    Ok(RoomRules {
        sit_out_max_ms: millis("room.sitOutMaxSeconds", room.sit_out_max_seconds)?,
        sit_out_max_big_blinds: number("room.sitOutMaxBigBlinds", room.sit_out_max_big_blinds.into())?,
        hold_ms: millis("room.holdSeconds", room.hold_seconds)?,
        hold_cool_down_ms: millis("room.holdCoolDownSeconds", room.hold_cool_down_seconds)?,
        rejoin_cool_down_ms: millis("room.rejoinCoolDownSeconds", room.rejoin_cool_down_seconds)?,
        cool_down_max_ms: millis("room.coolDownMaxSeconds", room.cool_down_max_seconds)?,
        short_stay_hands: number("room.shortStayHands", room.short_stay_hands.into())?,
        rabbit_hunt: room.rabbit_hunt,
        chat: match room.chat {
            Chat::None => ChatRule::Off,
            Chat::Reactions => ChatRule::Reactions,
            Chat::Text => ChatRule::Text,
        },
    })
}

fn number<T: TryFrom<i64>>(field: &'static str, value: i64) -> Result<T, Invalid> {
    T::try_from(value).map_err(|_| Invalid::Range { field, value })
}

fn millis(field: &'static str, seconds: i32) -> Result<u64, Invalid> {
    number::<u64>(field, seconds.into()).map(|seconds| seconds * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fleet, table};

    #[test]
    fn the_example_becomes_a_table_with_the_fleets_vault() {
        let valid = validate(&table(), &fleet()).unwrap();
        let engine = &valid.spec.engine;
        assert_eq!((engine.seats, engine.small_blind, engine.big_blind), (6, 500_000, 1_000_000));
        assert_eq!(engine.clock.turn_ms, 20_000);
        assert_eq!(engine.rake.caps.len(), 3);
        assert_eq!(valid.spec.settlement.vault, fleet().chain.unwrap().vault);
        assert_eq!(valid.spec.settlement.max_delay_ms, 2_000);
    }

    #[test]
    fn optional_rules_antes_and_clocks_reach_the_engine() {
        let mut table = table();
        (table.spec.straddle, table.spec.run_it_twice) = (true, true);
        (table.spec.blinds.ante, table.spec.blinds.ante_payer) = (5, AntePayer::BigBlind);
        table.spec.clock.disconnect_max_seconds = Some(90);
        table.spec.clock.time_bank_seconds = 200;
        let engine = validate(&table, &fleet()).unwrap().spec.engine;
        assert!(engine.straddle && engine.run_it_twice);
        assert_eq!(engine.house, HouseRules::NONE);
        (table.spec.straddle_back_in, table.spec.newcomer_posts_big_alone) = (true, false);
        let engine_with = |table: &PokerTable| validate(table, &fleet()).unwrap().spec.engine;
        assert_eq!(engine_with(&table).house, HouseRules { straddle_back_in: true, ..HouseRules::NONE });
        (table.spec.straddle_back_in, table.spec.newcomer_posts_big_alone) = (false, true);
        assert_eq!(
            engine_with(&table).house,
            HouseRules { newcomer_posts_big_alone: true, ..HouseRules::NONE }
        );
        assert_eq!((engine.ante, engine.betting), (Ante::BigBlind(5), Betting::NoLimit));
        let ClockConfig { time_bank_gain_ms, time_bank_hands, time_bank_max_ms, disconnect_max_ms, .. } =
            engine.clock;
        assert_eq!((time_bank_gain_ms, time_bank_hands), (5_000, 10));
        assert_eq!((time_bank_max_ms, disconnect_max_ms), (200_000, 90_000));
    }

    #[test]
    fn hands_are_shown_under_names_unless_the_table_says_otherwise() {
        let mut table = table();
        let valid = validate(&table, &fleet()).unwrap();
        assert_eq!(valid.spec.history, HistoryRule::default());
        // The field is left out, so that a pod of the previous release accepts the spec.
        assert!(!serde_json::to_string(&valid.spec).unwrap().contains("history"));
        (table.spec.hand_history, table.spec.hand_history_delay_seconds) = (HandHistory::Public, 7);
        let expected = HistoryRule { names: HistoryNames::Public, delay_s: 7 };
        assert_eq!(validate(&table, &fleet()).unwrap().spec.history, expected);
    }

    #[test]
    fn the_rules_of_the_room_reach_the_pod_and_their_defaults_are_the_pods_own() {
        let mut table = table();
        let defaults = validate(&table, &fleet()).unwrap().spec;
        assert_eq!(defaults.room, RoomRules::default());
        let clock = defaults.engine.clock;
        assert_eq!((clock.reconnect_grace_ms, clock.disconnect_total_ms), (5_000, 300_000));
        (table.spec.clock.reconnect_grace_seconds, table.spec.clock.disconnect_total_seconds) = (3, 60);
        (table.spec.room.sit_out_max_seconds, table.spec.room.hold_seconds) = (120, 7);
        (table.spec.room.rabbit_hunt, table.spec.room.chat) = (true, Chat::Reactions);
        let spec = validate(&table, &fleet()).unwrap().spec;
        assert_eq!((spec.room.rabbit_hunt, spec.room.chat), (true, ChatRule::Reactions));
        assert_eq!((spec.room.sit_out_max_ms, spec.room.hold_ms), (120_000, 7_000));
        assert_eq!(
            (spec.engine.clock.reconnect_grace_ms, spec.engine.clock.disconnect_total_ms),
            (3_000, 60_000)
        );
        table.spec.room.sit_out_max_seconds = 1;
        assert_eq!(validate(&table, &fleet()).unwrap_err().reason(), "InvalidSpec");
    }

    #[test]
    fn an_image_that_the_chart_does_not_allow_is_refused_by_its_name() {
        let mut table = table();
        table.spec.pod.image = Some("elsewhere.example/table:1".into());
        let invalid = validate(&table, &fleet()).unwrap_err();
        assert_eq!(invalid.reason(), "ImageNotAllowed");
        assert!(invalid.to_string().contains("elsewhere.example/table:1"), "{invalid}");
        table.spec.pod.image = Some(fleet().image);
        table.spec.pod.node_selector.insert("kubernetes.io/hostname".into(), "n1".into());
        assert_eq!(validate(&table, &fleet()).unwrap_err().reason(), "PlacementNotAllowed");
    }

    #[test]
    fn caps_may_come_in_any_order() {
        let mut table = table();
        table.spec.rake.cap.reverse();
        assert_eq!(validate(&table, &fleet()), validate(&crate::testing::table(), &fleet()));
    }

    #[test]
    fn a_store_that_the_fleet_does_not_have_is_named() {
        let mut table = table();
        table.spec.store = "elsewhere".into();
        let invalid = validate(&table, &fleet()).unwrap_err();
        assert_eq!(invalid.reason(), "UnknownStore");
        assert!(invalid.to_string().contains("'elsewhere'"), "{invalid}");
    }

    #[test]
    fn a_table_stays_in_the_group_that_it_was_started_in() {
        let (mut table, mut fleet) = (table(), fleet());
        fleet.stores.insert("eu-2".into(), fleet.stores["default"].clone());
        table.spec.store = AUTO.into();
        assert_eq!(store_name(&table), None);
        assert_eq!(validate(&table, &fleet).unwrap_err().reason(), "UnknownStore");
        table.status = Some(purr_crds::PokerTableStatus { store: Some("eu-2".into()), ..Default::default() });
        assert_eq!(validate(&table, &fleet).unwrap().store_name, "eu-2");
    }

    #[test]
    fn without_any_vault_a_table_waits_for_one() {
        let mut fleet = fleet();
        fleet.chain = None;
        assert_eq!(validate(&table(), &fleet).unwrap_err(), Invalid::NoVault);
    }

    #[test]
    fn a_table_keeps_the_vault_that_it_was_started_with() {
        let mut table = table();
        let bound = validate(&table, &fleet()).unwrap().bound;
        table.status = Some(purr_crds::PokerTableStatus { bound: Some(bound.clone()), ..Default::default() });
        let mut fleet = fleet();
        fleet.chain.as_mut().unwrap().vault = format!("0x{}", "9".repeat(40));
        assert_eq!(validate(&table, &fleet).unwrap().bound, bound);
        fleet.chain = None;
        assert_eq!(validate(&table, &fleet).unwrap().bound, bound);
    }

    #[test]
    fn what_cel_cannot_see_is_refused_by_the_engines_own_rules() {
        let mut table = table();
        table.spec.buy_in.max = i64::MAX;
        assert_eq!(validate(&table, &fleet()).unwrap_err().reason(), "InvalidSpec");
        table.spec.buy_in.max = -1;
        let invalid = validate(&table, &fleet()).unwrap_err();
        assert_eq!(invalid.to_string(), "spec.buyIn.max: -1 is out of range");
    }
}
