//! The program itself, from its start to SIGTERM, beside an API server that knows one pod.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use axum::{Json, Router, extract::Query, response::IntoResponse, routing::get};
use common::{SOON, UID, World, wallet};
use serde_json::json;
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// Lists one pod; a watch of it stays open and sends nothing.
async fn api_server() -> SocketAddr {
    let pods = async |Query(query): Query<HashMap<String, String>>| {
        let selector = query.get("labelSelector").unwrap();
        assert_eq!(selector, "app.kubernetes.io/part-of=purr,app.kubernetes.io/component=table");
        if query.contains_key("watch") {
            let silence = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
            return axum::body::Body::from_stream(silence).into_response();
        }
        let labels =
            json!({ "purr.poker/table": "river", "purr.poker/table-uid": UID, "purr.poker/generation": "3" });
        let pod = json!({
            "metadata": { "name": "river-0", "namespace": "tables", "labels": labels },
            "spec": { "containers": [{ "name": "table" }] },
            "status": { "phase": "Running", "podIP": "127.0.0.1", "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        let list = json!({
            "apiVersion": "v1", "kind": "PodList", "metadata": { "resourceVersion": "1" }, "items": [pod],
        });
        Json(list).into_response()
    };
    let routes = Router::new().route("/api/v1/namespaces/tables/pods", get(pods));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn terminate(&self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    async fn ends(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, ended).await.expect("the program did not end in time")
    }
}

fn start(dir: &Path, api: SocketAddr, more: &[String]) -> Program {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{api}") } }],
        "users": [{ "name": "u", "user": {} }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
        "current-context": "x",
    });
    std::fs::write(dir.join("kubeconfig"), kubeconfig.to_string()).unwrap();
    std::fs::write(dir.join("password"), "secret").unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_purr-gateway"))
        .env_clear()
        .env("KUBECONFIG", path("kubeconfig"))
        .env("PURR_LOG", "error")
        .env("PURR_NAMESPACE", "tables")
        .env("PURR_DOMAIN", "localhost")
        .env("PURR_PUBLIC_URL", common::ISSUER)
        .env("PURR_CHAIN_ID", common::CHAIN.to_string())
        .env("PURR_PUBLIC_TLS_DIR", path("public"))
        .env("PURR_TLS_DIR", path("gateway"))
        .env("PURR_JWT_KEY_DIR", path("jwt"))
        .env("PURR_JWT_ISSUER", common::ISSUER)
        .env("PURR_ROLES_FILE", path("roles.json"))
        .env("PURR_SIGNER_ADDR", "127.0.0.1:1")
        .env("PURR_RECORDS_ADDR", "127.0.0.1:1")
        // No Sentinel listens there: the gateway starts, and is ready, without its sessions.
        .env("PURR_SESSIONS_SENTINELS", "127.0.0.1:1")
        .env("PURR_SESSIONS_USER", "gateway")
        .env("PURR_SESSIONS_PASSWORD_FILE", path("password"))
        .args(more)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    Program(child)
}

/// The body of an answer with status 200, or nothing.
async fn ops(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

#[tokio::test]
async fn the_program_finds_its_pods_serves_and_ends_on_sigterm() {
    // Only for its folders and its way of asking.
    let mut world = World::new().await;
    let [public, internal, probes] =
        purr_test_ports::ports().unwrap().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let listen = [
        format!("--listen={public}"),
        format!("--internal-listen={internal}"),
        format!("--ops-listen={probes}"),
        "--stop-delay-ms=300".to_owned(),
    ];
    let mut program = start(world.dir.path(), api_server().await, &listen);
    let ready = async {
        while ops(probes, "/readyz").await.is_none() {
            assert!(program.0.try_wait().unwrap().is_none(), "ended early");
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, ready).await.expect("not ready in time");
    world.public = public;
    let tables = world.get("/v1/tables", None).await;
    assert_eq!((tables.status, &tables.json()["tables"][0]["name"]), (200, &json!("river")), "{tables:?}");
    // Sign-ins need the session store and fail without it; liveness does not.
    let wallet = wallet::Wallet::new(1);
    let ask = wallet.ask(&wallet.message(&wallet::nonce(&world).await));
    let sign_in = world.post("/v1/auth/sign-in", None, &ask).await;
    assert_eq!((sign_in.status, sign_in.problem().as_str()), (503, "unavailable"));
    assert!(ops(probes, "/livez").await.is_some());
    assert!(ops(probes, "/metrics").await.unwrap().contains("purr_gateway_upstream_errors_total"));

    program.terminate();
    let unready = async { while ops(probes, "/readyz").await.is_some() {} };
    timeout(SOON, unready).await.expect("still ready");
    assert!(program.ends().await.success());
}

#[tokio::test]
async fn a_key_that_is_not_there_ends_the_program_with_an_error() {
    let world = World::new().await;
    std::fs::write(world.dir.path().join("jwt/current"), "k9").unwrap();
    wallet::write_key(&world.dir.path().join("jwt"), "k2", &[2; 32]);
    let listen = ["--listen", "--internal-listen", "--ops-listen"].map(|flag| format!("{flag}=127.0.0.1:0"));
    let mut program = start(world.dir.path(), api_server().await, &listen);
    assert!(!program.ends().await.success());
}
