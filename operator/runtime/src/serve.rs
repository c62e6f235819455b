//! HTTP over TLS, with bounds on connections, time and size.

use crate::tls::{Callers, Identity, Role};
use axum::{Router, body::Body};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// Who is at the other end; in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// `None` on a public listener.
    pub role: Option<Role>,
}

/// A connection's place among those that a server allows. A WebSocket keeps it for as long as it is
/// open, past the end of the HTTP connection that it came out of.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// A TLS 1.3 server.
pub struct Server {
    pub identity: Identity,
    pub callers: Callers,
    /// Connections at once, WebSockets included; more wait in the kernel's queue.
    pub connections_max: usize,
}

const HANDSHAKE: Duration = Duration::from_secs(5);
/// A client that sends its headers more slowly is cut (slowloris).
const HEADERS: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(10);

impl Server {
    /// Accepts until stopped; then lets running requests end.
    pub async fn run(
        self,
        listener: TcpListener,
        routes: Router,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let tasks = TaskTracker::new();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = places.clone().acquire_owned() => Place(Arc::new(place?)),
            };
            let (stream, address) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file descriptors, say: it passes when connections end.
                        tracing::warn!(%error, "accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let config = self.identity.server_config(&self.callers)?;
            let connection = Connection { stream, address, roles: self.callers == Callers::Roles, place };
            tasks.spawn(connection.serve(TlsAcceptor::from(config), routes.clone(), stop.clone()));
        }
        tasks.close();
        let _ = timeout(GRACE, tasks.wait()).await;
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    roles: bool,
    place: Place,
}

impl Connection {
    async fn serve(self, acceptor: TlsAcceptor, routes: Router, stop: CancellationToken) {
        let _ = self.stream.set_nodelay(true);
        let stream = match timeout(HANDSHAKE, acceptor.accept(self.stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, peer = %self.address, "handshake"),
            Err(_) => return tracing::debug!(peer = %self.address, "handshake took too long"),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let role = certificate.and_then(Role::of_certificate);
        if self.roles && role.is_none() {
            return tracing::warn!(peer = %self.address, "a certificate without a role");
        }
        let peer = Peer { address: self.address, role };
        let place = self.place;
        let service = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(place.clone());
            let routes = routes.clone();
            async move {
                let Ok(response) = routes.oneshot(request.map(Body::new)).await;
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service)
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
