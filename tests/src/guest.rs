//! Players who play like people: the simulator's personas and cheats at real tables.

use crate::player::Mind;
use purr_client::{bot, view::View};
use purr_engine::{Card, LegalActions, PlayerId, SeatIndex, SeatSet};
use purr_fairplay_hands::ActionKind;
use purr_fairplay_sim::{Guest, Moment, Seen};
use purr_protocol::pb::{self, event::Kind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Divisor of a person's think time. The detectors use ln(time), whose mean alone it shifts.
const FASTER: u32 = 25;

/// Cards that partners share outside the table: by table and player, those of the last shared hand.
#[derive(Clone, Default)]
pub struct Whispers(Arc<Mutex<Told>>);

type Told = HashMap<(String, PlayerId), (u64, [Card; 2])>;

impl Whispers {
    fn tell(&self, table: &str, player: PlayerId, hand: u64, cards: [Card; 2]) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((table.to_owned(), player), (hand, cards));
    }

    fn cards(&self, table: &str, player: PlayerId, hand: u64) -> Option<[Card; 2]> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&(table.to_owned(), player)).filter(|(of, _)| *of == hand).map(|(_, cards)| *cards)
    }
}

/// A guest of the simulator with a client.
pub struct GuestMind {
    guest: Guest,
    /// The partner in cheating.
    partner: Option<(PlayerId, Whispers)>,
    told: u64,
}

impl GuestMind {
    pub fn new(guest: Guest, partner: Option<(PlayerId, Whispers)>) -> Self {
        Self { guest, partner, told: 0 }
    }
}

fn two(cards: &[Card]) -> Option<[Card; 2]> {
    cards.try_into().ok()
}

impl Mind for GuestMind {
    fn sees(&mut self, event: &Kind) {
        let seen = match event {
            Kind::HandStarted(_) => Seen::HandStarted,
            Kind::Street(street) if street.board == 0 => Seen::StreetDealt,
            Kind::Acted(acted) => {
                let action = match acted.kind() {
                    pb::ActionKind::Fold => ActionKind::Fold,
                    pb::ActionKind::Call => ActionKind::Call,
                    pb::ActionKind::RaiseTo => ActionKind::Raise,
                    _ => ActionKind::Check,
                };
                let Ok(seat) = u8::try_from(acted.seat) else { return };
                Seen::Acted { seat: SeatIndex(seat), action }
            }
            _ => return,
        };
        self.guest.sees(seen);
    }

    fn looks(&mut self, view: &View) {
        let (Some((_, whispers)), Some(table), Some(hand)) = (&self.partner, view.table(), view.hand())
        else {
            return;
        };
        if let Some(cards) = two(view.your_cards()).filter(|_| self.told != hand.number) {
            whispers.tell(&table.uid, view.own(), hand.number, cards);
            self.told = hand.number;
        }
    }

    fn act(&mut self, view: &View) -> Option<(pb::Act, Duration)> {
        let turn = view.your_turn()?;
        let (table, hand, (me, _)) = (view.table()?, view.hand()?, view.your_seat()?);
        let dealt: SeatSet = hand.players.keys().copied().collect();
        let live: SeatSet =
            hand.players.iter().filter(|(_, player)| !player.folded).map(|(seat, _)| *seat).collect();
        let partner = self.partner.as_ref().and_then(|(player, whispers)| {
            let seat =
                table.seats.iter().find(|(_, chair)| chair.player == *player).map(|(seat, _)| *seat)?;
            Some((seat, whispers.cards(&table.uid, *player, hand.number)?)).filter(|_| live.contains(seat))
        });
        let pb::Options { check, call, raise_min, raise_max } = turn.options;
        let now = Moment {
            hand: hand.number,
            me,
            cards: two(view.your_cards())?,
            board: &hand.board,
            button: hand.button,
            dealt,
            live,
            legal: LegalActions { check, call, raise_to: raise_min.zip(raise_max) },
            big_blind: table.big_blind,
            pot: hand.pot,
            bet: hand.bet,
            in_front: hand.players.get(&me).map_or(0, |player| player.street_bet),
            partner,
        };
        let acts = self.guest.act(&now);
        let after = Duration::from_millis(u64::from(acts.think_ms / FASTER));
        Some((bot::to_message(&turn, acts.action), after))
    }
}
