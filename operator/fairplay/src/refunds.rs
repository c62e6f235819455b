//! Losses of honest players to cheats, and how they are refunded, exact to the minor unit.
//!
//! A function of the hands that a decision names: anybody with the records and the list of cheats gets
//! the same refunds. Nothing is paid here: the house pays on chain, and the ledger follows the chain.
//!
//! # The rule
//! For each hand, the cheats' winnings taken together are what is attributable: the sum of their deltas
//! where that is above 0. It is divided among the honest players of that hand who lost, in proportion to
//! their losses, and no honest player gets more than their loss. Shares are rounded down to the minor
//! unit; the units that are left go one each to the largest remainders, equal remainders by address, the
//! lowest first. Rake stays with the house unless `with_rake`: then each losing player's share of the
//! rake of the hand is added, by the same rule. Hands that the cheats lost are not set against others.

use purr_engine::{Chips, PlayerId};
use purr_fairplay_hands::{EndedHand, HandKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The parts of a record that a refund is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundHand {
    pub key: HandKey,
    /// Everybody dealt in.
    pub deltas: Vec<(PlayerId, i64)>,
    pub rake: Chips,
}

impl From<&EndedHand> for RefundHand {
    fn from(hand: &EndedHand) -> Self {
        Self {
            key: hand.key(),
            deltas: hand.seats.iter().map(|seat| (seat.player, seat.delta)).collect(),
            rake: hand.rake,
        }
    }
}

/// Refunds of one decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunds {
    /// Refund by player; players who get nothing are left out.
    pub refunds: BTreeMap<PlayerId, Chips>,
    /// Their sum, exactly.
    pub total: Chips,
    /// Net winnings of each cheat in the refunded hands, less what other cheats lost in them.
    pub from: BTreeMap<PlayerId, Chips>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundError {
    #[error("hand {} of table {} is listed twice", .0.hand, .0.table)]
    Twice(HandKey),
    #[error("hand {} of table {}: deltas and rake sum to {sum}, not to 0", .key.hand, .key.table)]
    NotZeroSum { key: HandKey, sum: i128 },
    #[error("hand {} of table {}: {player} is listed twice", .key.hand, .key.table)]
    PlayerTwice { key: HandKey, player: PlayerId },
    #[error("refunds exceed what an amount can hold")]
    Overflow,
}

/// Computes the refunds of the hands that a decision names.
///
/// # Errors
/// Hands that cannot be: nothing is refunded of a list that has one.
pub fn refunds(
    hands: &[RefundHand],
    cheats: &BTreeSet<PlayerId>,
    with_rake: bool,
) -> Result<Refunds, RefundError> {
    let mut seen = BTreeSet::new();
    let mut all = Refunds::default();
    for hand in hands {
        if !seen.insert(&hand.key) {
            return Err(RefundError::Twice(hand.key.clone()));
        }
        check(hand)?;
        refund_hand(hand, cheats, with_rake, &mut all)?;
    }
    Ok(all)
}

fn check(hand: &RefundHand) -> Result<(), RefundError> {
    let mut players = BTreeSet::new();
    if let Some((player, _)) = hand.deltas.iter().find(|(player, _)| !players.insert(*player)) {
        return Err(RefundError::PlayerTwice { key: hand.key.clone(), player: *player });
    }
    let sum = hand.deltas.iter().map(|(_, delta)| i128::from(*delta)).sum::<i128>() + i128::from(hand.rake);
    if sum == 0 { Ok(()) } else { Err(RefundError::NotZeroSum { key: hand.key.clone(), sum }) }
}

fn refund_hand(
    hand: &RefundHand,
    cheats: &BTreeSet<PlayerId>,
    with_rake: bool,
    all: &mut Refunds,
) -> Result<(), RefundError> {
    let of = |guilty: bool| hand.deltas.iter().filter(move |(player, _)| cheats.contains(player) == guilty);
    let won: i128 = of(true).map(|(_, delta)| i128::from(*delta)).sum();
    let losses: Vec<(PlayerId, u128)> = of(false)
        .filter(|(_, delta)| *delta < 0)
        .map(|(player, delta)| (*player, u128::from(delta.unsigned_abs())))
        .collect();
    let lost: u128 = losses.iter().map(|(_, loss)| loss).sum();
    let Ok(won) = u128::try_from(won) else {
        return Ok(());
    };
    if won == 0 || lost == 0 {
        return Ok(());
    }
    // Honest winners of side pots may have won a part of the losses, so no more than the losses is attributable.
    let attributable = won.min(lost);
    let rake = if with_rake { u128::from(hand.rake).min(lost - attributable) } else { 0 };
    for (player, share) in divide(attributable + rake, &losses, lost)? {
        add(&mut all.refunds, player, share)?;
        all.total = all.total.checked_add(share).ok_or(RefundError::Overflow)?;
    }
    let winners: Vec<(PlayerId, u128)> = of(true)
        .filter(|(_, delta)| *delta > 0)
        .map(|(player, delta)| (*player, u128::from(delta.unsigned_abs())))
        .collect();
    let winnings = winners.iter().map(|(_, amount)| amount).sum();
    for (player, share) in divide(attributable, &winners, winnings)? {
        add(&mut all.from, player, share)?;
    }
    Ok(())
}

/// Divides `amount` (at most `sum`) in proportion to `parts`, whose sum is `sum`: largest remainders.
fn divide(
    amount: u128,
    parts: &[(PlayerId, u128)],
    sum: u128,
) -> Result<Vec<(PlayerId, Chips)>, RefundError> {
    let mut shares = Vec::with_capacity(parts.len());
    for (player, part) in parts {
        let product = amount.checked_mul(*part).ok_or(RefundError::Overflow)?;
        shares.push((*player, product / sum, product % sum));
    }
    let left = amount - shares.iter().map(|(_, share, _)| share).sum::<u128>();
    shares.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for share in shares.iter_mut().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        share.1 += 1;
    }
    let amount = |share: u128| Chips::try_from(share).map_err(|_| RefundError::Overflow);
    let positive = shares.into_iter().filter(|(_, share, _)| *share > 0);
    positive.map(|(player, share, _)| Ok((player, amount(share)?))).collect()
}

fn add(to: &mut BTreeMap<PlayerId, Chips>, player: PlayerId, amount: Chips) -> Result<(), RefundError> {
    let known = to.entry(player).or_default();
    *known = known.checked_add(amount).ok_or(RefundError::Overflow)?;
    Ok(())
}
