//! `regulars ledger verify`: recomputes the ledger and tells whether anything drifted.

use std::process::ExitCode;

use crate::app::App;
use crate::points::verify::{BUCKETS, Report, verify};

/// Prints the totals per bucket on standard output; fails on any drift.
pub async fn run_verify(app: &App) -> anyhow::Result<ExitCode> {
    let report = verify(app).await.map_err(|fault| anyhow::anyhow!("could not read the ledger: {fault:?}"))?;
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
