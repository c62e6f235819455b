//! A player's socket that comes back by itself.

use crate::{
    api::Gateway,
    link::{EntropySource, Full, Link, Update},
    session::{AccessToken, Session},
    view::View,
};
use futures::{SinkExt, StreamExt, future::BoxFuture};
use http::StatusCode;
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, client_message::Body as Ask},
};
use purr_runtime::{
    CancellationToken,
    ws::{self, Error, Message},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, Utf8Bytes, client::IntoClientRequest},
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
    /// Of the first and of the longest wait before a connection is tried again; each is jittered.
    pub back_off_min: Duration,
    pub back_off_max: Duration,
    /// Without any connection for this long, it ends for good.
    pub give_up: Duration,
    /// TCP, TLS and WebSocket handshake together.
    pub connect: Duration,
    /// Quiet time after which a ping goes out.
    pub ping: Duration,
    /// Quiet time after which the connection counts as lost.
    pub idle: Duration,
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
            path: format!("/v1/tables/{uid}/socket"),
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

    /// Says goodbye and waits until the socket is closed.
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

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Why a connection is over.
enum End {
    /// Come back.
    Lost(String),
    /// The view does not fit any more: come back for a snapshot.
    Astray(String),
    /// The token was not taken: come back with another.
    Token(String),
    /// Do not come back.
    Final(String),
    /// The user has gone.
    Stopped,
}

struct Shell {
    link: Link,
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
        let mut back_off = self.settings.back_off_min;
        let mut good = Instant::now();
        loop {
            let end = match self.connect().await {
                Ok((socket, token)) => {
                    let (end, served) = self.serve(socket, token).await;
                    if served {
                        (good, back_off) = (Instant::now(), self.settings.back_off_min);
                    }
                    end
                }
                Err(end) => end,
            };
            let reason = match end {
                End::Stopped => return,
                End::Final(reason) => return self.ended(reason).await,
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
            let retry_in = jittered(back_off);
            back_off = (back_off * 2).min(self.settings.back_off_max);
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

    async fn connect(&mut self) -> Result<(Socket, AccessToken), End> {
        let stop = self.stop.clone();
        let attempt = async {
            let token = self.session.token().await.map_err(|error| {
                if error.is_temporary() {
                    End::Lost(error.to_string())
                } else {
                    End::Final(error.to_string())
                }
            })?;
            let late = || End::Lost("no connection in time".into());
            let socket = timeout(self.settings.connect, self.dial()).await.map_err(|_| late())?;
            match socket {
                Err(End::Token(reason)) => {
                    self.session.refused(&token).await;
                    Err(End::Lost(reason))
                }
                other => Ok((other?, token)),
            }
        };
        tokio::select! {
            () = stop.cancelled() => Err(End::Stopped),
            result = attempt => result,
        }
    }

    async fn dial(&self) -> Result<Socket, End> {
        let lost = |error: std::io::Error| End::Lost(format!("{}: {error}", self.gateway.address));
        let stream = TcpStream::connect(&self.gateway.address).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let tls = TlsConnector::from(self.gateway.tls.clone());
        let stream = tls.connect(self.gateway.server_name.clone(), stream).await.map_err(lost)?;
        let uri = format!("wss://{}{}", self.gateway.address, self.path);
        let uri = uri.parse().map_err(|error| End::Final(format!("'{uri}': {error}")))?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(self.settings.codec.subprotocol());
        let request = request.into_client_request().map_err(|error| End::Final(error.to_string()))?;
        ws::connect(stream, request).await.map_err(|error| match error {
            Error::Http(response) => refusal(response.status(), response.body().as_deref()),
            error => End::Lost(error.to_string()),
        })
    }

    /// Carries messages until the connection is over; true where the table has said anything on it.
    async fn serve(&mut self, mut socket: Socket, token: AccessToken) -> (End, bool) {
        let mut served = false;
        let end = self.carry(&mut socket, token, &mut served).await;
        if matches!(end, End::Stopped | End::Astray(_)) {
            let code = if matches!(end, End::Stopped) { CloseCode::Normal } else { CloseCode::GoingAway };
            let goodbye = socket.close(Some(ws::close_frame(code, "bye")));
            let _ = timeout(Duration::from_secs(1), goodbye).await;
        }
        (end, served)
    }

    async fn carry(&mut self, socket: &mut Socket, mut token: AccessToken, served: &mut bool) -> End {
        let attach = self.link.attach(&token.text);
        if let Err(end) = self.write(socket, &attach).await {
            return end;
        }
        if !self.tell(Update::Connected).await {
            return End::Stopped;
        }
        let mut renewal: Option<BoxFuture<'static, Result<AccessToken, crate::api::ApiError>>> = None;
        let mut renew_at = token.renew_at;
        let (mut heard, mut said) = (Instant::now(), Instant::now());
        loop {
            while let Some(message) = self.link.transmit(std::time::Instant::now()) {
                if let Err(end) = self.write(socket, &message).await {
                    return end;
                }
                said = Instant::now();
            }
            let quiet = self.link.quiet_until().map(Instant::from_std);
            let ping_at = heard.max(said) + self.settings.ping;
            tokio::select! {
                () = self.stop.cancelled() => return End::Stopped,
                frame = socket.next() => {
                    heard = Instant::now();
                    let message = match self.read(frame) {
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
                                *served |= matches!(update, Update::Message(_));
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
                            if let Err(end) = self.write(socket, &message).await {
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
                () = sleep_until(quiet.unwrap_or_else(Instant::now)), if quiet.is_some() => {}
                () = sleep_until(heard + self.settings.idle) => {
                    return End::Lost(format!("nothing heard for {} s", self.settings.idle.as_secs()));
                }
                () = sleep_until(ping_at) => {
                    let ping = self.link.once(Ask::Ping(pb::Ping {}));
                    if let Err(end) = self.write(socket, &ping).await {
                        return end;
                    }
                    said = Instant::now();
                }
            }
        }
    }

    async fn write(&self, socket: &mut Socket, message: &pb::ClientMessage) -> Result<(), End> {
        let codec = self.settings.codec;
        let bytes = codec.encode_client(message).map_err(|error| End::Final(error.to_string()))?;
        let frame = if codec.is_text() {
            let text = Utf8Bytes::try_from(bytes).map_err(|_| End::Final("JSON that is not UTF-8".into()))?;
            Message::Text(text)
        } else {
            Message::Binary(bytes)
        };
        match timeout(self.settings.idle, socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            // The other side may have said why before it hung up.
            Ok(Err(error)) => Err(self.last_words(socket, &error).await),
            Err(_) => Err(End::Lost("the other side does not read".into())),
        }
    }

    async fn last_words(&self, socket: &mut Socket, error: &Error) -> End {
        let words = async {
            while let Some(frame) = socket.next().await {
                if let Err(end) = self.read(Some(frame)) {
                    return Some(end);
                }
            }
            None
        };
        let words = timeout(Duration::from_millis(200), words).await.ok().flatten();
        words.unwrap_or_else(|| End::Lost(error.to_string()))
    }

    /// `Ok(None)` for control frames.
    fn read(&self, frame: Option<Result<Message, Error>>) -> Result<Option<pb::ServerMessage>, End> {
        let bytes = match frame {
            None => return Err(End::Lost("the connection is gone".into())),
            Some(Err(error)) => return Err(End::Lost(error.to_string())),
            Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
            Some(Ok(Message::Binary(bytes))) if !self.settings.codec.is_text() => bytes,
            Some(Ok(Message::Text(text))) if self.settings.codec.is_text() => text.into(),
            Some(Ok(Message::Binary(_) | Message::Text(_))) => {
                return Err(End::Final("the table speaks another codec than was agreed".into()));
            }
            Some(Ok(_)) => return Ok(None),
        };
        let message = self.settings.codec.decode_server(&bytes);
        message.map(Some).map_err(|error| End::Final(format!("the table speaks another protocol: {error}")))
    }
}

fn closed(frame: Option<&ws::CloseFrame>) -> End {
    let Some(frame) = frame else { return End::Lost("closed without a word".into()) };
    let code = u16::from(frame.code);
    let reason = format!("closed with {code}: {}", frame.reason);
    match CloseCode::from_code(code) {
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

/// Between half of it and all of it, so that those who were cut together do not come back together.
fn jittered(span: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or(u32::MAX);
    span / 2 + span.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
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
    fn a_refused_handshake_is_tried_again_only_where_that_helps() {
        for (status, again) in
            [(503, true), (429, true), (421, true), (404, false), (403, false), (426, false)]
        {
            let end = refusal(StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(matches!(end, End::Lost(_)), again, "{status}");
        }
        assert!(matches!(refusal(StatusCode::UNAUTHORIZED, None), End::Token(_)));
    }

    #[test]
    fn waits_are_spread() {
        let span = Duration::from_secs(8);
        let waits: Vec<Duration> = (0..64).map(|_| jittered(span)).collect();
        assert!(waits.iter().all(|wait| (span / 2..=span).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
