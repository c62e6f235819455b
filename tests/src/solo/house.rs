//! A real table and a real gateway in one process, with stand-ins for the other programs.

use super::{
    EPOCH, UID,
    ledger::Ledger,
    secrets::{Secrets, random},
};
use purr_gateway::{
    Config, Gateway, Listeners,
    auth::keys::Keys,
    routing::{Pod, Routes},
    seating::fleets::Fleets,
    sessions::MemorySessions,
};
use purr_protocol::{TableSpec, settlement::OpenTable};
use purr_runtime::{
    Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server, assertion::Assertions,
};
use purr_store::{DataKeys, Sealer, Store};
use purr_table::{
    actor::{Actor, Handle, TakeOver},
    core::{Pace, Recording},
    http::routes,
    metrics::Metrics,
    snapshot::Format,
    tokens::Tokens,
};
use std::{net::SocketAddr, sync::Arc, time::SystemTime};
use tokio::{net::TcpListener, task::JoinSet};

/// Connections of one server.
const CONNECTIONS_MAX: usize = 256;

/// Parts that a house is built from.
pub struct Parts {
    pub spec: TableSpec,
    pub pace: Pace,
    pub store: Arc<dyn Store>,
    pub sealer: Sealer,
    pub ledger: Arc<Ledger>,
    /// Routes of the stand-in for records.
    pub records: axum::Router,
    pub config: Config,
    pub public: TcpListener,
}

/// The programs at work. They end when the token is cancelled, or all with the first that fails.
pub struct House {
    pub handle: Handle,
    /// The gateway's address for players.
    pub public: SocketAddr,
    /// The table's address for gateways, regardless of [`Self::route_to`].
    pub pod: SocketAddr,
    pub sessions: Arc<MemorySessions>,
    /// The stand-in for a cluster's fleets, named by the caller.
    pub fleets: Arc<Fleets>,
    pub tasks: JoinSet<anyhow::Result<()>>,
    routes: Arc<Routes>,
    name: String,
}

/// A sealer of the table with a random key.
///
/// # Errors
/// Where there is no randomness.
pub fn sealer() -> anyhow::Result<Sealer> {
    Ok(Sealer::new(Arc::new(DataKeys::ephemeral(random()?)), UID))
}

impl House {
    /// # Errors
    /// Where one of the programs cannot start.
    pub async fn start(parts: Parts, secrets: &Secrets, stop: &CancellationToken) -> anyhow::Result<Self> {
        let Parts { spec, pace, store, sealer, ledger, records, config, public } = parts;
        let mut tasks = JoinSet::new();
        let identity = |folder: &str, role: &Role| secrets.identity(folder, &[&role.to_string()]);
        let signer = identity("signer", &Role::ChainSigner)?;
        let signer = serve(&mut tasks, signer, ledger.clone().routes(), stop).await?;
        let records = serve(&mut tasks, identity("records", &Role::Records)?, records, stop).await?;

        let internal = TcpListener::bind(loopback()).await?;
        let table = identity("table", &Role::Table(UID.into()))?;
        let keys = InternalClient::new(table.clone(), internal.local_addr()?.to_string(), Role::Gateway);
        let mut tokens = Tokens::new(keys, &config.jwt_issuer, &config.jwt_audience);
        if let Some(dir) = &config.assertion_key_dir {
            let (file, published) = (dir.join("keys.json"), Keys::load(dir, "", "")?.published());
            std::fs::write(&file, serde_json::to_vec(&published)?)?;
            tokens = tokens.with_assertions(Assertions::new(UID, file), config.access_tokens_at_tables);
        }
        let tokens = Arc::new(tokens);
        let actor = Actor::take_over(TakeOver {
            epoch: EPOCH,
            spec: spec.clone(),
            pace,
            sealer: sealer.clone(),
            store,
            signer: ledger,
            recording: Recording::default(),
            format: Format::default(),
            sessions: None,
            metrics: Metrics::new(&prometheus::Registry::new())?,
            readiness: Readiness::default(),
            open: OpenTable::from_spec(EPOCH, &spec),
        })
        .await?;
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let actor = actor.with_wall_clock(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        let handle = actor.handle();
        let ended = stop.clone();
        tasks.spawn(async move { Ok(actor.run(ended).await?) });
        let pod = serve(&mut tasks, table, routes(handle.clone(), tokens, sealer), stop).await?;

        let (sessions, table_routes) = (Arc::new(MemorySessions::default()), Arc::new(Routes::default()));
        let (fleets, address) = (Arc::new(Fleets::default()), public.local_addr()?);
        let gateway = Gateway {
            config,
            public: secrets.identity("public", &["localhost"])?,
            identity: identity("gateway", &Role::Gateway)?,
            routes: table_routes.clone(),
            fleets: fleets.clone(),
            sessions: sessions.clone(),
            signer_addr: signer.to_string(),
            records_addr: records.to_string(),
            apart: Arc::default(),
            keep_apart_addr: None,
            fairplay_addr: None,
            metrics: purr_gateway::metrics::Metrics::new(&prometheus::Registry::new())?,
            readiness: Readiness::default(),
        };
        tasks.spawn(gateway.serve(Listeners { public, internal }, stop.clone()));
        let house = Self {
            handle,
            public: address,
            pod,
            sessions,
            fleets,
            tasks,
            routes: table_routes,
            name: spec.name,
        };
        house.route_to(pod);
        Ok(house)
    }

    /// Makes the gateway connect to the table at this address from now on.
    pub fn route_to(&self, pod: SocketAddr) {
        self.routes.apply(Pod {
            name: "solo".into(),
            uid: UID.into(),
            table: self.name.clone(),
            generation: 1,
            address: Some(pod),
            ready: true,
        });
    }
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A server of the fleet on a port of the kernel's choice.
///
/// # Errors
/// Where there is no port.
pub async fn serve(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    identity: Identity,
    routes: axum::Router,
    stop: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(loopback()).await?;
    let address = listener.local_addr()?;
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    tasks.spawn(server.run(listener, routes, stop.clone()));
    Ok(address)
}
