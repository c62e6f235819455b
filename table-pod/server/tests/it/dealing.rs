//! Entropy that is committed, revealed or withheld, and the table's reaction.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{
    ClockConfig, Command, PlayerId, SeatIndex, Table, TableConfig,
    deal::{commitment, deal_order},
};
use purr_protocol::{
    pb::{self, client_message::Body as Ask, event::Kind, server_message::Body},
    record::HandRecord,
    settlement::{Notice, NoticeState},
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, State, Step, WITHHELD_MAX};
use std::sync::Arc;

const REVEAL_MS: u64 = 500;

fn config() -> TableConfig {
    let clock = ClockConfig { disconnect_max_ms: 10_000, ..common::CONFIG.clock };
    TableConfig { seats: 4, buy_in_min: 10, buy_in_max: 10_000, clock, ..common::CONFIG }
}

fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

fn entropy(seat: u8, hand: u64) -> [u8; 32] {
    [seat * 16 + u8::try_from(hand).unwrap(); 32]
}

/// A table whose players the test controls.
struct Game {
    core: Core,
    now: u64,
    id: u64,
    seed: u8,
}

impl Game {
    fn new(players: u8) -> Self {
        let mut table = Table::new(config()).unwrap();
        for seat in 0..players {
            let sit = Command::Sit { seat: SeatIndex(seat), player: player(seat), stack: 1_000 };
            table.apply(0, sit).unwrap();
        }
        let spec = common::spec("deal", config());
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), "t");
        let pace = Pace { hand_gap_ms: 0, reveal_ms: REVEAL_MS };
        let mut core = Core::new(1, spec, State::new(table), sealer, pace);
        core.restart(0, Vec::new());
        let mut game = Self { core, now: 0, id: 0, seed: 0 };
        for seat in 0..players {
            game.core.handle(0, Input::Connected { player: player(seat) });
        }
        game
    }

    fn say(&mut self, seat: u8, body: Ask) -> Step {
        self.id += 1;
        let message = pb::ClientMessage { id: self.id, body: Some(body) };
        self.core.handle(self.now, Input::Message { connection: 1, player: player(seat), message })
    }

    fn commit(&mut self, seat: u8, hand: u64) -> Step {
        let commitment = commitment(&entropy(seat, hand)).to_vec();
        self.say(seat, Ask::CommitEntropy(pb::CommitEntropy { commitment }))
    }

    fn reveal(&mut self, seat: u8, hand: u64) -> Step {
        let entropy = entropy(seat, hand).to_vec();
        self.say(seat, Ask::RevealEntropy(pb::RevealEntropy { hand, entropy }))
    }

    /// A deposit of this seat's player disappears from the chain, or returns.
    fn freeze(&mut self, seat: u8, frozen: bool) {
        let state = if frozen { NoticeState::Frozen } else { NoticeState::Thawed };
        let id = self.core.state().notice + 1;
        let notice =
            Notice { id, seq_from: 0, seq_to: 0, state: state(player(seat)), tx_hash: String::new() };
        self.core.handle(self.now, Input::Notices(vec![notice]));
    }

    fn tick(&mut self) -> Step {
        self.seed += 1;
        let seed = [self.seed; 32];
        self.core.handle(self.now, Input::Tick { seed })
    }

    fn wait(&mut self) -> Step {
        self.now += REVEAL_MS;
        self.tick()
    }

    /// All players fold until the hand is over; returns its record.
    fn fold(&mut self) -> HandRecord {
        for _ in 0..8 {
            let seat = self.core.state().table.to_act().unwrap();
            let hand = self.core.state().table.hand().unwrap().number;
            let kind = pb::ActionKind::Fold.into();
            let step = self.say(seat.0, Ask::Act(pb::Act { hand, kind, amount: 0, question: None }));
            if let Some(entry) = step.hand {
                return serde_json::from_slice(&entry.record).unwrap();
            }
        }
        panic!("the hand goes on");
    }

    fn sits_out(&self, seat: u8) -> bool {
        self.core.state().table.seat(SeatIndex(seat)).unwrap().sitting_out
    }

    fn running(&self) -> bool {
        self.core.state().table.hand().is_some()
    }
}

fn told(step: &Step, seat: u8) -> Vec<Kind> {
    let events = step.shown.as_ref().and_then(|shown| shown.for_player(player(seat))).unwrap_or_default();
    events.events.into_iter().filter_map(|event| event.kind).collect()
}

fn deal_of(step: &Step) -> pb::DealCommitted {
    let deal = told(step, 0).into_iter().find_map(|kind| match kind {
        Kind::Deal(deal) => Some(deal),
        _ => None,
    });
    deal.unwrap()
}

fn refusal(step: &Step) -> &str {
    let [(_, Body::Error(error))] = &step.replies[..] else { panic!("{:?}", step.replies) };
    &error.message
}

#[test]
fn the_hand_waits_for_reveals_and_is_dealt_as_soon_as_all_are_there() {
    let mut game = Game::new(3);
    for seat in 0..3 {
        assert!(game.commit(seat, 1).dirty);
    }
    let deal = deal_of(&game.tick());
    let hash = |seat: u8| commitment(&entropy(seat, 1)).to_vec();
    let listed: Vec<_> = deal.commitments.iter().map(|c| (c.seat, c.commitment.clone())).collect();
    assert_eq!(
        listed,
        [(0, hash(0)), (1, hash(1)), (2, hash(2))],
        "what the table took is published with the root"
    );
    game.reveal(0, 1);
    game.reveal(2, 1);
    assert_eq!(game.core.next_deadline(), Some(REVEAL_MS));
    assert!(told(&game.tick(), 0).is_empty() && !game.running(), "somebody is waited for");
    game.reveal(1, 1);
    assert_eq!(game.core.next_deadline(), Some(0), "nobody is waited for any more");
    let dealt = deal_of(&game.tick());
    assert_eq!((dealt.root, dealt.commitments), (deal.root, deal.commitments));
    assert_eq!(dealt.reveals.len(), 3);
    let record = game.fold();
    assert_eq!((record.commitments.len(), record.reveals.len()), (3, 3));
}

#[test]
fn a_withheld_reveal_is_recorded_and_the_hand_is_dealt_from_the_others() {
    let mut game = Game::new(3);
    game.commit(0, 1);
    game.commit(1, 1);
    game.tick();
    game.reveal(0, 1);
    let step = game.wait();
    let withheld = Kind::EntropyWithheld(pb::EntropyWithheld {
        seat: 1,
        hand: 1,
        in_a_row: 1,
        cause: pb::WithheldCause::Silent.into(),
    });
    assert!(told(&step, 2).contains(&withheld));
    assert!(!game.sits_out(1));
    assert!(refusal(&game.reveal(1, 1)).contains("not being dealt"), "too late");
    let record = game.fold();
    let seats = |seats: Vec<u8>| seats;
    assert_eq!(seats(record.commitments.iter().map(|c| c.seat).collect()), [0, 1]);
    assert_eq!(seats(record.reveals.iter().map(|r| r.seat).collect()), [0]);
    assert_eq!(purr_engine::deal::verify_reveals(&record.commitments, &record.reveals), Ok(vec![1]));
    let mut root = [0; 32];
    hex::decode_to_slice(&record.root, &mut root).unwrap();
    assert!(deal_order(&root, &record.reveals).is_ok());
    assert_eq!(game.core.state().withheld_total, 1);
}

#[test]
fn whoever_withholds_three_times_running_sits_out_and_a_reveal_forgives() {
    let mut game = Game::new(3);
    let mut hand = 0;
    let mut play = |game: &mut Game, reveals: bool| {
        hand += 1;
        game.commit(1, hand);
        game.tick();
        if reveals {
            game.reveal(1, hand);
            game.tick();
        } else {
            game.wait();
        }
        game.fold();
        hand
    };
    for _ in 1..WITHHELD_MAX {
        play(&mut game, false);
    }
    play(&mut game, true);
    for _ in 1..WITHHELD_MAX {
        play(&mut game, false);
        assert!(!game.sits_out(1));
    }
    let last = play(&mut game, false);
    assert!(game.sits_out(1), "the third running");
    assert!(refusal(&game.commit(1, last + 1)).contains("sit in first"));
    // After coming back in, the next withheld reveal counts at once.
    game.say(1, Ask::SitIn(pb::SitIn { post: true }));
    assert!(!game.sits_out(1));
    play(&mut game, false);
    assert!(game.sits_out(1));
}

#[test]
fn what_was_not_committed_to_before_the_root_does_not_count() {
    let mut game = Game::new(3);
    game.commit(0, 1);
    game.tick();
    assert!(refusal(&game.commit(1, 1)).contains("under way"));
    assert!(refusal(&game.reveal(1, 1)).contains("not what was committed"));
    assert!(refusal(&game.reveal(0, 2)).contains("not being dealt"));
    let other = pb::RevealEntropy { hand: 1, entropy: vec![0xff; 32] };
    assert!(refusal(&game.say(0, Ask::RevealEntropy(other))).contains("not what was committed"));
    assert!(!game.running());
}

/// Seat 1 is frozen: no player has a way to make a deal void.
fn void(total: u64) -> pb::DealVoided {
    pb::DealVoided { hand: 1, total, cause: pb::VoidCause::Frozen.into(), seat: Some(1) }
}

#[test]
fn a_deal_given_up_after_a_reveal_is_counted_and_nothing_of_it_counts_again() {
    let mut game = Game::new(2);
    game.commit(0, 1);
    game.commit(1, 1);
    let first = deal_of(&game.tick());
    game.reveal(0, 1);
    game.freeze(1, true);
    let step = game.wait();
    let void = Kind::DealVoided(void(1));
    assert!(told(&step, 0).contains(&void) && !game.running());
    assert_eq!((game.core.state().deals_void, game.core.state().faults.void_frozen), (1, 1));
    assert_eq!(game.core.snapshot_for(player(0)).deals_void, 1);
    assert!(refusal(&game.reveal(1, 1)).contains("not being dealt"));
    // The same number comes again with another root, and only waits for new commitments.
    game.commit(0, 2);
    game.freeze(1, false);
    game.say(1, Ask::SitIn(pb::SitIn { post: true }));
    let second = deal_of(&game.tick());
    assert_eq!(second.hand, 1);
    assert_ne!(second.root, first.root);
    assert_eq!(second.commitments.iter().map(|c| c.seat).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_deal_given_up_before_any_reveal_is_told_and_not_counted() {
    let mut game = Game::new(2);
    game.commit(0, 1);
    game.tick();
    game.freeze(1, true);
    let step = game.wait();
    assert!(told(&step, 0).contains(&Kind::DealVoided(void(0))));
}

#[test]
fn whoever_takes_a_chair_has_committed_to_nothing() {
    let mut game = Game::new(3);
    game.commit(2, 1);
    game.say(2, Ask::Leave(pb::Leave {}));
    let deal = deal_of(&game.tick());
    assert!(deal.commitments.is_empty(), "{deal:?}");
}

#[test]
fn a_snapshot_in_the_middle_of_a_hand_proves_ones_own_cards_and_no_others() {
    let mut game = Game::new(3);
    game.commit(0, 1);
    let opened = deal_of(&game.tick());
    let waiting = game.core.snapshot_for(player(0));
    assert_eq!(waiting.dealing, Some(opened.clone()));
    game.reveal(0, 1);
    game.tick();
    for seat in 0..3u8 {
        let snapshot = game.core.snapshot_for(player(seat));
        assert!(snapshot.dealing.is_none());
        let hand = snapshot.hand.unwrap();
        let own = &hand.players.iter().find(|at| at.seat == u32::from(seat)).unwrap().cards;
        let proven: Vec<&String> = hand.openings.iter().map(|opening| &opening.card).collect();
        assert_eq!(proven, own.iter().collect::<Vec<_>>());
        let deal = hand.deal.unwrap();
        assert_eq!((&deal.root, deal.reveals.len()), (&opened.root, 1));
        assert_eq!(hand.dealt_in.len(), 3);
    }
    let spectator = game.core.snapshot_for(PlayerId([99; 20]));
    assert!(spectator.hand.unwrap().openings.is_empty());
}

#[test]
fn a_player_who_leaves_in_the_middle_of_a_hand_is_seen_to() {
    let mut game = Game::new(3);
    game.tick();
    game.tick();
    let waiting = (0..3).find(|seat| game.core.state().table.to_act() != Some(SeatIndex(*seat))).unwrap();
    let step = game.say(waiting, Ask::Leave(pb::Leave {}));
    assert!(told(&step, 0).contains(&Kind::Leaving(pb::Leaving { seat: waiting.into() })));
}
