//! The table as a state machine: one transition function, used live, in recovery and in replay.

mod betting;
mod blinds;
mod clock;
mod seats;
mod showdown;

use crate::{
    card::{Card, Deck},
    command::Command,
    config::{ConfigError, TableConfig},
    event::{Event, Street},
    ids::{Chips, Millis, PlayerId, SeatIndex},
    pots::Contribution,
    refusal::Refusal,
};
pub use betting::LegalActions;
use clock::Turn;
use serde::{Deserialize, Serialize};

/// A table of players, chips and at most one running hand. Serialized, it is a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    config: TableConfig,
    seats: Vec<Option<Seat>>,
    positions: Option<Positions>,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Pays what is owed at once instead of waiting for the big blind.
    pub posts: bool,
    pub time_bank_ms: Millis,
    /// What may still be taken as rake of this seat, by its permits; `None`: any.
    #[serde(default)]
    pub rake_left: Option<Chips>,
}

/// Where button and blinds are. They name chairs, not players: a chair may have emptied (dead button).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Positions {
    button: SeatIndex,
    small: SeatIndex,
    big: SeatIndex,
}

/// A player who left a short while ago, and with how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Departed {
    player: PlayerId,
    stack: Chips,
    at: Millis,
}

/// Those who left are remembered up to this many, the newest.
const DEPARTED_MAX: usize = 64;

/// The hand that is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    pub number: u64,
    deck: Deck,
    dealt: u8,
    pub button: SeatIndex,
    pub street: Street,
    pub board: Vec<Card>,
    /// By seat; `None` was not dealt in.
    players: Vec<Option<InHand>>,
    /// Dead money: a big-blind ante, missed small blinds.
    dead: Chips,
    /// What has to be matched on this street.
    pub bet: Chips,
    /// The size of the last full bet or raise, at least the big blind.
    raise_size: Chips,
    /// The least a bet can be.
    minimum_bet: Chips,
    /// Who bet or raised last on this street.
    aggressor: Option<SeatIndex>,
    turn: Option<Turn>,
    before: Option<Positions>,
    dealt_in: u8,
}

/// A player in the hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    pub cards: [Card; 2],
    /// In front of the player on this street.
    pub street_bet: Chips,
    /// Put in over the whole hand, without dead money.
    pub total: Chips,
    pub dead: Chips,
    pub folded: bool,
    /// What had to be matched when the player last acted on this street.
    acted_at: Option<Chips>,
    pub start_stack: Chips,
}

impl Table {
    pub fn new(config: TableConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let seats = vec![None; usize::from(config.seats)];
        Ok(Self {
            config,
            seats,
            positions: None,
            hand: None,
            last_hand: 0,
            now: 0,
            paused_since: None,
            departed: Vec::new(),
            bank: 0,
            broken: None,
        })
    }

    /// Carries out one command at this time. A refusal leaves the table as it was.
    ///
    /// Times must not go backwards; a clock that was replaced (take-over) is announced with
    /// [`Command::RestartClock`], which accepts any.
    pub fn apply(&mut self, now: Millis, command: Command) -> Result<Vec<Event>, Refusal> {
        if let Some((expected, found)) = self.broken {
            return Err(Refusal::NotConserved { expected, found });
        }
        if now < self.now && command != Command::RestartClock {
            return Err(Refusal::TimeWentBack { given: now, last: self.now });
        }
        let mut events = Vec::new();
        let before = self.now;
        self.now = now;
        let result = match command {
            Command::Sit { seat, player, stack } => self.sit(seat, player, stack, &mut events),
            Command::Seat { seat, player, stack, rake_allowed } => {
                self.take_seat(seat, player, stack, rake_allowed, &mut events)
            }
            Command::AllowRake { seat, amount } => self.allow_rake(seat, |left| left.checked_add(amount)),
            Command::DisallowRake { seat, amount } => {
                self.allow_rake(seat, |left| Some(left.saturating_sub(amount)))
            }
            Command::TopUp { seat, amount } => self.top_up(seat, amount, &mut events),
            Command::Leave { seat } => self.leave(seat, &mut events),
            Command::SitOut { seat } => self.sit_out(seat, &mut events),
            Command::SitIn { seat, post } => self.sit_in(seat, post, &mut events),
            Command::StartHand { hand, deck } => self.start_hand(hand, deck, &mut events),
            Command::Act { seat, action } => self.act(seat, action, &mut events),
            Command::Tick => self.tick(&mut events),
            Command::Disconnected { seat } => self.set_connected(seat, false, &mut events),
            Command::Reconnected { seat } => self.set_connected(seat, true, &mut events),
            Command::VoidHand => self.void_hand(&mut events),
            Command::PauseClock => self.pause_clock(&mut events),
            Command::ResumeClock => self.resume_clock(&mut events),
            Command::RestartClock => self.restart_clock(before, &mut events),
        };
        if let Err(refusal) = result {
            self.now = before;
            return Err(refusal);
        }
        self.check_conserved()?;
        Ok(events)
    }

    /// Checked in release builds too: a table that is short of a chip stops before it settles.
    fn check_conserved(&mut self) -> Result<(), Refusal> {
        let stacks: u128 =
            self.seats.iter().flatten().map(|s| u128::from(s.stack) + u128::from(s.pending)).sum();
        let pots = u128::from(self.pot());
        let found = stacks + pots;
        if found == self.bank {
            return Ok(());
        }
        self.broken = Some((self.bank, found));
        Err(Refusal::NotConserved { expected: self.bank, found })
    }

    pub fn config(&self) -> &TableConfig {
        &self.config
    }

    /// The seats, by index; `None` is a free chair.
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

    /// Who acts now.
    pub fn to_act(&self) -> Option<SeatIndex> {
        self.hand.as_ref()?.turn.as_ref().map(|turn| turn.seat)
    }

    /// How many players the next hand would have.
    pub fn ready(&self) -> usize {
        self.occupied().filter(|(_, seat)| seat.is_ready()).count()
    }

    fn occupied(&self) -> impl Iterator<Item = (SeatIndex, &Seat)> {
        (0u8..).map(SeatIndex).zip(&self.seats).filter_map(|(index, seat)| Some((index, seat.as_ref()?)))
    }

    fn seat_mut(&mut self, seat: SeatIndex) -> Result<&mut Seat, Refusal> {
        let chair = self.seats.get_mut(seat.index()).ok_or(Refusal::NoSuchSeat(seat))?;
        chair.as_mut().ok_or(Refusal::SeatEmpty(seat))
    }

    /// All chairs clockwise, starting at the left of this one and ending with it.
    fn clockwise(&self, from: SeatIndex) -> impl Iterator<Item = SeatIndex> + use<> {
        let count = self.config.seats;
        (1..=count).map(move |step| SeatIndex((from.0 + step) % count))
    }
}

impl Seat {
    /// Will be dealt the next hand, as far as the seat itself goes.
    pub fn is_ready(&self) -> bool {
        !self.sitting_out && !self.leaving && self.stack > 0
    }
}

impl Hand {
    pub fn player(&self, seat: SeatIndex) -> Option<&InHand> {
        self.players.get(seat.index())?.as_ref()
    }

    fn player_mut(&mut self, seat: SeatIndex) -> Option<&mut InHand> {
        self.players.get_mut(seat.index())?.as_mut()
    }

    /// Everybody dealt in, by seat.
    pub fn players(&self) -> impl Iterator<Item = (SeatIndex, &InHand)> {
        (0u8..).map(SeatIndex).zip(&self.players).filter_map(|(seat, player)| Some((seat, player.as_ref()?)))
    }

    fn live(&self) -> impl Iterator<Item = (SeatIndex, &InHand)> {
        self.players().filter(|(_, player)| !player.folded)
    }

    fn next_card(&mut self) -> Result<Card, Refusal> {
        let card = self.deck.at(usize::from(self.dealt)).ok_or(Refusal::Overflow)?;
        self.dealt += 1;
        Ok(card)
    }

    fn contributions(&self) -> Vec<Contribution> {
        let contribution = |(seat, player): (SeatIndex, &InHand)| Contribution {
            seat,
            amount: player.total,
            folded: player.folded,
        };
        self.players().map(contribution).collect()
    }
}
