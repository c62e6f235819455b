//! One session of one table, hand by hand through the engine.

use crate::{
    cheat::{self, Kind, Secret},
    persona::Persona,
    player::{Player, SimError},
    policy::{Choice, Decided, Spot, decide, sized, taste},
    record::Played,
    think::{Clockwork, difficulty, think_ms},
    truth::Truth,
};
use purr_engine::{
    Action, Card, Chips, ClockConfig, Command, Deck, Event, Millis, Post, RakeCap, RakeConfig, SeatIndex,
    SeatSet, Street, Table, TableConfig, history::SeatStart, list::Board,
};
use purr_fairplay_hands::{
    ActionKind, BoardStrength, EndedHand, Random, SeatPlayed, StreetAction, StreetPost, preflop_percentile,
    straight_or_better_outs,
};

const BIG_BLIND: Chips = 100;
const BUY_IN: Chips = 100 * BIG_BLIND;
/// Below this a player tops up.
const TOP_UP_BELOW: Chips = 70 * BIG_BLIND;
/// A hand has fewer actions than this: ten players, four streets, bets that double.
const ACTIONS_MAX: usize = 400;
/// Tilt: hands that it lasts, and the loss that begins it.
const TILT_HANDS: u32 = 45;
const TILT_LOSS: i64 = 35 * BIG_BLIND as i64;

/// A table, its players and the hand that is played.
pub(crate) struct Sitting {
    table: Table,
    /// The player in each seat, as an index into the pool's players.
    seats: Vec<usize>,
    next_hand: u64,
    now: Millis,
    hand: EndedHand,
    events: Vec<Event>,
    config: TableConfig,
    starts: Vec<SeatStart>,
    deck: Deck,
}

/// State of a running hand for the players, updated incrementally so that nobody counts twice.
struct Running {
    holes: [Option<[Card; 2]>; 10],
    strength: [f64; 10],
    outs: [u8; 10],
    board: Board,
    street: Street,
    raises: u8,
    entered: SeatSet,
    aggressor: Option<SeatIndex>,
    last_street_aggressor: Option<SeatIndex>,
    /// By seat: whether the cheat uses this hand.
    uses: [bool; 10],
    /// Groups that changed an action.
    changed: Vec<usize>,
}

impl Sitting {
    pub(crate) fn new(
        name: String,
        seats: Vec<usize>,
        players: &[Player],
        first: u64,
        now: Millis,
    ) -> Result<Self, SimError> {
        let config = config(seats.len() as u8);
        let mut table = Table::new(config.clone())?;
        let mut events = Vec::with_capacity(128);
        for (seat, player) in seats.iter().enumerate() {
            let (seat, player) = (SeatIndex(seat as u8), players[*player].id);
            table.apply_into(now, Command::Sit { seat, player, stack: BUY_IN }, &mut events)?;
        }
        let hand = EndedHand {
            table: name,
            hand: 0,
            ended_at_ms: now,
            big_blind: BIG_BLIND,
            button: SeatIndex(0),
            seats: Vec::new(),
            posts: Vec::new(),
            actions: Vec::new(),
            board: Vec::new(),
            rake: 0,
        };
        let (starts, deck) = (Vec::new(), ordered());
        Ok(Self { table, seats, next_hand: first, now, hand, events, config, starts, deck })
    }

    pub(crate) fn played(&self) -> Played<'_> {
        let Self { hand, config, starts, events, deck, .. } = self;
        Played { hand, config, starts, events, deck }
    }

    pub(crate) fn play(
        &mut self,
        players: &mut [Player],
        truth: &mut Truth,
        random: &mut Random,
    ) -> Result<(), SimError> {
        self.top_up()?;
        self.events.clear();
        self.now += 2_000;
        self.deck = shuffled(random);
        self.table.apply_into(
            self.now,
            Command::StartHand { hand: self.next_hand, deck: self.deck.clone() },
            &mut self.events,
        )?;
        let mut running = self.begin(players, random);
        let mut told = 0;
        for _ in 0..ACTIONS_MAX {
            self.read_events(told, &mut running);
            told = self.events.len();
            let Some(seat) = self.table.to_act() else {
                return self.finish(players, truth, &running);
            };
            self.turn(seat, players, &mut running, random)?;
        }
        Err(SimError::Stuck(self.next_hand))
    }

    fn top_up(&mut self) -> Result<(), SimError> {
        for seat in (0..self.seats.len()).map(|seat| SeatIndex(seat as u8)) {
            let stack = self.table.seat(seat).map_or(BUY_IN, |chair| chair.stack);
            if stack < TOP_UP_BELOW {
                let amount = BUY_IN - stack;
                self.table.apply_into(self.now, Command::TopUp { seat, amount }, &mut self.events)?;
                self.table.apply_into(self.now, Command::SitIn { seat, post: true }, &mut self.events).ok();
            }
        }
        Ok(())
    }

    fn begin(&mut self, players: &[Player], random: &mut Random) -> Running {
        let mut running = Running {
            holes: [None; 10],
            strength: [0.0; 10],
            outs: [0; 10],
            board: Board::new(),
            street: Street::Preflop,
            raises: 0,
            entered: SeatSet::default(),
            aggressor: None,
            last_street_aggressor: None,
            uses: [false; 10],
            changed: Vec::new(),
        };
        let hand = &mut self.hand;
        (hand.hand, hand.rake) = (self.next_hand, 0);
        hand.seats.clear();
        hand.posts.clear();
        hand.actions.clear();
        hand.board.clear();
        self.starts.clear();
        if let Some(dealt) = self.table.hand() {
            hand.button = dealt.button;
            for (seat, player) in dealt.players() {
                let who = &players[self.seats[seat.index()]];
                running.holes[seat.index()] = Some(player.cards);
                running.strength[seat.index()] = f64::from(preflop_percentile(player.cards));
                let (id, stack) = (who.id, player.start_stack);
                hand.seats.push(SeatPlayed { seat, player: id, stack, cards: Some(player.cards), delta: 0 });
                self.starts.push(SeatStart { seat, player: id, stack });
            }
            // From the seat after the button to the button, as a table lists them.
            let after = self.starts.iter().position(|start| start.seat > dealt.button).unwrap_or(0);
            self.starts.rotate_left(after);
        }
        // Partners agree on the hands that they use.
        let mut shared: Vec<(usize, bool)> = Vec::new();
        for (seat, at) in self.seats.iter().enumerate() {
            if let Some(cheat) = players[*at].cheat {
                let known = shared.iter().find(|(group, _)| *group == cheat.group).map(|(_, uses)| *uses);
                let uses = known.unwrap_or_else(|| random.chance(cheat.intensity * cheat.kind.rate()));
                shared.push((cheat.group, uses));
                running.uses[seat] = uses;
            }
        }
        running
    }

    /// Applies the events that the engine has emitted since `from`.
    fn read_events(&mut self, from: usize, running: &mut Running) {
        for event in &self.events[from..] {
            match event {
                Event::Posted { seat, post, amount, .. } => self.hand.posts.push(StreetPost {
                    seat: *seat,
                    amount: *amount,
                    dead: matches!(post, Post::Ante | Post::Dead),
                }),
                Event::StreetDealt { board: 0, street, cards } => {
                    self.hand.board.extend(cards.iter());
                    running.street = *street;
                    running.raises = 0;
                    running.last_street_aggressor = running.aggressor.take();
                    for card in cards.iter() {
                        running.board.push(*card);
                    }
                    // No decision follows an all-in: nobody needs strengths then.
                    if self.table.to_act().is_some() {
                        measure(running, self.table.hand().map_or(SeatSet::default(), |hand| hand.live()));
                    }
                }
                Event::HandEnded(end) => {
                    self.hand.rake = end.rake;
                    for result in end.results.iter() {
                        if let Some(seat) = self.hand.seats.iter_mut().find(|s| s.seat == result.seat) {
                            seat.delta = result.delta;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn turn(
        &mut self,
        seat: SeatIndex,
        players: &[Player],
        running: &mut Running,
        random: &mut Random,
    ) -> Result<(), SimError> {
        let (Some(legal), Some(hand)) = (self.table.legal_actions(seat), self.table.hand()) else {
            return Err(SimError::Stuck(self.next_hand));
        };
        let who = &players[self.seats[seat.index()]];
        let (live, pot) = (hand.live(), self.table.pot());
        let positions = self.seats.len();
        let from_button = (seat.index() + positions - hand.button.index() % positions) % positions;
        let mut strength = running.strength[seat.index()];
        if running.street == Street::Preflop
            && let Some(cards) = running.holes[seat.index()]
        {
            strength = taste(who.taste, cards, strength);
        }
        let spot = Spot {
            street: running.street,
            strength,
            outs: running.outs[seat.index()],
            legal,
            pot,
            big_blind: BIG_BLIND,
            raises: running.raises,
            opponents: live.len() - 1,
            late: from_button == 0 || from_button + 1 == positions,
            initiative: running.last_street_aggressor == Some(seat),
        };
        let bot = who.clockwork != Clockwork::Human;
        let mut style = who.style;
        if who.changed {
            style = who.other.0;
        } else if who.tilted_hands > 0 && who.persona == Persona::Tilter {
            style = style.toward(who.other.0, 0.7);
        }
        if who.persona == Persona::Positional {
            let right =
                running.aggressor == Some(SeatIndex(((seat.index() + positions - 1) % positions) as u8));
            let left = running.aggressor == Some(SeatIndex(((seat.index() + 1) % positions) as u8));
            if right {
                (style.three_bet, style.aggression) =
                    (style.three_bet * 2.0, (style.aggression + 0.3).min(1.0));
            } else if left {
                (style.sticky, style.aggression) = (style.sticky - 0.1, style.aggression * 0.5);
            }
        }
        let Decided { choice: honest, margin } = decide(&spot, &style, bot, random);
        let mut choice = honest;
        if let Some(cheat) = who.cheat.filter(|_| running.uses[seat.index()]) {
            let at = |player: usize| self.seats.iter().position(|sits| *sits == player);
            let partner = cheat.partner.and_then(at).map(|seat| SeatIndex(seat as u8));
            let secret = Secret {
                me: seat,
                partner: partner.filter(|partner| live.contains(*partner)),
                first: cheat.first,
                live,
                entered: running.entered,
                aggressor: running.aggressor,
                strength: &running.strength,
            };
            choice = cheat::change(cheat.kind, &spot, &secret, honest, random);
            if choice == Choice::Fold && legal.check {
                choice = Choice::Passive;
            }
            if choice.differs(honest)
                && cheat.kind != Kind::MultiAccount
                && !running.changed.contains(&cheat.group)
            {
                running.changed.push(cheat.group);
            }
        }
        let pace = if who.changed && who.cheat.is_some() { &who.other.1 } else { &who.pace };
        let hard = difficulty(margin, pot as f64 / BIG_BLIND as f64);
        let think = think_ms(pace, who.clockwork, hard, who.mood, random);
        self.now += u64::from(think);
        self.act(seat, choice, &spot, think, running)
    }

    fn act(
        &mut self,
        seat: SeatIndex,
        choice: Choice,
        spot: &Spot,
        think: u32,
        running: &mut Running,
    ) -> Result<(), SimError> {
        let Some(hand) = self.table.hand() else {
            return Err(SimError::Stuck(self.next_hand));
        };
        let in_front = hand.player(seat).map_or(0, |player| player.street_bet);
        let action = sized(choice, spot, hand.bet, in_front);
        let (kind, to) = match action {
            Action::Fold => (ActionKind::Fold, in_front),
            Action::Check => (ActionKind::Check, in_front),
            Action::Call => (ActionKind::Call, in_front + spot.legal.call.unwrap_or(0)),
            Action::RaiseTo(to) => (ActionKind::Raise, to),
        };
        if kind == ActionKind::Raise {
            running.raises += 1;
            running.aggressor = Some(seat);
        }
        if matches!(kind, ActionKind::Raise | ActionKind::Call) {
            running.entered.insert(seat);
        }
        self.hand.actions.push(StreetAction {
            seat,
            street: spot.street,
            action: kind,
            to,
            think_ms: Some(think),
        });
        self.table.apply_into(self.now, Command::Act { seat, action }, &mut self.events)?;
        Ok(())
    }

    fn finish(
        &mut self,
        players: &mut [Player],
        truth: &mut Truth,
        running: &Running,
    ) -> Result<(), SimError> {
        self.hand.ended_at_ms = self.now;
        for group in &running.changed {
            truth.groups[*group].hands.push(self.hand.key());
        }
        for seat in &self.hand.seats {
            let player = &mut players[self.seats[seat.seat.index()]];
            player.tilted_hands = player.tilted_hands.saturating_sub(1);
            if seat.delta < -TILT_LOSS {
                player.tilted_hands = TILT_HANDS;
            }
        }
        self.next_hand += 1;
        Ok(())
    }
}

/// Computes the hand strengths of the remaining players on the current board.
fn measure(running: &mut Running, live: SeatSet) {
    let board = BoardStrength::new(&running.board);
    for seat in live.iter() {
        if let Some(cards) = running.holes[seat.index()] {
            running.strength[seat.index()] = f64::from(board.percentile(board.rank(cards)));
            running.outs[seat.index()] = straight_or_better_outs(cards, &running.board);
        }
    }
}

fn shuffled(random: &mut Random) -> Deck {
    let mut cards: Vec<Card> = Card::all().collect();
    random.shuffle(&mut cards);
    deck_of(cards)
}

fn ordered() -> Deck {
    deck_of(Card::all().collect())
}

fn deck_of(cards: Vec<Card>) -> Deck {
    Deck::try_from(cards).unwrap_or_else(|_| unreachable!("a permutation has every card once"))
}

fn config(seats: u8) -> TableConfig {
    TableConfig {
        seats,
        small_blind: BIG_BLIND / 2,
        big_blind: BIG_BLIND,
        ante: purr_engine::Ante::None,
        betting: purr_engine::Betting::NoLimit,
        straddle: false,
        house: purr_engine::config::HouseRules::NONE,
        run_it_twice: false,
        buy_in_min: 40 * BIG_BLIND,
        buy_in_max: BUY_IN,
        rake: RakeConfig {
            basis_points: 400,
            caps: vec![RakeCap { players: 2, amount: 2 * BIG_BLIND }],
            no_flop_no_drop: true,
        },
        clock: ClockConfig {
            turn_ms: 15_000,
            time_bank_ms: 60_000,
            time_bank_gain_ms: 0,
            time_bank_hands: 0,
            time_bank_max_ms: 0,
            disconnect_ms: 30_000,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 0,
            disconnect_total_ms: 0,
        },
        rat_hole_ms: 0,
    }
}
