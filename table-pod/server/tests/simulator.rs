//! The whole table path under virtual time: players, table, store and signer, with faults by seed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests may fail loudly")]

mod common;
#[path = "common/world.rs"]
mod world;

use common::Dice;
use purr_engine::{Card, ClockConfig, PlayerId, RakeCap, RakeConfig, TableConfig};
use purr_protocol::{
    TableSpec,
    pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body},
};
use purr_store::{Fault, FaultStore, MemoryStore, Store};
use purr_table::{
    actor::{Attached, Handle, Outgoing},
    core::Input,
    play_money::PlayMoney,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use world::World;

fn spec() -> TableSpec {
    let caps = vec![RakeCap { players: 2, amount: 30 }];
    let rake = RakeConfig { basis_points: 500, caps, no_flop_no_drop: true };
    let clock = ClockConfig { time_bank_ms: 30_000, time_bank_gain_ms: 500, ..common::CONFIG.clock };
    common::spec("sim", TableConfig { straddle: true, run_it_twice: true, rake, clock, ..common::CONFIG })
}

/// A simulated player with its client's view of the table.
struct Bot {
    player: PlayerId,
    seat: u32,
    attached: Option<Attached>,
    cursor: Option<pb::Cursor>,
    next_id: u64,
    sat: bool,
    hand: u64,
    hole: HashMap<u64, Vec<String>>,
    board: Vec<String>,
    results: HashMap<u64, (i64, u64)>,
    hands_with_own_cards_shown: u64,
    hands_run_twice: u64,
    straddles: u64,
}

impl Bot {
    fn new(seat: u8) -> Self {
        Self {
            player: PlayerId([seat + 1; 20]),
            seat: seat.into(),
            attached: None,
            cursor: None,
            next_id: 1,
            sat: false,
            hand: 0,
            hole: HashMap::new(),
            board: Vec::new(),
            results: HashMap::new(),
            hands_with_own_cards_shown: 0,
            hands_run_twice: 0,
            straddles: 0,
        }
    }

    async fn attach(&mut self, handle: &Handle) {
        self.attached = handle.attach(self.player, self.cursor).await;
        if !self.sat {
            let permit = pb::Permit {
                amount: 1_000,
                max_total_rake: 1_000,
                expiry_s: 3_600,
                nonce: 0,
                signature: vec![0; 65],
            };
            self.send(handle, Ask::Sit(pb::Sit { seat: self.seat, amount: 1_000, permit: Some(permit) }), 0)
                .await;
        }
    }

    /// Sends a message, and repeats it `more` times as a client does that got no answer.
    async fn send(&mut self, handle: &Handle, body: Ask, more: u64) {
        let Some(attached) = &self.attached else { return };
        let message = pb::ClientMessage { id: self.next_id, body: Some(body) };
        self.next_id += 1;
        for _ in 0..=more {
            let connection = attached.connection;
            handle.input(Input::Message { connection, player: self.player, message: message.clone() }).await;
        }
    }

    /// Reads and checks the messages; returns an action if one is wanted.
    fn read(&mut self, dice: &mut Dice) -> (bool, Option<Ask>) {
        let mut wanted = None;
        let mut idle = true;
        while let Some(message) =
            self.attached.as_mut().and_then(|attached| attached.outgoing.try_recv().ok())
        {
            idle = false;
            let Outgoing::Message(message) = message else {
                self.attached = None;
                return (false, None);
            };
            let before = self.cursor.map_or(0, |cursor| cursor.offset);
            match message.body.as_ref().unwrap() {
                Body::Snapshot(snapshot) => {
                    self.sat |= snapshot.you.is_some();
                    let hand = snapshot.hand.as_ref();
                    for player in hand.map(|hand| hand.players.as_slice()).unwrap_or_default() {
                        assert!(player.cards.is_empty() || player.seat == self.seat, "a foreign hole card");
                    }
                    let options = hand.and_then(|hand| Some((hand.hand, hand.options?)));
                    wanted = options.map(|(hand, options)| choose(hand, &options, dice));
                    if let Some(hand) = hand.filter(|hand| hand.asked_twice.contains(&self.seat)) {
                        wanted = Some(answer(hand.hand, dice));
                    }
                }
                Body::Events(events) => {
                    assert_eq!(message.offset, before + 1, "offsets have no gaps");
                    for event in &events.events {
                        if let Some(act) = self.see(event.kind.as_ref().unwrap(), dice) {
                            wanted = act;
                        }
                    }
                }
                _ => assert!(message.offset >= before),
            }
            self.cursor = Some(pb::Cursor { epoch: message.epoch, offset: message.offset.max(before) });
        }
        (idle, wanted)
    }

    /// `Some` if this event decides what the player wants next.
    fn see(&mut self, kind: &Kind, dice: &mut Dice) -> Option<Option<Ask>> {
        match kind {
            Kind::Seated(seated) if seated.seat == self.seat => {
                self.sat = true;
                return Some(Some(Ask::Straddle(pb::Straddle { on: true })));
            }
            Kind::Posted(posted) if posted.kind() == pb::PostKind::Straddle => self.straddles += 1,
            Kind::RunItTwiceAsked(asked) if asked.seats.contains(&self.seat) => {
                return Some(Some(answer(self.hand, dice)));
            }
            Kind::RunItTwiceDecided(decided) => self.hands_run_twice += u64::from(decided.twice),
            Kind::HandStarted(started) => {
                self.hand = started.hand;
                self.board.clear();
            }
            Kind::Dealt(dealt) => {
                assert_eq!(dealt.seat, self.seat, "the hole cards of another seat were sent");
                let cards: Vec<String> = dealt.cards.iter().map(|opening| opening.card.clone()).collect();
                assert!(self.hole.insert(self.hand, cards).is_none(), "dealt twice");
            }
            Kind::Street(street) => {
                self.board.extend(street.cards.iter().map(|opening| opening.card.clone()));
                let mut known: Vec<Card> = self.board.iter().map(|card| card.parse().unwrap()).collect();
                known.extend(
                    self.hole.get(&self.hand).into_iter().flatten().map(|c| c.parse::<Card>().unwrap()),
                );
                known.sort();
                known.dedup();
                assert_eq!(known.len(), self.board.len() + self.hole.get(&self.hand).map_or(0, Vec::len));
            }
            Kind::Shown(shown) if shown.seat == self.seat => {
                let cards: Vec<String> = shown.cards.iter().map(|opening| opening.card.clone()).collect();
                assert_eq!(self.hole.get(&self.hand), Some(&cards), "other cards than were dealt");
                self.hands_with_own_cards_shown += 1;
            }
            Kind::HandEnded(end) => {
                let own = end.results.iter().find(|result| result.seat == self.seat);
                let sum: i64 = end.results.iter().map(|result| result.delta).sum();
                assert_eq!(sum + i64::try_from(end.rake).unwrap(), 0, "chips of a hand sum to zero");
                let entry = (own.map_or(0, |own| own.delta), end.rake);
                assert!(self.results.insert(end.hand, entry).is_none(), "a hand ended twice");
                return Some(None);
            }
            Kind::Turn(turn) => {
                return Some(turn.options.as_ref().map(|options| choose(self.hand, options, dice)));
            }
            _ => {}
        }
        None
    }
}

fn answer(hand: u64, dice: &mut Dice) -> Ask {
    Ask::RunItTwice(pb::RunItTwice { hand, agree: dice.roll(6) > 0 })
}

fn choose(hand: u64, options: &pb::Options, dice: &mut Dice) -> Ask {
    let act =
        |kind: ActionKind, amount| Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None });
    match (dice.roll(10), options.raise_min, options.raise_max) {
        (0, Some(min), Some(max)) => act(ActionKind::RaiseTo, min + dice.roll((max - min) / 4 + 1)),
        (1, Some(min), _) => act(ActionKind::RaiseTo, min),
        (2..=3, ..) if !options.check => act(ActionKind::Fold, 0),
        _ if options.check => act(ActionKind::Check, 0),
        _ => act(ActionKind::Call, 0),
    }
}

/// Plays until this many hands have ended; every `crash` steps the process dies without a word.
async fn play(
    seed: u64,
    hands: u64,
    crash: Option<u64>,
    store: Arc<dyn Store>,
) -> (Vec<Bot>, Arc<PlayMoney>) {
    let mut dice = Dice(seed);
    let mut world = World::new(spec(), store);
    let mut bots: Vec<Bot> = (0..4).map(Bot::new).collect();
    let (mut handle, mut end, mut running) = world.start().await;
    for bot in &mut bots {
        bot.attach(&handle).await;
    }
    let mut ended = 0;
    while ended < hands {
        if crash.is_some_and(|every| dice.roll(every) == 0) {
            running.abort();
            end.cancel();
            (handle, end, running) = world.start().await;
            for bot in &mut bots {
                bot.attach(&handle).await;
            }
        }
        let mut idle = true;
        for bot in &mut bots {
            let (nothing, ask) = bot.read(&mut dice);
            idle &= nothing;
            if bot.attached.is_none() {
                bot.attach(&handle).await;
            }
            if let Some(ask) = ask {
                let again = dice.roll(3);
                bot.send(&handle, ask, again).await;
            }
            ended = bot.results.len().max(usize::try_from(ended).unwrap()) as u64;
        }
        // Virtual time: only due events happen.
        tokio::time::sleep(Duration::from_millis(if idle { 100 } else { 1 })).await;
        let broke = bots.iter().filter(|bot| bot.sat).count() < 2 && ended > 0;
        assert!(!broke);
        if idle && bots.iter().any(|bot| bot.results.values().map(|(delta, _)| delta).sum::<i64>() <= -1_000)
        {
            // A player is out of chips: playing on with this seed would only wait.
            break;
        }
    }
    end.cancel();
    running.await.ok();
    (bots, world.signer)
}

fn check(bots: &[Bot], seed: u64) {
    let hands = bots.iter().map(|bot| bot.results.len()).max().unwrap();
    assert!(hands > 0, "seed {seed}: no hand was played");
    for hand in 1..hands as u64 {
        let rakes: Vec<u64> = bots.iter().filter_map(|bot| Some(bot.results.get(&hand)?.1)).collect();
        let deltas: i64 = bots.iter().filter_map(|bot| Some(bot.results.get(&hand)?.0)).sum();
        assert_eq!(rakes.len(), 4, "seed {seed}: everybody saw the end of hand {hand}");
        assert_eq!(deltas + i64::try_from(rakes[0]).unwrap(), 0, "seed {seed}, hand {hand}");
    }
}

#[tokio::test(start_paused = true)]
async fn hands_are_played_and_every_player_sees_the_same() {
    let (mut shown, mut twice, mut straddles) = (0, 0, 0);
    for seed in 0..8 {
        let (bots, signer) = play(seed, 20, None, Arc::<MemoryStore>::default()).await;
        check(&bots, seed);
        shown += bots.iter().map(|bot| bot.hands_with_own_cards_shown).sum::<u64>();
        twice += bots[0].hands_run_twice;
        straddles += bots[0].straddles;
        let sequence = signer.sequence();
        assert_eq!(sequence, (1..=sequence.len() as u64).collect::<Vec<_>>());
    }
    assert!(shown > 10, "showdowns were seen");
    assert!(twice > 0, "hands were run twice");
    assert!(straddles > 10, "players under the gun straddled");
}

#[tokio::test(start_paused = true)]
async fn a_killed_table_goes_on_with_the_same_cards_and_stacks() {
    for seed in 100..130 {
        let (bots, _) = play(seed, 15, Some(40), Arc::<MemoryStore>::default()).await;
        check(&bots, seed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_loses_and_doubles_nothing() {
    for seed in 200..220 {
        let plan = move |call: u64| match Dice(seed ^ (call << 20)).roll(20) {
            0 => Fault::Unavailable,
            1 => Fault::UnknownWritten,
            2 => Fault::UnknownLost,
            3 => Fault::ShortOfReplicas,
            _ => Fault::None,
        };
        let store = Arc::new(FaultStore::new(MemoryStore::default(), plan));
        let (bots, _) = play(seed, 12, Some(120), store).await;
        check(&bots, seed);
    }
}
