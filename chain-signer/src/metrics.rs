//! Metrics of the signer. All label values are in this file.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use purr_runtime::metrics::Maker;

#[derive(Clone)]
pub struct Metrics {
    pub entries_accepted: IntCounter,
    /// By rule; see [`purr_books::policy::Refusal::rule`].
    pub refused: IntCounterVec,
    /// Submissions of another payload under a used number: a table is faulty, or its certificate is in other hands.
    pub conflicts: IntCounter,
    pub fenced: IntCounter,
    pub transactions: IntCounterVec,
    pub fee_bumps: IntCounter,
    pub reorgs: IntCounter,
    pub entries_confirmed: IntCounter,
    pub entries_rejected: IntCounter,
    /// Seatings that the chain refused. Any player can cause these.
    pub seatings_refused: IntCounter,
    pub shortfalls: IntCounter,
    pub conflicts_with_chain: IntCounter,
    /// Tables and players about which books and chain differ.
    pub differing: IntGauge,
    /// Events of the vault that a node had left out and that were found later.
    pub logs_found: IntCounter,
    /// Rows of the journal that differed from what tables had asked for when they were about to be signed.
    pub rows_changed: IntCounter,
    pub checkpoints: IntCounter,
    /// 1: the journal is not the continuation of a checkpoint that was signed.
    pub checkpoint_contradicted: IntGauge,
    pub frozen: IntGauge,
    pub published: IntCounter,
    /// Wallets on the last published deny list.
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
        let make = Maker(registry);
        let buckets = prometheus::exponential_buckets(0.001, 2.0, 16)?;
        Ok(Self {
            entries_accepted: make.counter("purr_signer_entries_accepted_total", "Entries journaled")?,
            refused: make.counters(
                "purr_signer_refused_total",
                "Requests and calldata that a rule refused",
                &["rule"],
            )?,
            conflicts: make.counter("purr_signer_conflicts_total", "ALARM: another payload for an old number")?,
            fenced: make.counter("purr_signer_fenced_total", "Requests of a lower epoch")?,
            transactions: make.counters("purr_signer_transactions_total", "Transactions by step", &["step"])?,
            fee_bumps: make.counter("purr_signer_fee_bumps_total", "Stuck transactions whose fee was raised")?,
            reorgs: make.counter("purr_signer_reorgs_total", "Transactions whose block vanished")?,
            entries_confirmed: make.counter("purr_signer_entries_confirmed_total", "Entries final on chain")?,
            entries_rejected: make.counter(
                "purr_signer_entries_rejected_total",
                "ALARM: entries that the chain refused",
            )?,
            seatings_refused: make.counter(
                "purr_signer_seatings_refused_total",
                "Sits and top-ups that the contract refused: the seat is free again, nothing moved",
            )?,
            conflicts_with_chain: make.counter(
                "purr_signer_chain_conflicts_total",
                "ALARM: events of the chain that contradict the journal; what they are about is quarantined",
            )?,
            differing: make.gauge(
                "purr_signer_differing",
                "ALARM: tables and players about which ledger and chain differ: nothing is promised or paid there",
            )?,
            rows_changed: make.counter(
                "purr_signer_rows_changed_total",
                "ALARM: rows of the journal that somebody changed: nothing of them was signed",
            )?,
            checkpoints: make.counter("purr_signer_checkpoints_total", "Ends of the hash chain that were signed")?,
            checkpoint_contradicted: make.gauge(
                "purr_signer_checkpoint_contradicted",
                "ALARM at 1: the journal was written anew, or is behind a checkpoint that was signed",
            )?,
            shortfalls: make.counter("purr_signer_shortfalls_total", "ALARM: losses of seats that had left")?,
            logs_found: make.counter(
                "purr_signer_logs_found_total",
                "ALARM: events that a node had left out, found by reading the log again",
            )?,
            frozen: make.gauge("purr_signer_frozen_players", "ALARM: players whose final deposit has vanished")?,
            published: make.counter(
                "purr_signer_balances_published_total",
                "Balances published for others to read",
            )?,
            denied: make.gauge("purr_signer_denied_wallets", "Wallets on the deny list as it was published last")?,
            vouchers: make.counter("purr_signer_vouchers_total", "Vouchers signed")?,
            receipts: make.counter("purr_signer_receipts_total", "Receipts of hands signed")?,
            send_seconds: make.histogram(
                "purr_signer_accept_to_send_seconds",
                "From the oldest entry's acceptance to its broadcast",
                buckets.clone(),
            )?,
            sign_seconds: make.histogram("purr_signer_sign_seconds", "Time of a signature in the token", buckets)?,
            settle_seconds: make.histogram(
                "purr_signer_settle_seconds",
                "From a hand's acceptance in the journal to its finality on chain",
                vec![5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0],
            )?,
            leading: make.gauge("purr_signer_leading", "1 on the replica that sends")?,
            up: make.gauges("purr_signer_up", "1 where the part works", &["part"])?,
            block_final: make.gauge("purr_signer_block_final", "The last block taken into the ledger")?,
            block_head: make.gauge("purr_signer_block_head", "The chain's head")?,
            reconciled: make.gauge("purr_signer_reconciled", "ALARM at 0: 1 where ledger and chain agree")?,
            reconcile_failures: make.counter(
                "purr_signer_reconcile_failures_total",
                "ALARM: comparisons that found a difference",
            )?,
            in_flight: make.gauge("purr_signer_transactions_in_flight", "Transactions that are not final")?,
            foreign_nonce: make.gauge(
                "purr_signer_foreign_nonce",
                "ALARM at 1: the settling key was used elsewhere",
            )?,
            gas_balance: make.gauge(
                "purr_signer_gas_balance_gwei",
                "Gas that the settling key's account can pay, as the sender last read it",
            )?,
            rpc_requests: make.counters(
                "purr_signer_rpc_requests_total",
                "Requests to the chain's nodes by what they are for",
                &["lane"],
            )?,
            rpc_over_budget: make.counters(
                "purr_signer_rpc_over_budget_total",
                "Requests to the chain's nodes that the budget of a minute had no room for",
                &["lane"],
            )?,
        })
    }
}
