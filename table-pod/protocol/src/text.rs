//! A hand as plain text, laid out as PokerStars writes it: trackers know the site's hands by its first words, so these
//! words stand at the beginning whatever the site is. Amounts are in the currency, times in UTC.
//!
//! Cards that nobody showed are not there: who imports own hands has no "Dealt to" line of the own cards, since the public
//! record does not know them.

use crate::record::HandRecord;
use purr_engine::{
    Action, Card, Category, Chips, Event, Post, SeatIndex, Street, eval::best_five, history::HandHistory,
    ids::SEATS_MAX,
};
use std::fmt::Write;

/// Why a hand has no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the hand is void: no tracker counts it")]
    Void,
    #[error("the layout has no fixed limit here")]
    FixedLimit,
    #[error("the history does not say how the hand began")]
    NoStart,
}

/// The currency: its three letters and its number of decimals.
pub(crate) struct Money {
    pub code: String,
    pub decimals: u8,
}

impl Money {
    fn symbol(&self) -> &'static str {
        match self.code.as_str() {
            "USD" => "$",
            "EUR" => "€",
            _ => "",
        }
    }

    /// The amount with two decimals or none if that is exact, otherwise with all non-zero decimals.
    fn amount(&self, chips: Chips) -> String {
        let unit = 10_u64.checked_pow(self.decimals.into()).unwrap_or(1);
        let (whole, rest) = (chips / unit, chips % unit);
        let symbol = self.symbol();
        if rest == 0 {
            return format!("{symbol}{whole}");
        }
        let digits = format!("{rest:0width$}", width = usize::from(self.decimals));
        let digits = digits.trim_end_matches('0');
        format!("{symbol}{whole}.{digits:0<2}")
    }
}

fn cards(cards: &[Card]) -> String {
    cards.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn strength(hole: [Card; 2], board: &[Card]) -> &'static str {
    let all: Vec<Card> = hole.iter().chain(board).copied().collect();
    match best_five(&all).map(|(rank, _)| rank.category()) {
        None | Some(Category::HighCard) => "high card",
        Some(Category::Pair) => "a pair",
        Some(Category::TwoPair) => "two pair",
        Some(Category::Trips) => "three of a kind",
        Some(Category::Straight) => "a straight",
        Some(Category::Flush) => "a flush",
        Some(Category::FullHouse) => "a full house",
        Some(Category::Quads) => "four of a kind",
        Some(Category::StraightFlush) => "a straight flush",
    }
}

/// The fate of a seat, for the summary.
#[derive(Clone, Copy, Default)]
struct Fate {
    folded: Option<Street>,
    shown: Option<[Card; 2]>,
    mucked: bool,
    won: Chips,
}

struct Writer<'a> {
    history: &'a HandHistory,
    money: Money,
    out: String,
    /// Bets in front of each seat on this street, and the highest.
    bets: [Chips; SEATS_MAX],
    bet: Chips,
    street: Street,
    boards: [Vec<Card>; 2],
    /// Lines that belong after the board: the layout shows hands last, also those of an all-in.
    showdown: String,
    fates: [Fate; SEATS_MAX],
}

/// The hand as text.
///
/// # Errors
/// Where trackers have no such hands.
pub(crate) fn text(record: &HandRecord, hash: &str, money: Money, utc_ms: u64) -> Result<String, TextError> {
    let history = &record.history;
    if record.end.void {
        return Err(TextError::Void);
    }
    if !matches!(history.config.betting, purr_engine::Betting::NoLimit) {
        return Err(TextError::FixedLimit);
    }
    let button = history.events.iter().find_map(|event| match event {
        Event::HandStarted { button, .. } => Some(*button),
        _ => None,
    });
    let button = button.ok_or(TextError::NoStart)?;
    let mut writer = Writer {
        history,
        money,
        out: String::new(),
        bets: [0; SEATS_MAX],
        bet: 0,
        street: Street::Preflop,
        boards: Default::default(),
        showdown: String::new(),
        fates: [Fate::default(); SEATS_MAX],
    };
    writer.head(record, hash, button, utc_ms);
    writer.play();
    writer.summary(button, record.end.rake);
    Ok(writer.out)
}

impl Writer<'_> {
    fn name(&self, seat: SeatIndex) -> String {
        let start = self.history.seats.iter().find(|start| start.seat == seat);
        start.map_or_else(|| format!("seat {seat}"), |start| start.player.to_string())
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{text}");
    }

    fn head(&mut self, record: &HandRecord, hash: &str, button: SeatIndex, utc_ms: u64) {
        // A number that no other hand has: 48 bits of the record's hash.
        let number = hash.get(..12).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let config = &self.history.config;
        let (small, big) = (self.money.amount(config.small_blind), self.money.amount(config.big_blind));
        let code =
            if self.money.symbol().is_empty() { String::new() } else { format!(" {}", self.money.code) };
        let at = jiff::Timestamp::from_millisecond(i64::try_from(utc_ms).unwrap_or(0)).unwrap_or_default();
        let at = at.strftime("%Y/%m/%d %H:%M:%S UTC");
        self.line(format_args!("PokerStars Hand #{number}: Hold'em No Limit ({small}/{big}{code}) - {at}"));
        let place = record.place.as_ref();
        let table = place.map_or(record.table.as_str(), |place| place.table_name.as_str());
        let table: String = table.chars().filter(|c| !c.is_control() && *c != '\'').collect();
        let (max, button) = (self.history.config.seats, button.0 + 1);
        self.line(format_args!("Table '{table}' {max}-max Seat #{button} is the button"));
        let mut starts: Vec<_> = self.history.seats.iter().collect();
        starts.sort_unstable_by_key(|start| start.seat);
        for start in starts {
            let (seat, stack) = (start.seat.0 + 1, self.money.amount(start.stack));
            self.line(format_args!("Seat {seat}: {} ({stack} in chips)", start.player));
        }
    }

    fn play(&mut self) {
        let mut dealt = false;
        for event in &self.history.events {
            match event {
                Event::Posted { seat, post, amount, .. } => self.post(*seat, *post, *amount),
                Event::Acted { seat, action, total, all_in, .. } => {
                    if !std::mem::replace(&mut dealt, true) {
                        self.line(format_args!("*** HOLE CARDS ***"));
                    }
                    self.act(*seat, *action, *total, *all_in);
                }
                Event::StreetDealt { board, street, cards } => {
                    if !std::mem::replace(&mut dealt, true) {
                        self.line(format_args!("*** HOLE CARDS ***"));
                    }
                    self.deal(usize::from(*board).min(1), *street, cards);
                }
                Event::Uncalled { seat, amount, .. } => {
                    let (amount, name) = (self.money.amount(*amount), self.name(*seat));
                    self.line(format_args!("Uncalled bet ({amount}) returned to {name}"));
                }
                Event::Shown { seat, cards } => self.fate(*seat).shown = Some(*cards),
                Event::Mucked { seat } => self.fate(*seat).mucked = true,
                Event::PotWon { pot, seat, amount, .. } => self.won(*pot, *seat, *amount),
                _ => {}
            }
        }
        if !dealt {
            self.line(format_args!("*** HOLE CARDS ***"));
        }
        let showdown = std::mem::take(&mut self.showdown);
        // A winner whom nobody called shows after collecting the pot, and there is no showdown.
        if self.fates_in_hand() > 1 {
            self.show(true);
            self.out.push_str(&showdown);
        } else {
            self.out.push_str(&showdown);
            self.show(false);
        }
    }

    fn fate(&mut self, seat: SeatIndex) -> &mut Fate {
        &mut self.fates[seat.index().min(SEATS_MAX - 1)]
    }

    fn post(&mut self, seat: SeatIndex, post: Post, amount: Chips) {
        let what = match post {
            Post::Ante => "the ante",
            Post::SmallBlind | Post::Dead => "small blind",
            Post::BigBlind | Post::Live => "big blind",
            Post::Straddle => "straddle",
        };
        if !matches!(post, Post::Ante | Post::Dead) {
            let own = &mut self.bets[seat.index()];
            *own += amount;
            self.bet = self.bet.max(*own);
        }
        let (amount, name) = (self.money.amount(amount), self.name(seat));
        self.line(format_args!("{name}: posts {what} {amount}"));
    }

    fn act(&mut self, seat: SeatIndex, action: Action, total: Chips, all_in: bool) {
        let name = self.name(seat);
        let own = std::mem::replace(&mut self.bets[seat.index()], total);
        let before =
            self.bet.max(if self.street == Street::Preflop { self.history.config.big_blind } else { 0 });
        self.bet = before.max(total);
        let end = if all_in { " and is all-in" } else { "" };
        let amount = |chips| self.money.amount(chips);
        let text = match action {
            Action::Fold => format!("{name}: folds"),
            Action::Check => format!("{name}: checks"),
            Action::Call => format!("{name}: calls {}{end}", amount(total - own)),
            Action::RaiseTo(_) if before == 0 => format!("{name}: bets {}{end}", amount(total)),
            Action::RaiseTo(_) => {
                format!("{name}: raises {} to {}{end}", amount(total.saturating_sub(before)), amount(total))
            }
        };
        if action == Action::Fold {
            self.fate(seat).folded = Some(self.street);
        }
        self.line(format_args!("{text}"));
    }

    /// Whether this street is dealt on two boards.
    fn is_twice(&self, wanted: Street) -> bool {
        let second =
            |event: &Event| matches!(event, Event::StreetDealt { board: 1, street, .. } if *street == wanted);
        self.history.events.iter().any(second)
    }

    fn deal(&mut self, board: usize, street: Street, new: &[Card]) {
        (self.street, self.bet, self.bets) = (street, 0, [0; SEATS_MAX]);
        let which = match (self.is_twice(street), board) {
            (false, _) => "",
            (true, 0) => "FIRST ",
            (true, _) => "SECOND ",
        };
        if board == 1 && self.boards[1].is_empty() {
            // Cards that lay before the boards parted.
            let common = self.boards[0].len().min(match street {
                Street::Preflop | Street::Flop => 0,
                Street::Turn => 3,
                Street::River => 4,
            });
            self.boards[1] = self.boards[0][..common].to_vec();
        }
        let before = cards(&self.boards[board]);
        let before = if before.is_empty() { String::new() } else { format!(" [{before}]") };
        let name = match street {
            Street::Preflop => "HOLE CARDS",
            Street::Flop => "FLOP",
            Street::Turn => "TURN",
            Street::River => "RIVER",
        };
        let new_text = cards(new);
        self.boards[board].extend(new);
        self.line(format_args!("*** {which}{name} ***{before} [{new_text}]"));
    }

    fn won(&mut self, pot: u8, seat: SeatIndex, amount: Chips) {
        let several = self.history.events.iter().any(|event| matches!(event, Event::PotWon { pot: 1.., .. }));
        let which = match (several, pot) {
            (false, _) => "pot".to_owned(),
            (true, 0) => "main pot".to_owned(),
            (true, side) => format!("side pot-{side}"),
        };
        let (name, text) = (self.name(seat), self.money.amount(amount));
        self.fate(seat).won += amount;
        let _ = writeln!(self.showdown, "{name} collected {text} from {which}");
    }

    /// How many players did not fold.
    fn fates_in_hand(&self) -> usize {
        let seats = self.history.seats.iter().map(|start| start.seat.index().min(SEATS_MAX - 1));
        seats.filter(|at| self.fates[*at].folded.is_none()).count()
    }

    /// Hands in the order in which they were turned up.
    fn show(&mut self, showdown: bool) {
        let board = self.boards[0].clone();
        let mut lines = Vec::new();
        for event in &self.history.events {
            match event {
                Event::Shown { seat, cards: hole } => {
                    let strength = strength(*hole, &board);
                    lines.push(format!("{}: shows [{}] ({strength})", self.name(*seat), cards(hole)));
                }
                Event::Mucked { seat } => lines.push(format!("{}: mucks hand", self.name(*seat))),
                _ => {}
            }
        }
        if showdown && !lines.is_empty() {
            self.line(format_args!("*** SHOW DOWN ***"));
        }
        for line in lines {
            self.line(format_args!("{line}"));
        }
    }

    fn summary(&mut self, button: SeatIndex, rake: Chips) {
        let won: Chips = self.fates.iter().map(|fate| fate.won).sum();
        let (pot, rake) = (self.money.amount(won + rake), self.money.amount(rake));
        self.line(format_args!("*** SUMMARY ***"));
        self.line(format_args!("Total pot {pot} | Rake {rake}"));
        let boards = self.boards.clone();
        match (cards(&boards[0]), cards(&boards[1])) {
            (first, _) if first.is_empty() => {}
            (first, second) if second.is_empty() => self.line(format_args!("Board [{first}]")),
            (first, second) => {
                self.line(format_args!("FIRST Board [{first}]"));
                self.line(format_args!("SECOND Board [{second}]"));
            }
        }
        let mut seats: Vec<SeatIndex> = self.history.seats.iter().map(|start| start.seat).collect();
        seats.sort_unstable();
        for seat in seats {
            let Fate { folded, shown, mucked, won } = *self.fate(seat);
            let place = if seat == button { " (button)" } else { "" };
            let amount = self.money.amount(won);
            let what = match (folded, shown, won) {
                (Some(Street::Preflop), ..) => "folded before Flop".to_owned(),
                (Some(Street::Flop), ..) => "folded on the Flop".to_owned(),
                (Some(Street::Turn), ..) => "folded on the Turn".to_owned(),
                (Some(Street::River), ..) => "folded on the River".to_owned(),
                (None, Some(hole), 0) => {
                    format!("showed [{}] and lost with {}", cards(&hole), strength(hole, &boards[0]))
                }
                (None, Some(hole), _) => {
                    format!(
                        "showed [{}] and won ({amount}) with {}",
                        cards(&hole),
                        strength(hole, &boards[0])
                    )
                }
                (None, None, 0) if mucked => "mucked".to_owned(),
                (None, None, 0) => "lost".to_owned(),
                (None, None, _) => format!("collected ({amount})"),
            };
            let (number, name) = (seat.0 + 1, self.name(seat));
            self.line(format_args!("Seat {number}: {name}{place} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_have_two_digits_or_none_where_that_is_enough() {
        let money = |code: &str, decimals| Money { code: code.into(), decimals };
        let usd = money("USD", 6);
        for (chips, text) in
            [(1_000_000, "$1"), (1_500_000, "$1.50"), (50_000, "$0.05"), (1_234_567, "$1.234567"), (0, "$0")]
        {
            assert_eq!(usd.amount(chips), text);
        }
        assert_eq!(money("XPM", 0).amount(250), "250");
        assert_eq!(money("EUR", 2).amount(250), "€2.50");
    }
}
