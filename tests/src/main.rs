//! `purr-demo`: six players at one table of a running stack, to the table of balances.

use anyhow::ensure;
use clap::Parser;
use purr_tests::{Game, Plan, Stack, Table, table::EXAMPLE};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tokio::time::Instant;

/// Applies the example table, lets players sit down and play, and shows that stacks, ledger and chain agree.
/// The stack comes from the environment that tests/stack.sh writes.
#[derive(Parser)]
struct Options {
    /// Players, 2 to 6
    #[arg(long, default_value_t = 6)]
    players: u64,
    /// Hands that are played at least
    #[arg(long, default_value_t = 20)]
    hands: u64,
    /// Deposit of each player, in minor units
    #[arg(long, default_value_t = 500_000_000)]
    deposit: u64,
    /// Buy-in of each player, in minor units
    #[arg(long, default_value_t = 100_000_000)]
    buy_in: u64,
    /// Where the figures go
    #[arg(long, default_value = "target/e2e.json")]
    out: PathBuf,
    /// Longest time to play, in seconds
    #[arg(long, default_value_t = 300)]
    limit_s: u64,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    ensure!((2..=6).contains(&options.players), "--players is 2 to 6");
    let stack = Stack::from_env()?;
    let shown = demo(options, &stack).await;
    if shown.is_err() {
        stack.dump().await;
    }
    shown
}

async fn demo(options: &Options, stack: &Stack) -> anyhow::Result<()> {
    let begun = Instant::now();
    let say = |text: String| println!("[{:4}s] {text}", begun.elapsed().as_secs());
    // Each run has a table of its own, so that money of earlier runs stays untouched.
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let manifest = EXAMPLE.replace("name: nl100-1", &format!("name: nl100-{stamp}"));
    let table = Table::apply(stack, &manifest, Duration::from_secs(120)).await?;
    say(format!(
        "table {} is Ready, {:.1} s after kubectl apply",
        table.name,
        table.ready_after.as_secs_f64()
    ));

    let plan = Plan { players: options.players, deposit: options.deposit, buy_in: options.buy_in };
    let ready_after = table.ready_after;
    let mut game = Game::start(stack, table, plan, say).await?;
    say("everybody sits; hands are played".into());
    let limit = Duration::from_secs(options.limit_s);
    for hands in (5..options.hands).step_by(5).chain([options.hands]) {
        game.plays(hands, limit).await?;
        say(format!("{hands} hands"));
    }
    let settled = game.settle(stack, Duration::from_secs(60)).await?;
    let (hands, _) = game.figures.hands();
    say(format!("{hands} hands are final on chain"));
    println!("\n{}", settled.render());

    let summary = game.figures.summary(ready_after, hands);
    println!("from apply to Ready          {:8.2} s", summary.apply_to_ready_s);
    let action = summary.action_to_last_broadcast_ms;
    println!(
        "action to last broadcast     {:8.2} ms p50, {:.2} ms p99 ({} actions)",
        action.p50, action.p99, summary.actions
    );
    let confirmed = summary.hand_end_to_confirmed_s;
    println!(
        "hand end to confirmed        {:8.2} s p50, {:.2} s p99 ({} hands)",
        confirmed.p50, confirmed.p99, hands
    );
    let proven: u64 = game.players.iter().map(|player| player.now().deals_proven).sum();
    println!("deals proven by players      {proven:8}\n");
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&options.out, serde_json::to_vec_pretty(&summary)?)?;
    Ok(())
}
