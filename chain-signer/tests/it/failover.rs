//! A node that refuses for reasons of its own is not asked for ever: another one is.

#![allow(clippy::unwrap_used)]

use purr_chain_signer::chain::{Rpc, RpcConfig, RpcError};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Starts a node that answers everything with this status and body; returns its URL and a counter of requests.
async fn node(status: &'static str, body: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 4_096];
            // Method and body are short, so the request is complete when its JSON is.
            while !request.ends_with(b"}") {
                match socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&buffer[..read]),
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            // Answers the request that was made.
            let asked = String::from_utf8_lossy(&request);
            let id = asked.split_once(r#""id":"#).and_then(|(_, rest)| rest.split_once(','));
            let body = body.replace(r#""id":1"#, &format!(r#""id":{}"#, id.map_or("1", |(id, _)| id)));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

fn rpc(urls: Vec<String>) -> Rpc {
    Rpc::new(&RpcConfig { urls, ca_file: None, requests_per_minute: 0 }).unwrap()
}

const GOOD: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x3e7"}"#;

#[tokio::test]
async fn limits_internal_errors_and_missing_heads_go_to_the_next_node_and_rest_the_first() {
    for (status, body) in [
        ("200 OK", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}"#),
        ("429 Too Many Requests", r#"{"jsonrpc":"2.0","id":1,"error":{"code":429,"message":"slow down"}}"#),
        ("429 Too Many Requests", r#"{"message":"slow down"}"#),
        ("200 OK", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}"#),
        ("200 OK", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"header not found"}}"#),
    ] {
        let (first, asked) = node(status, body).await;
        let (second, _) = node("200 OK", GOOD).await;
        let rpc = rpc(vec![first, second]);
        for _ in 0..6 {
            assert_eq!(rpc.chain_id().await.unwrap(), 999, "{body}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 3, "it rests after three failures: {body}");
    }
}

#[tokio::test]
async fn a_revert_is_a_verdict_that_no_other_node_is_asked_about() {
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted"}}"#;
    let (first, _) = node("200 OK", body).await;
    let (second, asked) = node("200 OK", GOOD).await;
    let rpc = rpc(vec![first, second]);
    for _ in 0..6 {
        let refused = rpc.chain_id().await.unwrap_err();
        assert!(matches!(refused, RpcError::Refused { code: 3, .. }), "{refused}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn where_every_node_refuses_the_last_refusal_is_told() {
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"insufficient funds"}}"#;
    let (only, _) = node("200 OK", body).await;
    let refused = rpc(vec![only]).chain_id().await.unwrap_err();
    assert!(matches!(refused, RpcError::Refused { code: -32000, .. }), "{refused}");
}
