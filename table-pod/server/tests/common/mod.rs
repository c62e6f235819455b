//! The table of these tests: six seats, blinds of 5 and 10, free of rake, turns of 15 s, no time bank.
#![allow(dead_code, reason = "each test has its own need of it")]

use purr_engine::{Ante, Betting, ClockConfig, HouseRules, RakeConfig, TableConfig};
use purr_protocol::{Currency, Settlement, TableSpec};

pub const RAKE_FREE: RakeConfig = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };

pub const CONFIG: TableConfig = TableConfig {
    seats: 6,
    small_blind: 5,
    big_blind: 10,
    ante: Ante::None,
    betting: Betting::NoLimit,
    straddle: false,
    house: HouseRules::NONE,
    run_it_twice: false,
    buy_in_min: 200,
    buy_in_max: 1_000,
    rake: RAKE_FREE,
    clock: ClockConfig {
        turn_ms: 15_000,
        time_bank_ms: 0,
        time_bank_gain_ms: 0,
        disconnect_ms: 10_000,
        time_bank_hands: 1,
        time_bank_max_ms: 0,
        disconnect_max_ms: 0,
        reconnect_grace_ms: 5_000,
        disconnect_total_ms: 300_000,
    },
    rat_hole_ms: 0,
};

/// A spec for play money that settles each hand by itself.
pub fn spec(name: &str, engine: TableConfig) -> TableSpec {
    TableSpec {
        name: name.into(),
        engine,
        currency: Currency { token: format!("0x{}", "1".repeat(40)), decimals: 6, unit: "PLAY".into() },
        settlement: Settlement {
            vault: format!("0x{}", "2".repeat(40)),
            chain_id: 1,
            max_hands: 1,
            max_delay_ms: 0,
        },
        paused: false,
        history: purr_protocol::HistoryRule::default(),
        room: Default::default(),
    }
}

/// A generator that its seed determines completely (SplitMix64; Steele, Lea, Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    /// Below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}
