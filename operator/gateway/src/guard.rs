//! Checks before every handler: capacity, origin, limits, tokens, roles and networks.

use crate::{
    app::{App, read},
    auth::{AuthError, Caller},
    client_address::{ClientAddress, client_address},
    endpoints::{Access, Endpoint, Place},
    limits::{self, Class, Verdict},
    priority::Priority,
    retry_after::RetryAfter,
};
use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use purr_protocol::{Problem, problem};
use purr_runtime::{Cidr, Peer, problem::Answer, token::UserRole};
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;

/// Seconds for which a browser may cache a preflight answer.
const PREFLIGHT_S: &str = "600";
/// A body that takes longer is one of the slow ones, which are bounded by address.
const AT_ONCE: Duration = Duration::from_millis(250);
/// `Retry-After` for an address that has reached its limits.
const CROWDED_WAIT: Duration = Duration::from_secs(1);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Checks the origin, capacity, limits, the token, roles and network of a request, and reads its body. Only a complete
/// request takes a place.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = hex::encode(getrandom::u64().unwrap_or_default().to_be_bytes());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.as_ref().is_none_or(|origin| app.allows(origin));
    let preflight = request.method() == Method::OPTIONS && origin.is_some();
    let mut checked = Vec::new();
    let mut response = if !allowed {
        Answer::from(Problem::new(403, "origin", "This origin may not ask")).into_response()
    } else if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        pass(&app, request, next, &mut checked).await
    };
    response = problem_of(response, &id);
    let headers = response.headers_mut();
    limits::headers::tell(headers, &checked);
    if let Some(origin) = origin.filter(|_| allowed) {
        share(headers, origin, preflight);
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

async fn pass(app: &App, mut request: Request, next: Next, checked: &mut Vec<(Class, Verdict)>) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let endpoint = path.and_then(|path| Endpoint::find(request.method(), &path));
    let peer = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
    let client = peer.map(|peer| client_address(peer, request.headers(), &app.front.forwarded_from));
    let key = client.map(limits::address_key).unwrap_or_default();
    // Verified here and now: nothing is waited for.
    let caller = bearer(app, request.headers());
    let priority = priority(app, endpoint, caller.as_ref().ok(), &key);
    let full = || {
        let problem = Problem::new(503, "overload", "Too many requests are being answered");
        (RetryAfter(app.front.overload_wait), Answer::from(problem)).into_response()
    };
    if !app.room.has_place(priority) {
        return full();
    }
    if let Err(response) = admit(app, &mut request, endpoint, client, caller, checked).await {
        return response;
    }
    let request = match whole(app, request, endpoint, &key).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let Some(_counted) = app.callers.enter(&key, app.front.address_requests_max) else {
        return crowded("too many of its requests are being answered").into_response();
    };
    let Some(_place) = app.room.enter(priority) else { return full() };
    next.run(request).await
}

/// A path alone never puts anybody before those who play.
fn priority(app: &App, endpoint: Option<Endpoint>, caller: Option<&Caller>, address: &str) -> Priority {
    let seats = app.relays.seats();
    let comes_back = endpoint.is_some_and(Endpoint::comes_back);
    match caller {
        Some(caller) if caller.roles.contains(&UserRole::Admin) || seats.plays(caller.player) => {
            Priority::Seated
        }
        Some(_) => Priority::Player,
        None if comes_back && seats.plays_from(address) => Priority::Player,
        // Unknown paths and page requests get lobby priority.
        None => endpoint.map_or(Priority::Lobby, Endpoint::priority),
    }
}

fn crowded(what: &str) -> (RetryAfter, Answer) {
    let problem = Problem::new(429, "crowded", "Too much at once from your address").detail(what.to_owned());
    (RetryAfter(CROWDED_WAIT), Answer::from(problem))
}

/// Reads the body before the request takes a place, so that slow senders do not use up places. A body that arrives at
/// once is not counted, so slow bodies of the same address do not delay it.
async fn whole(
    app: &App,
    request: Request,
    endpoint: Option<Endpoint>,
    address: &str,
) -> Result<Request, Response> {
    let Some(endpoint) = endpoint.filter(|_| !request.body().is_end_stream()) else { return Ok(request) };
    let (parts, body) = request.into_parts();
    let mut reading = Box::pin(read(body, endpoint.body_max()));
    let bytes = match timeout(AT_ONCE, reading.as_mut()).await {
        Ok(bytes) => bytes,
        Err(_) => {
            let slow = app.bodies.enter(address, app.front.address_bodies_max);
            let _slow =
                slow.ok_or_else(|| crowded("too many of its requests have come in part").into_response())?;
            reading.await
        }
    };
    Ok(Request::from_parts(parts, bytes.map_err(IntoResponse::into_response)?.into()))
}

async fn admit(
    app: &App,
    request: &mut Request,
    endpoint: Option<Endpoint>,
    client: Option<IpAddr>,
    caller: Result<Caller, Unauthorized>,
    checked: &mut Vec<(Class, Verdict)>,
) -> Result<(), Response> {
    if let Some(ip) = client {
        request.extensions_mut().insert(ClientAddress(ip));
        if let Some(class) = endpoint.map_or(Some(Class::Address), Endpoint::class) {
            let verdict = app.limiter.check_address(class, ip).await;
            checked.push((class, verdict));
            refusal(app, class, verdict).map_or(Ok(()), Err)?;
        }
    }
    let Some((endpoint, Access::Roles(roles))) = endpoint.map(|endpoint| (endpoint, endpoint.access()))
    else {
        // A caller who shows a token on an open route is identified by it.
        caller.ok().and_then(|caller| request.extensions_mut().insert(caller));
        return Ok(());
    };
    let caller = caller.map_err(IntoResponse::into_response)?;
    let player = caller.player.to_string();
    within(app, Class::Player, &player, checked).await?;
    if !caller.roles.iter().any(|role| roles.contains(role)) {
        let problem = Problem::new(403, "role", "This needs a role that you do not have");
        return Err(Answer::from(problem).into_response());
    }
    let from = match endpoint.place() {
        Place::Anywhere => None,
        Place::Admin => Some(&app.front.admin_addresses),
        Place::Withdrawal => Some(&app.front.withdrawal_addresses),
    };
    if let Some(from) = from {
        if !client.is_some_and(|ip| Cidr::any_contains(from, ip)) {
            tracing::warn!(%player, ?client, path = endpoint.path(), "refused: address in no allowed network");
            let problem = Problem::new(403, "address", "This cannot be asked from your address");
            return Err(Answer::from(problem).into_response());
        }
        within(app, Class::Money, &player, checked).await?;
    }
    if is_of_staff(endpoint, roles, &caller) {
        let path = request.uri().path();
        app.auth.reported.staff(app.auth.event_id(), &caller, request.method(), path, crate::clock::now_ms());
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Whether this request shows staff the data of other people. Reading the event stream is left out, because it would
/// add an event each time.
fn is_of_staff(endpoint: Endpoint, allowed: &[UserRole], caller: &Caller) -> bool {
    let sees_all = caller.roles.iter().any(|role| matches!(role, UserRole::Auditor | UserRole::Admin));
    match endpoint {
        Endpoint::Events => false,
        Endpoint::Hands | Endpoint::Hand => sees_all,
        _ => !allowed.contains(&UserRole::Player),
    }
}

async fn within(
    app: &App,
    class: Class,
    key: &str,
    checked: &mut Vec<(Class, Verdict)>,
) -> Result<(), Response> {
    let verdict = app.limiter.check(class, key).await;
    checked.push((class, verdict));
    refusal(app, class, verdict).map_or(Ok(()), Err)
}

/// Answers 429 with the time to wait, if a limit refuses the request.
pub(crate) fn refusal(app: &App, class: Class, verdict: Verdict) -> Option<Response> {
    if verdict.passed {
        return None;
    }
    app.metrics.limited(class);
    let problem = Problem::new(429, "rate", "Too many requests");
    Some((RetryAfter(verdict.retry), Answer::from(problem)).into_response())
}

/// The access token of a request.
pub(crate) fn bearer_text(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn bearer(app: &App, headers: &HeaderMap) -> Result<Caller, Unauthorized> {
    let token = bearer_text(headers).ok_or(Unauthorized::NoToken)?;
    app.auth.caller(token).map_err(Unauthorized::Refused)
}

enum Unauthorized {
    NoToken,
    Refused(AuthError),
}

impl IntoResponse for Unauthorized {
    fn into_response(self) -> Response {
        // RFC 6750, section 3.
        let (challenge, detail) = match self {
            Self::NoToken => ("Bearer", "an access token is needed".to_owned()),
            Self::Refused(error) => ("Bearer error=\"invalid_token\"", error.to_string()),
        };
        let problem = Problem::new(401, "token", "Sign in first").detail(detail);
        let mut response = Answer::from(problem).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

/// Every error is a problem document that names this one occurrence (RFC 9457, section 3.1.5), also
/// one that a library made.
fn problem_of(response: Response, id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let held = parts.extensions.remove::<Problem>();
    let mut problem = held.unwrap_or_else(|| {
        Problem::new(status.as_u16(), "http", status.canonical_reason().unwrap_or("Error"))
    });
    problem.instance = Some(format!("urn:purr:request:{id}"));
    if status.is_server_error() {
        tracing::warn!(id, status = status.as_u16(), kind = problem.code(), "answered with an error");
    }
    let bytes = serde_json::to_vec(&problem).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    Response::from_parts(parts, bytes.into())
}

/// Lets a page of an allowed origin read the answer (the Fetch standard, CORS protocol).
fn share(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if preflight {
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    } else {
        let shown = "retry-after, ratelimit, ratelimit-policy, x-request-id";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(shown));
    }
}
