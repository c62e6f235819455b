//! Players on a bad network: the real client, gateway and table in one process, over loopback, with proxies that break
//! connections between them.
//!
//! [`Proxy`] does to bytes what networks do; [`Repeater`] sends whole messages twice, which no network can do to TLS; [`Middlebox`] lets no WebSocket through;
//! [`Seat`] is a player that writes down what it was told; [`judge`] holds that against the table's own log.

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
