//! Faults on a real cluster while a table plays: their effect on players, and the checker's verdict afterwards.
//!
//! A fault is done from outside ([`Ground`]): by the API server's word, by signals to a container's processes, by rules
//! in a pod's network. It is over when what it broke is whole again and every player has played on. What all players
//! asked and were told, and the signer's journal, go to [`crate::checker`]; stacks, ledger and chain are compared too.

mod fault;
mod ground;
mod happen;
mod report;
mod run;

pub use fault::{ALL, Fault};
pub use report::{Row, into_readme, render};
pub use run::{Plan, run};

pub use ground::Ground;
