//! The history of a hand.
