//! Routes of the page's files.

use crate::app::App;
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use http::HeaderMap;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async |State(app): State<App>, asked: HeaderMap| app.page.index(&asked)))
        .route("/sw.js", get(async |State(app): State<App>, asked: HeaderMap| app.page.worker(&asked)))
        .route(
            "/page.webmanifest",
            get(async |State(app): State<App>, asked: HeaderMap| app.page.manifest(&asked)),
        )
        .route(
            "/page/{release}/{*name}",
            get(
                async |State(app): State<App>,
                       Path((release, name)): Path<(String, String)>,
                       asked: HeaderMap| { app.page.file(&release, &name, &asked) },
            ),
        )
}
