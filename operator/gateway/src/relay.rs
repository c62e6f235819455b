//! Players' sockets: each stays open while messages are relayed to the pod that currently has the table.

mod from_pod;
mod guests;
mod line;
mod player;
mod pod;
pub mod seats;
pub mod session;
mod streams;
mod trunk;

use crate::{
    auth::{Auth, AuthError, Caller},
    clock,
    limits::address_key,
    metrics::{Metrics, Upstream},
    routing::Routes,
    seating::{NotSeated, Seating},
};
use bytes::Bytes;
use from_pod::FromPod;
use futures::{FutureExt, future::BoxFuture};
pub use guests::SpectatorBounds;
use guests::{Guests, Pass};
use line::{Line, Stream};
use player::{FromPlayer, Player, frame_of, unwritable};
use pod::{NotReached, Pod, Who};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
};
use purr_runtime::{
    CancellationToken, Identity, trace,
    ws::{Message, ServerSocket},
};
use seats::Seats;
use session::{PodEnd, Session, Todo};
use std::{
    collections::HashMap,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
pub use streams::{NotTaken, Streams};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use trunk::Trunks;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first message of a player.
    pub attach: Duration,
    /// Time limit of one write to either side.
    pub write: Duration,
    /// Silence after which a player is pinged, and after which the socket ends.
    pub ping: Duration,
    pub idle: Duration,
    /// Silence of a pod after which it is pinged.
    pub pod_ping: Duration,
    pub pod_idle: Duration,
    /// Reaching a pod, once.
    pub connect: Duration,
    /// Between two tries to reach a pod.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// How long a player waits without a pod before the socket is closed.
    pub pause_max: Duration,
    /// Interval at which the record of revocations is read.
    pub revoked_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            attach: s(10),
            // Shorter than the pod's own limit, so that the slow side is the one that is cut.
            write: s(5),
            ping: s(20),
            idle: s(60),
            pod_ping: s(10),
            pod_idle: s(30),
            connect: s(3),
            backoff_min: Duration::from_millis(50),
            backoff_max: s(2),
            pause_max: s(180),
            revoked_every: Duration::from_millis(500),
        }
    }
}

/// Messages of a table that go to a player in one write.
const TOGETHER_MAX: usize = 64;
/// Events of a stream that wait for its reader.
const EVENTS_MAX: usize = 16;
/// How long a new socket waits for a spectator to make room.
const ROOM: Duration = Duration::from_secs(1);

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    code: CloseCode,
    reason: String,
}

impl End {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Why no socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Full,
    Stopping,
}

/// State shared by all relays.
pub(crate) struct Shared {
    pub identity: Identity,
    pub routes: Arc<Routes>,
    pub auth: Arc<Auth>,
    pub metrics: Metrics,
    pub pace: Pace,
    pub stop: CancellationToken,
    places: Arc<Semaphore>,
    places_max: u32,
    /// Sockets by player, for those who have any.
    players: Mutex<HashMap<PlayerId, u32>>,
    player_max: u32,
    streams: Streams,
    trunks: Trunks,
    pub seats: Arc<Seats>,
    seating: Arc<Seating>,
    guests: Arc<Guests>,
}

/// All sockets of this gateway.
#[derive(Clone)]
pub struct Relays(Arc<Shared>);

/// Bounds on sockets at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub sockets_max: u32,
    pub player_sockets_max: u32,
    pub spectators: SpectatorBounds,
}

impl Relays {
    /// Sockets end when `stop` is cancelled.
    pub fn new(
        identity: Identity,
        routes: Arc<Routes>,
        auth: Arc<Auth>,
        seating: Arc<Seating>,
        pace: Pace,
        bounds: Bounds,
        stop: CancellationToken,
    ) -> Self {
        let Bounds { sockets_max, player_sockets_max, spectators } = bounds;
        let places = usize::try_from(sockets_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            identity,
            routes,
            metrics: auth.metrics.clone(),
            auth,
            pace,
            stop,
            places: Arc::new(Semaphore::new(places)),
            places_max: sockets_max,
            players: Mutex::default(),
            player_max: player_sockets_max,
            streams: Streams::default(),
            trunks: Trunks::default(),
            seats: Arc::default(),
            seating,
            guests: Arc::new(Guests::new(spectators, sockets_max)),
        }))
    }

    /// Admits one more socket to a table. If there is no room, a spectator is disconnected for an address from which a
    /// seated player plays.
    pub async fn open(&self, uid: String, codec: Codec, address: Option<IpAddr>) -> Result<Relay, Refused> {
        let Shared { stop, places, seats, guests, .. } = &*self.0;
        if stop.is_cancelled() {
            return Err(Refused::Stopping);
        }
        let address: Option<Arc<str>> = address.map(|ip| address_key(ip).into());
        let place = match places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) if address.as_ref().is_some_and(|key| seats.plays_from(key)) && guests.make_room() => {
                let room = timeout(ROOM, places.clone().acquire_owned()).await;
                room.map_err(|_| Refused::Full)?.map_err(|_| Refused::Full)?
            }
            Err(_) => return Err(Refused::Full),
        };
        let end = CancellationToken::new();
        let pass = Some(guests.arrive(address.clone(), end.clone()));
        Ok(Relay { shared: self.0.clone(), uid, codec, address, pass, end, _place: place })
    }

    /// Players with a seat at the tables of this gateway.
    pub fn seats(&self) -> &Arc<Seats> {
        &self.0.seats
    }

    /// Open streams, by their ids.
    pub fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Returns when all sockets have ended.
    pub async fn ended(&self) {
        let _ = self.0.places.acquire_many(self.0.places_max).await;
    }
}

/// A socket's place among those of the same player.
struct PlayerPlace {
    shared: Arc<Shared>,
    player: PlayerId,
}

impl PlayerPlace {
    fn take(shared: &Arc<Shared>, player: PlayerId) -> Option<Self> {
        let mut players = shared.players.lock().unwrap_or_else(PoisonError::into_inner);
        let open = players.entry(player).or_default();
        if *open >= shared.player_max {
            return None;
        }
        *open += 1;
        Some(Self { shared: shared.clone(), player })
    }
}

impl Drop for PlayerPlace {
    fn drop(&mut self) {
        let mut players = self.shared.players.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = players.get_mut(&self.player) {
            *open -= 1;
            if *open == 0 {
                players.remove(&self.player);
            }
        }
    }
}

/// The pod's side of the relay: being connected, or connected.
enum Link {
    Down(BoxFuture<'static, Result<Pod, NotReached>>),
    Up(Box<Pod>),
}

enum LinkEvent {
    Reached(Box<Result<Pod, NotReached>>),
    FromPod(FromPod),
}

impl Link {
    /// Dropping the future loses nothing.
    async fn next(&mut self) -> LinkEvent {
        match self {
            Self::Down(reaching) => LinkEvent::Reached(Box::new(reaching.await)),
            Self::Up(pod) => LinkEvent::FromPod(pod.next().await),
        }
    }
}

/// The connection of one player to one table.
pub struct Relay {
    shared: Arc<Shared>,
    uid: String,
    codec: Codec,
    /// The address as the limits count it.
    address: Option<Arc<str>>,
    /// The place among guests, until the player is known to have a seat.
    pass: Option<Pass>,
    /// Cancelled when the socket has to make room for another.
    end: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// How a relay ends.
enum Over {
    /// Ends with a close frame, if one is due.
    Goodbye(Option<End>),
    /// Ends without a close frame: nothing was received yet, and there are too many sockets.
    Dropped,
}

/// An attached player's relay.
struct Running<'a> {
    relay: &'a Relay,
    player: &'a mut Player,
    session: Session<Bytes>,
    caller: Caller,
    expires: Instant,
    link: Link,
    /// The place among guests, while the player has no seat or this is not known yet.
    pass: Option<Pass>,
    /// Whether the player has a seat; `None` until the table has sent it.
    seated: Option<bool>,
    /// Tries in a row that led to no lasting attachment.
    tries: u32,
    /// Whether a pod has been attached to before.
    was_up: bool,
    paused_since: Instant,
    /// The player has sent a newer token.
    renewed: bool,
}

impl Relay {
    /// Relays messages until one side ends the connection.
    pub fn serve(self, socket: ServerSocket) -> impl Future<Output = ()> + Send {
        // The socket is stored once, rather than also in the future.
        self.carry(Line::Socket(Box::new(socket)))
    }

    /// As [`Self::serve`], over a streamed answer with these parts, and requests that name the id in its first part.
    /// `None`: no random bytes were available.
    pub fn serve_stream(
        self,
        player: PlayerId,
        id: u64,
        attach: pb::Attach,
    ) -> Option<mpsc::Receiver<bytes::Bytes>> {
        let (place, up) = self.shared.streams.open(player, self.uid.clone())?;
        let (down, events) = mpsc::channel(EVENTS_MAX);
        let open = serde_json::json!({ "stream": place.id }).to_string();
        down.try_send(line::event("open", &open)).ok()?;
        // The HTTP request carries what a socket's first message does.
        let attach = pb::ClientMessage { id, body: Some(Ask::Attach(attach)) };
        let frame = frame_of(self.codec, self.codec.encode_client(&attach).ok()?).ok()?;
        let Message::Text(text) = frame else { return None };
        let streams = self.shared.streams.clone();
        streams.take(&place.id, player, &self.uid, text).ok()?;
        let metrics = self.shared.metrics.clone();
        let carried = async move {
            metrics.streams.inc();
            self.carry(Line::Stream(Stream { up, down, _place: place })).await;
            metrics.streams.dec();
        };
        tokio::spawn(trace::within(trace::current(), carried));
        Some(events)
    }

    async fn carry(mut self, line: Line) {
        self.shared.metrics.sockets.inc();
        let mut player = Player::new(line, self.codec, self.shared.pace);
        let pass = self.pass.take();
        let over = self.run(&mut player, pass).await;
        self.shared.metrics.sockets.dec();
        let Over::Goodbye(end) = over else { return };
        if let Some(End { code, .. }) = &end {
            self.shared.metrics.closed(*code);
        }
        player.line.close(end.as_ref().map(|end| (end.code, end.reason.as_str()))).await;
    }

    /// `pass`: of the newcomer that everybody is at first.
    async fn run(&self, player: &mut Player, pass: Option<Pass>) -> Over {
        // Subscribes before the token is verified, so that a sign-in that ends in between is not missed.
        let since = self.shared.auth.revoked.subscribe();
        let first = tokio::select! {
            first = timeout(self.shared.pace.attach, player.next()) => first,
            () = self.shared.stop.cancelled() => return Over::Goodbye(Some(stopping())),
            () = self.end.cancelled() => return Over::Dropped,
        };
        let begun = match first {
            Ok(FromPlayer::Message {
                message: pb::ClientMessage { id, body: Some(Ask::Attach(attach)) },
                ..
            }) => self.begin(player, pass, id, attach),
            Ok(FromPlayer::Ended(end)) => Err(end),
            Ok(_) => Err(Some(End::new(CloseCode::Protocol, "attach comes first"))),
            Err(_) => Err(Some(End::new(CloseCode::Protocol, "no attach in time"))),
        };
        Over::Goodbye(match begun {
            Ok((_place, running)) => self.until_over(running, since).await,
            Err(end) => end,
        })
    }

    /// The attach of a player, after its checks.
    fn begin<'a>(
        &'a self,
        player: &'a mut Player,
        pass: Option<Pass>,
        id: u64,
        attach: pb::Attach,
    ) -> Result<(PlayerPlace, Running<'a>), Option<End>> {
        let (caller, expires) = self.caller(&attach.token).map_err(Some)?;
        let place = PlayerPlace::take(&self.shared, caller.player)
            .ok_or_else(|| End::new(CloseCode::TryAgain, "too many sockets of this player"))
            .map_err(Some)?;
        let seated = self.shared.seats.is_seated(&self.uid, caller.player);
        let link = self.reach(&caller, seated == Some(false), 0);
        let mut running = Running {
            relay: self,
            player,
            session: Session::new(id, attach),
            caller,
            expires,
            link,
            pass,
            seated: None,
            tries: 0,
            was_up: false,
            paused_since: Instant::now(),
            renewed: false,
        };
        if let Some(seated) = seated {
            running.seat(seated)?;
        }
        Ok((place, running))
    }

    async fn until_over(&self, mut running: Running<'_>, since: watch::Receiver<()>) -> Option<End> {
        // Created once, rather than anew with every message.
        let signed_out = |sid: &str| self.shared.auth.revoked.ended(since.clone(), sid.to_owned());
        let mut revoked = pin!(signed_out(&running.caller.sid));
        let mut expired = pin!(sleep_until(running.expires));
        let mut stopped = pin!(self.shared.stop.cancelled());
        let mut ended = pin!(self.end.cancelled());
        loop {
            let step = tokio::select! {
                from_player = running.player.next() => running.player_says(from_player).await,
                event = running.link.next() => running.link_event(event).await,
                () = revoked.as_mut() => Err(Some(End::new(CloseCode::Revoked, "the sign-in has ended"))),
                () = expired.as_mut() => Err(Some(End::new(CloseCode::TokenExpired, "the token ran out"))),
                () = sleep_until(running.paused_since + self.shared.pace.pause_max),
                    if running.session.is_paused() =>
                {
                    Err(Some(End::new(CloseCode::TryAgain, "the table is not available")))
                }
                () = stopped.as_mut() => Err(Some(stopping())),
                () = ended.as_mut() => {
                    Err(Some(End::new(CloseCode::Crowded, "others need the place more")))
                }
            };
            if let Err(end) = step {
                running.leaves();
                return end;
            }
            if std::mem::take(&mut running.renewed) {
                revoked.set(signed_out(&running.caller.sid));
                expired.as_mut().reset(running.expires);
            }
        }
    }

    fn reach(&self, caller: &Caller, guest: bool, tries: u32) -> Link {
        let who = Who { player: caller.player, guest, until_s: caller.expires_s };
        Link::Down(pod::reach(self.shared.clone(), self.uid.clone(), self.codec, who, tries).boxed())
    }

    fn caller(&self, token: &str) -> Result<(Caller, Instant), End> {
        let caller = self.shared.auth.caller(token).map_err(|error| match error {
            AuthError::Revoked => End::new(CloseCode::Revoked, "the sign-in has ended"),
            error => {
                tracing::info!(%error, "token refused");
                End::new(CloseCode::TokenExpired, "the token is not valid")
            }
        })?;
        let left = Duration::from_secs(caller.expires_s).saturating_sub(clock::now());
        Ok((caller, Instant::now() + left))
    }
}

fn stopping() -> End {
    End::new(CloseCode::GoingAway, "the gateway stops")
}

/// `Err` ends the socket, with a close frame if the other side can still get one.
type Step = Result<(), Option<End>>;

impl Running<'_> {
    async fn player_says(&mut self, event: FromPlayer) -> Step {
        let (message, bytes) = match event {
            FromPlayer::Message { message, bytes } => (message, bytes),
            FromPlayer::Limited(id) => {
                self.relay.shared.metrics.message_limited();
                let code = ErrorCode::RateLimited.into();
                let message = "too many messages".to_owned();
                let error = Body::Error(pb::Error { id, code, message, ..pb::Error::default() });
                let answer = Box::new(pb::ServerMessage { epoch: 0, offset: 0, body: Some(error) });
                return self.player.send(&answer).await;
            }
            FromPlayer::Ended(end) => return Err(end),
        };
        match &message.body {
            Some(Ask::Attach(_)) => return Err(Some(End::new(CloseCode::Protocol, "attached already"))),
            Some(Ask::RenewToken(renew)) => {
                let (caller, expires) = self.relay.caller(&renew.token).map_err(Some)?;
                if caller.player != self.caller.player {
                    return Err(Some(End::new(CloseCode::Protocol, "the token of another player")));
                }
                (self.caller, self.expires, self.renewed) = (caller, expires, true);
                self.session.renew(renew.token.clone());
                if matches!(&self.link, Link::Up(pod) if pod.is_asserted()) {
                    // Boxed because it is rare: otherwise every player's task would reserve its memory.
                    return Box::pin(self.assert_renewed(message.id)).await;
                }
            }
            // Boxed because it is rare: otherwise every player's task would reserve its memory.
            Some(Ask::Sit(sit)) => {
                if let Some(refused) = self.not_seated(message.id, sit.seat).await {
                    return self.player.send(&refused).await;
                }
            }
            _ => {}
        }
        match self.session.player_says(&message, bytes.len(), &bytes) {
            Todo::Forward => self.send_to_pod(bytes).await,
            Todo::Answer(answer) => self.player.send(&answer).await,
            Todo::Wait => Ok(()),
        }
    }

    /// Refuses a Sit because of a player at the table who is kept apart, or because of the fleet's policy. If two such
    /// players sit down within one round trip of the table, both get their seats; the next table is refused.
    fn not_seated(&self, id: u64, seat: u32) -> BoxFuture<'static, Option<Box<pb::ServerMessage>>> {
        // A seated player may repeat the request, for instance after a lost answer: the table knows the id.
        if self.seated == Some(true) {
            return std::future::ready(None).boxed();
        }
        let (seating, uid) = (self.relay.shared.seating.clone(), self.relay.uid.clone());
        let player = self.caller.player;
        let away = self.relay.shared.seats.any_at(&uid, |seated| seating.kept_apart(player, seated));
        let asked = async move {
            let allowed =
                if away { Err(NotSeated::NoSeat) } else { seating.may_sit(&uid, player, seat).await };
            let why = allowed.err()?;
            let code =
                if why == NotSeated::Unavailable { ErrorCode::Unavailable } else { ErrorCode::Refused };
            let error = pb::Error { id, code: code.into(), message: why.to_string(), ..pb::Error::default() };
            Some(Box::new(pb::ServerMessage { epoch: 0, offset: 0, body: Some(Body::Error(error)) }))
        };
        asked.boxed()
    }

    /// Renews the player's identity at the table with an assertion, and answers the player in the table's place.
    async fn assert_renewed(&mut self, id: u64) -> Step {
        self.renew_at_pod().await?;
        let answer = self.session.renewed(id);
        self.player.send(&answer).await
    }

    async fn renew_at_pod(&mut self) -> Step {
        let Link::Up(pod) = &mut self.link else { return Ok(()) };
        let Relay { shared, uid, .. } = self.relay;
        let who = Who { player: self.caller.player, guest: false, until_s: self.caller.expires_s };
        match pod.renew(shared, uid, who, shared.pace.write).await {
            Ok(()) => Ok(()),
            Err(error) => self.lost(&error.to_string()).await,
        }
    }

    async fn send_to_pod(&mut self, message: Bytes) -> Step {
        let Link::Up(pod) = &mut self.link else { return Ok(()) };
        match pod.send(message, self.player.rtt(), self.relay.shared.pace.write).await {
            Ok(()) => Ok(()),
            Err(error) => Box::pin(self.lost(&error.to_string())).await,
        }
    }

    async fn link_event(&mut self, event: LinkEvent) -> Step {
        match event {
            // Boxed because it is rare: otherwise every player's task would reserve its memory.
            LinkEvent::Reached(reached) => Box::pin(self.reached(*reached)).await,
            LinkEvent::FromPod(event) => {
                self.pod_event(event).await?;
                // Messages that arrive together are sent together: one TLS record, one write.
                for _ in 1..TOGETHER_MAX {
                    let Link::Up(pod) = &mut self.link else { break };
                    let Some(event) = pod.try_next() else { break };
                    self.pod_event(event).await?;
                }
                self.player.flush().await
            }
        }
    }

    async fn reached(&mut self, reached: Result<Pod, NotReached>) -> Step {
        match reached {
            Ok(pod) => self.attach(pod).await,
            Err(error) => {
                self.relay.shared.metrics.upstream_error(Upstream::Table);
                self.lost(&error.to_string()).await
            }
        }
    }

    async fn pod_event(&mut self, event: FromPod) -> Step {
        match event {
            FromPod::Message(bytes, read) => {
                if self.seated.is_none() && self.pass.is_some() {
                    // A table of an older release never sends its seats: all sockets there count as players.
                    self.pass = None;
                }
                self.pod_says(bytes, read.as_deref()).await
            }
            FromPod::Seat(seated) => self.seat(seated),
            FromPod::Ended(code, reason) => match PodEnd::of_code(code) {
                PodEnd::ForPlayer(code) => Err(Some(End::new(code, reason))),
                PodEnd::Gone => Box::pin(self.lost(&reason)).await,
            },
        }
    }

    /// Handles that the player has a seat, or is a spectator.
    fn seat(&mut self, seated: bool) -> Step {
        let Relay { shared, uid, address, end, .. } = self.relay;
        let before = self.seated.replace(seated);
        self.player.guest = !seated;
        if seated {
            self.pass = None;
            address.iter().for_each(|address| shared.seats.seen_at(address));
        } else if before == Some(true) {
            let pass = shared.guests.arrive(address.clone(), end.clone());
            pass.stay(self.caller.player, uid);
            self.pass = Some(pass);
        } else if let Some(pass) = &self.pass {
            let watches = pass.watch(self.caller.player, uid);
            watches.map_err(|why| Some(End::new(CloseCode::Crowded, why.to_string())))?;
        }
        Ok(())
    }

    /// A player with a seat is expected back from the same address.
    fn leaves(&self) {
        if let Some(address) = self.relay.address.as_ref().filter(|_| self.seated == Some(true)) {
            self.relay.shared.seats.seen_at(address);
        }
    }

    async fn attach(&mut self, pod: Pod) -> Step {
        let (attach, pending) = self.session.attached(pod.is_asserted());
        let attach = self.relay.codec.encode_client(&attach).map_err(|error| Some(unwritable(&error)))?;
        for message in std::iter::once(attach).chain(pending) {
            if let Err(error) = pod.send(message, self.player.rtt(), self.relay.shared.pace.write).await {
                return self.lost(&error.to_string()).await;
            }
        }
        tracing::debug!(pod = pod.name(), table = self.relay.uid, "attached");
        if std::mem::replace(&mut self.was_up, true) {
            self.relay.shared.metrics.reattached.inc();
        }
        self.link = Link::Up(Box::new(pod));
        // The token may have been renewed while the pod was reached.
        self.renew_at_pod().await?;
        for answer in self.session.renewals_left() {
            self.player.send(&answer).await?;
        }
        Ok(())
    }

    async fn pod_says(&mut self, bytes: Bytes, read: Option<&pb::ServerMessage>) -> Step {
        let frame = frame_of(self.relay.codec, bytes)?;
        // A pod of a newer release may send a message that this one cannot parse; it is forwarded unchanged.
        let Some(message) = read else { return self.player.feed_frame(frame).await };
        let shown = self.session.pod_says(message);
        if shown.forward {
            self.player.feed_frame(frame).await?;
        }
        match shown.then {
            Some(then) => self.player.send(&then).await,
            None => Ok(()),
        }
    }

    /// Handles a pod that is gone or cannot be reached: notifies the player once, and tries again.
    async fn lost(&mut self, why: &str) -> Step {
        tracing::debug!(why, table = self.relay.uid, tries = self.tries, "no pod");
        // An attachment that did not last counts as a failed attempt, so that there is no tight loop.
        let lasted =
            matches!(&self.link, Link::Up(pod) if pod.since.elapsed() > self.relay.shared.pace.backoff_max);
        self.tries = if lasted { 1 } else { self.tries.saturating_add(1) };
        if !self.session.is_paused() {
            self.paused_since = Instant::now();
        }
        self.leaves();
        self.link = self.relay.reach(&self.caller, self.seated == Some(false), self.tries);
        match self.session.lost("the table moves to another pod") {
            Some(paused) => self.player.send(&paused).await,
            None => Ok(()),
        }
    }
}
