//! Starts a PostgreSQL for one test, and plays hands with the engine.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; tests may fail loudly"
)]

use bytes::Bytes;
use purr_engine::{
    Action, Ante, Betting, Card, ClockConfig, Command, Deck, Event, HouseRules, PlayerId, RakeConfig,
    SeatIndex, Table, TableConfig,
    history::{HandHistory, SeatStart},
};
use purr_protocol::{HistoryRule, record::HandRecord};
use purr_records::Database;
use purr_store::StoredHand;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::{Child, Command as Process, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BIN: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL refuses root.
const NOBODY: u32 = 65_534;
const LONG: Duration = Duration::from_secs(30);

/// A server that listens on a Unix socket in a folder of its own, so that no other process can take its port.
pub struct Postgres {
    dir: TempDir,
    server: Option<Child>,
}

fn unprivileged(program: &str, root: bool) -> Process {
    let path = format!("{BIN}/{program}");
    if !root {
        return Process::new(path);
    }
    let mut process = Process::new("setpriv");
    process.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", &path]);
    process
}

impl Postgres {
    pub fn new() -> Self {
        let mut postgres = Self { dir: tempfile::tempdir().unwrap(), server: None };
        if postgres.root() {
            chown(postgres.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = unprivileged("initdb", postgres.root())
            .args([
                "--username=records",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(postgres.dir.path().join("data"))
            .current_dir("/")
            .stdout(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("{BIN}/initdb (Debian package postgresql-15): {error}"));
        assert!(made.success());
        postgres.start();
        postgres
    }

    /// Whether the test runs as root, found by the owner of a new file.
    fn root(&self) -> bool {
        let own = self.dir.path().join("whose");
        if !own.exists() {
            fs::write(&own, "").unwrap();
        }
        fs::metadata(own).unwrap().uid() == 0
    }

    pub fn start(&mut self) {
        let server = unprivileged("postgres", self.root())
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .arg("-k")
            .arg(self.dir.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "logging_collector=off"])
            .current_dir("/")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(server);
    }

    /// Kills the server without a shutdown, as when its node fails.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .username("records")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A database with this program's schema, as soon as the server takes connections.
    pub async fn database(&self) -> Database {
        let database = Database::new(self.options());
        let begun = Instant::now();
        while let Err(error) = database.migrate().await {
            assert!(begun.elapsed() < LONG, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        database
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

pub const TABLE: &str = "0a0b0c0d-0000-4000-8000-000000000001";
/// Text that must never be seen outside.
pub const SEALED: &str = "U0VBTEVELVNFQ1JFVA==";

pub fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

fn config() -> TableConfig {
    TableConfig {
        seats: 3,
        small_blind: 5,
        big_blind: 10,
        ante: Ante::None,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice: false,
        buy_in_min: 10,
        buy_in_max: 1_000,
        rake: RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 20_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            disconnect_ms: 10_000,
            time_bank_hands: 1,
            time_bank_max_ms: 0,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    }
}

/// A hand as a table writes it: played by the engine, three players, checked down to the showdown.
pub fn record(table: &str, hand: u64, first_raise: u64) -> HandRecord {
    let mut game = Table::new(config()).unwrap();
    for seat in 0..3 {
        game.apply(0, Command::Sit { seat: SeatIndex(seat), player: player(seat), stack: 500 }).unwrap();
    }
    let cards: Vec<Card> = Card::all().collect();
    let deck = Deck::try_from(cards).unwrap();
    let mut events = game.apply(0, Command::StartHand { hand, deck }).unwrap();
    let mut raise = Some(first_raise);
    while let Some(seat) = game.to_act() {
        let legal = game.legal_actions(seat).unwrap();
        let action = match raise.take() {
            Some(total) => Action::RaiseTo(total),
            None if legal.check => Action::Check,
            None => Action::Call,
        };
        events.extend(game.apply(0, Command::Act { seat, action }).unwrap());
    }
    let end = events.iter().find_map(|event| match event {
        Event::HandEnded(end) => Some(end.clone()),
        _ => None,
    });
    let seats = [1, 2, 0].map(|seat| SeatStart { seat: SeatIndex(seat), player: player(seat), stack: 500 });
    HandRecord {
        version: 1,
        table: table.into(),
        epoch: 65_536,
        history: HandHistory::public(hand, config(), seats.to_vec(), &events),
        end: end.unwrap(),
        timings: Vec::new(),
        root: "ab".repeat(32),
        commitments: Vec::new(),
        reveals: Vec::new(),
        openings: Vec::new(),
        sealed: SEALED.into(),
        audit: None,
        shown: HistoryRule::default(),
        place: None,
        fair_play: None,
    }
}

/// The record as the stream delivers it.
pub fn stored(record: &HandRecord, id: &str) -> StoredHand {
    let bytes = record.to_bytes().unwrap();
    StoredHand {
        id: id.into(),
        table: record.table.clone(),
        hand: record.end.hand,
        hash: hex::encode(HandRecord::hash(&bytes)),
        record: Bytes::from(bytes),
    }
}

/// Prints a measurement, and writes it to `records-<name>.json` in the folder that PURR_FIGURES names.
pub fn figures(name: &str, figures: &serde_json::Value) {
    println!("{name}: {figures:#}");
    if let Ok(folder) = std::env::var("PURR_FIGURES") {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        let told = serde_json::json!({ "load": load, "figures": figures });
        fs::write(Path::new(&folder).join(format!("records-{name}.json")), format!("{told:#}\n")).unwrap();
    }
}

pub fn hand(number: u64) -> StoredHand {
    stored(&record(TABLE, number, 30), &format!("{}-0", 1_700_000_000_000 + number))
}
