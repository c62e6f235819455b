//! The document that describes the API: committed, served, and the same as the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::World;
use purr_gateway::{
    endpoints::{Access, Endpoint},
    openapi,
};
use serde_json::Value;
use std::path::Path;

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = serde_json::to_string_pretty(&openapi::document()).unwrap() + "\n";
    if std::env::var_os("PURR_GENERATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == text, "operator/gateway/openapi.json is out of date: make generate");
}

#[tokio::test]
async fn the_document_is_served() {
    let world = World::new().await;
    let served = world.get("/v1/openapi.json", None).await;
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    assert_eq!(served.json(), openapi::document());
}

#[tokio::test]
async fn the_schema_of_the_messages_is_served() {
    let world = World::new().await;
    let served = world.get("/v1/player.proto", None).await;
    assert_eq!((served.status, served.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(served.body, purr_protocol::PLAYER_SCHEMA);
}

#[test]
fn every_endpoint_is_described_with_who_may_use_it() {
    let document = openapi::document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for endpoint in Endpoint::ALL {
        let operation = &document["paths"][endpoint.path()][endpoint.method().as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{endpoint:?}");
        match endpoint.access() {
            Access::Open => assert_eq!(operation["security"], Value::Null, "{endpoint:?}"),
            Access::Roles(roles) => {
                assert_eq!(operation["x-roles"].as_array().unwrap().len(), roles.len(), "{endpoint:?}");
            }
        }
        let in_path = endpoint.path().matches('{').count();
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(parameters.iter().filter(|one| one["in"] == "path").count(), in_path, "{endpoint:?}");
    }
    let query: Vec<&str> = document["paths"]["/v1/tables"]["get"]["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(query, ["cursor", "limit", "free", "ready", "seats", "stakes"]);
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = openapi::document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
