//! Plays one hand on the engine and describes it.

use crate::{
    dice::Dice,
    setup::{Start, start},
};
use anyhow::{Context, Result, ensure};
use purr_engine::{
    Action, Ante, Betting, Chips, ClockConfig, Command, Event, HandSetup, HouseRules, LegalActions, PlayerId,
    RakeConfig, SeatIndex, Table, TableConfig,
};
use serde::Serialize;

/// A hand never has more actions than this.
const ACTIONS_MAX: usize = 2_000;

#[derive(Serialize)]
pub(crate) struct Played {
    hand: u64,
    antes: Vec<Chips>,
    bets: Vec<Chips>,
    min_bet: Chips,
    uniform: bool,
    limit: Option<(Chips, Chips, u8)>,
    stacks: Vec<Chips>,
    holes: Vec<String>,
    /// All five, dealt or not.
    board: String,
    steps: Vec<Step>,
    finish: Vec<Chips>,
    /// Players who showed (true) or mucked at the showdown, by place, in order.
    show: Vec<(usize, bool)>,
}

/// One action with the legal actions before it.
#[derive(Serialize)]
struct Step {
    place: usize,
    call: Chips,
    raise: Option<(Chips, Chips)>,
    #[serde(rename = "do")]
    action: &'static str,
    /// The total of a raise.
    to: Option<Chips>,
}

/// How the players of one hand behave, in percent.
struct Style {
    fold: u64,
    raise: u64,
    all_in: u64,
}

pub(crate) fn play(seed: u64, number: u64) -> Result<Played> {
    let mut dice = Dice::of_hand(seed, number);
    let start = start(&mut dice)?;
    let chairs = chairs(&mut dice, start.stacks.len())?;
    let deck = dice.deck()?;
    let mut table = table(&start, &chairs)?;
    let by_seat = |values: &[Chips]| {
        let mut row = [0; 10];
        for (chair, value) in chairs.iter().zip(values) {
            row[chair.index()] = *value;
        }
        row
    };
    let button = *chairs.last().context("no players")?;
    let setup = HandSetup {
        antes: by_seat(&start.antes),
        bets: by_seat(&start.bets),
        uniform_ante_trim: start.uniform,
        ..HandSetup::new(number, button, start.min_bet, deck)
    };
    let mut events = table.deal_as(0, &setup)?;
    let cards = setup.deck.cards();
    let players = chairs.len();
    let holes = (0..players).map(|place| format!("{}{}", cards[place], cards[players + place])).collect();
    let board = cards[players * 2..players * 2 + 5].iter().map(ToString::to_string).collect();

    let style = style(&mut dice)?;
    let mut steps = Vec::new();
    while let Some(seat) = table.to_act() {
        ensure!(steps.len() < ACTIONS_MAX, "the hand does not end");
        let place = chairs.iter().position(|chair| *chair == seat).context("an empty chair is to act")?;
        let legal = table.legal_actions(seat).context("who is to act has legal actions")?;
        let action = choose(&mut dice, &style, legal);
        table.apply_into(0, Command::Act { seat, action }, &mut events)?;
        let (name, to) = match action {
            Action::Fold => ("fold", None),
            Action::Check | Action::Call => ("call", None),
            Action::RaiseTo(total) => ("raise", Some(total)),
        };
        let call = legal.call.unwrap_or(0);
        steps.push(Step { place, call, raise: legal.raise_to, action: name, to });
    }
    ensure!(table.hand().is_none(), "nobody is to act and the hand is not over");
    let finish = chairs.iter().map(|chair| table.seat(*chair).map_or(0, |seat| seat.stack)).collect();
    let Start { stacks, antes, bets, min_bet, uniform, limit } = start;
    let show = events.iter().filter_map(|event| match event {
        Event::Shown { seat, .. } => Some((*seat, true)),
        Event::Mucked { seat } => Some((*seat, false)),
        _ => None,
    });
    let place = |(seat, shows)| chairs.iter().position(|chair| *chair == seat).map(|place| (place, shows));
    let show = show.map(place).collect::<Option<_>>().context("an empty chair showed")?;
    Ok(Played {
        hand: number,
        antes,
        bets,
        min_bet,
        uniform,
        limit,
        stacks,
        holes,
        board,
        steps,
        finish,
        show,
    })
}

/// Seats for `players` players, clockwise from a random one, often with empty seats between them.
fn chairs(dice: &mut Dice, players: usize) -> Result<Vec<SeatIndex>> {
    let mut free: Vec<u8> = (0..10).collect();
    while free.len() > players {
        let place = usize::try_from(dice.roll(free.len() as u64))?;
        free.remove(place);
    }
    let first = usize::try_from(dice.roll(players as u64))?;
    free.rotate_left(first);
    Ok(free.into_iter().map(SeatIndex).collect())
}

/// A table of ten seats without rake, with the lowest possible stakes.
pub(crate) fn table_config() -> TableConfig {
    TableConfig {
        seats: 10,
        small_blind: 1,
        big_blind: 1,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice: false,
        ante: Ante::None,
        buy_in_min: 1,
        buy_in_max: 1,
        rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 10_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            time_bank_hands: 0,
            time_bank_max_ms: 0,
            disconnect_ms: 10_000,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    }
}

fn table(start: &Start, chairs: &[SeatIndex]) -> Result<Table> {
    let betting = match start.limit {
        None => Betting::NoLimit,
        Some((small_bet, big_bet, bets_max)) => Betting::FixedLimit { small_bet, big_bet, bets_max },
    };
    let mut table = Table::new(TableConfig {
        big_blind: start.min_bet,
        betting,
        buy_in_min: start.min_bet,
        buy_in_max: start.min_bet,
        ..table_config()
    })?;
    for (chair, &stack) in chairs.iter().zip(&start.stacks) {
        table.seat_as(*chair, PlayerId([chair.0 + 1; 20]), stack)?;
    }
    Ok(table)
}

fn style(dice: &mut Dice) -> Result<Style> {
    Ok(match dice.roll(4) {
        // A loose style, so that many players reach later streets.
        0 => Style { fold: 3, raise: 15, all_in: 10 },
        // Side pots in layers.
        1 => Style { fold: 8, raise: 45, all_in: 45 },
        // Small raises, so that short all-ins add up.
        2 => Style { fold: 5, raise: 50, all_in: 15 },
        _ => Style { fold: 25, raise: 30, all_in: 25 },
    })
}

fn choose(dice: &mut Dice, style: &Style, legal: LegalActions) -> Action {
    // Folding where a check is free is possible, and rare.
    if dice.chance(if legal.check { 1 } else { style.fold }) {
        return Action::Fold;
    }
    match legal.raise_to {
        Some((min, max)) if dice.chance(style.raise) => Action::RaiseTo(match dice.roll(100) {
            roll if roll < style.all_in => max,
            roll if roll < 70 => min,
            _ => dice.between(min, max.min(min.saturating_mul(4))),
        }),
        _ if legal.check => Action::Check,
        _ => Action::Call,
    }
}
