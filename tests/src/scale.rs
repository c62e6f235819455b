//! The controller at ten thousand tables: a real API server and etcd, KWOK in place of kubelets, and a stub in place of the
//! processes in the pods.
//!
//! Everything shares two cores: the API server, etcd, KWOK, Redis, this program and the controller. So each figure stands
//! beside the CPU that each of them used, and the controller's speed beside that of a client which writes the same objects
//! and decides nothing. This program also puts pods on nodes, in place of a scheduler.
//!
//! **Caveats.** KWOK's pods have no process: this program writes their summaries, and what the controller would ask a pod is
//! never asked. The signer is a stub that answers. etcd does not sync to disk.

mod api;
mod options;
mod plot;
mod programs;
mod stub;

pub use options::Options;

use crate::{
    sockets::{Fsync, Redis, outside, programs::free, usage},
    solo::secrets::Secrets,
};
use anyhow::{Context, bail, ensure};
use api::{Seen, Template};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use programs::{Metrics, Program, metrics, peak_rss, rss, sum};
use purr_runtime::{CancellationToken, Role};
use purr_store::{Link, LinkConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

const WINDOW: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
const UP: Duration = Duration::from_secs(60);
/// Maximum number of pods on one node.
const PODS_PER_NODE: usize = 500;
/// Tables that the bare client has begun and not ended, for each request that may be under way: most wait for their pod.
/// Without a bound it writes all tables first, and requests of the last ones time out in the API server.
const BARE_PER_REQUEST: usize = 8;
const MIB: f64 = 1_048_576.0;

/// The bounds, as the issue of the fleet has them.
const RATIO_MIN: f64 = 0.7;
const RSS_MAX_MIB: f64 = 150.0;
const READY_AGAIN_MAX_S: f64 = 10.0;
const WRITES_PER_S_MAX: f64 = 20.0;

struct Bench {
    options: Options,
    client: Client,
    seen: Arc<Seen>,
    secrets: Secrets,
    ca: PathBuf,
    redis: Redis,
    signer: SocketAddr,
    password: PathBuf,
    kwok: Option<Program>,
    dealing: Arc<AtomicBool>,
    windows: Arc<Windows>,
    created: Arc<AtomicUsize>,
    _beside: JoinSet<anyhow::Result<()>>,
}

/// A controller that runs.
struct Controller {
    program: Program,
    ops: SocketAddr,
    started: Instant,
}

/// Usage in rows of ten seconds.
struct Windows {
    begun: Instant,
    rows: Mutex<Vec<Value>>,
    /// The step of the run.
    phase: Mutex<&'static str>,
    controller: Mutex<Option<u32>>,
}

/// Runs the whole measurement and writes the figures.
///
/// # Errors
/// Where a program ends, tables do not become Ready, or, with `--strict`, a bound is missed.
pub async fn run(options: Options) -> anyhow::Result<()> {
    options.validate()?;
    fs::create_dir_all(&options.dir)?;
    let bench = Bench::new(options).await?;
    let figures = bench.all().await?;
    let rows = bench.windows.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(path) = &bench.options.plot {
        fs::write(path, plot::svg(&rows))?;
    }
    let mut out = figures;
    out["windows"] = rows.into();
    fs::write(&bench.options.out, serde_json::to_vec_pretty(&out)?)?;
    println!("{}", plot::table(&out));
    bench.hold(&out)
}

impl Bench {
    async fn new(options: Options) -> anyhow::Result<Self> {
        let secrets = Secrets::new()?;
        secrets.identity("redis", &["localhost", "127.0.0.1"])?;
        secrets.identity("controller", &[&Role::Controller.to_string()])?;
        let signer = secrets.identity("signer", &[&Role::ChainSigner.to_string()])?;
        let signer = outside::signer(signer, CancellationToken::new()).await?;
        let tls = secrets.folder("redis")?;
        let redis = Redis::start(&options.dir, &tls, 0, Fsync::EverySecond, 1).await?;
        let password = redis.password_file()?;
        let ca = authority(&secrets)?;
        let client = api::client(&options.admin).await?;
        let most = options.tables_max.max(options.tables);
        let nodes = most.div_ceil(PODS_PER_NODE).max(1);
        api::nodes(&client, nodes).await?;
        let kwok = match options.kwok.as_ref().zip(options.kwok_config.as_ref()) {
            Some((program, config)) => {
                let mut kwok = Command::new(program);
                kwok.arg("--kubeconfig").arg(&options.admin).arg("--config").arg(config);
                kwok.args(["--manage-all-nodes=true", "--node-lease-duration-seconds=0"]);
                Some(Program::start("kwok", &mut kwok, &options.dir)?)
            }
            None => None,
        };
        let seen = Arc::<Seen>::default();
        let dealing = Arc::<AtomicBool>::default();
        let created = Arc::<AtomicUsize>::default();
        let windows = Arc::new(Windows {
            begun: Instant::now(),
            rows: Mutex::default(),
            phase: Mutex::new("start"),
            controller: Mutex::default(),
        });
        let link = Link::new(LinkConfig {
            sentinels: vec![(redis.sentinel.ip().to_string(), redis.sentinel.port())],
            master: "sessions".into(),
            user: "gateway".into(),
            password_file: password.clone(),
            ca_file: secrets.ca_file("redis"),
        });
        let mut beside = JoinSet::new();
        let binder = api::Binder { nodes, parallel: options.parallel, makes_ready: kwok.is_none() };
        beside.spawn(binder.run(client.clone(), seen.clone()));
        beside.spawn(api::follow(client.clone(), seen.clone()));
        beside.spawn(stub::speak(link, seen.clone(), options.namespaces.clone(), dealing.clone()));
        let mut pids = vec![
            ("apiserver", options.apiserver_pid),
            ("etcd", options.etcd_pid),
            ("this", std::process::id()),
        ];
        pids.extend(kwok.as_ref().map(|kwok| ("kwok", kwok.pid())));
        beside.spawn(windows.clone().fill(pids, seen.clone(), created.clone(), options.namespaces.clone()));
        Ok(Self {
            options,
            client,
            seen,
            secrets,
            ca,
            redis,
            signer,
            password,
            kwok,
            dealing,
            windows,
            created,
            _beside: beside,
        })
    }

    fn say(&self, text: &str) {
        println!("[{:4}s] {text}", self.windows.begun.elapsed().as_secs());
    }

    async fn all(&self) -> anyhow::Result<Value> {
        let Options { tables, namespaces, bare_namespaces, .. } = &self.options;
        // The table that the bare client will copy.
        let first = self.start().await?;
        let name = &namespaces[0];
        self.create(&[0], namespaces).await?;
        self.converge(1).await?;
        let template = Template::read(&self.client, name, "table-0").await?;
        self.stop(first).await?;

        self.windows.phase("bare");
        let before = self.requests().await?;
        let bare_s = self.bare(&template, bare_namespaces).await?;
        let bare = *tables as f64 / bare_s;
        let bare_requests = a_table(&before, &self.requests().await?, *tables);
        self.say(&format!("bare client: {tables} tables in {bare_s:.1} s, {bare:.1}/s"));
        self.windows.phase("clear");
        for namespace in bare_namespaces {
            api::clear(&self.client, namespace).await?;
        }
        crate::until("the bare client's tables are gone", Duration::from_secs(300), async || {
            Ok((self.seen.tables() <= 1).then_some(()))
        })
        .await?;

        self.windows.phase("create");
        let controller = self.start().await?;
        let (before, asked) = (metrics(controller.ops).await?, self.requests().await?);
        let (cpu, from) = (usage::cpu_s(&[controller.program.pid()])?, Instant::now());
        let numbers: Vec<usize> = (1..=*tables).collect();
        let creating = self.create(&numbers, namespaces);
        let (created, ready) = tokio::try_join!(creating, self.converge(tables + 1))?;
        let took = from.elapsed().as_secs_f64();
        let rate = *tables as f64 / took;
        self.say(&format!("controller: created in {created:.1} s, Ready after {ready:.1} s, {rate:.1}/s"));
        let after = metrics(controller.ops).await?;
        let requests = a_table(&asked, &self.requests().await?, *tables);
        self.say(&format!("requests a table: {requests}; of the bare client: {bare_requests}"));
        let create = json!({
            "tables": tables, "created_s": created, "ready_s": took, "tables_per_s": rate,
            "bare_s": bare_s, "bare_tables_per_s": bare, "ratio": rate / bare,
            "requests_a_table": requests, "bare_requests_a_table": bare_requests,
            "pods_created": grown(&before, &after, &["purr_controller_pods_total", "create"]),
            "controller_cpu_s": usage::cpu_s(&[controller.program.pid()])? - cpu,
            "controller_peak_rss_mib": peak_rss(controller.program.pid())? as f64 / MIB,
        });

        self.windows.phase("deal");
        let deal = self.deal(&controller).await?;
        self.windows.phase("cold start");
        self.stop(controller).await?;
        let (controller, cold) = self.cold().await?;
        self.windows.phase("capacity");
        let capacity = self.capacity(&controller).await?;
        self.stop(controller).await?;
        Ok(json!({
            "load": fs::read_to_string("/proc/loadavg")?.trim(),
            "namespaces": namespaces.len(),
            "kwok": self.kwok.is_some(),
            "kwok_stage_parallelism": self.kwok.as_ref().map(|_| 64),
            "parallel": self.options.parallel,
            "create": create, "deal": deal, "cold_start": cold, "capacity": capacity,
        }))
    }

    async fn start(&self) -> anyhow::Result<Controller> {
        let [ops] = free::<1>()?;
        let sentinel = self.redis.sentinel.to_string();
        let stores = json!({"default": {"sentinels": [sentinel], "master": "sessions"}}).to_string();
        let address = |digit: &str| format!("0x{}", digit.repeat(40));
        let mut command = Command::new(&self.options.controller);
        command.env("KUBECONFIG", &self.options.kubeconfig).env("PURR_LOG", "warn");
        let settings = [
            ("--namespace", "purr".to_owned()),
            ("--namespaces", self.options.namespaces.join(",")),
            ("--identity", "controller-0".into()),
            ("--release", "purr".into()),
            ("--stores", stores),
            ("--sessions-sentinels", sentinel),
            // In this Redis, the user that may read summaries and that Sentinel accepts as well.
            ("--sessions-user", "gateway".into()),
            ("--sessions-password-file", self.password.display().to_string()),
            ("--tls-dir", self.secrets.folder("controller")?.display().to_string()),
            ("--ca-dir", self.ca.display().to_string()),
            ("--signer-addr", self.signer.to_string()),
            ("--table-image", "localhost/purr/table:1".into()),
            ("--table-jwks-addr", "127.0.0.1:3".into()),
            ("--table-resources", r#"{"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}"#.into()),
            ("--table-jwt-issuer", "https://localhost".into()),
            ("--chain-id", "31337".into()),
            ("--chain-vault", address("a")),
            ("--chain-token", address("b")),
            ("--concurrency", "64".into()),
            ("--ops-listen", ops.to_string()),
        ];
        for (option, value) in settings {
            command.arg(option).arg(value);
        }
        let started = Instant::now();
        let program = Program::start("controller", &mut command, &self.options.dir)?;
        *self.windows.controller.lock().unwrap_or_else(PoisonError::into_inner) = Some(program.pid());
        crate::until("the controller leads", UP, async || {
            let all = metrics(ops).await?;
            Ok((sum(&all, &["purr_controller_leader"]) == 1.0).then_some(()))
        })
        .await?;
        Ok(Controller { program, ops, started })
    }

    async fn stop(&self, controller: Controller) -> anyhow::Result<()> {
        *self.windows.controller.lock().unwrap_or_else(PoisonError::into_inner) = None;
        controller.program.end().await
    }

    /// Creates tables of these numbers, spread over the namespaces. Returns how long it took, in seconds.
    async fn create(&self, numbers: &[usize], namespaces: &[String]) -> anyhow::Result<f64> {
        let from = Instant::now();
        let create = async |number: &usize| {
            let tables = kube::Api::namespaced(self.client.clone(), &namespaces[number % namespaces.len()]);
            tables.create(&kube::api::PostParams::default(), &api::table(*number)?).await?;
            self.created.fetch_add(1, Ordering::Relaxed);
            anyhow::Ok(())
        };
        stream::iter(numbers).map(Ok).try_for_each_concurrent(self.options.parallel, create).await?;
        Ok(from.elapsed().as_secs_f64())
    }

    /// Waits until so many tables are Ready. Returns how long it took, in seconds.
    async fn converge(&self, tables: usize) -> anyhow::Result<f64> {
        let from = Instant::now();
        let limit = Duration::from_secs(self.options.converge_s);
        loop {
            let ready = self.seen.ready(&self.options.namespaces);
            if ready >= tables {
                return Ok(from.elapsed().as_secs_f64());
            }
            if from.elapsed() > limit {
                bail!("{ready} of {tables} tables are Ready after {} s", limit.as_secs());
            }
            sleep(LOOK).await;
        }
    }

    /// The same objects at full speed. Returns how long it took, in seconds.
    async fn bare(&self, template: &Template, namespaces: &[String]) -> anyhow::Result<f64> {
        let from = Instant::now();
        let permits = Semaphore::new(self.options.parallel);
        let limit = Duration::from_secs(self.options.converge_s);
        let write = async |number: usize| {
            let namespace = &namespaces[number % namespaces.len()];
            template.write(&self.client, &self.seen, &permits, namespace, &api::table(number)?).await
        };
        let at_once = self.options.parallel * BARE_PER_REQUEST;
        let all = stream::iter(1..=self.options.tables).map(Ok).try_for_each_concurrent(at_once, write);
        tokio::time::timeout(limit, all).await.context("the bare client's pods are not ready in time")??;
        Ok(from.elapsed().as_secs_f64())
    }

    /// Every table deals.
    async fn deal(&self, controller: &Controller) -> anyhow::Result<Value> {
        let Options { deal_s, .. } = self.options;
        self.dealing.store(true, Ordering::Relaxed);
        // At the start players arrive at all tables at once, which no real fleet sees, so this time is left out.
        sleep(Duration::from_secs(deal_s / 2)).await;
        let (before, writes) = (metrics(controller.ops).await?, self.writes().await?);
        let (cpu, from) = (usage::cpu_s(&[controller.program.pid()])?, Instant::now());
        sleep(Duration::from_secs(deal_s)).await;
        let took = from.elapsed().as_secs_f64();
        let (after, now) = (metrics(controller.ops).await?, self.writes().await?);
        let cpu = usage::cpu_s(&[controller.program.pid()])? - cpu;
        let tables = grown(&before, &after, &["purr_controller_status_writes_total"]);
        let all = now - writes;
        self.say(&format!("dealing: {:.1} API writes/s, {:.1} of statuses", all / took, tables / took));
        Ok(json!({
            "seconds": took, "api_writes_per_s": all / took, "status_writes_per_s": tables / took,
            "controller_cpu": cpu / took,
        }))
    }

    /// Requests that the API server has had, by verb, resource and answer.
    async fn requests(&self) -> anyhow::Result<Metrics> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let all = programs::parse(&self.client.request_text(request).await?);
        Ok(all.into_iter().filter(|(name, _)| name.starts_with("apiserver_request_total{")).collect())
    }

    /// Writes that the API server has had, other than KWOK's about its nodes and this program's.
    async fn writes(&self) -> anyhow::Result<f64> {
        let all = self.requests().await?;
        let of = |words: &[&str]| sum(&all, words);
        let verbs = ["\"POST\"", "\"PUT\"", "\"PATCH\"", "\"DELETE\"", "\"APPLY\""];
        let resources = ["\"pokertables\"", "\"pods\"", "\"secrets\"", "\"events\"", "\"leases\""];
        let pairs = verbs.iter().flat_map(|verb| resources.iter().map(move |resource| (verb, resource)));
        Ok(pairs.map(|(verb, resource)| of(&["apiserver_request_total{", verb, resource])).sum())
    }

    /// Starts a controller that finds all tables existing already.
    async fn cold(&self) -> anyhow::Result<(Controller, Value)> {
        let tables = self.seen.tables() as f64;
        let writes = self.writes().await?;
        let controller = self.start().await?;
        let leads_s = controller.started.elapsed().as_secs_f64();
        let all = crate::until("every table was looked at", UP, async || {
            let all = metrics(controller.ops).await?;
            Ok((sum(&all, &["purr_controller_reconciles_total"]) >= tables).then_some(all))
        })
        .await?;
        let again_s = controller.started.elapsed().as_secs_f64();
        // Work that follows a moment later counts as well.
        sleep(WINDOW).await;
        let later = metrics(controller.ops).await?;
        let ready = self.seen.ready(&self.options.namespaces);
        let pods = |action: &str| sum(&later, &["purr_controller_pods_total", action]);
        let peak = peak_rss(controller.program.pid())? as f64 / MIB;
        self.say(&format!(
            "cold start: {tables} tables looked at after {again_s:.1} s, peak RSS {peak:.0} MiB"
        ));
        let cold = json!({
            "tables": tables, "leads_s": leads_s, "ready_again_s": again_s, "ready": ready,
            "reconcile_errors": sum(&all, &["purr_controller_reconciles_total", "error"]),
            "creations": pods("create"), "deletions": pods("delete"),
            "status_writes": sum(&later, &["purr_controller_status_writes_total"]),
            "api_writes": self.writes().await? - writes,
            "peak_rss_mib": peak,
        });
        Ok((controller, cold))
    }

    /// Adds tables in steps, until a step is not Ready in time.
    async fn capacity(&self, controller: &Controller) -> anyhow::Result<Value> {
        let Options { tables, step, tables_max, etcd_addr, .. } = self.options;
        let mut rows = Vec::new();
        let mut there = tables + 1;
        let mut failed = None;
        loop {
            let etcd = metrics(etcd_addr).await?;
            let used = sum(&etcd, &["etcd_mvcc_db_total_size_in_use_in_bytes"]);
            rows.push(json!({
                "tables": there,
                "controller_rss_mib": rss(controller.program.pid())? as f64 / MIB,
                "apiserver_rss_mib": rss(self.options.apiserver_pid)? as f64 / MIB,
                "etcd_rss_mib": rss(self.options.etcd_pid)? as f64 / MIB,
                "etcd_bytes_a_table": used / there as f64,
            }));
            // One more table exists: the one that the bare client copied.
            if there - 1 + step > tables_max {
                break;
            }
            let numbers: Vec<usize> = (there..there + step).collect();
            let cpu = usage::cpu_s(&[controller.program.pid()])?;
            let both = tokio::try_join!(
                self.create(&numbers, &self.options.namespaces),
                self.converge(there + step)
            );
            there += step;
            match both {
                Ok((_, ready_s)) => {
                    let cpu = usage::cpu_s(&[controller.program.pid()])? - cpu;
                    self.say(&format!("capacity: {there} tables, the last {step} in {ready_s:.1} s"));
                    if let Some(row) = rows.last_mut() {
                        row["next_step_s"] = ready_s.into();
                        row["next_step_cpu_s"] = cpu.into();
                    }
                }
                Err(error) => {
                    failed = Some(format!("{there} tables: {error:#}"));
                    break;
                }
            }
        }
        Ok(json!({"steps": rows, "ended": failed.unwrap_or_else(|| format!("at --tables-max {tables_max}"))}))
    }

    /// # Errors
    /// Where a bound is missed that holds on any machine, or with `--strict` any.
    fn hold(&self, figures: &Value) -> anyhow::Result<()> {
        let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let made = number("/create/pods_created");
        ensure!(
            made == self.options.tables as f64,
            "{made} pods were made for {} tables",
            self.options.tables
        );
        let (creations, deletions) = (number("/cold_start/creations"), number("/cold_start/deletions"));
        ensure!(
            creations == 0.0 && deletions == 0.0,
            "a cold start made {creations} and deleted {deletions} pods"
        );
        let ready = number("/cold_start/ready");
        ensure!(ready == number("/cold_start/tables"), "{ready} tables are Ready after a cold start");
        let rss = number("/cold_start/peak_rss_mib");
        ensure!(rss <= RSS_MAX_MIB, "a cold start took {rss:.0} MiB, more than {RSS_MAX_MIB}");
        let writes = number("/deal/api_writes_per_s");
        ensure!(
            writes <= WRITES_PER_S_MAX,
            "{writes:.1} API writes/s while tables deal, more than {WRITES_PER_S_MAX}"
        );
        if self.options.strict {
            let ratio = number("/create/ratio");
            ensure!(ratio >= RATIO_MIN, "{ratio:.2} of a bare client's speed, less than {RATIO_MIN}");
            let again_s = number("/cold_start/ready_again_s");
            ensure!(
                again_s <= READY_AGAIN_MAX_S,
                "Ready again after {again_s:.1} s, more than {READY_AGAIN_MAX_S}"
            );
        }
        Ok(())
    }
}

/// Requests for each table between two looks, by verb, resource and answer. What comes less than once for 20 tables is left out.
fn a_table(before: &Metrics, after: &Metrics, tables: usize) -> Value {
    let mut all = BTreeMap::<String, f64>::new();
    for (name, count) in after {
        let label = |key: &str| {
            let (_, rest) = name.split_once(&format!("{key}=\""))?;
            Some(rest.split_once('"')?.0)
        };
        let parts = ["verb", "resource", "subresource", "code"].map(|key| label(key).unwrap_or_default());
        *all.entry(parts.join(" ")).or_default() += count - before.get(name).copied().unwrap_or_default();
    }
    let each = all.into_iter().map(|(name, count)| (name, count / tables as f64));
    each.filter(|(_, count)| *count >= 0.05)
        .map(|(name, count)| (name, json!((count * 100.0).round() / 100.0)))
        .collect()
}

fn grown(before: &Metrics, after: &Metrics, words: &[&str]) -> f64 {
    sum(after, words) - sum(before, words)
}

/// The CA that signs the tables' certificates, in a folder.
fn authority(secrets: &Secrets) -> anyhow::Result<PathBuf> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, "tables");
    let dir = secrets.folder("tables-ca")?;
    fs::write(dir.join("tls.crt"), params.self_signed(&key)?.pem())?;
    fs::write(dir.join("tls.key"), key.serialize_pem())?;
    Ok(dir)
}

impl Windows {
    fn phase(&self, phase: &'static str) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Adds a row every ten seconds, until dropped.
    async fn fill(
        self: Arc<Self>,
        pids: Vec<(&'static str, u32)>,
        seen: Arc<Seen>,
        created: Arc<AtomicUsize>,
        namespaces: Vec<String>,
    ) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(WINDOW);
        let mut last: std::collections::HashMap<u32, f64> = std::collections::HashMap::new();
        loop {
            tick.tick().await;
            let controller = *self.controller.lock().unwrap_or_else(PoisonError::into_inner);
            let mut row = json!({
                "s": self.begun.elapsed().as_secs(),
                "phase": *self.phase.lock().unwrap_or_else(PoisonError::into_inner),
                "created": created.load(Ordering::Relaxed),
                "ready": seen.ready(&namespaces),
            });
            for (name, pid) in pids.iter().copied().chain(controller.map(|pid| ("controller", pid))) {
                // A process that has just ended has no figure.
                let Ok(used) = usage::cpu_s(&[pid]) else { continue };
                let before = last.insert(pid, used).unwrap_or(used);
                row["cpu"][name] = ((used - before) / WINDOW.as_secs_f64()).into();
            }
            if let Some(rss) = controller.and_then(|pid| rss(pid).ok()) {
                row["controller_rss_mib"] = (rss as f64 / MIB).into();
            }
            self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    }
}
