//! Ports for programs that tests start and that take a number, not a socket.
//!
//! A port that the kernel gave and that was closed again may go to anybody before the program binds it: another test, or
//! one end of any connection. These ports lie below the range from which the kernel chooses (Linux: 32,768 by default,
//! `ip_local_port_range`), and a counter that all processes of this machine share gives each to one caller in turn.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::Path,
};

/// The range of the counter: above the usual ports of services, below the kernel's ephemeral ports.
const FIRST: u16 = 12_000;
const END: u16 = 32_000;

/// A port of 127.0.0.1.
///
/// # Errors
/// Where the counter cannot be kept, or nothing is free.
pub fn port() -> io::Result<u16> {
    port_of(&[IpAddr::V4(Ipv4Addr::LOCALHOST)])
}

/// Several of 127.0.0.1, each another.
///
/// # Errors
/// As [`port`].
pub fn ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut found = [0; N];
    for port in &mut found {
        *port = self::port()?;
    }
    Ok(found)
}

/// A port that nobody listens on at any of these addresses.
///
/// # Errors
/// As [`port`].
pub fn port_of(addresses: &[IpAddr]) -> io::Result<u16> {
    next(&std::env::temp_dir().join("purr-test-ports"), |port| {
        addresses.iter().all(|address| TcpListener::bind((*address, port)).is_ok())
    })
}

fn next(counter: &Path, free: impl Fn(u16) -> bool) -> io::Result<u16> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(counter)?;
    // Held until the file is closed.
    file.lock()?;
    let mut last = String::new();
    file.read_to_string(&mut last)?;
    let mut port = last.trim().parse().unwrap_or(END);
    for _ in FIRST..END {
        port = if (FIRST..END - 1).contains(&port) { port + 1 } else { FIRST };
        if free(port) {
            file.rewind()?;
            // All have five digits.
            writeln!(file, "{port}")?;
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no port from {FIRST} to {} is free", END - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, thread};

    fn counter(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("purr-test-ports-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn nobody_gets_a_port_twice_before_all_were_given() {
        let path = counter("all");
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || (0..100).map(|_| next(&path, |_| true).unwrap()).collect::<Vec<_>>())
            })
            .collect();
        let given: Vec<u16> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 800);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_port_in_use_is_left_out_and_the_last_is_followed_by_the_first() {
        let path = counter("turn");
        std::fs::write(&path, format!("{}\n", END - 1)).unwrap();
        assert_eq!(next(&path, |port| port != FIRST).unwrap(), FIRST + 1);
        std::fs::write(&path, "what is this").unwrap();
        assert_eq!(next(&path, |_| true).unwrap(), FIRST);
        assert_eq!(next(&path, |_| false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        std::fs::remove_file(path).unwrap();
    }
}
