//! A player of the simulator at a table of the real system: decides from what a client sees, with a person's pace.

use crate::{
    cheat::{self, Kind, Secret},
    persona::{Pace, Persona, Style},
    policy::{Choice, Decided, Spot, decide, sized, taste},
    think::{Clockwork, difficulty, think_ms},
};
use purr_engine::{Action, Card, Chips, LegalActions, SeatIndex, SeatSet, Street};
use purr_fairplay_hands::{ActionKind, BoardStrength, Random, preflop_percentile, straight_or_better_outs};

/// A guest's part in a group that cheats.
#[derive(Clone, Copy, Debug)]
pub struct Pact {
    pub kind: Kind,
    /// Share of all hands that the group uses, 0 to 1.
    pub share: f64,
    /// Whether this is the first member; in a dump the first member gives.
    pub first: bool,
    /// A seed shared by all members, from which they derive the hands to cheat in.
    pub seed: u64,
}

/// Something that everybody at the table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    HandStarted,
    StreetDealt,
    Acted { seat: SeatIndex, action: ActionKind },
}

/// The guest's turn.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub hand: u64,
    pub me: SeatIndex,
    pub cards: [Card; 2],
    pub board: &'a [Card],
    pub button: SeatIndex,
    /// All dealt-in players, and those who have not folded.
    pub dealt: SeatSet,
    pub live: SeatSet,
    pub legal: LegalActions,
    pub big_blind: Chips,
    /// Everything in the middle, bets of this street included.
    pub pot: Chips,
    /// The bet to match on this street, and the guest's chips in front.
    pub bet: Chips,
    pub in_front: Chips,
    /// The partner's seat and cards, if the partner has not folded and has shared them.
    pub partner: Option<(SeatIndex, [Card; 2])>,
}

/// The guest's action and its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acts {
    pub action: Action,
    pub think_ms: u32,
}

/// What the hand has shown until now.
#[derive(Clone, Copy, Debug, Default)]
struct Story {
    raises: u8,
    entered: SeatSet,
    aggressor: Option<SeatIndex>,
    before: Option<SeatIndex>,
}

pub struct Guest {
    style: Style,
    pace: Pace,
    taste: u64,
    mood: f64,
    pact: Option<Pact>,
    random: Random,
    story: Story,
}

impl Guest {
    pub fn new(seed: u64, persona: Persona, pact: Option<Pact>) -> Self {
        let mut random = Random::new(seed);
        let (style, pace) = (Style::draw(persona, &mut random), Pace::draw(persona, &mut random));
        let (taste, mood) = (random.bits(), pace.mood * random.normal());
        Self { style, pace, taste, mood, pact, random, story: Story::default() }
    }

    pub fn sees(&mut self, seen: Seen) {
        let story = &mut self.story;
        match seen {
            Seen::HandStarted => *story = Story::default(),
            Seen::StreetDealt => {
                (story.raises, story.before) = (0, story.aggressor.take());
            }
            Seen::Acted { seat, action } => {
                if action == ActionKind::Raise {
                    (story.raises, story.aggressor) = (story.raises.saturating_add(1), Some(seat));
                }
                if matches!(action, ActionKind::Raise | ActionKind::Call) {
                    story.entered.insert(seat);
                }
            }
        }
    }

    /// Decides. A guest with the same history decides the same.
    pub fn act(&mut self, now: &Moment<'_>) -> Acts {
        let own = strength_of(now.cards, now.board);
        let spot = self.spot(now, own);
        let Decided { choice: honest, margin } = decide(&spot, &self.style, false, &mut self.random);
        let mut choice = honest;
        if let Some(pact) = self.pact.filter(|pact| Random::new(pact.seed).child(now.hand).chance(pact.share))
        {
            let mut strength = [0.0; 10];
            strength[now.me.index()] = own;
            if let Some((seat, cards)) = now.partner {
                strength[seat.index()] = strength_of(cards, now.board);
            }
            let secret = Secret {
                me: now.me,
                partner: now.partner.map(|(seat, _)| seat),
                first: pact.first,
                live: now.live,
                entered: self.story.entered,
                aggressor: self.story.aggressor,
                strength: &strength,
            };
            choice = cheat::change(pact.kind, &spot, &secret, honest, &mut self.random);
            if choice == Choice::Fold && now.legal.check {
                choice = Choice::Passive;
            }
        }
        let hard = difficulty(margin, now.pot as f64 / now.big_blind.max(1) as f64);
        let think_ms = think_ms(&self.pace, Clockwork::Human, hard, self.mood, &mut self.random);
        Acts { action: sized(choice, &spot, now.bet, now.in_front), think_ms }
    }

    fn spot(&self, now: &Moment<'_>, own: f64) -> Spot {
        let street = match now.board.len() {
            0..3 => Street::Preflop,
            3 => Street::Flop,
            4 => Street::Turn,
            _ => Street::River,
        };
        let preflop = street == Street::Preflop;
        let players = now.dealt.len();
        // Seats from the button, clockwise, among those dealt in.
        let behind = |seat: SeatIndex| (usize::from(seat.0) + 10 - now.button.index() % 10) % 10;
        let from_button = now.dealt.iter().filter(|seat| behind(*seat) < behind(now.me)).count();
        Spot {
            street,
            strength: if preflop { taste(self.taste, now.cards, own) } else { own },
            outs: if preflop { 0 } else { straight_or_better_outs(now.cards, now.board) },
            legal: now.legal,
            pot: now.pot,
            big_blind: now.big_blind,
            raises: self.story.raises,
            opponents: now.live.len().saturating_sub(1),
            late: from_button == 0 || from_button + 1 == players,
            initiative: self.story.before == Some(now.me),
        }
    }
}

/// Share of hands that are weaker on this board.
fn strength_of(cards: [Card; 2], board: &[Card]) -> f64 {
    if board.len() < 3 {
        return f64::from(preflop_percentile(cards));
    }
    let board = BoardStrength::new(board);
    f64::from(board.percentile(board.rank(cards)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    const SEATS: [SeatIndex; 2] = [SeatIndex(0), SeatIndex(3)];

    fn cards(text: &str) -> Vec<Card> {
        text.split(' ').map(|card| card.parse().unwrap()).collect()
    }

    fn guest(share: f64, first: bool) -> Guest {
        Guest::new(7, Persona::Regular, Some(Pact { kind: Kind::Dump, share, first, seed: 5 }))
    }

    #[test]
    fn a_dumper_folds_the_better_hand_to_the_partner_and_only_in_the_hands_of_the_pact() {
        let (own, theirs, board) = (cards("As Ad"), cards("7c 2h"), cards("Ah Kd 3s"));
        let legal = LegalActions { check: false, call: Some(600), raise_to: Some((1_200, 9_000)) };
        let seats: SeatSet = SEATS.into_iter().collect();
        let at = |hand| Moment {
            hand,
            me: SEATS[0],
            cards: [own[0], own[1]],
            board: &board,
            button: SEATS[1],
            dealt: seats,
            live: seats,
            legal,
            big_blind: 100,
            pot: 1_200,
            bet: 600,
            in_front: 0,
            partner: Some((SEATS[1], [theirs[0], theirs[1]])),
        };
        let folds = |share| {
            let mut guest = guest(share, true);
            (0..200).filter(|hand| guest.act(&at(*hand)).action == Action::Fold).count()
        };
        assert_eq!(folds(1.0), 200);
        assert!(folds(0.0) < 5, "top set of an honest player");
        assert!((60..140).contains(&folds(0.5)));
        // Without the partner's cards there is no information to pass on.
        let mut blind = guest(1.0, true);
        assert_ne!(blind.act(&Moment { partner: None, ..at(1) }).action, Action::Fold);
    }

    #[test]
    fn members_agree_on_the_hands_and_every_act_is_legal() {
        let uses = |first| {
            let pact = guest(0.3, first).pact.unwrap();
            (0..100).map(|hand| Random::new(pact.seed).child(hand).chance(pact.share)).collect::<Vec<_>>()
        };
        assert_eq!(uses(true), uses(false));
        let (own, board) = (cards("9s 8s"), cards("Ts 7s 2c Jd"));
        let seats: SeatSet = SEATS.into_iter().collect();
        let mut guest = Guest::new(3, Persona::Maniac, None);
        guest.sees(Seen::HandStarted);
        guest.sees(Seen::Acted { seat: SEATS[0], action: ActionKind::Raise });
        guest.sees(Seen::StreetDealt);
        for hand in 0..2_000 {
            let check = hand % 2 == 0;
            let legal = LegalActions {
                check,
                call: (!check).then_some(300),
                raise_to: (hand % 3 > 0).then_some((600, 4_000)),
            };
            let now = Moment {
                hand,
                me: SEATS[0],
                cards: [own[0], own[1]],
                board: &board,
                button: SEATS[0],
                dealt: seats,
                live: seats,
                legal,
                big_blind: 100,
                pot: 900,
                bet: if check { 0 } else { 300 },
                in_front: 0,
                partner: None,
            };
            let Acts { action, think_ms } = guest.act(&now);
            assert!((250..=13_500).contains(&think_ms));
            match action {
                Action::Check => assert!(check),
                Action::Call | Action::Fold => assert!(!check),
                Action::RaiseTo(to) => {
                    assert!(legal.raise_to.is_some_and(|(min, max)| (min..=max).contains(&to)));
                }
            }
        }
    }
}
