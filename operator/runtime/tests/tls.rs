//! Which roles may connect to which servers, with real listeners and real certificates.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/certificates.rs"]
mod certificates;

use axum::{Extension, Router, routing::get};
use certificates::Authority;
use http::HeaderMap;
use purr_runtime::{
    Callers, CancellationToken, ClientError, Identity, InternalClient, Peer, Role, Server, trace,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

const WAIT: Duration = Duration::from_secs(5);
const GATEWAY: &str = "gateway.role.purr.internal";
const TABLE: &str = "0a0b0c0d-0000-4000-8000-000000000000.table.role.purr.internal";

struct World {
    dir: TempDir,
    authority: Authority,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        // The provider of the process, as `purr_runtime::main` sets it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            dir: tempfile::tempdir().unwrap(),
            authority: Authority::new(),
            stop: CancellationToken::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn identity(&self, folder: &str, names: &[&str]) -> Identity {
        self.authority.issue(&self.path(folder), names);
        Identity::load(&self.path(folder)).unwrap()
    }

    /// A server that answers with the role it read from the caller's certificate.
    async fn serve(&self, identity: Identity, callers: Callers) -> SocketAddr {
        let who = async |Extension(peer): Extension<Peer>| {
            axum::Json(peer.role.map(|role| role.to_string()).unwrap_or_default())
        };
        let routes = Router::new().route("/who", get(who));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server { identity, callers, connections_max: 8 };
        tokio::spawn(server.run(listener, routes, self.stop.clone()));
        address
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn who(identity: Identity, address: SocketAddr, server: Role) -> Result<String, ClientError> {
    InternalClient::new(identity, address.to_string(), server).get("/who", WAIT).await
}

/// Speaks as a client with this configuration; the first line of the answer.
async fn first_line(config: ClientConfig, address: SocketAddr, name: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    answer.lines().next().map(str::to_owned).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

fn roots(folder: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn a_caller_is_known_by_the_role_in_its_certificate() {
    let world = World::new();
    let address = world.serve(world.identity("server", &[GATEWAY]), Callers::Roles).await;
    let table = world.identity("table", &[TABLE]);
    assert_eq!(who(table, address, Role::Gateway).await.unwrap(), TABLE);
}

#[tokio::test]
async fn a_server_that_speaks_for_another_role_is_not_talked_to() {
    let world = World::new();
    let address =
        world.serve(world.identity("server", &["records.role.purr.internal"]), Callers::Roles).await;
    let table = world.identity("table", &[TABLE]);
    let error = who(table, address, Role::Gateway).await.unwrap_err();
    assert!(matches!(&error, ClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_without_a_role_is_turned_away() {
    let world = World::new();
    let address = world.serve(world.identity("server", &[GATEWAY]), Callers::Roles).await;
    let stranger = world.identity("stranger", &["stranger.example"]);
    let error = who(stranger, address, Role::Gateway).await.unwrap_err();
    assert!(matches!(&error, ClientError::Http { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_turned_away() {
    let world = World::new();
    let address = world.serve(world.identity("server", &[GATEWAY]), Callers::Roles).await;
    let foreign = World::new();
    foreign.authority.issue(&foreign.path("table"), &[TABLE]);
    // The client trusts the server, so that only the server can refuse.
    std::fs::copy(world.path("server/ca.crt"), foreign.path("table/ca.crt")).unwrap();
    let identity = Identity::load(&foreign.path("table")).unwrap();
    let error = who(identity, address, Role::Gateway).await.unwrap_err();
    assert!(matches!(&error, ClientError::Http { .. } | ClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_turned_away_inside_and_served_in_public() {
    let world = World::new();
    let identity = world.identity("server", &[GATEWAY]);
    let inside = world.serve(identity.clone(), Callers::Roles).await;
    let public = world.serve(identity, Callers::Public).await;
    let config = || {
        let roots = roots(&world.path("server"));
        ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    assert!(first_line(config(), inside, GATEWAY).await.is_err());
    assert_eq!(first_line(config(), public, GATEWAY).await.unwrap(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let world = World::new();
    let address = world.serve(world.identity("server", &[GATEWAY]), Callers::Public).await;
    let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(roots(&world.path("server")))
        .with_no_client_auth();
    let error = first_line(config, address, GATEWAY).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_without_a_restart() {
    let world = World::new();
    let identity = world.identity("server", &[GATEWAY]);
    let address = world.serve(identity, Callers::Roles).await;
    let table = world.identity("table", &[TABLE]);
    who(table.clone(), address, Role::Gateway).await.unwrap();
    world.authority.issue(&world.path("server"), &["records.role.purr.internal"]);
    // The file's time may have the same tick as the first one's.
    let later = std::time::SystemTime::now() + Duration::from_secs(2);
    std::fs::File::options()
        .append(true)
        .open(world.path("server/tls.crt"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    who(table, address, Role::Records).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_costs_no_request() {
    let world = World::new();
    let address = world.serve(world.identity("server", &[GATEWAY]), Callers::Roles).await;
    let client = InternalClient::new(world.identity("table", &[TABLE]), address.to_string(), Role::Gateway);
    client.get::<String>("/who", WAIT).await.unwrap();
    world.stop.cancel();
    // Binds the same address again, as after a restart, and waits until it is free.
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let again = Server {
        identity: Identity::load(&world.path("server")).unwrap(),
        callers: Callers::Roles,
        connections_max: 8,
    };
    let stop = CancellationToken::new();
    let routes = Router::new().route("/who", get(async || axum::Json("again".to_owned())));
    tokio::spawn(again.run(listener, routes, stop.clone()));
    assert_eq!(client.get::<String>("/who", WAIT).await.unwrap(), "again");
    stop.cancel();
}

#[tokio::test]
async fn a_call_that_a_traced_request_causes_belongs_to_its_trace() {
    const CAUSE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let world = World::new();
    let (ids, stop) = (world.identity("ids", &[GATEWAY]), world.stop.clone());
    // The last server returns the headers that it got; the server before it forwards them.
    let last = Router::new().route(
        "/",
        get(async |headers: HeaderMap| {
            axum::Json(headers.get(trace::HEADER).map(|v| v.to_str().unwrap().to_owned()))
        }),
    );
    let last = listen(&ids, last, &stop).await;
    let client = Arc::new(InternalClient::new(ids.clone(), last.to_string(), Role::Gateway));
    let first = Router::new()
        .route("/", get(async move || axum::Json(client.get::<Option<String>>("/", WAIT).await.unwrap())));
    let first = listen(&ids, first, &stop).await;
    let client = InternalClient::new(ids, first.to_string(), Role::Gateway);
    assert_eq!(client.get::<Option<String>>("/", WAIT).await.unwrap(), None, "nobody has begun a trace");
    let asked = client.get::<Option<String>>("/", WAIT);
    let heard = trace::within(CAUSE.parse().ok(), asked).await.unwrap().unwrap();
    let ids = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
    let (cause, heard) = (ids(CAUSE), ids(&heard));
    assert_eq!((&heard[1], &heard[3]), (&cause[1], &cause[3]));
    assert_ne!(heard[2], cause[2]);
}

/// A server for roles with these routes.
async fn listen(identity: &Identity, routes: Router, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server { identity: identity.clone(), callers: Callers::Roles, connections_max: 8 };
    tokio::spawn(server.run(listener, routes, stop.clone()));
    address
}
