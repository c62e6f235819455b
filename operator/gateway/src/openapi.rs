//! The OpenAPI 3.1.1 document of the API, generated from the table of endpoints and the wire types.

use crate::{
    api::{
        admin::{DenialsPage, LiftReason, NewDenial, Revocation, Revoked},
        auth::{Refresh, SignIn},
        fleets::{BackQuery, FleetList},
        floor::{ActsPage, FloorChanges, FloorQuery, Floors, StaffReason},
        integrity::{CasesPage, NewAppeal, NewOpinion, NewRefund, OpeningsPage, ReportMonth},
        lobby::{Changes, HandsPage, OneTable, Page, Tables, Wanted},
        others::LeadersQuery,
        outside::{OutsideLink, OutsideSignIn},
        players::{HandSearch, StatisticsQuery, Tagging},
        staff::EventsAfter,
        stream::Resume,
    },
    app::App,
    endpoints::{Access, Endpoint, Place},
    seating::{
        keeper::{FleetListed, OwnSeat},
        step::SeatRequest,
    },
};
use axum::{
    extract::State,
    http::{HeaderName, Method, header},
};
use purr_protocol::{
    Problem,
    denial::{DenialTrail, Denials},
    floor::{Acts, StaffPaused},
    hand::{Hand, HandQuery},
    hands::Page as HandList,
    limits::{ChangeLimits, LimitsTold},
    settlement::{Balance, ChainConfig, HandReceipt, Reconciliation},
    sign_in::{Nonce, Tokens},
    statistics::{Leaders, TableStatistics},
    withdrawal::Withdrawal,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// `GET /v1/openapi.json`.
pub async fn serve(State(app): State<App>) -> ([(HeaderName, &'static str); 2], String) {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, app.document.clone())
}

/// `GET /v1/player.proto`: the messages of a table's socket.
pub async fn schema() -> ([(HeaderName, &'static str); 2], &'static str) {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, purr_protocol::PLAYER_SCHEMA)
}

type Make = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Objects that another program describes.
fn any(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(json!({ "type": "object" })).unwrap_or_default()
}

/// The documentation of an endpoint: parameters, body and answer.
struct Doc {
    summary: &'static str,
    tag: &'static str,
    query: Vec<Make>,
    body: Option<Make>,
    status: u16,
    media: &'static str,
    answer: Option<Make>,
}

fn doc(endpoint: Endpoint) -> Doc {
    let gives = |tag, summary, answer: Make| Doc {
        summary,
        tag,
        query: Vec::new(),
        body: None,
        status: 200,
        media: "application/json",
        answer: Some(answer),
    };
    let takes =
        |tag, summary, body: Make, answer: Make| Doc { body: Some(body), ..gives(tag, summary, answer) };
    match endpoint {
        Endpoint::Nonce => gives("sign-in", "A nonce for one sign-in message", of::<Nonce>),
        Endpoint::SignIn => takes("sign-in", "Sign in with a wallet (EIP-4361)", of::<SignIn>, of::<Tokens>),
        Endpoint::Refresh => takes(
            "sign-in",
            "New tokens for a refresh token, which is then used up",
            of::<Refresh>,
            of::<Tokens>,
        ),
        Endpoint::OutsideSignIn => {
            takes("sign-in", "Sign in with a linked outside identity", of::<OutsideSignIn>, of::<Tokens>)
        }
        Endpoint::OutsideLink => takes(
            "sign-in",
            "Link an outside identity to a wallet, and sign in",
            of::<OutsideLink>,
            of::<Tokens>,
        ),
        Endpoint::Logout => {
            Doc { status: 204, answer: None, ..gives("sign-in", "End the caller's sign-in everywhere", any) }
        }
        Endpoint::Jwks => gives("sign-in", "Keys of access tokens (RFC 7517)", any),
        Endpoint::OpenApi => gives("about", "This document", any),
        Endpoint::Schema => Doc {
            media: "text/plain",
            ..gives("about", "The messages of a table's socket (protobuf schema)", of::<String>)
        },
        Endpoint::Config => gives("about", "What a wallet needs to deposit and to sign", of::<ChainConfig>),
        Endpoint::Tables => Doc {
            query: vec![of::<Page>, of::<Wanted>],
            ..gives("lobby", "Tables, page by page", of::<Tables>)
        },
        Endpoint::LobbyEvents => Doc {
            query: vec![of::<Wanted>],
            media: "text/event-stream",
            ..gives(
                "lobby",
                "The lobby, live: events named 'tables' with this data, 'fleets' with all fleets where one has changed, \
                 and with a token 'seats' with the caller's holds and places on waiting lists",
                of::<Changes>,
            )
        },
        Endpoint::Fleets => gives("lobby", "Fleets of tables", of::<FleetList>),
        Endpoint::Fleet => gives("lobby", "One fleet", of::<FleetListed>),
        Endpoint::AskSeat => takes(
            "seats",
            "A seat in a fleet, held for some seconds, or a place on its waiting list; the same id gets the same answer",
            of::<SeatRequest>,
            of::<OwnSeat>,
        ),
        Endpoint::OwnSeat => gives("seats", "What the caller has in a fleet", of::<OwnSeat>),
        Endpoint::GiveSeatBack => Doc {
            query: vec![of::<BackQuery>],
            status: 204,
            answer: None,
            ..gives("seats", "Give a hold back, or leave the waiting list", any)
        },
        Endpoint::Table => gives("lobby", "One table", of::<OneTable>),
        Endpoint::Socket => Doc {
            status: 101,
            answer: None,
            ..gives("play", "A player's WebSocket, subprotocol purr.v1.proto or purr.v1.json", any)
        },
        Endpoint::Stream => Doc {
            query: vec![of::<Resume>],
            media: "text/event-stream",
            ..gives(
                "play",
                "A table where no WebSocket gets through: an event 'open' with the stream's id, messages of \
                 purr.v1.json, and at last an event 'close' with code and reason",
                any,
            )
        },
        Endpoint::StreamSend => Doc {
            status: 202,
            answer: None,
            ..takes("play", "A message of purr.v1.json to an open stream; 410: it has ended", any, any)
        },
        Endpoint::Hands => Doc {
            query: vec![of::<HandsPage>],
            ..gives("hands", "Hands of a table, newest first", of::<HandList>)
        },
        Endpoint::Hand => Doc {
            query: vec![of::<HandQuery>],
            ..gives("hands", "One hand, as JSON, PHH, Open Hand History or text for trackers", of::<Hand>)
        },
        Endpoint::HandAudit => {
            gives("hands", "One hand, with the deck that is encrypted to the auditor", any)
        }
        Endpoint::HandReceipt => gives(
            "hands",
            "The operator's signature over a hand (EIP-712); 404 for a void hand, and until it is signed",
            of::<HandReceipt>,
        ),
        Endpoint::Statistics => Doc {
            query: vec![of::<StatisticsQuery>],
            ..gives(
                "hands",
                "A player's own statistics ('me'), each figure with n and a 95% interval: rates, and big blinds won per \
                 100 hands after rake, before rake and all-in adjusted",
                any,
            )
        },
        Endpoint::TableStatistics => gives(
            "hands",
            "Statistics of those who sit at a table, over their hands before today, for players with 100 hands or more; \
             nobody, where its fleet shows none",
            of::<TableStatistics>,
        ),
        Endpoint::Leaderboard => Doc {
            query: vec![of::<LeadersQuery>],
            ..gives(
                "hands",
                "The first 100 players of the last days, under names that only this list has; 404 where the room has none",
                of::<Leaders>,
            )
        },
        Endpoint::OwnGraph => Doc {
            query: vec![of::<StatisticsQuery>],
            ..gives("hands", "A player's own results ('me') by days: won, all-in adjusted, rake", any)
        },
        Endpoint::OwnHands => Doc {
            query: vec![of::<HandSearch>],
            ..gives(
                "hands",
                "A player's own hands ('me'), newest first: by shown cards, result, pot, opponent",
                of::<HandList>,
            )
        },
        Endpoint::Events => Doc {
            query: vec![of::<EventsAfter>],
            ..gives(
                "admin",
                "The room's events after a position, each at least once and with an id that tells repetitions: hands, seats, \
                 money, settlements, sign-ins; waits for the first one",
                any,
            )
        },
        Endpoint::OwnSessions => gives(
            "hands",
            "A player's own sessions ('me'): hands at one table without a break of half an hour, newest first",
            any,
        ),
        Endpoint::TagHand => takes(
            "hands",
            "Set the tags of one of the own hands ('me'); nobody else sees them",
            of::<Tagging>,
            any,
        ),
        Endpoint::RoomStatistics => gives(
            "lobby",
            "The last 24 hours of all tables together and of each: hands, hands an hour, average pot, players per flop, rake",
            any,
        ),
        Endpoint::Floor => Doc {
            query: vec![of::<FloorQuery>],
            ..gives(
                "staff",
                "All tables: who sits where, pace, pauses, settlement lag, unusual rates; no hidden cards",
                of::<Floors>,
            )
        },
        Endpoint::FloorEvents => Doc {
            query: vec![of::<FloorQuery>],
            media: "text/event-stream",
            ..gives("staff", "The floor, live: events named 'tables' with this data", of::<FloorChanges>)
        },
        Endpoint::PauseTable => takes(
            "staff",
            "Pause a table after its running hand; the table commits it and tells the players the reason",
            of::<StaffReason>,
            of::<StaffPaused>,
        ),
        Endpoint::ResumeTable => {
            takes("staff", "End staff's pause of a table", of::<StaffReason>, of::<StaffPaused>)
        }
        Endpoint::StaffActs => Doc {
            query: vec![of::<ActsPage>],
            ..gives("staff", "What staff ordered at tables and how it ended, newest first", of::<Acts>)
        },
        Endpoint::Balance => gives(
            "money",
            "The caller's balance; with a header Age, in seconds, where the signer is away and this is what it said last",
            of::<Balance>,
        ),
        Endpoint::Withdrawals => {
            takes("money", "A withdrawal that its owner has signed (EIP-712)", of::<Withdrawal>, any)
        }
        Endpoint::OwnLimits => gives(
            "money",
            "Limits that the caller has set for themself, raises that wait, and what counts for them now",
            of::<LimitsTold>,
        ),
        Endpoint::ChangeLimits => takes(
            "money",
            "Change the caller's own limits: a reduction takes effect at once, a raise after 24 hours; seats and chips beyond \
             them are refused where they are reserved",
            of::<ChangeLimits>,
            of::<LimitsTold>,
        ),
        Endpoint::Reconciliation => gives("admin", "The ledger beside the chain", of::<Reconciliation>),
        Endpoint::Revocations => {
            takes("admin", "End every sign-in of a player", of::<Revocation>, of::<Revoked>)
        }
        Endpoint::Denials => Doc {
            query: vec![of::<DenialsPage>],
            ..gives("admin", "Wallets that are denied, in the order of their addresses", of::<Denials>)
        },
        Endpoint::Deny => takes(
            "admin",
            "Deny a wallet: no sign-in, no seat, no voucher; its sign-ins end, and its seats are cashed out after the \
             running hand",
            of::<NewDenial>,
            of::<DenialTrail>,
        ),
        Endpoint::DenialTrail => {
            gives("admin", "What was decided about a wallet, newest first", of::<DenialTrail>)
        }
        Endpoint::LiftDenial => Doc {
            query: vec![of::<LiftReason>],
            ..gives("admin", "Lift a wallet's denial", of::<DenialTrail>)
        },
        Endpoint::Cases => Doc {
            query: vec![of::<CasesPage>],
            ..gives("integrity", "Fair-play cases, newest first, without hidden cards", any)
        },
        Endpoint::Case => gives(
            "integrity",
            "One case: signals with baseline and innocent explanation, hands of the evidence, opinions (the others' of a \
             running round only after one's own), what happened",
            any,
        ),
        Endpoint::Evidence => gives(
            "integrity",
            "One hand of the evidence, 0 the first, with hidden cards and equities; the opening is logged before",
            any,
        ),
        Endpoint::Opinions => takes(
            "integrity",
            "Give an opinion: two who agree decide, after dissent a third does",
            of::<NewOpinion>,
            any,
        ),
        Endpoint::Appeals => {
            takes("integrity", "Appeal against a decision, as a member of the case", of::<NewAppeal>, any)
        }
        Endpoint::Refunds => gives(
            "integrity",
            "Refunds of a case, with the calls that two administrators sign and the payments that the chain has",
            any,
        ),
        Endpoint::OrderRefund => takes(
            "integrity",
            "Refund hands of a decided case; computed to the minor unit, each hand once",
            of::<NewRefund>,
            any,
        ),
        Endpoint::Openings => Doc {
            query: vec![of::<OpeningsPage>],
            ..gives("integrity", "The log of opened hands, with its size and the last hash", any)
        },
        Endpoint::IntegrityReport => Doc {
            query: vec![of::<ReportMonth>],
            ..gives("integrity", "The integrity report of a month", any)
        },
    }
}

/// Builds the document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in Endpoint::ALL {
        let method = match endpoint.method() {
            Method::POST => "post",
            Method::DELETE => "delete",
            _ => "get",
        };
        let operation = operation(endpoint, &mut generator);
        let path = paths.entry(endpoint.path()).or_insert_with(|| json!({}));
        path[method] = operation;
    }
    let problem = generator.subschema_for::<Problem>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Purr Poker",
            "version": "1",
            "description": "Amounts are minor units of the currency. Every error is a problem (RFC 9457); \
                answers carry RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-09).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "problem": {
                    "description": "What went wrong",
                    "content": { "application/problem+json": { "schema": problem } },
                },
                "later": {
                    "description": "Too often (429), or not at the moment (503): come back later",
                    "headers": { "Retry-After": { "description": "Seconds", "schema": { "type": "integer" } } },
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

fn operation(endpoint: Endpoint, generator: &mut SchemaGenerator) -> Value {
    let Doc { summary, tag, query, body, status, media, answer } = doc(endpoint);
    let mut parameters = path_parameters(endpoint.path());
    for make in query {
        parameters.extend(query_parameters(make, generator));
    }
    let description = if status == 101 { "The socket is open" } else { "Done" };
    let mut done = json!({ "description": description });
    if let Some(make) = answer {
        done["content"] = json!({ media: { "schema": make(generator) } });
    }
    let mut operation = json!({
        "operationId": format!("{endpoint:?}"),
        "summary": summary,
        "tags": [tag],
        "responses": {
            status.to_string(): done,
            "429": { "$ref": "#/components/responses/later" },
            "503": { "$ref": "#/components/responses/later" },
            "default": { "$ref": "#/components/responses/problem" },
        },
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(make) = body {
        let content = json!({ "application/json": { "schema": make(generator) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if let Access::Roles(roles) = endpoint.access() {
        operation["security"] = json!([{ "token": [] }]);
        operation["x-roles"] = json!(roles);
    }
    match endpoint.place() {
        Place::Anywhere => {}
        Place::Admin => operation["x-addresses"] = json!("admin"),
        Place::Withdrawal => operation["x-addresses"] = json!("withdrawal"),
    }
    operation
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let schema = |name| {
        if matches!(name, "hand" | "case" | "n") {
            json!({ "type": "integer" })
        } else {
            json!({ "type": "string" })
        }
    };
    names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": schema(name) }))
        .collect()
}

/// Makes a parameter of each field of a query type.
fn query_parameters(make: Make, generator: &mut SchemaGenerator) -> Vec<Value> {
    let reference = make(generator);
    let name = reference.as_value()["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let Some(fields) = name.and_then(|name| generator.definitions_mut().remove(name)) else {
        return Vec::new();
    };
    let Some(fields) = fields["properties"].as_object().cloned() else { return Vec::new() };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    fields.into_iter().map(parameter).collect()
}
