//! Converts a hand of the Open Hand History to PHH.

use super::{BetType, Ohh, OhhAction, OhhError, Player};
use crate::phh::{Amount, Cards, Line, Phh, PhhAction, PhhError, Value, Variant};
use std::borrow::Cow;

/// State of one player during the conversion.
struct Chair<'a> {
    player: &'a Player,
    /// Chips in front on this street, in units.
    street: i128,
    ante: i128,
    blind: i128,
    posts: i128,
    hole: Cards,
}

impl Ohh {
    /// The hand in PHH, with the pots' winnings and rake (`_rake`).
    ///
    /// # Errors
    /// What PHH has no word for: chips that come in the middle of a hand, amounts of more digits
    /// than can be kept.
    pub fn to_phh(&self) -> Result<Phh, OhhError> {
        let decimals = self.amounts().map(|amount| amount.decimals).max().unwrap_or(0);
        let teller = Teller { ohh: self, decimals };
        let mut chairs = teller.chairs()?;
        let lines = teller.lines(&mut chairs)?;
        teller.phh(&chairs, lines)
    }

    fn amounts(&self) -> impl Iterator<Item = Amount> + '_ {
        let actions = self.rounds.iter().flat_map(|round| &round.actions).filter_map(|action| action.amount);
        let wins = self.pots.iter().flat_map(|pot| &pot.player_wins).map(|win| win.win_amount);
        let table = [Some(self.small_blind_amount), Some(self.big_blind_amount), self.ante_amount];
        let stacks = self.players.iter().map(|player| player.starting_stack);
        let rakes = self.pots.iter().filter_map(|pot| pot.rake);
        table.into_iter().flatten().chain(stacks).chain(actions).chain(wins).chain(rakes)
    }
}

struct Teller<'a> {
    ohh: &'a Ohh,
    decimals: u8,
}

impl<'a> Teller<'a> {
    fn units(&self, amount: Amount) -> Result<i128, OhhError> {
        let too_long = || PhhError::Unplayable { field: "amount", problem: format!("{amount} is too long") };
        Ok(amount.units(self.decimals).ok_or_else(too_long)?)
    }

    fn amount(&self, units: i128) -> Result<Amount, OhhError> {
        let too_long = || PhhError::Unplayable { field: "amount", problem: format!("{units} is too much") };
        let digits = i64::try_from(units).map_err(|_| too_long())?;
        Ok(Amount { digits, decimals: self.decimals })
    }

    /// All dealt-in players, from the seat after the button to the button.
    fn chairs(&self) -> Result<Vec<Chair<'a>>, OhhError> {
        let acts = |player: &&Player| {
            let mut actions = self.ohh.rounds.iter().flat_map(|round| &round.actions);
            let own = |action: &OhhAction| action.player_id == Some(player.id) && in_hand(&action.action);
            !player.is_sitting_out.unwrap_or(false) && actions.any(own)
        };
        let mut players: Vec<&Player> = self.ohh.players.iter().filter(acts).collect();
        players.sort_by_key(|player| (player.seat <= self.ohh.dealer_seat, player.seat));
        let chair =
            |player| Chair { player, street: 0, ante: 0, blind: 0, posts: 0, hole: Cards::new([None; 2]) };
        let chairs: Vec<Chair<'a>> = players.into_iter().map(chair).collect();
        if !(2..=10).contains(&chairs.len()) {
            let problem = format!("{} were dealt in: must be 2 to 10", chairs.len());
            return Err(OhhError::Field { field: "players".into(), problem });
        }
        Ok(chairs)
    }

    fn lines(&self, chairs: &mut [Chair<'a>]) -> Result<Vec<PhhAction>, OhhError> {
        let mut lines = Vec::new();
        for (place, round) in self.ohh.rounds.iter().enumerate() {
            if !round.cards.is_empty() {
                if round.cards.len() > 5 {
                    let field = format!("rounds[{place}].cards");
                    return Err(OhhError::Field { field, problem: "more than five".into() });
                }
                chairs.iter_mut().for_each(|chair| chair.street = 0);
                lines.push(PhhAction::Board(Cards::new(round.cards.iter().copied())));
            }
            for (number, action) in round.actions.iter().enumerate() {
                let field = || format!("rounds[{place}].actions[{number}]");
                lines.extend(self.action(chairs, action, field)?);
            }
        }
        let holes =
            chairs.iter().zip(1..).map(|(chair, player)| PhhAction::Hole { player, cards: chair.hole });
        Ok(holes.chain(lines).collect())
    }

    fn action(
        &self,
        chairs: &mut [Chair<'a>],
        action: &OhhAction,
        field: impl Fn() -> String,
    ) -> Result<Option<PhhAction>, OhhError> {
        let wrong = |problem: String| OhhError::Field { field: field(), problem };
        if !in_hand(&action.action) {
            return match action.action.as_str() {
                "Sits Down" | "Stands Up" | "Player Adjustment" => Ok(None),
                other => Err(wrong(format!("'{other}' has no place in PHH"))),
            };
        }
        let seated = chairs.iter().position(|chair| Some(chair.player.id) == action.player_id);
        let Some(at) = seated else { return Err(wrong("of a player who was not dealt in".into())) };
        let player = u8::try_from(at + 1).unwrap_or(u8::MAX);
        let amount = self.units(action.amount.unwrap_or(Amount::ZERO))?;
        if amount < 0 {
            return Err(wrong("an amount below 0".into()));
        }
        let chair = &mut chairs[at];
        let cards = Cards::new(action.cards.iter().copied());
        Ok(match action.action.as_str() {
            "Dealt Cards" => {
                if cards.len() == 2 {
                    chair.hole = cards;
                }
                None
            }
            "Post Ante" | "Post Dead" => {
                chair.ante += amount;
                None
            }
            "Post SB" | "Post BB" | "Straddle" => {
                chair.blind += amount;
                chair.street += amount;
                // A stack that could not pay the whole blind: the blind of the table is what was owed.
                let owed = match action.action.as_str() {
                    "Post SB" => self.units(self.ohh.small_blind_amount)?,
                    "Post BB" => self.units(self.ohh.big_blind_amount)?,
                    _ => amount,
                };
                if action.is_allin == Some(true) && amount < owed {
                    chair.blind = owed;
                }
                None
            }
            "Post Extra Blind" => {
                chair.posts += amount;
                chair.street += amount;
                None
            }
            "Fold" => Some(PhhAction::Fold { player }),
            "Check" => Some(PhhAction::CheckOrCall { player }),
            "Call" => {
                chair.street += amount;
                Some(PhhAction::CheckOrCall { player })
            }
            "Bet" | "Raise" => {
                chair.street += amount;
                Some(PhhAction::RaiseTo { player, total: self.amount(chair.street)? })
            }
            "Shows Cards" if cards.len() == 2 => Some(PhhAction::Show { player, cards }),
            "Shows Cards" => Some(PhhAction::ShowDealt { player }),
            _ => Some(PhhAction::Muck { player }),
        })
    }

    fn phh(&self, chairs: &[Chair<'a>], lines: Vec<PhhAction>) -> Result<Phh, OhhError> {
        let ohh = self.ohh;
        let big = self.units(ohh.big_blind_amount)?;
        let mut antes: Vec<Amount> =
            chairs.iter().map(|chair| self.amount(chair.ante)).collect::<Result<_, _>>()?;
        // An ante that took the whole stack: the table's ante is what was owed.
        let ante = self.units(ohh.ante_amount.unwrap_or(Amount::ZERO))?;
        for (owed, chair) in antes.iter_mut().zip(chairs) {
            if chair.ante > 0 && chair.ante < ante && self.units(chair.player.starting_stack)? == chair.ante {
                *owed = self.amount(ante)?;
            }
        }
        let mut blinds: Vec<Amount> = chairs
            .iter()
            .map(|chair| if chair.posts > 0 { self.amount(-chair.posts) } else { self.amount(chair.blind) })
            .collect::<Result<_, _>>()?;
        if chairs.len() == 2 {
            antes.reverse();
            blinds.reverse();
        }
        let fixed = ohh.bet_limit.bet_type == BetType::FixedLimit;
        let bet = |units: i128, wanted: bool| wanted.then(|| self.amount(units)).transpose();
        let mut rake = 0;
        let mut winnings = vec![0; chairs.len()];
        for pot in &ohh.pots {
            rake += self.units(pot.rake.unwrap_or(Amount::ZERO))?;
            for win in &pot.player_wins {
                if let Some(at) = chairs.iter().position(|chair| chair.player.id == win.player_id) {
                    winnings[at] += self.units(win.win_amount)?;
                }
            }
        }
        let winnings = winnings.into_iter().map(|units| Ok(self.amount(units)?.into()));
        let winnings = winnings.collect::<Result<Vec<_>, OhhError>>()?;
        let stacks =
            chairs.iter().map(|chair| Ok(self.amount(self.units(chair.player.starting_stack)?)?.into()));
        let phh = Phh {
            variant: if fixed { Variant::FixedLimit } else { Variant::NoLimit },
            ante_trimming_status: antes.windows(2).all(|two| two[0] == two[1]),
            antes,
            blinds_or_straddles: blinds,
            bring_in: None,
            small_bet: bet(big, fixed)?,
            big_bet: bet(2 * big, fixed)?,
            min_bet: bet(big, !fixed)?,
            starting_stacks: stacks.collect::<Result<Vec<_>, OhhError>>()?,
            actions: lines.into_iter().map(Line::from).collect(),
            players: Some(chairs.iter().map(|chair| chair.player.name.clone()).collect()),
            finishing_stacks: None,
            winnings: (!ohh.pots.is_empty()).then_some(winnings),
            fields: self.fields(chairs, self.amount(rake)?),
        };
        phh.check(1)?;
        Ok(phh)
    }

    /// Fields about venue, time and number of the hand.
    fn fields(&self, chairs: &[Chair<'a>], rake: Amount) -> Vec<(Cow<'static, str>, Value)> {
        let ohh = self.ohh;
        let number = |number: i64| Value::Number(number.to_string());
        let mut fields: Vec<(Cow<'static, str>, Value)> = Vec::new();
        let mut add = |name: &'static str, value: Option<Value>| {
            fields.extend(value.map(|value| (Cow::Borrowed(name), value)));
        };
        let text = |text: &Option<String>| text.clone().map(Value::Text);
        add("venue", text(&ohh.site_name));
        if let Some((day, time)) = ohh.start_date_utc.as_ref().and_then(|start| start.split_once('T')) {
            let mut parts = day.split('-').map(|part| part.parse::<i64>().ok());
            let time = time.get(..8).filter(|time| time.bytes().filter(|byte| *byte == b':').count() == 2);
            let clock = time.filter(|time| {
                time.split(':').all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            });
            add("time", clock.map(|time| Value::Time(time.into())));
            add("time_zone_abbreviation", Some(Value::from("UTC")));
            for part in ["year", "month", "day"] {
                add(part, parts.next().flatten().map(number));
            }
        }
        // PHH has numbers for hands, and strings for names.
        let game = ohh.game_number.as_ref();
        add("hand", game.map(|name| name.parse().map_or_else(|_| Value::Text(name.clone()), number)));
        add("seats", Some(Value::List(chairs.iter().map(|chair| number(chair.player.seat)).collect())));
        add("seat_count", ohh.table_size.map(|size| number(size.into())));
        add("table", text(&ohh.table_name));
        add("currency", text(&ohh.currency));
        add("_rake", (rake.digits > 0).then(|| Value::Number(rake.to_string())));
        fields
    }
}

/// Actions that only those who are dealt in have.
fn in_hand(action: &str) -> bool {
    matches!(
        action,
        "Dealt Cards"
            | "Mucks Cards"
            | "Shows Cards"
            | "Post Ante"
            | "Post SB"
            | "Post BB"
            | "Straddle"
            | "Post Dead"
            | "Post Extra Blind"
            | "Fold"
            | "Check"
            | "Bet"
            | "Raise"
            | "Call"
    )
}
