//! Text into hands.

use super::{
    BetLimit, BetType, Ohh, OhhAction, OhhError, Player, Pot, Round, Win, json::Reader, object::Object,
};
use crate::phh::{FILE_BYTES_MAX, Value};

/// One hand of a file, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OhhEntry {
    /// Line on which it begins, counted from 1.
    pub line: usize,
    pub hand: Result<Ohh, OhhError>,
}

/// Reads the hands of a file: one `{"ohh": …}` after the other, or an array of them. A hand that
/// cannot be read does not keep others from being read.
///
/// # Errors
/// Where the file is too long or is not JSON.
pub fn read(text: &str) -> Result<Vec<OhhEntry>, OhhError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(OhhError::TooLong { bytes: text.len(), most: FILE_BYTES_MAX });
    }
    let mut reader = Reader::new(text);
    let mut hands = Vec::new();
    while let Some((line, value)) = reader.next_value()? {
        match value {
            Value::List(values) => {
                hands.extend(values.into_iter().map(|value| OhhEntry { line, hand: hand(value) }));
            }
            value => hands.push(OhhEntry { line, hand: hand(value) }),
        }
    }
    Ok(hands)
}

impl Ohh {
    /// Reads a text of one hand.
    pub fn parse(text: &str) -> Result<Self, OhhError> {
        let mut hands = read(text)?;
        match (hands.pop(), hands.len()) {
            (Some(entry), 0) => entry.hand,
            _ => Err(OhhError::Field { field: "ohh".into(), problem: "one hand is wanted".into() }),
        }
    }
}

fn hand(value: Value) -> Result<Ohh, OhhError> {
    let mut outer = Object::new("ohh".into(), value)?;
    // Fields beside the hand are ignored.
    let inner = outer.take("ohh");
    let mut ohh = Object::new(String::new(), outer.needed("ohh", inner)?)?;
    let game = ohh.text("game_type")?;
    let game = ohh.needed("game_type", game)?;
    let limit = ohh.take("bet_limit");
    let bet_limit = bet_limit(Object::new("bet_limit".into(), ohh.needed("bet_limit", limit)?)?)?;
    if game != "Holdem" {
        return Err(OhhError::Game(game.chars().take(32).collect()));
    }
    let dealer_seat = ohh.integer("dealer_seat")?;
    let small = ohh.amount("small_blind_amount")?;
    let big = ohh.amount("big_blind_amount")?;
    let table_size = match ohh.integer("table_size")? {
        None => None,
        Some(size) => Some(u8::try_from(size).map_err(|_| ohh.wrong("table_size", format!("{size}")))?),
    };
    Ok(Ohh {
        spec_version: ohh.text("spec_version")?,
        internal_version: ohh.text("internal_version")?,
        site_name: ohh.text("site_name")?,
        network_name: ohh.text("network_name")?,
        game_number: ohh.text("game_number")?,
        start_date_utc: ohh.text("start_date_utc")?,
        table_name: ohh.text("table_name")?,
        bet_limit,
        table_size,
        currency: ohh.text("currency")?,
        dealer_seat: ohh.needed("dealer_seat", dealer_seat)?,
        small_blind_amount: ohh.needed("small_blind_amount", small)?,
        big_blind_amount: ohh.needed("big_blind_amount", big)?,
        ante_amount: ohh.amount("ante_amount")?,
        hero_player_id: ohh.integer("hero_player_id")?,
        flags: ohh.texts("flags")?,
        players: ohh.objects("players")?.into_iter().map(player).collect::<Result<_, _>>()?,
        rounds: ohh.objects("rounds")?.into_iter().map(round).collect::<Result<_, _>>()?,
        pots: ohh.objects("pots")?.into_iter().map(pot).collect::<Result<_, _>>()?,
        extra: ohh.rest(),
    })
}

fn bet_limit(mut limit: Object) -> Result<BetLimit, OhhError> {
    let kind = limit.text("bet_type")?;
    let kind = limit.needed("bet_type", kind)?;
    let bet_type = match kind.as_str() {
        "NL" => BetType::NoLimit,
        "FL" => BetType::FixedLimit,
        _ => return Err(OhhError::Game(kind.chars().take(32).collect())),
    };
    Ok(BetLimit { bet_type, bet_cap: limit.amount("bet_cap")?, extra: limit.rest() })
}

fn player(mut player: Object) -> Result<Player, OhhError> {
    let (id, seat) = (player.integer("id")?, player.integer("seat")?);
    let stack = player.amount("starting_stack")?;
    Ok(Player {
        id: player.needed("id", id)?,
        seat: player.needed("seat", seat)?,
        name: player.text("name")?.unwrap_or_default(),
        starting_stack: player.needed("starting_stack", stack)?,
        is_sitting_out: player.flag("is_sitting_out")?,
        extra: player.rest(),
    })
}

fn round(mut round: Object) -> Result<Round, OhhError> {
    let (id, street) = (round.integer("id")?, round.text("street")?);
    Ok(Round {
        id: round.needed("id", id)?,
        street: round.needed("street", street)?,
        cards: round.cards("cards")?,
        actions: round.objects("actions")?.into_iter().map(action).collect::<Result<_, _>>()?,
        extra: round.rest(),
    })
}

fn action(mut action: Object) -> Result<OhhAction, OhhError> {
    let (number, name) = (action.integer("action_number")?, action.text("action")?);
    Ok(OhhAction {
        action_number: action.needed("action_number", number)?,
        player_id: action.integer("player_id")?,
        action: action.needed("action", name)?,
        amount: action.amount("amount")?,
        is_allin: action.flag("is_allin")?,
        cards: action.cards("cards")?,
        extra: action.rest(),
    })
}

fn pot(mut pot: Object) -> Result<Pot, OhhError> {
    let (number, amount) = (pot.integer("number")?, pot.amount("amount")?);
    Ok(Pot {
        number: pot.needed("number", number)?,
        amount: pot.needed("amount", amount)?,
        rake: pot.amount("rake")?,
        player_wins: pot.objects("player_wins")?.into_iter().map(win).collect::<Result<_, _>>()?,
        extra: pot.rest(),
    })
}

fn win(mut win: Object) -> Result<Win, OhhError> {
    let (id, amount) = (win.integer("player_id")?, win.amount("win_amount")?);
    Ok(Win {
        player_id: win.needed("player_id", id)?,
        win_amount: win.needed("win_amount", amount)?,
        extra: win.rest(),
    })
}
