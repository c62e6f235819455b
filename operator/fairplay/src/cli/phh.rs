//! Converts recorded hands in PHH to the detectors' form.

use anyhow::Context;
use purr_engine::{
    Card, PlayerId, SeatIndex, Street,
    phh::{Phh, PhhAction},
};
use purr_fairplay_hands::{ActionKind, EndedHand, SeatPlayed, StreetAction, StreetPost};
use std::path::Path;

/// Minor units in one unit of the hand's amounts.
const UNIT: f64 = 100.0;

pub(crate) fn read_hands(path: &Path) -> anyhow::Result<Vec<EndedHand>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let entries = purr_engine::phh::read(&text).with_context(|| format!("{}", path.display()))?;
    let hands = entries.into_iter().enumerate().map(|(at, entry)| {
        let phh = entry.hand.with_context(|| format!("hand {}", entry.name))?;
        ended(&phh, at as u64 + 1)
    });
    hands.collect()
}

fn amount(text: &impl ToString) -> anyhow::Result<u64> {
    let value: f64 = text.to_string().parse().context("an amount")?;
    Ok((value * UNIT).round() as u64)
}

/// PHH has names instead of addresses: the bytes of a name stand for an address.
fn address(name: &str) -> PlayerId {
    let mut id = [0; 20];
    for (place, byte) in name.bytes().enumerate() {
        id[place % 20] ^= byte;
    }
    PlayerId(id)
}

fn ended(phh: &Phh, number: u64) -> anyhow::Result<EndedHand> {
    let names = phh.players.clone().context("the hand names no players")?;
    let seat = |player: u8| SeatIndex(player - 1);
    let mut hand = EndedHand {
        table: "phh".into(),
        hand: number,
        ended_at_ms: number * 60_000,
        big_blind: phh.min_bet.as_ref().map(amount).transpose()?.unwrap_or(100),
        button: SeatIndex(names.len() as u8 - 1),
        seats: Vec::new(),
        posts: Vec::new(),
        actions: Vec::new(),
        board: Vec::new(),
        rake: 0,
    };
    for (at, name) in names.iter().enumerate() {
        let stack = amount(&phh.starting_stacks[at])?;
        let end = phh.finishing_stacks.as_ref().map(|stacks| amount(&stacks[at])).transpose()?;
        let delta = end.map_or(0, |end| end as i64 - stack as i64);
        hand.seats.push(SeatPlayed {
            seat: SeatIndex(at as u8),
            player: address(name),
            stack,
            cards: None,
            delta,
        });
        let ante = amount(&phh.antes[at])?;
        if ante > 0 {
            hand.posts.push(StreetPost { seat: SeatIndex(at as u8), amount: ante, dead: true });
        }
        let blind = amount(&phh.blinds_or_straddles[at])?;
        if blind > 0 {
            hand.posts.push(StreetPost { seat: SeatIndex(at as u8), amount: blind, dead: false });
        }
    }
    let mut street = Street::Preflop;
    let mut front = [0u64; 10];
    for post in hand.posts.iter().filter(|post| !post.dead) {
        front[post.seat.index()] = post.amount;
    }
    for line in &phh.actions {
        let own = |player: u8| front[usize::from(player) - 1];
        let acted = match line.action {
            PhhAction::Fold { player } => Some((player, ActionKind::Fold, own(player))),
            PhhAction::CheckOrCall { player } => {
                let bet = front.iter().copied().max().unwrap_or(0);
                let kind = if own(player) == bet { ActionKind::Check } else { ActionKind::Call };
                Some((player, kind, bet))
            }
            PhhAction::RaiseTo { player, total } => Some((player, ActionKind::Raise, amount(&total)?)),
            _ => None,
        };
        if let Some((player, action, to)) = acted {
            front[usize::from(player) - 1] = to;
            hand.actions.push(StreetAction { seat: seat(player), street, action, to, think_ms: None });
        }
        match line.action {
            PhhAction::Board(ref cards) => {
                hand.board.extend(cards.iter().flatten());
                front = [0; 10];
                street = match hand.board.len() {
                    3 => Street::Flop,
                    4 => Street::Turn,
                    _ => Street::River,
                };
            }
            PhhAction::Hole { player, ref cards } => {
                let cards: Vec<Card> = cards.iter().flatten().collect();
                hand.seats[usize::from(player) - 1].cards = <[Card; 2]>::try_from(cards).ok();
            }
            _ => {}
        }
    }
    Ok(hand)
}
