//! A table moves from one process to the next between two hands, and what happens where either fails on the way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;
use crate::world;

use purr_engine::PlayerId;
use purr_protocol::pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body};
use purr_runtime::CancellationToken;
use purr_store::MemoryStore;
use purr_table::{
    actor::{Attached, Handle, Outgoing, Stopped},
    core::{HANDING_OVER_MS, Input},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use world::World;

const ASK: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

/// Ids are never used again, because the table would recognise the command.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// A player who sits down and folds whenever it is the player's turn.
struct Player {
    id: PlayerId,
    handle: Handle,
    attached: Attached,
    seat: u32,
    hand: u64,
    /// When each hand began and ended, as this player saw them.
    began: Vec<Instant>,
    ended: Vec<Instant>,
    voids: usize,
    /// Whether it is the player's turn.
    asked: bool,
    acts: bool,
}

impl Player {
    async fn attaches(handle: &Handle, seat: u8) -> Self {
        let id = PlayerId([seat + 1; 20]);
        let attached = handle.attach(id, None).await.unwrap();
        let (began, ended) = (Vec::new(), Vec::new());
        let (handle, seat) = (handle.clone(), seat.into());
        Self { id, handle, attached, seat, hand: 0, began, ended, voids: 0, asked: false, acts: true }
    }

    /// Connects the same player to the next process.
    async fn follows(&mut self, handle: &Handle) {
        self.handle = handle.clone();
        self.attached = handle.attach(self.id, None).await.unwrap();
    }

    async fn sits(handle: &Handle, seat: u8) -> Self {
        let player = Self::attaches(handle, seat).await;
        let permit = pb::Permit {
            amount: 1_000,
            max_total_rake: 9,
            expiry_s: 1_000,
            nonce: 0,
            signature: vec![0; 65],
        };
        player.says(Ask::Sit(pb::Sit { seat: seat.into(), amount: 1_000, permit: Some(permit) })).await;
        player
    }

    async fn says(&self, body: Ask) {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let message = pb::ClientMessage { id, body: Some(body) };
        let input = Input::Message { connection: self.attached.connection, player: self.id, message };
        self.handle.input(input).await;
    }

    async fn folds(&mut self) {
        self.asked = false;
        let kind = ActionKind::Fold.into();
        self.says(Ask::Act(pb::Act { hand: self.hand, kind, ..pb::Act::default() })).await;
    }

    /// Plays until the condition holds. Returns whether the process ran all the time.
    async fn until(&mut self, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        while !is_so(self) {
            let Some(Outgoing::Message(message)) = self.attached.outgoing.recv().await else { return false };
            let Some(Body::Events(events)) = message.body else { continue };
            for event in events.events {
                match event.kind {
                    Some(Kind::HandStarted(started)) => {
                        self.hand = started.hand;
                        self.began.push(Instant::now());
                    }
                    Some(Kind::HandEnded(ended)) => {
                        self.ended.push(Instant::now());
                        self.voids += usize::from(ended.void);
                    }
                    Some(Kind::Turn(turn)) if turn.seat == self.seat => self.asked = true,
                    _ => {}
                }
            }
            if self.asked && self.acts {
                self.folds().await;
            }
        }
        true
    }
}

/// Both take part until the first says so.
async fn until(players: &mut [Player; 2], is_so: impl FnMut(&Player) -> bool) -> bool {
    let [one, other] = players;
    let both = async {
        tokio::select! {
            there = one.until(is_so) => there,
            there = other.until(|_| false) => there,
        }
    };
    timeout(LONG, both).await.unwrap()
}

async fn playing() -> (World, Handle, tokio::task::JoinHandle<Result<(), Stopped>>, [Player; 2]) {
    let mut world = World::new(common::spec("hand-over", common::CONFIG), Arc::new(MemoryStore::default()));
    let (handle, end, running) = world.start().await;
    std::mem::forget(end);
    let mut players = [Player::sits(&handle, 0).await, Player::sits(&handle, 1).await];
    assert!(until(&mut players, |player| player.ended.len() >= 2).await);
    (world, handle, running, players)
}

#[tokio::test(start_paused = true)]
async fn a_table_hands_over_between_two_hands_and_the_pause_is_not_begun_anew() {
    let (mut world, old, running, mut players) = playing().await;
    // A hand runs when the successor asks.
    let begun = players[0].began.len();
    assert!(until(&mut players, |player| player.began.len() > begun).await);
    let ends = players[0].ended.len() + 1;
    let asked = tokio::spawn({
        let old = old.clone();
        async move {
            loop {
                let answer = old.hand_over(ASK).await.unwrap();
                if answer.free {
                    return Instant::now() - Duration::from_millis(answer.rested_ms.unwrap());
                }
            }
        }
    });
    assert!(
        until(&mut players, |player| player.ended.len() >= ends && asked.is_finished()).await
            || asked.is_finished()
    );
    let ended = asked.await.unwrap();
    // The successor takes its time, as one does that reads a store and connects to players.
    sleep(Duration::from_millis(300)).await;
    let actor = world.try_start().await.unwrap().after_hand(ended);
    let new = actor.handle();
    let end = CancellationToken::new();
    tokio::spawn(actor.run(end.clone()));
    old.moved().await;
    assert!(matches!(timeout(LONG, running).await.unwrap().unwrap(), Err(Stopped::Fenced)));
    for player in &mut players {
        player.follows(&new).await;
    }
    let begun = players[0].began.len();
    assert!(until(&mut players, |player| player.began.len() > begun).await);
    let waited = players[0].began.last().unwrap().duration_since(ended);
    assert!(waited >= Duration::from_millis(500) && waited < Duration::from_millis(700), "{waited:?}");
    let ends = players[0].ended.len();
    assert!(until(&mut players, |player| player.ended.len() > ends + 2).await);
    assert_eq!(players.iter().map(|player| player.voids).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_hand_is_dealt_while_a_successor_asks_and_the_running_one_is_not_interrupted() {
    let (_world, old, _, mut players) = playing().await;
    let begun = players[0].began.len();
    players[0].acts = false;
    players[1].acts = false;
    assert!(until(&mut players, |player| player.began.len() > begun).await);
    assert_eq!(old.hand_over(ASK).await.map(|answer| answer.free), Some(false), "nobody has acted yet");
    players.iter_mut().for_each(|player| player.acts = true);
    let (begun, ended) = (players[0].began.len(), players[0].ended.len());
    for player in &mut players {
        player.asked = true;
        player.folds().await;
    }
    assert!(until(&mut players, |player| player.ended.len() > ended).await);
    for _ in 0..5 {
        assert_eq!(old.hand_over(ASK).await.map(|answer| answer.free), Some(true));
        sleep(Duration::from_secs(2)).await;
    }
    let dealt = players[0].until(|player| player.began.len() > begun);
    assert!(timeout(Duration::from_millis(1), dealt).await.is_err(), "a hand was dealt");
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_fails_after_it_asked_costs_five_seconds_and_nothing_else() {
    let (_world, old, _, mut players) = playing().await;
    while !old.hand_over(ASK).await.unwrap().free {
        let ended = players[0].ended.len();
        assert!(until(&mut players, |player| player.ended.len() > ended).await);
    }
    let (free, begun) = (Instant::now(), players[0].began.len());
    assert!(until(&mut players, |player| player.began.len() > begun).await);
    let waited = players[0].began.last().unwrap().duration_since(free);
    assert!(waited <= Duration::from_millis(HANDING_OVER_MS + 1_000), "{waited:?}");
    assert_eq!(players[0].voids + players[1].voids, 0);
}

#[tokio::test(start_paused = true)]
async fn a_successor_whose_predecessor_fails_takes_the_running_hand_over() {
    let (mut world, old, running, mut players) = playing().await;
    players.iter_mut().for_each(|player| player.acts = false);
    let begun = players[0].began.len();
    assert!(until(&mut players, |player| player.began.len() > begun).await);
    assert_eq!(old.hand_over(ASK).await.map(|answer| answer.free), Some(false));
    running.abort();
    let (new, _end, _) = world.start().await;
    for player in &mut players {
        player.acts = true;
        player.follows(&new).await;
        player.folds().await;
    }
    let ends = players[0].ended.len();
    assert!(until(&mut players, |player| player.ended.len() > ends + 1).await);
    assert_eq!(players[0].voids + players[1].voids, 0);
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_that_never_hears_of_the_take_over_shows_nothing_more() {
    let (mut world, old, running, mut players) = playing().await;
    while !old.hand_over(ASK).await.unwrap().free {
        let ended = players[0].ended.len();
        assert!(until(&mut players, |player| player.ended.len() > ended).await);
    }
    let (_new, _end, _) = world.start().await;
    // The predecessor deals again after the wait, and its first commit is refused.
    assert!(matches!(timeout(LONG, running).await.unwrap().unwrap(), Err(Stopped::Fenced)));
    assert_eq!(old.hand_over(ASK).await, None);
}
