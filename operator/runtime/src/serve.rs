//! HTTP over TLS, with bounds on connections, time and size.

use crate::{
    crowd::{Counted, Crowd},
    proxy::{self, Cidr},
    role::Role,
    stall::Stall,
    tls::{Callers, Identity},
    trace::{self, TraceParent},
};
use axum::{Router, body::Body};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntCounter;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Handle, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// The peer of a connection; in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The peer's address; behind a proxy that sends the PROXY header, the client's address.
    pub address: SocketAddr,
    /// `None` on a public listener.
    pub role: Option<Role>,
}

/// A connection's place in the server's limits and in those of its address. A WebSocket keeps the place as long as it
/// is open, past the end of its HTTP connection.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<Held>);

type Held = (OwnedSemaphorePermit, Option<Counted>);

/// A TLS 1.3 server.
pub struct Server {
    pub identity: Identity,
    pub callers: Callers,
    /// Connections at once, WebSockets included; more wait in the kernel's queue.
    pub connections_max: usize,
}

/// Bounds and proxies of a listener, and how long its callers may take.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Networks of proxies: a connection from there must begin with a PROXY header, and any other must not.
    pub proxies: Vec<Cidr>,
    /// Time limit of the PROXY header, and again of the TLS handshake.
    pub handshake: Duration,
    /// A client that sends its headers more slowly is cut (slowloris), and so is one that asks
    /// nothing for so long on an open connection.
    pub headers: Duration,
    /// A connection is closed when its client reads nothing of an answer for this long.
    pub write: Duration,
    /// Most connections of one address (of a /64 of IPv6), WebSockets included; further ones are closed before TLS
    /// begins.
    pub address_max: u32,
    /// Maximum number of connections among them that have not sent the head of a request yet: in the TLS handshake, or silent.
    pub arriving_max: u32,
    /// Networks whose addresses each stand for many clients, so that their connections are not counted.
    pub uncounted: Vec<Cidr>,
    /// Counts connections that were closed because their address had too many.
    pub crowded: Option<IntCounter>,
    /// Runs TLS handshakes on a thread of their own, so that a burst of new connections does not delay established
    /// ones.
    pub apart: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            proxies: Vec::new(),
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            write: Duration::from_secs(30),
            address_max: u32::MAX,
            arriving_max: u32::MAX,
            uncounted: Vec::new(),
            crowded: None,
            apart: false,
        }
    }
}

/// The thread of handshakes. Ends with this, without waiting for any.
struct Door(Option<Runtime>);

impl Door {
    fn new(apart: bool) -> std::io::Result<Self> {
        let build = || {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1).thread_name("handshakes").enable_time().build()
        };
        apart.then(build).transpose().map(Self)
    }

    fn handle(&self) -> Handle {
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

const GRACE: Duration = Duration::from_secs(10);

impl Server {
    /// Accepts until stopped; then lets running requests end.
    pub async fn run(
        self,
        listener: TcpListener,
        routes: Router,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        self.run_behind(Edge::default(), listener, routes, stop).await
    }

    /// Like [`run`](Self::run), with the proxies, bounds and timeouts of an [`Edge`].
    pub async fn run_behind(
        self,
        edge: Edge,
        listener: TcpListener,
        routes: Router,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let door = Door::new(edge.apart)?;
        let crowds = Crowds { all: Crowd::new(edge.address_max), arriving: Crowd::new(edge.arriving_max) };
        let edge = Arc::new(edge);
        let places = Arc::new(Semaphore::new(self.connections_max));
        let tasks = TaskTracker::new();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = places.clone().acquire_owned() => place?,
            };
            let (stream, address) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // For instance, there are no more file descriptors: this passes when connections end.
                        tracing::warn!(%error, "accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let config = self.identity.server_config(&self.callers)?;
            let roles = self.callers == Callers::Roles;
            let (edge, crowds) = (edge.clone(), crowds.clone());
            let connection = Connection { edge, crowds, stream, address, roles, place, door: door.handle() };
            tasks.spawn(connection.serve(TlsAcceptor::from(config), routes.clone(), stop.clone()));
        }
        tasks.close();
        let _ = timeout(GRACE, tasks.wait()).await;
        Ok(())
    }
}

/// Connections by address: all of them, and those that have not sent a request yet.
#[derive(Clone)]
struct Crowds {
    all: Crowd,
    arriving: Crowd,
}

impl Crowds {
    /// `None` when this address already has its maximum of open connections.
    fn enter(&self, address: SocketAddr) -> Option<(Counted, Counted)> {
        self.all.enter(address.ip()).zip(self.arriving.enter(address.ip()))
    }
}

struct Connection {
    edge: Arc<Edge>,
    crowds: Crowds,
    stream: TcpStream,
    address: SocketAddr,
    roles: bool,
    place: OwnedSemaphorePermit,
    door: Handle,
}

impl Connection {
    /// Reads the address that a listed proxy speaks for, before TLS begins.
    async fn through_proxy(&mut self) -> std::io::Result<()> {
        if Cidr::any_contains(&self.edge.proxies, self.address.ip()) {
            let header = timeout(self.edge.handshake, proxy::read_header(&mut self.stream)).await??;
            self.address = header.unwrap_or(self.address);
        }
        Ok(())
    }

    async fn serve(mut self, acceptor: TlsAcceptor, routes: Router, stop: CancellationToken) {
        let _ = self.stream.set_nodelay(true);
        if let Err(error) = self.through_proxy().await {
            return tracing::warn!(%error, peer = %self.address, "connection closed: PROXY header missing or malformed");
        }
        let (counted, arriving) = if Cidr::any_contains(&self.edge.uncounted, self.address.ip()) {
            (None, None)
        } else if let Some((counted, arriving)) = self.crowds.enter(self.address) {
            (Some(counted), Some(arriving))
        } else {
            self.edge.crowded.iter().for_each(IntCounter::inc);
            return tracing::debug!(peer = %self.address, "too many connections of one address");
        };
        let place = Place(Arc::new((self.place, counted)));
        let (limit, handshake) = (self.edge.handshake, acceptor.accept(self.stream));
        let shaken = if self.edge.apart {
            let shaking = self.door.spawn(async move { timeout(limit, handshake).await });
            shaking.await.unwrap_or_else(|error| Ok(Err(std::io::Error::other(error))))
        } else {
            timeout(limit, handshake).await
        };
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, peer = %self.address, "handshake"),
            Err(_) => return tracing::debug!(peer = %self.address, "handshake took too long"),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let role = certificate.and_then(Role::of_certificate);
        if self.roles && role.is_none() {
            return tracing::warn!(peer = %self.address, "connection closed: the client's certificate has no role");
        }
        let peer = Peer { address: self.address, role };
        let arriving = Mutex::new(arriving);
        let service = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            // The request has arrived.
            drop(arriving.lock().unwrap_or_else(PoisonError::into_inner).take());
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(place.clone());
            let routes = routes.clone();
            let cause = TraceParent::of(request.headers());
            async move {
                let Ok(response) = trace::within(cause, routes.oneshot(request.map(Body::new))).await;
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.edge.headers)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(Stall::new(stream, self.edge.write)), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, peer = %self.address, "connection");
        }
    }
}
