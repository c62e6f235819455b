//! The lobby, live: a stream of server-sent events (the HTML standard, section 9.2).

use super::{
    Listed, Wanted,
    places::{NoPlace, Open},
    query,
};
use crate::{
    api::fleets::FleetList,
    app::App,
    auth::Caller,
    client_address::ClientAddress,
    limits::address_key,
    retry_after::RetryAfter,
    seating::keeper::{FleetListed, OwnSeat},
};
use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream::{self, Stream};
use purr_engine::PlayerId;
use purr_protocol::Problem;
use purr_runtime::{CancellationToken, problem::Answer};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Tables that one stream shows.
const SHOWN_MAX: usize = 200;
/// An idle connection gets a comment at this interval, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the lobby shows now that it did not before, and what it shows no more. The first event has
/// all of it.
#[derive(Serialize, JsonSchema)]
pub struct Changes {
    tables: Vec<Listed>,
    gone: Vec<String>,
}

type Shown = BTreeMap<String, Listed>;

/// The difference between two states of a stream; `None` if there is none.
fn changes(shown: &mut Shown, now: Shown) -> Option<Changes> {
    let tables: Vec<Listed> =
        now.iter().filter(|(uid, listed)| shown.get(*uid) != Some(listed)).map(|(_, l)| l.clone()).collect();
    let gone: Vec<String> = shown.keys().filter(|uid| !now.contains_key(*uid)).cloned().collect();
    *shown = now;
    (!tables.is_empty() || !gone.is_empty()).then_some(Changes { tables, gone })
}

pub async fn events(
    State(app): State<App>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    address: Option<Extension<ClientAddress>>,
    caller: Option<Extension<Caller>>,
) -> Result<Response, Response> {
    let filter = query(wanted).and_then(|wanted| wanted.filter()).map_err(IntoResponse::into_response)?;
    let address = address.map(|Extension(ClientAddress(ip))| address_key(ip)).unwrap_or_default();
    let account = caller.map(|Extension(caller)| caller.player);
    let entered = app.lobby_places.enter(app.front.lobby_streams, &address, account);
    let open = entered.map_err(|why| {
        let (status, kind) = match why {
            NoPlace::Full => (503, "full"),
            NoPlace::Address | NoPlace::Account => (429, "crowded"),
        };
        let problem = Problem::new(status, kind, "No more streams of lobby changes").detail(why.to_string());
        (RetryAfter(app.front.lobby_every), Answer::from(problem)).into_response()
    })?;
    let counted = Counted::new(&app, open);
    let events = follow(app, filter, account, counted);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Counts a stream in the metrics, until dropped.
struct Counted {
    app: App,
    open: Option<Open>,
    end: CancellationToken,
}

impl Counted {
    fn new(app: &App, open: Open) -> Self {
        app.metrics.lobby_streams.inc();
        Self { app: app.clone(), end: open.end.clone(), open: Some(open) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The place is freed before the count changes, so that whoever reads the count finds the place free.
        self.open = None;
        self.app.metrics.lobby_streams.dec();
    }
}

/// The state of one stream: what it has sent, and what it is about to send.
struct Follower<F> {
    app: App,
    filter: F,
    player: Option<PlayerId>,
    open: Counted,
    shown: Shown,
    fleets: Option<Vec<FleetListed>>,
    /// Without fields that change all the time.
    own: Option<Vec<OwnSeat>>,
    due: VecDeque<Event>,
    first: bool,
}

impl<F: Fn(&Listed) -> bool> Follower<F> {
    /// Compares with the current state and queues events for the differences. Fails if an event cannot be serialised.
    async fn look(&mut self) -> Result<(), axum::Error> {
        let all = super::all_tables(&self.app).await;
        let fitting = all.iter().filter(|listed| (self.filter)(listed)).take(SHOWN_MAX);
        let now = fitting.map(|listed| (listed.summary.uid.clone(), listed.shown())).collect();
        let changed = changes(&mut self.shown, now);
        // The first event is sent even if it is empty, so that a page knows that it is up to date.
        let changed = match changed {
            None if self.first => Some(Changes { tables: Vec::new(), gone: Vec::new() }),
            changed => changed,
        };
        if let Some(changed) = changed {
            self.due.push_back(Event::default().event("tables").json_data(&changed)?);
        }
        let snapshot = self.app.seating.snapshot();
        // Without fleets there are no events about them.
        let known = self.fleets.as_deref().unwrap_or_default();
        if known != snapshot.listed.as_slice() {
            let list = FleetList { fleets: snapshot.listed.clone() };
            self.due.push_back(Event::default().event("fleets").json_data(list)?);
            self.fleets = Some(snapshot.listed.clone());
        }
        if let Some(player) = self.player {
            self.app.seating.follows(player);
            let own = snapshot.own(player);
            let news: Vec<OwnSeat> =
                own.iter().map(|own| OwnSeat { seat: own.seat.news(), ..own.clone() }).collect();
            // The first event is sent even if it is empty: a page that reconnects may show an old state.
            if self.own.as_deref() != Some(news.as_slice()) {
                let own = serde_json::json!({ "seats": own });
                self.due.push_back(Event::default().event("seats").json_data(own)?);
                self.own = Some(news);
            }
        }
        self.first = false;
        Ok(())
    }
}

fn follow(
    app: App,
    filter: impl Fn(&Listed) -> bool + Send,
    player: Option<PlayerId>,
    open: Counted,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let until = Instant::now() + app.front.lobby_stream;
    let (shown, fleets, own, due) = (Shown::new(), None, None, VecDeque::new());
    let follower = Follower { app, filter, player, open, shown, fleets, own, due, first: true };
    stream::unfold(follower, move |mut follower| async move {
        loop {
            if let Some(event) = follower.due.pop_front() {
                return Some((Ok(event), follower));
            }
            if !follower.first {
                tokio::select! {
                    () = follower.app.stop.cancelled() => return None,
                    () = follower.open.end.cancelled() => return None,
                    () = sleep(follower.app.front.lobby_every) => {}
                }
            }
            if Instant::now() >= until || follower.look().await.is_err() {
                return None;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_protocol::summary::Summary;

    fn shown(tables: &[(&str, u8)]) -> Shown {
        let listed = |uid: &str, players| Listed {
            summary: Summary { uid: uid.into(), players, ..Summary::default() },
            ready: true,
        };
        tables.iter().map(|(uid, players)| ((*uid).to_owned(), listed(uid, *players))).collect()
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let mut held = Shown::new();
        let first = changes(&mut held, shown(&[("a", 1), ("b", 2)])).unwrap();
        assert_eq!((first.tables.len(), first.gone.len()), (2, 0));
        assert!(changes(&mut held, shown(&[("a", 1), ("b", 2)])).is_none());
        let then = changes(&mut held, shown(&[("b", 3), ("c", 1)])).unwrap();
        let uids: Vec<&str> = then.tables.iter().map(|listed| listed.summary.uid.as_str()).collect();
        assert_eq!((uids, then.gone), (vec!["b", "c"], vec!["a".to_owned()]));
    }

    #[test]
    fn a_table_that_only_breathes_has_not_changed() {
        let quiet = Listed { summary: Summary::default(), ready: true };
        let summary = Summary { beat: 7, sequence: 3, confirmed: 2, ..Summary::default() };
        assert_eq!(Listed { summary, ready: true }.shown(), quiet);
    }
}
