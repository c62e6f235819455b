//! Many hands over many tables while the signer is killed, the chain goes back, the way to it loses, delays and refuses,
//! and the first of two nodes tells every lie that real nodes have told: every hand is settled exactly once, and ledger,
//! chain and stacks agree in the end.
//!
//! PURR_SOAK_HANDS, PURR_SOAK_TABLES, PURR_SOAK_KILLS, PURR_SOAK_SECONDS (for how long the tables play, about) and PURR_SEED
//! make it another run; `make soak` has the long one, which fails where a lie was never told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "amounts of these tests are small"
)]

mod common;

use common::{
    House, Signer, eventually,
    lies::{self, Deal},
    proxy::{Proxy, Random},
    table::{Table, player},
};
use purr_books::events::VaultEvent;
use purr_chain_signer::chain::{Vault, parse_address, vault::LOG_BLOCKS_MAX};
use purr_protocol::settlement::{Balance, Entry, NoticeState, Reconciliation, TableStatus};
use purr_runtime::{InternalClient, Role};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const USDC: u64 = 1_000_000;
const DEPOSIT: u64 = 1_000 * USDC;
const STACK: u64 = 500 * USDC;
const WAIT: Duration = Duration::from_secs(10);
const SEATS: usize = 3;
/// Deeper than any fork that the test makes.
const CONFIRMATIONS: u64 = 3;
/// For how long a lie waits for the question that it answers.
const LIE_MAX: Duration = Duration::from_secs(8);
/// Runs that play for so long have to tell every lie.
const ALL_LIES_S: u64 = 200;

fn setting(name: &str, or: u64) -> u64 {
    std::env::var(name).map_or(or, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// A table that plays, and what its players must have in the end.
struct Play {
    table: Table,
    stacks: [u64; SEATS],
    rake: u64,
    random: Random,
    sent: Vec<Entry>,
}

impl Play {
    fn player(&self, seat: usize) -> usize {
        self.table.others + 1 + seat
    }

    /// One hand: somebody wins of everybody else, sometimes raked.
    fn hand(&mut self) -> Entry {
        let winner = self.random.below(SEATS as u64) as usize;
        let mut won = 0;
        let mut deltas = Vec::new();
        for seat in (0..SEATS).filter(|seat| *seat != winner) {
            let lost = self.random.below(self.stacks[seat] / 8 + 1).min(5 * USDC);
            self.stacks[seat] -= lost;
            won += lost;
            deltas.push((self.player(seat), -(lost as i64)));
        }
        let rake = (won / 40).min(self.random.below(3 * USDC));
        self.stacks[winner] += won - rake;
        self.rake += rake;
        deltas.push((self.player(winner), (won - rake) as i64));
        deltas.sort_unstable();
        self.table.hand(&deltas, rake)
    }

    /// As a table's outbox does it: the same again until it is taken.
    async fn deliver(&self, entries: &[Entry]) {
        let last = entries.last().unwrap().seq;
        eventually("the signer takes entries", || async {
            match self.table.submit_as(1, entries).await {
                Ok(through) => (through >= last).then_some(()),
                Err(error) => {
                    assert!(error.problem().is_none_or(|problem| problem.status >= 500), "refused: {error}");
                    None
                }
            }
        })
        .await;
    }

    async fn play(&mut self, hands: u64, seconds: u64, played: &AtomicU64) {
        let mut left = hands;
        // Two hands are handed in at once on average.
        let pause_ms = (2_000 * seconds / hands.max(1)).max(250);
        while left > 0 {
            let count = (1 + self.random.below(3)).min(left);
            let mut entries = Vec::new();
            for _ in 0..count {
                let entry = self.hand();
                self.table.seq.set(entry.seq);
                entries.push(entry);
            }
            self.deliver(&entries).await;
            self.sent.extend(entries);
            // An answer that was lost makes a table ask again.
            if self.random.below(4) == 0 {
                let from = self.random.below(self.sent.len() as u64) as usize;
                let to = self.sent.len().min(from + 3);
                self.deliver(&self.sent[from..to]).await;
            }
            left -= count;
            played.fetch_add(count, Ordering::Relaxed);
            // Hands take time; the faults need some to happen in.
            let pause_ms = pause_ms * 2 / 5 + self.random.below(pause_ms * 6 / 5);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

fn uid(n: usize) -> String {
    format!("0a0b0c0d-0000-4000-8000-{n:012x}")
}

/// Until the chain has all of this table up to `last`.
async fn reaches(house: &House, gateway: &InternalClient, table: &Table, last: u64, until: Instant) {
    let mut seen = 0;
    while seen < last {
        if Instant::now() >= until {
            standing(house).await;
            panic!("{} is at {seen} of {last}", table.uid);
        }
        let status: Result<TableStatus, _> = gateway.get(&table.base, WAIT).await;
        seen = status.map_or(seen, |status| status.confirmed_seq);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Prints what stands in the way of the hands that wait.
async fn standing(house: &House) {
    let sql = house.sql().await;
    for (what, query) in [
        (
            "transaction",
            "SELECT concat_ws(' ', t.id, t.purpose, 'nonce', t.nonce, t.state, 'block', t.block_number, 'reverted', t.reverted,
                 extract(epoch FROM now() - t.changed)::int, 's;', 'bytes', length(t.calldata), (SELECT string_agg(concat_ws(' ',
                 'version', a.attempt, 'gas', a.gas, 'fee', a.max_fee, a.priority_fee, encode(a.tx_hash, 'hex')), '; ')
                 FROM attempts a WHERE a.tx_id = t.id)) FROM transactions t
             WHERE t.state NOT IN ('confirmed', 'rejected') ORDER BY t.nonce LIMIT 20",
        ),
        ("transactions", "SELECT concat_ws(' ', count(*), 'up to nonce', max(nonce)) FROM transactions"),
        (
            "entries",
            "SELECT concat_ws(' ', t.uid, 'head', t.head_seq, 'confirmed', t.confirmed_seq, e.state, count(e.seq),
                 min(e.seq), 'to', max(e.seq), 'of', string_agg(DISTINCT e.tx_id::text, ' ')) FROM tables t JOIN entries e USING (uid)
             WHERE t.head_seq > t.confirmed_seq AND e.seq > t.confirmed_seq GROUP BY t.uid, e.state ORDER BY t.uid LIMIT 60",
        ),
        ("differing", "SELECT concat_ws(' ', subject, why, block) FROM differing"),
        ("cursor", "SELECT concat_ws(' ', name, block) FROM cursors"),
        ("reread", "SELECT concat_ws(' ', next, found) FROM reread"),
    ] {
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&sql).await.unwrap();
        rows.iter().for_each(|row| println!("{what}: {row}"));
    }
    let (rpc, key) = (house.rpc(), parse_address(&house.keys(&[]).settle).unwrap());
    println!("chain: {} transactions of the key, {:?}", rpc.nonce(key).await.unwrap(), rpc.block(None).await);
    println!("pool: {}", house.node("txpool_inspect", json!([])).await);
}

/// Tables one after the other, each with its players seated.
async fn seated(house: &House, signer: &Signer, tables: usize, seed: u64) -> Vec<Play> {
    house.fund_players(1..=tables * SEATS, DEPOSIT).await;
    let gateway = house.client(signer, &Role::Gateway);
    let last = format!("/v1/balances/{}", player(tables * SEATS));
    eventually("the last deposit is seen", || async {
        let balance: Option<Balance> = gateway.get(&last, WAIT).await.ok();
        balance.filter(|balance| balance.free == DEPOSIT)
    })
    .await;
    let gateway = &gateway;
    let open = (0..tables).map(|n| async move {
        let table = Table::open_as(house, signer, &uid(n), n * SEATS).await;
        for seat in 0..SEATS {
            table.sit(house, n * SEATS + seat + 1, STACK, 1).await;
        }
        // All tables at once, over a chain that is slow for so many.
        let within = Duration::from_secs(60 + 4 * tables as u64);
        reaches(house, gateway, &table, SEATS as u64, Instant::now() + within).await;
        let random = Random(seed ^ n as u64);
        Play { table, stacks: [STACK; SEATS], rake: 0, random, sent: Vec::new() }
    });
    futures::future::join_all(open).await
}

/// Ends the signer without a word whenever so many hands were played, and starts another in its place.
async fn kill(
    house: &House,
    signer: &Mutex<Signer>,
    played: &AtomicU64,
    (hands, kills): (u64, u64),
    seed: u64,
) {
    let mut random = Random(seed);
    for n in 1..=kills {
        let at = hands * n / (kills + 1);
        while played.load(Ordering::Relaxed) < at {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(1_500))).await;
        let (https, ops) = {
            let mut signer = signer.lock().unwrap();
            signer.process.kill();
            (signer.https, signer.ops)
        };
        *signer.lock().unwrap() = house.start_signer_at(https, ops);
        println!("signer killed at {} hands", played.load(Ordering::Relaxed));
    }
}

/// The first node tells one lie after the other, and the truth in between. A lie counts once it was an answer.
async fn lie_in_turn(house: &House, proxy: &Proxy, mut deal: Deal, told: &Mutex<BTreeMap<String, u64>>) {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counts = &proxy.counts;
    loop {
        let (at, for_ms) = deal.next();
        // A node that rests after the lie before is asked nothing.
        let asked = of(&counts.requests);
        while of(&counts.requests) == asked {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let lie = lies::all(house.rpc().block_number().await.unwrap())[at];
        let (before, begun) = (of(&counts.lies), Instant::now());
        proxy.lie(Some(lie));
        tokio::time::sleep(Duration::from_millis(for_ms)).await;
        // The question may be a rare one.
        while of(&counts.lies) == before && begun.elapsed() < LIE_MAX {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.lie(None);
        if of(&counts.lies) > before {
            let name = format!("{lie:?}").split('(').next().unwrap().to_owned();
            *told.lock().unwrap().entry(name).or_default() += 1;
        }
        // As long the truth: a node that lies all the time is one that nobody has.
        tokio::time::sleep(Duration::from_millis(for_ms)).await;
    }
}

/// Every number of every table is in the chain's log once, and in order.
async fn once_on_chain(house: &House, plays: &[Play]) {
    let (rpc, vault) = (house.rpc(), Vault { address: house.vault() });
    let head = rpc.block_number().await.unwrap();
    let mut last = BTreeMap::<[u8; 32], u64>::new();
    let mut from = 0;
    while from <= head {
        let to = head.min(from + LOG_BLOCKS_MAX - 1);
        for log in vault.logs(&rpc, from, to).await.unwrap() {
            let (table, first, through) = match log.event {
                VaultEvent::HandsSettled { table, first, last, .. } => (table, first, last),
                VaultEvent::Seated { table, seq, .. } | VaultEvent::Left { table, seq, .. } => {
                    (table, seq, seq)
                }
                VaultEvent::ItemRejected { table, seq, .. } => {
                    println!("the chain put off entry {seq} of {}", hex::encode(table));
                    continue;
                }
                _ => continue,
            };
            let before = last.insert(table, through).unwrap_or(0);
            assert_eq!(first, before + 1, "table {} settles in order and once", hex::encode(table));
        }
        from = to + 1;
    }
    for play in plays {
        assert_eq!(last[&play.table.id], play.table.seq.get(), "all of it is on chain");
    }
}

async fn told_once(play: &Play) {
    let mut next = 1;
    let mut after = 0;
    loop {
        let notices = play.table.events(after, 0).await.unwrap();
        let Some(last) = notices.last() else { break };
        after = last.id;
        for notice in notices {
            assert_ne!(notice.state, NoticeState::Rejected, "{notice:?}");
            if notice.state == NoticeState::Confirmed {
                assert_eq!(notice.seq_from, next, "every number is confirmed once");
                next = notice.seq_to + 1;
            }
        }
    }
    assert_eq!(next - 1, play.table.seq.get());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hand_is_settled_exactly_once_whatever_happens_to_signer_and_chain() {
    let (hands, tables) = (setting("PURR_SOAK_HANDS", 200), setting("PURR_SOAK_TABLES", 5));
    let (kills, seed) = (setting("PURR_SOAK_KILLS", 3), setting("PURR_SEED", 20_261_125));
    let seconds = setting("PURR_SOAK_SECONDS", 30);
    println!("PURR_SEED={seed}: {hands} hands over {tables} tables in {seconds} s, {kills} kills");
    let mut house = House::new().await;
    // Both ways lose and delay; the first node lies as well.
    let proxy = Proxy::faulty(house.rpc_port, seed).await;
    let second = Proxy::faulty(house.rpc_port, seed.rotate_left(17)).await;
    let through = [&proxy, &second].map(|proxy| format!("http://127.0.0.1:{}", proxy.port)).join(",");
    house.signer_env.push(("PURR_RPC_URLS".into(), through));
    house.signer_env.push(("PURR_RECONCILE_S".into(), "5".into()));
    house.signer_env.push(("PURR_CONFIRMATIONS".into(), CONFIRMATIONS.to_string()));
    house.signer_env.push(("PURR_STUCK_AFTER_S".into(), "4".into()));
    let signer = house.start_signer();
    signer.ready().await;
    let gateway = house.client(&signer, &Role::Gateway);
    let mut plays = seated(&house, &signer, tables as usize, seed).await;
    let signer = Arc::new(Mutex::new(signer));

    let played = AtomicU64::new(0);
    let begun = Instant::now();
    let share = |n: usize| hands / tables + u64::from((n as u64) < hands % tables);
    let all = plays.iter_mut().enumerate().map(|(n, play)| play.play(share(n), seconds, &played));
    let reorgs = AtomicU64::new(0);
    let going_back = async {
        let mut random = Random(!seed);
        // The first comes while even the shortest run plays.
        let mut wait = 1_000;
        loop {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            house.node("anvil_reorg", json!([1 + random.below(2), []])).await;
            reorgs.fetch_add(1, Ordering::Relaxed);
            wait = 2_000 + random.below(3_000);
        }
    };
    let told = Mutex::new(BTreeMap::<String, u64>::new());
    let lying = lie_in_turn(&house, &proxy, Deal::within(seed.rotate_left(31), seconds), &told);
    tokio::select! {
        _ = async { tokio::join!(futures::future::join_all(all), kill(&house, &signer, &played, (hands, kills), seed)) } => {}
        () = going_back => {}
        () = lying => {}
    }
    proxy.lie(None);
    assert_eq!(played.load(Ordering::Relaxed), hands);
    let playing = begun.elapsed();

    // Everybody leaves with what they have.
    for play in &mut plays {
        let mut entries = Vec::new();
        for seat in 0..SEATS {
            let n = play.player(seat);
            let body = purr_protocol::settlement::EntryBody::Leave {
                seat: play.table.seat(n),
                player: player(n),
                stack: play.stacks[seat],
            };
            let entry = play.table.entry(body);
            play.table.seq.set(entry.seq);
            entries.push(entry);
        }
        play.deliver(&entries).await;
    }
    let until = Instant::now() + Duration::from_secs(60 + hands / 5);
    for play in &plays {
        reaches(&house, &gateway, &play.table, play.table.seq.get(), until).await;
    }
    let settled = begun.elapsed();

    proxy.calm();
    second.calm();
    once_on_chain(&house, &plays).await;
    let found = eventually("ledger and chain can be compared", || async {
        gateway.get::<Reconciliation>("/v1/reconciliation", WAIT).await.ok()
    })
    .await;
    assert!(found.agree, "{found:#?}");
    for play in &plays {
        told_once(play).await;
        let table = found.tables.iter().find(|table| table.uid == play.table.uid).unwrap();
        assert_eq!((table.ledger_rake, table.chain_rake), (play.rake, play.rake));
        for seat in 0..SEATS {
            let has = found.players.iter().find(|one| one.player == player(play.player(seat))).unwrap();
            let due = DEPOSIT - STACK + play.stacks[seat];
            assert_eq!((has.ledger_free, has.chain_free), (due, due), "to the last unit");
        }
    }
    let sql = house.sql().await;
    let (txs, nonces): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(DISTINCT nonce) FROM transactions")
            .fetch_one(&sql)
            .await
            .unwrap();
    let key = parse_address(&house.keys(&[]).settle).unwrap();
    assert_eq!(
        (txs, house.rpc().nonce(key).await.unwrap()),
        (nonces, txs as u64),
        "each nonce is one transaction"
    );
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));

    let reorgs = reorgs.load(Ordering::Relaxed);
    println!(
        "{hands} hands in {txs} transactions; played for {:.1} s, final after {:.1} s; {kills} kills, {reorgs} reorgs, {:?}",
        playing.as_secs_f64(),
        settled.as_secs_f64(),
        proxy.counts.all()
    );
    let told = told.into_inner().unwrap();
    let (kinds, all) = (told.len(), lies::all(0).len());
    let answers = proxy.counts.lies.load(Ordering::Relaxed);
    println!("{kinds} of {all} lies, in {answers} answers: {told:?}");
    assert!(kinds > 0);
    assert!(seconds < ALL_LIES_S || kinds == all, "some lie was never told: {told:?}");
    assert!(reorgs > 0 && proxy.counts.all().iter().all(|(_, count)| *count > 0), "each fault happened");
}
