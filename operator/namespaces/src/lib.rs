//! Which namespaces a program serves, and one watch over all of them.
//!
//! A Role holds in one namespace, and a list over the whole cluster needs a ClusterRole: so each namespace has a watch of
//! its own, and [`watch`] joins them into one stream, which a reflector reads as if there were one watch.

mod merge;
mod options;
mod watch;

pub use options::{Namespaces, NamespacesArgs, NamespacesError};
pub use watch::{Listed, Served, serve, watch};
