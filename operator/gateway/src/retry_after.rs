//! The header `Retry-After` of refusals.

use crate::limits;
use axum::response::{IntoResponseParts, ResponseParts};
use http::{HeaderValue, header};
use std::{convert::Infallible, time::Duration};

/// The header `Retry-After`, in whole seconds, at least one (RFC 9110, section 10.2.3).
pub struct RetryAfter(pub Duration);

impl IntoResponseParts for RetryAfter {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let seconds = limits::headers::seconds(self.0).max(1);
        parts.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        Ok(parts)
    }
}
