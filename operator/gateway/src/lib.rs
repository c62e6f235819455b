//! The API gateway: sign-in, tokens, limits, lobby, and players' sockets routed to their tables.
//!
//! Any number of replicas: what they share is in the sessions group of Redis. Which pod has which
//! table comes from a watch of the table pods ([`routing`]); [`Gateway`] takes it as an input, so
//! that it runs without a cluster.

pub mod api;
pub mod app;
pub mod auth;
pub mod client_address;
pub mod clock;
pub mod crowd;
pub mod endpoints;
pub mod front;
pub mod guard;
pub mod limits;
pub mod metrics;
pub mod networks;
pub mod openapi;
pub mod options;
pub mod overload;
pub mod page;
pub mod priority;
pub mod relay;
pub mod retry_after;
pub mod router;
pub mod routing;
pub mod seating;
pub mod sessions;
pub mod upstream;

pub use options::{Config, Options};

use anyhow::Context;
use app::App;
use arc_swap::ArcSwap;
use auth::{
    Auth, Site, TableAssertions,
    denied::{Denied, Follower},
    keys::Keys,
    origins::Origins,
    outside::Outside,
    revoked::Revoked,
    roles::Roles,
};
use limits::SharedLimiter;
use metrics::{Metrics, Upstream};
use overload::Room;
use purr_runtime::{
    Callers, CancellationToken, Edge, Identity, InternalClient, Readiness, Role, Server,
    expiry::{self, Mounted},
    ops,
};
use purr_store::Link;
use relay::{Bounds, Relays};
use routing::{Routes, Table, pods};
use seating::{
    Seating,
    apart::{self, Apart},
    fleets::Fleets,
};
use sessions::{RedisSessions, SessionStore};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::timeout};

/// Connections of the public listener beyond the limit of sockets, so that further requests still get a 503.
const CONNECTIONS_SPARE: usize = 1_000;
/// Connections of table pods.
const INTERNAL_MAX: usize = 4_096;
/// Time for sockets to end after they were asked to.
const SOCKETS_END: Duration = Duration::from_secs(10);

/// Everything that the API is made from.
pub struct Gateway {
    pub config: Config,
    /// Certificate of the public listener.
    pub public: Identity,
    /// Certificate inside the fleet.
    pub identity: Identity,
    pub routes: Arc<Routes>,
    pub fleets: Arc<Fleets>,
    pub sessions: Arc<dyn SessionStore>,
    pub signer_addr: String,
    pub records_addr: String,
    /// Pairs of players who must not share a table; kept up to date by [`apart::follow`] if there is a service.
    pub apart: Arc<ArcSwap<Apart>>,
    /// host:port of that service, where it is not the fair-play program of the house.
    pub keep_apart_addr: Option<String>,
    /// host:port of the fair-play program, where the house has one.
    pub fairplay_addr: Option<String>,
    pub metrics: Metrics,
    pub readiness: Readiness,
}

/// Sockets for players and for table pods.
pub struct Listeners {
    pub public: TcpListener,
    pub internal: TcpListener,
}

/// Runs the gateway until it is stopped.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let checked = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry)?;
    let mounted = [Mounted::internal(&checked.tls_dir), Mounted::public(&checked.public_tls_dir)];
    expiry::register(&registry, &mounted)?;
    let readiness = Readiness::default();
    readiness.not_ready(pods::CONDITION, "not listed yet");
    // Probes and metrics outlive the stop signal.
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(checked.ops_listen, registry, readiness.clone(), ended.clone()));

    let identity = Identity::load(&checked.tls_dir).context("--tls-dir")?;
    let public = Identity::load(&checked.public_tls_dir).context("--public-tls-dir")?;
    let routes = Arc::new(Routes::default());
    let fleets = Arc::new(Fleets::default());
    let client = kube::Client::try_default().await.context("the Kubernetes API")?;
    let watching = {
        let (routes, readiness, ended) = (routes.clone(), readiness.clone(), ended.clone());
        let (fleets, namespaces) = (fleets.clone(), checked.namespaces);
        tokio::spawn(async move {
            tokio::join!(
                pods::watch(client.clone(), namespaces.clone(), routes, readiness, ended.clone()),
                seating::watch::watch(client, namespaces, fleets, ended),
            );
        })
    };
    let gateway = Gateway {
        config: checked.config,
        public,
        identity,
        routes,
        fleets,
        sessions: Arc::new(RedisSessions::new(Link::new(checked.sessions))),
        signer_addr: checked.signer_addr,
        records_addr: checked.records_addr,
        apart: Arc::default(),
        keep_apart_addr: checked.keep_apart_addr,
        fairplay_addr: checked.fairplay_addr,
        metrics,
        readiness,
    };
    let listeners = Listeners {
        public: TcpListener::bind(checked.listen).await.context("--listen")?,
        internal: TcpListener::bind(checked.internal_listen).await.context("--internal-listen")?,
    };
    gateway.serve(listeners, stop).await?;
    ended.cancel();
    watching.await?;
    ops.await??;
    Ok(())
}

impl Gateway {
    /// Serves until stopped; then lets others take over, ends the sockets, and returns.
    pub async fn serve(self, listeners: Listeners, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { config, public, identity, routes, sessions, metrics, readiness, .. } = &self;
        let ended = CancellationToken::new();
        // If one task returns early, for instance on an error, the others stop as well.
        let _guard = ended.clone().drop_guard();
        let (reported, reporter) = auth::reported::reported(metrics.clone());
        let auth = Arc::new(Auth {
            site: Site {
                domain: config.domain.clone(),
                url: config.public_url.clone(),
                chain_id: config.chain_id,
                issuer: config.jwt_issuer.clone(),
                audience: config.jwt_audience.clone(),
            },
            keys: Keys::load(&config.jwt_key_dir, &config.jwt_issuer, &config.jwt_audience)?,
            assertions: TableAssertions {
                keys: config.assertions_keys()?,
                access_tokens: config.access_tokens_at_tables,
            },
            roles: Roles::load(config.roles_file.as_deref())?,
            outside: config
                .front
                .outside
                .clone()
                .map(|set| Outside::new(set, metrics.clone()))
                .transpose()?,
            revoked: Revoked::default(),
            sessions: sessions.clone(),
            denied: Denied::default(),
            origins: Origins::new(metrics.clone()),
            metrics: metrics.clone(),
            reported,
        });
        let records = InternalClient::new(identity.clone(), &self.records_addr, Role::Records);
        tokio::spawn(reporter.run(records, ended.clone()));
        tokio::spawn(refresh(auth.clone(), routes.clone(), config.front.reload_every, ended.clone()));
        let signer = InternalClient::new(identity.clone(), &self.signer_addr, Role::ChainSigner);
        let mut denials = Follower::new(auth.clone(), signer);
        denials.first().await;
        tokio::spawn(denials.follow(config.pace.revoked_every, ended.clone()));
        let following = auth.clone();
        let (every, stopped) = (config.pace.revoked_every, ended.clone());
        tokio::spawn(async move {
            let (sessions, metrics) = (following.sessions.clone(), following.metrics.clone());
            tokio::join!(
                following.revoked.follow(sessions.clone(), every, metrics.clone(), stopped.clone()),
                following.revoked.listen(sessions, metrics, stopped),
            );
        });

        let bounds = Bounds {
            sockets_max: config.sockets_max,
            player_sockets_max: config.player_sockets_max,
            spectators: config.front.spectators,
        };
        let seating = Arc::new(Seating::new(
            self.fleets.clone(),
            self.apart.clone(),
            sessions.clone(),
            routes.clone(),
            metrics.clone(),
        ));
        if let Some(address) = self.keep_apart_addr.as_ref().or(self.fairplay_addr.as_ref()) {
            let service = InternalClient::new(identity.clone(), address, Role::FairPlay);
            tokio::spawn(apart::follow(service, self.apart.clone(), ended.clone()));
        }
        let (keeper, stopped) = (seating.clone(), ended.clone());
        tokio::spawn(async move { keeper.keep(stopped).await });
        let relays = Relays::new(
            identity.clone(),
            routes.clone(),
            auth.clone(),
            seating.clone(),
            config.pace,
            bounds,
            ended.clone(),
        );
        let (streams, letters, stopped) = (relays.streams().clone(), auth.sessions.clone(), ended.clone());
        tokio::spawn(async move { streams.listen(letters, stopped).await });
        let upstream = |address: &str, role, which| {
            upstream::Server::new(
                InternalClient::new(identity.clone(), address, role),
                which,
                metrics.clone(),
                config.front.breaker,
            )
        };
        let app = App::from(app::Inner {
            signer: upstream(&self.signer_addr, Role::ChainSigner, Upstream::Signer),
            records: upstream(&self.records_addr, Role::Records, Upstream::Records),
            fairplay: self
                .fairplay_addr
                .as_deref()
                .map(|address| upstream(address, Role::FairPlay, Upstream::FairPlay)),
            limiter: Arc::new(SharedLimiter::new(
                sessions.clone(),
                config.rates_by_class(),
                metrics.clone(),
                ended.clone(),
            )),
            allowed_origins: config.allowed_origins.clone(),
            metrics: metrics.clone(),
            routes: routes.clone(),
            relays: relays.clone(),
            seating,
            auth,
            tables: api::lobby::Statuses::default(),
            lobby: api::lobby::Board::default(),
            floor: api::floor::FloorBoard::default(),
            rooms: api::rooms::RoomBoard::default(),
            identity: identity.clone(),
            lobby_places: api::lobby::Places::default(),
            callers: crowd::Crowd::default(),
            bodies: crowd::Crowd::default(),
            room: Arc::new(Room::new(config.front.requests_max, metrics.clone())),
            front: config.front.clone(),
            document: openapi::document().to_string(),
            stop: ended.clone(),
            page: page::Page::new(config.page.clone()),
        });

        let connections_max = usize::try_from(config.sockets_max)?.saturating_add(CONNECTIONS_SPARE);
        let outside = Server { identity: public.clone(), callers: Callers::Public, connections_max };
        let edge = Edge {
            uncounted: config.front.forwarded_from.clone(),
            crowded: Some(metrics.crowded.clone()),
            ..config.front.edge.clone()
        };
        let outside = outside.run_behind(edge, listeners.public, router::public(app.clone()), ended.clone());
        let inside =
            Server { identity: identity.clone(), callers: Callers::Roles, connections_max: INTERNAL_MAX };
        let inside = inside.run(listeners.internal, router::internal(app), ended.clone());

        let stopping = async {
            stop.cancelled().await;
            readiness.not_ready("stopping", "stopping");
            // Load balancers send players here until they have noticed.
            tokio::time::sleep(config.stop_delay).await;
            ended.cancel();
            if timeout(SOCKETS_END, relays.ended()).await.is_err() {
                tracing::warn!("some sockets did not end in time");
            }
            Ok(())
        };
        tokio::try_join!(outside, inside, stopping)?;
        Ok(())
    }
}

/// Reloads changed keys and roles, and updates gauges.
async fn refresh(auth: Arc<Auth>, routes: Arc<Routes>, every: Duration, stop: CancellationToken) {
    loop {
        let tables = routes.read(Table::tables);
        auth.metrics.tables.set(i64::try_from(tables).unwrap_or(i64::MAX));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        match auth.keys.reload() {
            Ok(true) => tracing::info!("keys of access tokens have changed"),
            Ok(false) => {}
            // The folder is half-written: the keys loaded before stay in use.
            Err(error) => {
                tracing::warn!(%error, "the keys of access tokens cannot be read: the last ones stay in use");
            }
        }
        match auth.assertions.keys.as_ref().map(Keys::reload) {
            Some(Ok(true)) => tracing::info!("keys of assertions have changed"),
            Some(Err(error)) => {
                tracing::warn!(%error, "the keys of assertions cannot be read: the last ones stay in use");
            }
            None | Some(Ok(false)) => {}
        }
        if let Err(error) = auth.roles.reload() {
            tracing::warn!(%error, "roles");
        }
        if let Some(Err(error)) = auth.outside.as_ref().map(Outside::reload) {
            tracing::warn!(%error, "the file of roles cannot be read: the last roles stay in use");
        }
        auth.metrics.files_read.inc();
    }
}
