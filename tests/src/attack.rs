//! Attacks on two replicas of the real gateway and on real table processes: their cost, and their effect on a seated
//! player.
//!
//! Servers have one core. This process (the seated players, a signer that grants everything, the list of pods) and Redis
//! have the other one, and so have the attackers: a process of their own with the lowest priority, since what it takes
//! from the players' own core is no effect on the servers. Each attack is a module in [`rows`]: what the attacker does,
//! and what is watched meanwhile.
//!
//! **Guarantees.** Loopback only; connections, messages and time of every attack are bounded; everything that is started
//! ends with the run. **Caveats.** Accounts of attackers have tokens that this program signs itself: what sign-ins cost is
//! another row's matter.

mod options;
mod probe;
mod report;
mod rows;
mod scene;
mod storm;
mod victims;
mod wire;

pub use options::Options;

use anyhow::ensure;
use report::Report;
use scene::Scene;

/// Runs the attacks and writes the rows; or, when started as an attacker, attacks.
///
/// # Errors
/// Where a program does not come up or ends, and where a bound is not kept.
pub async fn run(options: Options) -> anyhow::Result<()> {
    if let Some(orders) = &options.storm {
        return storm::attack(orders).await;
    }
    options.validate()?;
    let mut scene = Scene::start(options).await?;
    let mut report = Report::default();
    let quiet = scene.quiet().await?;
    for row in rows::ALL {
        if !scene.options.wants(row.name) {
            continue;
        }
        scene.say(row.name);
        let row = (row.run)(&mut scene, &quiet).await?;
        scene.check()?;
        eprintln!("{}", row.line());
        report.add(row);
        report.write(&scene.options.out)?;
    }
    println!("{}", report.table());
    let broken = report.broken();
    ensure!(broken.is_empty(), "bounds not kept: {}", broken.join("; "));
    Ok(())
}
