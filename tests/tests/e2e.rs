//! Whole-system behaviour on a real cluster, through kubectl and the players' own client.
//!
//! Needs the stack of `tests/stack.sh`; `tests/run.sh` brings it up and runs these, one after the other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use anyhow::{Context, ensure};
use purr_client::api::HandFormat;
use purr_tests::{
    Game, PlayerState, Stack, Table,
    harness::{READY, SOON, game, game_in, named, run, stored},
    player::Wish,
    table::condition,
    until,
};
use serde_json::Value;
use std::time::Duration;

/// All players stop acting; returns once a hand is running that nobody will play on, and all players have seen the same
/// of it.
async fn freeze_mid_hand(game: &mut Game) -> anyhow::Result<Vec<PlayerState>> {
    for player in &game.players {
        player.wish(Wish::Hesitate);
    }
    let mut seen: Vec<_> = game.players.iter().map(|player| player.state.clone()).collect();
    let frozen = async {
        loop {
            let states: Vec<PlayerState> =
                seen.iter_mut().map(|state| state.borrow_and_update().clone()).collect();
            let same = states
                .windows(2)
                .all(|pair| pair[0].cursor == pair[1].cursor && pair[0].hand == pair[1].hand);
            // A player without chips looks on.
            let dealt = states.iter().filter(|state| state.cards.len() == 2).count() > 1;
            if same && dealt && states.iter().any(|state| state.hesitates) {
                return Ok(states);
            }
            let changes = seen.iter_mut().map(|state| Box::pin(state.changed()));
            futures::future::select_all(changes).await.0.context("a player has stopped")?;
        }
    };
    tokio::time::timeout(SOON, frozen).await.context("no hand in which a player hesitates")?
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_table_is_played_and_settled_and_its_deletion_ends_the_hand_first() {
    run(|stack| async move {
        let mut game = game(stack, "deleted", 3).await?;
        game.plays(5, Duration::from_secs(120)).await?;
        let balances = game.settle(stack, SOON).await?;
        println!("{}", balances.render());
        game.table.pause(stack, false).await?;

        let frozen = freeze_mid_hand(&mut game).await?;
        let hand = frozen[0].hand.context("no hand")?;
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await?;
        let pod = game.table.pod(stack).await?.context("no pod")?;
        // The controller has asked for the drain, and the hand still runs.
        until("the deletion is under way", SOON, || async {
            let table = game.table.get(stack).await?;
            let waits = table["status"]["phase"] == "Draining";
            Ok(Some(()).filter(|()| waits && table["metadata"]["deletionTimestamp"].is_string()))
        })
        .await?;
        ensure!(game.players[0].now().hand == Some(hand), "the hand was not waited for");
        let still = game.table.pod(stack).await?.context("the pod went before the hand's end")?;
        ensure!(still["metadata"]["uid"] == pod["metadata"]["uid"], "another pod");
        ensure!(still["metadata"]["deletionTimestamp"].is_null(), "the pod goes before the hand's end");

        for player in &game.players {
            player.wish(Wish::Play);
        }
        for player in game.players.drain(..) {
            let state = player.ended(Duration::from_secs(90)).await?;
            ensure!(state.left && state.voided == 0, "not left in order: {state:?}");
        }
        until("the table is gone", SOON, || async {
            let left = stack.kubectl(&["get", "ptable", "-o", "name"]).await?;
            Ok(Some(()).filter(|()| !left.contains("/deleted")))
        })
        .await?;
        // Everything is back in free balances, or rake.
        let uid = game.table.uid.clone();
        until("chips are back", SOON, || async {
            let books = stack.reconciliation().await?;
            let table = books.tables.iter().find(|table| table.uid == uid).context("no books")?;
            let done = books.agree && table.head_seq == table.chain_seq;
            let seated = books.players.iter().flat_map(|player| &player.seats);
            let none = seated.filter(|seat| seat.table == uid).all(|seat| seat.chain_stack == 0);
            Ok(Some(()).filter(|()| done && none))
        })
        .await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_killed_pod_goes_on_with_the_same_hand_cards_and_stacks() {
    run(|stack| async move {
        let mut game = game(stack, "killed", 3).await?;
        game.plays(2, Duration::from_secs(120)).await?;
        let before = freeze_mid_hand(&mut game).await?;
        let (epoch, _) = before[0].cursor.context("no cursor")?;
        let old = game.table.pod(stack).await?.context("no pod")?;
        let name = old["metadata"]["name"].as_str().context("no name")?.to_owned();
        stack.kubectl(&["delete", "pod", &name, "--force", "--grace-period=0"]).await?;

        until("another pod is ready", READY, || async {
            let pod = game.table.pod(stack).await?;
            let ready = |pod: &Value| condition(pod, "Ready").is_some_and(|c| c["status"] == "True");
            Ok(pod.filter(|pod| pod["metadata"]["uid"] != old["metadata"]["uid"] && ready(pod)).map(drop))
        })
        .await?;
        let resumed = |state: &PlayerState| !state.stalled && state.cursor.is_some_and(|at| at.0 > epoch);
        let after = game.all("the table is back", SOON, resumed).await?;
        for (before, after) in before.iter().zip(&after) {
            ensure!(before.hand == after.hand, "another hand: {before:?} {after:?}");
            ensure!(before.cards == after.cards && before.board == after.board, "other cards");
            ensure!(before.stack == after.stack && before.chips == after.chips, "other chips");
        }
        for player in &game.players {
            player.wish(Wish::Play);
        }
        let hands = before.iter().map(|state| state.hands).max().unwrap_or(0);
        game.plays(hands + 3, Duration::from_secs(120)).await?;
        let balances = game.settle(stack, SOON).await?;
        println!("{}", balances.render());
        let voided: u64 = game.players.iter().map(|player| player.now().voided).sum();
        ensure!(voided == 0, "a hand was voided");
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
    });
}

/// The rake caps of the example.
const CAPS: &str = "    cap:
      - {players: 2, amount: 500000}
      - {players: 3, amount: 1000000}
      - {players: 5, amount: 2500000}
";

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn an_invalid_table_is_refused_with_field_and_bound() {
    run(|stack| async move {
        for (from, to, says) in [
            ("seats: 6", "seats: 11", "spec.seats in body should be less than or equal to 10"),
            ("small: 500000", "small: 2000000", "spec.blinds.small: must be at most spec.blinds.big"),
            ("min: 40000000", "min: 100", "spec.buyIn.min: must be at least spec.blinds.big"),
            ("min: 40000000", "min: 200000000", "spec.buyIn.min: must be at most spec.buyIn.max"),
            (
                "basisPoints: 500",
                "basisPoints: 5000",
                "spec.rake.basisPoints in body should be less than or equal to 1000",
            ),
            (CAPS, "    cap: []\n", "spec.rake.cap: where"),
            (
                "  clock: {",
                "  room: {sitOutMaxSeconds: 1}\n  clock: {",
                "spec.room.sitOutMaxSeconds in body should be greater than or equal to 60",
            ),
            (
                "  clock: {",
                "  room: {coolDownMaxSeconds: 1}\n  clock: {",
                "spec.room.coolDownMaxSeconds: must be at least",
            ),
        ] {
            let manifest = named("invalid").replace(from, to);
            ensure!(manifest.contains(to), "the example has no '{from}'");
            let refused = stack.kubectl_with(&["apply", "-f", "-"], &manifest).await;
            let error = refused.err().with_context(|| format!("'{to}' was accepted"))?;
            ensure!(error.to_string().contains(says), "'{to}': {error}");
        }
        Ok(())
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_table_that_cannot_start_says_why_and_heals() {
    run(|stack| async move {
        let broken = named("broken").replace("spec:\n", "spec:\n  pod: {image: \"localhost/purr/none:0\"}\n");
        stack.kubectl_with(&["apply", "-f", "-"], &broken).await?;
        until("the condition names the image", SOON, || async {
            let table = stack.kubectl_json(&["get", "ptable", "broken", "-o", "json"]).await?;
            let ready = condition(&table, "Ready").context("no condition")?;
            let reason = ready["reason"].as_str().unwrap_or_default();
            Ok(Some(()).filter(|()| ready["status"] == "False" && reason.contains("Image")))
        })
        .await?;
        let events =
            stack.kubectl(&["get", "events", "--field-selector", "involvedObject.name=broken"]).await?;
        ensure!(events.contains("Warning"), "no Event: {events}");
        Table::apply(stack, &named("broken"), READY).await.context("healed")?;

        let lost = named("lost").replace("spec:\n", "spec:\n  store: nowhere\n");
        stack.kubectl_with(&["apply", "-f", "-"], &lost).await?;
        until("the condition names the store", SOON, || async {
            let table = stack.kubectl_json(&["get", "ptable", "lost", "-o", "json"]).await?;
            let store = condition(&table, "StoreReady").context("no condition")?;
            let message = store["message"].as_str().unwrap_or_default();
            Ok(Some(()).filter(|()| store["status"] == "False" && message.contains("nowhere")))
        })
        .await?;
        stack.kubectl(&["delete", "ptable", "broken", "lost", "--timeout=60s"]).await.map(drop)
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_signer_that_is_down_is_shown_and_play_goes_on_until_it_is_back() {
    run(|stack| async move {
        let mut game = game(stack, "unsettled", 2).await?;
        game.plays(1, SOON).await?;
        stack.kubectl(&["scale", "statefulset/purr-chain-signer", "--replicas=0"]).await?;
        let settlement = |table: &Value, status: &str| {
            condition(table, "SettlementHealthy").is_some_and(|condition| condition["status"] == status)
        };
        until("the condition says so", SOON, || async {
            let table = game.table.get(stack).await?;
            Ok(Some(()).filter(|()| settlement(&table, "False")))
        })
        .await?;
        let hands = game.players[0].now().hands;
        game.plays(hands + 2, Duration::from_secs(120)).await.context("play stopped without the signer")?;
        stack.kubectl(&["scale", "statefulset/purr-chain-signer", "--replicas=1"]).await?;
        until("it heals by itself", READY, || async {
            let table = game.table.get(stack).await?;
            Ok(Some(()).filter(|()| settlement(&table, "True")))
        })
        .await?;
        let balances = game.settle(stack, READY).await?;
        println!("{}", balances.render());
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_hand_is_fetched_by_number_as_json_and_as_phh_and_a_forged_token_gets_401() {
    run(|stack| async move {
        let mut game = game(stack, "recorded", 2).await?;
        game.plays(2, SOON).await?;
        let (api, uid) = (stack.api(), game.table.uid.clone());
        let token = game.players[0].session.token().await?;
        let fetch = |format| {
            let (api, uid, token) = (api.clone(), uid.clone(), token.text.clone());
            async move {
                Ok(api
                    .hand(&token, &uid, 1, format)
                    .await
                    .ok()
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
            }
        };
        let json = until("the record", SOON, || fetch(HandFormat::Json)).await?;
        let record: Value = serde_json::from_str(&json)?;
        ensure!(record.to_string().contains(&game.table.uid), "not of this table: {record}");
        ensure!(!record.to_string().contains("sealed\":\""), "sealed cards left the records");
        let phh = until("the record as PHH", SOON, || fetch(HandFormat::Phh)).await?;
        ensure!(phh.contains("variant") && phh.contains("NT"), "not a PHH hand: {phh}");

        let mut forged = token.text.to_string();
        forged.truncate(forged.len() - 4);
        forged.push_str("AAAA");
        let refused = api.balance(&forged).await.err().context("a forged token was taken")?;
        ensure!(refused.is_unauthorized(), "{refused}");
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
    });
}

/// Keys of a table on the first node of a group; every node of a group has them.
async fn keys(stack: &Stack, node: &str, uid: &str) -> anyhow::Result<usize> {
    let pattern = format!("t:{{{uid}}}:*");
    let scan = ["exec", node, "-c", "redis", "--", "purr-redis-node", "cli", "--scan", "--pattern", &pattern];
    Ok(stack.kubectl(&scan).await?.lines().count())
}

/// Tables by the group that their status names, once none is on its way out.
async fn tables_by_group(stack: &Stack) -> anyhow::Result<(usize, usize)> {
    until("no table is being deleted", READY, || async {
        let tables = stack.kubectl_json(&["get", "ptable", "-o", "json"]).await?;
        let tables = tables["items"].as_array().context("no list")?.clone();
        let stays = |table: &Value| table["metadata"]["deletionTimestamp"].is_null();
        let count = |group: &str| tables.iter().filter(|table| table["status"]["store"] == group).count();
        Ok(tables.iter().all(stays).then(|| (count("default"), count("second"))))
    })
    .await
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn tables_are_in_the_group_that_they_name_or_in_the_one_with_the_fewest() {
    run(|stack| async move {
        let mut game = game_in(stack, "in-second", "second", 2).await?;
        game.plays(2, SOON).await?;
        ensure!(game.table.get(stack).await?["status"]["store"] == "second");
        let uid = &game.table.uid;
        ensure!(keys(stack, "purr-redis-second-0", uid).await? > 0, "it is not in the group that it names");
        ensure!(keys(stack, "purr-redis-0", uid).await? == 0, "it is in another group");
        // Records must read both groups to show this hand.
        let token = game.players[0].session.token().await?;
        until("the record", SOON, || async {
            Ok(stack.api().hand(&token.text, uid, 1, HandFormat::Json).await.ok().map(drop))
        })
        .await?;
        game.settle(stack, SOON).await?;

        for name in ["anywhere-1", "anywhere-2", "anywhere-3"] {
            let (first, second) = tables_by_group(stack).await?;
            // The first by name of equals.
            let expected = if second < first { "second" } else { "default" };
            let table = Table::apply(stack, &stored(name, "auto"), READY).await?;
            let group = table.get(stack).await?["status"]["store"].clone();
            ensure!(group == expected, "{first} and {second} tables, and {name} went to {group}");
        }
        let names = ["in-second", "anywhere-1", "anywhere-2", "anywhere-3"];
        stack.kubectl(&[&["delete", "ptable", "--wait=false"][..], &names].concat()).await.map(drop)
    });
}
