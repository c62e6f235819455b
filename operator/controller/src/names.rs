//! The name of this program in the Kubernetes API.

/// Field manager of its writes, value of `app.kubernetes.io/managed-by`, and reporter of its events.
pub const MANAGER: &str = "purr-controller";
