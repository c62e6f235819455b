//! One fault after another, at one table.

use super::{
    Fault, Row,
    ground::Ground,
    report::{Felt, Tally},
};
use crate::{
    Game, Player, PlayerState, Stack, Table,
    checker::{self, Record, Recorder, Seen, Told, Violation},
    game,
    player::Wish,
    table::EXAMPLE,
};
use anyhow::{Context, bail};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// Within this time a hand is played by all players while there is no fault.
const PLAY: Duration = Duration::from_secs(120);
/// Hands that show the ordinary waits at the table.
const ORDINARY_HANDS: u64 = 8;
/// Stacks, ledger and chain agree within this time of a hand's end.
const BOOKS: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub struct Plan {
    pub faults: Vec<Fault>,
    /// Number of runs of each fault.
    pub runs: u32,
    pub players: u64,
    /// The table's image with a clock that can be set, for the faults of clocks.
    pub faketime_image: Option<String>,
    /// See [`Ground`].
    pub pod_sh: PathBuf,
}

/// Plays, lets each fault happen, and judges. `say` hears of each step, and `keep` gets all rows so far after each fault:
/// they are not lost with a later one that cannot be done.
///
/// # Errors
/// Where the ground gives way: a fault that could not be done, or a table that does not play on. What the checker finds
/// is no error but stands in the rows.
pub async fn run(
    stack: &'static Stack,
    cluster: &str,
    plan: &Plan,
    say: impl Fn(String),
    mut keep: impl FnMut(&[Row]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Row>> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let manifest = EXAMPLE.replace("name: nl100-1", &format!("name: chaos-{stamp}"));
    let table = Table::apply(stack, &manifest, Duration::from_secs(120)).await?;
    // Enough to buy in again for as long as the run takes.
    let purse = game::Plan { deposit: 100_000_000_000, ..game::Plan::of(plan.players) };
    let mut game = Game::start(stack, table.clone(), purse, &say).await?;
    game.players.iter().for_each(|player| player.wish(Wish::PlaySmall));
    let faketime_image = plan.faketime_image.clone();
    let pod_sh = plan.pod_sh.clone();
    let ground = Ground { stack, table, cluster: cluster.to_owned(), faketime_image, pod_sh };
    game.plays(1, PLAY).await?;
    let since = Instant::now();
    // The first players have played while the last were still sitting down.
    let most = game.players.iter().map(|player| player.now().hands).max().unwrap_or_default();
    game.plays(most + ORDINARY_HANDS, PLAY).await?;
    // The table's own pace: between hands, and while cards are dealt.
    let ordinary = game.figures.longest_silence(since.into_std());
    say(format!("in ordinary play nothing comes for {} ms at most", ordinary.as_millis()));

    let mut rows = Vec::new();
    let mut known = BTreeSet::new();
    for fault in &plan.faults {
        let before = Count::of(&game.recorder);
        let mut tally = Tally::default();
        for turn in 1..=plan.runs {
            let felt = once(*fault, &ground, &mut game, ordinary)
                .await
                .with_context(|| format!("{}, run {turn} of {}", fault.name(), plan.runs))?;
            say(format!(
                "{} {turn}/{}: waited {} ms, of which {} until it was seen; whole after {} ms",
                fault.name(),
                plan.runs,
                felt.pause.as_millis(),
                felt.seen.as_millis(),
                felt.healed.as_millis()
            ));
            tally.add(felt);
        }
        // All hands are settled, and the players' messages are compared with the journal.
        game.settle(stack, BOOKS).await.with_context(|| format!("the books after {}", fault.name()))?;
        let mut records = game.recorder.so_far();
        let entries = ground.journal().await?;
        let uid = &ground.table.uid;
        records.extend(entries.into_iter().map(|entry| Record::Settled { table: uid.clone(), entry }));
        let fresh: Vec<Violation> =
            checker::check(&records).into_iter().filter(|found| known.insert(format!("{found:?}"))).collect();
        for found in &fresh {
            say(format!("{}: {found:?}", fault.name()));
        }
        let after = Count::of(&game.recorder);
        rows.push(tally.row(
            *fault,
            (after.hands - before.hands, after.acknowledged - before.acknowledged),
            &fresh,
        ));
        keep(&rows)?;
        game.table.pause(stack, false).await?;
        let hands = game.players.first().context("nobody plays")?.now().hands;
        game.plays(hands + 1, PLAY).await?;
    }
    stack.kubectl(&["delete", "ptable", &ground.table.name, "--wait=false"]).await?;
    Ok(rows)
}

/// Starts a fault in the middle of a hand, and waits until it is over and all players have played on.
async fn once(fault: Fault, ground: &Ground, game: &mut Game, ordinary: Duration) -> anyhow::Result<Felt> {
    fault.prepare(ground).await?;
    let dealt = |state: &PlayerState| state.hand.is_some() && state.cards.len() == 2;
    game.players.first_mut().context("nobody plays")?.sees("a hand", PLAY, dealt).await?;
    let begun = Instant::now();
    let seen = fault.happen(ground).await?;
    let healed = begun.elapsed();
    let hands: Vec<u64> = game.players.iter().map(Player::now).map(|state| state.hands).collect();
    for (player, hands) in game.players.iter_mut().zip(hands) {
        player.sees("two more hands", PLAY, |state| state.hands >= hands + 2 || state.left).await?;
    }
    if let Some(gone) = game.players.iter().map(Player::now).find(|state| state.left) {
        bail!("a player was sent away: {gone:?}");
    }
    let silence = game.figures.longest_silence(begun.into_std()).saturating_sub(ordinary);
    Ok(Felt { pause: game.figures.longest_wait(begun.into_std()).max(silence), seen, healed })
}

/// The hands and actions played, by the first player's messages.
struct Count {
    hands: usize,
    acknowledged: usize,
}

impl Count {
    fn of(recorder: &Recorder) -> Self {
        let (mut hands, mut acknowledged) = (BTreeSet::new(), 0);
        for record in recorder.so_far() {
            match record {
                Record::Told { told: Told::Events { seen, .. }, .. } => {
                    hands.extend(seen.iter().filter_map(|event| match event {
                        Seen::Ended { hand, .. } => Some(*hand),
                        _ => None,
                    }));
                }
                Record::Told { told: Told::Ack { .. }, .. } => acknowledged += 1,
                _ => {}
            }
        }
        Self { hands: hands.len(), acknowledged }
    }
}
