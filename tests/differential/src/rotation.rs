//! Tables where players come, go, sit out and return, for a second model of button and blinds: the commands to the
//! engine, and the forced bets of each hand.

use crate::{dice::Dice, play::table_config};
use anyhow::{Context, Result};
use purr_engine::{
    Action, Command, Event, HouseRules, PlayerId, Post, Refusal, SeatIndex, Table, TableConfig,
};
use serde::Serialize;

const SMALL: u64 = 5;
const BIG: u64 = 10;
/// Deep enough for every hand of a session: nobody is ever short of a blind.
const STACK: u64 = 1 << 40;
/// Few enough that the same players return.
const PLAYERS: u64 = 12;

/// One table from its first player on.
#[derive(Serialize)]
pub(crate) struct Session {
    session: u64,
    seats: u8,
    straddle: bool,
    newcomer_posts_big_alone: bool,
    straddle_back_in: bool,
    small: u64,
    big: u64,
    log: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "do")]
enum Entry {
    Sit { seat: u8, player: u8 },
    Leave { seat: u8 },
    Out { seat: u8 },
    In { seat: u8, post: bool },
    Wish { seat: u8, on: bool },
    Hand { button: u8, dealt: Vec<u8>, posts: Vec<(u8, Post, u64)>, first: Option<u8> },
    End { void: bool },
}

/// Plays hands until the number is reached; the last session is cut short.
pub(crate) fn session(seed: u64, session: u64, hands: u64) -> Result<Session> {
    let mut dice = Dice::of_hand(seed, session);
    let seats = u8::try_from(dice.pick(&[2, 3, 3, 4, 5, 6, 6, 8, 9, 10])?)?;
    let straddle = dice.chance(40);
    let house = HouseRules {
        newcomer_posts_big_alone: dice.chance(40),
        straddle_back_in: straddle && dice.chance(60),
    };
    let config = TableConfig {
        seats,
        small_blind: SMALL,
        big_blind: BIG,
        straddle,
        house,
        buy_in_min: BIG,
        buy_in_max: STACK,
        rat_hole_ms: 1,
        ..table_config()
    };
    // How often somebody comes or goes differs from table to table: some change all the time.
    let restless = dice.pick(&[5, 15, 40, 75])?;
    let mut play = Play { table: Table::new(config)?, dice, log: Vec::new(), restless };
    for _ in 0..2 * seats {
        play.sit()?;
    }
    let mut played = 0;
    while played < hands {
        play.changes()?;
        if play.table.ready() < 2 {
            play.sit()?;
            continue;
        }
        played += 1;
        play.hand()?;
    }
    let (newcomer_posts_big_alone, straddle_back_in) =
        (house.newcomer_posts_big_alone, house.straddle_back_in);
    let log = play.log;
    let (small, big) = (SMALL, BIG);
    Ok(Session { session, seats, straddle, newcomer_posts_big_alone, straddle_back_in, small, big, log })
}

struct Play {
    table: Table,
    dice: Dice,
    log: Vec<Entry>,
    restless: u64,
}

impl Play {
    fn seat(&mut self) -> Result<SeatIndex> {
        let seats = u64::from(self.table.config().seats);
        Ok(SeatIndex(u8::try_from(self.dice.roll(seats))?))
    }

    /// A command that the engine refuses has not happened.
    fn ask(&mut self, command: Command, entry: Entry) -> bool {
        let done = self.table.apply(0, command).is_ok();
        if done {
            self.log.push(entry);
        }
        done
    }

    fn sit(&mut self) -> Result<()> {
        let (at, player) = (self.seat()?, u8::try_from(1 + self.dice.roll(PLAYERS))?);
        let (seat, id) = (at.0, PlayerId([player; 20]));
        if self.ask(
            Command::Seat { seat: at, player: id, stack: STACK, rake_allowed: None },
            Entry::Sit { seat, player },
        ) {
            return Ok(());
        }
        self.come_in(at);
        Ok(())
    }

    fn come_in(&mut self, at: SeatIndex) {
        let post = self.dice.chance(55);
        self.ask(Command::SitIn { seat: at, post }, Entry::In { seat: at.0, post });
    }

    fn changes(&mut self) -> Result<()> {
        while self.dice.chance(self.restless) {
            let at = self.seat()?;
            match self.dice.roll(12) {
                0..=2 => self.sit()?,
                3 => self.leave(at)?,
                4 | 5 => {
                    self.ask(Command::SitOut { seat: at }, Entry::Out { seat: at.0 });
                }
                6 => {
                    let on = self.dice.chance(70);
                    if self.table.config().straddle {
                        self.ask(Command::Straddle { seat: at, on }, Entry::Wish { seat: at.0, on });
                    }
                }
                _ => self.come_in(at),
            }
        }
        Ok(())
    }

    /// The player leaves, and often returns at once, to the same seat or another.
    fn leave(&mut self, at: SeatIndex) -> Result<()> {
        let Some(id) = self.table.seat(at).map(|chair| chair.player) else { return Ok(()) };
        if self.ask(Command::Leave { seat: at }, Entry::Leave { seat: at.0 }) && self.dice.chance(40) {
            let back = if self.dice.chance(60) { at } else { self.seat()? };
            let entry = Entry::Sit { seat: back.0, player: id.0[0] };
            self.ask(Command::Seat { seat: back, player: id, stack: STACK, rake_allowed: None }, entry);
        }
        Ok(())
    }

    fn hand(&mut self) -> Result<()> {
        let hand = self.table.last_hand() + 1;
        let deck = self.dice.deck()?;
        let events = self.table.apply(0, Command::StartHand { hand, deck })?;
        let (mut button, mut dealt, mut posts) = (0, Vec::new(), Vec::new());
        for event in &events {
            match event {
                Event::HandStarted { button: at, dealt_in, .. } => {
                    button = at.0;
                    dealt = dealt_in.iter().map(|seat| seat.0).collect();
                }
                Event::Posted { seat, post, amount, .. } => posts.push((seat.0, *post, *amount)),
                _ => {}
            }
        }
        dealt.sort_unstable();
        let first = self.table.to_act().map(|seat| seat.0);
        self.log.push(Entry::Hand { button, dealt, posts, first });
        // Some players come and go during the hand, and some hands are void.
        let void = self.dice.chance(2);
        if !void && self.dice.chance(self.restless / 2) {
            self.changes()?;
        }
        if void {
            self.table.apply(0, Command::VoidHand)?;
        }
        while let Some(seat) = self.table.to_act() {
            match self.table.apply(0, Command::Act { seat, action: Action::Fold }) {
                Ok(_) => {}
                Err(Refusal::NotYourTurn(_)) => break,
                Err(refusal) => return Err(refusal).context("a fold"),
            }
        }
        self.log.push(Entry::End { void });
        Ok(())
    }
}
