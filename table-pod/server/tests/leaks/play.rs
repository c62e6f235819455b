//! Plays at one table with six seats and two spectators, all of whom come and go.

use crate::{
    common::{self, Dice},
    secrets::{Known, Secret, Tap},
    watch::Watch,
};
use purr_engine::{ClockConfig, PlayerId, RakeCap, RakeConfig, TableConfig, deal::commitment};
use purr_protocol::{
    TableSpec,
    pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body},
    settlement::OpenTable,
};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::{DataKeys, Sealer};
use purr_table::{
    actor::{Actor, Attached, Handle, Outgoing, TakeOver},
    core::{Input, Pace, Recording},
    metrics::Metrics,
    play_money::PlayMoney,
    snapshot::Format,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

pub const SEATS: u8 = 6;

fn hash(dice: &mut Dice) -> [u8; 32] {
    std::array::from_fn(|_| u8::try_from(dice.roll(256)).unwrap())
}

fn spec() -> TableSpec {
    let caps = vec![RakeCap { players: 2, amount: 30 }];
    let rake = RakeConfig { basis_points: 500, caps, no_flop_no_drop: true };
    let clock = ClockConfig { time_bank_ms: 30_000, time_bank_gain_ms: 500, ..common::CONFIG.clock };
    common::spec(
        "leaks",
        TableConfig { seats: SEATS, straddle: true, run_it_twice: true, rake, clock, ..common::CONFIG },
    )
}

/// A player at the table, or a spectator.
pub struct Bot {
    pub player: PlayerId,
    seat: Option<u8>,
    seated: bool,
    left: bool,
    attached: Option<Attached>,
    /// Replaced connections, whose messages were sent all the same.
    old: Vec<Attached>,
    cursor: Option<pb::Cursor>,
    /// Offset of the newest event: repeated events are not acted on again.
    newest: u64,
    next_id: u64,
    hand: u64,
    entropy: Option<[u8; 32]>,
}

impl Bot {
    fn new(number: u64, seat: Option<u8>) -> Self {
        let mut player = [0; 20];
        player[12..].copy_from_slice(&number.to_be_bytes());
        let player = PlayerId(player);
        Self {
            player,
            seat,
            seated: false,
            left: false,
            attached: None,
            old: Vec::new(),
            cursor: None,
            newest: 0,
            next_id: 0,
            hand: 0,
            entropy: None,
        }
    }

    /// The entropy that the bot has committed to for the next deal.
    pub fn entropy(&self) -> Option<[u8; 32]> {
        self.entropy
    }

    fn permit() -> Option<pb::Permit> {
        static NONCE: AtomicU64 = AtomicU64::new(1);
        let (signature, nonce) = (vec![0; 65], NONCE.fetch_add(1, Ordering::Relaxed));
        // Rake for all hands of the test, because a player with a used-up permit is dealt out.
        Some(pb::Permit { amount: 1_000, max_total_rake: 1_000_000, expiry_s: 3_600, nonce, signature })
    }

    async fn attach(&mut self, handle: &Handle, resume: Option<pb::Cursor>) {
        self.old.extend(self.attached.take());
        self.attached = handle.attach(self.player, resume).await;
    }

    /// The current state of the table, for error messages.
    async fn look(&mut self, handle: &Handle) -> String {
        self.attach(handle, None).await;
        let now = self.attached.as_mut().and_then(|attached| attached.outgoing.try_recv().ok());
        format!("{:?} {now:?}", handle.drain_status().await)
    }

    async fn send(&mut self, handle: &Handle, body: Ask) {
        let Some(Attached { connection, .. }) = self.attached else { return };
        self.next_id += 1;
        let message = pb::ClientMessage { id: self.next_id, body: Some(body) };
        handle.input(Input::Message { connection, player: self.player, message }).await;
    }

    /// The bot's answers to a message.
    fn read(&mut self, message: &pb::ServerMessage, known: &Mutex<Known>, dice: &mut Dice) -> Vec<Ask> {
        if message.epoch > 0 {
            self.cursor = Some(pb::Cursor { epoch: message.epoch, offset: message.offset });
        }
        let mut asks = Vec::new();
        let Some(seat) = self.seat.map(u32::from) else { return asks };
        match &message.body {
            Some(Body::Snapshot(snapshot)) => {
                self.seated = snapshot.you.is_some();
                let hand = snapshot.hand.as_ref();
                self.hand = hand.map_or(self.hand, |hand| hand.hand);
                if let Some(options) = hand.and_then(|hand| hand.options) {
                    asks.push(choose(self.hand, &options, dice));
                }
                if hand.is_some_and(|hand| hand.asked_twice.contains(&seat)) {
                    asks.push(Ask::RunItTwice(pb::RunItTwice { hand: self.hand, agree: true }));
                }
                // The bot catches up with what it missed.
                if let Some(own) = snapshot.seats.iter().find(|own| own.seat == seat && self.seated) {
                    let playing = hand.is_some_and(|hand| hand.players.iter().any(|p| p.seat == seat));
                    if own.stack + own.pending == 0 && !playing {
                        asks.push(Ask::TopUp(pb::TopUp { amount: 1_000, permit: Self::permit() }));
                    }
                    if own.sitting_out {
                        asks.push(Ask::SitIn(pb::SitIn { post: true }));
                    }
                }
                if let Some(deal) = &snapshot.dealing {
                    asks.extend(self.reveal(deal, known));
                }
            }
            Some(Body::Events(events)) if message.offset > self.newest => {
                self.newest = message.offset;
                for kind in events.events.iter().filter_map(|event| event.kind.as_ref()) {
                    self.see(kind, seat, known, dice, &mut asks);
                }
            }
            _ => {}
        }
        asks
    }

    fn see(&mut self, kind: &Kind, seat: u32, known: &Mutex<Known>, dice: &mut Dice, asks: &mut Vec<Ask>) {
        match kind {
            // Compared by name: a resumed stream shows the previous player sitting down in this seat.
            Kind::Seated(seated) if seated.player == self.player.to_string() => {
                self.seated = true;
                asks.extend([Ask::Straddle(pb::Straddle { on: true }), self.commit(known, dice)]);
                // Only some players are asked, so a voluntary show must come from one of them.
                if self.asks_to_show() {
                    asks.push(Ask::WishShow(pb::WishShow { wish: pb::ShowWish::Ask.into() }));
                }
            }
            Kind::Left(left) if left.seat == seat && self.seated => (self.seated, self.left) = (false, true),
            Kind::HandStarted(started) => {
                self.hand = started.hand;
                if self.seated && seat.is_multiple_of(2) {
                    asks.push(self.commit(known, dice));
                }
            }
            Kind::DealVoided(_) if self.seated => asks.push(self.commit(known, dice)),
            Kind::Deal(deal) if deal.reveals.is_empty() => asks.extend(self.reveal(deal, known)),
            Kind::Turn(turn) => {
                asks.extend(turn.options.as_ref().map(|options| choose(self.hand, options, dice)));
            }
            Kind::ShowAsked(asked) if asked.seats.contains(&seat) => {
                let show = dice.roll(2) == 0;
                if show {
                    known.lock().unwrap().consents(self.hand, self.player);
                }
                asks.push(Ask::ShowHand(pb::ShowHand { hand: self.hand, show }));
            }
            Kind::RunItTwiceAsked(asked) if asked.seats.contains(&seat) => {
                asks.push(Ask::RunItTwice(pb::RunItTwice { hand: self.hand, agree: dice.roll(5) > 0 }));
            }
            Kind::HandEnded(end) if end.results.iter().any(|own| own.seat == seat && own.stack == 0) => {
                asks.push(Ask::TopUp(pb::TopUp { amount: 1_000, permit: Self::permit() }));
            }
            Kind::ToppedUp(topped) if topped.seat == seat => asks.push(Ask::SitIn(pb::SitIn { post: true })),
            Kind::SatOut(out) if out.seat == seat => asks.push(Ask::SitIn(pb::SitIn { post: true })),
            _ => {}
        }
    }

    /// Whether this bot wishes to be asked for hands that it may muck.
    fn asks_to_show(&self) -> bool {
        self.player.0[19].is_multiple_of(2)
    }

    fn commit(&mut self, known: &Mutex<Known>, dice: &mut Dice) -> Ask {
        let entropy = hash(dice);
        // Secret until a deal uses it; the table will say for which hand.
        known.lock().unwrap().learn(&entropy, Secret::Entropy { hand: u64::MAX });
        self.entropy = Some(entropy);
        Ask::CommitEntropy(pb::CommitEntropy { commitment: commitment(&entropy).to_vec() })
    }

    fn reveal(&mut self, deal: &pb::DealCommitted, known: &Mutex<Known>) -> Option<Ask> {
        let entropy = self.entropy?;
        deal.commitments.iter().find(|listed| listed.commitment == commitment(&entropy))?;
        known.lock().unwrap().learn(&entropy, Secret::Entropy { hand: deal.hand });
        Some(Ask::RevealEntropy(pb::RevealEntropy { hand: deal.hand, entropy: entropy.to_vec() }))
    }
}

fn choose(hand: u64, options: &pb::Options, dice: &mut Dice) -> Ask {
    let act =
        |kind: ActionKind, amount| Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None });
    match (dice.roll(12), options.raise_min, options.raise_max) {
        (0, Some(min), Some(max)) => act(ActionKind::RaiseTo, min + dice.roll((max - min) / 4 + 1)),
        (1, Some(min), _) => act(ActionKind::RaiseTo, min),
        (2..=5, ..) if !options.check => act(ActionKind::Fold, 0),
        _ if options.check => act(ActionKind::Check, 0),
        _ => act(ActionKind::Call, 0),
    }
}

/// All that was sent to a bot, to the watch first.
fn take(
    bot: &mut Bot,
    watch: &mut Watch,
    known: &Mutex<Known>,
    dice: &mut Dice,
    tamper: &mut Tamper<'_>,
) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut old = std::mem::take(&mut bot.old);
    let mut current = bot.attached.take();
    for attached in old.iter_mut().chain(&mut current) {
        while let Ok(outgoing) = attached.outgoing.try_recv() {
            // A close is ignored: the dice decide when to reconnect.
            let Outgoing::Message(mut message) = outgoing else { continue };
            tamper(bot, &mut message, known);
            watch.sent(bot.player, &message);
            asks.extend(bot.read(&message, known, dice));
        }
    }
    bot.attached = current.filter(|attached| !attached.outgoing.is_closed());
    asks
}

/// A change to messages between table and player. The main test uses one that changes nothing.
pub type Tamper<'a> = dyn FnMut(&Bot, &mut pb::ServerMessage, &Mutex<Known>) + 'a;

struct World {
    tap: Arc<Tap>,
    sealer: Sealer,
    signer: Arc<PlayMoney>,
    epoch: u64,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl World {
    /// Starts another process, which takes the table over; the previous one dies silently.
    async fn start(&mut self) -> Handle {
        if let Some((end, running)) = self.running.take() {
            running.abort();
            end.cancel();
        }
        self.epoch += 1;
        let spec = spec();
        let actor = Actor::take_over(TakeOver {
            epoch: self.epoch,
            open: OpenTable::from_spec(self.epoch, &spec),
            spec,
            pace: Pace { hand_gap_ms: 20, reveal_ms: 500 },
            sealer: self.sealer.clone(),
            store: self.tap.clone(),
            signer: self.signer.clone(),
            recording: Recording::default(),
            format: Format::default(),
            sessions: None,
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            readiness: Readiness::default(),
        })
        .await
        .unwrap();
        let (handle, end) = (actor.handle(), CancellationToken::new());
        let ended = end.clone();
        let running = tokio::spawn(async move {
            let _ = actor.run(ended).await;
        });
        self.running = Some((end, running));
        handle
    }
}

/// Plays until so many hands have ended, and returns who watched.
pub async fn play(seed: u64, hands: u64, tamper: &mut Tamper<'_>) -> Watch {
    let mut dice = Dice(seed);
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), "t");
    let tap = Arc::new(Tap::new(sealer.clone()));
    let known = tap.known.clone();
    let mut world = World { tap, sealer, signer: Arc::default(), epoch: 0, running: None };
    let mut handle = world.start().await;
    // The first of them never misses a message.
    let mut bots = vec![Bot::new(1, None), Bot::new(2, None)];
    bots.extend((0..SEATS).map(|seat| Bot::new(u64::from(seat) + 3, Some(seat))));
    let mut number = 100;
    let mut watch = Watch::new(known.clone(), bots[0].player);
    for bot in &mut bots {
        bot.attach(&handle, None).await;
    }
    let (mut since, mut ended, mut messages) = (0, 0, 0);
    while watch.counts.hands < hands {
        if since >= 20_000 {
            let now = bots[0].look(&handle).await;
            panic!("seed {seed}: the table stands still after {ended} hands: {now}");
        }
        let crash = dice.roll(4_000) == 0;
        if crash {
            handle = world.start().await;
        }
        let mut said = Vec::new();
        for (number, bot) in bots.iter_mut().enumerate() {
            said.push((number, take(bot, &mut watch, &known, &mut dice, tamper)));
        }
        let idle = std::mem::replace(&mut messages, watch.counts.messages) == watch.counts.messages;
        since = if std::mem::replace(&mut ended, watch.counts.hands) == watch.counts.hands {
            since + 1
        } else {
            0
        };
        watch.settle();
        for (at, asks) in said {
            let bot = &mut bots[at];
            for ask in asks {
                bot.send(&handle, ask).await;
            }
            if bot.seat.is_some() && !bot.seated && dice.roll(20) == 0 {
                let seat = bot.seat.map_or(0, u32::from);
                bot.send(&handle, Ask::Sit(pb::Sit { seat, amount: 1_000, permit: Bot::permit() })).await;
            }
            if bot.seated && dice.roll(3_000) == 0 {
                bot.send(&handle, Ask::Leave(pb::Leave {})).await;
            }
            let back = match bot.cursor {
                // Resumes from now, from an earlier offset, or from the beginning.
                Some(pb::Cursor { epoch, offset }) if dice.roll(3) > 0 => {
                    Some(pb::Cursor { epoch, offset: offset.saturating_sub(dice.roll(2) * dice.roll(200)) })
                }
                _ => None,
            };
            if bot.attached.is_none() || crash || (at > 0 && dice.roll(150) == 0) {
                let resume = if at == 0 { bot.cursor } else { back };
                bot.attach(&handle, resume).await;
            }
        }
        // A player who has left is replaced by another, who asks for everything that the first may have seen.
        for bot in &mut bots {
            if bot.left {
                number += 1;
                let (cursor, seat) = (bot.cursor, bot.seat);
                *bot = Bot::new(number, seat);
                let resume =
                    cursor.map(|cursor| pb::Cursor { offset: cursor.offset.saturating_sub(60), ..cursor });
                bot.attach(&handle, resume).await;
            }
        }
        // Virtual time: only due events happen.
        tokio::time::sleep(Duration::from_millis(if idle { 20 } else { 1 })).await;
    }
    if let Some((end, running)) = world.running.take() {
        end.cancel();
        let _ = running.await;
    }
    watch
}
