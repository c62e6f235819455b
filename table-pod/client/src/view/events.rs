//! Changes of the view by each event.

use super::{DealSeen, Ended, Hand, InHand, Seat, Table, View, ViewError, card, player_id, seat_index};
use purr_engine::SeatIndex;
use purr_protocol::pb::{self, event::Kind};
use std::collections::BTreeSet;

impl View {
    fn current(&mut self) -> Result<&mut Table, ViewError> {
        self.table.as_mut().ok_or(ViewError::NoSnapshot)
    }

    fn seat(&mut self, seat: u32) -> Result<&mut Seat, ViewError> {
        let seat = seat_index(seat)?;
        self.current()?.seats.get_mut(&seat).ok_or(ViewError::Impossible("an event of an empty seat"))
    }

    fn running(&mut self) -> Result<&mut Hand, ViewError> {
        self.current()?.hand.as_mut().ok_or(ViewError::Impossible("an event of a hand between hands"))
    }

    fn in_hand(&mut self, seat: u32) -> Result<&mut InHand, ViewError> {
        let seat = seat_index(seat)?;
        let players = &mut self.running()?.players;
        players.get_mut(&seat).ok_or(ViewError::Impossible("an event of a seat that is not in the hand"))
    }

    pub(super) fn event(&mut self, kind: &Kind) -> Result<(), ViewError> {
        match kind {
            Kind::Seated(seated) => self.seated(seated)?,
            Kind::ToppedUp(top_up) => self.topped_up(top_up)?,
            Kind::SatOut(at) => self.seat(at.seat)?.sitting_out = true,
            Kind::SatIn(at) => self.seat(at.seat)?.sitting_out = false,
            Kind::Connection(change) => self.seat(change.seat)?.connected = change.connected,
            Kind::Left(left) => {
                let seat = seat_index(left.seat)?;
                let table = self.current()?;
                table.seats.remove(&seat);
                table.you = table.you.filter(|you| *you != seat);
            }
            Kind::HandStarted(started) => self.hand_started(started)?,
            Kind::Posted(posted) => self.posted(posted)?,
            Kind::Dealt(dealt) => {
                let cards: Result<Vec<_>, _> = dealt.cards.iter().map(|open| card(&open.card)).collect();
                self.in_hand(dealt.seat)?.cards = cards?;
                let seat = seat_index(dealt.seat)?;
                if let Some(deal) = self.deal.as_mut() {
                    deal.hole_cards(seat, &dealt.cards)?;
                }
            }
            Kind::Acted(acted) => self.acted(acted)?,
            Kind::Turn(turn) => {
                self.clock = Some((turn.remaining_ms, turn.time_bank));
                let hand = self.running()?;
                hand.to_act = Some(seat_index(turn.seat)?);
                hand.options = turn.options;
            }
            Kind::Street(street) => self.street(street)?,
            Kind::Uncalled(back) => {
                self.seat(back.seat)?.stack = back.stack;
                let player = self.in_hand(back.seat)?;
                player.street_bet = player.street_bet.saturating_sub(back.amount);
                let hand = self.running()?;
                hand.pot = hand.pot.saturating_sub(back.amount);
            }
            Kind::Shown(shown) => {
                let seat = seat_index(shown.seat)?;
                self.running()?.asked_to_show.remove(&seat);
                let cards: Result<Vec<_>, _> = shown.cards.iter().map(|open| card(&open.card)).collect();
                self.shown.push((seat, cards?));
                if let Some(deal) = self.deal.as_mut() {
                    deal.hole_cards(seat, &shown.cards)?;
                }
            }
            Kind::ShowAsked(asked) => {
                self.clock = Some((asked.remaining_ms, false));
                let seats = asked.seats.iter().map(|seat| seat_index(*seat)).collect::<Result<_, _>>()?;
                self.running()?.asked_to_show = seats;
            }
            Kind::Mucked(mucked) => {
                let seat = seat_index(mucked.seat)?;
                self.running()?.asked_to_show.remove(&seat);
            }
            Kind::RunItTwiceAsked(asked) => {
                self.clock = Some((asked.remaining_ms, false));
                let seats = asked.seats.iter().map(|seat| seat_index(*seat)).collect::<Result<_, _>>()?;
                self.running()?.asked_twice = seats;
            }
            Kind::RunItTwiceAnswered(answer) => {
                let seat = seat_index(answer.seat)?;
                self.running()?.asked_twice.remove(&seat);
            }
            Kind::RunItTwiceDecided(decided) => {
                self.clock = None;
                let hand = self.running()?;
                hand.asked_twice.clear();
                if decided.twice {
                    hand.second_board.clone_from(&hand.board);
                    hand.shared = hand.board.len();
                }
            }
            Kind::StraddleWished(wish) => self.seat(wish.seat)?.straddle = wish.on,
            Kind::PotWon(won) => self.seat(won.seat)?.stack = won.stack,
            Kind::HandEnded(end) => self.hand_ended(end)?,
            Kind::ClockPaused(_) => {
                let table = self.current()?;
                table.paused = table.hand.is_some();
            }
            Kind::ClockResumed(_) => self.current()?.paused = false,
            Kind::Deal(told) => self.dealing(told)?,
            Kind::Settlement(settlement) => {
                if settlement.state() == pb::SettlementState::Confirmed {
                    self.confirmed = self.confirmed.max(settlement.seq_to);
                }
            }
            Kind::Seating(seating) => {
                let (seat, state) = (seat_index(seating.seat)?, seating.state());
                if matches!(state, pb::SeatingState::Reserved | pb::SeatingState::Leaving) {
                    self.held.insert(seat, (player_id(&seating.player)?, state));
                } else {
                    self.held.remove(&seat);
                }
            }
            Kind::DealVoided(void) => {
                self.deals_void = void.total;
                // The hand's number may be used again with another root.
                self.deal = self.deal.take().filter(|deal| deal.hand != void.hand);
            }
            Kind::Leaving(at) => self.seat(at.seat)?.leaving = true,
            Kind::RabbitHunted(rabbit) => {
                let cards = rabbit.cards.iter().map(|open| card(&open.card)).collect::<Result<_, _>>()?;
                if let Some(ended) = self.ended.as_mut().filter(|ended| ended.hand == rabbit.hand) {
                    ended.would_have_come = cards;
                }
            }
            Kind::Raked(_)
            | Kind::EntropyWithheld(_)
            | Kind::PermitNeeded(_)
            | Kind::StoodUp(_)
            | Kind::StaffPaused(_) => {}
        }
        Ok(())
    }

    fn seated(&mut self, seated: &pb::Seated) -> Result<(), ViewError> {
        let (seat, player) = (seat_index(seated.seat)?, player_id(&seated.player)?);
        self.held.remove(&seat);
        let own = player == self.own;
        let table = self.current()?;
        let chair = Seat {
            player,
            stack: seated.stack,
            pending: 0,
            sitting_out: false,
            connected: true,
            leaving: false,
            straddle: false,
        };
        table.seats.insert(seat, chair);
        if own {
            table.you = Some(seat);
        }
        Ok(())
    }

    /// Table stakes: chips that come during a hand join the stack after it.
    fn topped_up(&mut self, top_up: &pb::ToppedUp) -> Result<(), ViewError> {
        let seat = seat_index(top_up.seat)?;
        let playing = self.hand().is_some_and(|hand| hand.players.contains_key(&seat));
        let chair = self.seat(top_up.seat)?;
        if playing {
            chair.pending += top_up.amount;
        } else {
            chair.stack = top_up.stack;
        }
        Ok(())
    }

    fn hand_started(&mut self, started: &pb::HandStarted) -> Result<(), ViewError> {
        let order: Vec<SeatIndex> =
            started.dealt_in.iter().map(|seat| seat_index(*seat)).collect::<Result<_, _>>()?;
        // The root was published before; in a hand that nobody gave entropy to, it comes with the cards.
        let mut deal = self.deal.take().filter(|deal| deal.hand == started.hand);
        let deal = deal.get_or_insert_with(|| DealSeen::new(started.hand));
        deal.order.clone_from(&order);
        self.deal = Some(deal.clone());
        self.shown.clear();
        let button = seat_index(started.button)?;
        let table = self.current()?;
        table.last_hand = started.hand;
        table.hand = Some(Hand {
            number: started.hand,
            button,
            board: Vec::new(),
            second_board: Vec::new(),
            shared: 0,
            asked_twice: BTreeSet::new(),
            asked_to_show: BTreeSet::new(),
            pot: 0,
            bet: table.big_blind,
            players: order.iter().map(|seat| (*seat, InHand::default())).collect(),
            to_act: None,
            options: None,
        });
        Ok(())
    }

    fn posted(&mut self, posted: &pb::Posted) -> Result<(), ViewError> {
        self.seat(posted.seat)?.stack = posted.stack;
        self.running()?.pot += posted.amount;
        // Antes and missed small blinds go into the pot, not in front of the player.
        if !matches!(posted.kind(), pb::PostKind::Ante | pb::PostKind::Dead) {
            self.in_hand(posted.seat)?.street_bet += posted.amount;
        }
        if posted.kind() == pb::PostKind::Straddle {
            let hand = self.running()?;
            hand.bet = hand.bet.max(posted.amount);
        }
        Ok(())
    }

    fn acted(&mut self, acted: &pb::Acted) -> Result<(), ViewError> {
        self.clock = None;
        self.seat(acted.seat)?.stack = acted.stack;
        let kind = acted.kind();
        let player = self.in_hand(acted.seat)?;
        let more = acted.total.saturating_sub(player.street_bet);
        player.street_bet = acted.total;
        player.folded |= kind == pb::ActionKind::Fold;
        let hand = self.running()?;
        hand.pot += more;
        if kind == pb::ActionKind::RaiseTo {
            hand.bet = hand.bet.max(acted.total);
        }
        (hand.to_act, hand.options) = (None, None);
        Ok(())
    }

    fn street(&mut self, street: &pb::StreetDealt) -> Result<(), ViewError> {
        let hand = self.running()?;
        // The second board takes the places after the first one's.
        let before = hand.board.len() + hand.second_board.len().saturating_sub(hand.shared);
        let board = if street.board == 0 { &mut hand.board } else { &mut hand.second_board };
        for opening in &street.cards {
            board.push(card(&opening.card)?);
        }
        hand.bet = 0;
        hand.players.values_mut().for_each(|player| player.street_bet = 0);
        if let Some(deal) = self.deal.as_mut() {
            deal.board_cards(before, &street.cards)?;
        }
        Ok(())
    }

    fn hand_ended(&mut self, end: &pb::HandEnded) -> Result<(), ViewError> {
        self.clock = None;
        let deal = self.deal.take().filter(|deal| deal.hand == end.hand);
        let shown = std::mem::take(&mut self.shown);
        let table = self.current()?;
        table.paused = false;
        let hand = table.hand.take().ok_or(ViewError::Impossible("the end of a hand between hands"))?;
        let mut results = Vec::with_capacity(end.results.len());
        for result in &end.results {
            let seat = seat_index(result.seat)?;
            results.push((seat, result.delta, result.stack));
            if let Some(chair) = table.seats.get_mut(&seat) {
                chair.stack = result.stack;
            }
        }
        for chair in table.seats.values_mut() {
            chair.stack += std::mem::take(&mut chair.pending);
        }
        self.ended = Some(Ended {
            hand: end.hand,
            board: hand.board,
            second_board: hand.second_board,
            results,
            rake: end.rake,
            void: end.void,
            shown,
            would_have_come: Vec::new(),
            deal: deal.unwrap_or_else(|| DealSeen::joined(end.hand, &[])),
        });
        Ok(())
    }

    /// Told before the reveals and again with them; after the events of its own step, so possibly
    /// when the hand is over already.
    fn dealing(&mut self, told: &pb::DealCommitted) -> Result<(), ViewError> {
        if let Some(ended) = self.ended.as_mut().filter(|ended| ended.hand == told.hand) {
            return ended.deal.told(told);
        }
        let deal = self.deal.take().filter(|deal| deal.hand == told.hand);
        let mut deal = deal.unwrap_or_else(|| DealSeen::new(told.hand));
        deal.told(told)?;
        self.deal = Some(deal);
        Ok(())
    }
}
