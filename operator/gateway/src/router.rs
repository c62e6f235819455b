//! The routers of the two listeners: the handler of each endpoint, behind the checks of [`crate::guard`].

use crate::{
    api::{
        admin, auth, fleets, floor, integrity, lobby, money, others, outside, players, rooms, staff, stream,
    },
    app::App,
    endpoints::Endpoint,
    guard::guard,
    openapi, page,
};
use axum::{
    Router, middleware,
    routing::{MethodRouter, delete, get, post},
};
use purr_protocol::Problem;
use purr_runtime::problem::Answer;

/// The routes of the listener that players reach.
pub fn public(app: App) -> Router {
    let routes = Endpoint::ALL
        .into_iter()
        .fold(Router::new(), |routes, endpoint| routes.route(endpoint.path(), handler(endpoint)));
    routes
        .merge(page::routes::routes())
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is nothing here")))
        .method_not_allowed_fallback(async || {
            Answer::from(Problem::new(405, "method", "Not with this method"))
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// The routes of the listener that table pods reach: the keys that verify access tokens.
pub fn internal(app: App) -> Router {
    Router::new().route(Endpoint::Jwks.path(), get(auth::jwks)).with_state(app)
}

fn handler(endpoint: Endpoint) -> MethodRouter<App> {
    match endpoint {
        Endpoint::Nonce => post(auth::nonce),
        Endpoint::SignIn => post(auth::sign_in),
        Endpoint::Refresh => post(auth::refresh),
        Endpoint::OutsideSignIn => post(outside::sign_in),
        Endpoint::OutsideLink => post(outside::link),
        Endpoint::Logout => post(auth::logout),
        Endpoint::Jwks => get(auth::jwks),
        Endpoint::OpenApi => get(openapi::serve),
        Endpoint::Schema => get(openapi::schema),
        Endpoint::Config => get(money::config),
        Endpoint::LobbyEvents => get(lobby::events),
        Endpoint::Fleets => get(fleets::list),
        Endpoint::Fleet => get(fleets::one),
        Endpoint::AskSeat => post(fleets::ask),
        Endpoint::OwnSeat => get(fleets::own),
        Endpoint::GiveSeatBack => delete(fleets::back),
        Endpoint::Tables => get(lobby::tables),
        Endpoint::Table => get(lobby::table),
        Endpoint::Socket => get(lobby::socket),
        Endpoint::Stream => get(stream::open),
        Endpoint::StreamSend => post(stream::send),
        Endpoint::Hands => get(lobby::hands),
        Endpoint::Hand => get(lobby::hand),
        Endpoint::HandAudit => get(lobby::hand_audit),
        Endpoint::HandReceipt => get(lobby::hand_receipt),
        Endpoint::Statistics => get(players::statistics),
        Endpoint::TableStatistics => get(others::at_table),
        Endpoint::Leaderboard => get(others::leaders),
        Endpoint::OwnGraph => get(players::graph),
        Endpoint::OwnHands => get(players::hands),
        Endpoint::Events => get(staff::events),
        Endpoint::OwnSessions => get(players::sessions),
        Endpoint::TagHand => post(players::tag),
        Endpoint::RoomStatistics => get(rooms::statistics),
        Endpoint::Floor => get(floor::tables),
        Endpoint::FloorEvents => get(floor::events),
        Endpoint::PauseTable => post(floor::pause),
        Endpoint::ResumeTable => post(floor::resume),
        Endpoint::StaffActs => get(floor::acts),
        Endpoint::Balance => get(money::balance),
        Endpoint::Withdrawals => post(money::withdraw),
        Endpoint::OwnLimits => get(money::limits),
        Endpoint::ChangeLimits => post(money::change_limits),
        Endpoint::Reconciliation => get(money::reconciliation),
        Endpoint::Revocations => post(admin::revoke),
        Endpoint::Denials => get(admin::denials),
        Endpoint::Deny => post(admin::deny),
        Endpoint::DenialTrail => get(admin::denial_trail),
        Endpoint::LiftDenial => delete(admin::lift),
        Endpoint::Cases => get(integrity::cases),
        Endpoint::Case => get(integrity::case),
        Endpoint::Evidence => post(integrity::evidence),
        Endpoint::Opinions => post(integrity::opinion),
        Endpoint::Appeals => post(integrity::appeal),
        Endpoint::Refunds => get(integrity::refunds),
        Endpoint::OrderRefund => post(integrity::order_refund),
        Endpoint::Openings => get(integrity::openings),
        Endpoint::IntegrityReport => get(integrity::report),
    }
}
