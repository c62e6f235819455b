//! Plays random sessions of whole tables through the engine (blinds that rotate, players who come, go and sit out, antes,
//! straddles, side pots, boards dealt twice, rake) and writes one JSON line a hand: its record, and what `purr-facts` says
//! of each player. `count.py` counts the same from the definitions alone and compares.

#[path = "../dice.rs"]
mod dice;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dice::Dice;
use purr_engine::{
    Action, Ante, Betting, ClockConfig, Command, Event, HandEnd, HouseRules, LegalActions, PlayerId, RakeCap,
    RakeConfig, SeatIndex, Table, TableConfig,
    history::{HandHistory, SeatStart},
    phh::read,
};
use purr_facts::{NAMES, PlayerFacts};
use purr_protocol::{
    HistoryRule,
    hand::{Format, RenderError, Site, Standing, Stored, render},
    record::{HandRecord, VERSION},
    text::TextError,
};
use serde_json::{Map, Value, json};
use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// Number of hands at one table before it is replaced by another.
const SESSION: u64 = 40;
/// A hand never has more decisions than this.
const DECISIONS_MAX: usize = 2_000;

/// Random hands with their statistics.
#[derive(Parser)]
struct Options {
    /// The same seed gives the same hands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many hands.
    #[arg(long, default_value_t = 5_000)]
    hands: u64,
    /// Write records only, one a line, and no statistics.
    #[arg(long)]
    records_only: bool,
    /// Write each hand beside its text for trackers, and no statistics.
    #[arg(long)]
    text: bool,
    /// Hands of this PHH file instead of random ones.
    #[arg(long)]
    phh: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    if let Some(file) = &options.phh {
        return recorded(file, options.records_only, &mut out);
    }
    let (mut written, mut session) = (0, 0);
    while written < options.hands {
        let mut game = Game::new(options.seed, session)?;
        for _ in 0..SESSION.min(options.hands - written) {
            let record = game.hand().with_context(|| format!("session {session} of {}", options.seed))?;
            if options.text {
                beside_text(record, &mut out)?;
            } else {
                write(&record, options.records_only, &mut out)?;
            }
            written += 1;
        }
        session += 1;
    }
    out.flush()?;
    Ok(())
}

fn write(record: &HandRecord, record_only: bool, out: &mut impl Write) -> Result<()> {
    let line = if record_only {
        serde_json::to_value(record)?
    } else {
        let facts = purr_facts::facts(record)?;
        json!({ "record": record, "facts": facts.iter().map(told).collect::<Vec<Value>>() })
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// As `{"history": …, "end": …, "text": …}`.
fn beside_text(record: HandRecord, out: &mut impl Write) -> Result<()> {
    let mut line = json!({ "history": record.history, "end": record.end });
    let site = Site { name: "s".into(), network: "n".into(), unit: "CHIPS".into(), decimals: 0 };
    let hash = format!("{:016x}{}", record.end.hand, "0".repeat(48));
    let stored = Stored {
        hash,
        ended_at_ms: 1_700_000_000_000,
        hashes: Vec::new(),
        standing: Standing::Pending,
        confirmed: false,
        pseudonymous: false,
        record,
    };
    // A void hand has no text.
    line["text"] = match render(stored, Format::Text, &site) {
        Ok(rendered) => Value::String(rendered.text),
        Err(RenderError::Text(TextError::Void)) => Value::Null,
        Err(error) => return Err(error.into()),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Replays hands of other rooms with the engine, without rake, and writes their records.
fn recorded(file: &Path, record_only: bool, out: &mut impl Write) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let no_rake = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };
    let (mut played, mut skipped) = (0u64, 0u64);
    for entry in read(&text)? {
        let replayed = entry.hand.ok().and_then(|hand| hand.replay(no_rake.clone()).ok());
        let Some(replay) = replayed.filter(|replay| replay.played.finished) else {
            skipped += 1;
            continue;
        };
        let HandHistory { hand, config, seats, events } = replay.history;
        let end = events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end.clone()),
            _ => None,
        });
        let table = file.file_stem().and_then(|name| name.to_str()).unwrap_or("phh").to_owned();
        let history = HandHistory::public(hand, config, seats, &events);
        write(&record(table, history, end.context("no end")?), record_only, out)?;
        played += 1;
    }
    out.flush()?;
    eprintln!("{played} hands, {skipped} without an end or not playable");
    Ok(())
}

/// A record in which only the history matters here.
fn record(table: String, history: HandHistory, end: HandEnd) -> HandRecord {
    HandRecord {
        version: VERSION,
        table,
        epoch: 1,
        history,
        end,
        timings: Vec::new(),
        root: "00".repeat(32),
        commitments: Vec::new(),
        reveals: Vec::new(),
        openings: Vec::new(),
        sealed: String::new(),
        audit: None,
        fair_play: None,
        shown: HistoryRule::default(),
        place: None,
    }
}

fn told(facts: &PlayerFacts) -> Value {
    let counters: Map<String, Value> = NAMES
        .iter()
        .zip(facts.counters.values())
        // As text, because squares exceed the numbers of some JSON readers.
        .map(|(name, value)| ((*name).to_owned(), Value::String(value.to_string())))
        .collect();
    json!({
        "player": facts.player,
        "seat": facts.seat,
        "position": facts.position.name(),
        "dealt_in": facts.dealt_in,
        "counters": counters,
    })
}

struct Game {
    dice: Dice,
    table: Table,
    uid: String,
    style: [u64; 3],
}

impl Game {
    fn new(seed: u64, session: u64) -> Result<Self> {
        let mut dice = Dice::of_hand(seed, session);
        let config = config(&mut dice)?;
        let mut table = Table::new(config)?;
        for seat in 0..table.config().seats {
            let stack = stack(&mut dice, table.config());
            table.apply(0, Command::Sit { seat: SeatIndex(seat), player: player(session, seat), stack })?;
        }
        // Percentages of folds, raises, and all-in raises.
        let styles = [[3, 15, 2], [8, 45, 25], [5, 50, 3], [15, 60, 1], [35, 40, 2], [60, 30, 2]];
        let style = dice.pick(&styles)?;
        Ok(Self { dice, table, uid: format!("0a0b0c0d-0000-4000-8000-{session:012x}"), style })
    }

    /// Players come, go and change their minds between hands.
    fn between(&mut self) {
        for seat in (0..self.table.config().seats).map(SeatIndex) {
            let command = match (self.table.seat(seat), self.dice.roll(100)) {
                (Some(_), 0..6) => Command::SitOut { seat },
                (Some(_), 6..40) => Command::SitIn { seat, post: self.dice.chance(60) },
                (Some(_), 40..44) => Command::TopUp { seat, amount: 1 + self.dice.roll(500) },
                (Some(_), 44..74) => Command::Straddle { seat, on: self.dice.chance(70) },
                (Some(chair), _) if chair.stack == 0 => Command::Leave { seat },
                (Some(_), 97..100) => Command::Leave { seat },
                (None, 0..60) => {
                    let stack = stack(&mut self.dice, self.table.config());
                    let id = self.dice.roll(1 << 40);
                    Command::Sit { seat, player: player(id, seat.0), stack }
                }
                _ => continue,
            };
            // Players ask all the same for acts that a table refuses.
            let _ = self.table.apply(0, command);
        }
    }

    fn hand(&mut self) -> Result<HandRecord> {
        let mut tries = 0;
        while self.table.ready() < 2 || tries == 0 {
            self.between();
            tries += 1;
            ensure!(tries < 1_000, "nobody comes");
        }
        let stacks: Vec<_> = self
            .table
            .seats()
            .iter()
            .map(|seat| seat.as_ref().map(|seat| (seat.player, seat.stack)))
            .collect();
        let (hand, deck) = (self.table.last_hand() + 1, self.dice.deck()?);
        let mut events = self.table.apply(0, Command::StartHand { hand, deck })?;
        let order = events.iter().find_map(|event| match event {
            Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
            _ => None,
        });
        let start = |seat: SeatIndex| {
            let (player, stack) = (*stacks.get(seat.index())?)?;
            Some(SeatStart { seat, player, stack })
        };
        let starts = order.context("no start")?.into_iter().filter_map(start).collect();
        let mut decisions = 0;
        while self.table.hand().is_some() {
            decisions += 1;
            ensure!(decisions < DECISIONS_MAX, "the hand does not end");
            let command = if let Some(seat) = self.table.to_act() {
                let legal = self.table.legal_actions(seat).context("who is to act has legal actions")?;
                match self.dice.roll(2_000) {
                    0 => Command::VoidHand,
                    1..20 => Command::Leave { seat },
                    _ => Command::Act { seat, action: self.choose(legal) },
                }
            } else {
                let seat = self.table.asked_twice().iter().next().context("nobody is to act")?;
                Command::RunItTwice { seat, agree: self.dice.chance(80) }
            };
            events.extend(self.table.apply(0, command)?);
        }
        let end: HandEnd = events
            .iter()
            .find_map(|event| match event {
                Event::HandEnded(end) => Some(end.clone()),
                _ => None,
            })
            .context("no end")?;
        // Events after the end belong to no hand.
        let history = HandHistory::public(hand, self.table.config().clone(), starts, &events);
        Ok(record(self.uid.clone(), history, end))
    }

    fn choose(&mut self, legal: LegalActions) -> Action {
        let [fold, raise, all_in] = self.style;
        let dice = &mut self.dice;
        if dice.chance(if legal.check { 1 } else { fold }) {
            return Action::Fold;
        }
        match legal.raise_to {
            Some((min, max)) if dice.chance(raise) => Action::RaiseTo(match dice.roll(100) {
                roll if roll < all_in => max,
                roll if roll < 70 => min,
                _ => dice.between(min, max.min(min.saturating_mul(4))),
            }),
            _ if legal.check => Action::Check,
            _ => Action::Call,
        }
    }
}

fn player(id: u64, seat: u8) -> PlayerId {
    let mut bytes = [seat; 20];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    PlayerId(bytes)
}

fn stack(dice: &mut Dice, config: &TableConfig) -> u64 {
    let depth = [5, 60, 150, 200][usize::try_from(dice.roll(4)).unwrap_or(0)];
    dice.between(config.buy_in_min * depth / 5, config.buy_in_min * depth).min(config.buy_in_max)
}

fn config(dice: &mut Dice) -> Result<TableConfig> {
    let small = dice.pick(&[1, 5, 25, 50, 7])?;
    let big = if dice.chance(80) { small * 2 } else { small * 3 + dice.roll(3) };
    let ante = match dice.roll(10) {
        0..=5 => Ante::None,
        6..=7 => Ante::Each(dice.between(1, big)),
        _ => Ante::BigBlind(dice.between(1, big)),
    };
    let caps = if dice.chance(50) {
        vec![RakeCap { players: 2, amount: big }, RakeCap { players: 5, amount: big * 3 }]
    } else {
        Vec::new()
    };
    Ok(TableConfig {
        seats: u8::try_from(dice.pick(&[2, 3, 4, 6, 6, 8, 9, 10])?)?,
        small_blind: small,
        big_blind: big,
        ante,
        betting: Betting::NoLimit,
        straddle: dice.chance(40),
        house: HouseRules::NONE,
        run_it_twice: dice.chance(40),
        buy_in_min: big,
        buy_in_max: big * 200,
        rake: RakeConfig {
            basis_points: dice.pick(&[0, 250, 500, 1_000])?,
            caps,
            no_flop_no_drop: dice.chance(80),
        },
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
    })
}
