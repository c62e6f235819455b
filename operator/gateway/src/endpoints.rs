//! The table of all routes of the public API, with the roles and networks that each accepts.

use crate::{limits::Class, priority::Priority};
use http::Method;
use purr_protocol::MESSAGE_BYTES_MAX;
use purr_runtime::token::UserRole;

/// No honest request's body is larger, in bytes.
pub const BODY_MAX: usize = 16 * 1024;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody. A socket is open too: its token comes in its first message.
    Open,
    /// Callers who have signed in and hold one of these roles.
    Roles(&'static [UserRole]),
}

/// Networks that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    /// Only from the addresses listed for administrators.
    Admin,
    /// Only from the addresses listed for withdrawals.
    Withdrawal,
}

const EVERYBODY: Access = Access::Roles(&[
    UserRole::Player,
    UserRole::Support,
    UserRole::Integrity,
    UserRole::Auditor,
    UserRole::Admin,
]);
const AUDIT: Access = Access::Roles(&[UserRole::Auditor, UserRole::Admin]);
/// Roles that see the floor.
const STAFF: Access = Access::Roles(&[UserRole::Support, UserRole::Auditor, UserRole::Admin]);
/// Roles that pause tables.
const ORDERS: Access = Access::Roles(&[UserRole::Support, UserRole::Admin]);
const ADMIN: Access = Access::Roles(&[UserRole::Admin]);
/// Cases without hidden cards.
const CASES: Access =
    Access::Roles(&[UserRole::Support, UserRole::Integrity, UserRole::Auditor, UserRole::Admin]);
/// Hidden cards and decisions: for reviewers alone, administrators left out.
const REVIEW: Access = Access::Roles(&[UserRole::Integrity]);
const INTEGRITY_AUDIT: Access = Access::Roles(&[UserRole::Integrity, UserRole::Auditor, UserRole::Admin]);

/// One method of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Nonce,
    SignIn,
    Refresh,
    OutsideSignIn,
    OutsideLink,
    Logout,
    Jwks,
    OpenApi,
    Schema,
    Config,
    Tables,
    LobbyEvents,
    Fleets,
    Fleet,
    AskSeat,
    OwnSeat,
    GiveSeatBack,
    Table,
    Socket,
    Stream,
    StreamSend,
    Hands,
    Hand,
    HandAudit,
    HandReceipt,
    Statistics,
    TableStatistics,
    Leaderboard,
    OwnGraph,
    OwnHands,
    Events,
    OwnSessions,
    TagHand,
    RoomStatistics,
    Floor,
    FloorEvents,
    PauseTable,
    ResumeTable,
    StaffActs,
    Balance,
    Withdrawals,
    OwnLimits,
    ChangeLimits,
    Reconciliation,
    Revocations,
    Denials,
    Deny,
    DenialTrail,
    LiftDenial,
    Cases,
    Case,
    Evidence,
    Opinions,
    Appeals,
    Refunds,
    OrderRefund,
    Openings,
    IntegrityReport,
}

impl Endpoint {
    pub const ALL: [Self; 58] = [
        Self::Nonce,
        Self::SignIn,
        Self::Refresh,
        Self::OutsideSignIn,
        Self::OutsideLink,
        Self::Logout,
        Self::Jwks,
        Self::OpenApi,
        Self::Schema,
        Self::Config,
        Self::Tables,
        Self::LobbyEvents,
        Self::Fleets,
        Self::Fleet,
        Self::AskSeat,
        Self::OwnSeat,
        Self::GiveSeatBack,
        Self::Table,
        Self::Socket,
        Self::Stream,
        Self::StreamSend,
        Self::Hands,
        Self::Hand,
        Self::HandAudit,
        Self::HandReceipt,
        Self::Statistics,
        Self::TableStatistics,
        Self::Leaderboard,
        Self::OwnGraph,
        Self::OwnHands,
        Self::OwnSessions,
        Self::TagHand,
        Self::RoomStatistics,
        Self::Floor,
        Self::FloorEvents,
        Self::PauseTable,
        Self::ResumeTable,
        Self::StaffActs,
        Self::Events,
        Self::Balance,
        Self::Withdrawals,
        Self::OwnLimits,
        Self::ChangeLimits,
        Self::Reconciliation,
        Self::Revocations,
        Self::Denials,
        Self::Deny,
        Self::DenialTrail,
        Self::LiftDenial,
        Self::Cases,
        Self::Case,
        Self::Evidence,
        Self::Opinions,
        Self::Appeals,
        Self::Refunds,
        Self::OrderRefund,
        Self::Openings,
        Self::IntegrityReport,
    ];

    pub const fn path(self) -> &'static str {
        match self {
            Self::Nonce => "/v1/auth/nonce",
            Self::SignIn => "/v1/auth/sign-in",
            Self::Refresh => "/v1/auth/refresh",
            Self::OutsideSignIn => "/v1/auth/outside",
            Self::OutsideLink => "/v1/auth/outside/link",
            Self::Logout => "/v1/auth/logout",
            Self::Jwks => "/.well-known/jwks.json",
            Self::OpenApi => "/v1/openapi.json",
            Self::Schema => "/v1/player.proto",
            Self::Config => "/v1/config",
            Self::LobbyEvents => "/v1/lobby/events",
            Self::Fleets => "/v1/fleets",
            Self::Fleet => "/v1/fleets/{namespace}/{name}",
            Self::AskSeat | Self::OwnSeat | Self::GiveSeatBack => "/v1/fleets/{namespace}/{name}/seats",
            Self::Tables => "/v1/tables",
            Self::Table => "/v1/tables/{uid}",
            Self::Socket => "/v1/tables/{uid}/socket",
            Self::Stream => "/v1/tables/{uid}/stream",
            Self::StreamSend => "/v1/tables/{uid}/stream/{stream}",
            Self::Hands => "/v1/tables/{uid}/hands",
            Self::Hand => "/v1/tables/{uid}/hands/{hand}",
            Self::HandAudit => "/v1/tables/{uid}/hands/{hand}/audit",
            Self::HandReceipt => "/v1/tables/{uid}/hands/{hand}/receipt",
            Self::Statistics => "/v1/players/{player}/statistics",
            Self::TableStatistics => "/v1/tables/{uid}/statistics",
            Self::Leaderboard => "/v1/leaderboard",
            Self::OwnGraph => "/v1/players/{player}/graph",
            Self::OwnHands => "/v1/players/{player}/hands",
            Self::Events => "/v1/events",
            Self::OwnSessions => "/v1/players/{player}/sessions",
            Self::TagHand => "/v1/players/{player}/tags",
            Self::RoomStatistics => "/v1/lobby/statistics",
            Self::Floor => "/v1/staff/tables",
            Self::FloorEvents => "/v1/staff/tables/events",
            Self::PauseTable => "/v1/staff/tables/{uid}/pause",
            Self::ResumeTable => "/v1/staff/tables/{uid}/resume",
            Self::StaffActs => "/v1/staff/acts",
            Self::Balance => "/v1/balance",
            Self::Withdrawals => "/v1/withdrawals",
            Self::OwnLimits | Self::ChangeLimits => "/v1/limits",
            Self::Reconciliation => "/v1/reconciliation",
            Self::Revocations => "/v1/admin/revocations",
            Self::Denials | Self::Deny => "/v1/admin/denials",
            Self::DenialTrail | Self::LiftDenial => "/v1/admin/denials/{player}",
            Self::Cases => "/v1/integrity/cases",
            Self::Case => "/v1/integrity/cases/{case}",
            Self::Evidence => "/v1/integrity/cases/{case}/evidence/{n}",
            Self::Opinions => "/v1/integrity/cases/{case}/opinions",
            Self::Appeals => "/v1/integrity/cases/{case}/appeals",
            Self::Refunds | Self::OrderRefund => "/v1/integrity/cases/{case}/refunds",
            Self::Openings => "/v1/integrity/openings",
            Self::IntegrityReport => "/v1/integrity/report",
        }
    }

    pub const fn method(self) -> Method {
        match self {
            Self::Nonce
            | Self::SignIn
            | Self::Refresh
            | Self::OutsideSignIn
            | Self::OutsideLink
            | Self::Logout
            | Self::StreamSend
            | Self::AskSeat
            | Self::Withdrawals
            | Self::ChangeLimits
            | Self::Revocations
            | Self::TagHand
            | Self::PauseTable
            | Self::ResumeTable
            | Self::Deny
            | Self::Evidence
            | Self::Opinions
            | Self::Appeals
            | Self::OrderRefund => Method::POST,
            Self::LiftDenial | Self::GiveSeatBack => Method::DELETE,
            _ => Method::GET,
        }
    }

    pub const fn access(self) -> Access {
        match self {
            Self::Nonce
            | Self::SignIn
            | Self::Refresh
            | Self::OutsideSignIn
            | Self::OutsideLink
            | Self::Jwks
            | Self::OpenApi
            | Self::Schema
            | Self::Config
            | Self::Tables
            | Self::LobbyEvents
            | Self::Fleets
            | Self::Fleet
            | Self::RoomStatistics
            | Self::Table
            | Self::Socket => Access::Open,
            Self::Logout
            | Self::AskSeat
            | Self::OwnSeat
            | Self::GiveSeatBack
            | Self::Stream
            | Self::StreamSend
            | Self::Hands
            | Self::Hand
            | Self::HandReceipt
            | Self::Statistics
            | Self::TableStatistics
            | Self::Leaderboard
            | Self::OwnGraph
            | Self::OwnHands
            | Self::OwnSessions
            | Self::TagHand
            | Self::Balance
            | Self::Withdrawals
            | Self::OwnLimits
            | Self::ChangeLimits
            | Self::Appeals => EVERYBODY,
            Self::Floor | Self::FloorEvents | Self::Events => STAFF,
            Self::PauseTable | Self::ResumeTable => ORDERS,
            Self::StaffActs | Self::HandAudit | Self::Reconciliation | Self::Denials | Self::DenialTrail => {
                AUDIT
            }
            Self::Revocations | Self::Deny | Self::LiftDenial => ADMIN,
            Self::Cases | Self::Case | Self::Refunds => CASES,
            Self::Evidence | Self::Opinions | Self::OrderRefund => REVIEW,
            Self::Openings | Self::IntegrityReport => INTEGRITY_AUDIT,
        }
    }

    pub const fn place(self) -> Place {
        match self {
            Self::Floor
            | Self::FloorEvents
            | Self::PauseTable
            | Self::ResumeTable
            | Self::StaffActs
            | Self::HandAudit
            | Self::Events
            | Self::Reconciliation
            | Self::Revocations
            | Self::Denials
            | Self::Deny
            | Self::DenialTrail
            | Self::LiftDenial
            | Self::Cases
            | Self::Case
            | Self::Evidence
            | Self::Opinions
            | Self::Refunds
            | Self::OrderRefund
            | Self::Openings
            | Self::IntegrityReport => Place::Admin,
            Self::Withdrawals => Place::Withdrawal,
            _ => Place::Anywhere,
        }
    }

    /// The limit that a request counts against before it is inspected. The handler of a refresh counts it, because only
    /// the handler knows whether a gateway issued the token: such a refresh counts against its sign-in, as neighbours
    /// may share the address.
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::Refresh => None,
            Self::Nonce | Self::SignIn | Self::OutsideSignIn | Self::OutsideLink => Some(Class::SignIn),
            Self::Socket | Self::Stream => Some(Class::Socket),
            _ => Some(Class::Address),
        }
    }

    /// Priority of requests without a token when there are too many.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Nonce | Self::SignIn | Self::OutsideSignIn | Self::OutsideLink => Priority::SignIn,
            _ => Priority::Lobby,
        }
    }

    /// Whether seated players call this route without a token: to return to a table, or to stay signed in.
    pub const fn comes_back(self) -> bool {
        matches!(self, Self::Socket | Self::Refresh)
    }

    /// The largest body, in bytes.
    pub const fn body_max(self) -> usize {
        match self {
            Self::StreamSend => MESSAGE_BYTES_MAX,
            _ => BODY_MAX,
        }
    }

    pub fn find(method: &Method, path: &str) -> Option<Self> {
        // A HEAD is answered by the handler of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path && endpoint.method() == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_endpoint_is_found_by_its_own_method_and_path() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::find(&endpoint.method(), endpoint.path()), Some(endpoint));
            assert_eq!(Endpoint::find(&Method::PUT, endpoint.path()), None);
        }
        let ways: BTreeSet<(&str, String)> =
            Endpoint::ALL.iter().map(|endpoint| (endpoint.path(), endpoint.method().to_string())).collect();
        assert_eq!(ways.len(), Endpoint::ALL.len());
    }

    #[test]
    fn money_and_histories_are_for_those_who_signed_in_and_the_books_for_auditors() {
        use UserRole::{Admin, Auditor, Integrity, Player, Support};
        let allowed = |endpoint: Endpoint| match endpoint.access() {
            Access::Open => None,
            Access::Roles(roles) => Some(roles.to_vec()),
        };
        for endpoint in
            [Endpoint::Balance, Endpoint::Withdrawals, Endpoint::Hands, Endpoint::Hand, Endpoint::HandReceipt]
        {
            assert_eq!(allowed(endpoint), Some(vec![Player, Support, Integrity, Auditor, Admin]));
        }
        for endpoint in
            [Endpoint::Reconciliation, Endpoint::HandAudit, Endpoint::Denials, Endpoint::DenialTrail]
        {
            assert_eq!(allowed(endpoint), Some(vec![Auditor, Admin]));
        }
        assert_eq!(allowed(Endpoint::Events), Some(vec![Support, Auditor, Admin]));
        for endpoint in [Endpoint::Revocations, Endpoint::Deny, Endpoint::LiftDenial] {
            assert_eq!(allowed(endpoint), Some(vec![Admin]));
        }
        // Hidden cards and decisions are the reviewers' alone; support reads cases.
        for endpoint in [Endpoint::Evidence, Endpoint::Opinions, Endpoint::OrderRefund] {
            assert_eq!(allowed(endpoint), Some(vec![Integrity]));
        }
        for endpoint in [Endpoint::Cases, Endpoint::Case, Endpoint::Refunds] {
            assert_eq!(allowed(endpoint), Some(vec![Support, Integrity, Auditor, Admin]));
        }
        let open = Endpoint::ALL.into_iter().filter(|endpoint| endpoint.access() == Access::Open).count();
        assert_eq!(open, 16);
        for endpoint in [Endpoint::Floor, Endpoint::FloorEvents] {
            assert_eq!(allowed(endpoint), Some(vec![Support, Auditor, Admin]));
        }
        for endpoint in [Endpoint::PauseTable, Endpoint::ResumeTable] {
            assert_eq!(allowed(endpoint), Some(vec![Support, Admin]));
        }
    }

    #[test]
    fn money_that_leaves_and_what_admins_do_depends_on_the_address() {
        let of = |place| Endpoint::ALL.into_iter().filter(move |endpoint| endpoint.place() == place);
        let floor = [
            Endpoint::Floor,
            Endpoint::FloorEvents,
            Endpoint::PauseTable,
            Endpoint::ResumeTable,
            Endpoint::StaffActs,
        ];
        let admin = [Endpoint::Events, Endpoint::Reconciliation, Endpoint::Revocations];
        let denials = [Endpoint::Denials, Endpoint::Deny, Endpoint::DenialTrail, Endpoint::LiftDenial];
        let integrity = [
            Endpoint::Cases,
            Endpoint::Case,
            Endpoint::Evidence,
            Endpoint::Opinions,
            Endpoint::Refunds,
            Endpoint::OrderRefund,
            Endpoint::Openings,
            Endpoint::IntegrityReport,
        ];
        let first = [Endpoint::HandAudit].into_iter().chain(floor);
        assert!(of(Place::Admin).eq(first.chain(admin).chain(denials).chain(integrity)));
        assert!(of(Place::Withdrawal).eq([Endpoint::Withdrawals]));
        // The network is checked after the roles, so an open endpoint must not restrict it.
        let placed = Endpoint::ALL.into_iter().filter(|endpoint| endpoint.place() != Place::Anywhere);
        assert!(placed.into_iter().all(|endpoint| endpoint.access() != Access::Open));
    }
}
