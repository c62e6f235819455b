//! purr-table
