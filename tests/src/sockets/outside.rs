//! Stand-ins for the fleet's environment, in the bench's own process: the Kubernetes API's list of pods, and a signer
//! that grants every seat at once.
//!
//! Neither is on the path of an action. The signer has the real money rules over books in memory, and no chain.

use super::fleet::{BUY_IN, SEATS};
use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    middleware::Next,
    response::IntoResponse,
    routing::{get, post, put},
};
use purr_protocol::{
    Problem,
    settlement::{
        Accepted, Balance, Entries, Fence, Fenced, Notices, OpenTable, Reservation, Reserve, Submit,
        TableStatus,
    },
};
use purr_runtime::{Callers, CancellationToken, Identity, Server, problem::Answer};
use purr_table::{
    play_money::{PlayMoney, UID, lacking},
    signer::{Signer, SignerError},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, time::timeout};

/// The chain and the vault that permits name. They exist nowhere.
pub const CHAIN_ID: u64 = 31_337;
pub const VAULT: [u8; 20] = [0x50; 20];
pub const TABLE_ID: [u8; 32] = [0x7a; 32];
const CONNECTIONS_MAX: usize = 8_192;

/// A pod of a table, ready.
#[derive(Clone, Debug)]
pub struct Pod {
    pub uid: String,
    pub name: String,
    pub ip: std::net::Ipv4Addr,
}

/// The fleet that all tables belong to, where they do.
pub const FLEET: &str = "bench";

/// The terms that players sign for at the fleet's tables.
fn template() -> Value {
    json!({ "seats": SEATS, "blinds": { "small": 50, "big": 100 }, "buyIn": { "min": BUY_IN / 5, "max": BUY_IN } })
}

/// Answers a watch with silence, and everything else with the list.
fn list(list: Value, query: &HashMap<String, String>) -> axum::response::Response {
    if query.contains_key("watch") {
        let silence = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        return axum::body::Body::from_stream(silence).into_response();
    }
    Json(list).into_response()
}

/// A fleet that chooses tables, and its tables.
fn fleet_routes(pods: &[Pod], namespace: &str) -> Router {
    let of = |kind: &str, items: Vec<Value>| {
        json!({
            "apiVersion": "purr.poker/v1alpha1", "kind": format!("{kind}List"), "metadata": { "resourceVersion": "1" },
            "items": items,
        })
    };
    let object = |kind: &str, metadata: Value, spec: Value| json!({ "apiVersion": "purr.poker/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
    let spec = json!({ "template": template(), "seating": { "policy": "SeatMe", "holdSeconds": 30 } });
    let fleet = object("PokerTableFleet", json!({ "name": FLEET, "namespace": namespace }), spec);
    let table = |pod: &Pod| {
        let labels = json!({ "purr.poker/fleet": FLEET });
        let metadata = json!({ "name": pod.name, "namespace": namespace, "uid": pod.uid, "labels": labels });
        object("PokerTable", metadata, template())
    };
    let fleets = of("PokerTableFleet", vec![fleet]);
    let tables = of("PokerTable", pods.iter().map(table).collect());
    let route = |plural: &str| format!("/apis/purr.poker/v1alpha1/namespaces/{namespace}/{plural}");
    Router::new()
        .route(&route("pokertablefleets"), get(async move |Query(query): Asked| list(fleets.clone(), &query)))
        .route(&route("pokertables"), get(async move |Query(query): Asked| list(tables.clone(), &query)))
}

/// Serves the pods and, for a fleet's tables, that fleet; a watch stays open and sends nothing. Counts requests.
pub async fn api(
    pods: &[Pod],
    namespace: &str,
    fleet: bool,
    asked: Arc<AtomicU64>,
    stop: CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let items: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let labels = json!({
                "purr.poker/table": pod.name, "purr.poker/table-uid": pod.uid, "purr.poker/generation": "1",
            });
            json!({
                "metadata": { "name": format!("{}-1", pod.name), "namespace": namespace, "labels": labels },
                "spec": { "containers": [{ "name": "table" }] },
                "status": {
                    "phase": "Running", "podIP": pod.ip.to_string(),
                    "conditions": [{ "type": "Ready", "status": "True" }],
                },
            })
        })
        .collect();
    let list = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": { "resourceVersion": "1" }, "items": items,
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut routes =
        Router::new().route(&path, get(async move |Query(query): Asked| self::list(list.clone(), &query)));
    if fleet {
        routes = routes.merge(fleet_routes(pods, namespace));
    }
    let counted = move |request: Request, next: Next| {
        asked.fetch_add(1, Ordering::Relaxed);
        next.run(request)
    };
    let routes = routes.layer(axum::middleware::from_fn(counted));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        tokio::select! {
            served = axum::serve(listener, routes) => served,
            () = stop.cancelled() => Ok(()),
        }
    });
    Ok(address)
}

type At = (State<Books>, Path<String>);
type Asked = Query<HashMap<String, String>>;

fn number(query: &HashMap<String, String>, name: &str) -> u64 {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[derive(Clone, Default)]
struct Books(Arc<Mutex<HashMap<String, Arc<PlayMoney>>>>);

impl Books {
    fn of(&self, uid: &str) -> Arc<PlayMoney> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(PlayMoney::new(TABLE_ID, now_s, lacking));
        tables.entry(uid.to_owned()).or_insert_with(made).clone()
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn refused(error: &SignerError) -> Answer {
    Problem::new(409, "refused", "Refused").detail(error.to_string()).into()
}

/// Serves tables and gateway.
pub async fn signer(identity: Identity, stop: CancellationToken) -> anyhow::Result<SocketAddr> {
    let routes = Router::new()
        .route(
            "/v1/tables/{uid}",
            put(async |(State(books), Path(uid)): At, Json(open): Json<OpenTable>| {
                books.of(&uid).open(&open).await.map(Json::<TableStatus>).map_err(|error| refused(&error))
            })
            .get(async |(State(books), Path(uid)): At| {
                let status = books.of(&uid).journal().status(UID);
                status.map(Json).map_err(|error| refused(&error.into()))
            }),
        )
        .route(
            "/v1/balances/{player}",
            get(async || Json(Balance { free: 100 * BUY_IN, reserved: 0, seated: Vec::new() })),
        )
        .route(
            "/v1/tables/{uid}/fence",
            post(async |(State(books), Path(uid)): At, Json(Fence { epoch }): Json<Fence>| {
                books.of(&uid).fence(epoch).await.map(Json::<Fenced>).map_err(|error| refused(&error))
            }),
        )
        .route(
            "/v1/tables/{uid}/reservations",
            post(async |(State(books), Path(uid)): At, Json(ask): Json<Reserve>| {
                let reserved = books.of(&uid).reserve(&ask).await;
                reserved
                    .map(|()| Json(Reservation { reservation: "granted".into() }))
                    .map_err(|error| refused(&error))
            }),
        )
        .route(
            "/v1/tables/{uid}/entries",
            post(async |(State(books), Path(uid)): At, Json(submit): Json<Submit>| {
                let through = books.of(&uid).submit(submit.epoch, &submit.entries).await;
                through
                    .map(|accepted_through| Json(Accepted { accepted_through }))
                    .map_err(|error| refused(&error))
            })
            .get(async |(State(books), Path(uid)): At, Query(query): Asked| {
                let entries = books.of(&uid).entries(number(&query, "after")).await;
                entries.map(|entries| Json(Entries { entries })).map_err(|error| refused(&error))
            }),
        )
        .route(
            "/v1/tables/{uid}/events",
            get(async |(State(books), Path(uid)): At, Query(query): Asked| {
                let wait = Duration::from_millis(number(&query, "wait_ms"));
                let news =
                    timeout(wait, async { books.of(&uid).notices(number(&query, "after")).await }).await;
                news.unwrap_or(Ok(Vec::new()))
                    .map(|notices| Json(Notices { notices }))
                    .map_err(|error| refused(&error))
            }),
        )
        .with_state(Books::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.context("signer")?;
    let address = listener.local_addr()?;
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    tokio::spawn(server.run(listener, routes, stop));
    Ok(address)
}
