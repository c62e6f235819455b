//! Rollouts on a real cluster while players play: nobody waits, nothing is void, and what cannot run stops by itself.
//!
//! Needs the stack of `tests/stack.sh` with two nodes (`PURR_NODES=2`); `make rollout` brings it up. PURR_ROLLOUT_TABLES is
//! the number of tables (default 6). Every test prints what it measured, and the machine's load beside it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use anyhow::{Context, ensure};
use purr_client::Session;
use purr_tests::{
    Figures, Game, Player, Stack, Table,
    checker::Recorder,
    harness::{READY, SOON, named, run},
    player::Wish,
    table::condition,
    until,
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const FLEET: &str = include_str!("../../crds/examples/fleet.yaml");
const DEPOSIT: u64 = 500_000_000;
const BUY_IN: u64 = 100_000_000;
/// Players at an occupied table, and its seats.
const PLAYERS: usize = 2;
const ROLLED: Duration = Duration::from_secs(300);
const PLAYED: Duration = Duration::from_secs(120);
/// Allowed wait for the next hand beyond the ordinary wait at this table.
const WAIT_MAX: Duration = Duration::from_secs(1);

fn tables() -> usize {
    std::env::var("PURR_ROLLOUT_TABLES").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().chars().take(5).collect()
}

/// The committed example with another name, size and buffer.
fn fleet(name: &str, tables: usize, buffer: usize) -> String {
    FLEET
        .replace("name: nl100", &format!("name: {name}"))
        .replace("replicas: 50", &format!("replicas: {tables}"))
        .replace("minReplicas: 10", "minReplicas: 0")
        .replace("tables: 3, percent: 10", &format!("tables: {buffer}"))
        .replace("seats: 6", &format!("seats: {PLAYERS}"))
        // Players of these tests choose their tables.
        .replace("policy: SeatMe", "policy: Pick")
        .lines()
        // A cap for more players than the table has is refused.
        .filter(|line| !line.contains("{players: 3") && !line.contains("{players: 5"))
        .map(|line| format!("{line}\n"))
        .collect()
}

async fn pfleet(stack: &Stack, name: &str) -> anyhow::Result<Value> {
    stack.kubectl_json(&["get", "pfleet", name, "-o", "json"]).await
}

async fn patch(stack: &Stack, name: &str, patch: &str) -> anyhow::Result<()> {
    stack.kubectl(&["patch", "pfleet", name, "--type=merge", "-p", patch]).await.map(drop)
}

fn is(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// The status is about the current spec.
fn is_current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// Waits until the controller reports that all tables run with the template.
async fn complete(stack: &Stack, name: &str, limit: Duration) -> anyhow::Result<()> {
    until(&format!("fleet {name} is complete"), limit, || async {
        let fleet = pfleet(stack, name).await?;
        Ok(Some(()).filter(|()| is_current(&fleet) && is(&fleet, "Complete")))
    })
    .await
}

/// The fleet's tables, in order.
async fn members(stack: &Stack, name: &str) -> anyhow::Result<Vec<Value>> {
    let selector = format!("purr.poker/fleet={name}");
    let list = stack.kubectl_json(&["get", "ptable", "-l", &selector, "-o", "json"]).await?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn known(object: &Value) -> Table {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    Table { name: name_of(object), uid, ready_after: Duration::ZERO }
}

/// Players with their deposits, who have no seat yet.
async fn people(stack: &Stack, count: usize) -> anyhow::Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        let (wallet, _) = stack.funded_wallet(DEPOSIT).await?;
        sessions.push(Session::new(stack.api(), wallet));
    }
    for session in &sessions {
        until("the deposit is seen", SOON, || async {
            let token = session.token().await?;
            let free = session.api().balance(&token.text).await?.free;
            Ok(Some(()).filter(|()| free == DEPOSIT))
        })
        .await?;
    }
    Ok(sessions)
}

/// Sits these people down at a table.
async fn seat(stack: &Stack, table: Table, sessions: Vec<Session>) -> anyhow::Result<Game> {
    let (figures, recorder) = (Figures::default(), Recorder::default());
    let mut players = Vec::new();
    for (seed, session) in (1..).zip(sessions) {
        let heard = (figures.clone(), recorder.clone());
        players.push(Player::sit(session, stack.gateway.clone(), &table.uid, BUY_IN, seed, heard).await?);
    }
    let mut game = Game { table, players, keys: Vec::new(), figures, recorder, deposited: 0 };
    game.all("a seat", PLAYED, |state| state.seat.is_some()).await?;
    game.players.iter().for_each(|player| player.wish(Wish::PlaySmall));
    Ok(game)
}

/// Fills each of these tables, and plays.
async fn occupy(stack: &Stack, tables: &[Value]) -> anyhow::Result<Vec<Game>> {
    let mut sessions = people(stack, tables.len() * PLAYERS).await?;
    let mut games = Vec::new();
    for table in tables {
        let here = sessions.split_off(sessions.len() - PLAYERS);
        games.push(seat(stack, known(table), here).await?);
    }
    for game in &mut games {
        game.plays(3, PLAYED).await?;
    }
    Ok(games)
}

/// The times between a hand and the next one at a table, as its first player sees them, and the longest pause.
#[derive(Clone, Default)]
struct Gaps(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    gaps: Vec<Duration>,
    pause: Duration,
}

impl Gaps {
    fn of(game: &Game) -> Self {
        let gaps = Self::default();
        let (mut state, seen) = (game.players[0].state.clone(), gaps.0.clone());
        tokio::spawn(async move {
            let (mut idle, mut stalled): (Option<Instant>, Option<Instant>) = (None, None);
            let mut hand = state.borrow().hand;
            while state.changed().await.is_ok() {
                let now = state.borrow_and_update().clone();
                let mut seen = seen.lock().unwrap();
                match (hand, now.hand) {
                    (Some(_), None) => idle = Some(Instant::now()),
                    (None, Some(_)) => seen.gaps.extend(idle.take().map(|since| since.elapsed())),
                    _ => {}
                }
                hand = now.hand;
                match (now.stalled, stalled) {
                    (true, None) => stalled = Some(Instant::now()),
                    (false, Some(since)) => {
                        seen.pause = seen.pause.max(since.elapsed());
                        stalled = None;
                    }
                    _ => {}
                }
            }
        });
        gaps
    }

    /// Returns the figures so far and starts a new measurement.
    fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Compares the longest gap during the rollout with the ordinary ones before it.
fn check_waits(what: &str, before: &[Seen], after: &[Seen]) -> anyhow::Result<()> {
    let mut ordinary: Vec<Duration> = before.iter().flat_map(|seen| seen.gaps.iter().copied()).collect();
    ordinary.sort_unstable();
    let middle = *ordinary.get(ordinary.len() / 2).context("no hand before")?;
    let most = ordinary.last().copied().unwrap_or_default();
    let longest = after.iter().flat_map(|seen| seen.gaps.iter().copied()).max().context("no hand after")?;
    let pause = after.iter().map(|seen| seen.pause).max().unwrap_or_default();
    let load = load();
    println!(
        "{what}: between hands {middle:.2?} ordinarily and {most:.2?} at most before, {longest:.2?} at most meanwhile; \
         longest pause {pause:.2?}; load {load}"
    );
    ensure!(longest.saturating_sub(middle) <= WAIT_MAX, "{what}: players waited {longest:?} for a hand");
    ensure!(pause <= WAIT_MAX, "{what}: a pause of {pause:?}");
    Ok(())
}

fn voids(games: &[Game]) -> u64 {
    games.iter().flat_map(|game| &game.players).map(|player| player.now().voided).sum()
}

async fn every_table_plays_on(games: &mut [Game]) -> anyhow::Result<()> {
    for game in games {
        let hands = game.players[0].now().hands;
        game.plays(hands + 2, PLAYED).await?;
    }
    Ok(())
}

async fn remove(stack: &Stack, name: &str, games: Vec<Game>) -> anyhow::Result<()> {
    stack.kubectl(&["delete", "pfleet", name, "--wait=false"]).await?;
    for player in games.iter().flat_map(|game| &game.players) {
        player.wish(Wish::Leave);
    }
    for player in games.into_iter().flat_map(|game| game.players) {
        player.ended(PLAYED).await?;
    }
    until("the fleet is gone", Duration::from_secs(180), || async {
        let left = stack.kubectl(&["get", "pfleet,ptable", "-o", "name"]).await?;
        Ok(Some(()).filter(|()| !left.contains(name)))
    })
    .await
}

/// UIDs of the pods that play.
async fn pods(stack: &Stack, games: &[Game]) -> anyhow::Result<Vec<String>> {
    let mut uids = Vec::new();
    for game in games {
        let table = game.table.get(stack).await?;
        let pod = table["status"]["pod"].as_str().context("no pod")?.to_owned();
        uids.push(stack.kubectl(&["get", "pod", &pod, "-o", "jsonpath={.metadata.uid}"]).await?);
    }
    Ok(uids)
}

/// Notes the fewest free tables that the fleet's status ever shows.
fn watch_free(stack: &'static Stack, name: &'static str) -> (Arc<Mutex<i64>>, tokio::task::JoinHandle<()>) {
    let least = Arc::new(Mutex::new(i64::MAX));
    let task = tokio::spawn({
        let least = least.clone();
        async move {
            let mut tick = tokio::time::interval(Duration::from_millis(300));
            while let Ok(fleet) = pfleet(stack, name).await {
                if let Some(free) = fleet["status"]["free"].as_i64() {
                    let mut least = least.lock().unwrap();
                    *least = free.min(*least);
                }
                tick.tick().await;
            }
        }
    });
    (least, task)
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_changed_pod_reaches_every_table_while_players_play_and_come() {
    run(|stack| async move {
        let (count, name) = (tables(), "rolled");
        stack.kubectl_with(&["apply", "-f", "-"], &fleet(name, count, 1)).await?;
        complete(stack, name, ROLLED).await?;
        let occupied = (count * 7).div_ceil(10).min(count - 2);
        let all = members(stack, name).await?;
        let mut games = occupy(stack, &all[..occupied]).await?;
        let arrivals = people(stack, 1).await?;
        let gaps: Vec<Gaps> = games.iter().map(Gaps::of).collect();
        every_table_plays_on(&mut games).await?;
        let before: Vec<Seen> = gaps.iter().map(Gaps::take).collect();

        let begun = Instant::now();
        patch(stack, name, r#"{"spec":{"template":{"clock":{"turnSeconds":21}}}}"#).await?;
        let (least, watched) = watch_free(stack, name);
        until("the first batch has moved", ROLLED, || async {
            let fleet = pfleet(stack, name).await?;
            let updated = fleet["status"]["updated"].as_i64().unwrap_or_default();
            Ok(Some(()).filter(|()| is_current(&fleet) && updated > 0 && !is(&fleet, "Complete")))
        })
        .await?;
        // During the rollout come another change, another size, and a new player.
        patch(stack, name, r#"{"spec":{"template":{"clock":{"turnSeconds":22}}}}"#).await?;
        stack.kubectl(&["scale", "pfleet", name, &format!("--replicas={}", count + 1)]).await?;
        let free = known(all.get(occupied).context("a free table")?);
        games.push(seat(stack, free, arrivals).await?);
        complete(stack, name, ROLLED).await?;
        let took = begun.elapsed();
        every_table_plays_on(&mut games[..occupied]).await?;
        watched.abort();
        let after: Vec<Seen> = gaps.iter().map(Gaps::take).collect();
        let least = *least.lock().unwrap();
        println!(
            "{count} tables, {occupied} with players, two changes and a scale: {took:.1?}; at least {least} free"
        );
        for table in members(stack, name).await? {
            let turn = &table["spec"]["clock"]["turnSeconds"];
            ensure!(turn == 22, "{} has turns of {turn} s", name_of(&table));
        }
        ensure!(voids(&games) == 0, "{} hands are void", voids(&games));
        check_waits("rollout", &before, &after)?;
        ensure!(least >= 1, "the buffer of one free table was not kept");
        remove(stack, name, games).await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn an_image_that_cannot_run_stops_after_one_batch_and_an_undo_moves_nobody() {
    run(|stack| async move {
        let name = "spoiled";
        stack.kubectl_with(&["apply", "-f", "-"], &fleet(name, 5, 0)).await?;
        complete(stack, name, ROLLED).await?;
        let mut games = occupy(stack, &members(stack, name).await?[..2]).await?;
        let held = pods(stack, &games).await?;
        patch(stack, name, r#"{"spec":{"template":{"pod":{"image":"localhost/purr/none:0"}}}}"#).await?;
        let stalled = until("the fleet is stalled", ROLLED, || async {
            let fleet = pfleet(stack, name).await?;
            Ok(Some(fleet).filter(|fleet| is_current(fleet) && is(fleet, "Stalled")))
        })
        .await?;
        let why = condition(&stalled, "Stalled").context("Stalled")?;
        println!("stalled: {}", why["message"]);
        ensure!(why["reason"] == "ImageUnavailable", "reason {}", why["reason"]);
        every_table_plays_on(&mut games).await?;
        let all = members(stack, name).await?;
        let touched = all.iter().filter(|table| table["spec"]["pod"]["image"].is_string()).count();
        ensure!(touched <= 3, "{touched} tables were changed, in batches of 3");
        ensure!(all.iter().all(|table| is(table, "Ready")), "a table stopped");
        let events = stack.kubectl(&["get", "events", "--field-selector", "reason=ImageUnavailable"]).await?;
        ensure!(events.contains("Warning"), "no Event: {events}");
        patch(stack, name, r#"{"spec":{"template":{"pod":{"image":null}}}}"#).await?;
        complete(stack, name, ROLLED).await?;
        ensure!(pods(stack, &games).await? == held, "somebody was moved");
        ensure!(voids(&games) == 0, "hands are void");
        remove(stack, name, games).await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_changed_game_makes_new_tables_beside_full_ones_and_moves_nobody() {
    run(|stack| async move {
        let (name, count) = ("replayed", 2);
        stack.kubectl_with(&["apply", "-f", "-"], &fleet(name, count, 0)).await?;
        complete(stack, name, ROLLED).await?;
        let old = members(stack, name).await?;
        let mut games = occupy(stack, &old).await?;
        let held = pods(stack, &games).await?;
        let begun = Instant::now();
        patch(stack, name, r#"{"spec":{"template":{"blinds":{"small":1000000,"big":2000000}}}}"#).await?;
        let is_old =
            |table: &Value| old.iter().any(|other| other["metadata"]["uid"] == table["metadata"]["uid"]);
        // Full outdated tables still count for the replicas: one new table is enough until a player arrives.
        until("a new table is Ready", SOON, || async {
            let all = members(stack, name).await?;
            Ok(all.iter().any(|table| !is_old(table) && is(table, "Ready")).then_some(()))
        })
        .await?;
        let (took, load) = (begun.elapsed(), load());
        println!("a new table Ready after {took:.1?} beside {count} full ones; load {load}");
        until("the old ones say that they take nobody", SOON, || async {
            let mut closed = true;
            for table in &old {
                closed &= stack.api().table(&known(table).uid).await?.summary.closed;
            }
            Ok(Some(()).filter(|()| closed))
        })
        .await?;
        every_table_plays_on(&mut games).await?;
        ensure!(pods(stack, &games).await? == held && voids(&games) == 0, "somebody was moved");
        remove(stack, name, games).await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh and two nodes"]
fn a_drained_node_loses_no_hand_and_nobody_waits_a_second() {
    run(|stack| async move {
        let (count, name) = (tables(), "drained");
        let nodes = stack.kubectl(&["get", "nodes", "-o", "name"]).await?;
        ensure!(nodes.contains("node-2"), "needs PURR_NODES=2");
        let first = nodes.lines().find(|node| !node.contains("node-2")).context("a first node")?.to_owned();
        // All pods are on the node that will be drained.
        stack.kubectl(&["cordon", &first]).await?;
        stack.kubectl_with(&["apply", "-f", "-"], &fleet(name, count, 0)).await?;
        let placed = complete(stack, name, ROLLED).await;
        stack.kubectl(&["uncordon", &first]).await?;
        placed?;
        let mut games = occupy(stack, &members(stack, name).await?).await?;
        let gaps: Vec<Gaps> = games.iter().map(Gaps::of).collect();
        every_table_plays_on(&mut games).await?;
        let before: Vec<Seen> = gaps.iter().map(Gaps::take).collect();
        let begun = Instant::now();
        let selector = format!("--pod-selector=purr.poker/fleet={name}");
        let limits = ["--force", "--delete-emptydir-data", "--timeout=150s"];
        let drain = [&["drain", "node-2", &selector][..], &limits[..]].concat();
        let drained = stack.kubectl(&drain).await;
        let took = begun.elapsed();
        every_table_plays_on(&mut games).await?;
        stack.kubectl(&["uncordon", "node-2"]).await?;
        drained?;
        println!("a node with {count} tables that play is drained in {took:.1?}");
        let after: Vec<Seen> = gaps.iter().map(Gaps::take).collect();
        ensure!(voids(&games) == 0, "{} hands are void", voids(&games));
        check_waits("drain", &before, &after)?;
        remove(stack, name, games).await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_new_table_is_ready_in_three_seconds() {
    run(|stack| async move {
        let names: Vec<String> = (0..7).map(|number| format!("cold-{number}")).collect();
        let mut took = Vec::new();
        for name in &names {
            took.push(Table::apply(stack, &named(name), READY).await?.ready_after);
        }
        took.sort_unstable();
        println!("a new table is Ready after {took:.2?}; load {}", load());
        let mut delete = vec!["delete", "ptable", "--timeout=60s"];
        delete.extend(names.iter().map(String::as_str));
        stack.kubectl(&delete).await?;
        ensure!(took[3] <= Duration::from_secs(3), "p50 {:?}", took[3]);
        Ok(())
    });
}
