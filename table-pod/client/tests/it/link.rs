//! Commands, answers and entropy over lost connections, message by message.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_client::{
    link::{Link, PENDING_MAX, Update},
    verify::Unproven,
};
use purr_engine::{PlayerId, deal::commitment};
use purr_protocol::pb::{self, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body};
use std::time::{Duration, Instant};

const OWN: PlayerId = PlayerId([1; 20]);

struct Game {
    link: Link,
    offset: u64,
    now: Instant,
}

impl Game {
    fn seated() -> Self {
        let mut next = 0u8;
        let entropy = Box::new(move || {
            next += 1;
            Some([next; 32])
        });
        let mut game = Self { link: Link::new(OWN, 1_000, entropy), offset: 7, now: Instant::now() };
        game.link.attach("token");
        game.snapshot();
        game
    }

    fn receive(&mut self, body: Body) -> Vec<Update> {
        let message = pb::ServerMessage { epoch: 1, offset: self.offset, body: Some(body) };
        self.link.receive(message, self.now).unwrap()
    }

    fn snapshot(&mut self) {
        let seat = |seat, player: PlayerId| pb::Seat {
            seat,
            player: player.to_string(),
            stack: 100,
            connected: true,
            ..pb::Seat::default()
        };
        self.receive(Body::Snapshot(pb::Snapshot {
            seats: vec![seat(0, OWN), seat(1, PlayerId([2; 20]))],
            seat_count: 2,
            big_blind: 10,
            you: Some(0),
            ..pb::Snapshot::default()
        }));
    }

    fn events(&mut self, kinds: Vec<Kind>) -> Vec<Update> {
        self.offset += 1;
        let events = kinds.into_iter().map(|kind| pb::Event { kind: Some(kind) }).collect();
        self.receive(Body::Events(pb::Events { events }))
    }

    fn ack(&mut self, id: u64) -> Vec<Update> {
        self.receive(Body::Ack(pb::Ack { id, at_offset: 0 }))
    }

    fn sent(&mut self) -> Vec<pb::ClientMessage> {
        std::iter::from_fn(|| self.link.transmit(self.now)).collect()
    }

    /// Sends what is due and acknowledges it.
    fn settle(&mut self) -> Vec<pb::ClientMessage> {
        let sent = self.sent();
        for message in &sent {
            self.ack(message.id);
        }
        sent
    }

    /// The one message that is due.
    fn only(&mut self) -> Ask {
        let mut sent = self.settle();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0).body.unwrap()
    }

    fn start(&mut self, hand: u64) {
        self.events(vec![Kind::HandStarted(pb::HandStarted { hand, button: 0, dealt_in: vec![1, 0] })]);
    }
}

fn act(hand: u64) -> Ask {
    Ask::Act(pb::Act { hand, kind: pb::ActionKind::Check.into(), amount: 0, question: None })
}

fn acted(seat: u32) -> Kind {
    Kind::Acted(pb::Acted {
        seat,
        kind: pb::ActionKind::Check.into(),
        total: 0,
        stack: 100,
        timed_out: false,
    })
}

/// The root of a deal, with the own commitment in seat 0.
fn deal(hand: u64, commitment: &[u8]) -> Kind {
    let commitments = vec![pb::EntropyCommitment { seat: 0, commitment: commitment.to_vec() }];
    Kind::Deal(pb::DealCommitted { hand, root: vec![9; 32], reveals: Vec::new(), commitments })
}

fn end(hand: u64) -> Kind {
    Kind::HandEnded(pb::HandEnded { hand, ..pb::HandEnded::default() })
}

fn checked(updates: &[Update]) -> &Unproven {
    let [Update::Message(_), Update::Checked { result: Err(why), .. }] = updates else {
        panic!("{updates:?}")
    };
    why
}

#[test]
fn a_command_without_an_answer_goes_out_again_with_its_id() {
    let mut game = Game::seated();
    game.settle();
    game.start(1);
    game.settle();
    let id = game.link.submit(act(1)).unwrap();
    assert_eq!(game.sent().len(), 1);
    assert!(game.sent().is_empty(), "once a connection");

    let attach = game.link.attach("another");
    let Some(Ask::Attach(attach)) = attach.body else { panic!("attach comes first") };
    assert_eq!(attach.resume, Some(pb::Cursor { epoch: 1, offset: 8 }));
    assert_eq!(game.sent().iter().map(|message| message.id).collect::<Vec<_>>(), [id]);

    game.now += Duration::from_millis(30);
    game.events(vec![acted(0)]);
    game.now += Duration::from_millis(10);
    let updates = game.ack(id);
    let [Update::Answer { id: answered, result: Ok(()) }, Update::Acted(timing)] = &updates[..] else {
        panic!("{updates:?}")
    };
    assert_eq!((*answered, timing.resent), (id, true));
    assert_eq!(timing.acked - timing.sent, Duration::from_millis(40));
    assert_eq!(timing.shown.unwrap() - timing.sent, Duration::from_millis(30));
    assert!(game.ack(id).is_empty(), "answered once");
}

#[test]
fn somebody_elses_action_is_not_ones_own() {
    let mut game = Game::seated();
    game.start(1);
    game.settle();
    let id = game.link.submit(act(1)).unwrap();
    game.sent();
    game.events(vec![acted(1)]);
    let updates = game.ack(id);
    assert!(matches!(&updates[..], [_, Update::Acted(timing)] if timing.shown.is_none()), "{updates:?}");
}

#[test]
fn who_is_told_to_slow_down_waits_and_asks_again() {
    let mut game = Game::seated();
    game.settle();
    let id = game.link.submit(Ask::SitOut(pb::SitOut {})).unwrap();
    game.sent();
    let error = pb::Error { id, code: ErrorCode::RateLimited.into(), ..pb::Error::default() };
    assert!(game.receive(Body::Error(error)).is_empty());
    assert!(game.sent().is_empty());
    game.now = game.link.quiet_until().unwrap();
    assert_eq!(game.sent()[0].id, id);
}

#[test]
fn a_refusal_is_told_with_its_bounds_and_the_command_is_over() {
    let mut game = Game::seated();
    game.settle();
    let id = game.link.submit(act(1)).unwrap();
    game.sent();
    let (min, max) = (Some(20), Some(90));
    let error = pb::Error {
        id,
        code: ErrorCode::Amount.into(),
        message: "a raise".into(),
        min,
        max,
        ..pb::Error::default()
    };
    let updates = game.receive(Body::Error(error));
    let [Update::Answer { result: Err(refused), .. }] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!((refused.code, refused.bounds), (ErrorCode::Amount, Some((20, 90))));
    game.link.attach("again");
    assert!(game.sent().is_empty());
}

#[test]
fn commands_are_bounded() {
    let mut game = Game::seated();
    game.settle();
    for _ in 0..PENDING_MAX {
        game.link.submit(act(1)).unwrap();
    }
    assert!(game.link.submit(act(1)).is_err());
}

#[test]
fn entropy_is_committed_before_every_hand_and_revealed_once() {
    let mut game = Game::seated();
    let mut entropies = Vec::new();
    for hand in 1..4u64 {
        let Ask::CommitEntropy(commit) = game.only() else { panic!("a commitment is due") };
        game.events(vec![deal(hand, &commit.commitment)]);
        let Ask::RevealEntropy(reveal) = game.only() else { panic!("a reveal is due") };
        let entropy: [u8; 32] = reveal.entropy.clone().try_into().unwrap();
        assert_eq!((reveal.hand, commit.commitment), (hand, commitment(&entropy).to_vec()));
        assert!(!entropies.contains(&entropy), "never the same entropy twice");
        entropies.push(entropy);
        game.start(hand);
        // The table accepted the entropy but does not use it in the deal.
        assert!(matches!(checked(&game.events(vec![end(hand)])), Unproven::EntropyLeftOut(_)));
    }
}

#[test]
fn a_commitment_that_had_its_turn_is_not_sent_again() {
    let mut game = Game::seated();
    let commit = game.sent();
    let Some(Ask::CommitEntropy(own)) = &commit[0].body else { panic!("a commitment is due") };
    game.link.attach("again");
    // Missed: the table took the commitment, opened the deal, waited in vain, and dealt.
    game.events(vec![deal(1, &own.commitment)]);
    game.start(1);
    let sent = game.sent();
    assert!(sent.iter().all(|message| message.id != commit[0].id), "{sent:?}");
    assert!(sent.iter().any(|message| matches!(message.body, Some(Ask::CommitEntropy(_)))), "a new one");
}

#[test]
fn entropy_is_kept_back_where_the_table_is_not_bound_to_it() {
    let mut game = Game::seated();
    let Ask::CommitEntropy(commit) = game.only() else { panic!("a commitment is due") };
    game.events(vec![deal(1, &[0; 32])]);
    assert!(game.sent().is_empty(), "another commitment stands in its place");
    game.start(1);
    game.settle();
    // The commitment had been accepted before the root was published.
    assert_eq!(checked(&game.events(vec![end(1)])), &Unproven::CommitmentLeftOut(purr_engine::SeatIndex(0)));
    assert_ne!(commit.commitment, vec![0; 32]);
}

#[test]
fn entropy_of_a_deal_that_was_given_up_is_never_used_again() {
    let mut game = Game::seated();
    let Ask::CommitEntropy(first) = game.only() else { panic!("a commitment is due") };
    game.events(vec![deal(1, &first.commitment)]);
    let Ask::RevealEntropy(_) = game.only() else { panic!("a reveal is due") };
    game.events(vec![Kind::DealVoided(pb::DealVoided { hand: 1, total: 1, ..pb::DealVoided::default() })]);
    let Ask::CommitEntropy(second) = game.only() else { panic!("a new commitment is due") };
    assert_ne!(first.commitment, second.commitment);
    assert_eq!(game.link.view().deals_void(), 1);
    // The same number comes again with another root, which is correct after a void deal.
    game.events(vec![Kind::Deal(pb::DealCommitted { hand: 1, root: vec![8; 32], ..Default::default() })]);
    assert!(game.link.view().deal().is_some_and(|deal| !deal.root_changed));
}

#[test]
fn a_root_that_changes_after_the_reveal_is_caught() {
    let mut game = Game::seated();
    let Ask::CommitEntropy(commit) = game.only() else { panic!("a commitment is due") };
    game.events(vec![deal(1, &commit.commitment)]);
    let Ask::RevealEntropy(_) = game.only() else { panic!("a reveal is due") };
    game.start(1);
    let Kind::Deal(other) = deal(1, &commit.commitment) else { panic!("a deal") };
    game.events(vec![Kind::Deal(pb::DealCommitted { root: vec![8; 32], ..other })]);
    assert_eq!(checked(&game.events(vec![end(1)])), &Unproven::RootChanged);
}

#[test]
fn who_comes_back_while_the_table_waits_reveals_still() {
    let mut game = Game::seated();
    let Ask::CommitEntropy(commit) = game.only() else { panic!("a commitment is due") };
    game.link.attach("again");
    let Kind::Deal(dealing) = deal(1, &commit.commitment) else { panic!("a deal") };
    let seat = pb::Seat { seat: 0, player: OWN.to_string(), stack: 100, ..pb::Seat::default() };
    game.offset += 50;
    game.receive(Body::Snapshot(pb::Snapshot {
        seats: vec![seat],
        seat_count: 2,
        you: Some(0),
        dealing: Some(dealing),
        ..pb::Snapshot::default()
    }));
    let Ask::RevealEntropy(reveal) = game.only() else { panic!("a reveal is due") };
    assert_eq!(commitment(&reveal.entropy.try_into().unwrap()).to_vec(), commit.commitment);
}

#[test]
fn who_comes_back_between_two_hands_reveals_what_the_table_holds_whether_it_reads_the_commitment_again_or_not()
 {
    let mut game = Game::seated();
    let commit = game.sent();
    let Some(Ask::CommitEntropy(first)) = &commit[0].body else { panic!("a commitment is due") };
    let at_offset = game.offset;
    game.receive(Body::Ack(pb::Ack { id: commit[0].id, at_offset }));
    game.link.attach("again");
    let seat = pb::Seat { seat: 0, player: OWN.to_string(), stack: 100, ..pb::Seat::default() };
    game.offset += 50;
    let back = pb::Snapshot { seats: vec![seat], seat_count: 2, you: Some(0), ..pb::Snapshot::default() };
    game.receive(Body::Snapshot(back));
    let Ask::CommitEntropy(again) = game.only() else { panic!("a commitment is due") };
    assert_eq!(first.commitment, again.commitment);
    // The deal is opened before the table has read it.
    game.events(vec![deal(1, &first.commitment)]);
    let Ask::RevealEntropy(reveal) = game.only() else { panic!("a reveal is due") };
    assert_eq!(commitment(&reveal.entropy.try_into().unwrap()).to_vec(), first.commitment);
}

#[test]
fn who_has_left_owes_nothing() {
    let mut game = Game::seated();
    game.events(vec![Kind::Left(pb::Left { seat: 0, stack: 100 })]);
    assert!(game.sent().is_empty());
    assert!(game.link.view().your_seat().is_none());
}
