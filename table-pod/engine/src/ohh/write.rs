//! Hands into text.

use super::{BetType, Ohh, OhhAction, Player, Pot, Round, Win, json::Json};
use crate::{
    card::Card,
    phh::{Amount, Value},
};
use std::fmt;

/// Writes the fields of an object in order; missing ones are left out.
#[derive(Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn add(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        self.0.extend(value.into().map(|value| (name.into(), value)));
        self
    }

    fn text(self, name: &str, text: Option<&String>) -> Self {
        self.add(name, text.map(|text| Value::Text(text.clone())))
    }

    fn amount(self, name: &str, amount: impl Into<Option<Amount>>) -> Self {
        self.add(name, amount.into().map(number))
    }

    fn integer(self, name: &str, integer: impl Into<Option<i64>>) -> Self {
        self.add(name, integer.into().map(number))
    }

    fn list<T>(self, name: &str, values: &[T], write: impl Fn(&T) -> Value) -> Self {
        self.add(name, Value::List(values.iter().map(write).collect()))
    }

    fn end(mut self, extra: &[(String, Value)]) -> Value {
        self.0.extend(extra.iter().cloned());
        Value::Table(self.0)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what is mapped over values")]
fn number<N: ToString>(number: N) -> Value {
    Value::Number(number.to_string())
}

fn card(card: &Option<Card>) -> Value {
    Value::Text(card.map_or_else(|| "??".into(), |card| card.to_string()))
}

/// Writes JSON, the object `{"ohh": …}`.
impl fmt::Display for Ohh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outer = Value::Table(vec![("ohh".into(), self.value())]);
        Json(&outer).fmt(f)
    }
}

impl Ohh {
    fn value(&self) -> Value {
        let limit = match self.bet_limit.bet_type {
            BetType::NoLimit => "NL",
            BetType::FixedLimit => "FL",
        };
        let bet_limit = Fields::default()
            .add("bet_type", Value::from(limit))
            .amount("bet_cap", self.bet_limit.bet_cap)
            .end(&self.bet_limit.extra);
        Fields::default()
            .text("spec_version", self.spec_version.as_ref())
            .text("site_name", self.site_name.as_ref())
            .text("network_name", self.network_name.as_ref())
            .text("internal_version", self.internal_version.as_ref())
            .text("game_number", self.game_number.as_ref())
            .text("start_date_utc", self.start_date_utc.as_ref())
            .text("table_name", self.table_name.as_ref())
            .add("game_type", Value::from("Holdem"))
            .add("bet_limit", bet_limit)
            .integer("table_size", self.table_size.map(i64::from))
            .text("currency", self.currency.as_ref())
            .integer("dealer_seat", self.dealer_seat)
            .amount("small_blind_amount", self.small_blind_amount)
            .amount("big_blind_amount", self.big_blind_amount)
            .amount("ante_amount", self.ante_amount)
            .integer("hero_player_id", self.hero_player_id)
            .list("flags", &self.flags, |flag| Value::Text(flag.clone()))
            .list("players", &self.players, player)
            .list("rounds", &self.rounds, round)
            .list("pots", &self.pots, pot)
            .end(&self.extra)
    }
}

fn player(player: &Player) -> Value {
    Fields::default()
        .integer("id", player.id)
        .integer("seat", player.seat)
        .text("name", Some(&player.name))
        .amount("starting_stack", player.starting_stack)
        .add("is_sitting_out", player.is_sitting_out.map(Value::Bool))
        .end(&player.extra)
}

fn round(round: &Round) -> Value {
    Fields::default()
        .integer("id", round.id)
        .text("street", Some(&round.street))
        .list("cards", &round.cards, card)
        .list("actions", &round.actions, action)
        .end(&round.extra)
}

fn action(action: &OhhAction) -> Value {
    let fields = Fields::default()
        .integer("action_number", action.action_number)
        .integer("player_id", action.player_id)
        .text("action", Some(&action.action))
        .amount("amount", action.amount)
        .add("is_allin", action.is_allin.map(Value::Bool));
    let fields = if action.cards.is_empty() { fields } else { fields.list("cards", &action.cards, card) };
    fields.end(&action.extra)
}

fn pot(pot: &Pot) -> Value {
    let win = |win: &Win| {
        Fields::default()
            .integer("player_id", win.player_id)
            .amount("win_amount", win.win_amount)
            .end(&win.extra)
    };
    Fields::default()
        .integer("number", pot.number)
        .amount("amount", pot.amount)
        .amount("rake", pot.rake)
        .list("player_wins", &pot.player_wins, win)
        .end(&pot.extra)
}

/// Hands one after the other with an empty line between them, as `.ohh` files hold them.
pub fn write_all<'a>(hands: impl IntoIterator<Item = &'a Ohh>) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for hand in hands {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{hand}\n");
    }
    text
}
