//! The measured programs, with figures from the kernel and from the programs themselves.

use anyhow::{Context, bail};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// A program on whatever core is free. Killed with this.
pub(super) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    pub(super) fn start(name: &str, command: &mut Command, logs: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(logs.join(format!("{name}.log")))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(child.with_context(|| name.to_owned())?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Stops the program and waits for its end, so that it gives its lease back and the next one need not wait for it.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status()?;
        let end = Instant::now() + Duration::from_secs(30);
        while self.0.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("process {pid} does not end");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// The most memory that a process has had (VmHWM of proc(5)), in bytes.
pub(super) fn peak_rss(pid: u32) -> anyhow::Result<u64> {
    kib(pid, "VmHWM:")
}

/// The memory that a process has now, in bytes.
pub(super) fn rss(pid: u32) -> anyhow::Result<u64> {
    kib(pid, "VmRSS:")
}

fn kib(pid: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("has the process ended?")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let number = line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    Ok(number * 1_024)
}

/// Metrics of a program, by name with labels, as it writes them.
pub(super) type Metrics = BTreeMap<String, f64>;

/// # Errors
/// Where nobody answers within five seconds.
pub(super) async fn metrics(address: SocketAddr) -> anyhow::Result<Metrics> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /metrics HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(Duration::from_secs(5), ask).await.context("no metrics")??;
    Ok(parse(&answer))
}

pub(super) fn parse(text: &str) -> Metrics {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
        .collect()
}

/// The sum of all metrics whose name with labels has all of these words.
pub(super) fn sum(metrics: &Metrics, words: &[&str]) -> f64 {
    let matching = metrics.iter().filter(|(name, _)| words.iter().all(|word| name.contains(word)));
    // The sum of nothing is -0.
    matching.map(|(_, value)| value).sum::<f64>() + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_as_programs_write_them() {
        let text = "HTTP/1.0 200 OK\r\n\r\n# HELP a b\na_total{x=\"1\"} 3\na_total{x=\"2\"} 4\nb 1e+06\n";
        let metrics = parse(text);
        assert_eq!((sum(&metrics, &["a_total"]), sum(&metrics, &["a_total", "\"2\""])), (7.0, 4.0));
        assert_eq!(metrics["b"], 1e6);
        assert!(sum(&metrics, &["c"]).is_sign_positive());
    }
}
