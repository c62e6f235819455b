//! Programs that a bench starts on a core of its own choosing, and takes along when it ends.

use anyhow::{Context, bail};
use std::{
    fs::File,
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

/// A running program, on one core. Ends with this.
pub struct Program {
    name: String,
    child: Child,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts `command` on this core. Its output goes to a file of this name in `logs`.
    pub fn start(
        name: &str,
        core: usize,
        command: &[String],
        env: &[(&str, String)],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let path = logs.join(format!("{name}.log"));
        let log = File::create(&path).with_context(|| path.display().to_string())?;
        // taskset becomes the program: the child's id is the program's.
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(command)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("taskset (Debian package util-linux)")?;
        Ok(Self { name: name.to_owned(), child })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// # Errors
    /// Where it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} has ended: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Waits until a port of the program accepts connections, or its probe reports ready.
    pub async fn up(&mut self, address: SocketAddr, probe: bool, limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        loop {
            self.check()?;
            if answers(address, probe).await {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{} is not up within {} s", self.name, limit.as_secs());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn answers(address: SocketAddr, probe: bool) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        if !probe {
            return Some(());
        }
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    timeout(Duration::from_secs(2), ask).await.ok().flatten().is_some()
}

/// Ports for programs: see [`purr_test_ports`].
pub fn free<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    Ok(purr_test_ports::ports()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
}
