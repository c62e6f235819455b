//! A hand while its fields are being read.

use super::{
    Amount, Line, Phh, PhhError, Stack, Variant,
    value::{Value, name},
};
use std::borrow::Cow;

/// Most players that a hand has here.
pub(super) const PLAYERS_MAX: usize = 10;
/// Most entries of a hand's `actions`.
const ACTIONS_MAX: usize = 4_096;
/// Most fields of one hand.
const FIELDS_MAX: usize = 256;

/// Fields as they come; the first that is wrong is what the hand is refused for.
pub(super) struct Draft {
    pub(super) name: String,
    /// Of its `[name]`, or of its first field.
    pub(super) line: usize,
    /// Hashes of the names of the fields there were.
    begun: Vec<u64>,
    variant: Option<Value>,
    ante_trimming_status: bool,
    antes: Option<Vec<Amount>>,
    blinds_or_straddles: Option<Vec<Amount>>,
    bring_in: Option<Amount>,
    small_bet: Option<Amount>,
    big_bet: Option<Amount>,
    min_bet: Option<Amount>,
    starting_stacks: Option<Vec<Stack>>,
    actions: Option<Vec<Line>>,
    players: Option<Vec<String>>,
    finishing_stacks: Option<Vec<Stack>>,
    winnings: Option<Vec<Stack>>,
    fields: Vec<(Cow<'static, str>, Value)>,
    error: Option<PhhError>,
}

impl Draft {
    pub(super) fn new(name: &str, line: usize) -> Self {
        Self {
            name: name.into(),
            line,
            begun: Vec::with_capacity(20),
            variant: None,
            ante_trimming_status: false,
            antes: None,
            blinds_or_straddles: None,
            bring_in: None,
            small_bet: None,
            big_bet: None,
            min_bet: None,
            starting_stacks: None,
            actions: None,
            players: None,
            finishing_stacks: None,
            winnings: None,
            fields: Vec::with_capacity(12),
            error: None,
        }
    }

    /// Begins a field; false where the hand has it already.
    pub(super) fn begin(&mut self, key: &str) -> bool {
        // FNV-1a. Two names of one hash count as one field: then the toml crate reads the file.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        if self.begun.contains(&hash) {
            return false;
        }
        if self.begun.len() >= FIELDS_MAX {
            self.fail(self.line, key, "too many fields".into());
            return true;
        }
        self.begun.push(hash);
        let count = self.starting_stacks.as_ref().map_or(6, Vec::len);
        match key {
            "actions" => self.actions = Some(Vec::with_capacity(24)),
            "antes" => self.antes = Some(Vec::with_capacity(count)),
            "blinds_or_straddles" => self.blinds_or_straddles = Some(Vec::with_capacity(count)),
            "starting_stacks" => self.starting_stacks = Some(Vec::with_capacity(count)),
            "finishing_stacks" => self.finishing_stacks = Some(Vec::with_capacity(count)),
            "winnings" => self.winnings = Some(Vec::with_capacity(count)),
            "players" => self.players = Some(Vec::with_capacity(count)),
            _ => {}
        }
        true
    }

    pub(super) fn fail(&mut self, line: usize, field: &str, problem: String) {
        if self.error.is_none() {
            let field = field.chars().take(40).collect();
            self.error = Some(PhhError::Field { line, field, problem });
        }
    }

    /// One entry of `actions`, counted from 1.
    pub(super) fn action(&mut self, number: usize, text: &str, line: usize) {
        if number > ACTIONS_MAX {
            return self.fail(line, "actions", format!("more than {ACTIONS_MAX}"));
        }
        match text.parse() {
            Ok(action) => self.actions.get_or_insert_default().push(action),
            Err(error) => self.fail(line, &format!("actions[{number}]"), error.to_string()),
        }
    }

    pub(super) fn player(&mut self, name: String) {
        self.players.get_or_insert_default().push(name);
    }

    /// One entry of a list of amounts.
    pub(super) fn number_of(&mut self, key: &str, text: &str, line: usize) {
        let stack: Stack = match text.parse() {
            Ok(stack) => stack,
            Err(error) => return self.fail(line, key, error.to_string()),
        };
        let open = match key {
            "starting_stacks" => &mut self.starting_stacks,
            "finishing_stacks" => &mut self.finishing_stacks,
            "winnings" => &mut self.winnings,
            _ => {
                let list = if key == "antes" { &mut self.antes } else { &mut self.blinds_or_straddles };
                match stack.known() {
                    Some(amount) => list.get_or_insert_default().push(amount),
                    None => self.fail(line, key, format!("'{text}' is no amount")),
                }
                return;
            }
        };
        open.get_or_insert_default().push(stack);
    }

    /// Any field, whole. [`Draft::begin`] comes first.
    pub(super) fn set(&mut self, key: &str, value: Value, line: usize) {
        let wrong = |want: &str, value: &Value| format!("want {want}, found {}", value.kind());
        match key {
            "variant" => self.variant = Some(value),
            "ante_trimming_status" => match value {
                Value::Bool(status) => self.ante_trimming_status = status,
                other => self.fail(line, key, wrong("a boolean", &other)),
            },
            "bring_in" | "small_bet" | "big_bet" | "min_bet" => {
                let Value::Number(text) = &value else {
                    return self.fail(line, key, wrong("an amount", &value));
                };
                let amount = match text.parse() {
                    Ok(amount) => Some(amount),
                    Err(error) => return self.fail(line, key, format!("{error}")),
                };
                match key {
                    "bring_in" => self.bring_in = amount,
                    "small_bet" => self.small_bet = amount,
                    "big_bet" => self.big_bet = amount,
                    _ => self.min_bet = amount,
                }
            }
            "actions"
            | "players"
            | "antes"
            | "blinds_or_straddles"
            | "starting_stacks"
            | "finishing_stacks"
            | "winnings" => {
                let Value::List(values) = value else {
                    return self.fail(line, key, wrong("an array", &value));
                };
                for (place, value) in values.into_iter().enumerate() {
                    match (key, value) {
                        ("actions", Value::Text(text)) => self.action(place + 1, &text, line),
                        ("players", Value::Text(text)) => self.player(text),
                        ("actions" | "players", other) => self.fail(line, key, wrong("strings", &other)),
                        (_, Value::Number(text)) => self.number_of(key, &text, line),
                        (_, other) => self.fail(line, key, wrong("amounts", &other)),
                    }
                }
            }
            _ => self.fields.push((name(key), value)),
        }
    }

    pub(super) fn finish(self) -> Result<Phh, PhhError> {
        let line = self.line;
        let missing = |field: &'static str| PhhError::Missing { line, field };
        // The variant first: of another game, nothing else is expected to be readable.
        let variant = match self.variant.ok_or_else(|| missing("variant"))? {
            Value::Text(code) => Variant::read(&code).ok_or(PhhError::Variant { line, code })?,
            other => {
                let problem = format!("want a string, found {}", other.kind());
                return Err(PhhError::Field { line, field: "variant".into(), problem });
            }
        };
        if let Some(error) = self.error {
            return Err(error);
        }
        let hand = Phh {
            variant,
            ante_trimming_status: self.ante_trimming_status,
            antes: self.antes.ok_or_else(|| missing("antes"))?,
            blinds_or_straddles: self.blinds_or_straddles.ok_or_else(|| missing("blinds_or_straddles"))?,
            bring_in: self.bring_in,
            small_bet: self.small_bet,
            big_bet: self.big_bet,
            min_bet: self.min_bet,
            starting_stacks: self.starting_stacks.ok_or_else(|| missing("starting_stacks"))?,
            actions: self.actions.ok_or_else(|| missing("actions"))?,
            players: self.players,
            finishing_stacks: self.finishing_stacks,
            winnings: self.winnings,
            fields: self.fields,
        };
        hand.check(line)?;
        Ok(hand)
    }
}
