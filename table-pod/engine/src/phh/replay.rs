//! A hand in PHH, played again by the engine.

use super::{Line, Phh, PhhAction, PhhError, Variant, draft::PLAYERS_MAX, plan::Plan, plan::Unit};
use crate::{
    command::{Action, Command},
    config::{Ante, Betting, ClockConfig, HouseRules, RakeConfig, TableConfig},
    event::Event,
    history::{HandHistory, SeatStart},
    ids::{Chips, PlayerId, SeatIndex},
    refusal::Refusal,
    table::{HandSetup, Table},
};

/// Plays hands one after the other on tables that are used again: nothing is allocated for a hand
/// once there is room for its events.
///
/// # Caveats
/// A fixed limit's bets have no last one here: rooms differ in how many they allow, and heads-up
/// many have no end to them.
#[derive(Default)]
pub struct Replayer {
    table: Option<Table>,
    events: Vec<Event>,
}

/// The engine's result of a hand, by player, in units of 10^-`decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    pub players: usize,
    pub decimals: u8,
    /// When the actions were at their end.
    pub stacks: [Chips; PLAYERS_MAX],
    /// Out of the pots.
    pub won: [Chips; PLAYERS_MAX],
    /// Went back uncalled at the end.
    pub uncalled: [Chips; PLAYERS_MAX],
    pub pots: usize,
    /// Players who did not fold.
    pub live: [bool; PLAYERS_MAX],
    /// Whether the hand was over.
    pub finished: bool,
    /// Bets, checks and folds.
    pub actions: usize,
    /// Cards that are not known were made up, and can have decided.
    pub guessed: bool,
    /// The cards of a player at the showdown are unknown.
    pub veiled: bool,
}

/// The engine's result of a hand, with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The history with all hole cards, including invented ones.
    pub history: HandHistory,
    pub played: Played,
}

impl Phh {
    /// Plays the hand with this rake, for its history; of many hands, [`Replayer`] plays them faster.
    pub fn replay(&self, rake: RakeConfig) -> Result<Replay, PhhError> {
        let plan = Plan::new(self)?;
        let config = TableConfig { rake, ..self.config(&plan)? };
        let mut table = Table::new(config.clone()).map_err(|error| PhhError::Unplayable {
            field: "blinds_or_straddles",
            problem: error.to_string(),
        })?;
        let mut events = Vec::new();
        let played = play(&mut table, &mut events, self, &plan)?;
        let seats = dealing_order(plan.players)
            .map(|player| SeatStart {
                seat: seat(player),
                player: address(player),
                stack: plan.stacks[player],
            })
            .collect();
        let hand = self.number().unwrap_or(1);
        Ok(Replay { history: HandHistory { hand, config, seats, events }, played })
    }

    /// The table that the hand could have been played at, without rake.
    fn config(&self, plan: &Plan) -> Result<TableConfig, PhhError> {
        let unit = Unit { decimals: plan.decimals };
        let needed = |bet: Option<_>, field| {
            bet.ok_or_else(|| PhhError::Unplayable { field, problem: "is missing".into() })
                .and_then(|bet| unit.chips(bet, field))
        };
        let betting = match self.variant {
            Variant::NoLimit => Betting::NoLimit,
            Variant::FixedLimit => Betting::FixedLimit {
                small_bet: needed(self.small_bet, "small_bet")?,
                big_bet: needed(self.big_bet, "big_bet")?,
                bets_max: 0,
            },
        };
        let min_bet = match self.variant {
            Variant::NoLimit => needed(self.min_bet, "min_bet")?,
            Variant::FixedLimit => needed(self.small_bet, "small_bet")?,
        };
        let blinds = |at: usize| plan.bets.get(at).copied().unwrap_or(0);
        let (small, big) = if plan.players == 2 { (blinds(1), blinds(0)) } else { (blinds(0), blinds(1)) };
        let big_blind = if big == 0 { min_bet } else { big }.max(1);
        let ante = match (plan.uniform, plan.antes[0], plan.antes.iter().max()) {
            (_, _, None | Some(0)) => Ante::None,
            (true, ante, _) => Ante::Each(ante.min(big_blind)),
            (false, _, Some(ante)) => Ante::BigBlind((*ante).min(big_blind)),
        };
        Ok(TableConfig {
            small_blind: if small == 0 { big_blind } else { small.min(big_blind) },
            big_blind,
            ante,
            betting,
            run_it_twice: plan.cards.dealt > 5,
            ..table_config(u8::try_from(plan.players).unwrap_or(u8::MAX))
        })
    }
}

/// A table for replays alone: its stakes are nowhere asked, since every hand brings its own.
fn table_config(seats: u8) -> TableConfig {
    TableConfig {
        seats,
        small_blind: 1,
        big_blind: 1,
        ante: Ante::None,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice: false,
        buy_in_min: 1 << 40,
        buy_in_max: 1 << 53,
        rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
        // A replay never waits; these are within the limits of a table.
        clock: ClockConfig {
            turn_ms: 15_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            time_bank_hands: 0,
            time_bank_max_ms: 0,
            disconnect_ms: 15_000,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    }
}

impl Replayer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays the hand without rake.
    ///
    /// # Errors
    /// An action that the rules refuse, with its number; cards that cannot be; amounts that cannot
    /// be counted; actions that are out of step with the board.
    pub fn play(&mut self, hand: &Phh) -> Result<Played, PhhError> {
        let plan = Plan::new(hand)?;
        let plain = hand.variant == Variant::NoLimit && plan.cards.dealt <= 5;
        let mut table = match self.table.take().filter(|_| plain) {
            Some(table) => table,
            None if plain => new_table(table_config(SEATS))?,
            None => new_table(TableConfig { seats: SEATS, ..hand.config(&plan)? })?,
        };
        self.events.clear();
        let played = play(&mut table, &mut self.events, hand, &plan)?;
        // After an error the table is in the middle of a hand, and is not used again.
        if plain && played.finished {
            self.table = Some(table);
        }
        Ok(played)
    }
}

const SEATS: u8 = 10;

fn new_table(config: TableConfig) -> Result<Table, PhhError> {
    Table::new(config).map_err(|error| PhhError::Unplayable { field: "min_bet", problem: error.to_string() })
}

/// `p1` sits in seat 0, the button in the last occupied seat.
fn seat(player: usize) -> SeatIndex {
    SeatIndex(u8::try_from(player).unwrap_or(u8::MAX))
}

fn dealing_order(players: usize) -> impl Iterator<Item = usize> {
    0..players
}

fn address(player: usize) -> PlayerId {
    PlayerId([u8::try_from(player + 1).unwrap_or(u8::MAX); 20])
}

fn play(table: &mut Table, events: &mut Vec<Event>, hand: &Phh, plan: &Plan) -> Result<Played, PhhError> {
    let unit = Unit { decimals: plan.decimals };
    let min_bet = match hand.variant {
        Variant::NoLimit => (hand.min_bet, "min_bet"),
        Variant::FixedLimit => (hand.small_bet, "small_bet"),
    };
    let (Some(least), field) = min_bet else {
        return Err(PhhError::Unplayable { field: min_bet.1, problem: "is missing".into() });
    };
    let setup = HandSetup {
        antes: plan.antes,
        bets: plan.bets,
        posts: plan.posts,
        uniform_ante_trim: hand.ante_trimming_status,
        mucks: plan.cards.mucks(plan.players),
        ..HandSetup::new(
            hand.number().unwrap_or(1),
            seat(plan.players - 1),
            unit.chips(least, field)?,
            plan.cards.deck(plan.players)?,
        )
    };
    for player in 0..table.seats().len() {
        if player < plan.players {
            table.seat_as(seat(player), address(player), plan.stacks[player]).map_err(PhhError::NotDealt)?;
        } else {
            table.vacate_as(seat(player)).map_err(PhhError::NotDealt)?;
        }
    }
    table.deal_as_into(0, &setup, events).map_err(PhhError::NotDealt)?;
    agree_to_twice(table, events).map_err(PhhError::NotDealt)?;
    let (mut actions, mut told) = (0, 0);
    for (place, line) in hand.actions.iter().enumerate() {
        let dealt = table.hand().map_or(usize::MAX, |hand| hand.board.len());
        let out_of_step = |problem: &str| PhhError::OutOfStep {
            number: place + 1,
            action: line.action.to_string().into(),
            problem: problem.into(),
        };
        match line.action {
            PhhAction::Board(cards) => {
                told += cards.len();
                if told > dealt {
                    return Err(out_of_step("the betting before it is not over"));
                }
            }
            PhhAction::Fold { .. } | PhhAction::CheckOrCall { .. } | PhhAction::RaiseTo { .. } => {
                if table.hand().is_none() {
                    return Err(out_of_step("the hand is over"));
                }
                if told != dealt {
                    return Err(out_of_step("the board before it is not dealt"));
                }
                act(table, events, line, place + 1, unit)?;
                actions += 1;
            }
            // The deck has the cards, and the engine decides who shows.
            PhhAction::Hole { .. }
            | PhhAction::Show { .. }
            | PhhAction::ShowDealt { .. }
            | PhhAction::Muck { .. }
            | PhhAction::Nothing => {}
        }
    }
    summary(table, events, plan, (actions, told))
}

fn act(
    table: &mut Table,
    events: &mut Vec<Event>,
    line: &Line,
    number: usize,
    unit: Unit,
) -> Result<(), PhhError> {
    let (player, action) = match line.action {
        PhhAction::Fold { player } => (player, Action::Fold),
        PhhAction::RaiseTo { player, total } => (player, Action::RaiseTo(unit.chips(total, "actions")?)),
        PhhAction::CheckOrCall { player } => {
            let legal = table.legal_actions(seat(usize::from(player) - 1));
            (player, if legal.is_none_or(|legal| legal.check) { Action::Check } else { Action::Call })
        }
        _ => return Ok(()),
    };
    let refused =
        |refusal: Refusal| PhhError::Refused { number, action: line.action.to_string().into(), refusal };
    let seat = seat(usize::from(player) - 1);
    table.apply_into(0, Command::Act { seat, action }, events).map_err(refused)?;
    agree_to_twice(table, events).map_err(refused)
}

/// Agrees for every seat that is asked to run the board twice: the file has two boards, so all had agreed.
fn agree_to_twice(table: &mut Table, events: &mut Vec<Event>) -> Result<(), Refusal> {
    for seat in table.asked_twice() {
        table.apply_into(0, Command::RunItTwice { seat, agree: true }, events)?;
    }
    Ok(())
}

fn summary(
    table: &Table,
    events: &[Event],
    plan: &Plan,
    (actions, told): (usize, usize),
) -> Result<Played, PhhError> {
    let mut played = Played {
        players: plan.players,
        decimals: plan.decimals,
        stacks: [0; PLAYERS_MAX],
        won: [0; PLAYERS_MAX],
        uncalled: [0; PLAYERS_MAX],
        pots: 0,
        live: [false; PLAYERS_MAX],
        finished: table.hand().is_none(),
        actions,
        guessed: false,
        veiled: false,
    };
    for player in 0..plan.players {
        played.stacks[player] = table.seat(seat(player)).map_or(0, |chair| chair.stack);
        played.live[player] = plan.cards.is_live(player);
    }
    let (mut board, mut showdown) = (0, false);
    for event in events {
        match event {
            Event::PotWon { pot, seat, amount, .. } => {
                played.won[seat.index()] += amount;
                played.pots = played.pots.max(usize::from(*pot) + 1);
            }
            Event::Uncalled { seat, amount, .. } => played.uncalled[seat.index()] += amount,
            Event::StreetDealt { cards, .. } => board += cards.len(),
            Event::Shown { .. } | Event::Mucked { .. } => showdown = true,
            _ => {}
        }
    }
    if played.finished && told > board {
        let problem = format!("{told} on the board, where {board} were dealt when the hand was over");
        return Err(PhhError::Cards(problem));
    }
    if showdown {
        played.guessed = plan.cards.guessed(plan.players, board.min(10));
        played.veiled = plan.cards.veiled(plan.players);
    }
    Ok(played)
}
