//! A TCP proxy that injects the faults of bad networks.

use crate::simulator::Dice;
use bytes::BytesMut;
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Maximum number of bytes that are held in one direction.
const HELD_MAX: usize = 16 * 1024;
/// Bytes a write while a stream is split: less than any TLS record, which has 22 beside its text.
const SPLIT: usize = 16;
/// Pause after a message has been forwarded while its answer is kept back.
const ANSWERED: Duration = Duration::from_millis(15);

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Closes the connection on both sides.
    Cut,
    /// Resets the connection on both sides.
    Reset,
    /// Bytes are late.
    Delay,
    /// Drops all bytes silently for longer than a client waits; then the connection ends.
    HalfOpen,
    /// Bytes come a few at a time.
    Split,
    /// The client's messages arrive, the answers do not; then the connection ends. The client sends again.
    LoseAnswers,
}

impl Fault {
    pub const ALL: [Self; 6] =
        [Self::Cut, Self::Reset, Self::Delay, Self::HalfOpen, Self::Split, Self::LoseAnswers];
}

/// The faults that the proxy injects, and how often.
#[derive(Clone, Debug)]
pub struct Mix {
    /// The faults, repeated by their frequency.
    pub faults: Vec<Fault>,
    /// Milliseconds of a connection's life between two.
    pub every_ms: Range<u64>,
    pub delay_ms: Range<u64>,
    /// How long a half-open connection stays so.
    pub silence_ms: Range<u64>,
}

fn between(dice: &mut Dice, range: &Range<u64>) -> Duration {
    Duration::from_millis(range.start + dice.roll(range.end.saturating_sub(range.start)))
}

/// How often each fault has happened.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<Fault, u64>>>);

impl Counts {
    fn add(&self, fault: Fault) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&fault).copied().unwrap_or(0)
    }
}

/// A running proxy; dropping it closes its connections.
pub struct Proxy {
    pub address: SocketAddr,
    on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// # Errors
    /// Where there is no port.
    pub async fn start(to: SocketAddr, mix: Mix, seed: u64, counts: Counts) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (on, watched) = watch::channel(true);
        let task = tokio::spawn(async move {
            let mut seeds = Dice::new(seed);
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let dice = Dice::new(seeds.roll(u64::MAX));
                let (mix, counts, on) = (mix.clone(), counts.clone(), watched.clone());
                connections.spawn(async move {
                    if let Ok(far) = TcpStream::connect(to).await {
                        let line =
                            Line { near, far, up: Way::default(), down: Way::default(), chunk: HELD_MAX };
                        // Both sides notice the end, however it comes.
                        let _ = line.run(&mix, dice, &counts, on).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, on, task })
    }

    /// Stops disturbing connections.
    pub fn calm(&self) {
        self.on.send_replace(false);
    }
}

/// Bytes on their way in one direction.
#[derive(Default)]
struct Way {
    held: BytesMut,
    carried: u64,
}

/// Forwards until `from` has ended and everything is delivered. Cancel-safe.
async fn flow(from: &TcpStream, to: &TcpStream, way: &mut Way, chunk: usize) -> io::Result<()> {
    loop {
        while !way.held.is_empty() {
            to.writable().await?;
            match to.try_write(&way.held[..chunk.min(way.held.len())]) {
                Ok(written) => {
                    drop(way.held.split_to(written));
                    way.carried += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        from.readable().await?;
        way.held.reserve(HELD_MAX);
        match from.try_read_buf(&mut way.held) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// One connection through the proxy.
struct Line {
    near: TcpStream,
    far: TcpStream,
    up: Way,
    down: Way,
    chunk: usize,
}

impl Line {
    async fn run(
        mut self,
        mix: &Mix,
        mut dice: Dice,
        counts: &Counts,
        mut on: watch::Receiver<bool>,
    ) -> io::Result<()> {
        self.near.set_nodelay(true)?;
        self.far.set_nodelay(true)?;
        loop {
            let next = Instant::now() + between(&mut dice, &mix.every_ms);
            let calm = !*on.borrow_and_update();
            tokio::select! {
                ended = self.carry() => return ended,
                () = sleep_until(next), if !calm => {}
                _ = on.changed(), if !calm => {
                    self.chunk = HELD_MAX;
                    continue;
                }
            }
            let at = usize::try_from(dice.roll(mix.faults.len() as u64)).unwrap_or(0);
            let Some(fault) = mix.faults.get(at).copied() else { continue };
            counts.add(fault);
            self.chunk = HELD_MAX;
            match fault {
                Fault::Cut => return Ok(()),
                Fault::Reset => return self.reset(),
                Fault::Delay => sleep(between(&mut dice, &mix.delay_ms)).await,
                Fault::Split => self.chunk = SPLIT,
                Fault::HalfOpen => {
                    sleep(between(&mut dice, &mix.silence_ms)).await;
                    return self.reset();
                }
                Fault::LoseAnswers => {
                    self.lose_answers(between(&mut dice, &mix.silence_ms)).await?;
                    return self.reset();
                }
            }
        }
    }

    async fn carry(&mut self) -> io::Result<()> {
        let Self { near, far, up, down, chunk } = self;
        tokio::select! {
            ended = flow(near, far, up, *chunk) => ended,
            ended = flow(far, near, down, *chunk) => ended,
        }
    }

    /// Waits until a client's message has passed, at most this long, and drops the answers.
    async fn lose_answers(&mut self, at_most: Duration) -> io::Result<()> {
        let Self { near, far, up, .. } = self;
        let before = up.carried;
        let swallow = async {
            let mut lost = BytesMut::new();
            loop {
                far.readable().await?;
                lost.clear();
                lost.reserve(HELD_MAX);
                match far.try_read_buf(&mut lost) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::pin!(swallow);
        let end = Instant::now() + at_most;
        while up.carried == before && Instant::now() < end {
            tokio::select! {
                ended = timeout(ANSWERED, flow(near, far, up, HELD_MAX)) => {
                    if let Ok(ended) = ended {
                        return ended;
                    }
                }
                ended = &mut swallow => return ended,
            }
        }
        // The message has arrived; its answer comes, and is lost.
        tokio::select! {
            ended = &mut swallow => ended,
            () = sleep(ANSWERED) => Ok(()),
        }
    }

    fn reset(self) -> io::Result<()> {
        self.near.set_zero_linger()?;
        self.far.set_zero_linger()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn mix(fault: Option<Fault>, every_ms: u64) -> Mix {
        Mix {
            faults: fault.into_iter().collect(),
            every_ms: every_ms..every_ms + 1,
            delay_ms: 150..151,
            silence_ms: 200..201,
        }
    }

    /// A connection through a proxy with this one fault, from both ends.
    async fn line(mix: Mix) -> (TcpStream, TcpStream, Proxy, Counts) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let counts = Counts::default();
        let to = listener.local_addr().unwrap();
        let proxy = Proxy::start(to, mix, 1, counts.clone()).await.unwrap();
        let near = TcpStream::connect(proxy.address).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        (near, far, proxy, counts)
    }

    async fn says(from: &mut TcpStream, to: &mut TcpStream, what: &[u8]) {
        from.write_all(what).await.unwrap();
        let mut heard = vec![0; what.len()];
        timeout(PATIENCE, to.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, what);
    }

    async fn end(of: &mut TcpStream) -> io::Result<usize> {
        timeout(PATIENCE, of.read(&mut [0; 8])).await.unwrap()
    }

    #[tokio::test]
    async fn without_faults_all_bytes_go_both_ways() {
        let (mut near, mut far, _proxy, counts) = line(mix(None, 5)).await;
        let large: Vec<u8> = (0..100_000u32).map(|at| at.to_le_bytes()[0]).collect();
        let there = async {
            let mut heard = vec![0; large.len()];
            far.read_exact(&mut heard).await.unwrap();
            heard
        };
        let (sent, heard) = tokio::join!(near.write_all(&large), there);
        sent.unwrap();
        assert_eq!(heard, large);
        says(&mut far, &mut near, b"and back").await;
        drop(near);
        assert_eq!(end(&mut far).await.unwrap(), 0);
        assert!(Fault::ALL.iter().all(|fault| counts.of(*fault) == 0));
    }

    #[tokio::test]
    async fn a_cut_is_an_end_and_a_reset_is_an_error_on_both_sides() {
        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::Cut), 50)).await;
        says(&mut near, &mut far, b"before").await;
        assert_eq!((end(&mut near).await.unwrap(), end(&mut far).await.unwrap()), (0, 0));
        assert_eq!(counts.of(Fault::Cut), 1);
        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::Reset), 50)).await;
        for side in [&mut near, &mut far] {
            assert_eq!(end(side).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert_eq!(counts.of(Fault::Reset), 1);
    }

    #[tokio::test]
    async fn late_bytes_and_split_bytes_are_all_there_in_order() {
        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::Delay), 20)).await;
        let late = Instant::now();
        while counts.of(Fault::Delay) == 0 {
            says(&mut near, &mut far, b"x").await;
        }
        says(&mut near, &mut far, b"late").await;
        assert!(late.elapsed() >= Duration::from_millis(150), "nothing was late");

        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::Split), 20)).await;
        while counts.of(Fault::Split) == 0 {
            says(&mut near, &mut far, b"x").await;
        }
        near.write_all(b"in pieces smaller than it").await.unwrap();
        let mut first = [0; 64];
        let size = far.read(&mut first).await.unwrap();
        let mut rest = vec![0; b"in pieces smaller than it".len() - size];
        far.read_exact(&mut rest).await.unwrap();
        assert_eq!([&first[..size], &rest].concat(), b"in pieces smaller than it");
    }

    #[tokio::test]
    async fn half_open_swallows_both_sides_and_tells_nobody_until_it_is_over() {
        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::HalfOpen), 20)).await;
        while counts.of(Fault::HalfOpen) == 0 {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        near.write_all(b"nobody hears").await.unwrap();
        assert_eq!(end(&mut far).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(begun.elapsed() >= Duration::from_millis(150), "it was over at once");
        assert!(end(&mut near).await.is_err());
    }

    #[tokio::test]
    async fn lost_answers_are_those_to_what_has_arrived() {
        let (mut near, mut far, _proxy, counts) = line(mix(Some(Fault::LoseAnswers), 20)).await;
        while counts.of(Fault::LoseAnswers) == 0 {
            tokio::task::yield_now().await;
        }
        says(&mut near, &mut far, b"command").await;
        far.write_all(b"answer").await.unwrap();
        assert_eq!(end(&mut near).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_calm_proxy_leaves_connections_alone() {
        let (mut near, mut far, proxy, counts) = line(mix(Some(Fault::Cut), 60_000)).await;
        says(&mut near, &mut far, b"x").await;
        proxy.calm();
        says(&mut near, &mut far, b"y").await;
        // A proxy whose network would cut at once if it were not calm.
        let (mut near, mut far, proxy, _) = line(mix(Some(Fault::Delay), 1)).await;
        proxy.calm();
        says(&mut near, &mut far, b"z").await;
        assert_eq!(counts.of(Fault::Cut), 0);
    }
}
