//! Checks the chips of a hand's record against the rules by replaying the hand.
//!
//! The forced bets come from the table's configuration, the choices from the record, the cards from board and
//! shown hands. Players whose cards nobody saw give up at the showdown, as they did. Every amount that
//! follows must be the one that the record tells.
//!
//! # Guarantees
//! A change of one number of a record is found, but for the fields of [`NOT_COVERED`].
//!
//! # Caveats
//! The rules are those of this program's release. A blind that is left out, where its player then bet as much,
//! leaves a hand that could have been: with a dead small blind. Whoever changes all amounts of a hand in a way that the
//! rules allow makes another possible hand: the signed receipt ([`crate::receipt`]) finds that.

use purr_engine::{
    Action, Ante, Betting, Card, Chips, Command, ConfigError, Deck, DeckError, Event, HandEnd, HandSetup,
    Post, RakeCap, Refusal, SeatIndex, SeatSet, Table,
};
use purr_protocol::record::HandRecord;
use std::collections::BTreeMap;

/// Fields of a record whose numbers a replay cannot check, each with the reason. A `*` stands for any place
/// of a list.
pub const NOT_COVERED: &[(&str, &str)] = &[
    ("version", "says how the record is written, not what happened"),
    ("epoch", "names the process that played; the receipt's record hash covers it"),
    ("history.config.seats", "more chairs change no hand; the receipt's table id covers it"),
    ("history.config.buyInMin", "bounds what players sit down with, not what they play"),
    ("history.config.buyInMax", "bounds what players sit down with, not what they play"),
    ("history.config.ratHoleMs", "concerns players between two hands"),
    ("history.config.clock.*", "the table's clock; who ran out of time is told by the action"),
    ("history.config.ante.*", "an ante that no stack could pay in full"),
    (
        "history.config.bigBlind",
        "a big blind that no stack could pay in full, and that nobody raised by its size",
    ),
    ("history.config.smallBlind", "a small blind that nobody posted, or no stack could pay in full"),
    ("history.config.bigBlind", "a big blind that no stack could pay in full, and no bet was bound by"),
    (
        "history.config.rake.basisPoints",
        "a rate that rounds to the same rake; the receipt's table id covers it",
    ),
    (
        "history.config.rake.caps.*.*",
        "a cap that the hand stays below; the receipt's table id covers the highest",
    ),
    ("history.events.*.handStarted.button", "an empty chair that gives the same order of play"),
    ("history.events.*.*.deadline", "the table's clock; who ran out of time is told by the action"),
    ("history.events.*.runItTwiceAsked.seats.*", "the decision is told, and follows from the boards"),
    ("history.events.*.runItTwiceAnswered.seat", "the decision is told, and follows from the boards"),
    ("history.events.*.straddleWished.seat", "a wish for later hands; a straddle itself is a post"),
    ("history.events.*.satOut.seat", "who plays the next hand"),
    ("history.events.*.satIn.seat", "who plays the next hand"),
    ("history.events.*.disconnected.seat", "the connection, not the hand"),
    ("history.events.*.reconnected.seat", "the connection, not the hand"),
    ("history.events.*.seated.*", "chips of a later hand: settled by an entry of their own"),
    ("history.events.*.toppedUp.*", "chips of a later hand: settled by an entry of their own"),
    ("history.events.*.left.seat", "chips of no hand any more: settled by an entry of their own"),
    (
        "history.events.*.left.stack",
        "checked for players of the hand; others' are settled by an entry of their own",
    ),
];

/// A figure of a record that does not agree with the replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("the record does not say who was dealt in")]
    NoStart,
    #[error("the record does not say how the hand ended")]
    NoEnd,
    #[error("'{field}' is {recorded} in the record, {replayed} in the hand played again")]
    Differs { field: String, recorded: String, replayed: String },
    #[error(
        "rake: the record says {recorded}, the rule takes {rule}; less is right only where the players' \
         permits allow no more, which the hand's receipt proves"
    )]
    RakeBelowRule { recorded: Chips, rule: Chips },
    #[error("action {number} (seat {seat}: {action}): {refusal}")]
    Refused { number: usize, seat: SeatIndex, action: String, refusal: Refusal },
    #[error("the record has {0} actions and no end of the hand after them")]
    Unfinished(usize),
    #[error("seat {0} acted or posted without being dealt in, or after the hand's end")]
    Surplus(SeatIndex),
    #[error("the table's configuration: {0}")]
    Config(#[from] ConfigError),
    #[error("the cards: {0}")]
    Cards(#[from] DeckError),
    #[error("the hand cannot be dealt: {0}")]
    NotDealt(Refusal),
}

/// Counts of the facts that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Choices that were played again.
    pub actions: usize,
    /// Chips in all pots, rake included.
    pub pot: Chips,
    pub rake: Chips,
}

/// Replays the hand and compares posts, bets, pots, rake, results and stacks.
///
/// `rake` is what a signed receipt says: then less than the rule takes is right.
///
/// # Errors
/// The first thing that does not agree.
pub fn check(record: &HandRecord, rake: Option<Chips>) -> Result<Replayed, MoneyError> {
    let told = Told::of(record)?;
    told.agrees_with_itself(record)?;
    let mut events = Vec::new();
    let actions = play(record, &told, rake, &mut events)?;
    let again = Told::new(&events)?;
    compare(&told, &again)?;
    let pot = told.won.values().map(|(amount, _)| amount).sum::<Chips>() + told.end.rake;
    Ok(Replayed { actions, pot, rake: told.end.rake })
}

/// The amounts in a hand's events.
#[derive(Debug)]
struct Told<'a> {
    hand: u64,
    button: SeatIndex,
    dealt_in: Vec<SeatIndex>,
    /// Posts by seat, in order: the amount, and the seat's stack then.
    posted: BTreeMap<SeatIndex, Vec<(Chips, Chips)>>,
    posts: Vec<(SeatIndex, Post)>,
    acted: Vec<Acted>,
    dealt: Vec<(u8, Vec<Card>)>,
    uncalled: Vec<(SeatIndex, Chips, Chips)>,
    raked: Vec<Chips>,
    /// Wins by pot, board and seat: the amount, and the seat's stack then.
    won: BTreeMap<(u8, u8, SeatIndex), (Chips, Chips)>,
    payments: usize,
    twice: bool,
    /// Players at the showdown, showing or not.
    showdown: SeatSet,
    /// For each action, whose turn it was and who acted, if the record has that.
    turns: Vec<(SeatIndex, SeatIndex)>,
    /// Whose turn it was at the end of a void hand.
    pending: Option<SeatIndex>,
    end: &'a HandEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Acted {
    seat: SeatIndex,
    action: Action,
    total: Chips,
    stack: Chips,
    all_in: bool,
}

impl<'a> Told<'a> {
    fn of(record: &'a HandRecord) -> Result<Self, MoneyError> {
        Self::new(&record.history.events)
    }

    fn new(events: &'a [Event]) -> Result<Self, MoneyError> {
        let start = events.iter().find_map(|event| match event {
            Event::HandStarted { hand, button, dealt_in } => Some((*hand, *button, dealt_in.to_vec())),
            _ => None,
        });
        let (hand, button, dealt_in) = start.ok_or(MoneyError::NoStart)?;
        let end = events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end),
            _ => None,
        });
        let mut told = Self {
            hand,
            button,
            dealt_in,
            posted: BTreeMap::new(),
            posts: Vec::new(),
            acted: Vec::new(),
            dealt: Vec::new(),
            uncalled: Vec::new(),
            raked: Vec::new(),
            won: BTreeMap::new(),
            payments: 0,
            twice: false,
            showdown: SeatSet::default(),
            turns: Vec::new(),
            pending: None,
            end: end.ok_or(MoneyError::NoEnd)?,
        };
        let mut turn = None;
        for event in events {
            match event {
                Event::TurnStarted { seat, .. } | Event::TimeBankStarted { seat, .. } => {
                    // The next action is this seat's, and nobody else's turn begins before it.
                    told.turns.extend(turn.replace(*seat).map(|before| (before, *seat)));
                }
                Event::Acted { seat, .. } => told.turns.extend(turn.take().map(|of| (of, *seat))),
                _ => {}
            }
            told.add(event);
        }
        told.pending = turn;
        Ok(told)
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::Posted { seat, post, amount, stack } => {
                self.posted.entry(*seat).or_default().push((*amount, *stack));
                self.posts.push((*seat, *post));
            }
            Event::Acted { seat, action, total, stack, all_in, timed_out: _ } => self.acted.push(Acted {
                seat: *seat,
                action: *action,
                total: *total,
                stack: *stack,
                all_in: *all_in,
            }),
            Event::StreetDealt { board, cards, .. } => self.dealt.push((*board, cards.to_vec())),
            Event::Uncalled { seat, amount, stack } => self.uncalled.push((*seat, *amount, *stack)),
            Event::Raked { amount } => self.raked.push(*amount),
            Event::PotWon { pot, board, seat, amount, stack } => {
                self.won.insert((*pot, *board, *seat), (*amount, *stack));
                self.payments += 1;
            }
            Event::RunItTwiceDecided { twice } => self.twice = *twice,
            Event::Shown { seat, .. } | Event::Mucked { seat } => self.showdown.insert(*seat),
            _ => {}
        }
    }

    /// The big blind's seat if no post is called a big blind: a player who buys the button posts a live one, and a
    /// stack that went into the ante posts nothing. The seat is before the one that acts first; of several such stacks
    /// any will do.
    fn silent_big_blind(&self, record: &HandRecord) -> Option<SeatIndex> {
        if self.posts.iter().any(|(_, post)| *post == Post::BigBlind) {
            return None;
        }
        let first = self.acted.first().map(|acted| acted.seat).or(self.pending)?;
        let at = self.dealt_in.iter().position(|seat| *seat == first)?;
        let seat = self.dealt_in[at.checked_sub(1).unwrap_or(self.dealt_in.len() - 1)];
        let lives = self.posts.contains(&(seat, Post::Live));
        let start = record.history.seats.iter().find(|start| start.seat == seat)?;
        let posted = self.posted.get(&seat).map_or(0, |posts| total(posts));
        (lives || posted == start.stack).then_some(seat)
    }

    /// Compares the facts that a record states more than once.
    fn agrees_with_itself(&self, record: &HandRecord) -> Result<(), MoneyError> {
        let history = &record.history;
        same("history.hand", &history.hand, &self.hand)?;
        same("end.hand", &record.end.hand, &self.hand)?;
        same("end", &record.end, self.end)?;
        let seats: Vec<SeatIndex> = history.seats.iter().map(|start| start.seat).collect();
        same("history.seats", &seats, &self.dealt_in)?;
        for result in &self.end.results {
            let start = history.seats.iter().find(|start| start.seat == result.seat);
            let start = start.ok_or(MoneyError::NoStart)?;
            same(&format!("end.results[seat {}].player", result.seat), &result.player, &start.player)?;
        }
        // A post by a player who was not dealt in is invalid.
        if let Some(seat) = self.posted.keys().find(|seat| !self.dealt_in.contains(*seat)) {
            return Err(MoneyError::Surplus(*seat));
        }
        for (number, (turn, acted)) in (1..).zip(&self.turns) {
            same(&format!("history.events: turn {number}"), turn, acted)?;
        }
        // Chips that came during the hand join the stack after it.
        for (seat, player, stack) in self.left(record) {
            let Some(result) = self.end.results.iter().find(|result| result.player == player) else {
                continue;
            };
            let came = history.events.iter().map(|event| match event {
                Event::ToppedUp { seat: at, amount, .. } if *at == seat => *amount,
                _ => 0,
            });
            let expected = came.fold(result.stack, Chips::saturating_add);
            same(&format!("history.events: seat {seat} left with"), &stack, &expected)?;
        }
        Ok(())
    }

    fn left(&self, record: &HandRecord) -> Vec<(SeatIndex, purr_engine::PlayerId, Chips)> {
        let left = record.history.events.iter().filter_map(|event| match event {
            Event::Left { seat, player, stack } => Some((*seat, *player, *stack)),
            _ => None,
        });
        left.collect()
    }
}

fn same<T: PartialEq + std::fmt::Debug>(field: &str, recorded: &T, replayed: &T) -> Result<(), MoneyError> {
    if recorded == replayed {
        return Ok(());
    }
    let (recorded, replayed) = (format!("{recorded:?}"), format!("{replayed:?}"));
    Err(MoneyError::Differs { field: field.into(), recorded, replayed })
}

/// The forced bets by the table's configuration; the record says who posted.
fn setup(record: &HandRecord, told: &Told<'_>, deck: Deck) -> HandSetup {
    let config = &record.history.config;
    let (small, big) = (config.small_blind, config.big_blind);
    let mut setup = HandSetup::new(told.hand, told.button, big, deck);
    let (ante, uniform) = match config.ante {
        Ante::None => (0, true),
        Ante::Each(ante) => (ante, true),
        Ante::BigBlind(ante) => (ante, false),
    };
    (setup.uniform_ante_trim, setup.whole_antes) = (uniform, true);
    for (seat, post) in &told.posts {
        let at = seat.index();
        if at >= setup.bets.len() {
            continue;
        }
        match post {
            Post::Ante => setup.antes[at] = ante,
            Post::SmallBlind => setup.bets[at] = small,
            Post::BigBlind => setup.bets[at] = big,
            Post::Straddle => setup.bets[at] = 2 * big,
            Post::Dead => setup.dead[at] = small,
            Post::Live => setup.posts[at] = big,
        }
    }
    if let Some(seat) = told.silent_big_blind(record)
        && seat.index() < setup.bets.len()
    {
        setup.posts[seat.index()] = 0;
        setup.bets[seat.index()] = big;
    }
    let shown = |event: &Event| match event {
        Event::Shown { seat, .. } => Some(*seat),
        _ => None,
    };
    let shown: SeatSet = record.history.events.iter().filter_map(shown).collect();
    setup.mucks = told.dealt_in.iter().copied().collect::<SeatSet>().minus(shown);
    setup
}

/// The known cards at their places of the deal; the others in some order, since nobody wins with them.
fn deck(record: &HandRecord, told: &Told<'_>) -> Result<Deck, MoneyError> {
    let mut places: [Option<Card>; 52] = [None; 52];
    let mut put = |at: usize, card: Card| {
        if let Some(place) = places.get_mut(at) {
            *place = Some(card);
        }
    };
    let count = told.dealt_in.len();
    for event in &record.history.events {
        if let Event::Shown { seat, cards } = event {
            let at = told.dealt_in.iter().position(|dealt| dealt == seat).ok_or(MoneyError::NoStart)?;
            put(at, cards[0]);
            put(at + count, cards[1]);
        }
    }
    let board = told.dealt.iter().flat_map(|(_, cards)| cards);
    board.enumerate().for_each(|(at, card)| put(2 * count + at, *card));
    let mut rest = Card::all().filter(|card| !places.contains(&Some(*card)));
    let cards: Vec<Card> = places.iter().filter_map(|known| known.or_else(|| rest.next())).collect();
    Ok(Deck::try_from(cards)?)
}

/// Plays the record's choices; gives how many there were.
fn play(
    record: &HandRecord,
    told: &Told<'_>,
    proven_rake: Option<Chips>,
    events: &mut Vec<Event>,
) -> Result<usize, MoneyError> {
    let mut config = record.history.config.clone();
    config.validate()?;
    // A straddle is one of the bets that a fixed limit counts, and a replay does not count it.
    if let Betting::FixedLimit { bets_max, .. } = &mut config.betting
        && told.posts.iter().any(|(_, post)| *post == Post::Straddle)
    {
        *bets_max = 0;
    }
    let recorded = told.end.rake;
    if proven_rake == Some(recorded) && recorded < rule(record, told) {
        // Permits limited the rake to this amount.
        config.rake.caps = vec![RakeCap { players: 2, amount: recorded }];
    }
    let mut table = Table::new(config)?;
    for start in &record.history.seats {
        table.seat_as(start.seat, start.player, start.stack).map_err(MoneyError::NotDealt)?;
    }
    let setup = setup(record, told, deck(record, told)?);
    table.deal_as_into(0, &setup, events).map_err(MoneyError::NotDealt)?;
    answer(&mut table, told, events)?;
    for (number, acted) in (1..).zip(&told.acted) {
        let Acted { seat, action, .. } = *acted;
        if table.hand().is_none() {
            return Err(MoneyError::Surplus(seat));
        }
        let refused = |refusal| MoneyError::Refused { number, seat, action: format!("{action:?}"), refusal };
        table.apply_into(0, Command::Act { seat, action }, events).map_err(refused)?;
        answer(&mut table, told, events)?;
    }
    if table.hand().is_some() {
        if !told.end.void {
            return Err(MoneyError::Unfinished(told.acted.len()));
        }
        table.apply_into(0, Command::VoidHand, events).map_err(MoneyError::NotDealt)?;
    }
    Ok(told.acted.len())
}

/// Answers whether to run it twice, as the record says.
fn answer(table: &mut Table, told: &Told<'_>, events: &mut Vec<Event>) -> Result<(), MoneyError> {
    for seat in table.asked_twice() {
        if !table.asked_twice().contains(seat) {
            break;
        }
        let command = Command::RunItTwice { seat, agree: told.twice };
        table.apply_into(0, command, events).map_err(MoneyError::NotDealt)?;
    }
    Ok(())
}

/// Returns the rake of this hand by the table's rule, where permits allow it.
fn rule(record: &HandRecord, told: &Told<'_>) -> Chips {
    let pot = told.won.values().fold(told.end.rake, |sum, (amount, _)| sum.saturating_add(*amount));
    let dealt_in = u8::try_from(told.dealt_in.len()).unwrap_or(u8::MAX);
    purr_engine::rake::rake(&record.history.config.rake, pot, dealt_in, !told.dealt.is_empty())
}

fn compare(told: &Told<'_>, again: &Told<'_>) -> Result<(), MoneyError> {
    same("history.events: dealt in", &told.dealt_in, &again.dealt_in)?;
    for seat in &again.dealt_in {
        let of = |hand: &Told<'_>| hand.posted.get(seat).cloned().unwrap_or_default();
        let mut pair = (of(told), of(again));
        // Posts made at once may come in another order; the rest is the same.
        let (sum, left) = (total(&pair.0), total(&pair.1));
        same(&format!("history.events: posted by seat {seat}"), &sum, &left)?;
        pair.0.sort_unstable();
        pair.1.sort_unstable();
        same(&format!("history.events: posts of seat {seat} and its stack after them"), &pair.0, &pair.1)?;
    }
    for (number, (recorded, replayed)) in (1..).zip(told.acted.iter().zip(&again.acted)) {
        same(&format!("history.events: action {number}"), recorded, replayed)?;
    }
    same("history.events: number of actions", &told.acted.len(), &again.acted.len())?;
    same("history.events: turn at the end", &told.pending, &again.pending)?;
    same("history.events: boards", &told.dealt, &again.dealt)?;
    // The winner of a hand that nobody called may show it, and nobody else can (WSOP 145).
    let mut winners = again.won.keys().map(|(_, _, seat)| *seat);
    let alone =
        winners.next().filter(|first| again.showdown.is_empty() && winners.all(|seat| seat == *first));
    if alone.is_none_or(|winner| told.showdown.iter().any(|seat| seat != winner)) {
        same("history.events: showdown", &told.showdown, &again.showdown)?;
    }
    same("history.events: uncalled bets", &told.uncalled, &again.uncalled)?;
    if told.end.rake < again.end.rake {
        return Err(MoneyError::RakeBelowRule { recorded: told.end.rake, rule: again.end.rake });
    }
    same("history.events: rake", &told.raked, &again.raked)?;
    for (place, replayed) in &again.won {
        let (pot, board, seat) = place;
        let recorded = told.won.get(place).copied().unwrap_or((0, 0));
        same(
            &format!("history.events: pot {pot}, board {board}: won by seat {seat}, and its stack then"),
            &recorded,
            replayed,
        )?;
    }
    same("history.events: number of payments", &told.payments, &again.payments)?;
    same("end.rake", &told.end.rake, &again.end.rake)?;
    same("end.void", &told.end.void, &again.end.void)?;
    let mut places = told.end.results.iter().zip(&again.end.results);
    places.try_for_each(|(recorded, replayed)| {
        same(&format!("end.results[seat {}]", replayed.seat), recorded, replayed)
    })?;
    same("end.results: seats", &told.end.results.len(), &again.end.results.len())
}

fn total(posts: &[(Chips, Chips)]) -> Chips {
    posts.iter().fold(0, |sum, (amount, _)| sum.saturating_add(*amount))
}
