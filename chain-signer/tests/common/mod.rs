//! Real parts for the signer's tests: PostgreSQL, anvil, SoftHSM and the signer's own program, each in a
//! folder of its own and on ports that the kernel chose.

#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../../../operator/runtime/tests/common/certificates.rs"]
mod certificates;
pub mod gateway;
pub mod lies;
pub mod proxy;
#[path = "../../../operator/gateway/tests/common/redis.rs"]
pub mod redis;
pub mod table;

use certificates::Authority;
use http::Method;
use purr_chain_signer::{
    chain::{
        Address, Rpc, RpcConfig,
        deploy::{Deployed, Wallet},
        eip712::Domain,
        parse_address,
    },
    keys::KeyAddresses,
};
use purr_runtime::{Identity, InternalClient, Role};
use serde_json::{Value, json};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Keys of the development mnemonic, which anvil gives money to; the first deploys, the others play.
pub const KEYS: [&str; 4] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];
/// Anvil's account 6, and its key.
const GUARDIAN: &str = "0x976ea74026e726554db657fa54763abd0c3a0aa9";
pub const GUARDIAN_KEY: &str = "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e";
/// The part of one table's shortfalls that the reserve bears, in minor units; nothing by default.
const TABLE_RESERVE: &str = "30000000";
const CHAIN_ID: u64 = 31337;
const NOBODY: &str = "65534";
pub const WAIT: Duration = Duration::from_secs(180);

/// The key of a player; those beyond anvil's have no native currency and pay nothing themselves.
pub fn key(n: usize) -> [u8; 32] {
    use sha3::{Digest, Keccak256};
    match KEYS.get(n) {
        Some(key) => hex::decode(key).unwrap().try_into().unwrap(),
        None => Keccak256::digest(format!("player {n}")).into(),
    }
}

/// Calldata of a method whose arguments are all words.
pub fn call(signature: &str, arguments: &[&[u8]]) -> Vec<u8> {
    use sha3::{Digest, Keccak256};
    let mut data = Keccak256::digest(signature)[..4].to_vec();
    for argument in arguments {
        data.extend(vec![0; 32 - argument.len()]);
        data.extend(*argument);
    }
    data
}

pub fn unused_port() -> u16 {
    free_port()
}

fn free_port() -> u16 {
    purr_test_ports::port().unwrap()
}

/// A process that ends with the test.
pub struct Process(Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Kills the process as the loss of a node would: at once, without a shutdown.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub fn terminate(mut self) -> std::process::ExitStatus {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls until `ask` returns an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < WAIT, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The surroundings of a signer.
pub struct House {
    dir: TempDir,
    authority: Authority,
    pub pg_port: u16,
    pub rpc_port: u16,
    postgres: Option<Process>,
    anvil: Vec<Process>,
    pub deployed: Option<Deployed>,
    pub signer_env: Vec<(String, String)>,
}

impl House {
    /// Folders, certificates and ports; nothing runs yet.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let authority = Authority::new();
        authority.issue(&path.join("signer"), &[&Role::ChainSigner.to_string()]);
        for (file, text) in [("pin", "1234"), ("so-pin", "5678"), ("pg-password", "unused")] {
            fs::write(path.join(file), text).unwrap();
        }
        fs::create_dir(path.join("tokens")).unwrap();
        let softhsm =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", path.join("tokens").display());
        fs::write(path.join("softhsm2.conf"), softhsm).unwrap();
        Self {
            authority,
            pg_port: free_port(),
            rpc_port: free_port(),
            postgres: None,
            anvil: Vec::new(),
            deployed: None,
            signer_env: Vec::new(),
            dir,
        }
    }

    /// A file or folder of this house: `pin`, `tokens` (SoftHSM's), `signer` (certificates).
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts everything: the vault is deployed, and the signer is configured with it.
    pub async fn new() -> Self {
        let mut house = Self::empty();
        house.start_postgres();
        house.start_anvil();
        house.deploy(&[]).await;
        house
    }

    /// As [`Self::new`], with a second settling key that waits for the day on which the first is revoked.
    pub async fn with_standby() -> Self {
        let mut house = Self::empty();
        house.start_postgres();
        house.start_anvil();
        house.use_settling_key("settle-2");
        let standby = house.keys(&["--create"]).settle;
        house.use_settling_key("settle");
        house.deploy(&["--standby", &standby]).await;
        house
    }

    /// The label of the key with which signers that are started from now on settle.
    pub fn use_settling_key(&mut self, label: &str) {
        self.signer_env.retain(|(name, _)| name != "PURR_HSM_SETTLE_KEY");
        self.signer_env.push(("PURR_HSM_SETTLE_KEY".into(), label.into()));
    }

    pub fn start_postgres(&mut self) {
        let data = self.dir.path().join("pg");
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let bin = Path::new("/usr/lib/postgresql/15/bin");
        // PostgreSQL refuses to run as root.
        let command = |name: &str| {
            if !root {
                return Command::new(bin.join(name));
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(bin.join(name));
            command
        };
        if !data.exists() {
            fs::create_dir(&data).unwrap();
            if root {
                Command::new("chmod").arg("755").arg(self.dir.path()).status().unwrap();
                Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(&data).status().unwrap();
            }
            let made = command("initdb")
                .args([
                    "--auth=trust",
                    "--username=signer",
                    "--no-sync",
                    "--no-instructions",
                    "--locale=C",
                    "-D",
                ])
                .arg(&data)
                .output()
                .unwrap();
            assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        let mut postgres = command("postgres");
        postgres.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        ]);
        postgres.args(["-p", &self.pg_port.to_string(), "-D"]).arg(&data);
        self.postgres = Some(Process::spawn(postgres.stdout(Stdio::null()).stderr(Stdio::null())));
    }

    /// A sessions group, which signers that are started from now on know.
    pub async fn start_sessions(&mut self) -> redis::Redis {
        let redis = redis::Redis::of(&self.authority, "").await;
        redis.up().await;
        let password = redis.password("signer").display().to_string();
        self.signer_env.extend(
            [
                ("PURR_SESSIONS_SENTINELS", format!("127.0.0.1:{}", redis.sentinel)),
                ("PURR_SESSIONS_USER", "signer".to_owned()),
                ("PURR_SESSIONS_PASSWORD_FILE", password),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        redis
    }

    pub fn stop_postgres(&mut self) {
        self.postgres = None;
        let _ = fs::remove_file(self.dir.path().join("pg/postmaster.pid"));
    }

    pub fn start_anvil(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/npm.sh");
        let path = Command::new(script).arg("anvil").output().unwrap();
        assert!(path.status.success(), "{}", String::from_utf8_lossy(&path.stderr));
        let path = PathBuf::from(String::from_utf8(path.stdout).unwrap().trim());
        let mut anvil = Command::new(path);
        anvil.args([
            "--block-time",
            "1",
            "--silent",
            "--host",
            "127.0.0.1",
            "--port",
            &self.rpc_port.to_string(),
        ]);
        self.anvil.push(Process::spawn(anvil.stdout(Stdio::null()).stderr(Stdio::null())));
    }

    pub fn rpc(&self) -> Rpc {
        let urls = vec![format!("http://127.0.0.1:{}", self.rpc_port)];
        Rpc::new(&RpcConfig { urls, ca_file: None, requests_per_minute: 0 }).unwrap()
    }

    /// A method of the node's that only tests use.
    pub async fn node(&self, method: &'static str, params: Value) -> Value {
        self.rpc().raw(method, params).await.unwrap()
    }

    pub fn program(&self) -> Command {
        let path = |name: &str| self.dir.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_purr-chain-signer"));
        command
            .env_clear()
            .env("PURR_LOG", std::env::var("PURR_LOG").unwrap_or_else(|_| "error".into()))
            .env("SOFTHSM2_CONF", path("softhsm2.conf"))
            .env("PURR_HSM_MODULE", "/usr/lib/softhsm/libsofthsm2.so")
            .env("PURR_HSM_TOKEN_LABEL", "purr")
            .env("PURR_HSM_PIN_FILE", path("pin"))
            .env("PURR_HSM_SO_PIN_FILE", path("so-pin"))
            .env("PURR_INIT_TOKEN", "true")
            .env("PURR_PG_HOST", "127.0.0.1")
            .env("PURR_PG_PORT", self.pg_port.to_string())
            .env("PURR_PG_DATABASE", "postgres")
            .env("PURR_PG_USER", "signer")
            .env("PURR_PG_PASSWORD_FILE", path("pg-password"))
            .env("PURR_RPC_URLS", format!("http://127.0.0.1:{}", self.rpc_port))
            .env("PURR_CHAIN_ID", CHAIN_ID.to_string())
            .env("PURR_CONFIRMATIONS", "1")
            .env("PURR_TLS_DIR", path("signer"))
            .envs(self.signer_env.iter().cloned());
        command
    }

    /// The keys as the command prints them.
    pub fn keys(&self, arguments: &[&str]) -> KeyAddresses {
        let answer = self.program().arg("keys").args(arguments).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        serde_json::from_slice(&answer.stdout).unwrap()
    }

    async fn deploy(&mut self, more: &[&str]) {
        let keys = self.keys(&["--create"]);
        let rpc = self.rpc();
        eventually("anvil answers", || async { rpc.chain_id().await.ok() }).await;
        let answer = self
            .program()
            .args(["deploy", "--operator", &keys.settle, "--voucher", &keys.voucher, "--guardian", GUARDIAN])
            .args(["--table-reserve", TABLE_RESERVE])
            .args(more)
            .env("PURR_DEPLOYER_KEY", KEYS[0])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        let deployed: Deployed = serde_json::from_slice(&answer.stdout).unwrap();
        self.signer_env.push(("PURR_VAULT".into(), deployed.vault.clone()));
        self.signer_env.push(("PURR_TOKEN".into(), deployed.token.clone()));
        self.deployed = Some(deployed);
    }

    pub fn vault(&self) -> Address {
        parse_address(&self.deployed.as_ref().unwrap().vault).unwrap()
    }

    pub fn token(&self) -> Address {
        parse_address(&self.deployed.as_ref().unwrap().token).unwrap()
    }

    pub fn domain(&self) -> Domain {
        Domain { chain_id: CHAIN_ID, vault: self.vault() }
    }

    /// Players 1 to `count` deposit.
    pub async fn fund(&self, count: usize, amount: u64) {
        let rpc = self.rpc();
        let (token, vault) = (self.token(), self.vault());
        let all = (1..=count).map(|n| {
            let rpc = &rpc;
            async move { Wallet::new(rpc, key(n)).await.unwrap().fund(token, vault, amount).await.unwrap() }
        });
        futures::future::join_all(all).await;
    }

    /// Players deposit by the first account's hand.
    pub async fn fund_players(&self, players: std::ops::RangeInclusive<usize>, amount: u64) {
        let rpc = self.rpc();
        let payer = Wallet::new(&rpc, key(0)).await.unwrap();
        let all = amount * players.clone().count() as u64;
        payer.mint(self.token(), payer.address, all).await.unwrap();
        payer.approve(self.token(), self.vault(), all).await.unwrap();
        for n in players {
            let player = table::player(n).0;
            let data = call("depositFor(address,uint64)", &[&player, &amount.to_be_bytes()]);
            payer.execute(self.vault(), &data).await.unwrap();
        }
    }

    pub fn start_signer(&self) -> Signer {
        self.start_signer_at(free_port(), free_port())
    }

    /// Starts a signer on the ports of an earlier one.
    pub fn start_signer_at(&self, https: u16, ops: u16) -> Signer {
        let mut command = self.program();
        command
            .arg("serve")
            .env("PURR_LISTEN", format!("127.0.0.1:{https}"))
            .env("PURR_OPS_LISTEN", format!("127.0.0.1:{ops}"));
        Signer { process: Process::spawn(&mut command), https, ops }
    }

    /// A client of the signer with the certificate of a role.
    pub fn client(&self, signer: &Signer, role: &Role) -> InternalClient {
        let address = format!("127.0.0.1:{}", signer.https);
        InternalClient::new(self.identity(role), address, Role::ChainSigner)
    }

    /// The certificate of a role; the same each time.
    pub fn identity(&self, role: &Role) -> Identity {
        self.identity_of(&role.to_string())
    }

    /// The certificate of a name, in a folder of that name; the same each time.
    pub fn identity_of(&self, name: &str) -> Identity {
        let dir = self.dir.path().join(name);
        if !dir.exists() {
            self.authority.issue(&dir, &[name]);
        }
        Identity::load(&dir).unwrap()
    }

    pub async fn sql(&self) -> sqlx::PgPool {
        let url =
            format!("postgres://signer@127.0.0.1:{}/postgres?options=-csearch_path%3Dsigner", self.pg_port);
        sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap()
    }
}

pub struct Signer {
    pub process: Process,
    pub https: u16,
    pub ops: u16,
}

impl Signer {
    /// Status and text of a page of the ops port; `None` while nothing listens.
    pub async fn ops(&self, path: &str) -> Option<(u16, String)> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.ops)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub async fn ready(&self) {
        let asked = || async { self.ops("/readyz").await.filter(|(status, _)| *status == 200) };
        eventually("the signer is ready", asked).await;
    }

    /// Waits until it is not ready for this reason.
    pub async fn not_ready(&self, reason: &str) {
        let asked = || async {
            self.ops("/readyz").await.filter(|(status, body)| *status == 503 && body.contains(reason))
        };
        eventually(reason, asked).await;
    }

    /// Waits until the database has all migrations. Some of the tables exist earlier.
    pub async fn journal_there(&self) {
        eventually("the journal is there", || async {
            let (_, text) = self.ops("/metrics").await?;
            text.contains("purr_signer_up{part=\"journal\"} 1").then_some(())
        })
        .await;
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.ops("/metrics").await.unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
        line.rsplit(' ').next().unwrap().parse().unwrap_or(0.0)
    }
}

/// Status and problem code of a refused request, `(200, "")` of an answered one.
pub async fn outcome(client: &InternalClient, method: Method, path: &str, body: &Value) -> (u16, String) {
    let body = match body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(body).unwrap(),
    };
    let (status, body) = client.raw(method, path, body.into(), Duration::from_secs(10)).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap_or(json!({}));
    let code = problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap().to_owned();
    (status.as_u16(), code)
}
