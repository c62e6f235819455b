//! The namespaces that a program serves, and one watch over all of them.
//!
//! A Role is limited to one namespace, and a list over the whole cluster needs a ClusterRole. So each namespace has a
//! watch of its own, and [`watch`] joins them into one stream, which a reflector reads like a single watch.

mod merge;
mod options;
mod watch;

pub use options::{Namespaces, NamespacesArgs, NamespacesError};
pub use watch::{Listed, Served, serve, watch};
