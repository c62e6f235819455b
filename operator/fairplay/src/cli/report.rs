//! `purr-fairplay report`: the integrity report of a month.

use anyhow::Context;
use clap::Args;
use purr_fairplay::{
    report::month,
    service::{database::Database, options::PostgresOptions},
};

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// Month (UTC), YYYY-MM
    #[arg(long)]
    month: String,
    /// Prints JSON instead of Markdown
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    postgres: PostgresOptions,
    #[command(flatten)]
    records: RecordsOptions,
}

/// The database that counts void and lost hands.
#[derive(Debug, Args)]
struct RecordsOptions {
    /// Folder with tls.crt, tls.key and ca.crt of the fair-play role
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    tls_dir: std::path::PathBuf,
    /// host:port of records, for hands stored, void and lost; without it the report leaves them out
    #[arg(long, env = "PURR_RECORDS_ADDR")]
    records_addr: Option<String>,
}

pub(crate) async fn run(options: ReportOptions) -> anyhow::Result<()> {
    let (from, to) = month(&options.month)?;
    let database = Database::new(options.postgres.validate()?);
    let mut report = database.report(&options.month, from, to).await?;
    if let Some(address) = options.records.records_addr {
        let identity = purr_runtime::Identity::load(&options.records.tls_dir)?;
        let records = purr_runtime::InternalClient::new(identity, address, purr_runtime::Role::Records);
        let hands = purr_fairplay::service::hands_between(&records, from, to).await.context("records")?;
        report.hands = Some(hands);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
