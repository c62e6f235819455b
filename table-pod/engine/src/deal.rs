//! The checkable deal.
