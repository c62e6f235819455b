//! Metrics of the signer. All label values are in this file.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

#[derive(Clone)]
pub struct Metrics {
    pub entries_accepted: IntCounter,
    /// By rule; see [`purr_books::policy::Refusal::rule`].
    pub refused: IntCounterVec,
    /// Another payload for a number: a table has gone wrong, or somebody has its certificate.
    pub conflicts: IntCounter,
    pub fenced: IntCounter,
    pub transactions: IntCounterVec,
    pub fee_bumps: IntCounter,
    pub reorgs: IntCounter,
    pub entries_confirmed: IntCounter,
    pub entries_rejected: IntCounter,
    /// Any player can cause these.
    pub seatings_refused: IntCounter,
    pub shortfalls: IntCounter,
    pub conflicts_with_chain: IntCounter,
    /// Tables and players about which books and chain differ.
    pub differing: IntGauge,
    /// Events of the vault that a node had left out and that were found later.
    pub logs_found: IntCounter,
    /// Rows of the journal that were not what tables had asked for when they were to be signed.
    pub rows_changed: IntCounter,
    pub checkpoints: IntCounter,
    /// 1: the journal is not the continuation of a checkpoint that was signed.
    pub checkpoint_contradicted: IntGauge,
    pub frozen: IntGauge,
    pub published: IntCounter,
    /// Wallets on the deny list as it was published last.
    pub denied: IntGauge,
    pub vouchers: IntCounter,
    pub receipts: IntCounter,
    pub send_seconds: Histogram,
    pub sign_seconds: Histogram,
    /// Settlement time of hands, by which the objective of settlement is judged.
    pub settle_seconds: Histogram,
    pub leading: IntGauge,
    /// 1: works, 0: does not; by part.
    pub up: IntGaugeVec,
    pub block_final: IntGauge,
    pub block_head: IntGauge,
    /// 1 where ledger and chain agree.
    pub reconciled: IntGauge,
    pub reconcile_failures: IntCounter,
    /// The settling key's transactions that are on their way.
    pub in_flight: IntGauge,
    pub foreign_nonce: IntGauge,
    pub gas_balance: IntGauge,
    /// By lane: `settlement` and `comparison`.
    pub rpc_requests: IntCounterVec,
    pub rpc_over_budget: IntCounterVec,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let counters = |name: &str, help: &str, label: &str| {
            let metric = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name: &str, help: &str| {
            let buckets = prometheus::exponential_buckets(0.001, 2.0, 16)?;
            let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let settle_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "purr_signer_settle_seconds",
                "From a hand's acceptance in the journal to its finality on chain",
            )
            .buckets(vec![5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0]),
        )?;
        registry.register(Box::new(settle_seconds.clone()))?;
        let up = IntGaugeVec::new(Opts::new("purr_signer_up", "1 where the part works"), &["part"])?;
        registry.register(Box::new(up.clone()))?;
        Ok(Self {
            entries_accepted: counter("purr_signer_entries_accepted_total", "Entries journaled")?,
            refused: counters(
                "purr_signer_refused_total",
                "Requests and calldata that a rule refused",
                "rule",
            )?,
            conflicts: counter("purr_signer_conflicts_total", "ALARM: another payload for an old number")?,
            fenced: counter("purr_signer_fenced_total", "Requests of a lower epoch")?,
            transactions: counters("purr_signer_transactions_total", "Transactions by step", "step")?,
            fee_bumps: counter("purr_signer_fee_bumps_total", "Stuck transactions whose fee was raised")?,
            reorgs: counter("purr_signer_reorgs_total", "Transactions whose block vanished")?,
            entries_confirmed: counter("purr_signer_entries_confirmed_total", "Entries final on chain")?,
            entries_rejected: counter(
                "purr_signer_entries_rejected_total",
                "ALARM: entries that the chain refused",
            )?,
            seatings_refused: counter(
                "purr_signer_seatings_refused_total",
                "Sits and top-ups that the contract refused: the seat is free again, nothing moved",
            )?,
            conflicts_with_chain: counter(
                "purr_signer_chain_conflicts_total",
                "ALARM: events of the chain that contradict the journal; what they are about is quarantined",
            )?,
            differing: gauge(
                "purr_signer_differing",
                "ALARM: tables and players about which ledger and chain differ: nothing is promised or paid there",
            )?,
            rows_changed: counter(
                "purr_signer_rows_changed_total",
                "ALARM: rows of the journal that somebody changed: nothing of them was signed",
            )?,
            checkpoints: counter("purr_signer_checkpoints_total", "Ends of the hash chain that were signed")?,
            checkpoint_contradicted: gauge(
                "purr_signer_checkpoint_contradicted",
                "ALARM at 1: the journal was written anew, or is behind a checkpoint that was signed",
            )?,
            shortfalls: counter("purr_signer_shortfalls_total", "ALARM: losses of seats that had left")?,
            logs_found: counter(
                "purr_signer_logs_found_total",
                "ALARM: events that a node had left out, found by reading the log again",
            )?,
            frozen: gauge("purr_signer_frozen_players", "ALARM: players whose final deposit has vanished")?,
            published: counter(
                "purr_signer_balances_published_total",
                "Balances published for others to read",
            )?,
            denied: gauge("purr_signer_denied_wallets", "Wallets on the deny list as it was published last")?,
            vouchers: counter("purr_signer_vouchers_total", "Vouchers signed")?,
            receipts: counter("purr_signer_receipts_total", "Receipts of hands signed")?,
            send_seconds: histogram(
                "purr_signer_accept_to_send_seconds",
                "From the oldest entry's acceptance to its broadcast",
            )?,
            sign_seconds: histogram("purr_signer_sign_seconds", "Time of a signature in the token")?,
            settle_seconds,
            leading: gauge("purr_signer_leading", "1 on the replica that sends")?,
            up,
            block_final: gauge("purr_signer_block_final", "The last block taken into the ledger")?,
            block_head: gauge("purr_signer_block_head", "The chain's head")?,
            reconciled: gauge("purr_signer_reconciled", "ALARM at 0: 1 where ledger and chain agree")?,
            reconcile_failures: counter(
                "purr_signer_reconcile_failures_total",
                "ALARM: comparisons that found a difference",
            )?,
            in_flight: gauge("purr_signer_transactions_in_flight", "Transactions that are not final")?,
            foreign_nonce: gauge(
                "purr_signer_foreign_nonce",
                "ALARM at 1: the settling key was used elsewhere",
            )?,
            gas_balance: gauge(
                "purr_signer_gas_balance_gwei",
                "Gas that the settling key's account can pay, as the sender last read it",
            )?,
            rpc_requests: counters(
                "purr_signer_rpc_requests_total",
                "Requests to the chain's nodes by what they are for",
                "lane",
            )?,
            rpc_over_budget: counters(
                "purr_signer_rpc_over_budget_total",
                "Requests to the chain's nodes that the budget of a minute had no room for",
                "lane",
            )?,
        })
    }
}
