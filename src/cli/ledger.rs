//! `regulars ledger verify`: recomputes the ledger and tells whether anything drifted.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config;
use crate::app::App;
use crate::config::ConfigArgs;
use crate::points::verify::{BUCKETS, Report, verify};

/// What to do with the ledger.
#[derive(Debug, Args)]
pub(super) struct LedgerArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Recomputes every account from its entries and lots, prints the totals per bucket; exit 1 on any drift
    Verify(ConfigArgs),
}

pub(super) async fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    let What::Verify(args) = args.what;
    let app = App::build(config(args)?).await?;
    let report =
        verify(&app).await.map_err(|fault| anyhow::anyhow!("could not read the ledger: {fault:?}"))?;
    print(&report);
    Ok(if report.drifts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    println!("{:<10} {:>16}", "accounts", report.accounts);
    println!("{:<10} {:>16}", "entries", report.entries);
    for (bucket, total) in BUCKETS.into_iter().zip(report.totals) {
        println!("{:<10} {:>16}", format!("{bucket:?}").to_lowercase(), total);
    }
    for drift in &report.drifts {
        println!(
            "DRIFT account {}: {} is {}, recomputed {}",
            drift.account.0, drift.what, drift.cached, drift.recomputed
        );
    }
    match report.drifts.len() {
        0 => println!("clean: every account is what its entries and lots say"),
        count => println!("{count} sums differ"),
    }
}
