//! The rules of the room: nobody holds a seat, time or the deal for nothing, and the rake is always covered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use k256::ecdsa::SigningKey;
use purr_engine::{PlayerId, RakeCap, RakeConfig, SeatIndex, Table, TableConfig, deal::commitment};
use purr_protocol::{
    ChatRule, RoomRules, TableSpec,
    pb::{self, ErrorCode, StoodUpCause, client_message::Body as Ask, event::Kind, server_message::Body},
    permit::{Domain, PermitDomain, PermitFor, PermitVersion, address_of},
    settlement::{EntryBody, Notice, NoticeState, Permit, Reserve},
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, State, Step};
use std::sync::Arc;

const S: u64 = 1_000;
const REVEAL_MS: u64 = 500;
/// Permits of the first vaults, which name no seat.
const AT: PermitDomain = PermitDomain {
    domain: Domain { chain_id: 1, vault: [0x22; 20] },
    table_id: [7; 32],
    version: PermitVersion::AnySeat,
};

/// A rake of 5 % of the pot, at most 30.
fn raked() -> RakeConfig {
    RakeConfig { basis_points: 500, caps: vec![RakeCap { players: 2, amount: 30 }], no_flop_no_drop: true }
}

/// A player with a key.
pub(super) struct Person {
    key: SigningKey,
    pub(super) player: PlayerId,
}

impl Person {
    fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number + 1; 32]).unwrap();
        Self { player: address_of(key.verifying_key()), key }
    }

    fn permit(&self, at: &PermitDomain, amount: u64, max_total_rake: u64, expiry_s: u64) -> pb::Permit {
        let permit = Permit { amount, max_total_rake, expiry_s, nonce: 1, signature: String::new() };
        let what = PermitFor::Sit(SeatIndex(0));
        let digest = at.domain.seat_permit(at.version, &at.table_id, what, self.player, &permit);
        let (signature, id) = self.key.sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + id.to_byte());
        pb::Permit { amount, max_total_rake, expiry_s, nonce: 1, signature: bytes }
    }
}

/// A table with its players, a scripted signer, and a chain that accepts everything.
pub(super) struct Game {
    pub(super) core: Core,
    spec: TableSpec,
    epoch: u64,
    pub(super) now: u64,
    id: u64,
    notice: u64,
    pub(super) people: Vec<Person>,
}

fn core(spec: &TableSpec, epoch: u64, state: State) -> Core {
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
    let pace = Pace { hand_gap_ms: S, reveal_ms: REVEAL_MS };
    let mut core = Core::new(epoch, spec.clone(), state, sealer, pace).with_permits(Some(AT));
    core.tell_time(1_000);
    core
}

impl Game {
    fn new(rake: RakeConfig, room: RoomRules) -> Self {
        let mut spec = common::spec("room", TableConfig { rake, ..common::CONFIG });
        spec.room = room;
        let core = core(&spec, 1, State::new(Table::new(spec.engine.clone()).unwrap()));
        let people = (0..10).map(Person::new).collect();
        Self { core, spec, epoch: 1, now: 0, id: 0, notice: 0, people }
    }

    /// A table with this many seated players.
    pub(super) fn seated(players: u8, rake: RakeConfig, room: RoomRules) -> Self {
        let mut game = Self::new(rake, room);
        for seat in 0..players {
            game.sit(seat, seat, 1_000);
        }
        game
    }

    fn input(&mut self, input: Input) -> Step {
        self.core.handle(self.now, input)
    }

    pub(super) fn say(&mut self, who: u8, body: Ask) -> Step {
        self.id += 1;
        let (id, player) = (self.id, self.people[usize::from(who)].player);
        self.input(Input::Message {
            connection: 1,
            player,
            message: pb::ClientMessage { id, body: Some(body) },
        })
    }

    fn ask_seat(&mut self, who: u8, seat: u8, permit: pb::Permit) -> Step {
        let amount = permit.amount;
        self.say(who, Ask::Sit(pb::Sit { seat: seat.into(), amount, permit: Some(permit) }))
    }

    fn good(&self, who: u8, amount: u64) -> pb::Permit {
        self.people[usize::from(who)].permit(&AT, amount, 30, 5_000)
    }

    /// The signer answers the requests of the step.
    fn answer(&mut self, asked: Step, refused: Option<&str>) -> Step {
        let (connection, id, request): (u64, u64, Reserve) = asked.reserve.into_iter().next().unwrap();
        let refused = refused.map(str::to_owned);
        self.input(Input::Reserved { connection, id, request: Box::new(request), refused })
    }

    /// The signer accepts and the chain confirms everything so far.
    fn confirm(&mut self) -> Step {
        let seq = self.core.state().sequence;
        self.notice += 1;
        let (id, state) = (self.notice, NoticeState::Confirmed);
        self.input(Input::Accepted { through: seq });
        self.input(Input::Notices(vec![Notice {
            id,
            seq_from: 1,
            seq_to: seq,
            state,
            tx_hash: String::new(),
        }]))
    }

    fn sit_with(&mut self, who: u8, seat: u8, permit: pb::Permit) {
        let asked = self.ask_seat(who, seat, permit);
        assert_eq!(refusal(&asked), None);
        self.answer(asked, None);
        self.confirm();
        let player = self.people[usize::from(who)].player;
        self.input(Input::Connected { player });
    }

    fn sit(&mut self, who: u8, seat: u8, amount: u64) {
        let permit = self.people[usize::from(who)].permit(&AT, amount, 1_000, 5_000);
        self.sit_with(who, seat, permit);
    }

    /// A tick at the next time that one is due, at the latest at `until`.
    pub(super) fn tick(&mut self, until: u64) -> Step {
        self.now = self.core.next_deadline().unwrap_or(until).clamp(self.now, until);
        self.input(Input::Tick { seed: [u8::try_from(self.now % 251).unwrap(); 32] })
    }

    /// The player to act checks or folds, until this time.
    fn fold_until(&mut self, until: u64) -> Vec<Kind> {
        let mut told = Vec::new();
        while self.now < until {
            let step = match self.core.state().table.to_act() {
                Some(seat) => self.act(seat, pb::ActionKind::Fold, 0),
                None => self.tick(until),
            };
            told.extend(kinds(&step));
            self.confirm();
        }
        told
    }

    pub(super) fn act(&mut self, seat: SeatIndex, kind: pb::ActionKind, amount: u64) -> Step {
        let player = self.core.state().table.seat(seat).unwrap().player;
        let who = self.people.iter().position(|person| person.player == player).unwrap();
        let hand = self.core.state().table.hand().unwrap().number;
        self.now += 100;
        self.say(
            u8::try_from(who).unwrap(),
            Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None }),
        )
    }

    /// Another process takes the table over, from the stored state.
    fn take_over(&mut self) {
        let state = serde_json::from_slice(&serde_json::to_vec(self.core.state()).unwrap()).unwrap();
        self.epoch += 1;
        self.core = core(&self.spec, self.epoch, state);
        self.now = 0;
        self.core.restart(0, Vec::new());
        for player in self.people.iter().map(|person| person.player).collect::<Vec<_>>() {
            self.input(Input::Connected { player });
        }
    }

    fn occupied(&self) -> Vec<u8> {
        (0..6).filter(|seat| self.core.state().table.seat(SeatIndex(*seat)).is_some()).collect()
    }

    fn sits_out(&self, seat: u8) -> bool {
        self.core.state().table.seat(SeatIndex(seat)).unwrap().sitting_out
    }

    fn rake_left(&self, seat: u8) -> u64 {
        self.core.state().table.seat(SeatIndex(seat)).unwrap().rake_left.unwrap()
    }
}

pub(super) fn kinds(step: &Step) -> Vec<Kind> {
    let shown =
        step.shown.as_ref().and_then(|shown| shown.for_player(PlayerId([0xff; 20]))).unwrap_or_default();
    shown.events.into_iter().filter_map(|event| event.kind).collect()
}

pub(super) fn refusal(step: &Step) -> Option<ErrorCode> {
    step.replies.iter().find_map(|(_, body)| match body {
        Body::Error(error) => Some(error.code()),
        _ => None,
    })
}

pub(super) fn retry_after(step: &Step) -> u64 {
    let error = step.replies.iter().find_map(|(_, body)| match body {
        Body::Error(error) => error.retry_after_ms,
        _ => None,
    });
    error.unwrap()
}

fn sit_out() -> Ask {
    Ask::SitOut(pb::SitOut {})
}

fn sit_in() -> Ask {
    Ask::SitIn(pb::SitIn { post: false })
}

fn leave() -> Ask {
    Ask::Leave(pb::Leave {})
}

const RULES: RoomRules = RoomRules {
    sit_out_max_ms: 600 * S,
    sit_out_max_big_blinds: 3,
    hold_ms: 10 * S,
    hold_cool_down_ms: 5 * S,
    rejoin_cool_down_ms: 30 * S,
    cool_down_max_ms: 3_600 * S,
    short_stay_hands: 10,
    rabbit_hunt: false,
    chat: ChatRule::Off,
};

#[test]
fn a_table_of_players_who_sit_out_is_empty_after_the_longest_time() {
    let mut game = Game::seated(6, common::RAKE_FREE, RULES);
    for who in 0..6 {
        game.say(who, sit_out());
    }
    assert_eq!(game.core.next_deadline(), Some(600 * S), "the table wakes up for it by itself");
    game.tick(599 * S);
    assert_eq!(game.occupied().len(), 6);
    let told = kinds(&game.tick(u64::MAX));
    let stood_up = Kind::StoodUp(pb::StoodUp { seat: 3, cause: StoodUpCause::Time.into() });
    assert!(told.contains(&stood_up), "{told:?}");
    assert_eq!(game.occupied(), [0; 0]);
    let cashed_out = game.core.state().outbox.iter().filter_map(|entry| match entry.body {
        EntryBody::Leave { stack, .. } => Some(stack),
        _ => None,
    });
    assert_eq!(cashed_out.sum::<u64>(), 6_000);
    assert_eq!(game.core.next_deadline(), None);
}

#[test]
fn sitting_in_for_a_moment_does_not_start_the_time_anew_and_a_hand_does() {
    // Alone at the table, so that nobody is dealt in.
    let mut game = Game::seated(1, common::RAKE_FREE, RULES);
    for minute in 1..=4 {
        game.say(0, sit_out());
        game.now = minute * 149 * S;
        game.tick(game.now);
        game.say(0, sit_in());
    }
    assert_eq!(game.occupied(), [0]);
    game.say(0, sit_out());
    game.tick(u64::MAX);
    assert_eq!((game.now, game.occupied()), (600 * S, vec![]));

    let mut game = Game::seated(2, common::RAKE_FREE, RULES);
    game.say(0, sit_out());
    game.tick(590 * S);
    game.say(0, sit_in());
    game.fold_until(610 * S);
    game.say(0, sit_out());
    game.fold_until(1_000 * S);
    assert_eq!(game.occupied(), [0, 1]);
}

#[test]
fn time_sat_out_goes_on_over_a_take_over_and_not_while_the_table_stood_still() {
    let mut game = Game::seated(1, common::RAKE_FREE, RULES);
    game.say(0, sit_out());
    game.now = 400 * S;
    game.input(Input::Drain { delete: false });
    game.take_over();
    assert_eq!(game.core.next_deadline(), Some(200 * S));
    game.now = 150 * S;
    game.input(Input::Stalled { since: 50 * S });
    assert_eq!(game.core.next_deadline(), Some(300 * S));
    game.tick(u64::MAX);
    assert_eq!(game.occupied(), [0; 0]);
}

#[test]
fn whoever_has_missed_the_big_blinds_of_the_rule_is_stood_up_between_two_hands() {
    let mut game = Game::seated(4, common::RAKE_FREE, RULES);
    game.fold_until(5 * S);
    game.say(3, sit_out());
    let told = game.fold_until(60 * S);
    let at = told.iter().position(|kind| matches!(kind, Kind::StoodUp(up) if up.seat == 3)).unwrap();
    let Kind::StoodUp(up) = &told[at] else { panic!() };
    assert_eq!(up.cause(), StoodUpCause::BigBlinds);
    assert_eq!(game.occupied(), [0, 1, 2]);
    let hands = told[..at].iter().filter(|kind| matches!(kind, Kind::HandEnded(_))).count();
    // The big blind passes once in three hands.
    assert!((6..=10).contains(&hands), "{hands}");
}

#[test]
fn no_seat_is_held_for_a_permit_that_the_vault_would_refuse() {
    let mut game = Game::new(common::RAKE_FREE, RULES);
    let good = game.good(0, 500);
    let mut high_s = good.clone();
    high_s.signature[32..64].copy_from_slice(&[0xff; 32]);
    let elsewhere = PermitDomain { table_id: [8; 32], ..AT };
    let other_chain = PermitDomain { domain: Domain { chain_id: 2, ..AT.domain }, ..AT };
    let other_vault = PermitDomain { domain: Domain { vault: [3; 20], ..AT.domain }, ..AT };
    let person = &game.people[0];
    let bad = [
        ("zeros", pb::Permit { signature: vec![0; 65], ..good.clone() }),
        ("short", pb::Permit { signature: vec![1; 64], ..good.clone() }),
        ("none", pb::Permit { signature: Vec::new(), ..good.clone() }),
        ("high s", high_s),
        ("another's", game.people[1].permit(&AT, 500, 30, 5_000)),
        ("expired", person.permit(&AT, 500, 30, 1_000)),
        ("another table's", person.permit(&elsewhere, 500, 30, 5_000)),
        ("another chain's", person.permit(&other_chain, 500, 30, 5_000)),
        ("another vault's", person.permit(&other_vault, 500, 30, 5_000)),
        ("of other terms", pb::Permit { nonce: 2, ..good.clone() }),
    ];
    for (which, permit) in bad {
        let step = game.ask_seat(0, 0, permit);
        assert_eq!((refusal(&step), step.reserve.len()), (Some(ErrorCode::Permit), 0), "{which}");
        assert!(game.core.drain_status().seated == 0);
    }
    // The seat is free for a player with a valid permit, and the player may try again.
    let permit = game.good(1, 500);
    assert_eq!(game.ask_seat(1, 0, permit).reserve.len(), 1);
    assert_eq!(game.ask_seat(0, 1, good).reserve.len(), 1);
}

#[test]
fn six_keys_without_a_coin_hold_seats_for_the_holds_time_at_most_while_the_signer_is_away() {
    let mut game = Game::new(common::RAKE_FREE, RULES);
    let mut asked = Vec::new();
    for who in 0..6 {
        let permit = game.good(who, 500);
        asked.push(game.ask_seat(who, who, permit));
    }
    let permit = game.good(6, 500);
    assert_eq!(refusal(&game.ask_seat(6, 0, permit.clone())), Some(ErrorCode::Refused), "held");
    assert_eq!(game.core.next_deadline(), Some(10 * S));
    let ended = game.tick(u64::MAX);
    let codes: Vec<_> = ended
        .replies
        .iter()
        .map(|(_, body)| {
            matches!(body, Body::Error(error)
        if error.code() == ErrorCode::Unavailable && error.retry_after_ms == Some(5 * S))
        })
        .collect();
    assert_eq!(codes, [true; 6]);
    // The seat is free for another player, and the signer's late answer takes it from nobody.
    let step = game.ask_seat(6, 0, permit);
    game.answer(step, None);
    game.confirm();
    let late = game.answer(asked.swap_remove(0), None);
    assert!(late.replies.is_empty() && late.entries.is_empty());
    assert_eq!(game.occupied(), [0]);
    // One hold per player; after an unused one there is a cool-down, and it grows.
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let permit = game.good(1, 500);
        let step = game.ask_seat(1, 1, permit.clone());
        assert_eq!(refusal(&step), Some(ErrorCode::CoolDown));
        pauses.push(retry_after(&step));
        game.take_over();
        game.now = retry_after(&step);
        let step = game.ask_seat(1, 1, permit);
        assert_eq!(step.reserve.len(), 1, "the pause goes on over a take-over, and ends");
        let refused = game.answer(step, Some("no chips"));
        assert_eq!(refusal(&refused), Some(ErrorCode::Funds));
    }
    assert_eq!(pauses, [5 * S, 10 * S, 20 * S, 40 * S]);
}

#[test]
fn top_ups_for_nothing_have_the_same_pause_and_do_not_hold_up_a_drain() {
    let mut game = Game::seated(2, common::RAKE_FREE, RULES);
    game.tick(u64::MAX);
    let loser = game.core.state().table.to_act().unwrap();
    game.act(loser, pb::ActionKind::Fold, 0);
    game.confirm();
    let at = loser.0;
    let top_up = |game: &mut Game| {
        let permit = Some(game.good(at, 1));
        game.say(at, Ask::TopUp(pb::TopUp { amount: 1, permit }))
    };
    let asked = top_up(&mut game);
    game.answer(asked, Some("no chips"));
    let again = top_up(&mut game);
    assert_eq!((refusal(&again), again.reserve.len()), (Some(ErrorCode::CoolDown), 0));
    game.now += 5 * S;
    game.input(Input::Drain { delete: false });
    assert_eq!(refusal(&top_up(&mut game)), Some(ErrorCode::Draining));
}

#[test]
fn sitting_down_and_leaving_in_a_loop_costs_the_house_a_bounded_number_of_settlements() {
    let mut game = Game::new(common::RAKE_FREE, RULES);
    let (mut elapsed, mut settlements) = (0, 0);
    while elapsed < 24 * 3_600 * S && settlements < 1_000 {
        let permit = game.good(0, 500);
        let step = game.ask_seat(0, 0, permit);
        if refusal(&step) == Some(ErrorCode::CoolDown) {
            // The cool-down survives a take-over.
            game.take_over();
            game.now = retry_after(&step);
            elapsed += game.now;
            continue;
        }
        game.answer(step, None);
        game.confirm();
        game.say(0, leave());
        game.confirm();
        settlements += 2;
    }
    // 30 s, 1 min, … 32 min, then an hour each time.
    assert!((40..=70).contains(&settlements), "{settlements}");
}

#[test]
fn top_ups_in_small_parts_without_a_hand_between_cost_the_house_a_bounded_number_of_settlements() {
    let mut game = Game::new(common::RAKE_FREE, RULES);
    let permit = game.good(0, 200);
    game.sit_with(0, 0, permit);
    let (mut elapsed, mut settlements) = (0, 0);
    while elapsed < 24 * 3_600 * S && settlements < 500 {
        let permit = Some(game.good(0, 1));
        let step = game.say(0, Ask::TopUp(pb::TopUp { amount: 1, permit }));
        if refusal(&step) == Some(ErrorCode::CoolDown) {
            let wait = retry_after(&step);
            elapsed += wait;
            game.now += wait;
            continue;
        }
        assert_eq!(refusal(&step), None);
        game.answer(step, None);
        game.confirm();
        settlements += 1;
    }
    assert!((20..=50).contains(&settlements), "{settlements}");
}

#[test]
fn whoever_has_played_some_hands_may_come_back_at_once() {
    let mut game = Game::seated(2, common::RAKE_FREE, RULES);
    let mut hands = 0;
    while hands < 10 {
        let until = game.now + S;
        hands += game.fold_until(until).iter().filter(|kind| matches!(kind, Kind::HandEnded(_))).count();
    }
    game.say(0, leave());
    let until = game.now + 5 * S;
    game.fold_until(until);
    assert_eq!(game.occupied(), [1]);
    let permit = game.good(0, 500);
    assert_eq!(game.ask_seat(0, 0, permit).reserve.len(), 1);
}

/// Checks or calls, and with the dice raises.
fn play(game: &mut Game, dice: &mut common::Dice) -> Vec<Kind> {
    let at = game.core.state().table.to_act().unwrap();
    let legal = game.core.state().table.legal_actions(at).unwrap();
    let step = match legal.raise_to.filter(|_| dice.roll(4) == 0) {
        Some((min, max)) => {
            let to = min + dice.roll((max - min) / 3 + 1);
            game.act(at, pb::ActionKind::RaiseTo, to)
        }
        None if legal.check => game.act(at, pb::ActionKind::Check, 0),
        None => game.act(at, pb::ActionKind::Call, 0),
    };
    assert_eq!(refusal(&step), None);
    kinds(&step)
}

fn check_down(game: &mut Game) -> Vec<Kind> {
    let at = game.core.state().table.to_act().unwrap();
    let check = game.core.state().table.legal_actions(at).unwrap().check;
    kinds(&game.act(at, if check { pb::ActionKind::Check } else { pb::ActionKind::Call }, 0))
}

#[test]
fn whose_permits_do_not_cover_the_next_hands_rake_is_asked_for_one_and_not_dealt_in_until_then() {
    let mut game = Game::new(raked(), RULES);
    // One permit covers the rake of exactly one hand.
    let short = 0;
    for seat in 0..3 {
        let rake = if seat == short { 30 } else { 1_000 };
        let permit = game.people[usize::from(seat)].permit(&AT, 1_000, rake, 5_000);
        game.sit_with(seat, seat, permit);
    }
    // The first raked pot that the seat wins leaves it with less than the cap.
    let mut dice = common::Dice(1);
    let won = (0..2_000).any(|_| {
        match game.core.state().table.hand().is_some() {
            true => drop(check_down(&mut game)),
            false => drop(game.tick(game.now + S)),
        }
        game.core.state().table.hand().is_none() && game.rake_left(short) < 30
    });
    assert!(won);
    let told = kinds(&game.tick(u64::MAX));
    let rake_left = game.rake_left(short);
    let needed = Kind::PermitNeeded(pb::PermitNeeded { seat: short.into(), rake_left, rake_min: 30 });
    assert!(told.contains(&needed), "{told:?}");
    assert!(game.sits_out(short));
    let hand = game.core.state().table.hand().unwrap();
    assert!(hand.player(SeatIndex(short)).is_none() && hand.players().count() == 2);
    assert_eq!(refusal(&game.say(short, sit_in())), Some(ErrorCode::Rake));
    // The minimum top-up is enough, even for a stack that may not grow otherwise.
    let (chair, player) = (SeatIndex(short), game.people[usize::from(short)].player);
    let missing = 1_000_u64.saturating_sub(game.core.state().table.seat(chair).unwrap().stack);
    if missing > 0 {
        let permit = Permit {
            amount: missing,
            max_total_rake: 0,
            expiry_s: 5_000,
            nonce: 9,
            signature: String::new(),
        };
        let request = Box::new(Reserve { epoch: 1, seat: chair, player, permit, top_up: true });
        game.input(Input::Reserved { connection: 1, id: 1 << 40, request, refused: None });
        game.confirm();
    }
    let permit = Some(game.people[usize::from(short)].permit(&AT, 1, 100, 5_000));
    let asked = game.say(short, Ask::TopUp(pb::TopUp { amount: 1, permit }));
    game.answer(asked, None);
    assert_eq!(refusal(&game.say(short, sit_in())), Some(ErrorCode::Rake), "the chain may still refuse it");
    game.confirm();
    assert_eq!(refusal(&game.say(short, sit_in())), None);
    let back = (0..200).any(|_| {
        match game.core.state().table.hand().is_some() {
            true => drop(play(&mut game, &mut dice)),
            false => drop(game.tick(game.now + S)),
        }
        game.core.state().table.hand().is_some_and(|hand| hand.player(SeatIndex(short)).is_some())
    });
    assert!(back, "dealt in again");
}

#[test]
fn every_hand_is_raked_in_full_and_only_its_winners_permits_pay() {
    let mut game = Game::new(raked(), RULES);
    for seat in 0..4 {
        let permit = game.people[usize::from(seat)].permit(&AT, 1_000, 30 + 20 * u64::from(seat), 5_000);
        game.sit_with(seat, seat, permit);
    }
    let mut dice = common::Dice(7);
    let (mut hands, mut asked, mut raked) = (0, 0, 0);
    let left = |game: &Game| -> Vec<u64> { (0..4).map(|seat| game.rake_left(seat)).collect() };
    let mut before = left(&game);
    let mut won = 0;
    for _ in 0..12_000 {
        let told = match game.core.state().table.hand().is_some() {
            true => play(&mut game, &mut dice),
            false => kinds(&game.tick(game.now + S)),
        };
        for kind in told {
            match kind {
                Kind::PotWon(pot) => won += pot.amount,
                Kind::HandEnded(end) => {
                    let flop = end.rake > 0;
                    let pot = won + end.rake;
                    won = 0;
                    if flop {
                        assert_eq!(end.rake, purr_engine::rake::rake(&game.spec.engine.rake, pot, 4, true));
                        raked += 1;
                    }
                    let after = left(&game);
                    let best = end.results.iter().map(|result| result.delta).max().unwrap();
                    for result in &end.results {
                        let at = usize::try_from(result.seat).unwrap();
                        let paid = before[at] - after[at];
                        assert!(paid == 0 || result.delta == best || result.delta > 0, "{end:?}: {paid}");
                    }
                    hands += 1;
                }
                Kind::PermitNeeded(_) => asked += 1,
                _ => {}
            }
        }
        // Players without chips or permit get them, and return.
        for seat in 0..4 {
            let chair = *game.core.state().table.seat(SeatIndex(seat)).unwrap();
            if game.core.state().table.hand().is_none() && chair.sitting_out {
                let amount = if chair.stack < 200 { 500 } else { 1 };
                if chair.stack < 200 || game.rake_left(seat) < 30 {
                    let permit = Some(game.people[usize::from(seat)].permit(&AT, amount, 60, 5_000));
                    let step = game.say(seat, Ask::TopUp(pb::TopUp { amount, permit }));
                    assert_eq!(refusal(&step), None);
                    game.answer(step, None);
                }
                game.confirm();
                assert_eq!(refusal(&game.say(seat, Ask::SitIn(pb::SitIn { post: true }))), None);
            }
        }
        game.confirm();
        before = left(&game);
    }
    assert!(hands > 400 && asked > 5 && raked > 100, "{hands} {asked} {raked}");
}

/// A table of two, one of whom tries to keep it from dealing. It succeeds for 40 s at most.
#[test]
fn committing_without_revealing_and_sitting_out_between_root_and_cards_does_not_keep_hands_from_being_dealt()
{
    let mut game = Game::seated(2, common::RAKE_FREE, RULES);
    let entropy = |who: u8, hand: u64| [who * 64 + u8::try_from(hand % 64).unwrap(); 32];
    let mut next = 1;
    let (mut seen, mut told) = (0, Vec::new());
    while game.now < 40 * S {
        let state = game.core.state();
        let dealing = game.core.snapshot_for(game.people[0].player).dealing;
        let step = if let Some(deal) = dealing {
            if seen != deal.hand {
                seen = deal.hand;
                let entropy = entropy(0, next).to_vec();
                game.say(0, Ask::RevealEntropy(pb::RevealEntropy { hand: deal.hand, entropy }));
                assert_eq!(refusal(&game.say(1, sit_out())), None);
            }
            game.tick(40 * S)
        } else if let Some(seat) = state.table.to_act() {
            game.act(seat, pb::ActionKind::Fold, 0)
        } else {
            next += 1;
            seen = 0;
            game.say(1, Ask::SitIn(pb::SitIn { post: true }));
            for who in 0..2 {
                let commitment = commitment(&entropy(who, next)).to_vec();
                game.say(who, Ask::CommitEntropy(pb::CommitEntropy { commitment }));
            }
            game.tick(40 * S)
        };
        told.extend(kinds(&step));
        game.confirm();
    }
    let hands = told.iter().filter(|kind| matches!(kind, Kind::HandEnded(_))).count();
    let state = game.core.state();
    assert!(hands >= 15, "{hands}");
    assert_eq!((state.deals_void, state.faults.void_too_few_players), (0, 0));
    // The void is counted by its cause, and the seat is named.
    assert_eq!(state.faults.withheld_silent, state.withheld_total);
    let named = told.iter().filter(|kind| {
        matches!(kind, Kind::EntropyWithheld(withheld)
            if withheld.seat == 1 && withheld.cause() == pb::WithheldCause::Silent)
    });
    assert_eq!(named.count() as u64, state.withheld_total);
}

/// Three players, and the deal's root is published; one has committed.
fn dealing() -> Game {
    let mut game = Game::seated(3, common::RAKE_FREE, RULES);
    let commitment = commitment(&[1; 32]).to_vec();
    game.say(0, Ask::CommitEntropy(pb::CommitEntropy { commitment }));
    let told = kinds(&game.tick(u64::MAX));
    assert!(
        told.iter().any(|kind| matches!(kind, Kind::Deal(_))) && game.core.state().table.hand().is_none()
    );
    game
}

fn dealt_in(game: &Game) -> Vec<u8> {
    game.core.state().table.hand().unwrap().players().map(|(seat, _)| seat.0).collect()
}

#[test]
fn who_leaves_or_exits_on_chain_once_the_root_is_published_is_dealt_in_and_leaves_after_the_hand() {
    let mut game = dealing();
    let step = game.say(1, leave());
    assert!(kinds(&step).contains(&Kind::Leaving(pb::Leaving { seat: 1 })));
    let seen: Vec<bool> =
        game.core.snapshot_for(PlayerId([0xff; 20])).seats.iter().map(|s| s.leaving).collect();
    assert_eq!(seen, [false, true, false]);
    assert_eq!(refusal(&game.say(1, sit_in())), Some(ErrorCode::Refused));
    let seq = game.core.state().sequence;
    game.notice += 1;
    let (id, state) = (game.notice, NoticeState::Exit(game.people[2].player));
    game.input(Input::Notices(vec![Notice {
        id,
        seq_from: seq,
        seq_to: seq,
        state,
        tx_hash: String::new(),
    }]));
    assert_eq!(game.occupied(), [0, 1, 2]);
    game.tick(u64::MAX);
    assert_eq!(dealt_in(&game), [0, 1, 2]);
    let until = game.now + 2 * S;
    game.fold_until(until);
    assert_eq!((game.occupied(), game.core.state().deals_void), (vec![0], 0));
}

#[test]
fn a_wish_to_sit_out_during_the_deal_can_be_taken_back_and_outlives_a_take_over() {
    let mut game = dealing();
    game.say(1, sit_out());
    assert_eq!(refusal(&game.say(1, sit_out())), Some(ErrorCode::Refused));
    assert_eq!(refusal(&game.say(1, sit_in())), None);
    game.say(2, sit_out());
    game.take_over();
    game.tick(u64::MAX);
    assert_eq!(dealt_in(&game), [0, 1, 2]);
    assert_eq!((game.sits_out(1), game.sits_out(2)), (false, true));
}

#[test]
fn a_snapshot_of_the_release_before_is_read() {
    let mut game = Game::seated(2, common::RAKE_FREE, RULES);
    game.tick(u64::MAX);
    assert!(game.core.state().table.to_act().is_some());
    let mut json = serde_json::to_value(game.core.state()).unwrap();
    // Zero values are left out, as in that release: there is nothing else to remove from seats, turn and counts.
    assert!(json.as_object_mut().unwrap().remove("room").is_some());
    let clock = json["table"]["config"]["clock"].as_object_mut().unwrap();
    for field in ["reconnectGraceMs", "disconnectTotalMs"] {
        clock.remove(field).unwrap();
    }
    assert!(json["table"]["config"].as_object_mut().unwrap().remove("house").is_some());
    assert!(json["table"].as_object_mut().unwrap().remove("last").is_some());
    for field in ["pushed", "last_before", "missed"] {
        assert!(json["table"]["hand"].as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    for field in ["started_at_ms", "timings"] {
        assert!(json["deal"].as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    let text = json.to_string();
    let later = ["faults", "after_deal", "disconnect_ms", "away", "away_ms", "grace_ms", "house"];
    assert!(later.iter().all(|field| !text.contains(&format!("\"{field}\""))), "{text}");
    let state: State = serde_json::from_value(json).unwrap();
    game.core = core(&game.spec, 2, state);
    game.now = 0;
    game.core.restart(0, Vec::new());
    // Players who were seated before do not count as short stays.
    game.say(0, leave());
    game.fold_until(60 * S);
    assert_eq!(game.occupied(), [1]);
    let permit = game.good(0, 500);
    assert_eq!(game.ask_seat(0, 0, permit).reserve.len(), 1);
}
