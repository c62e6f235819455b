//! The page for players: plain modules out of this binary, so that a gateway needs no files and no build step.
//!
//! `/` is read anew every time (with an ETag); what it names lies under `/page/<release>/`, where the release is a
//! hash over all files, so browsers keep them for ever. A gateway of another release answers 404 there, never with
//! files that do not fit each other. Browsers get all modules as one script and all styles as one sheet; the sources lie
//! beside them.

mod bundle;
mod encoding;
mod files;
pub mod routes;
mod strip;

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use files::FILES;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use purr_protocol::{Problem, hand::Format};
use purr_runtime::problem::Answer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, LazyLock},
};

const INDEX: &str = include_str!("../page/index.html");
/// Only this origin's files, and nothing inline (CSP level 3). Trusted types: no text becomes markup or code; the one policy gives
/// the worker's address and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types purr-worker";
/// All modules in one script, and all styles in one sheet.
const SCRIPT: &str = "all.js";
const STYLE: &str = "all.css";
/// Asks for the lobby's tables before the other scripts are there.
const EARLY: &str = "early.js";
/// The script of the worker behind an installed page; its place is the scope that it serves.
const WORKER: &str = "sw.js";

/// What the page shows beside the API's own answers.
#[derive(Clone, Debug, Default)]
pub struct PageConfig {
    /// Players may sign in with a key that their browser makes and keeps.
    pub guest_keys: bool,
    /// The room has leaderboards.
    pub leaderboard: bool,
    /// What people call the token, for instance USDC.
    pub unit: String,
    /// A line at the top of every view.
    pub notice: Option<String>,
    /// For work on the page: files from this folder instead of the binary's own, read at every request.
    pub folder: Option<PathBuf>,
}

/// What is made of the binary's files, once in a process.
static MADE: LazyLock<Made> = LazyLock::new(Made::new);

struct Made {
    /// Every file by its name, with the script and the sheet.
    files: BTreeMap<&'static str, (Bytes, Option<Bytes>)>,
    /// A hash over all files.
    release: String,
}

impl Made {
    fn new() -> Self {
        let mut files: BTreeMap<&str, Bytes> =
            FILES.iter().map(|(name, body)| (*name, Bytes::from_static(body))).collect();
        match bundle::bundle(FILES, "app.js") {
            Ok(script) => {
                files.insert(SCRIPT, script.into());
                files.insert(STYLE, styles().concat().into());
            }
            // A test holds that this does not happen. Without the script a browser loads the modules one by one.
            Err(error) => tracing::error!(%error, "the page's modules are sent one by one"),
        }
        let mut hash = Sha256::new();
        for (name, body) in &files {
            // Lengths too: no two sets of files run together to the same bytes.
            hash.update(format!("{name} {}\n", body.len()));
            hash.update(body);
        }
        let release = hex::encode(hash.finalize().get(..8).unwrap_or_default());
        let packed = files.into_iter().map(|(name, body)| {
            let gzip = encoding::gzip(&body);
            (name, (body, gzip))
        });
        Self { files: packed.collect(), release }
    }
}

fn styles() -> Vec<&'static [u8]> {
    FILES.iter().filter(|(name, _)| name.ends_with(".css")).map(|(_, body)| *body).collect()
}

struct File {
    body: Bytes,
    /// The body by gzip, where that is smaller: modules go at a third of their size.
    gzip: Option<Bytes>,
    kind: &'static str,
    etag: HeaderValue,
    /// The compressed body has a tag of its own, as its bytes differ (RFC 9110, section 8.8.3).
    gzip_etag: HeaderValue,
}

/// The page, ready to be sent.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    release: String,
    index: File,
    manifest: File,
    files: BTreeMap<&'static str, File>,
    config: PageConfig,
}

impl Page {
    pub fn new(config: PageConfig) -> Self {
        let release = MADE.release.clone();
        let files = MADE.files.iter().map(|(name, (body, gzip))| {
            let plain = file(name, body.clone());
            (*name, File { gzip: gzip.clone(), ..plain })
        });
        let files = files.collect();
        let index = render(INDEX, &release, &config);
        let index = file("index.html", index.into());
        let index = File { gzip: encoding::gzip(&index.body), ..index };
        let manifest = file("page.webmanifest", manifest(&release).to_string().into());
        Self(Arc::new(Inner { release, index, manifest, files, config }))
    }

    /// Whether the room has leaderboards.
    pub fn has_leaderboard(&self) -> bool {
        self.0.config.leaderboard
    }

    fn index(&self, asked: &HeaderMap) -> Response {
        match &self.0.config.folder {
            Some(folder) => match std::fs::read_to_string(folder.join("index.html")) {
                Ok(text) => {
                    let fresh = render(&text, "work", &self.0.config);
                    answer(&file("index.html", fresh.into()), asked, "no-store")
                }
                Err(error) => not_read(&error),
            },
            None => answer(&self.0.index, asked, "no-cache"),
        }
    }

    fn manifest(&self, asked: &HeaderMap) -> Response {
        answer(&self.0.manifest, asked, "no-cache")
    }

    /// The worker lies at the root, under one address for all releases: browsers ask for it anew.
    fn worker(&self, asked: &HeaderMap) -> Response {
        self.0.files.get(WORKER).map_or_else(not_found, |held| answer(held, asked, "no-cache"))
    }

    fn file(&self, release: &str, name: &str, asked: &HeaderMap) -> Response {
        // Only names of the list are files, whatever the folder holds.
        let known = self.0.files.get_key_value(name);
        let Some((name, held)) = known else { return not_found() };
        match &self.0.config.folder {
            Some(folder) => match std::fs::read(folder.join(name)) {
                Ok(body) => answer(&file(name, body.into()), asked, "no-store"),
                Err(error) => not_read(&error),
            },
            None if release == self.0.release => answer(held, asked, "public, max-age=31536000, immutable"),
            None => not_found(),
        }
    }
}

fn not_found() -> Response {
    Answer::from(Problem::new(404, "not-found", "There is nothing here")).into_response()
}

fn not_read(error: &std::io::Error) -> Response {
    Answer::from(Problem::new(500, "page", "The page's folder cannot be read").detail(error.to_string()))
        .into_response()
}

fn file(name: &str, body: Bytes) -> File {
    let kind = match FilePath::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    };
    let hash = hex::encode(Sha256::digest(&body).get(..16).unwrap_or_default());
    // Hex in quotes is a header's value.
    let tag = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""));
    let (etag, gzip_etag) = (tag(format!("\"{hash}\"")), tag(format!("\"{hash}-gzip\"")));
    File { body, gzip: None, kind, etag, gzip_etag }
}

fn answer(file: &File, asked: &HeaderMap, caching: &'static str) -> Response {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let compressed = file.gzip.as_ref().filter(|_| encoding::takes_gzip(asked));
    let etag = if compressed.is_some() { &file.gzip_etag } else { &file.etag };
    let own = etag.to_str().unwrap_or_default();
    // RFC 9110, section 13.1.2: the comparison is weak.
    let fresh = known.flat_map(|list| list.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == own);
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, file.kind)], compressed.unwrap_or(&file.body).clone()).into_response()
    };
    let headers = response.headers_mut();
    if compressed.is_some() && !fresh {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::ETAG, etag.clone());
    response
}

/// The index with its links, and their hashes (Subresource Integrity), so that nothing of another release slips in.
fn render(index: &str, release: &str, config: &PageConfig) -> String {
    let at = |name: &str| format!("/page/{release}/{name}");
    let mut head = format!(
        "<link rel=\"icon\" href=\"{}\" type=\"image/svg+xml\">\n<link rel=\"manifest\" href=\"/page.webmanifest\">\n",
        at("icon.svg")
    );
    let linked: Vec<(&str, &[u8])> = match (MADE.files.get(SCRIPT), MADE.files.get(STYLE)) {
        // Who works on the page gets its sources.
        (Some((script, _)), Some((style, _))) if config.folder.is_none() => {
            let early = FILES.iter().find(|(name, _)| *name == EARLY).copied();
            early.into_iter().chain([(STYLE, style.as_ref()), (SCRIPT, script.as_ref())]).collect()
        }
        _ => FILES.to_vec(),
    };
    for (name, body) in linked {
        let url = at(name);
        let integrity = match config.folder {
            Some(_) => String::new(),
            None => format!(" integrity=\"sha256-{}\"", BASE64.encode(Sha256::digest(body))),
        };
        let _ = match FilePath::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("css") => writeln!(head, "<link rel=\"stylesheet\" href=\"{url}\"{integrity}>"),
            Some("js") if name == EARLY => {
                writeln!(head, "<script type=\"module\" async src=\"{url}\"{integrity}></script>")
            }
            Some("js") if name == SCRIPT || name == "app.js" => {
                writeln!(head, "<script type=\"module\" src=\"{url}\"{integrity}></script>")
            }
            Some("js") if name == WORKER => Ok(()),
            // Named here too, so that a browser asks for all modules at once.
            Some("js") => writeln!(head, "<link rel=\"modulepreload\" href=\"{url}\"{integrity}>"),
            _ => Ok(()),
        };
    }
    let notice = config.notice.as_deref().map(escape);
    let notice =
        notice.map(|text| format!("<p class=\"notice\" role=\"note\">{text}</p>")).unwrap_or_default();
    index
        .replace("{{guest}}", if config.guest_keys { "true" } else { "false" })
        .replace("{{leaderboard}}", if config.leaderboard { "true" } else { "false" })
        .replace("{{unit}}", &escape(&config.unit))
        .replace("{{formats}}", &escape(&formats()))
        .replace("{{head}}", &head)
        .replace("{{notice}}", &notice)
}

/// What an installed page is called and looks like (W3C, Web Application Manifest).
fn manifest(release: &str) -> Value {
    json!({
        "id": "/", "start_url": "/", "scope": "/", "name": "Purr Poker", "short_name": "Purr",
        "description": "No-Limit Hold'em tables, each hand settled on chain.", "display": "standalone",
        "background_color": "#0b1210", "theme_color": "#0d1613",
        "icons": [{ "src": format!("/page/{release}/icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any" }],
    })
}

/// What a hand can be saved as, JSON: all formats but the one that the page itself reads.
fn formats() -> String {
    let files = Format::ALL.into_iter().filter(|format| *format != Format::Json);
    let told = |format: Format| {
        json!({
            "name": format.name(), "label": format.label(), "extension": format.extension(),
            "type": format.content_type(),
        })
    };
    Value::from_iter(files.map(told)).to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_binary() {
        let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut found = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if !["index.html", "vendor/README.md"].contains(&name.as_str()) {
                    found.insert(name);
                }
            }
        }
        let held: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(held, found);
    }

    #[test]
    fn a_first_visit_loads_one_script_and_one_sheet() {
        let script = bundle::bundle(FILES, "app.js").unwrap();
        assert_eq!(script, bundle::bundle(FILES, "app.js").unwrap(), "the same each time");
        let made = MADE.files.get(SCRIPT).unwrap();
        assert_eq!(made.0, script.as_bytes());
        let modules = FILES
            .iter()
            .filter(|(name, _)| name.ends_with(".js") && *name != WORKER && *name != EARLY)
            .count();
        assert!(script.contains(&format!("const m{} = (() => {{", modules - 1)), "no module is left over");
        assert!(!script.contains(&format!("const m{modules} = (() => {{")));

        let page = Page::new(PageConfig::default());
        let index = std::str::from_utf8(&page.0.index.body).unwrap();
        assert_eq!(index.matches(".js\"").count(), 2, "and a few lines that ask for the lobby early");
        assert_eq!(index.matches(".css\"").count(), 1);
        assert_eq!(index.matches(" integrity=\"sha256-").count(), 3);
        let sheet = page.file(&page.0.release, STYLE, &HeaderMap::new());
        assert_eq!(header(&sheet, "content-type"), "text/css; charset=utf-8");
    }

    #[test]
    fn who_works_on_the_page_gets_its_modules() {
        let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let page = Page::new(PageConfig { folder: Some(root), ..PageConfig::default() });
        let index = std::str::from_utf8(&page.0.index.body).unwrap();
        assert!(index.contains("/app.js\"></script>") && !index.contains(SCRIPT));
        assert!(index.matches("<link rel=\"modulepreload\"").count() > 50);
    }

    #[test]
    fn nothing_of_the_page_is_inline() {
        let page = Page::new(PageConfig::default());
        let index = std::str::from_utf8(&page.0.index.body).unwrap();
        assert!(!index.contains("{{"), "{index}");
        for inline in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!index.contains(inline), "{inline}");
        }
        assert_eq!(index.matches("<script").count(), 2);
        assert!(!POLICY.contains("unsafe"));
    }

    #[test]
    fn the_page_can_be_installed() {
        let page = Page::new(PageConfig::default());
        let index = std::str::from_utf8(&page.0.index.body).unwrap();
        assert!(index.contains("<link rel=\"manifest\" href=\"/page.webmanifest\">"));
        assert!(!index.contains(WORKER), "a worker is no module of the page");
        let manifest = page.manifest(&HeaderMap::new());
        assert_eq!(header(&manifest, "content-type"), "application/manifest+json");
        let told: Value = serde_json::from_slice(&page.0.manifest.body).unwrap();
        let icon = told["icons"][0]["src"].as_str().unwrap();
        let (release, name) = icon.trim_start_matches("/page/").split_once('/').unwrap();
        assert_eq!(page.file(release, name, &HeaderMap::new()).status(), StatusCode::OK);

        let worker = page.worker(&HeaderMap::new());
        assert_eq!(header(&worker, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(
            header(&worker, "cache-control"),
            "no-cache",
            "a new release replaces the worker of the old"
        );
        assert_eq!(header(&worker, "content-security-policy"), POLICY);
    }

    #[test]
    fn files_are_kept_for_ever_and_the_index_is_asked_for_anew() {
        let page = Page::new(PageConfig::default());
        let index = page.index(&HeaderMap::new());
        assert_eq!((index.status(), header(&index, "cache-control")), (StatusCode::OK, "no-cache"));
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, index.headers()["etag"].clone())]);
        assert_eq!(page.index(&asked).status(), StatusCode::NOT_MODIFIED);

        let script = page.file(&page.0.release, "app.js", &HeaderMap::new());
        assert_eq!(script.status(), StatusCode::OK);
        assert_eq!(header(&script, "content-type"), "text/javascript; charset=utf-8");
        assert!(header(&script, "cache-control").contains("immutable"));
        assert_eq!(header(&script, "content-security-policy"), POLICY);
        for (release, name) in [("0123456789abcdef", "app.js"), (page.0.release.as_str(), "../src/page.rs")] {
            assert_eq!(page.file(release, name, &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        }
    }

    /// Without its sounds, which are made by the browser, the page is to be 350 KiB at most.
    #[test]
    fn the_page_is_sent_by_gzip_and_weighs_at_most_350_kib() {
        let page = Page::new(PageConfig::default());
        let takes = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"))]);
        let script = page.file(&page.0.release, "app.js", &takes);
        assert_eq!(header(&script, "content-encoding"), "gzip");
        assert_eq!(header(&script, "vary"), "accept-encoding");
        let plain = page.file(&page.0.release, "app.js", &HeaderMap::new());
        assert!(!plain.headers().contains_key("content-encoding"));
        assert_ne!(plain.headers()["etag"], script.headers()["etag"], "other bytes, another tag");
        let mut known = takes;
        known.insert(header::IF_NONE_MATCH, script.headers()["etag"].clone());
        let fresh = page.file(&page.0.release, "app.js", &known);
        assert_eq!(fresh.status(), StatusCode::NOT_MODIFIED);
        assert!(!fresh.headers().contains_key("content-encoding"));

        let loaded =
            [SCRIPT, STYLE, EARLY, WORKER, "icon.svg", "icon-turn.svg"].map(|name| &page.0.files[name]);
        let all = loaded.into_iter().chain([&page.0.index, &page.0.manifest]);
        let sent: usize = all.map(|file| file.gzip.as_ref().unwrap_or(&file.body).len()).sum();
        assert!(sent <= 350 * 1024, "{sent} bytes");
    }

    #[test]
    fn what_the_owner_writes_cannot_become_markup() {
        let config = PageConfig {
            unit: "\"><script>".into(),
            notice: Some("<b>&".into()),
            guest_keys: true,
            leaderboard: false,
            folder: None,
        };
        let page = Page::new(config);
        let index = std::str::from_utf8(&page.0.index.body).unwrap();
        assert!(index.contains(
            "data-guest=\"true\" data-leaderboard=\"false\" data-unit=\"&quot;&gt;&lt;script&gt;\""
        ));
        assert!(index.contains("&quot;name&quot;:&quot;phh&quot;"));
        assert!(index.contains("&lt;b&gt;&amp;"));
    }
}
