//! Limits how fast a peer may send, in bytes.
//!
//! A message may arrive in any number of fragments, even empty ones (RFC 6455, section 5.4), and a limit on messages
//! only sees the last fragment. So bytes are counted below the frames: a peer above the rate is read more slowly and
//! has to wait.

use crate::bucket::{Bucket, Rate};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// The rate of a token bucket of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub bytes_per_s: u32,
    /// How many at once.
    pub burst: u32,
}

/// A stream that limits the rate at which it is read.
pub struct Paced<S> {
    stream: S,
    /// `None`: the rate is not limited.
    allowance: Option<Allowance>,
}

struct Allowance {
    rate: Rate,
    /// The bucket; it is in debt by what the last read took beyond it.
    bucket: Bucket,
    wait: Option<Pin<Box<Sleep>>>,
}

/// The shortest wait once the allowance is used up, so that a reader is not woken for each byte.
const WAIT_MIN: Duration = Duration::from_millis(100);

impl Allowance {
    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            if self.bucket.fill(self.rate, Instant::now()) > 0.0 {
                return Poll::Ready(());
            }
            let wait = self.bucket.until(0.0, self.rate).saturating_add(WAIT_MIN);
            self.wait = Some(Box::pin(sleep(wait)));
        }
    }
}

impl<S> Paced<S> {
    pub fn new(stream: S, pace: Option<Pace>) -> Self {
        let allowance = pace.map(|pace| Allowance {
            rate: Rate { per_s: pace.bytes_per_s.into(), burst: pace.burst.into() },
            bucket: Bucket::full(Instant::now()),
            wait: None,
        });
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, allowance } = &mut *self;
        let Some(allowance) = allowance else { return Pin::new(stream).poll_read(cx, buffer) };
        ready!(allowance.poll_allowed(cx));
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        allowance.bucket.spend((buffer.filled().len() - before) as f64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Bytes that arrive now are read to be dropped, and within the bounds of a closing handshake: the sooner the better.
        self.allowance = None;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, repeat};
    use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

    const PACE: Pace = Pace { bytes_per_s: 1_000, burst: 5_000 };

    async fn time_to_read(pace: Option<Pace>, bytes: usize) -> Duration {
        let begun = Instant::now();
        let mut stream = Paced::new(repeat(7), pace);
        let mut buffer = vec![0; bytes];
        for part in buffer.chunks_mut(100) {
            stream.read_exact(part).await.unwrap();
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_comes_at_once_and_what_is_more_at_its_pace() {
        assert_eq!(time_to_read(Some(PACE), 5_000).await, Duration::ZERO);
        let longer = time_to_read(Some(PACE), 15_000).await;
        assert!((9.8..10.3).contains(&longer.as_secs_f64()), "{longer:?}");
        assert_eq!(time_to_read(None, 1_000_000).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn empty_fragments_without_end_are_read_slowly() {
        let (near, mut far) = duplex(64 * 1024);
        let mut socket =
            WebSocketStream::from_raw_socket(Paced::new(near, Some(PACE)), Role::Server, None).await;
        let flood = tokio::spawn(async move {
            // Sends the first fragment of a message and then empty continuation fragments, masked as a client's are.
            far.write_all(&[0x02, 0x80, 0, 0, 0, 0]).await.unwrap();
            let mut sent = 6_u32;
            while far.write_all(&[0x00, 0x80, 0, 0, 0, 0]).await.is_ok() {
                sent += 6;
            }
            sent
        });
        let silence = tokio::time::timeout(Duration::from_secs(60), socket.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        drop(socket);
        let sent = flood.await.unwrap();
        // The bound also covers bytes in flight and those of the last read.
        assert!(sent < 5_000 + 60 * 1_000 + 2 * 64 * 1024, "{sent}");
    }
}
