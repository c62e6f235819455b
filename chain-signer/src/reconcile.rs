//! The ledger beside the chain, both at the block that the ledger has taken in.

use crate::{
    journal::Accounts,
    service::{Service, ServiceError},
};
use purr_books::{
    differing::Compared,
    ledger::{Account, Subject},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{
    PlayerReconciliation, Reconciliation, SeatReconciliation, TableReconciliation,
};
use purr_runtime::CancellationToken;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;

/// One comparison at a time: each asks the chain for every player and table.
static ONE: Mutex<()> = Mutex::const_new(());

fn of(accounts: &Accounts, account: &Account) -> u64 {
    accounts.balances.get(&account.to_string()).copied().unwrap_or(0)
}

/// Players that the ledger has ever known.
fn players(accounts: &Accounts) -> BTreeSet<PlayerId> {
    let named = accounts.balances.keys().filter_map(|account| {
        let name = account.strip_prefix("free:").or_else(|| account.strip_prefix("reserved:"))?;
        name.parse().ok()
    });
    named.chain(accounts.owners.values().copied()).collect()
}

/// Compares now.
pub async fn compare(service: &Service) -> Result<Reconciliation, ServiceError> {
    let vault = service.vault()?;
    let _one = ONE.lock().await;
    let Some(accounts) = service.journal.accounts().await? else {
        return Err(ServiceError::NotReady("nothing of the chain was taken in yet"));
    };
    let (rpc, block) = (&service.rpc, accounts.position.block);
    let mut compared = Vec::new();

    let mut seats: BTreeMap<PlayerId, Vec<SeatReconciliation>> = BTreeMap::new();
    let mut tables = Vec::with_capacity(accounts.tables.len());
    for table in &accounts.tables {
        let on_chain = vault.table(rpc, table.table_id, Some(block)).await?;
        let chain_seats = match on_chain.open {
            true => vault.seats(rpc, table.table_id, Some(block)).await?,
            false => Vec::new(),
        };
        for seat in 0..table.terms.seats {
            let ledger_stack = of(&accounts, &Account::Seat { uid: table.uid.clone(), seat });
            let chain = chain_seats.get(usize::from(seat));
            let chain_player = chain.map(|seat| PlayerId(seat.player)).filter(|player| player.0 != [0; 20]);
            let chain_stack = chain.map_or(0, |seat| seat.stack);
            let owner = accounts.owners.get(&(table.uid.clone(), seat)).copied();
            let text = |player: Option<PlayerId>| {
                player.map_or_else(|| "nobody".into(), |player| player.to_string())
            };
            let at = || Subject::Table(table.uid.clone());
            compared.push(Compared::new(at(), "a seat's stack", &ledger_stack, &chain_stack));
            compared.push(Compared::new(at(), "a seat's player", &text(owner), &text(chain_player)));
            if let Some(player) = chain_player.or(owner) {
                let row = SeatReconciliation { table: table.uid.clone(), ledger_stack, chain_stack };
                seats.entry(player).or_default().push(row);
            }
        }
        let ledger_rake = of(&accounts, &Account::Rake { uid: table.uid.clone() });
        let at = || Subject::Table(table.uid.clone());
        compared.push(Compared::new(at(), "rake", &ledger_rake, &on_chain.rake));
        compared.push(Compared::new(at(), "last number", &table.confirmed_seq, &on_chain.seq));
        tables.push(TableReconciliation {
            uid: table.uid.clone(),
            table_id: format!("0x{}", hex::encode(table.table_id)),
            head_seq: table.head_seq,
            chain_seq: on_chain.seq,
            ledger_rake,
            chain_rake: on_chain.rake,
        });
    }
    let mut out = Vec::new();
    let mut known = players(&accounts);
    known.extend(seats.keys().copied());
    for player in known {
        // What is reserved is still part of the free balance on chain.
        let ledger_free = of(&accounts, &Account::Free(player)) + of(&accounts, &Account::Reserved(player));
        let chain_free = vault.balance(rpc, player.0, Some(block)).await?;
        compared.push(Compared::new(Subject::Player(player), "free balance", &ledger_free, &chain_free));
        let seats = seats.remove(&player).unwrap_or_default();
        out.push(PlayerReconciliation { player, ledger_free, chain_free, seats });
    }
    let reserve = vault.reserve(rpc, Some(block)).await?;
    compared.push(Compared::new(Subject::House, "reserve", &of(&accounts, &Account::House), &reserve));
    // What differs is promised and paid nothing until a later comparison finds that both agree.
    let differing = service.journal.compared(&compared, block).await?;
    let agree = differing.is_empty();
    service.metrics.reconciled.set(agree.into());
    service.metrics.differing.set(i64::try_from(differing.len()).unwrap_or(i64::MAX));
    if !agree {
        service.metrics.reconcile_failures.inc();
        for (subject, found) in &differing {
            tracing::error!(block, %subject, since = found.block, why = found.why, "ALARM: ledger and chain differ");
        }
    }
    Ok(Reconciliation { agree, block, players: out, tables })
}

/// Compares again and again; 0 seconds: never by itself.
pub async fn every(service: Arc<Service>, every_s: u64, stop: CancellationToken) {
    if every_s == 0 {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(every_s)) => {}
        }
        if let Err(error) = compare(&service).await {
            tracing::warn!(%error, "ledger and chain could not be compared");
        }
    }
}
