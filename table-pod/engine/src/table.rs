//! The table as a state machine: one transition function, used live, in recovery and in replay.

mod betting;
mod blinds;
mod clock;
mod positions;
mod replay;
mod seats;
mod showdown;
mod showing;
mod streets;
mod twice;

use crate::{
    card::{Card, Deck},
    command::{Command, ShowWish},
    config::{ClockConfig, ConfigError, TableConfig},
    event::{Event, Street},
    ids::{Chips, Millis, PlayerId, SEATS_MAX, SeatIndex, SeatSet},
    list::{Blank, Board, List},
    refusal::Refusal,
};
pub use betting::LegalActions;
use clock::Turn;
use positions::{Last, Positions};
pub use replay::HandSetup;
use serde::{Deserialize, Serialize};
use showing::Showing;
use std::sync::Arc;
use twice::Twice;

/// A table of players, chips and at most one running hand. Serialized, it is a snapshot.
///
/// A clone is a snapshot too, and cheap: one copy of some two kilobytes; the configuration is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    #[serde(with = "shared")]
    config: Arc<TableConfig>,
    seats: List<Option<Seat>, SEATS_MAX>,
    positions: Option<Positions>,
    #[serde(default)]
    last: Last,
    hand: Option<Hand>,
    last_hand: u64,
    now: Millis,
    paused_since: Option<Millis>,
    departed: Vec<Departed>,
    /// Everything that ever came in minus everything that went out, rake included.
    bank: u128,
    /// Set when chips were not conserved: nothing is accepted any more.
    broken: Option<(u128, u128)>,
}

/// One occupied seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub player: PlayerId,
    pub stack: Chips,
    /// Chips that join the stack when the hand ends.
    pub pending: Chips,
    pub sitting_out: bool,
    pub leaving: bool,
    pub connected: bool,
    /// Owes a big blind before being dealt in: new, or missed it (WSOP 156).
    pub owes_big: bool,
    pub owes_small: bool,
    /// Posts what is owed at once instead of waiting for the big blind.
    pub posts: bool,
    /// Straddles whenever under the gun, where the table has straddles (WSOP 11).
    #[serde(default)]
    pub straddle: bool,
    /// The player's choice for a hand that may be mucked; hidden from other players.
    #[serde(default, skip_serializing_if = "ShowWish::is_muck")]
    pub show: ShowWish,
    /// Left of the time bank before the flop.
    #[serde(default)]
    pub time_bank_preflop_ms: Millis,
    /// Left of the time bank after it.
    pub time_bank_ms: Millis,
    /// Disconnect time and grace used since the player sat down.
    #[serde(default, skip_serializing_if = "clock::is_none")]
    pub disconnect_ms: Millis,
    /// Hands dealt in since the banks last grew.
    #[serde(default)]
    hands: u16,
    /// Chips that may still be taken as rake of this seat, by its permits; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rake_left: Option<Chips>,
}

/// A player who left a short while ago, and with how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Departed {
    player: PlayerId,
    stack: Chips,
    at: Millis,
    /// The last hand, where the player had its big blind.
    #[serde(default)]
    paid: Option<u64>,
    #[serde(default)]
    time: Option<TimeLeft>,
}

/// Time banks of a player who left, and the disconnect time that the player had used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TimeLeft {
    preflop_ms: Millis,
    bank_ms: Millis,
    disconnect_ms: Millis,
}

/// Most players who left and are remembered, the newest ones.
const DEPARTED_MAX: usize = 64;

/// Most chips in play at a table, so that every sum of them fits.
const BANK_MAX: u128 = 1 << 62;

/// The hand that is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    pub number: u64,
    deck: Deck,
    dealt: u8,
    pub button: SeatIndex,
    pub street: Street,
    pub board: Board,
    /// The complete second board, once the hand is run twice.
    #[serde(default)]
    pub second_board: Board,
    /// By seat; `None`: not dealt in.
    players: List<Option<InHand>, SEATS_MAX>,
    /// Seats that have not folded.
    live: SeatSet,
    /// Seats that have not folded and have chips behind.
    able: SeatSet,
    /// Dead money: a big-blind ante, missed small blinds.
    dead: Chips,
    /// The bet to be matched on this street.
    pub bet: Chips,
    /// The last full bet: in a fixed limit a short all-in does not move it.
    full_bet: Chips,
    /// The size of the last full bet or raise, at least the big blind.
    raise_size: Chips,
    /// The least a bet can be.
    minimum_bet: Chips,
    /// Full bets and raises on this street.
    bets: u8,
    /// The seat that bet or raised last on this street.
    aggressor: Option<SeatIndex>,
    /// The seat that last bet or raised all-in, on any street.
    #[serde(default)]
    pushed: Option<SeatIndex>,
    turn: Option<Turn>,
    twice: Twice,
    /// Set while somebody is asked whether to show. The question's deadline is that of [`Twice::Asked`]: an earlier
    /// release, which knows only the other question, ends the hand when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    showing: Option<Showing>,
    before: Option<Positions>,
    #[serde(default)]
    last_before: Last,
    /// Seats that missed the big blind, or the small one, with this hand and not before.
    #[serde(default)]
    missed: [SeatSet; 2],
    dealt_in: u8,
}

/// A player in the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    pub cards: [Card; 2],
    /// Chips in front of the player on this street.
    pub street_bet: Chips,
    /// Chips put in over the whole hand, without dead money.
    pub total: Chips,
    pub dead: Chips,
    pub folded: bool,
    /// The bet to be matched when the player last acted on this street.
    acted_at: Option<Chips>,
    pub start_stack: Chips,
    /// Blinds that the player owed before the hand, for the case that it is void.
    owed: Owed,
    /// In a replayed hand: the player mucks at the showdown.
    mucks: bool,
}

/// Blinds that a player owes, and whether they are posted without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Owed {
    big: bool,
    small: bool,
    posts: bool,
}

impl Table {
    pub fn new(config: TableConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let seats = List::blank(config.seats);
        Ok(Self {
            config: Arc::new(config),
            seats,
            positions: None,
            last: Last::default(),
            hand: None,
            last_hand: 0,
            now: 0,
            paused_since: None,
            departed: Vec::new(),
            bank: 0,
            broken: None,
        })
    }

    /// [`Self::apply_into`] a new list.
    pub fn apply(&mut self, now: Millis, command: Command) -> Result<Vec<Event>, Refusal> {
        let mut events = Vec::new();
        self.apply_into(now, command, &mut events)?;
        Ok(events)
    }

    /// Carries out one command at this time and adds what follows to `events`. A refusal leaves both
    /// as they were.
    ///
    /// Times (milliseconds) must not go backwards; a clock that was replaced (take-over) is announced
    /// with [`Command::RestartClock`], which accepts any. Between the deal of a hand and its end
    /// nothing is allocated where `events` has room.
    ///
    /// # Errors
    /// The rule that stands against it, with its bounds. [`Refusal::NotConserved`] is the one that
    /// stays: the table accepts nothing more.
    pub fn apply_into(
        &mut self,
        now: Millis,
        command: Command,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        if now < self.now && !matches!(command, Command::RestartClock) {
            return Err(Refusal::TimeWentBack { given: now, last: self.now });
        }
        self.transition(now, events, |table, last, events| table.carry_out(command, last, events))
    }

    /// Carries out every change of a table: nothing of a refusal stays, and chips are counted.
    fn transition(
        &mut self,
        now: Millis,
        events: &mut Vec<Event>,
        change: impl FnOnce(&mut Self, Millis, &mut Vec<Event>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if let Some((expected, found)) = self.broken {
            return Err(Refusal::NotConserved { expected, found });
        }
        let (before, told) = (self.now, events.len());
        self.now = now;
        if let Err(refusal) = change(self, before, events) {
            self.now = before;
            events.truncate(told);
            return Err(refusal);
        }
        self.check_conserved().inspect_err(|_| events.truncate(told))
    }

    fn carry_out(&mut self, command: Command, last: Millis, events: &mut Vec<Event>) -> Result<(), Refusal> {
        match command {
            Command::Act { seat, action } => self.act(seat, action, events),
            Command::Tick => self.tick(events),
            Command::StartHand { hand, deck } => self.start_hand(hand, deck, events),
            Command::Sit { seat, player, stack } => self.sit(seat, player, stack, events),
            Command::Seat { seat, player, stack, rake_allowed } => {
                self.take_seat(seat, player, stack, rake_allowed, events)
            }
            Command::AllowRake { seat, amount } => self.allow_rake(seat, |left| left.checked_add(amount)),
            Command::DisallowRake { seat, amount } => {
                self.allow_rake(seat, |left| Some(left.saturating_sub(amount)))
            }
            Command::TopUp { seat, amount } => self.top_up(seat, amount, events),
            Command::Leave { seat } => self.leave(seat, events),
            Command::SitOut { seat } => self.sit_out(seat, events),
            Command::SitIn { seat, post } => self.sit_in(seat, post, events),
            Command::Straddle { seat, on } => self.wish_straddle(seat, on, events),
            Command::WishShow { seat, wish } => {
                self.seat_mut(seat)?.show = wish;
                Ok(())
            }
            Command::Show { seat, show } => self.answer_show(seat, show, events),
            Command::RunItTwice { seat, agree } => self.answer_twice(seat, agree, events),
            Command::Disconnected { seat } => self.set_connected(seat, false, events),
            Command::Reconnected { seat } => self.set_connected(seat, true, events),
            Command::VoidHand => self.void_hand(events),
            Command::PauseClock => self.pause_clock(events),
            Command::ResumeClock => self.resume_clock(events),
            Command::RestartClock => self.restart_clock(last, events),
        }
    }

    /// Checked in release builds too: a table that is short of a chip stops before it settles.
    fn check_conserved(&mut self) -> Result<(), Refusal> {
        let stacks: u128 =
            self.seats.iter().flatten().map(|s| u128::from(s.stack) + u128::from(s.pending)).sum();
        let found = stacks + u128::from(self.pot());
        if found == self.bank {
            return Ok(());
        }
        self.broken = Some((self.bank, found));
        Err(Refusal::NotConserved { expected: self.bank, found })
    }

    pub fn config(&self) -> &TableConfig {
        &self.config
    }

    /// Replaces the clock from the next turn on: the only part of a table's configuration that may change.
    pub fn set_clock(&mut self, clock: ClockConfig) {
        if self.config.clock != clock {
            Arc::make_mut(&mut self.config).clock = clock;
        }
    }

    /// The seats, by index; `None` is a free seat.
    pub fn seats(&self) -> &[Option<Seat>] {
        &self.seats
    }

    pub fn seat(&self, seat: SeatIndex) -> Option<&Seat> {
        self.seats.get(seat.index())?.as_ref()
    }

    pub fn seat_of(&self, player: PlayerId) -> Option<SeatIndex> {
        self.occupied().find(|(_, seat)| seat.player == player).map(|(index, _)| index)
    }

    pub fn hand(&self) -> Option<&Hand> {
        self.hand.as_ref()
    }

    /// The number of the last hand that was started.
    pub fn last_hand(&self) -> u64 {
        self.last_hand
    }

    /// Everything in the middle: bets of this and of earlier streets.
    pub fn pot(&self) -> Chips {
        let Some(hand) = &self.hand else { return 0 };
        hand.players.iter().flatten().map(|p| p.total).sum::<Chips>() + hand.dead
    }

    /// Returns the seat to act.
    pub fn to_act(&self) -> Option<SeatIndex> {
        self.hand.as_ref()?.turn.as_ref().map(|turn| turn.seat)
    }

    /// How many players the next hand would have.
    pub fn ready(&self) -> usize {
        self.ready_seats().len()
    }

    fn ready_seats(&self) -> SeatSet {
        self.occupied().filter(|(_, seat)| seat.is_ready()).map(|(at, _)| at).collect()
    }

    fn occupied(&self) -> impl Iterator<Item = (SeatIndex, &Seat)> {
        (0u8..).map(SeatIndex).zip(&self.seats).filter_map(|(index, seat)| Some((index, seat.as_ref()?)))
    }

    fn seat_mut(&mut self, seat: SeatIndex) -> Result<&mut Seat, Refusal> {
        let chair = self.seats.get_mut(seat.index()).ok_or(Refusal::NoSuchSeat(seat))?;
        chair.as_mut().ok_or(Refusal::SeatEmpty(seat))
    }

    /// All seats, occupied or not.
    fn chairs(&self) -> SeatSet {
        SeatSet::first(self.config.seats)
    }
}

impl Seat {
    /// Whether the seat's player wants to be dealt the next hand and can be.
    pub fn is_ready(&self) -> bool {
        !self.sitting_out && !self.leaving && self.stack > 0
    }

    /// Owes a blind.
    fn owes(&self) -> bool {
        self.owes_big || self.owes_small
    }
}

impl Blank for Seat {
    const BLANK: Self = Self {
        player: PlayerId([0; 20]),
        stack: 0,
        pending: 0,
        sitting_out: false,
        leaving: false,
        connected: true,
        owes_big: false,
        owes_small: false,
        posts: false,
        straddle: false,
        show: ShowWish::Muck,
        time_bank_preflop_ms: 0,
        time_bank_ms: 0,
        disconnect_ms: 0,
        hands: 0,
        rake_left: None,
    };
}

impl InHand {
    /// The most that the player can have in front on this street.
    fn reach(&self) -> Chips {
        (self.street_bet + self.start_stack).saturating_sub(self.total + self.dead)
    }
}

impl Hand {
    pub fn player(&self, seat: SeatIndex) -> Option<&InHand> {
        self.players.get(seat.index())?.as_ref()
    }

    fn player_mut(&mut self, seat: SeatIndex) -> Option<&mut InHand> {
        self.players.get_mut(seat.index())?.as_mut()
    }

    /// All dealt-in players, by seat.
    pub fn players(&self) -> impl Iterator<Item = (SeatIndex, &InHand)> {
        (0u8..).map(SeatIndex).zip(&self.players).filter_map(|(seat, player)| Some((seat, player.as_ref()?)))
    }

    /// Returns the seats that have not folded.
    pub fn live(&self) -> SeatSet {
        self.live
    }

    fn next_card(&mut self) -> Result<Card, Refusal> {
        let card = self.deck.at(usize::from(self.dealt)).ok_or(Refusal::Overflow)?;
        self.dealt += 1;
        Ok(card)
    }
}

/// The configuration is shared by all clones, and written out as itself.
mod shared {
    use super::{Arc, Deserialize, Serialize, TableConfig};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(config: &Arc<TableConfig>, s: S) -> Result<S::Ok, S::Error> {
        TableConfig::serialize(config, s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<TableConfig>, D::Error> {
        TableConfig::deserialize(d).map(Arc::new)
    }
}
