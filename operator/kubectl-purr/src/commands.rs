//! The commands: the data that each reads, and the output of its answer.

mod gather;
mod run;

use crate::{
    api::{Api, ApiError, Kind},
    exit::Exit,
    hands,
    options::{Chain, Command, Gateway, Options, Output, Rollout, Wait},
    outside::{Outside, OutsideError},
    overview, print,
    rollout::{self, Outcome, Progress},
    tables,
    vault::{self, Node, VaultError},
    why,
};
use clap::CommandFactory;
use purr_crds::PokerTable;
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Outside(#[from] OutsideError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("there is no CronJob {0}: is backup.enabled true, and --release right?")]
    NoCronJob(String),
    #[error(transparent)]
    OldChart(#[from] crate::jobs::UnknownVariable),
    #[error("table {0} has no UID yet")]
    NoUid(String),
}

/// Interval between checks of a condition.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn carry_out(options: Options) -> Result<Exit, Failed> {
    let Options { namespace, output, command } = options;
    if let Command::Completion { shell } = command {
        // kubectl finds the plugin by this name.
        clap_complete::generate(shell, &mut Options::command(), "kubectl-purr", &mut io::stdout());
        return Ok(Exit::Done);
    }
    let api = Api::new(namespace).await?;
    match command {
        Command::Completion { .. } => {}
        Command::Status(release) => {
            let parts = overview::of(&gather::seen(&api, &release.release).await?);
            print::parts(output, &parts);
            return Ok(if overview::is_well(&parts) { Exit::Done } else { Exit::Unwell });
        }
        Command::Rollout(command) => return rollout(&api, command, output).await,
        Command::Tables { fleet } => {
            print::rows(output, &tables::rows(&api.tables(fleet.as_deref()).await?));
        }
        Command::Hands { table, limit, gateway } => {
            print::rows(output, &hands(&api, &table, limit, gateway).await?);
        }
        Command::Why { table } => print::said(output, &why::why(&api.table(&table).await?)),
        Command::Drain { table, undo: true, .. } => {
            api.close(&table, false).await?;
            print::said(output, &format!("table {table} seats players again"));
        }
        Command::Drain { table, wait, .. } => return drain(&api, &table, &wait, output).await,
        Command::Pause { table } => {
            api.pause(&table, true).await?;
            print::said(output, &format!("table {table} deals no new hands"));
        }
        Command::Resume { table } => {
            api.pause(&table, false).await?;
            print::said(output, &format!("table {table} deals hands again"));
        }
        Command::Balances { chain, table } => {
            let bound = match table {
                Some(table) => vault::bound(&api.table(&table).await?)?,
                None => {
                    let all: Vec<PokerTable> = api.list("", "").await?;
                    all.iter().find_map(|table| vault::bound(table).ok()).ok_or(VaultError::NoTable)?
                }
            };
            let node = node(chain, &bound).await?;
            print::rows(output, &vault::balances(&node, &bound).await?);
        }
        Command::Void { table, first, last, admins, chain } => {
            let found = api.table(&table).await?;
            let bound = vault::bound(&found)?;
            let node = node(chain, &bound).await?;
            let void = vault::void(&node, &bound, &found, (first, last), &admins).await?;
            print::either(output, &void, |void| void.said(&table));
        }
        Command::Backup { release, wait } => {
            return run::backup(&api, &release.release, &wait, output).await;
        }
        Command::Restore { release, backup, wait, dry_run: _ } => {
            return run::dry_run(&api, &release.release, &backup, &wait, output).await;
        }
        Command::Report { release, file, tables, lines } => {
            let files = run::report(&api, &release.release, &file, tables.into(), lines.into()).await?;
            let said = format!("{} holds {files} files; read it before you send it", file.display());
            print::said(output, &said);
        }
    }
    Ok(Exit::Done)
}

async fn node(chain: Chain, bound: &vault::Bound) -> Result<Node, Failed> {
    Ok(Node::of(Outside::new(&chain.rpc_url, chain.rpc_ca_file)?, bound).await?)
}

async fn hands(api: &Api, name: &str, limit: u16, options: Gateway) -> Result<Vec<crate::row::Row>, Failed> {
    let Gateway { gateway, token_file, ca_file } = options;
    let table = api.table(name).await?;
    let uid = table.metadata.uid.clone().ok_or_else(|| Failed::NoUid(name.to_owned()))?;
    let token = std::fs::read_to_string(&token_file)
        .map_err(|source| Failed::File { path: token_file.clone(), source })?;
    let gateway = Outside::new(&gateway, ca_file)?;
    let list = gateway.get(&format!("/v1/tables/{uid}/hands?limit={limit}"), token.trim()).await?;
    Ok(hands::rows(&list, vault::bound(&table).map_or(0, |bound| bound.decimals)))
}

async fn drain(api: &Api, name: &str, wait: &Wait, output: Output) -> Result<Exit, Failed> {
    api.close(name, true).await?;
    let begun = Instant::now();
    loop {
        let table = match api.table(name).await {
            // A fleet deletes its closed table once the last player has left.
            Err(ApiError::Call { source: kube::Error::Api(status), .. }) if status.code == 404 => None,
            other => Some(other?),
        };
        let players = tables::left(table.as_ref());
        if players == Some(0) {
            print::said(output, &format!("table {name} is empty"));
            return Ok(Exit::Done);
        }
        if !wait.watch || begun.elapsed() >= Duration::from_secs(wait.timeout) {
            let left = players.map_or_else(|| "players".into(), |players| format!("{players} players"));
            print::said(
                output,
                &format!("table {name} seats nobody new; {left} were seated when last written"),
            );
            return Ok(Exit::Unfinished);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn rollout(api: &Api, command: Rollout, output: Output) -> Result<Exit, Failed> {
    match command {
        Rollout::Status { of, watch, timeout } => {
            let kind = if of.table { Kind::Table } else { Kind::Fleet };
            return status(api, kind, &of.name, watch.then(|| Duration::from_secs(timeout)), output).await;
        }
        Rollout::History { fleet } => {
            print::rows(output, &rollout::history(&api.revisions(&fleet).await?));
        }
        Rollout::Undo { fleet, to_revision } => {
            let (held, revisions) = (api.fleet(&fleet).await?, api.revisions(&fleet).await?);
            let undo = rollout::undo(&held, &revisions, to_revision).map_err(ApiError::from)?;
            api.set_template(&held, &undo.template).await?;
            print::said(output, &undo.said(&fleet));
        }
    }
    Ok(Exit::Done)
}

/// `limit`: waits for the end at most so long; `None`: looks once.
async fn status(
    api: &Api,
    kind: Kind,
    name: &str,
    limit: Option<Duration>,
    output: Output,
) -> Result<Exit, Failed> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        let progress = match kind {
            Kind::Fleet => Progress::of_fleet(&api.fleet(name).await?),
            Kind::Table => Progress::of_table(&api.table(name).await?),
        };
        let over =
            progress.outcome != Outcome::UnderWay || limit.is_none_or(|limit| begun.elapsed() >= limit);
        // People follow it; a program gets one object.
        if over || (output == Output::Table && last.as_ref() != Some(&progress.message)) {
            print::progress(output, &progress);
        }
        if over {
            return Ok(progress.outcome.exit());
        }
        last = Some(progress.message);
        tokio::time::sleep(LOOK).await;
    }
}
