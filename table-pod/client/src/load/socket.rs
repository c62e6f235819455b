//! One connection of the generator: connects, sits down, acts on its turn, and reconnects when it is cut.

use super::{
    figures::{Bytes, Figures, Spread},
    setup::Setup,
    side::{Answer, Heard, Side, Turn, choose},
};
use crate::bot::Dice;
use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use purr_protocol::CloseCode;
use purr_runtime::{
    BackOff, Delays,
    ws::{self, Message},
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as Task, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Semaphore, watch},
    time::{sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::WebSocketStream;

const CONNECT: Duration = Duration::from_secs(10);
const RETRY: Delays = Delays::new(Duration::from_millis(250), Duration::from_secs(5));
/// Wait before a message that came too early is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// The server of the connections.
#[derive(Clone)]
pub struct Target {
    /// host:port
    pub address: String,
    pub server_name: ServerName<'static>,
    pub tls: Arc<ClientConfig>,
}

/// The stage of a run, the same for all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Play,
    Leave,
    Stop,
}

pub(super) struct Shared {
    pub target: Target,
    pub figures: RefCell<Figures>,
    pub bytes: Bytes,
    pub stage: watch::Receiver<Stage>,
    pub think: Duration,
    pub big_blind: u64,
    /// Handshakes at once.
    pub doors: Semaphore,
    /// Connections that are where they want to be.
    pub settled: RefCell<usize>,
    pub seated: RefCell<usize>,
}

/// Counts what passes.
struct Counted {
    stream: TcpStream,
    bytes: Bytes,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = u64::try_from(buf.filled().len() - before).unwrap_or(0);
        self.bytes.read.set(self.bytes.read.get() + read);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.bytes.written.set(self.bytes.written.get() + u64::try_from(*written).unwrap_or(0));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type Socket = WebSocketStream<TlsStream<Counted>>;

pub(super) struct Seat<S> {
    pub side: S,
    pub setup: Setup,
    pub table: Rc<RefCell<Spread>>,
    pub shared: Rc<Shared>,
    pub dice: Dice,
    counted: (bool, bool),
    /// The action without an answer, and when it went out.
    acting: Option<(u64, Instant)>,
    sent: Option<Instant>,
    due: Option<(tokio::time::Instant, Turn)>,
    turn: Option<Turn>,
}

impl<S: Side> Seat<S> {
    pub(crate) fn new(
        side: S,
        setup: Setup,
        table: Rc<RefCell<Spread>>,
        shared: Rc<Shared>,
        seed: u64,
    ) -> Self {
        let dice = Dice::new(seed);
        let counted = (false, false);
        Self { side, setup, table, shared, dice, counted, acting: None, sent: None, due: None, turn: None }
    }

    /// Runs until the load ends.
    pub(crate) async fn run(mut self) {
        let mut back_off = BackOff::new(RETRY);
        loop {
            let (attached, end) = Box::pin(self.once()).await;
            self.count(false, false);
            if attached {
                self.table.borrow_mut().viewers -= 1;
                back_off.reset();
            }
            (self.acting, self.sent, self.due) = (None, None, None);
            let Err(error) = end else { return };
            self.shared.figures.borrow_mut().error(&format!("{error:#}"));
            // The seat's own dice, and not `jittered`: the same seed gives the same load.
            let half = back_off.next_wait() / 2;
            sleep(half + half.mul_f64(self.dice.roll(1_000) as f64 / 1_000.0)).await;
            if attached {
                self.shared.figures.borrow_mut().reconnect();
            }
        }
    }

    /// Updates the numbers of settled and of seated players.
    fn count(&mut self, settled: bool, seated: bool) {
        let (was_settled, was_seated) = std::mem::replace(&mut self.counted, (settled, seated));
        let add = |count: &RefCell<usize>, was: bool, is: bool| {
            let mut count = count.borrow_mut();
            *count = (*count + usize::from(is)).saturating_sub(usize::from(was));
        };
        add(&self.shared.settled, was_settled, settled);
        add(&self.shared.seated, was_seated, seated);
    }

    /// Runs one connection from its handshake to its end; also returns whether the table had answered.
    async fn once(&mut self) -> (bool, anyhow::Result<()>) {
        let mut attached = false;
        let (shared, mut stage) = (self.shared.clone(), self.shared.stage.clone());
        let connected = async {
            let _door = shared.doors.acquire().await?;
            let token = match &self.setup.session {
                Some(session) => Some(session.token().await?),
                None => None,
            };
            let socket = timeout(CONNECT, self.connect()).await.context("no connection in time")??;
            anyhow::Ok((socket, token))
        };
        let connected = tokio::select! {
            connected = connected => connected,
            _ = stage.wait_for(|stage| *stage == Stage::Stop) => return (false, Ok(())),
        };
        let (mut socket, token) = match connected {
            Ok(connected) => connected,
            Err(error) => return (false, Err(error)),
        };
        let renew_at = token.as_ref().map(|token| token.renew_at);
        let text = token.map(|token| token.text);
        let end = self.carry(&mut socket, text.as_deref().unwrap_or_default(), renew_at, &mut attached).await;
        if end.is_ok() {
            let _ = timeout(
                Duration::from_secs(1),
                socket.close(Some(ws::close_frame(CloseCode::Normal, "bye"))),
            )
            .await;
        }
        (attached, end)
    }

    async fn connect(&mut self) -> anyhow::Result<Socket> {
        let Target { address, server_name, tls } = &self.shared.target;
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let stream = Counted { stream, bytes: self.shared.bytes.clone() };
        let stream =
            TlsConnector::from(tls.clone()).connect(server_name.clone(), stream).await.context("TLS")?;
        Ok(ws::connect(stream, self.side.open(address)?).await?)
    }

    async fn carry(
        &mut self,
        socket: &mut Socket,
        token: &str,
        renew_at: Option<tokio::time::Instant>,
        attached: &mut bool,
    ) -> anyhow::Result<()> {
        let mut stage = self.shared.stage.clone();
        if let Some(hello) = self.side.hello(token) {
            socket.send(hello).await?;
        }
        let mut renewal = std::pin::pin!(sleep_until(renew_at.unwrap_or_else(tokio::time::Instant::now)));
        loop {
            let due = self.due.map(|(at, _)| at);
            tokio::select! {
                frame = socket.next() => {
                    let now = Instant::now();
                    let frame = frame.context("the connection ended")??;
                    if let Message::Close(close) = &frame {
                        let reason = close.as_ref().map_or("no reason", |close| close.reason.as_str());
                        bail!("closed: {reason}");
                    }
                    let heard = self.side.hear(&frame)?;
                    self.take(heard, now, socket, attached).await?;
                }
                () = sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                    let Some((_, turn)) = self.due.take() else { continue };
                    let (id, message) = self.side.act(turn.hand, choose(&turn, self.shared.big_blind));
                    let sent = Instant::now();
                    (self.acting, self.sent, self.turn) = (Some((id, sent)), Some(sent), Some(turn));
                    socket.send(message).await?;
                }
                () = &mut renewal, if renew_at.is_some() => {
                    let Some(session) = &self.setup.session else { continue };
                    let fresh = session.token().await?;
                    renewal.as_mut().reset(fresh.renew_at.max(tokio::time::Instant::now() + Duration::from_secs(1)));
                    if let Some(renew) = self.side.renew(&fresh.text) {
                        socket.send(renew).await?;
                    }
                }
                changed = stage.changed() => {
                    changed?;
                    match *stage.borrow_and_update() {
                        Stage::Play => {}
                        Stage::Leave => match self.side.leave() {
                            Some(leave) => socket.send(leave).await?,
                            None => return Ok(()),
                        },
                        Stage::Stop => return Ok(()),
                    }
                }
            }
            if *attached && !self.side.seated() && *stage.borrow() == Stage::Leave {
                return Ok(());
            }
        }
    }

    async fn take(
        &mut self,
        heard: Heard,
        now: Instant,
        socket: &mut Socket,
        attached: &mut bool,
    ) -> anyhow::Result<()> {
        let Heard { attached: there, shown, turn, answer, reply, paused, timed_out, ended } = heard;
        self.shared.figures.borrow_mut().troubled(paused, timed_out);
        if let Some(reply) = reply {
            socket.send(reply).await?;
        }
        if there && !std::mem::replace(attached, true) {
            self.table.borrow_mut().viewers += 1;
        }
        if let Some(shown) = shown {
            let sent = self.sent.take_if(|_| shown.own);
            // Another player acted: a planned action is obsolete unless this message has a turn.
            self.due = None;
            self.table.borrow_mut().seen(shown.offset, sent, now, &mut self.shared.figures.borrow_mut());
        }
        if let Some(answer) = answer {
            self.answered(answer, now);
        }
        // A turn may be repeated, by a snapshot or after a pause: an action that was sent for it counts.
        if let Some(turn) = turn.filter(|_| self.sent.is_none()) {
            // Half to one and a half times the mean, so that tables do not march in step.
            let half = self.shared.think / 2;
            let think = half + self.shared.think.mul_f64(self.dice.roll(1_000) as f64 / 1_000.0);
            self.due = Some((tokio::time::Instant::from_std(now) + think, turn));
        }
        if let Some(reason) = ended {
            bail!("ended: {reason}");
        }
        if *attached {
            if let Some((_, message)) = self.side.wish(&self.setup) {
                socket.send(message).await?;
            }
            self.count(self.side.settled(), self.side.seated());
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer, now: Instant) {
        let Answer { id, refused, again } = answer;
        let own = self.acting.take_if(|(acting, _)| *acting == id);
        match (refused, own) {
            (None, Some((_, sent))) => self.shared.figures.borrow_mut().ack(sent, now),
            (None, None) => {}
            (Some(why), own) => {
                self.sent = self.sent.filter(|_| own.is_none());
                self.shared.figures.borrow_mut().error(&why);
                let turn = self.turn.filter(|_| own.is_some() && again);
                self.due = turn.map(|turn| (tokio::time::Instant::now() + AGAIN, turn)).or(self.due);
            }
        }
    }
}
