//! A hand while its fields are being read.

use super::{
    Amount, Line, Phh, PhhError, Stack, Variant,
    value::{Value, name},
};
use std::borrow::Cow;

/// Most players of a hand.
pub(super) const PLAYERS_MAX: usize = 10;
/// Most entries of a hand's `actions`.
const ACTIONS_MAX: usize = 4_096;
/// Most fields of one hand.
const FIELDS_MAX: usize = 256;

/// A list of amounts by player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amounts {
    Antes,
    BlindsOrStraddles,
    StartingStacks,
    FinishingStacks,
    Winnings,
}

impl Amounts {
    pub(super) fn of(key: &str) -> Option<Self> {
        match key {
            "antes" => Some(Self::Antes),
            "blinds_or_straddles" => Some(Self::BlindsOrStraddles),
            "starting_stacks" => Some(Self::StartingStacks),
            "finishing_stacks" => Some(Self::FinishingStacks),
            "winnings" => Some(Self::Winnings),
            _ => None,
        }
    }
}

/// A hand while its fields are read; the first wrong field is the error of the hand.
pub(super) struct Draft {
    pub(super) name: String,
    /// The line of its `[name]`, or of its first field.
    pub(super) line: usize,
    /// Hashes of the names of the fields there were.
    begun: Vec<u64>,
    /// The highest six bits of each hash, as the number of a bit.
    bits: u64,
    variant: Option<Value>,
    known_variant: Option<Variant>,
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
        Self::with_room(name, line, Vec::with_capacity(20))
    }

    /// A new draft that reuses the memory of a list that [`Draft::room`] returned.
    pub(super) fn with_room(name: &str, line: usize, mut begun: Vec<u64>) -> Self {
        begun.clear();
        Self {
            name: name.into(),
            line,
            begun,
            bits: 0,
            variant: None,
            known_variant: None,
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
            fields: Vec::new(),
            error: None,
        }
    }

    /// Returns the memory that the next hand can use again.
    pub(super) fn room(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.begun)
    }

    /// Begins a field; false where the hand has it already.
    pub(super) fn begin(&mut self, key: &str) -> bool {
        // FNV-1a by words of eight bytes. Two names of one hash count as one field: then the toml crate
        // reads the file.
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ key.len() as u64;
        let mut mix = |word: u64| {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        };
        let (words, rest) = key.as_bytes().as_chunks();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        mix(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        // Most fields need no search: no earlier field has the same six bits.
        let bit = 1 << (hash >> 58);
        if self.bits & bit != 0 && self.begun.contains(&hash) {
            return false;
        }
        self.bits |= bit;
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

    /// Adds one entry of `actions`, counted from 1.
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

    /// Parses and adds one entry of a list of amounts.
    fn number_of(&mut self, key: &str, text: &str, line: usize) {
        let Some(list) = Amounts::of(key) else { return };
        match text.parse() {
            Ok(stack) => self.stack(list, stack, key, line),
            Err(error) => self.fail(line, key, error.to_string()),
        }
    }

    /// Adds one parsed entry of a list of amounts.
    pub(super) fn stack(&mut self, list: Amounts, stack: Stack, key: &str, line: usize) {
        let open = match list {
            Amounts::StartingStacks => &mut self.starting_stacks,
            Amounts::FinishingStacks => &mut self.finishing_stacks,
            Amounts::Winnings => &mut self.winnings,
            Amounts::Antes | Amounts::BlindsOrStraddles => {
                let list =
                    if list == Amounts::Antes { &mut self.antes } else { &mut self.blinds_or_straddles };
                match stack.known() {
                    Some(amount) => list.get_or_insert_default().push(amount),
                    None => self.fail(line, key, format!("'{stack}' is no amount")),
                }
                return;
            }
        };
        open.get_or_insert_default().push(stack);
    }

    /// The variant, where it is one that is played here.
    pub(super) fn variant(&mut self, variant: Variant) {
        self.known_variant = Some(variant);
    }

    /// A bet of `bring_in`, `small_bet`, `big_bet` or `min_bet`; false: another field.
    pub(super) fn bet(&mut self, key: &str, amount: Amount) -> bool {
        let bet = match key {
            "bring_in" => &mut self.bring_in,
            "small_bet" => &mut self.small_bet,
            "big_bet" => &mut self.big_bet,
            "min_bet" => &mut self.min_bet,
            _ => return false,
        };
        *bet = Some(amount);
        true
    }

    /// Sets a field to a complete value, after [`Draft::begin`].
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
                match text.parse() {
                    Ok(amount) => {
                        self.bet(key, amount);
                    }
                    Err(error) => self.fail(line, key, format!("{error}")),
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
            _ => {
                if self.fields.is_empty() {
                    self.fields.reserve(4);
                }
                self.fields.push((name(key), value));
            }
        }
    }

    pub(super) fn finish(self) -> Result<Phh, PhhError> {
        let line = self.line;
        let missing = |field: &'static str| PhhError::Missing { line, field };
        // The variant first: of another game, nothing else is expected to be readable.
        let variant = match (self.known_variant, self.variant) {
            (Some(variant), _) => variant,
            (None, None) => return Err(missing("variant")),
            (None, Some(Value::Text(code))) => {
                Variant::read(&code).ok_or(PhhError::Variant { line, code })?
            }
            (None, Some(other)) => {
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
