//! Requests to a gateway or to a node of the chain, beside the Kubernetes API.

use http::{Request, Uri, header};
use kube::{Client, Config};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// Time limit of one answer.
const ANSWER: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error("'{0}' is no http or https URL with a host")]
    Url(Uri),
    #[error("{url}: {source}")]
    Call { url: String, source: Box<kube::Error> },
    #[error("{url}: no answer within {} s", ANSWER.as_secs())]
    Late { url: String },
    #[error("request: {0}")]
    Request(#[from] http::Error),
}

/// One server. Its address is shown without the path, which may contain a node's API key.
pub(crate) struct Outside {
    client: Client,
    shown: String,
    path: String,
}

impl Outside {
    pub(crate) fn new(url: &Uri, ca_file: Option<PathBuf>) -> Result<Self, OutsideError> {
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(OutsideError::Url(url.clone()));
        };
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let shown = format!("{scheme}://{host}");
        let root = Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/").build()?;
        let mut config = Config::new(root);
        config.root_cert_file = ca_file;
        let client = Client::try_from(config)
            .map_err(|source| OutsideError::Call { url: shown.clone(), source: Box::new(source) })?;
        let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { client, shown, path })
    }

    async fn answer(&self, request: Request<Vec<u8>>) -> Result<Value, OutsideError> {
        match tokio::time::timeout(ANSWER, self.client.request(request)).await {
            Err(_) => Err(OutsideError::Late { url: self.shown.clone() }),
            Ok(answer) => answer
                .map_err(|source| OutsideError::Call { url: self.shown.clone(), source: Box::new(source) }),
        }
    }

    /// `path` stands behind the URL's own.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Value, OutsideError> {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.answer(request.body(Vec::new())?).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Result<Value, OutsideError> {
        let request = Request::post(&self.path).header(header::CONTENT_TYPE, "application/json");
        self.answer(request.body(body.to_string().into_bytes())?).await
    }
}
