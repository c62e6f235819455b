//! Players on a bad network: the real client, gateway and table in one process, over loopback, with proxies that break
//! connections between them.
//!
//! [`Proxy`] disturbs bytes as networks do; [`Repeater`] sends whole messages twice, which a network cannot do to TLS;
//! [`Middlebox`] blocks WebSockets; [`Seat`] is a player that records its messages; [`judge`] compares them with the
//! table's own log.

mod journal;
mod middlebox;
mod proxy;
mod repeater;
mod scene;
mod seat;
mod verdict;

pub use journal::Journal;
pub use middlebox::{Middlebox, Upgrades};
pub use proxy::{Counts, Fault, Mix, Proxy};
pub use repeater::{How, Repeater};
pub use scene::{Network, Played, Scene};
pub use seat::{Heard, Seat, Wish};
pub use verdict::{Wrong, judge};
