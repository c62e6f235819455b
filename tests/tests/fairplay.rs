//! Fair play end to end on a real cluster: two players dump chips through the gateway; the program finds them, two
//! reviewers decide, the pair is kept apart and refused vouchers, a refund is paid on chain, and the exit clock runs.
//!
//! Needs the stack of `tests/fairplay.sh`, which runs the fair-play program. Thresholds and the rate of false discoveries are
//! the chart's defaults. The pair plays at several tables at once, and everybody thinks 25 times as fast as a person.

use anyhow::{Context, ensure};
use purr_chain_signer::chain::vault::{encode_finalise_exit, encode_request_exit};
use purr_client::{Session, api::ApiError, wallet::Vault};
use purr_engine::PlayerId;
use purr_fairplay_sim::{Guest, Kind, Pact, Persona};
use purr_protocol::{permit::PermitVersion, withdrawal::Withdrawal};
use purr_tests::{
    Figures, Player, Stack, Table,
    checker::Recorder,
    guest::{GuestMind, Whispers},
    harness::{READY, SOON, run},
    player::Wish,
    until,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime},
};

const TABLES: u64 = 4;
/// Beside the pair, at each table.
const HONEST: u64 = 3;
const BUY_IN: u64 = 100_000_000;
/// The giver buys in again and again.
const DEPOSIT: u64 = 20_000_000_000;
/// Share of the hands that the pair uses.
const SHARE: f64 = 0.5;
const PERSONAS: [Persona; 5] =
    [Persona::Regular, Persona::Station, Persona::Nit, Persona::Maniac, Persona::Tilter];
/// Enough for some 250 hands at each table, on a busy machine.
const FOUND: Duration = Duration::from_secs(1_500);
/// Gateways read the list of players to keep apart every 30 s.
const LISTED: Duration = Duration::from_secs(120);
/// Longer than the exit clock of the stack's vault, which is an hour.
const EXIT_S: u64 = 3_601;
/// Anvil's accounts 7 and 8: two of the vault's three admins.
const ADMINS: [&str; 2] = [
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
];
const NO_SEAT: &str = "there is no seat for you at this table";

fn manifest(n: u64) -> String {
    format!(
        "apiVersion: purr.poker/v1alpha1
kind: PokerTable
metadata: {{name: fair-{n}}}
spec:
  seats: 6
  blinds: {{small: 500000, big: 1000000}}
  buyIn: {{min: 40000000, max: 100000000}}
  clock: {{turnSeconds: 20, timeBankSeconds: 30, disconnectSeconds: 30}}
  settlement: {{maxHands: 10, maxDelaySeconds: 2}}
"
    )
}

/// A person with a wallet.
struct Person {
    session: Session,
    key: [u8; 32],
    address: PlayerId,
}

async fn person(stack: &Stack, deposit: u64) -> anyhow::Result<Person> {
    let (wallet, key) = stack.funded_wallet(deposit).await?;
    let address = wallet.address();
    let session = Session::new(stack.api(), wallet);
    until("the deposit is seen", SOON, || async {
        let token = session.token().await?;
        let balance = session.api().balance(&token.text).await?;
        Ok(Some(()).filter(|()| balance.free == deposit))
    })
    .await?;
    Ok(Person { session, key, address })
}

/// Asks as one of the staff.
async fn staff(who: &Session, path: &str, body: Option<Value>) -> Result<Value, ApiError> {
    who.api().staff(&who.token().await?.text, path, body.as_ref()).await
}

fn is_problem(answer: &Result<Value, ApiError>, status: u16) -> bool {
    answer.as_ref().is_err_and(|error| error.problem().is_some_and(|problem| problem.status == status))
}

fn players(value: &Value) -> BTreeSet<PlayerId> {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// All players: the giver and the receiver at each table, honest players at one table each.
struct Room {
    giver: Person,
    receiver: Person,
    honest: Vec<Person>,
    tables: Vec<Table>,
    givers: Vec<Player>,
    receivers: Vec<Player>,
    others: Vec<Player>,
}

async fn room(stack: &Stack) -> anyhow::Result<Room> {
    let (giver, receiver) = (person(stack, DEPOSIT).await?, person(stack, DEPOSIT).await?);
    let mut room = Room {
        giver,
        receiver,
        honest: Vec::new(),
        tables: Vec::new(),
        givers: Vec::new(),
        receivers: Vec::new(),
        others: Vec::new(),
    };
    let whispers = Whispers::default();
    let gateway = || stack.gateway.clone();
    for n in 0..TABLES {
        let table = Table::apply(stack, &manifest(n), READY).await?;
        let (heard, mut sits) = ((Figures::default(), Recorder::default()), Vec::new());
        for (first, who, other) in [(true, &room.giver, &room.receiver), (false, &room.receiver, &room.giver)]
        {
            let pact = Pact { kind: Kind::Dump, share: SHARE, first, seed: 17 + n };
            let guest = Guest::new(100 + n, Persona::Regular, Some(pact));
            let mind = GuestMind::new(guest, Some((other.address, whispers.clone())));
            let session = who.session.clone();
            sits.push(
                Player::sit_as(session, gateway(), &table.uid, BUY_IN, Box::new(mind), heard.clone()).await?,
            );
        }
        let (receiver, giver) = (sits.pop().context("no receiver")?, sits.pop().context("no giver")?);
        room.givers.push(giver);
        room.receivers.push(receiver);
        for place in 0..HONEST {
            let who = person(stack, DEPOSIT).await?;
            let seed = 1_000 + n * HONEST + place;
            let persona = PERSONAS[usize::try_from(seed)? % PERSONAS.len()];
            let mind = GuestMind::new(Guest::new(seed, persona, None), None);
            let session = who.session.clone();
            room.others.push(
                Player::sit_as(session, gateway(), &table.uid, BUY_IN, Box::new(mind), heard.clone()).await?,
            );
            room.honest.push(who);
        }
        room.tables.push(table);
        eprintln!("table {n} is full");
    }
    Ok(room)
}

/// Waits for a case with both of the pair and nobody else among its members.
async fn found(room: &Room, reviewer: &Session, begun: Instant) -> anyhow::Result<i64> {
    let pair = BTreeSet::from([room.giver.address, room.receiver.address]);
    let last = std::cell::Cell::new(Instant::now());
    let case = until("a case about the pair", FOUND, || async {
        let queue = staff(reviewer, "/v1/integrity/cases?state=open", None).await?;
        if last.get().elapsed() > Duration::from_secs(60) {
            last.set(Instant::now());
            let hands: Vec<u64> = room.receivers.iter().map(|player| player.now().hands).collect();
            let refused: Vec<_> = room.givers.iter().map(|player| player.now().refused).collect();
            eprintln!(
                "{} s: hands {hands:?}, cases {}, {refused:?}",
                begun.elapsed().as_secs(),
                queue["cases"]
            );
        }
        let cases = queue["cases"].as_array().context("no cases")?;
        let ours = cases.iter().find(|case| players(&case["members"]) == pair);
        Ok(ours.cloned())
    })
    .await?;
    eprintln!("case after {} s: {case}", begun.elapsed().as_secs());
    for case in staff(reviewer, "/v1/integrity/cases", None).await?["cases"].as_array().into_iter().flatten()
    {
        let honest: Vec<PlayerId> = room.honest.iter().map(|person| person.address).collect();
        let accused = players(&case["members"]);
        ensure!(!honest.iter().any(|player| accused.contains(player)), "an honest player is accused: {case}");
    }
    case["id"].as_i64().context("no id")
}

/// Looks at the evidence and decides, each reviewer alone.
async fn decide(case: i64, reviewers: &[Session], pair: &[&Person]) -> anyhow::Result<Value> {
    let path = format!("/v1/integrity/cases/{case}");
    let view = staff(&reviewers[0], &path, None).await?;
    ensure!(view["opened"] == 0, "opened before anybody looked: {view}");
    let opened = staff(&reviewers[0], &format!("{path}/evidence/0"), Some(json!({}))).await?;
    ensure!(opened["hasCards"] == true && opened["opened"] == 1, "no cards: {opened}");
    let opinion = json!({
        "action": "holdVouchers", "reasons": "the better hand is folded to one opponent alone, again and again",
        "innocentExplanation": "tilt: but never against the others",
    });
    let give = async |who: &Session| staff(who, &format!("{path}/opinions"), Some(opinion.clone())).await;
    ensure!(is_problem(&give(&pair[0].session).await, 403), "a player reviews");
    give(&reviewers[0]).await?;
    ensure!(is_problem(&give(&reviewers[0]).await, 409), "one reviewer gave two opinions");
    let unseen = staff(&reviewers[1], &path, None).await?;
    ensure!(
        unseen["case"]["opinions"] == json!([]),
        "the second reviewer sees the first one's opinion: {unseen}"
    );
    let decided = give(&reviewers[1]).await?;
    ensure!(
        decided["case"]["state"] == json!({"decided": {"action": "holdVouchers"}}),
        "undecided: {decided}"
    );
    Ok(view)
}

/// The giver leaves a table at which the receiver sits, and is not let in again once the gateways have the list.
async fn kept_apart(stack: &Stack, room: &mut Room) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let uid = room.tables[0].uid.clone();
    let mut giver = room.givers.remove(0);
    loop {
        let left = giver.leave(READY).await?;
        ensure!(left.left, "still there: {left:?}");
        ensure!(begun.elapsed() < LISTED, "not refused in time: {left:?}");
        let mind = GuestMind::new(Guest::new(5, Persona::Nit, None), None);
        let heard = (Figures::default(), Recorder::default());
        let session = room.giver.session.clone();
        giver = Player::sit_as(session, stack.gateway.clone(), &uid, BUY_IN, Box::new(mind), heard).await?;
        let refused = |seen: &BTreeMap<String, u64>| seen.keys().any(|text| text.contains(NO_SEAT));
        let seen = giver
            .sees("a seat or its refusal", SOON, |state| state.seat.is_some() || refused(&state.refused));
        if refused(&seen.await?.refused) {
            return Ok(begun.elapsed());
        }
    }
}

/// Orders the refund of the evidence's hands, and pays it as two admins do, one payment after the other.
async fn refunded(stack: &Stack, case: i64, view: &Value, reviewer: &Session) -> anyhow::Result<u64> {
    let path = format!("/v1/integrity/cases/{case}/refunds");
    let order = json!({ "hands": view["evidence"], "withRake": false });
    let ordered = staff(reviewer, &path, Some(order.clone())).await?;
    let refund = &ordered["refunds"][0];
    let total = refund["refund"]["result"]["total"].as_u64().context("no total")?;
    ensure!(total > 0, "the evidence's hands cost honest players nothing: {refund}");
    ensure!(is_problem(&staff(reviewer, &path, Some(order)).await, 409), "a hand was refunded twice");
    stack.fund_reserve(total).await?;
    let mut paid = 0;
    loop {
        let now = staff(reviewer, &path, None).await?;
        let payments = now["refunds"][0]["payments"].as_array().context("no payments")?.clone();
        let Some(due) = payments.iter().find(|payment| payment["tx"].is_null()) else { break };
        let (to, amount) = (due["player"].as_str().context("no player")?, &due["amount"]);
        let (player, amount): (PlayerId, u64) = (to.parse()?, amount.as_u64().context("no amount")?);
        let before = stack.tokens_of(player.0).await?;
        let data = due["call"]["data"].as_str().context("no call")?.trim_start_matches("0x");
        let data = hex::decode(data)?;
        for admin in ADMINS {
            ensure!(stack.tokens_of(player.0).await? == before, "one admin is enough");
            stack.send(hex::decode(admin)?.try_into().map_err(|_| anyhow::anyhow!("a key"))?, &data).await?;
        }
        ensure!(stack.tokens_of(player.0).await? == before + amount, "not paid to the last unit");
        paid += amount;
        // Announced only when the ledger has the chain's event.
        until("the ledger has the payment", SOON, || async {
            let now = staff(reviewer, &path, None).await?;
            let payments = now["refunds"][0]["payments"].as_array().context("no payments")?;
            let payment = payments.iter().find(|payment| payment["player"] == json!(player));
            Ok(payment.filter(|payment| payment["tx"].is_string()).map(drop))
        })
        .await?;
    }
    ensure!(paid == total, "{paid} of {total} paid");
    until("ledger and chain agree", READY, || async {
        Ok(stack.reconciliation().await?.agree.then_some(()))
    })
    .await?;
    Ok(total)
}

/// Vouchers are held; the clock of the contract is the player's own all the same.
async fn exits(stack: &Stack, who: &Person, already: u64) -> anyhow::Result<u64> {
    let config = stack.api().config().await?;
    let vault = Vault { chain_id: config.chain_id, address: stack.vault, permits: PermitVersion::NamedSeat };
    let deadline_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() + 600;
    let signature = who.session.wallet().withdraw_request(&vault, 1, 1, deadline_s)?;
    let token = who.session.token().await?;
    let held = who
        .session
        .api()
        .withdraw(&token.text, &Withdrawal { amount: 1, nonce: 1, deadline_s, signature })
        .await;
    ensure!(is_problem(&held, 409), "a voucher in spite of the hold: {held:?}");
    let free = stack.free_on_chain(who.address.0).await?;
    ensure!(free > 0, "nothing to exit with");
    stack.send(who.key, &encode_request_exit()).await?;
    let early = stack.send(who.key, &encode_finalise_exit(who.address.0)).await;
    ensure!(early.is_err(), "the exit did not wait for the player's clock");
    stack.pass_time(EXIT_S).await?;
    stack.send(who.key, &encode_finalise_exit(who.address.0)).await?;
    let got = stack.tokens_of(who.address.0).await? - already;
    ensure!(got == free, "{got} of {free} came out");
    Ok(got)
}

#[test]
#[ignore = "needs the stack of tests/fairplay.sh"]
fn a_dumper_pair_is_found_decided_on_kept_apart_and_refunded_and_its_exit_clock_still_runs() {
    run(|stack| async move {
        let reviewers = stack.reviewers()?;
        ensure!(reviewers.len() == 2, "want two reviewers");
        let mut room = room(stack).await?;
        let begun = Instant::now();
        let case = found(&room, &reviewers[0], begun).await?;
        let hands: Vec<u64> = room.receivers.iter().map(|player| player.now().hands).collect();
        eprintln!("found after {} s and hands {hands:?}", begun.elapsed().as_secs());
        let view = decide(case, &reviewers, &[&room.giver, &room.receiver]).await?;
        let apart = kept_apart(stack, &mut room).await?;
        eprintln!("kept apart {} s after the decision", apart.as_secs());

        // Seated players play on; then the pair and all others leave in order, and the books agree.
        let all = room.givers.drain(..).chain(room.receivers.drain(..)).chain(room.others.drain(..));
        let all: Vec<Player> = all.collect();
        all.iter().for_each(|player| player.wish(Wish::Leave));
        for player in all {
            let left = player.ended(READY).await?;
            ensure!(left.left && left.deals_wrong.is_empty(), "not left in order: {left:?}");
        }
        until("all chips are free again", READY, || async {
            let token = room.giver.session.token().await?;
            let balance = room.giver.session.api().balance(&token.text).await?;
            let on_chain = stack.free_on_chain(room.giver.address.0).await?;
            Ok(Some(())
                .filter(|()| balance.seated.is_empty() && balance.reserved == 0 && balance.free == on_chain))
        })
        .await?;
        let total = refunded(stack, case, &view, &reviewers[0]).await?;
        eprintln!("refunded {total} minor units, paid by two admins and in the ledger");
        let already = stack.tokens_of(room.giver.address.0).await?;
        let out = exits(stack, &room.giver, already).await?;
        eprintln!("exited with {out} minor units while vouchers are held");
        for table in &room.tables {
            stack.kubectl(&["delete", "ptable", &table.name, "--wait=false"]).await?;
        }
        Ok(())
    });
}
