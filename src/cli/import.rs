//! `regulars import`: brings a shop's past in.

use std::fs::File;
use std::io::{BufReader, Read, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Misconfigured, config};
use crate::app::App;
use crate::config::ConfigArgs;
use crate::import::{BadRow, Format, Orders, Reading, Stopped, Totals, Unreadable, examine, load};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// What `regulars import` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

/// What is imported.
#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Orders from a file; those that are in already are left as they are
    Orders(OrdersArgs),
}

/// What `regulars import orders` takes.
#[derive(Clone, Debug, Args)]
struct OrdersArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, or - for standard input
    file: PathBuf,
    /// How it is written; by the file's ending if not given, else csv
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Look through the whole file first, and import nothing if any row is bad
    #[arg(long)]
    strict: bool,
    /// Make guest identities of unknown addresses instead of customers
    #[arg(long)]
    guests: bool,
}

/// Imports; answers 1 if any row was bad or the import stopped, else 0.
pub(super) async fn run(args: ImportArgs) -> Result<ExitCode> {
    let What::Orders(args) = args.what;
    let app = App::build(config(args.config.clone())?).await?;
    orders(&app, &args).await
}

async fn orders(app: &App, args: &OrdersArgs) -> Result<ExitCode> {
    let from_input = args.file.as_os_str() == "-";
    if args.strict && from_input {
        let problem = "--strict reads the file twice, which standard input does not admit";
        return Err(Misconfigured(problem.to_owned()).into());
    }
    let format = args.format.unwrap_or_else(|| by_ending(&args.file));
    let reading = Reading { format, guests: args.guests, now: app.clock.now() };
    if args.strict {
        let is_file = std::fs::metadata(&args.file).with_context(|| named(&args.file))?.is_file();
        ensure!(is_file, "--strict reads the file twice: {} is not a plain file", args.file.display());
        let totals = pass(app, args, reading, Pass::Examine).await?;
        if totals.bad_rows > 0 {
            let (bad, rows) = (totals.bad_rows, totals.rows);
            bail!("{bad} of {rows} rows are bad: nothing was imported");
        }
    }
    let totals = pass(app, args, reading, Pass::Load).await?;
    write!(stdout(), "{totals}").context("writing the totals")?;
    Ok(if totals.bad_rows > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn by_ending(file: &Path) -> Format {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("ndjson" | "jsonl") => Format::Ndjson,
        // A file that says nothing of itself is taken for the most common kind.
        _ => Format::Csv,
    }
}

fn named(file: &Path) -> String {
    format!("reading {}", file.display())
}

#[derive(Clone, Copy)]
enum Pass {
    Examine,
    Load,
}

/// Goes through the file once.
async fn pass(app: &App, args: &OrdersArgs, reading: Reading, pass: Pass) -> Result<Totals> {
    let bar = ProgressBar::no_length();
    let input = open(&args.file, &bar).with_context(|| named(&args.file))?;
    let orders = Orders::open(BufReader::with_capacity(BUFFER, input), reading);
    let orders = orders.map_err(|error| unreadable(error, &args.file))?;
    let mut totals = Totals::default();
    let tell = |bad: &BadRow| {
        // Nobody reads on when standard error is closed; the totals still count the row.
        let _ = bar.suspend(|| writeln!(stderr(), "{bad}"));
    };
    let through = match pass {
        Pass::Examine => examine(app, orders, &mut totals, tell).await,
        Pass::Load => load(app, orders, &mut totals, tell).await,
    };
    bar.finish_and_clear();
    let seconds = bar.elapsed().as_secs_f64();
    match through {
        Ok(()) => {
            // As above: the totals on standard output are what counts.
            let _ = writeln!(stderr(), "{} rows in {seconds:.1} s", totals.rows);
            Ok(totals)
        }
        Err(stopped) => bail!(
            "{}; {} orders of this file are in ({} of them by this run), and the same command goes on from there",
            why(&stopped),
            totals.recorded + totals.unchanged,
            totals.recorded,
        ),
    }
}

/// Opens the file or standard input; `bar` shows how far it is read, unless standard error is no terminal.
fn open(file: &Path, bar: &ProgressBar) -> std::io::Result<Box<dyn Read + Send>> {
    if file.as_os_str() == "-" {
        bar.set_style(style("{spinner} {bytes} {bytes_per_sec}"));
        return Ok(Box::new(bar.wrap_read(stdin())));
    }
    let input = File::open(file)?;
    let about = input.metadata()?;
    if about.is_file() {
        bar.set_length(about.len());
        bar.set_style(style("{bar:40} {percent}% {bytes}/{total_bytes} {bytes_per_sec}, {eta} left"));
    }
    Ok(Box::new(bar.wrap_read(input)))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn unreadable(error: Unreadable, file: &Path) -> anyhow::Error {
    match error {
        Unreadable::Io(error) => anyhow::Error::new(error).context(named(file)),
        Unreadable::Header(problem) => anyhow::anyhow!("{}: {problem}", file.display()),
    }
}

/// One line, with the text of the database: whoever imports is an operator.
fn why(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Reading(error) => format!("the file could not be read on: {error}"),
        Stopped::Writing(fault) => format!("the import could not go on: {}", fault.for_operator()),
    }
}
