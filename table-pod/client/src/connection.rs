//! A player's connection that reconnects by itself: a WebSocket, or an HTTP stream where WebSockets are blocked.

mod events;
mod fallback;
mod line;
mod stream;

use crate::{
    api::{self, Gateway, HttpClient},
    link::{EntropySource, Full, Link, Update},
    session::{AccessToken, Session},
    view::View,
};
use fallback::{Fallback, Way};
use futures::{FutureExt, future::BoxFuture};
use http::StatusCode;
use line::{Line, NoSocket, Socket, dial};
use purr_protocol::{
    CloseCode, Codec,
    codec::replaced,
    pb::{self, client_message::Body as Ask},
};
use purr_runtime::{BackOff, CancellationToken, Delays, jittered, ws};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stream::Stream;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// Updates that wait for the user; with more, the socket is not read.
const UPDATES_MAX: usize = 512;
const COMMANDS_MAX: usize = 64;
/// Between a failed renewal of the token and the next try.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    pub codec: Codec,
    /// The first and the longest wait before a connection is tried again; each has jitter.
    pub back_off_min: Duration,
    pub back_off_max: Duration,
    /// Time without any connection after which it ends for good.
    pub give_up: Duration,
    /// TCP and TLS together, and then the WebSocket's handshake or the stream's beginning.
    pub connect: Duration,
    /// Quiet time after which a ping goes out.
    pub ping: Duration,
    /// Quiet time after which the connection counts as lost.
    pub idle: Duration,
    /// After so long on an HTTP stream a WebSocket is tried again, at first.
    pub socket_again: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codec: Codec::Proto,
            back_off_min: Duration::from_millis(100),
            back_off_max: Duration::from_secs(10),
            give_up: Duration::from_secs(600),
            connect: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            idle: Duration::from_secs(45),
            socket_again: Duration::from_secs(300),
        }
    }
}

/// Why a command was not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error("the connection has ended")]
    Ended,
}

type Command = (Ask, oneshot::Sender<Result<u64, Full>>);

/// The way to one table. Dropping it ends the connection.
pub struct Connection {
    commands: mpsc::Sender<Command>,
    updates: mpsc::Receiver<Update>,
    view: View,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Connection {
    /// Connects to the table's socket at `gateway` and stays connected.
    pub fn open(session: Session, gateway: Gateway, uid: &str, settings: Settings) -> Self {
        let own = session.wallet().address();
        let entropy: EntropySource = Box::new(|| {
            let mut entropy = [0; 32];
            getrandom::fill(&mut entropy).ok().map(|()| entropy)
        });
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (sender, updates) = mpsc::channel(UPDATES_MAX);
        let stop = CancellationToken::new();
        let shell = Shell {
            link: Link::new(own, first_id(), entropy),
            path: format!("/v1/tables/{uid}"),
            fallback: Fallback::new(settings.socket_again),
            client: api::client(&gateway),
            session,
            gateway,
            settings,
            commands: inbox,
            updates: sender,
            stop: stop.clone(),
        };
        let task = Some(tokio::spawn(shell.run()));
        Self { commands, updates, view: View::new(own), stop, task }
    }

    /// Hands a command over; its answer comes as [`Update::Answer`] with this id, however many
    /// connections that takes.
    pub async fn send(&self, body: Ask) -> Result<u64, SendError> {
        let (reply, answer) = oneshot::channel();
        // Never waits for room: the user who waits here would not read the updates that make room.
        self.commands.try_send((body, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full(Full),
            mpsc::error::TrySendError::Closed(_) => SendError::Ended,
        })?;
        Ok(answer.await.map_err(|_| SendError::Ended)??)
    }

    /// The next update; `None` after [`Update::Ended`]. The view is up to date with it.
    pub async fn next(&mut self) -> Option<Update> {
        let update = self.updates.recv().await?;
        if let Update::Message(message) = &update
            && let Err(error) = self.view.apply(message)
        {
            // The link has checked it before.
            tracing::error!(%error, "a checked message does not fit");
        }
        Some(update)
    }

    /// The table as of the last update taken.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Sends a close frame and waits until the socket is closed.
    pub async fn close(mut self) {
        self.stop.cancel();
        self.updates.close();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

/// Ids rise over restarts of the process, too: the table remembers a player's last ones.
fn first_id() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2)
}

/// Why a connection is over.
enum End {
    /// Come back.
    Lost(String),
    /// The view is inconsistent: reconnect and start from a snapshot.
    Astray(String),
    /// The token was refused: reconnect with another.
    Token(String),
    /// The attach with this id has taken over: whose it is decides.
    Replaced(u64, String),
    /// A WebSocket stands in place of the stream.
    Switch(Box<Socket>),
    /// Do not reconnect.
    Final(String),
    /// The user has gone.
    Stopped,
}

struct Shell {
    link: Link,
    fallback: Fallback,
    client: HttpClient,
    /// The path of the table.
    path: String,
    session: Session,
    gateway: Gateway,
    settings: Settings,
    commands: mpsc::Receiver<Command>,
    updates: mpsc::Sender<Update>,
    stop: CancellationToken,
}

impl Shell {
    async fn run(mut self) {
        let mut back_off = BackOff::new(Delays::new(self.settings.back_off_min, self.settings.back_off_max));
        let mut good = Instant::now();
        let (mut ready, mut before) = (None, None);
        loop {
            let connected = self.connect(ready.take()).await;
            // Only now, so that the table sees one connection replaced, not a player gone.
            drop(before.take());
            let end = match connected {
                Ok((mut line, token)) => {
                    let (end, served) = self.serve(&mut line, token).await;
                    if served {
                        good = Instant::now();
                        back_off.reset();
                    }
                    before = matches!(end, End::Switch(_)).then_some(line);
                    end
                }
                Err(end) => end,
            };
            let reason = match end {
                End::Stopped => return,
                End::Switch(socket) => {
                    ready = Some(socket);
                    continue;
                }
                End::Replaced(by, reason) if self.link.attached_as(by) => reason,
                End::Final(reason) | End::Replaced(_, reason) => return self.ended(reason).await,
                End::Lost(reason) | End::Token(reason) => reason,
                End::Astray(reason) => {
                    self.link.forget();
                    reason
                }
            };
            if good.elapsed() > self.settings.give_up {
                return self
                    .ended(format!("no connection for {} s: {reason}", good.elapsed().as_secs()))
                    .await;
            }
            let retry_in = jittered(back_off.next_wait());
            tracing::debug!(reason, ?retry_in, "disconnected");
            if !self.tell(Update::Disconnected { reason, retry_in }).await || !self.wait(retry_in).await {
                return;
            }
        }
    }

    async fn ended(&self, reason: String) {
        self.tell(Update::Ended(reason)).await;
    }

    /// Takes commands up while there is no connection; `false` when the user has gone.
    async fn wait(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = sleep_until(until) => return true,
                command = self.commands.recv() => match command {
                    Some(command) => self.submit(command),
                    None => return false,
                },
            }
        }
    }

    fn submit(&mut self, (body, reply): Command) {
        let _ = reply.send(self.link.submit(body));
    }

    /// `false` when the user has gone.
    async fn tell(&self, update: Update) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            sent = self.updates.send(update) => sent.is_ok(),
        }
    }

    async fn connect(&mut self, ready: Option<Box<Socket>>) -> Result<(Line, AccessToken), End> {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Err(End::Stopped),
            result = self.attempt(ready) => result,
        }
    }

    async fn attempt(&mut self, ready: Option<Box<Socket>>) -> Result<(Line, AccessToken), End> {
        let token = self.session.token().await.map_err(|error| {
            if error.is_temporary() { End::Lost(error.to_string()) } else { End::Final(error.to_string()) }
        })?;
        match self.reach(ready, &token).await {
            Err(End::Token(reason)) => {
                self.session.refused(&token).await;
                Err(End::Lost(reason))
            }
            other => Ok((other?, token)),
        }
    }

    /// Attached to the table, one way or the other.
    async fn reach(&mut self, ready: Option<Box<Socket>>, token: &AccessToken) -> Result<Line, End> {
        let socket = match (ready, self.fallback.way()) {
            (Some(socket), _) => Some(socket),
            (None, Way::Stream) => None,
            (None, Way::Socket) => match self.dial().await {
                Ok(socket) => Some(Box::new(socket)),
                Err(NoSocket::End(end)) => return Err(end),
                Err(NoSocket::Blocked(how, why)) => {
                    tracing::info!(why, "no WebSocket");
                    self.fallback.blocked(how);
                    if self.fallback.way() == Way::Socket {
                        return Err(End::Lost(why));
                    }
                    None
                }
            },
        };
        let attach = self.link.attach(&token.text);
        let Settings { codec, connect, idle, .. } = self.settings;
        if let Some(socket) = socket {
            let mut line = Line::Socket { socket, codec };
            return line.send(&attach, idle).await.map(|()| line);
        }
        let path = format!("{}/stream", self.path);
        let stream = Stream::open(&self.client, &self.gateway, &path, &attach, connect, idle).await;
        if stream.is_err() {
            self.fallback.no_stream();
        }
        stream.map(|stream| Line::Stream(Box::new(stream)))
    }

    fn dial(&self) -> BoxFuture<'static, Result<Socket, NoSocket>> {
        let (gateway, path) = (self.gateway.clone(), format!("{}/socket", self.path));
        let Settings { codec, connect, .. } = self.settings;
        async move { dial(&gateway, &path, codec, connect).await }.boxed()
    }

    /// Forwards messages until the connection ends; also returns whether the table has sent anything.
    async fn serve(&mut self, line: &mut Line, token: AccessToken) -> (End, bool) {
        let mut served = false;
        let end = self.carry(line, token, &mut served).await;
        if matches!(end, End::Stopped | End::Astray(_)) {
            let code = if matches!(end, End::Stopped) { CloseCode::Normal } else { CloseCode::GoingAway };
            line.close(code).await;
        }
        (end, served)
    }

    async fn carry(&mut self, line: &mut Line, mut token: AccessToken, served: &mut bool) -> End {
        let http = matches!(line, Line::Stream(_));
        if !self.tell(Update::Connected { http }).await {
            return End::Stopped;
        }
        let mut renewal: Option<BoxFuture<'static, Result<AccessToken, crate::api::ApiError>>> = None;
        let mut renew_at = token.renew_at;
        let mut dialing: Option<BoxFuture<'static, Result<Socket, NoSocket>>> = None;
        let mut dial_at = http.then(|| self.fallback.again(Instant::now()));
        let (mut heard, mut said) = (Instant::now(), Instant::now());
        loop {
            while let Some(message) = self.link.transmit(std::time::Instant::now()) {
                if let Err(end) = line.send(&message, self.settings.idle).await {
                    return end;
                }
                said = Instant::now();
            }
            let quiet = self.link.quiet_until().map(Instant::from_std);
            let ping_at = heard.max(said) + self.settings.ping;
            tokio::select! {
                () = self.stop.cancelled() => return End::Stopped,
                message = line.next() => {
                    heard = Instant::now();
                    let message = match message {
                        Ok(Some(message)) => message,
                        Ok(None) => continue,
                        Err(End::Token(reason)) => {
                            self.session.refused(&token).await;
                            return End::Lost(reason);
                        }
                        Err(end) => return end,
                    };
                    match self.link.receive(message, heard.into_std()) {
                        Ok(updates) => {
                            for update in updates {
                                if matches!(update, Update::Message(_)) && !std::mem::replace(served, true) && !http {
                                    self.fallback.stands();
                                }
                                if !self.tell(update).await {
                                    return End::Stopped;
                                }
                            }
                        }
                        Err(error) => return End::Astray(error.to_string()),
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.submit(command),
                    None => return End::Stopped,
                },
                () = sleep_until(renew_at), if renewal.is_none() => {
                    let session = self.session.clone();
                    renewal = Some(Box::pin(async move { session.token().await }));
                }
                renewed = async { match renewal.as_mut() {
                    Some(renewal) => renewal.await,
                    None => std::future::pending().await,
                } } => {
                    renewal = None;
                    match renewed {
                        Ok(fresh) if fresh.text != token.text => {
                            let renew = Ask::RenewToken(pb::RenewToken { token: fresh.text.to_string() });
                            let message = self.link.once(renew);
                            if let Err(end) = line.send(&message, self.settings.idle).await {
                                return end;
                            }
                            renew_at = fresh.renew_at;
                            token = fresh;
                        }
                        Ok(_) => renew_at = Instant::now() + RENEW_AGAIN,
                        Err(error) => {
                            tracing::warn!(%error, "token not renewed");
                            renew_at = Instant::now() + RENEW_AGAIN;
                        }
                    }
                }
                () = sleep_until(dial_at.unwrap_or_else(Instant::now)), if dial_at.is_some() => {
                    dial_at = None;
                    dialing = Some(self.dial());
                }
                dialed = async { match dialing.as_mut() {
                    Some(dialing) => dialing.await,
                    None => std::future::pending().await,
                } } => {
                    dialing = None;
                    match dialed {
                        Ok(socket) => return End::Switch(Box::new(socket)),
                        Err(_) => dial_at = Some(self.fallback.again(Instant::now())),
                    }
                }
                () = sleep_until(quiet.unwrap_or_else(Instant::now)), if quiet.is_some() => {}
                () = sleep_until(heard + self.settings.idle) => {
                    return End::Lost(format!("nothing heard for {} s", self.settings.idle.as_secs()));
                }
                () = sleep_until(ping_at) => {
                    let ping = self.link.once(Ask::Ping(pb::Ping {}));
                    if let Err(end) = line.send(&ping, self.settings.idle).await {
                        return end;
                    }
                    said = Instant::now();
                }
            }
        }
    }
}

fn closed(frame: Option<&ws::CloseFrame>) -> End {
    let Some(frame) = frame else { return End::Lost("closed without a word".into()) };
    let code = u16::from(frame.code);
    let reason = format!("closed with {code}: {}", frame.reason);
    match CloseCode::from_code(code) {
        Some(CloseCode::Replaced) => {
            replaced::by(&frame.reason).map_or(End::Final(reason.clone()), |by| End::Replaced(by, reason))
        }
        Some(CloseCode::TokenExpired) => End::Token(reason),
        Some(close) if !close.reconnect() => End::Final(reason),
        _ => End::Lost(reason),
    }
}

/// An answer to the handshake that is no socket.
fn refusal(status: StatusCode, body: Option<&[u8]>) -> End {
    let problem = body.and_then(|body| serde_json::from_slice::<purr_protocol::Problem>(body).ok());
    let detail = problem.map(|problem| format!(": {}", problem.title)).unwrap_or_default();
    let reason = format!("{status}{detail}");
    match status {
        StatusCode::UNAUTHORIZED => End::Token(reason),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::MISDIRECTED_REQUEST => End::Lost(reason),
        status if status.is_client_error() => End::Final(reason),
        _ => End::Lost(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_runtime::ws::close_frame;

    #[test]
    fn a_client_stays_away_where_the_code_says_so() {
        for code in CloseCode::ALL {
            let end = closed(Some(&close_frame(code, "why")));
            assert_eq!(matches!(end, End::Final(_)), !code.reconnect(), "{code:?}");
        }
        assert!(matches!(closed(None), End::Lost(_)));
    }

    #[test]
    fn who_is_replaced_learns_by_which_attach() {
        let end = closed(Some(&close_frame(CloseCode::Replaced, &replaced::reason(7))));
        assert!(matches!(end, End::Replaced(7, _)));
    }

    #[test]
    fn a_refused_handshake_is_tried_again_only_where_that_helps() {
        for (status, again) in
            [(503, true), (429, true), (421, true), (404, false), (403, false), (426, false)]
        {
            let end = refusal(StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(matches!(end, End::Lost(_)), again, "{status}");
        }
        assert!(matches!(refusal(StatusCode::UNAUTHORIZED, None), End::Token(_)));
    }
}
