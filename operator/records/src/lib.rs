//! purr-records
