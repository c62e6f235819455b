//! The options and the output of `purr load`.

use super::{Moment, Outcome, Plan, Player, Purr, Setup, Target, drive};
use crate::{
    api::{Api, Gateway, Listed},
    at::At,
    seat::Permits,
    session::Session,
    terminal::{note, print_line},
    wallet::{Vault, Wallet, parse_table_id},
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

const PLAYERS_MAX: usize = 20_000;
const TABLES_MAX: usize = 2_000;
/// Sign-ins at once.
const SIGN_INS: usize = 16;
/// How often a sign-in that is refused for now is tried again, a second apart.
const SIGN_IN_TRIES: u32 = 120;
/// Time for all players to arrive; many players get more.
const ARRIVE: Duration = Duration::from_secs(60);
const LEAVE: Duration = Duration::from_secs(60);

/// Many players at many tables, out of one thread. Wallets without chips get no chair: on a real deployment name funded
/// ones with --keys.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    #[command(flatten)]
    pub at: At,
    /// UID or name of a table; comma-separated [default: the first of the lobby that are ready]
    #[arg(long, value_delimiter = ',')]
    pub table: Vec<String>,
    /// How many of the lobby's tables, where none is named
    #[arg(long, default_value_t = 1)]
    pub tables: usize,
    /// Players, spread evenly over the tables
    #[arg(long, default_value_t = 9)]
    pub players: usize,
    /// Connections that only look on, spread evenly; the players' wallets are theirs, too, at other tables
    #[arg(long, default_value_t = 0)]
    pub spectators: usize,
    /// File with one private key in hex a line [default: new wallets]
    #[arg(long)]
    pub keys: Option<PathBuf>,
    /// Mean time between seeing one's turn and acting, in milliseconds; each is half to one and a half of it
    #[arg(long, default_value_t = 500)]
    pub think_ms: u64,
    /// Time from everybody being seated to the measurement, in seconds
    #[arg(long, default_value_t = 2)]
    pub warm_up_s: u64,
    /// Length of the measurement, in seconds
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// Actions after which the measurement ends earlier
    #[arg(long, default_value_t = u64::MAX)]
    pub actions: u64,
    /// Chips to sit down with, in minor units [default: what the table asks at least]
    #[arg(long)]
    pub buy_in: Option<u64>,
    /// Writes the result as JSON to this file, too; `-` is stdout
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl LoadArgs {
    /// # Errors
    /// Names the option that cannot work.
    pub fn validate(&self) -> anyhow::Result<()> {
        ensure!((1..=TABLES_MAX).contains(&self.tables), "--tables is 1 to {TABLES_MAX}");
        ensure!(self.table.len() <= TABLES_MAX, "--table: at most {TABLES_MAX}");
        ensure!(
            self.tables == 1 || self.table.is_empty(),
            "--tables counts the lobby's; with --table it says nothing"
        );
        let all = self.players.saturating_add(self.spectators);
        ensure!(
            (1..=PLAYERS_MAX).contains(&all),
            "--players and --spectators together are 1 to {PLAYERS_MAX}"
        );
        ensure!(self.think_ms <= 60_000, "--think-ms is at most 60000");
        ensure!(self.warm_up_s <= 600, "--warm-up-s is at most 600");
        ensure!((1..=3_600).contains(&self.seconds), "--seconds is 1 to 3600");
        ensure!(self.actions > 0, "--actions is at least 1");
        ensure!(self.buy_in != Some(0), "--buy-in is at least 1");
        Ok(())
    }

    fn plan(&self, big_blind: u64) -> Plan {
        let all = u64::try_from(self.players + self.spectators).unwrap_or(u64::MAX);
        Plan {
            think: Duration::from_millis(self.think_ms),
            arrive_max: ARRIVE + Duration::from_millis(all.saturating_mul(100)),
            warm_up: Duration::from_secs(self.warm_up_s),
            measure: Duration::from_secs(self.seconds),
            actions_max: self.actions,
            big_blind,
            leave_max: Some(LEAVE),
        }
    }
}

/// A table that players are sent to.
struct Place {
    listed: Listed,
    vault: Vault,
    table_id: [u8; 32],
}

pub async fn run(args: LoadArgs) -> anyhow::Result<()> {
    args.validate()?;
    let wallets = wallets(&args)?;
    let gateway = args.at.gateway()?;
    let api = Api::new(gateway.clone());
    let tables = tables(&api, &args).await?;
    let first = tables.first().context("no table")?;
    let seats: usize = tables.iter().map(|table| usize::from(table.listed.summary.seats)).sum();
    ensure!(args.players <= seats, "--players: the tables have {seats} chairs");
    let big_blind = first.listed.summary.big_blind;
    ensure!(
        tables.iter().all(|table| table.listed.summary.big_blind == big_blind),
        "--table: the tables' blinds differ, and one way to bet fits none of them"
    );
    let sessions = sign_in(&api, wallets).await?;
    let players = players(&args, &tables, &sessions);
    let plan = args.plan(big_blind);
    let target = gateway.target();
    let mut line = Line::new();
    let outcome = tokio::task::spawn_blocking(move || {
        drive(&plan, target, players, |moment, since| line.tell(moment, since))
    })
    .await??;
    report(&outcome, args.json.as_deref())?;
    ensure!(outcome.actions > 0 || args.players == 0, "no action was acknowledged");
    Ok(())
}

impl Gateway {
    /// The server of a generator's connections.
    pub fn target(&self) -> Target {
        Target { address: self.address.clone(), server_name: self.server_name.clone(), tls: self.tls.clone() }
    }
}

async fn tables(api: &Api, args: &LoadArgs) -> anyhow::Result<Vec<Place>> {
    let wanted = if args.table.is_empty() { args.tables } else { args.table.len() };
    let named = |listed: &Listed| {
        let Listed { summary, ready } = listed;
        let short = summary.name.rsplit('/').next().unwrap_or_default();
        let is = |name: &String| [&summary.uid, &summary.name].contains(&name) || name == short;
        if args.table.is_empty() { *ready && summary.seats > 0 } else { args.table.iter().any(is) }
    };
    let (mut found, mut after) = (Vec::new(), None);
    while found.len() < wanted {
        let page = api.tables(after.as_deref()).await?;
        found.extend(page.tables.into_iter().filter(named));
        match page.next {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => break,
        }
    }
    if found.len() < wanted {
        // An unknown table is named together with the known ones.
        for name in &args.table {
            api.find_table(name).await?;
        }
        bail!("{} of {wanted} tables are there", found.len());
    }
    found.truncate(wanted);
    let vault = Vault::from_config(&api.config().await?)?;
    let with_id = async |listed: Listed| {
        let info = api.table(&listed.summary.uid).await?;
        ensure!(!info.table_id.is_empty(), "table {} is not open for buy-ins yet", listed.summary.name);
        anyhow::Ok(Place { table_id: parse_table_id(&info.table_id)?, vault, listed })
    };
    stream::iter(found).map(with_id).buffered(SIGN_INS).try_collect().await
}

/// The players' wallets; spectators use the same ones if there are enough.
fn wallets(args: &LoadArgs) -> anyhow::Result<Vec<Wallet>> {
    let tables = if args.table.is_empty() { args.tables } else { args.table.len() };
    let wanted = args.players + args.spectators.div_ceil(tables);
    let Some(file) = &args.keys else {
        return Ok((0..wanted).map(|_| Wallet::random()).collect::<Result<_, _>>()?);
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("--keys {}", file.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty()).take(wanted);
    let wallets: Vec<Wallet> = lines.map(Wallet::from_hex).collect::<Result<_, _>>().context("--keys")?;
    ensure!(wallets.len() == wanted, "--keys: {} keys, {wanted} are needed", wallets.len());
    Ok(wallets)
}

/// Signs all wallets in, some at a time; rate-limited ones retry.
pub async fn sign_in(api: &Api, wallets: Vec<Wallet>) -> anyhow::Result<Vec<Session>> {
    let (of, begun) = (wallets.len(), Instant::now());
    let one = async |(at, wallet): (usize, Wallet)| {
        let session = Session::new(api.clone(), wallet);
        for _ in 0..SIGN_IN_TRIES {
            match session.token().await {
                Ok(_) => {
                    if at % 100 == 99 {
                        note(&format!(
                            "[{:5.1} s] {} of {of} signed in",
                            begun.elapsed().as_secs_f64(),
                            at + 1
                        ));
                    }
                    return Ok(session);
                }
                Err(error) if error.is_temporary() => sleep(Duration::from_secs(1)).await,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("not signed in after {SIGN_IN_TRIES} tries")
    };
    stream::iter(wallets.into_iter().enumerate()).map(one).buffered(SIGN_INS).try_collect().await
}

fn players(args: &LoadArgs, tables: &[Place], sessions: &[Session]) -> Vec<Player<Purr>> {
    let place = |number: usize, session: &Session, spectator: bool| {
        let table = number % tables.len();
        let at = tables.get(table)?;
        let buy_in = args.buy_in.unwrap_or(at.listed.summary.buy_in_min);
        let permits = (!spectator).then(|| Permits::new(session.clone(), at.vault, at.table_id));
        let chair = u8::try_from(number / tables.len()).ok().filter(|_| !spectator);
        let side = Purr::new(&at.listed.summary.uid, session.wallet().address(), chair);
        let setup = Setup { session: Some(session.clone()), permits, buy_in, max_rake: buy_in };
        Some(Player { side, setup, table, spectator })
    };
    let (seated, watching) = sessions.split_at(args.players.min(sessions.len()));
    let seated = seated.iter().enumerate().filter_map(|(number, session)| place(number, session, false));
    // A wallet can have one connection to a table.
    let watching =
        (0..args.spectators).filter_map(|number| place(number, watching.get(number / tables.len())?, true));
    seated.chain(watching).collect()
}

fn report(outcome: &Outcome, json: Option<&Path>) -> anyhow::Result<()> {
    let text = serde_json::to_string(outcome)?;
    match json {
        Some(path) if path == Path::new("-") => {
            return print_line(&text);
        }
        Some(path) => {
            std::fs::write(path, text + "\n").with_context(|| format!("--json {}", path.display()))?;
        }
        None => {}
    }
    print_line(&outcome.table())
}

/// Progress on stderr, a line a second.
struct Line {
    last: Duration,
    actions: u64,
}

impl Line {
    fn new() -> Self {
        Self { last: Duration::ZERO, actions: 0 }
    }

    fn tell(&mut self, moment: Moment, since: Duration) {
        let passed = since.saturating_sub(self.last);
        let edge = matches!(moment, Moment::Begin | Moment::End);
        if passed < Duration::from_secs(1) && !edge {
            return;
        }
        self.last = since;
        let at = since.as_secs_f64();
        match moment {
            Moment::Arriving { settled, of } => note(&format!("[{at:5.1} s] {settled} of {of} are there")),
            Moment::Begin => note(&format!("[{at:5.1} s] measuring")),
            Moment::Measuring { actions } => {
                let rate = actions.saturating_sub(self.actions) as f64 / passed.as_secs_f64();
                self.actions = actions;
                note(&format!("[{at:5.1} s] {actions} actions, {rate:.0} a second"));
            }
            Moment::End => note(&format!("[{at:5.1} s] measured")),
            Moment::Leaving { seated } => note(&format!("[{at:5.1} s] {seated} have a chair still")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, Options};
    use clap::Parser;

    fn with(more: &[&str]) -> anyhow::Result<()> {
        let fixed = ["purr", "load", "--gateway=https://localhost:1", "--ca=ca.crt"];
        let Command::Load(args) = Options::try_parse_from(fixed.iter().chain(more))?.command else {
            bail!("not load")
        };
        args.validate()
    }

    #[test]
    fn what_cannot_work_is_named_before_anything_starts() {
        assert!(with(&[]).is_ok());
        for (option, named) in [
            ("--tables=0", "--tables"),
            ("--players=0", "--players"),
            ("--spectators=20000", "--spectators"),
            ("--think-ms=60001", "--think-ms"),
            ("--seconds=0", "--seconds"),
            ("--seconds=3601", "--seconds"),
            ("--warm-up-s=601", "--warm-up-s"),
            ("--actions=0", "--actions"),
            ("--buy-in=0", "--buy-in"),
        ] {
            let error = format!("{:#}", with(&[option]).unwrap_err());
            assert!(error.contains(named), "{option}: {error}");
        }
        let error = with(&["--tables=2", "--table=river"]).unwrap_err().to_string();
        assert!(error.contains("--tables"), "{error}");
    }
}
