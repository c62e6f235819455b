//! Snapshots of commits open unchanged in both versions, and only with the parts of their own commit.

use crate::common::{self, Dice};
use crate::world::World;

use purr_engine::{PlayerId, SeatIndex, Table, TableConfig, deal::commitment};
use purr_protocol::{
    pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body},
    settlement::{Notice, NoticeState, Permit, Reserve},
};
use purr_store::{Base, DataKeys, MemoryStore, Recovered, Sealer, Store};
use purr_table::{
    actor::{Attached, Outgoing},
    core::{Core, Input, Pace, State, Step},
    snapshot::{self, Format, SnapshotError, Writer},
};
use std::{sync::Arc, time::Duration};

const SEATS: u8 = 6;
const EPOCH: u64 = (3 << 16) + 1;

fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

fn sealer() -> Sealer {
    Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t")
}

/// A table at which anything happens that a player, the signer or time can do.
struct Game {
    core: Core,
    dice: Dice,
    now: u64,
    id: u64,
    nonce: u64,
    notice: u64,
}

impl Game {
    fn new(seed: u64) -> Self {
        let config = TableConfig { straddle: true, run_it_twice: true, ..common::CONFIG };
        let spec = common::spec("snapshots", config);
        let state = State::new(Table::new(spec.engine.clone()).unwrap());
        let core = Core::new(EPOCH, spec, state, sealer(), Pace { hand_gap_ms: 5, reveal_ms: 50 });
        let mut game = Self { core, dice: Dice(seed), now: 0, id: 0, nonce: 0, notice: 0 };
        game.core.restart(0, Vec::new());
        for seat in 0..SEATS {
            game.sits(seat);
            game.settled();
        }
        game
    }

    fn sits(&mut self, seat: u8) -> Step {
        self.nonce += 1;
        let (amount, nonce) = (1_000, self.nonce);
        let signature = format!("0x{}", "ab".repeat(65));
        let permit = Permit { amount, max_total_rake: 1_000, expiry_s: 9, nonce, signature };
        let top_up = self.core.state().table.seat_of(player(seat)).is_some();
        let request =
            Box::new(Reserve { epoch: EPOCH, seat: SeatIndex(seat), player: player(seat), permit, top_up });
        self.core.handle(self.now, Input::Reserved { connection: 1, id: nonce, request, refused: None })
    }

    /// The signer and the chain have everything.
    fn settled(&mut self) -> Step {
        let through = self.core.state().sequence;
        self.core.handle(self.now, Input::Accepted { through });
        self.notice += 1;
        let notice = Notice {
            id: self.notice,
            seq_from: self.core.state().confirmed + 1,
            seq_to: through,
            state: NoticeState::Confirmed,
            tx_hash: String::new(),
        };
        self.core.handle(self.now, Input::Notices(vec![notice]))
    }

    fn asks(&mut self, seat: u8, body: Ask) -> Step {
        self.id += 1;
        let message = pb::ClientMessage { id: self.id, body: Some(body) };
        self.core.handle(self.now, Input::Message { connection: 1, player: player(seat), message })
    }

    fn entropy(seat: u8) -> [u8; 32] {
        [seat + 100; 32]
    }

    fn next(&mut self) -> Step {
        let seat = u8::try_from(self.dice.roll(SEATS.into())).unwrap();
        match self.dice.roll(40) {
            0 => self.sits(seat),
            1..=3 => self.settled(),
            4 => self.core.handle(self.now, Input::Disconnected { player: player(seat) }),
            5 | 6 => self.core.handle(self.now, Input::Connected { player: player(seat) }),
            7 => self.asks(seat, Ask::SitOut(pb::SitOut {})),
            8..=10 => self.asks(seat, Ask::SitIn(pb::SitIn { post: true })),
            11 => self.asks(seat, Ask::Leave(pb::Leave {})),
            12 => self.asks(seat, Ask::Straddle(pb::Straddle { on: self.nonce.is_multiple_of(2) })),
            13..=15 => {
                let hash = commitment(&Self::entropy(seat)).to_vec();
                self.asks(seat, Ask::CommitEntropy(pb::CommitEntropy { commitment: hash }))
            }
            16 => self.core.handle(self.now, Input::Stalled { since: self.now.saturating_sub(3) }),
            _ => self.goes_on(),
        }
    }

    fn goes_on(&mut self) -> Step {
        if let Some(seat) = self.core.state().table.to_act() {
            let legal = self.core.state().table.legal_actions(seat).unwrap();
            let kind = match self.dice.roll(8) {
                0 if !legal.check => ActionKind::Fold,
                _ if legal.check => ActionKind::Check,
                _ => ActionKind::Call,
            };
            let hand = self.core.state().table.hand().unwrap().number;
            self.now += self.dice.roll(3_000);
            return self
                .asks(seat.0, Ask::Act(pb::Act { hand, kind: kind.into(), amount: 0, question: None }));
        }
        let hand = self.core.state().table.last_hand() + 1;
        for seat in 0..SEATS {
            if self.dice.roll(3) > 0 {
                let entropy = Self::entropy(seat).to_vec();
                let step = self.asks(seat, Ask::RevealEntropy(pb::RevealEntropy { hand, entropy }));
                if step.dirty {
                    return step;
                }
            }
        }
        self.now = self.core.next_deadline().unwrap_or(self.now + 10).max(self.now);
        let seed = [u8::try_from(self.dice.roll(256)).unwrap(); 32];
        self.core.handle(self.now, Input::Tick { seed })
    }
}

/// A commit's parts as a store has them.
#[derive(Clone)]
struct Parts {
    number: u64,
    snapshot: bytes::Bytes,
    base: Option<Base>,
}

impl Parts {
    fn open(&self, number: u64, base: Option<&Base>) -> Result<State, SnapshotError> {
        snapshot::read(&sealer(), (EPOCH, number), &self.snapshot, base.map(|base| base.sealed().as_ref()))
    }
}

/// Plays `steps` steps, and calls `each` with every step that needs a commit and the state after it.
fn play(seed: u64, steps: u64, mut each: impl FnMut(u64, &Step, &State)) -> u64 {
    let (mut game, mut number, mut hands) = (Game::new(seed), 0, 0);
    for _ in 0..steps {
        let step = game.next();
        hands += u64::from(step.hand.is_some());
        if step.dirty {
            number += 1;
            each(number, &step, game.core.state());
        }
    }
    hands
}

/// Seeds of random play; more with PURR_CASES.
fn seeds(default: u64) -> std::ops::Range<u64> {
    0..std::env::var("PURR_CASES").map_or(default, |count| count.parse().unwrap())
}

#[test]
fn every_state_of_random_hands_opens_as_it_was_written_in_both_versions() {
    let (mut hands, mut commits, mut bases, mut under_way) = (0, 0, 0, 0);
    for seed in seeds(40) {
        let mut writers = [Format::Whole, Format::Parts].map(Writer::new);
        let mut last = None;
        hands += play(seed, 400, |number, step, state| {
            for writer in &mut writers {
                let (snapshot, base) = writer.write(&sealer(), (EPOCH, number), state).unwrap();
                let parts = Parts { number, snapshot, base: base.clone() };
                let found = parts.open(number, base.as_ref()).unwrap();
                assert_eq!(&found, state, "seed {seed}, commit {number}");
                if base.is_some() && base != last {
                    bases += 1;
                    last = base;
                }
            }
            for format in [Format::Whole, Format::Parts] {
                let Some(shown) = &step.shown else { continue };
                let log = snapshot::log(format, shown).unwrap();
                assert_eq!(&snapshot::read_log(&log).unwrap(), shown, "seed {seed}, commit {number}");
            }
            commits += 1;
            under_way += u64::from(state.hand_under_way().is_some());
        });
    }
    assert!(
        hands > commits / 60 && under_way > commits / 2,
        "{hands} hands, {under_way} of {commits} in one"
    );
    assert!(bases > hands && bases < commits / 2, "{bases} bases of {commits} commits");
}

#[test]
fn parts_of_different_commits_do_not_open_together() {
    for seed in seeds(4) {
        let (mut writer, mut all) = (Writer::new(Format::Parts), Vec::new());
        play(seed, 120, |number, _, state| {
            let (snapshot, base) = writer.write(&sealer(), (EPOCH, number), state).unwrap();
            all.push(Parts { number, snapshot, base });
        });
        let (mut others, mut twins) = (0, 0);
        for one in &all {
            for other in &all {
                if one.number == other.number {
                    continue;
                }
                // The base opens only under its own commit's number.
                assert!(one.open(other.number, one.base.as_ref()).is_err());
                match one.base == other.base {
                    true => twins += 1,
                    false => {
                        others += 1;
                        let refused = one.open(one.number, other.base.as_ref());
                        assert!(matches!(refused, Err(SnapshotError::OtherBase { .. })), "{refused:?}");
                    }
                }
            }
            assert!(matches!(one.open(one.number, None), Err(SnapshotError::NoBase { .. })));
        }
        assert!(others > 0 && twins > 0);
        let one = &all[all.len() / 2];
        for at in 0..one.snapshot.len() {
            let mut forged = one.clone();
            let mut bytes = forged.snapshot.to_vec();
            bytes[at] ^= 1;
            forged.snapshot = bytes.into();
            assert!(forged.open(one.number, one.base.as_ref()).is_err(), "byte {at}");
        }
        let mut base = one.base.as_ref().unwrap().sealed().to_vec();
        base[20] ^= 1;
        assert!(one.open(one.number, Some(&Base::new(base.into()))).is_err());
    }
}

#[test]
fn what_a_later_release_wrote_is_named_and_not_read() {
    let found = Recovered {
        snapshot: Some(bytes::Bytes::from_static(b"\x83 of a later release")),
        ..Recovered::default()
    };
    let refused = snapshot::open(&sealer(), &found).err().unwrap();
    assert!(matches!(refused, SnapshotError::Version(0x83)));
    assert!(refused.to_string().contains("version 3"), "{refused}");
    // An earlier release cannot open this snapshot, and reports an error rather than an empty table.
    let mut writer = Writer::new(Format::Parts);
    let state = State::new(Table::new(common::CONFIG).unwrap());
    let (snapshot, _) = writer.write(&sealer(), (EPOCH, 1), &state).unwrap();
    assert!(sealer().open("snapshot", EPOCH, 1, &snapshot).is_err());
}

/// The player's link to the process of the moment.
async fn attached(handle: &purr_table::actor::Handle, seat: u8) -> Attached {
    handle.attach(player(seat), None).await.unwrap()
}

/// Reads until a player is to act; returns the snapshot.
async fn turn(attached: &mut Attached) -> pb::Snapshot {
    loop {
        let Some(Outgoing::Message(message)) = attached.outgoing.recv().await else { panic!("closed") };
        if let Some(Body::Snapshot(snapshot)) = &message.body {
            return snapshot.clone();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_in_the_middle_of_a_hand_goes_on_whatever_wrote_and_whatever_reads() {
    let formats = [Format::Whole, Format::Parts];
    for (before, after) in formats.into_iter().flat_map(|before| formats.map(|after| (before, after))) {
        let store = Arc::<MemoryStore>::default();
        let mut world = World::new(common::spec("t", common::CONFIG), store.clone());
        world.format = before;
        let (handle, end, running) = world.start().await;
        let mut players = Vec::new();
        for seat in 0..3 {
            let attached = attached(&handle, seat).await;
            let permit = pb::Permit {
                amount: 1_000,
                max_total_rake: 9,
                expiry_s: 3_600,
                nonce: 0,
                signature: vec![0; 65],
            };
            let sit = Ask::Sit(pb::Sit { seat: seat.into(), amount: 1_000, permit: Some(permit) });
            let message = pb::ClientMessage { id: 1, body: Some(sit) };
            let connection = attached.connection;
            handle.input(Input::Message { connection, player: player(seat), message }).await;
            players.push(attached);
        }
        // Into the hand: two actions.
        let (mut hand, mut acted) = (0, 0);
        while acted < 2 {
            for seat in 0..3_u8 {
                let attached = &mut players[usize::from(seat)];
                while let Ok(Outgoing::Message(message)) = attached.outgoing.try_recv() {
                    let Some(Body::Events(events)) = &message.body else { continue };
                    for event in &events.events {
                        match event.kind.as_ref().unwrap() {
                            Kind::HandStarted(started) => hand = started.hand,
                            Kind::Turn(turn) if turn.options.is_some() && acted < 2 => {
                                acted += 1;
                                let act =
                                    pb::Act { hand, kind: ActionKind::Call.into(), ..pb::Act::default() };
                                let message = pb::ClientMessage { id: 10 + acted, body: Some(Ask::Act(act)) };
                                let connection = attached.connection;
                                handle
                                    .input(Input::Message { connection, player: player(seat), message })
                                    .await;
                            }
                            _ => {}
                        }
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        handle.drain_status().await.unwrap();
        let expected = turn(&mut attached(&handle, 0).await).await;
        running.abort();
        end.cancel();
        world.format = after;
        let (handle, end, running) = world.start().await;
        let found = turn(&mut attached(&handle, 0).await).await;
        let (expected, found_hand) = (expected.hand.unwrap(), found.hand.unwrap());
        assert_eq!(
            (expected.hand, expected.pot, expected.to_act, &expected.players, &expected.dealt_in),
            (found_hand.hand, found_hand.pot, found_hand.to_act, &found_hand.players, &found_hand.dealt_in),
            "{before:?} to {after:?}"
        );
        let stored = store.take_over("t", 1 << 40).await.unwrap();
        // The take-over's own commit is in the new version, and leaves nothing of the old one.
        assert_eq!(stored.base.is_some(), after == Format::Parts, "{before:?} to {after:?}");
        assert_eq!(stored.snapshot.unwrap()[0] > 0x80, after == Format::Parts);
        running.abort();
        end.cancel();
    }
}

#[test]
fn a_base_that_an_older_release_left_behind_is_not_looked_at() {
    let state = State::new(Table::new(common::CONFIG).unwrap());
    let (_, base) = Writer::new(Format::Parts).write(&sealer(), (EPOCH, 1), &state).unwrap();
    let (snapshot, none) = Writer::new(Format::Whole).write(&sealer(), (EPOCH, 2), &state).unwrap();
    assert!(none.is_none());
    let found = Recovered {
        commit: 2,
        epoch: EPOCH,
        snapshot: Some(snapshot),
        base: base.map(|base| base.sealed().clone()),
        ..Recovered::default()
    };
    assert_eq!(snapshot::open(&sealer(), &found).unwrap(), Some(state));
}
