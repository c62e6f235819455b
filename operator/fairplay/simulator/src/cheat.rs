//! Cheats: what they know and what they change in an honest decision.

use crate::policy::{Choice, Spot};
use purr_engine::{SeatIndex, SeatSet, Street};
use purr_fairplay_hands::Random;
use serde::{Deserialize, Serialize};

/// Kinds of cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The first member loses chips to the second on purpose.
    Dump,
    /// Members do not bet into each other when nobody else is left.
    SoftPlay,
    /// Members raise where the other one is in the pot, to drive third parties out.
    Isolation,
    /// Members know each other's cards: the weaker hand folds, the stronger one plays.
    CardSharing,
    /// Held out of training: the first member's raises follow the second's cards; the second plays honestly.
    Signal,
    /// Held out of training: members raise and re-raise around a third party when one of them is strong.
    Whipsaw,
    /// Knows all cards.
    Superuser,
    /// Knows the cards of one opponent alone.
    SuperuserOne,
    /// Knows all cards and uses them in big pots alone.
    SuperuserBigPots,
    BotNaive,
    BotJittered,
    BotImitating,
    /// Several accounts of one person, never at one table.
    MultiAccount,
    /// A kind that the simulator does not play; a file of the truth may contain it.
    Unseen,
}

impl Kind {
    pub const ALL: [Self; 13] = [
        Self::Dump,
        Self::SoftPlay,
        Self::Isolation,
        Self::CardSharing,
        Self::Signal,
        Self::Whipsaw,
        Self::Superuser,
        Self::SuperuserOne,
        Self::SuperuserBigPots,
        Self::BotNaive,
        Self::BotJittered,
        Self::BotImitating,
        Self::MultiAccount,
    ];

    /// The name in files of the truth.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::SoftPlay => "softPlay",
            Self::Isolation => "isolation",
            Self::CardSharing => "cardSharing",
            Self::Signal => "signal",
            Self::Whipsaw => "whipsaw",
            Self::Superuser => "superuser",
            Self::SuperuserOne => "superuserOne",
            Self::SuperuserBigPots => "superuserBigPots",
            Self::BotNaive => "botNaive",
            Self::BotJittered => "botJittered",
            Self::BotImitating => "botImitating",
            Self::MultiAccount => "multiAccount",
            Self::Unseen => "unseen",
        }
    }

    /// The kind of this name; [`Self::Unseen`] of any other.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Unseen)
    }

    /// Kinds with more than one account, which count in pair figures.
    pub fn is_pair(self) -> bool {
        self.accounts() > 1
    }

    pub fn is_bot(self) -> bool {
        matches!(self, Self::BotNaive | Self::BotJittered | Self::BotImitating)
    }

    pub fn is_superuser(self) -> bool {
        matches!(self, Self::Superuser | Self::SuperuserOne | Self::SuperuserBigPots)
    }

    pub fn is_held_out(self) -> bool {
        matches!(self, Self::Signal | Self::Whipsaw | Self::Unseen)
    }

    pub(crate) fn accounts(self) -> usize {
        match self {
            Self::MultiAccount
            | Self::Dump
            | Self::SoftPlay
            | Self::Isolation
            | Self::CardSharing
            | Self::Signal
            | Self::Whipsaw => 2,
            _ => 1,
        }
    }

    /// Share of the opportunities' hands that a cheat of intensity 1 uses: nobody dumps every hand.
    pub(crate) fn rate(self) -> f64 {
        if self == Self::Dump { 0.05 } else { 1.0 }
    }
}

/// A cheat to be placed in a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guilty {
    pub kind: Kind,
    /// Share of the opportunities that are taken, 0 to 1.
    pub intensity: f64,
}

/// What a cheat knows beyond the player's own cards.
pub(crate) struct Secret<'a> {
    pub(crate) me: SeatIndex,
    /// The partner, where dealt in and not folded; for [`Kind::SuperuserOne`] the victim.
    pub(crate) partner: Option<SeatIndex>,
    /// First member of the group.
    pub(crate) first: bool,
    /// Players who have not folded.
    pub(crate) live: SeatSet,
    /// Players who have put chips in voluntarily.
    pub(crate) entered: SeatSet,
    pub(crate) aggressor: Option<SeatIndex>,
    /// Strength on this street of every seat.
    pub(crate) strength: &'a [f64; 10],
}

/// The cheat's decision where an honest player would choose `honest`.
pub(crate) fn change(
    kind: Kind,
    spot: &Spot,
    secret: &Secret<'_>,
    honest: Choice,
    random: &mut Random,
) -> Choice {
    if kind.is_superuser() {
        return superuser(kind, spot, secret, honest, random);
    }
    let Some(partner) = secret.partner else {
        return honest;
    };
    let third = secret.live.without(secret.me).without(partner).len();
    let theirs = secret.strength[partner.index()];
    match kind {
        Kind::Dump => dump(spot, secret, partner, third, honest, random),
        Kind::SoftPlay => soft(third, honest),
        Kind::Isolation => {
            let open = third > 0 && secret.entered.contains(partner) && spot.raises < 3;
            if third == 0 {
                soft(third, honest)
            } else if open && spot.strength > 0.3 && (spot.street == Street::Preflop || random.chance(0.5)) {
                Choice::Raise(1.0)
            } else {
                honest
            }
        }
        Kind::CardSharing => share(spot, theirs, third, honest),
        Kind::Signal if secret.first => match honest {
            Choice::Passive if theirs > 0.75 => Choice::Raise(0.8),
            Choice::Fold if theirs > 0.75 && spot.strength > 0.45 && spot.raises < 3 => Choice::Raise(0.8),
            Choice::Raise(_) if theirs < 0.75 && random.chance(0.5) => Choice::Passive,
            _ => honest,
        },
        Kind::Whipsaw => {
            let best = theirs.max(spot.strength);
            if third == 0 {
                soft(third, honest)
            } else if best > 0.85 && secret.entered.contains(partner) && spot.raises < 4 {
                Choice::Raise(0.6)
            } else {
                honest
            }
        }
        _ => honest,
    }
}

fn soft(third: usize, honest: Choice) -> Choice {
    if third == 0 && honest.is_raise() { Choice::Passive } else { honest }
}

fn dump(
    spot: &Spot,
    secret: &Secret<'_>,
    partner: SeatIndex,
    third: usize,
    honest: Choice,
    random: &mut Random,
) -> Choice {
    let in_the_way = secret.live.and(secret.entered).without(secret.me).without(partner).len();
    if in_the_way > 0 || (spot.street != Street::Preflop && third > 0) {
        return honest;
    }
    let ahead = spot.strength > secret.strength[partner.index()];
    let facing = !spot.legal.check;
    match (spot.street, secret.first) {
        (Street::Preflop, true) if spot.raises == 0 => Choice::Raise(1.2),
        (Street::Preflop, true) if secret.aggressor == Some(partner) => Choice::Passive,
        (Street::Preflop, false) if secret.aggressor == Some(partner) && spot.raises < 3 => {
            if random.chance(0.5) { Choice::Raise(1.0) } else { Choice::Passive }
        }
        (Street::Preflop, _) => honest,
        // The giver folds hands that would win, and pays off hands that lose.
        (_, true) if facing && ahead => Choice::Fold,
        (_, true) if facing => Choice::Passive,
        (_, true) if !ahead && spot.raises == 0 => Choice::Raise(0.75),
        (_, true) => Choice::Passive,
        (_, false) if spot.raises < 3 => Choice::Raise(0.9),
        (_, false) => Choice::Passive,
    }
}

fn share(spot: &Spot, theirs: f64, third: usize, honest: Choice) -> Choice {
    if third == 0 {
        return soft(third, honest);
    }
    if theirs > spot.strength {
        let premium = spot.strength > 0.95;
        return if premium {
            honest
        } else if spot.legal.check {
            Choice::Passive
        } else {
            Choice::Fold
        };
    }
    if spot.strength > 0.65 && spot.raises < 2 { Choice::Raise(0.8) } else { honest }
}

fn superuser(kind: Kind, spot: &Spot, secret: &Secret<'_>, honest: Choice, random: &mut Random) -> Choice {
    let known = match (kind, secret.partner) {
        (Kind::SuperuserOne, Some(victim)) => [victim].into_iter().collect(),
        (Kind::SuperuserOne, None) => return honest,
        (Kind::SuperuserBigPots, _) if spot.pot < 15 * spot.big_blind => return honest,
        _ => secret.live.without(secret.me),
    };
    let best = known.iter().map(|seat| secret.strength[seat.index()]).fold(0.0, f64::max);
    let ahead = spot.strength > best;
    let facing = !spot.legal.check;
    let bet = if random.chance(0.7) { Choice::Raise(0.7) } else { Choice::Passive };
    match (spot.street, ahead, facing) {
        (Street::Preflop, true, _) if spot.strength > 0.35 && spot.raises < 2 => bet,
        (Street::Preflop, true, true) if spot.strength > 0.35 => Choice::Passive,
        (Street::Preflop, false, true) if best - spot.strength > 0.1 => Choice::Fold,
        (Street::Preflop, _, _) => honest,
        (_, true, false) => bet,
        (_, true, true) => {
            if random.chance(0.3) {
                Choice::Raise(0.8)
            } else {
                Choice::Passive
            }
        }
        (_, false, true) if best < 0.35 && random.chance(0.4) => Choice::Raise(0.8),
        (_, false, true) => Choice::Fold,
        (_, false, false) if best < 0.4 => bet,
        (_, false, false) => Choice::Passive,
    }
}
