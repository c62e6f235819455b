//! A backup, the loss of everything that it holds, and the restore, on a real cluster.
//!
//! Needs the stack of `tests/stack.sh` on a test cluster of this machine; runs last, because it takes the stores away.

use anyhow::{Context, ensure};
use purr_tests::{
    Game, Stack,
    balances::Balances,
    harness::{READY, SOON, game, game_in, run},
    table::condition,
    until,
};
use serde_json::Value;
use std::{env, process::Stdio, time::Duration};
use tokio::process::Command;

const PLAY: Duration = Duration::from_secs(120);
/// Time for programs and stores to recover.
const BACK: Duration = Duration::from_secs(240);
/// The volumes of both groups of tables, and of the journal.
const LOST: [&str; 6] = [
    "purr-redis-0",
    "purr-redis-1",
    "purr-redis-2",
    "purr-redis-second-0",
    "purr-redis-second-1",
    "purr-postgres-0",
];

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn what_was_backed_up_is_played_on_after_stores_and_journal_were_lost() {
    run(|stack| async move {
        let mut game = game(stack, "restored", 3).await?;
        let mut other = game_in(stack, "restored-second", "second", 3).await?;
        game.plays(3, PLAY).await?;
        other.plays(3, PLAY).await?;
        let (before, others) = (game.settle(stack, SOON).await?, other.settle(stack, SOON).await?);
        back_up(stack, "purr-by-hand").await?;
        lose_everything(stack).await?;
        restore(stack, "all").await?;
        goes_on(stack, game, &before).await?;
        goes_on(stack, other, &others).await
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_table_whose_store_is_from_an_old_backup_goes_on_from_the_signers_journal() {
    run(|stack| async move {
        let mut game = game(stack, "rolled-back", 3).await?;
        game.plays(3, PLAY).await?;
        game.settle(stack, SOON).await?;
        back_up(stack, "purr-too-early").await?;
        let hands = hands(&game)?;
        game.table.pause(stack, false).await?;
        game.plays(hands + 3, PLAY).await?;
        // The signer and the chain have hands now that the backup of the store does not know of.
        let before = game.settle(stack, SOON).await?;
        restore(stack, "stores").await?;
        goes_on(stack, game, &before).await
    });
}

async fn back_up(stack: &Stack, job: &str) -> anyhow::Result<()> {
    stack.kubectl(&["create", "job", job, "--from=cronjob/purr-backup"]).await?;
    let job = format!("job/{job}");
    stack.kubectl(&["wait", "--for=condition=Complete", &job, "--timeout=120s"]).await.map(drop)
}

/// Restores these parts of the newest backup.
async fn restore(stack: &Stack, parts: &str) -> anyhow::Result<()> {
    let jobs = async || stack.kubectl(&["get", "jobs", "-o", "name"]).await;
    let before = jobs().await?;
    script("../helm/restore.sh", &[&stack.namespace, "purr", "", parts]).await?;
    let jobs = jobs().await?;
    let is_new = |job: &str| job.contains("purr-restore-") && !before.contains(job);
    ensure!(jobs.lines().any(is_new), "no restore ran: {jobs}");
    Ok(())
}

fn hands(game: &Game) -> anyhow::Result<u64> {
    Ok(game.players.first().context("nobody plays")?.now().hands)
}

/// Checks that the table recovers with the same chips, and plays.
async fn goes_on(stack: &Stack, mut game: Game, before: &Balances) -> anyhow::Result<()> {
    until("the table is back", READY, || async {
        let table = game.table.get(stack).await?;
        // The table was paused before the backup: its process serves, and it is not ready for players.
        let serves = |ready: &&Value| ready["status"] == "True" || ready["reason"] == "Paused";
        Ok(condition(&table, "Ready").filter(serves).map(drop))
    })
    .await?;
    let hands = hands(&game)?;
    let after = game.settle(stack, SOON).await?;
    ensure!(after == *before, "the books are others than before: {before:?}, {after:?}");
    game.table.pause(stack, false).await?;
    game.plays(hands + 3, PLAY).await?;
    game.settle(stack, SOON).await?;
    stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
}

/// The volumes of the table store and of PostgreSQL, with all that is on them.
async fn lose_everything(stack: &Stack) -> anyhow::Result<()> {
    let was = uid(stack).await?;
    let claims = LOST.map(|pod| format!("data-{pod}"));
    let mut delete = vec!["delete", "pvc", "--wait=false"];
    delete.extend(claims.iter().map(String::as_str));
    stack.kubectl(&delete).await?;
    let mut delete = vec!["delete", "pod", "--force", "--grace-period=0"];
    delete.extend(LOST);
    stack.kubectl(&delete).await?;
    // The cluster has no provisioner: the old volumes are emptied and offered again.
    let cluster = env::var("PURR_CLUSTER").context("PURR_CLUSTER names the test cluster")?;
    until("new stores", BACK, || async {
        script("cluster/volumes.sh", &[&cluster]).await?;
        let mut pods = vec!["wait", "--for=condition=Ready", "--timeout=10s", "pod"];
        pods.extend(LOST);
        stack.kubectl(&pods).await.map(Some)
    })
    .await?;
    ensure!(uid(stack).await? != was, "the volumes are the old ones: nothing was lost");
    Ok(())
}

/// Returns the UID of the claim that the journal is on.
async fn uid(stack: &Stack) -> anyhow::Result<String> {
    stack.kubectl(&["get", "pvc", "data-purr-postgres-0", "-o", "jsonpath={.metadata.uid}"]).await
}

/// Runs a script of this repository, by its relative path.
async fn script(path: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let bin = env::var("PURR_BIN").unwrap_or_default();
    let output = Command::new(&path)
        .args(arguments)
        .env("PATH", format!("{bin}:{}", env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| path.clone())?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&said).trim());
    Ok(())
}
