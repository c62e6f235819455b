//! What requests share, and what stands in front of every one of them.

use crate::{
    auth::{Auth, AuthError, Caller},
    endpoints::{self, Access, Endpoint},
    limits::{Class, Limiter, address_key},
    metrics::Metrics,
    relay::Relays,
    routing::Routes,
    upstream,
};
use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use purr_protocol::Problem;
use purr_runtime::{Peer, problem::Answer};
use serde::de::DeserializeOwned;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::timeout;

/// No honest request's body is larger, in bytes.
const BODY_MAX: usize = 16 * 1024;
/// Time for a body to arrive.
const BODY: Duration = Duration::from_secs(10);
/// Seconds that a browser may remember what another origin may do.
const PREFLIGHT_S: &str = "600";

/// Shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub auth: Arc<Auth>,
    pub routes: Arc<Routes>,
    pub relays: Relays,
    pub signer: upstream::Server,
    pub records: upstream::Server,
    pub limiter: Arc<dyn Limiter>,
    pub metrics: Metrics,
    pub allowed_origins: Vec<String>,
    pub tables: crate::api::lobby::Statuses,
    pub page: crate::page::Page,
}

impl From<Inner> for App {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What players reach.
pub fn public(app: App) -> Router {
    endpoints::routes()
        .merge(crate::page::routes())
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is nothing here")))
        .method_not_allowed_fallback(async || {
            Answer::from(Problem::new(405, "method", "Not with this method"))
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// What table pods reach: the keys that tokens are signed with.
pub fn internal(app: App) -> Router {
    Router::new().route(Endpoint::Jwks.path(), get(crate::api::auth::jwks)).with_state(app)
}

/// Origin, limits and tokens, in this order, before any handler.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.as_ref().is_none_or(|origin| app.allows(origin));
    let preflight = request.method() == Method::OPTIONS && origin.is_some();
    let mut response = if !allowed {
        Answer::from(Problem::new(403, "origin", "This origin may not ask")).into_response()
    } else if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match app.admit(request).await {
            Ok(request) => next.run(request).await,
            Err(response) => response,
        }
    };
    let headers = response.headers_mut();
    if let Some(origin) = origin.filter(|_| allowed) {
        share(headers, origin, preflight);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    );
    response
}

/// Lets a page of an allowed origin read the answer (the Fetch standard, CORS protocol).
fn share(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if preflight {
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }
}

impl Inner {
    fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        self.allowed_origins.contains(&origin)
    }

    async fn admit(&self, mut request: Request) -> Result<Request, Response> {
        let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
        let endpoint = path.and_then(|path| Endpoint::find(request.method(), &path));
        let class = endpoint.map_or(Class::Address, Endpoint::class);
        if let Some(peer) = request.extensions().get::<Peer>() {
            self.within(class, &address_key(peer.address.ip())).await?;
        }
        if let Some(Access::Roles(roles)) = endpoint.map(Endpoint::access) {
            let caller = self.bearer(request.headers()).map_err(IntoResponse::into_response)?;
            self.within(Class::Player, &caller.player.to_string()).await?;
            if !caller.roles.iter().any(|role| roles.contains(role)) {
                let problem = Problem::new(403, "role", "This needs a role that you do not have");
                return Err(Answer::from(problem).into_response());
            }
            request.extensions_mut().insert(caller);
        }
        Ok(request)
    }

    async fn within(&self, class: Class, key: &str) -> Result<(), Response> {
        let Err(wait) = self.limiter.check(class, key).await else { return Ok(()) };
        self.metrics.limited(class);
        let problem = Problem::new(429, "rate", "Too many requests");
        Err(retry_after(Answer::from(problem), wait.as_secs() + 1))
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<Caller, Unauthorized> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or(Unauthorized::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unauthorized::NoToken);
        }
        self.auth.caller(token.trim()).map_err(Unauthorized::Refused)
    }
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

/// An answer that says when to come back, in seconds.
pub fn retry_after(answer: Answer, seconds: u64) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// A JSON body within the bounds of size and time.
pub async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Answer> {
    let slow = |_| Problem::new(408, "slow", "The body did not arrive in time");
    let collected = timeout(BODY, Limited::new(body, BODY_MAX).collect()).await.map_err(slow)?;
    let bytes = collected.map_err(|error| {
        let too_large = error.downcast_ref::<LengthLimitError>().is_some() || is_limit(error.as_ref());
        if too_large {
            Problem::new(413, "size", "The body is too large").detail(format!("at most {BODY_MAX} bytes"))
        } else {
            Problem::new(400, "body", "The body cannot be read")
        }
    })?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|error| {
        Problem::new(400, "json", "The body is not as expected").detail(error.to_string()).into()
    })
}

fn is_limit(error: &(dyn Error + 'static)) -> bool {
    error.source().is_some_and(|source| source.is::<LengthLimitError>() || is_limit(source))
}
