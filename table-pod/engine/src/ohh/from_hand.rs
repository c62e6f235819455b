//! Converts a history into an Open Hand History.

use super::{BetLimit, BetType, Ohh, OhhAction, OhhError, Player, Pot, Round, SPEC_VERSION, Win};
use crate::{
    card::Card,
    command::Action,
    config::{Ante, Betting, RakeConfig},
    event::{Event, Post, Street},
    history::HandHistory,
    ids::{Chips, SeatIndex},
    phh::{Amount, Phh, PhhError, Value},
};

/// Facts that the format wants and a history does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pub site_name: String,
    pub network_name: String,
    pub table_name: String,
    /// Currency in three letters, as in `USD`.
    pub currency: String,
    /// When the hand began: RFC 3339, UTC.
    pub start_date_utc: Option<String>,
    /// The currency's digits after the point: amounts are minor units, 10^-`decimals`.
    pub decimals: u8,
    /// Names in the order of the history's seats; without a name a player is named by the address.
    pub names: Vec<String>,
    /// Whether the hand is described by an observer, without a hero.
    pub observed: bool,
}

impl Ohh {
    /// Converts a history; hole cards that it does not have are left out.
    ///
    /// # Caveats
    /// The events tell the rake of the hand, not of each pot: it is all said to be the main pot's.
    pub fn from_history(history: &HandHistory, context: &Context) -> Self {
        Teller { history, context }.hand()
    }

    /// Converts a hand in PHH, and replays it for what PHH leaves out: amounts of calls, all-ins and pots.
    ///
    /// # Errors
    /// As the replay of the hand.
    pub fn from_phh(phh: &Phh) -> Result<Self, OhhError> {
        let none = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };
        let mut replay = phh.replay(none)?;
        if replay.played.guessed {
            let problem = "cards that are not told decide the hand".into();
            return Err(PhhError::Unplayable { field: "actions", problem }.into());
        }
        let text = |name: &str| match phh.field(name) {
            Some(Value::Text(text) | Value::Number(text)) => text.clone(),
            _ => String::new(),
        };
        // Invented cards are left out.
        let hidden: Vec<SeatIndex> = replay.history.seats.iter().map(|start| start.seat).collect();
        let hidden: Vec<SeatIndex> = hidden
            .into_iter()
            .zip(1..)
            .filter(|(_, player)| !phh.tells(*player))
            .map(|(seat, _)| seat)
            .collect();
        replay.history.events.retain(|event| match event {
            Event::Dealt { seat, .. } => !hidden.contains(seat),
            _ => true,
        });
        let context = Context {
            site_name: text("venue"),
            network_name: text("venue"),
            table_name: text("table"),
            currency: text("currency"),
            start_date_utc: phh.start_utc(),
            decimals: replay.played.decimals,
            names: phh.players.clone().unwrap_or_default(),
            observed: false,
        };
        let mut ohh = Self::from_history(&replay.history, &context);
        if let Some(Value::Text(name)) = phh.field("hand") {
            ohh.game_number = Some(name.clone());
        }
        ohh.take_seats(phh);
        Ok(ohh)
    }

    /// Takes the seat numbers of the hand, if they are in the table's order.
    fn take_seats(&mut self, phh: &Phh) {
        let Some(Value::List(seats)) = phh.field("seats") else { return };
        let seats: Vec<i64> = seats.iter().filter_map(Value::integer).collect();
        if seats.len() != self.players.len() {
            return;
        }
        for (player, seat) in self.players.iter_mut().zip(&seats) {
            player.seat = *seat;
        }
        // The button is the last player's.
        self.dealer_seat = seats.last().copied().unwrap_or(self.dealer_seat);
        let highest = seats.iter().max().and_then(|seat| u8::try_from(*seat).ok());
        let size = phh.field("seat_count").and_then(Value::integer).and_then(|size| u8::try_from(size).ok());
        self.table_size = size.or(self.table_size.max(highest));
    }
}

impl Phh {
    /// Whether both cards of this player (from 1) are known.
    fn tells(&self, player: u8) -> bool {
        use crate::phh::PhhAction;
        let mut known = 0;
        for line in &self.actions {
            match line.action {
                PhhAction::Hole { player: of, cards } if of == player => {
                    known += cards.iter().flatten().count();
                }
                PhhAction::Show { player: of, cards } if of == player => {
                    known = known.max(cards.iter().flatten().count());
                }
                _ => {}
            }
        }
        known >= 2
    }

    /// The start of the hand, if the hand has it in UTC.
    fn start_utc(&self) -> Option<String> {
        let number = |name: &str| self.field(name)?.integer();
        let zone = [self.field("time_zone_abbreviation"), self.field("time_zone")];
        if zone.into_iter().flatten().any(|zone| !matches!(zone.text(), Some("UTC" | "Etc/UTC"))) {
            return None;
        }
        let time = match self.field("time") {
            Some(Value::Time(time)) => time.clone(),
            _ => return None,
        };
        Some(format!("{:04}-{:02}-{:02}T{time}Z", number("year")?, number("month")?, number("day")?))
    }
}

struct Teller<'a> {
    history: &'a HandHistory,
    context: &'a Context,
}

impl Teller<'_> {
    /// The amount in units of the currency, with two digits after the point or more if needed.
    fn amount(&self, chips: Chips) -> Amount {
        let mut amount = Amount { decimals: self.context.decimals, ..Amount::whole(chips) };
        while amount.decimals > 2 && amount.digits % 10 == 0 {
            (amount.digits, amount.decimals) = (amount.digits / 10, amount.decimals - 1);
        }
        amount
    }

    fn id(&self, seat: SeatIndex) -> i64 {
        let place = self.history.seats.iter().position(|start| start.seat == seat).unwrap_or(0);
        i64::try_from(place).unwrap_or(0)
    }

    fn hand(&self) -> Ohh {
        let (history, context) = (self.history, self.context);
        let config = &history.config;
        let named = |text: &String| (!text.is_empty()).then(|| text.clone());
        let ante = match config.ante {
            Ante::None => 0,
            Ante::Each(ante) | Ante::BigBlind(ante) => ante,
        };
        let button = history.events.iter().find_map(|event| match event {
            Event::HandStarted { button, .. } => Some(*button),
            _ => None,
        });
        let twice = history.events.iter().any(|event| matches!(event, Event::StreetDealt { board: 1, .. }));
        let players = history.seats.iter().enumerate().map(|(place, start)| Player {
            id: self.id(start.seat),
            seat: i64::from(start.seat.0) + 1,
            name: context.names.get(place).cloned().unwrap_or_else(|| start.player.to_string()),
            starting_stack: self.amount(start.stack),
            is_sitting_out: None,
            extra: Vec::new(),
        });
        Ohh {
            spec_version: Some(SPEC_VERSION.into()),
            internal_version: Some(SPEC_VERSION.into()),
            site_name: named(&context.site_name),
            network_name: named(&context.network_name),
            game_number: Some(history.hand.to_string()),
            start_date_utc: context.start_date_utc.clone(),
            table_name: named(&context.table_name),
            bet_limit: BetLimit {
                bet_type: match config.betting {
                    Betting::NoLimit => BetType::NoLimit,
                    Betting::FixedLimit { .. } => BetType::FixedLimit,
                },
                bet_cap: Some(self.amount(0)),
                extra: Vec::new(),
            },
            table_size: Some(config.seats),
            currency: named(&context.currency),
            dealer_seat: button.map_or(0, |seat| i64::from(seat.0)) + 1,
            small_blind_amount: self.amount(config.small_blind),
            big_blind_amount: self.amount(config.big_blind),
            ante_amount: Some(self.amount(ante)),
            hero_player_id: None,
            flags: [("Run_It_Twice", twice), ("Observed", context.observed)]
                .into_iter()
                .filter(|(_, there)| *there)
                .map(|(flag, _)| flag.into())
                .collect(),
            players: players.collect(),
            rounds: self.rounds(),
            pots: self.pots(),
            // Marks a cash game, as the format requires.
            extra: vec![("tournament".into(), Value::Bool(false))],
        }
    }

    fn rounds(&self) -> Vec<Round> {
        let mut rounds = vec![round(0, "Preflop", &[])];
        // The chips that each player has bet on this street, to compute the amount that an action adds.
        let mut front = vec![0; self.history.seats.len()];
        for event in &self.history.events {
            match event {
                Event::StreetDealt { street, cards, .. } => {
                    front.iter_mut().for_each(|chips| *chips = 0);
                    let name = match street {
                        Street::Preflop => "Preflop",
                        Street::Flop => "Flop",
                        Street::Turn => "Turn",
                        Street::River => "River",
                    };
                    rounds.push(round(rounds.len(), name, cards));
                }
                Event::Shown { .. } | Event::Mucked { .. }
                    if rounds.last().is_some_and(|last| last.street != "Showdown") =>
                {
                    rounds.push(round(rounds.len(), "Showdown", &[]));
                }
                _ => {}
            }
            let preflop = rounds.len() == 1;
            if let (Some(action), Some(last)) = (self.action(event, &mut front, preflop), rounds.last_mut()) {
                let number = i64::try_from(last.actions.len() + 1).unwrap_or(i64::MAX);
                last.actions.push(OhhAction { action_number: number, ..action });
            }
        }
        rounds
    }

    fn action(&self, event: &Event, front: &mut [Chips], preflop: bool) -> Option<OhhAction> {
        let (seat, name, amount, all_in, cards): (_, _, _, _, &[Card]) = match event {
            Event::Posted { seat, post, amount, stack } => {
                let name = match post {
                    Post::Ante => "Post Ante",
                    Post::SmallBlind => "Post SB",
                    Post::BigBlind => "Post BB",
                    Post::Live => "Post Extra Blind",
                    Post::Dead => "Post Dead",
                    Post::Straddle => "Straddle",
                };
                if !matches!(post, Post::Ante | Post::Dead) {
                    *self.front(front, *seat)? += amount;
                }
                (seat, name, Some(*amount), Some(*stack == 0), &[])
            }
            Event::Dealt { seat, cards } => (seat, "Dealt Cards", None, None, cards.as_slice()),
            Event::Acted { seat, action, total, all_in, .. } => {
                let before = std::mem::replace(self.front(front, *seat)?, *total);
                let added = total.saturating_sub(before);
                let bet = front.iter().zip(0..).all(|(chips, id)| id == self.id(*seat) || *chips == 0);
                let name = match action {
                    Action::Fold => "Fold",
                    Action::Check => "Check",
                    Action::Call => "Call",
                    // Before the flop the format has no bets.
                    Action::RaiseTo(_) if bet && before == 0 && !preflop => "Bet",
                    Action::RaiseTo(_) => "Raise",
                };
                (seat, name, Some(added), Some(*all_in), &[])
            }
            Event::Shown { seat, cards } => (seat, "Shows Cards", None, None, cards.as_slice()),
            Event::Mucked { seat } => (seat, "Mucks Cards", None, None, &[]),
            _ => return None,
        };
        Some(OhhAction {
            action_number: 0,
            player_id: Some(self.id(*seat)),
            action: name.into(),
            amount: amount.map(|chips| self.amount(chips)),
            is_allin: all_in,
            cards: cards.iter().copied().map(Some).collect(),
            extra: Vec::new(),
        })
    }

    fn front<'b>(&self, front: &'b mut [Chips], seat: SeatIndex) -> Option<&'b mut Chips> {
        front.get_mut(usize::try_from(self.id(seat)).ok()?)
    }

    fn pots(&self) -> Vec<Pot> {
        let mut pots: Vec<PotWins> = Vec::new();
        let mut rake = 0;
        for event in &self.history.events {
            match event {
                Event::Raked { amount } => rake += amount,
                Event::PotWon { pot, seat, amount, .. } => {
                    if !pots.iter().any(|(number, ..)| number == pot) {
                        pots.push((*pot, 0, Vec::new()));
                    }
                    let Some((_, sum, wins)) = pots.iter_mut().find(|(number, ..)| number == pot) else {
                        continue;
                    };
                    *sum += amount;
                    // The format has one pot for both boards.
                    match wins.iter_mut().find(|(of, _)| of == seat) {
                        Some((_, won)) => *won += amount,
                        None => wins.push((*seat, *amount)),
                    }
                }
                _ => {}
            }
        }
        pots.sort_by_key(|(number, ..)| *number);
        let pot = |(place, (number, sum, wins)): (usize, PotWins)| {
            let rake = if place == 0 { rake } else { 0 };
            let win = |(seat, won): &(SeatIndex, Chips)| Win {
                player_id: self.id(*seat),
                win_amount: self.amount(*won),
                extra: Vec::new(),
            };
            Pot {
                number: i64::from(number),
                amount: self.amount(sum + rake),
                rake: Some(self.amount(rake)),
                player_wins: wins.iter().map(win).collect(),
                extra: Vec::new(),
            }
        };
        pots.into_iter().enumerate().map(pot).collect()
    }
}

/// A pot's number, its amount, and how much each seat won of it.
type PotWins = (u8, Chips, Vec<(SeatIndex, Chips)>);

fn round(id: usize, street: &str, cards: &[Card]) -> Round {
    Round {
        id: i64::try_from(id).unwrap_or(i64::MAX),
        street: street.into(),
        cards: cards.iter().copied().map(Some).collect(),
        actions: Vec::new(),
        extra: Vec::new(),
    }
}
