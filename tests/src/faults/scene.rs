//! One table with its players, on a given network.

use super::{
    Counts, How, Journal, Middlebox, Mix, Proxy, Repeater, Seat, Upgrades, Wish, Wrong, judge, seat::Arrival,
};
use crate::{
    checker::{Record, check},
    solo::{
        Options, UID, gateway_config,
        house::{self, House, Parts, loopback},
        ledger::Ledger,
        secrets::Secrets,
    },
    until,
};
use anyhow::{Context, ensure};
use clap::Parser;
use purr_client::{Api, Gateway, Session, Settings, View, Wallet};
use purr_engine::{ClockConfig, SeatIndex};
use purr_protocol::{Codec, settlement::EntryBody};
use purr_runtime::CancellationToken;
use purr_table::{actor::Outgoing, core::Pace, signer::Signer};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

const STAKE: u64 = 1 << 40;
const BUY_IN: u64 = 10_000;
/// Time for players to settle once they have all they want.
const REST: Duration = Duration::from_secs(20);

/// The machines between the programs.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Between players and gateway, and between gateway and table.
    pub near: Option<Mix>,
    pub far: Option<Mix>,
    /// The repeater between gateway and table, behind the proxy.
    pub repeat: Option<How>,
    /// The middlebox between players and gateway, in place of the proxy there.
    pub upgrades: Option<Upgrades>,
}

/// How a scene went.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub hands: u64,
    pub actions: u64,
    pub messages: u64,
    pub reconnects: u64,
    pub streams: u64,
    pub resent: u64,
    pub refused: u64,
    pub repeated: u64,
    pub deals_proven: u64,
    pub wrong: Vec<Wrong>,
    /// The faults that the checker of histories and the comparison of states found.
    pub found: Vec<String>,
}

pub struct Scene {
    pub journal: Arc<Journal>,
    pub seats: Vec<Seat>,
    house: House,
    /// The table's name at records.
    name: String,
    ledger: Arc<Ledger>,
    proxies: Vec<Proxy>,
    repeater: Option<Repeater>,
    middlebox: Option<Middlebox>,
    stop: CancellationToken,
    secrets: Secrets,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Client settings: short timeouts if connections fall silent, so that a test meets many of them; long ones otherwise,
/// because silence then means a slow machine.
fn settings(codec: Codec, silent: bool) -> Settings {
    let ms = Duration::from_millis;
    let (ping, idle) = if silent { (300, 900) } else { (5_000, 60_000) };
    Settings {
        codec,
        back_off_min: ms(20),
        back_off_max: ms(200),
        // A slow machine makes a slow test, not a failed one.
        give_up: Duration::from_secs(240),
        connect: Duration::from_secs(3),
        ping: ms(ping),
        idle: ms(idle),
        socket_again: Duration::from_secs(3),
    }
}

impl Scene {
    /// A table with players who sit down and play. `drops`: the first of them loses that message.
    ///
    /// # Errors
    /// Where one of the programs cannot start.
    pub async fn open(
        name: &str,
        players: u8,
        seed: u64,
        network: Network,
        counts: &Counts,
        drops: Option<u64>,
    ) -> anyhow::Result<Self> {
        let options = Options::try_parse_from(["scene", &format!("--seats={players}")])?;
        let mut spec = options.validate()?;
        spec.engine.clock = ClockConfig {
            turn_ms: 3_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            disconnect_ms: 2_000,
            ..spec.engine.clock
        };
        let (secrets, stop) = (Secrets::new()?, CancellationToken::new());
        let sealer = house::sealer()?;
        let journal = Arc::new(Journal::new(sealer.clone()));
        let ledger = Arc::new(Ledger::new(STAKE, spec.engine.buy_in_min));
        let public = TcpListener::bind(loopback()).await?;
        let url = format!("https://localhost:{}", public.local_addr()?.port());
        let mut config = gateway_config(&options, &secrets, &url, public.local_addr()?)?;
        // All players connect from one address, and often, so its limits are raised.
        (config.front.socket_rate.per_s, config.front.socket_rate.burst) = (1_000, 4_000);
        let parts = Parts {
            spec,
            pace: Pace { hand_gap_ms: 10, reveal_ms: 500 },
            store: journal.clone(),
            sealer,
            ledger: ledger.clone(),
            records: axum::Router::new(),
            config,
            public,
        };
        let silent = network.near.is_some();
        let house = Box::pin(House::start(parts, &secrets, &stop)).await?;
        let mut scene = Self {
            journal,
            seats: Vec::new(),
            house,
            name: name.into(),
            ledger,
            proxies: Vec::new(),
            repeater: None,
            middlebox: None,
            stop,
            secrets,
        };
        let ca = scene.secrets.ca_file("public");
        let direct = Gateway::new(&url, &ca)?;
        let door = scene.build(network, seed, counts, &ca).await?.unwrap_or_else(|| direct.clone());
        for at in 0..players {
            let arrival = Arrival {
                // Sign-ins bypass the faulty network: they are not under test here.
                session: Session::new(Api::new(direct.clone()), Wallet::random()?),
                gateway: door.clone(),
                table: UID.into(),
                name: name.into(),
                settings: settings(if at % 2 == 0 { Codec::Proto } else { Codec::Json }, silent),
                seat: SeatIndex(at),
                buy_in: BUY_IN,
                seed: seed.wrapping_mul(31).wrapping_add(u64::from(at)),
                drops: drops.filter(|_| at == 0),
            };
            let seat = Seat::take(arrival).await?;
            scene.seats.push(seat);
        }
        Ok(scene)
    }

    /// Starts the proxies; returns the address that players must use, if it changes.
    async fn build(
        &mut self,
        network: Network,
        seed: u64,
        counts: &Counts,
        ca: &std::path::Path,
    ) -> anyhow::Result<Option<Gateway>> {
        let mut pod = self.house.pod;
        if let Some(how) = network.repeat {
            let repeater = Repeater::start(pod, how, seed, &self.secrets, &self.stop).await?;
            pod = repeater.address;
            self.repeater = Some(repeater);
        }
        if let Some(mix) = network.far {
            let proxy = Proxy::start(pod, mix, seed ^ 0xfa5, counts.clone()).await?;
            pod = proxy.address;
            self.proxies.push(proxy);
        }
        self.house.route_to(pod);
        if let Some(upgrades) = network.upgrades {
            let middlebox = Middlebox::start(self.house.public, upgrades, &self.secrets).await?;
            let door = Gateway::new(&format!("https://localhost:{}", middlebox.address.port()), ca)?;
            self.middlebox = Some(middlebox);
            return Ok(Some(door));
        }
        let Some(mix) = network.near else { return Ok(None) };
        let proxy = Proxy::start(self.house.public, mix, seed, counts.clone()).await?;
        let door = Gateway::new(&format!("https://localhost:{}", proxy.address.port()), ca)?;
        self.proxies.push(proxy);
        Ok(Some(door))
    }

    /// Waits for so many hands to end.
    ///
    /// # Errors
    /// Where they do not in time.
    pub async fn plays(&mut self, hands: u64, limit: Duration) -> anyhow::Result<()> {
        let what = format!("{hands} hands");
        let ended = until(&what, limit, async || {
            let played = self.journal.hands();
            let ended = self.seats.iter().position(Seat::has_ended);
            ensure!(ended.is_some() || played >= hands, "{played} hands; {:?}", self.now());
            Ok(Some(ended))
        })
        .await?;
        match ended {
            Some(ended) => self.seats.remove(ended).leave().await.map(drop),
            None => Ok(()),
        }
    }

    /// All connections through the middlebox break off.
    pub fn cut(&self) {
        self.middlebox.iter().for_each(Middlebox::cut);
    }

    pub fn let_upgrades_pass(&self) {
        self.middlebox.iter().for_each(|middlebox| middlebox.set(Upgrades::Pass));
    }

    fn now(&self) -> Vec<super::seat::Now> {
        self.seats.iter().map(|seat| seat.now.borrow().clone()).collect()
    }

    /// Switches the faults off, lets everybody come to rest, compares, and judges.
    ///
    /// # Errors
    /// Where they do not come to rest, or a client gives up.
    pub async fn end(mut self) -> anyhow::Result<Played> {
        self.proxies.iter().for_each(Proxy::calm);
        self.seats.iter().for_each(|seat| seat.wish(Wish::Rest));
        until("everybody at rest and up to date", REST, async || {
            let status = self.house.handle.drain_status().await.context("the table has stopped")?;
            let (now, newest) = (self.now(), self.journal.newest());
            let calm = |now: &super::seat::Now| {
                now.resting && !now.hand_running && now.unanswered == 0 && now.offset == newest
            };
            // A top-up that the chain has not taken counts as a seat of its own: its chips are still to come.
            let paid = status.seated == now.iter().filter(|now| now.seated).count();
            let rest = !status.hand_running && status.unsettled == 0 && paid && now.iter().all(calm);
            ensure!(rest, "the table at {newest}, {status:?}; {now:?}");
            Ok(Some(()))
        })
        .await?;
        let mut played = Played { found: self.compare().await?, ..Played::default() };
        let (log, entries) = (self.journal.log(), self.ledger.entries(0).await?);
        let mut records: Vec<Record> = Vec::new();
        for seat in std::mem::take(&mut self.seats) {
            let heard = seat.leave().await?;
            played.wrong.extend(judge(&heard, &log, &entries));
            played.actions += heard.acked.len() as u64;
            played.messages += heard.told.len() as u64;
            played.reconnects += heard.reconnects;
            played.streams += heard.streams;
            played.resent += heard.resent;
            played.refused += heard.refused.len() as u64;
            played.deals_proven += heard.deals_proven;
            records.extend(heard.records);
        }
        played.hands = self.journal.hands();
        played.repeated = self.repeater.as_ref().map_or(0, Repeater::repeated);
        let table = self.name.clone();
        records.extend(entries.into_iter().map(|entry| Record::Settled { table: table.clone(), entry }));
        played.found.extend(check(&records).iter().map(ToString::to_string));
        Ok(played)
    }

    /// Compares the players' views with fresh snapshots, and checks the bought chips.
    async fn compare(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut views = Vec::new();
        for seat in &self.seats {
            views.push(seat.view().await?);
            // From here on the table closes their connections.
            seat.wish(Wish::Done);
        }
        let mut chips = 0;
        for (seat, view) in self.seats.iter().zip(&views) {
            let mut attached = self.house.handle.attach(seat.player, None).await.context("no table")?;
            let Some(Outgoing::Message(snapshot)) = attached.outgoing.recv().await else {
                found.push(format!("{}: no snapshot", seat.player));
                continue;
            };
            let mut own = View::new(seat.player);
            own.apply(&snapshot)?;
            if (own.cursor(), own.table()) != (view.cursor(), view.table()) {
                let (sees, is) = ((view.cursor(), view.table()), (own.cursor(), own.table()));
                found.push(format!("{} sees {sees:?}, the table is {is:?}", seat.player));
            }
            chips += view.your_seat().map_or(0, |(_, chair)| chair.stack + chair.pending);
        }
        let entries = self.ledger.entries(0).await?;
        let (mut bought, mut taken) = (0, 0);
        for entry in &entries {
            match &entry.body {
                EntryBody::Sit { permit, .. } | EntryBody::TopUp { permit, .. } => bought += permit.amount,
                // A player who was away for too many big blinds is stood up with all chips, and sits down again.
                EntryBody::Leave { stack, .. } => taken += stack,
                EntryBody::Hand { .. } => {}
            }
        }
        if chips + taken != bought {
            found.push(format!(
                "{chips} chips are in front of players who bought {bought} and left with {taken}"
            ));
        }
        Ok(found)
    }
}
