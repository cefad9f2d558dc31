//! `regulars audit verify`: recomputes the chain of the audit log and tells whether anything was changed.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config;
use crate::app::App;
use crate::audit::verify::{Broken, Head, Report, verify};
use crate::config::ConfigArgs;

/// What to do with the audit log.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Recomputes every hash and prints the head of the chain; exit 1 if an entry was changed, put in or taken out
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A head that was printed before, kept where the database's owner cannot write: `POSITION:HASH`
    #[arg(long, value_parser = head)]
    expect: Option<Head>,
}

fn head(text: &str) -> Result<Head, String> {
    let shape = || "a head looks like 120:9f86d0…, as it was printed".to_owned();
    let (position, hash) = text.split_once(':').ok_or_else(shape)?;
    let position = position.parse().map_err(|_error| shape())?;
    let pairs = hash
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let hash: Option<Vec<u8>> = pairs.collect();
    hash.filter(|hash| hash.len() == 32).map(|hash| Head { position, hash }).ok_or_else(shape)
}

pub(super) async fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let What::Verify(args) = args.what;
    let app = App::build(config(args.config)?).await?;
    let report = verify(&app, args.expect).await;
    let report = report.map_err(|fault| anyhow::anyhow!("could not read the audit log: {fault:?}"))?;
    print(&report);
    Ok(if report.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    let hash = report.head.hash.iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    println!("sealed    {:>16}", report.head.position);
    println!("waiting   {:>16}", report.unsealed);
    println!("head      {}:{hash}", report.head.position);
    match &report.broken {
        None => println!("clean: every entry is what was sealed"),
        Some(Broken::Missing { position }) => println!("BROKEN entry {position} is missing"),
        Some(Broken::Changed { position }) => println!("BROKEN entry {position} is not what was sealed"),
        Some(Broken::NotExpected { position }) => {
            println!("BROKEN the chain does not have the expected hash at {position}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let hash = "ab".repeat(32);
        assert_eq!(head(&format!("7:{hash}")), Ok(Head { position: 7, hash: vec![0xab; 32] }));
        for wrong in ["", "7", "7:", "x:00", &format!("7:{hash}a"), &format!("7:é{hash}")] {
            assert!(head(wrong).is_err(), "{wrong}");
        }
    }
}
