//! Tables and commands, legal and illegal, from bytes.

use crate::Bytes;
use purr_engine::{
    Action, Ante, Betting, ClockConfig, Command, HouseRules, PlayerId, RakeCap, RakeConfig, SeatIndex,
    ShowWish, Table, TableConfig,
};

/// A configuration, often a valid one.
pub fn config(bytes: &mut Bytes<'_>) -> TableConfig {
    let small_blind = 1 + bytes.short() % 100;
    let big_blind = small_blind + bytes.short() % 200;
    let ante = match bytes.roll(4) {
        0 | 1 => Ante::None,
        2 => Ante::Each(1 + bytes.short() % 50),
        _ => Ante::BigBlind(1 + bytes.short() % 300),
    };
    let caps = match bytes.roll(3) {
        0 => Vec::new(),
        1 => vec![RakeCap { players: 2, amount: bytes.short() }],
        _ => vec![RakeCap { players: 2, amount: 3 }, RakeCap { players: 2 + bytes.roll(9), amount: 40 }],
    };
    let betting = match bytes.roll(4) {
        0 => Betting::FixedLimit { small_bet: big_blind, big_bet: big_blind * 2, bets_max: bytes.roll(6) },
        _ => Betting::NoLimit,
    };
    TableConfig {
        seats: 2 + bytes.roll(9),
        small_blind,
        big_blind,
        ante,
        betting,
        straddle: bytes.roll(2) == 0,
        house: HouseRules::NONE,
        run_it_twice: bytes.roll(2) == 0,
        buy_in_min: big_blind,
        buy_in_max: big_blind.saturating_mul(1 + bytes.short()),
        rake: RakeConfig {
            basis_points: u16::from(bytes.byte()) * 4,
            caps,
            no_flop_no_drop: bytes.roll(2) == 0,
        },
        clock: ClockConfig {
            turn_ms: 1_000 + bytes.short(),
            time_bank_ms: bytes.short(),
            time_bank_gain_ms: u64::from(bytes.byte()),
            time_bank_hands: bytes.roll(4).into(),
            time_bank_max_ms: bytes.short(),
            disconnect_ms: 1_000 + bytes.short(),
            disconnect_max_ms: bytes.short(),
            reconnect_grace_ms: bytes.short(),
            disconnect_total_ms: bytes.short() * 10,
        },
        rat_hole_ms: bytes.short() * 100,
    }
}

/// A random command. Half of them are for the player to act, so that hands make progress.
pub fn command(bytes: &mut Bytes<'_>, table: &Table) -> Command {
    let any = SeatIndex(bytes.roll(table.config().seats + 1));
    let turn = table.to_act().unwrap_or(any);
    match bytes.roll(35) {
        0 | 1 => Command::Sit { seat: any, player: PlayerId([bytes.roll(14); 20]), stack: bytes.amount() },
        2 => Command::Seat {
            seat: any,
            player: PlayerId([bytes.roll(14); 20]),
            stack: bytes.amount(),
            rake_allowed: (bytes.roll(2) == 0).then(|| bytes.amount()),
        },
        3 => Command::AllowRake { seat: any, amount: bytes.amount() },
        4 => Command::DisallowRake { seat: any, amount: bytes.amount() },
        5 => Command::TopUp { seat: any, amount: bytes.amount() },
        6 => Command::Leave { seat: any },
        7 => Command::SitOut { seat: any },
        8 => Command::SitIn { seat: any, post: bytes.roll(2) == 0 },
        9 => Command::Disconnected { seat: any },
        10 => Command::Reconnected { seat: any },
        11 => Command::Tick,
        12 if bytes.roll(8) == 0 => Command::VoidHand,
        13 if bytes.roll(4) == 0 => Command::PauseClock,
        12..=14 => Command::ResumeClock,
        15 => Command::RestartClock,
        16 => Command::Act { seat: any, action: Action::RaiseTo(bytes.amount()) },
        17..=19 => {
            let hand = table.last_hand().saturating_add(u64::from(bytes.roll(8) != 0));
            Command::StartHand { hand, deck: bytes.deck() }
        }
        20 => Command::Act { seat: turn, action: Action::Fold },
        21..=23 => Command::Act { seat: turn, action: Action::Check },
        24..=26 => Command::Act { seat: turn, action: Action::Call },
        27 if bytes.roll(2) == 0 => {
            let wish = [ShowWish::Muck, ShowWish::Ask, ShowWish::Show][usize::from(bytes.roll(3))];
            Command::WishShow { seat: any, wish }
        }
        27 => Command::Straddle { seat: any, on: bytes.roll(4) != 0 },
        28 if bytes.roll(2) == 0 => {
            let seat = table.asked_to_show().iter().next().unwrap_or(any);
            Command::Show { seat, show: bytes.roll(2) == 0 }
        }
        28 => Command::RunItTwice { seat: any, agree: bytes.roll(8) != 0 },
        kind => {
            let bounds = table.legal_actions(turn).and_then(|legal| legal.raise_to);
            let (min, max) = bounds.unwrap_or((10, 20));
            let total = match kind {
                29..=31 => min,
                32 => max,
                _ => min.saturating_add(bytes.short()).min(max),
            };
            Command::Act { seat: turn, action: Action::RaiseTo(total) }
        }
    }
}
