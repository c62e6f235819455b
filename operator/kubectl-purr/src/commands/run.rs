//! Backups by Jobs, and the archive for support.

use super::{Failed, LOOK, gather};
use crate::{
    api::{Api, ApiError, OPS_PORT},
    exit::Exit,
    jobs,
    options::{Output, Wait},
    print,
    report::Archive,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Event, PersistentVolumeClaim, Pod},
    },
};
use kube::Resource;
use purr_crds::{PokerTable, PokerTableFleet};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Debug,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

pub(super) async fn backup(api: &Api, release: &str, wait: &Wait, output: Output) -> Result<Exit, Failed> {
    start(api, release, "backup", &[], wait, output).await
}

/// The restore's own Job with `DRY_RUN`: its steps open everything, count, and change nothing.
pub(super) async fn dry_run(
    api: &Api,
    release: &str,
    backup: &str,
    wait: &Wait,
    output: Output,
) -> Result<Exit, Failed> {
    start(api, release, "restore", &[("DRY_RUN", "1"), ("BACKUP", backup)], wait, output).await
}

async fn start(
    api: &Api,
    release: &str,
    what: &str,
    set: &[(&str, &str)],
    wait: &Wait,
    output: Output,
) -> Result<Exit, Failed> {
    let name = format!("{release}-{what}");
    let cron = api.cron_job(&name).await?.ok_or(Failed::NoCronJob(name))?;
    let name = jobs::name(release, what, jiff::Timestamp::now());
    let job = jobs::from(&cron, &name, set)?;
    api.create_job(&job).await?;
    let begun = Instant::now();
    let exit = loop {
        let ended = jobs::ended(&api.job(&name).await?);
        match ended {
            Some(exit) => break exit,
            None if !wait.watch || begun.elapsed() >= Duration::from_secs(wait.timeout) => {
                break Exit::Unfinished;
            }
            None => tokio::time::sleep(LOOK).await,
        }
    };
    let said = match exit {
        Exit::Done => "is done",
        Exit::Stopped => "has failed",
        _ => "runs",
    };
    let mut said = format!("job {name} {said}");
    if exit != Exit::Unfinished {
        for (step, log) in logs(api, &name).await? {
            said += &format!("\n{step}: {}", log.trim_end().replace('\n', &format!("\n{step}: ")));
        }
    }
    print::said(output, &said);
    Ok(exit)
}

/// Logs of a Job's steps, in their order, without steps that have printed nothing.
async fn logs(api: &Api, job: &str) -> Result<Vec<(String, String)>, ApiError> {
    let pods: Vec<Pod> = api.list(&format!("batch.kubernetes.io/job-name={job}"), "").await?;
    let mut found = Vec::new();
    for pod in &pods {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let spec = pod.spec.clone().unwrap_or_default();
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            // A step after one that has failed never started, and has no log.
            if let Ok(log) = api.log(name, &container.name, Some(200), false).await
                && !log.trim().is_empty()
            {
                found.push((container.name.clone(), log));
            }
        }
    }
    Ok(found)
}

/// Pods whose logs are read, those of tables not counted.
const PODS_MAX: usize = 64;

pub(super) async fn report(
    api: &Api,
    release: &str,
    file: &Path,
    tables: usize,
    lines: i64,
) -> Result<usize, Failed> {
    let failed = |source: io::Error| Failed::File { path: file.to_owned(), source };
    let now = jiff::Timestamp::now();
    let out = BufWriter::new(File::create(file).map_err(failed)?);
    let mut archive = Archive::new(out, u64::try_from(now.as_second()).unwrap_or_default());
    let labels = gather::of_release(release);
    // The archive also lists everything that could not be read.
    let mut missing = Vec::new();
    let screen = crate::overview::of(&gather::seen(api, release).await?);
    let screen = serde_json::to_string_pretty(&screen).unwrap_or_default();
    archive.text("status.json", &screen).map_err(failed)?;
    put::<PokerTable, _>(api, &mut archive, "PokerTable", "", &mut missing).await.map_err(failed)?;
    put::<PokerTableFleet, _>(api, &mut archive, "PokerTableFleet", "", &mut missing)
        .await
        .map_err(failed)?;
    put::<Deployment, _>(api, &mut archive, "Deployment", &labels, &mut missing).await.map_err(failed)?;
    put::<StatefulSet, _>(api, &mut archive, "StatefulSet", &labels, &mut missing).await.map_err(failed)?;
    put::<CronJob, _>(api, &mut archive, "CronJob", &labels, &mut missing).await.map_err(failed)?;
    put::<Job, _>(api, &mut archive, "Job", &labels, &mut missing).await.map_err(failed)?;
    put::<PersistentVolumeClaim, _>(api, &mut archive, "PersistentVolumeClaim", "", &mut missing)
        .await
        .map_err(failed)?;
    put::<Event, _>(api, &mut archive, "Event", "", &mut missing).await.map_err(failed)?;
    put::<Pod, _>(api, &mut archive, "Pod", "app.kubernetes.io/part-of=purr", &mut missing)
        .await
        .map_err(failed)?;
    let pods: Vec<Pod> = api.list("app.kubernetes.io/part-of=purr", "").await?;
    let is_table = |pod: &&Pod| gather::component(pod.metadata.labels.as_ref()) == "table";
    let others = pods.iter().filter(|pod| !is_table(pod)).take(PODS_MAX);
    for pod in others.chain(pods.iter().filter(is_table).take(tables)) {
        of_pod(api, &mut archive, pod, lines, &mut missing).await.map_err(failed)?;
    }
    archive.text("not-read.txt", &missing.join("\n")).map_err(failed)?;
    archive.finish().map_err(failed)
}

async fn put<K, W: Write>(
    api: &Api,
    archive: &mut Archive<W>,
    kind: &str,
    labels: &str,
    missing: &mut Vec<String>,
) -> io::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug,
    K::DynamicType: Default,
{
    match api.list::<K>(labels, "").await {
        Err(error) => missing.push(error.to_string()),
        Ok(found) => {
            let values = found.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
            archive.objects(kind, &values)?;
        }
    }
    Ok(())
}

async fn of_pod<W: Write>(
    api: &Api,
    archive: &mut Archive<W>,
    pod: &Pod,
    lines: i64,
    missing: &mut Vec<String>,
) -> io::Result<()> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    if spec
        .containers
        .iter()
        .flat_map(|one| one.ports.iter().flatten())
        .any(|port| port.container_port == i32::from(OPS_PORT))
    {
        match api.metrics(name).await {
            Ok(text) => archive.text(&format!("metrics/{name}.txt"), &text)?,
            Err(error) => missing.push(error.to_string()),
        }
    }
    let restarted = |container: &str| {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.filter(|status| status.name == container).any(|status| status.restart_count > 0)
    };
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        for previous in [false, true] {
            if previous && !restarted(&container.name) {
                continue;
            }
            let end = if previous { ".previous" } else { "" };
            match api.log(name, &container.name, Some(lines), previous).await {
                Ok(log) => archive.text(&format!("logs/{name}-{}{end}.log", container.name), &log)?,
                Err(error) => missing.push(error.to_string()),
            }
        }
    }
    Ok(())
}
