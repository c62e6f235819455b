//! Resource usage of processes, by the kernel's counters.

use anyhow::{Context, ensure};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Ticks a second in `/proc/PID/stat`: USER_HZ, which is 100 on every Linux that this runs on (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds (user and system) of these processes since they began, their threads included.
///
/// # Errors
/// Where one has ended: its time would be missing from the sum.
pub fn cpu_s(pids: &[u32]) -> anyhow::Result<f64> {
    let mut ticks = 0;
    for pid in pids {
        ticks += ticks_of(&read(&format!("/proc/{pid}/stat"))?).with_context(|| format!("stat of {pid}"))?;
    }
    Ok(ticks as f64 / TICKS_PER_S)
}

fn ticks_of(stat: &str) -> anyhow::Result<u64> {
    // The second field is the program's name in brackets and may hold spaces.
    let (_, rest) = stat.rsplit_once(") ").context("no name")?;
    let field = |number: usize| -> anyhow::Result<u64> {
        Ok(rest.split_whitespace().nth(number - 3).context("too short")?.parse()?)
    };
    Ok(field(14)? + field(15)?)
}

/// Memory of these processes in bytes, shared pages divided among those who share them (PSS).
pub fn pss_bytes(pids: &[u32]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let rollup = read(&format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        sum += kib * 1_024;
    }
    Ok(sum)
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{path}: has the process ended?"))
}

/// Open files that a process may have; more are asked of the kernel where it lets us.
pub fn files_max() -> anyhow::Result<u64> {
    let limits = read("/proc/self/limits")?;
    let line =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of files")?;
    let hard = line.split_whitespace().nth(1).context("no hard limit of files")?;
    Ok(hard.parse().unwrap_or(u64::MAX))
}

/// Waits until the memory of these processes stops changing, so that growth and release during the start do not count
/// as connections.
pub fn settled_pss(pids: &[u32], patience: Duration) -> anyhow::Result<u64> {
    let end = Instant::now() + patience;
    let mut last = pss_bytes(pids)?;
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = pss_bytes(pids)?;
        if now.abs_diff(last) * 200 <= last {
            return Ok(now);
        }
        ensure!(Instant::now() < end, "memory did not come to rest within {} s", patience.as_secs());
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_process_are_found_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 4 0 100 1 1";
        assert_eq!(ticks_of(stat).unwrap(), 42);
        assert!(ticks_of("7 (a) S 1").is_err());
    }

    #[test]
    fn this_process_has_memory_and_a_process_that_is_gone_is_an_error() {
        assert!(pss_bytes(&[std::process::id()]).unwrap() > 100_000);
        assert!(cpu_s(&[std::process::id()]).is_ok());
        assert!(cpu_s(&[u32::MAX]).is_err());
    }
}
