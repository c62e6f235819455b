//! The plan of a hand before it is dealt again: its unit, its forced bets, its deck.

use super::{Amount, Cards, Phh, PhhAction, PhhError, Stack, draft::PLAYERS_MAX};
use crate::{
    card::{Card, Deck},
    ids::{Chips, SeatIndex, SeatSet},
};

/// Results with more decimals do not make the hand's unit finer: the extra digits are floating-point residue.
const RESULT_DECIMALS_MAX: u8 = 8;
/// The most chips that all stacks together may have, in units of the hand.
const SUM_MAX: i128 = (1 << 62) - 1;

/// A hand in whole units of `10^-decimals`, by player.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) players: usize,
    pub(super) decimals: u8,
    pub(super) stacks: [Chips; PLAYERS_MAX],
    pub(super) antes: [Chips; PLAYERS_MAX],
    pub(super) bets: [Chips; PLAYERS_MAX],
    pub(super) posts: [Chips; PLAYERS_MAX],
    pub(super) uniform: bool,
    pub(super) cards: Known,
}

/// The actions' information about cards, and about players who let them go.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) holes: [[Option<Card>; 2]; PLAYERS_MAX],
    /// The board, and after its five cards those of a second one.
    pub(super) board: [Option<Card>; 10],
    pub(super) dealt: usize,
    folded: SeatSet,
    shown: SeatSet,
    mucked: SeatSet,
}

/// Heads-up, antes and blinds are assigned the other way round.
fn place(player: usize, players: usize) -> usize {
    if players == 2 { 1 - player } else { player }
}

fn seat(player: usize) -> SeatIndex {
    SeatIndex(u8::try_from(player).unwrap_or(u8::MAX))
}

impl Plan {
    pub(super) fn new(hand: &Phh) -> Result<Self, PhhError> {
        let players = hand.starting_stacks.len();
        if hand.bring_in.is_some_and(|bet| bet.digits != 0) {
            let problem = "Hold'em has no bring-in".into();
            return Err(PhhError::Unplayable { field: "bring_in", problem });
        }
        let unit = Unit { decimals: decimals(hand)? };
        let mut plan = Self {
            players,
            decimals: unit.decimals,
            stacks: [0; PLAYERS_MAX],
            antes: [0; PLAYERS_MAX],
            bets: [0; PLAYERS_MAX],
            posts: [0; PLAYERS_MAX],
            uniform: hand.antes.windows(2).all(|two| two[0] == two[1]),
            cards: Known::new(hand)?,
        };
        for player in 0..players {
            let from = place(player, players);
            plan.antes[player] = unit.chips(hand.antes[from], "antes")?;
            let blind = hand.blinds_or_straddles[from];
            let amount = Amount { digits: blind.digits.saturating_abs(), ..blind };
            let amount = unit.chips(amount, "blinds_or_straddles")?;
            if blind.digits < 0 { plan.posts[player] = amount } else { plan.bets[player] = amount }
        }
        plan.fill_stacks(hand, unit)?;
        Ok(plan)
    }

    /// Replaces unknown stacks by more than the hand can require.
    fn fill_stacks(&mut self, hand: &Phh, unit: Unit) -> Result<(), PhhError> {
        let (mut sum, mut open) = (0, 0);
        for (stack, chips) in hand.starting_stacks.iter().zip(&mut self.stacks) {
            match stack {
                Stack::Known(amount) => {
                    *chips = unit.chips(*amount, "starting_stacks")?;
                    sum += i128::from(*chips);
                }
                Stack::Infinite | Stack::Nan | Stack::Null => open += 1,
            }
        }
        if open > 0 {
            let forced = self.antes.iter().chain(&self.bets).chain(&self.posts).map(|bet| i128::from(*bet));
            let mut ask = 1 + forced.sum::<i128>();
            for line in &hand.actions {
                if let PhhAction::RaiseTo { total, .. } = line.action {
                    ask += i128::from(unit.chips(total, "actions")?);
                }
            }
            // A call only matches a bet that is counted; each of four streets requires at most the sum of all bets.
            let ask = ask.saturating_mul(4).saturating_add(sum).min(SUM_MAX);
            sum = sum.saturating_add(ask.saturating_mul(open));
            for (stack, chips) in hand.starting_stacks.iter().zip(&mut self.stacks) {
                if stack.known().is_none() {
                    *chips = Chips::try_from(ask).unwrap_or(0);
                }
            }
        }
        if sum > SUM_MAX {
            let problem = format!("too many chips in units of 10^-{}", unit.decimals);
            return Err(PhhError::Unplayable { field: "starting_stacks", problem });
        }
        Ok(())
    }
}

/// The smallest unit of the hand: 10^-`decimals`.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) decimals: u8,
}

impl Unit {
    pub(super) fn chips(self, amount: Amount, field: &'static str) -> Result<Chips, PhhError> {
        let units = amount.units(self.decimals).filter(|units| *units <= SUM_MAX);
        units.and_then(|units| Chips::try_from(units).ok()).ok_or_else(|| PhhError::Unplayable {
            field,
            problem: format!("{amount} cannot be counted in units of 10^-{}", self.decimals),
        })
    }
}

/// The most decimals of any amount of the hand; those of the results count if they are decimals of money and fit.
fn decimals(hand: &Phh) -> Result<u8, PhhError> {
    let raises = hand.actions.iter().filter_map(|line| match line.action {
        PhhAction::RaiseTo { total, .. } => Some(total),
        _ => None,
    });
    let stacks = hand.starting_stacks.iter().filter_map(|stack| stack.known());
    let bets = [hand.small_bet, hand.big_bet, hand.min_bet].into_iter().flatten();
    let asked = hand.antes.iter().chain(&hand.blinds_or_straddles).copied();
    let inputs = asked.chain(bets).chain(stacks).chain(raises).map(|amount| amount.decimals).max();
    let inputs = inputs.unwrap_or(0);
    if inputs > 18 {
        let problem = format!("{inputs} decimals: at most 18 are played");
        return Err(PhhError::Unplayable { field: "starting_stacks", problem });
    }
    let results = hand.finishing_stacks.iter().chain(&hand.winnings).flatten();
    let results = results.filter_map(|stack| stack.known()).map(|amount| amount.trimmed().decimals);
    let results = results.filter(|decimals| *decimals <= RESULT_DECIMALS_MAX).max().unwrap_or(0);
    if results <= inputs {
        return Ok(inputs);
    }
    let sum: Option<i128> = hand
        .starting_stacks
        .iter()
        .filter_map(|stack| stack.known())
        .try_fold(0, |sum: i128, stack| sum.checked_add(stack.units(results)?));
    Ok(if sum.is_some_and(|sum| sum <= SUM_MAX / 64) { results } else { inputs })
}

impl Known {
    fn new(hand: &Phh) -> Result<Self, PhhError> {
        let players = hand.starting_stacks.len();
        let mut known = Self {
            holes: [[None; 2]; PLAYERS_MAX],
            board: [None; 10],
            dealt: 0,
            folded: SeatSet::default(),
            shown: SeatSet::default(),
            mucked: SeatSet::default(),
        };
        let mut held = [0usize; PLAYERS_MAX];
        for line in &hand.actions {
            let at = |player: u8| {
                let place = usize::from(player) - 1;
                if place < players { Ok(place) } else { Err(PhhError::NoSuchPlayer(player)) }
            };
            match &line.action {
                PhhAction::Hole { player, cards } => {
                    let at = at(*player)?;
                    for card in cards.iter() {
                        let hole = known.holes[at].get_mut(held[at]);
                        *hole.ok_or_else(|| PhhError::Cards(format!("p{player} has more than two")))? = card;
                        held[at] += 1;
                    }
                }
                PhhAction::Show { player, cards } => {
                    let at = at(*player)?;
                    known.show(at, cards)?;
                    known.shown.insert(seat(at));
                }
                PhhAction::ShowDealt { player } => known.shown.insert(seat(at(*player)?)),
                PhhAction::Muck { player } => known.mucked.insert(seat(at(*player)?)),
                PhhAction::Fold { player } => known.folded.insert(seat(at(*player)?)),
                PhhAction::Board(cards) => {
                    for card in cards.iter() {
                        let place = known.board.get_mut(known.dealt);
                        *place.ok_or_else(|| PhhError::Cards("more than two boards".into()))? = card;
                        known.dealt += 1;
                    }
                }
                PhhAction::CheckOrCall { player } | PhhAction::RaiseTo { player, .. } => {
                    at(*player)?;
                }
                PhhAction::Nothing => {}
            }
        }
        // Cards that appear nowhere are not shown: `????` neither shows nor mucks.
        for player in 0..players {
            if known.hidden(player) {
                known.shown.remove(seat(player));
            }
        }
        Ok(known)
    }

    /// Records shown cards: they equal the dealt ones in either order, or replace unknown ones.
    fn show(&mut self, player: usize, cards: &Cards) -> Result<(), PhhError> {
        let hole = &mut self.holes[player];
        for card in cards.iter().flatten() {
            if hole.contains(&Some(card)) {
                continue;
            }
            match hole.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(card),
                None => {
                    let problem = format!("p{} shows {card}, which was not dealt", player + 1);
                    return Err(PhhError::Cards(problem));
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_live(&self, player: usize) -> bool {
        !self.folded.contains(seat(player))
    }

    fn live(&self, players: usize) -> impl Iterator<Item = usize> + '_ {
        (0..players).filter(|player| self.is_live(*player))
    }

    fn hidden(&self, player: usize) -> bool {
        self.holes[player].contains(&None)
    }

    /// Returns the players who muck at a showdown: those whose action says so and, if another player shows, those whose
    /// cards appear nowhere.
    pub(super) fn mucks(&self, players: usize) -> SeatSet {
        let mut mucks = self.mucked;
        if self.live(players).any(|player| self.shown.contains(seat(player))) {
            self.live(players)
                .filter(|player| self.hidden(*player))
                .for_each(|player| mucks.insert(seat(player)));
        }
        mucks
    }

    /// Whether cards that were made up can have decided between those who are left, on a board of so
    /// many cards.
    pub(super) fn guessed(&self, players: usize, board: usize) -> bool {
        let mucks = self.mucks(players);
        let shows = |player: &usize| !mucks.contains(seat(*player));
        let nobody = self.live(players).filter(shows).count() == 0;
        let contends = |player: &usize| nobody || shows(player);
        let open = self.board.iter().take(board).any(Option::is_none);
        let hidden = self.live(players).filter(contends).any(|player| self.hidden(player));
        self.live(players).filter(contends).count() > 1 && (open || hidden)
    }

    /// Whether a remaining player's cards are unknown, so that the stated winner may be right.
    pub(super) fn veiled(&self, players: usize) -> bool {
        self.live(players).count() > 1 && self.live(players).any(|player| self.hidden(player))
    }

    /// A deck that deals the known cards in the engine's order; unknown cards are invented.
    pub(super) fn deck(&self, players: usize) -> Result<Deck, PhhError> {
        let mut seen = 0u64;
        for card in self.holes.iter().take(players).flatten().chain(&self.board).flatten() {
            let bit = 1 << card.number();
            if seen & bit != 0 {
                return Err(PhhError::Cards(format!("{card} is dealt twice")));
            }
            seen |= bit;
        }
        let mut cards = [Card::LOWEST; 52];
        let (mut dealt, mut unknown) = (0, 0u64);
        let mut deal = |told: Option<Card>| {
            match told {
                Some(card) => cards[dealt] = card,
                None => unknown |= 1 << dealt,
            }
            dealt += 1;
        };
        for round in 0..2 {
            self.holes.iter().take(players).for_each(|hole| deal(hole[round]));
        }
        self.board.iter().take(self.dealt.max(5)).for_each(|card| deal(*card));
        // Unknown cards are made up of the other cards, in their order.
        let mut spare = !seen;
        for (place, card) in cards.iter_mut().enumerate() {
            if place >= dealt || unknown & 1 << place != 0 {
                *card = u8::try_from(spare.trailing_zeros()).ok().and_then(Card::new).unwrap_or(Card::LOWEST);
                spare &= spare.wrapping_sub(1);
            }
        }
        Deck::new(cards).map_err(|error| PhhError::Cards(error.to_string()))
    }
}
