//! `regulars import`: brings a shop's past, its products and the balances of another programme in.

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
use crate::import::{
    BadRow, BalanceTotals, Balances, Control, Format, Orders, ProductFormat, ProductTotals, Products,
    Reading, Stopped, Totals, Unreadable, examine, examine_balances, examine_products, load, load_balances,
    load_products,
};

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
    /// Products from a file, by sku; what a file does not say of one is left as it is
    Products(ProductsArgs),
    /// Balances of another programme, by reference; those that are in already are left as they are
    Balances(BalancesArgs),
}

/// What every import takes.
#[derive(Clone, Debug, Args)]
struct FileArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, or - for standard input
    file: PathBuf,
    /// Look through the whole file first, and import nothing if any row is bad
    #[arg(long)]
    strict: bool,
}

/// What `regulars import orders` takes.
#[derive(Clone, Debug, Args)]
struct OrdersArgs {
    #[command(flatten)]
    from: FileArgs,
    /// How it is written; by the file's ending if not given, else csv
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Make guest identities of unknown addresses instead of customers
    #[arg(long)]
    guests: bool,
}

/// What `regulars import products` takes.
#[derive(Clone, Debug, Args)]
struct ProductsArgs {
    #[command(flatten)]
    from: FileArgs,
    /// How it is written; by the file's ending if not given, else csv
    #[arg(long, value_enum)]
    format: Option<ProductFormat>,
}

/// What `regulars import balances` takes.
#[derive(Clone, Debug, Args)]
struct BalancesArgs {
    #[command(flatten)]
    from: FileArgs,
    /// How it is written; by the file's ending if not given, else csv
    #[arg(long, value_enum)]
    format: Option<ProductFormat>,
    /// Tell what would be recorded, and record nothing
    #[arg(long)]
    dry_run: bool,
}

/// Imports; answers 1 if any row was bad or the import stopped, else 0.
pub(super) async fn run(args: ImportArgs) -> Result<ExitCode> {
    match args.what {
        What::Orders(args) => orders(&args).await,
        What::Products(args) => products(&args).await,
        What::Balances(args) => balances(&args).await,
    }
}

async fn orders(args: &OrdersArgs) -> Result<ExitCode> {
    let app = &app(&args.from).await?;
    let by_ending = if is_ndjson(&args.from.file) { Format::Ndjson } else { Format::Csv };
    let format = args.format.unwrap_or(by_ending);
    let reading = Reading { format, guests: args.guests, now: app.clock.now() };
    let open = |input| Orders::open(input, reading);
    let look = async |orders, totals: &mut Totals, tell: Tell<'_>| examine(app, orders, totals, tell).await;
    let record = async |orders, totals: &mut Totals, tell: Tell<'_>| load(app, orders, totals, tell).await;
    imported(&args.from, open, look, record).await
}

async fn products(args: &ProductsArgs) -> Result<ExitCode> {
    let app = &app(&args.from).await?;
    let by_ending = if is_ndjson(&args.from.file) { ProductFormat::Ndjson } else { ProductFormat::Csv };
    let format = args.format.unwrap_or(by_ending);
    let open = |input| Products::open(input, format);
    let look = async |products, totals: &mut ProductTotals, tell: Tell<'_>| {
        examine_products(app, products, totals, tell).await
    };
    let record = async |products, totals: &mut ProductTotals, tell: Tell<'_>| {
        load_products(app, products, totals, tell).await
    };
    imported(&args.from, open, look, record).await
}

async fn balances(args: &BalancesArgs) -> Result<ExitCode> {
    let app = &app(&args.from).await?;
    let by_ending = if is_ndjson(&args.from.file) { ProductFormat::Ndjson } else { ProductFormat::Csv };
    let format = args.format.unwrap_or(by_ending);
    let zone = app.settings().time_zone;
    let open = |input| Balances::open(input, format, zone);
    let look = async |balances, totals: &mut BalanceTotals, tell: Tell<'_>| {
        examine_balances(app, balances, totals, tell).await
    };
    if args.dry_run {
        let totals = pass(&args.from.file, &open, look).await?;
        return printed(&totals);
    }
    let record = async |balances, totals: &mut BalanceTotals, tell: Tell<'_>| {
        load_balances(app, balances, totals, tell).await
    };
    imported(&args.from, open, look, record).await
}

async fn app(args: &FileArgs) -> Result<App> {
    if args.strict && args.file.as_os_str() == "-" {
        let problem = "--strict reads the file twice, which standard input does not admit";
        return Err(Misconfigured(problem.to_owned()).into());
    }
    App::build(config(args.config.clone())?).await
}

/// What is read from.
type Input = BufReader<Box<dyn Read + Send>>;
/// Where bad rows are told.
type Tell<'a> = &'a mut dyn FnMut(&BadRow);

/// Looks through the file first if it is to be strict, and records it.
async fn imported<S, T: Control>(
    args: &FileArgs,
    open: impl Fn(Input) -> Result<S, Unreadable>,
    look: impl AsyncFn(S, &mut T, Tell<'_>) -> Result<(), Stopped>,
    record: impl AsyncFn(S, &mut T, Tell<'_>) -> Result<(), Stopped>,
) -> Result<ExitCode> {
    if args.strict {
        let is_file = std::fs::metadata(&args.file).with_context(|| named(&args.file))?.is_file();
        ensure!(is_file, "--strict reads the file twice: {} is not a plain file", args.file.display());
        let totals = pass(&args.file, &open, look).await?;
        if totals.bad_rows() > 0 {
            let (bad, rows) = (totals.bad_rows(), totals.rows());
            bail!("{bad} of {rows} rows are bad: nothing was imported");
        }
    }
    printed(&pass(&args.file, &open, record).await?)
}

/// Writes the totals; answers 1 if any row was bad, else 0.
fn printed(totals: &impl Control) -> Result<ExitCode> {
    write!(stdout(), "{totals}").context("writing the totals")?;
    Ok(if totals.bad_rows() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A file that says nothing of itself is taken for the most common kind.
fn is_ndjson(file: &Path) -> bool {
    matches!(file.extension().and_then(|ending| ending.to_str()), Some("ndjson" | "jsonl"))
}

fn named(file: &Path) -> String {
    format!("reading {}", file.display())
}

/// Goes through the file once.
async fn pass<S, T: Control>(
    file: &Path,
    open: impl Fn(Input) -> Result<S, Unreadable>,
    through: impl AsyncFn(S, &mut T, Tell<'_>) -> Result<(), Stopped>,
) -> Result<T> {
    let bar = ProgressBar::no_length();
    let input = read(file, &bar).with_context(|| named(file))?;
    let source = open(BufReader::with_capacity(BUFFER, input)).map_err(|error| unreadable(error, file))?;
    let mut totals = T::default();
    let mut tell = |bad: &BadRow| {
        // Nobody reads on when standard error is closed; the totals still count the row.
        let _ = bar.suspend(|| writeln!(stderr(), "{bad}"));
    };
    let ended = through(source, &mut totals, &mut tell).await;
    bar.finish_and_clear();
    let seconds = bar.elapsed().as_secs_f64();
    match ended {
        Ok(()) => {
            // As above: the totals on standard output are what counts.
            let _ = writeln!(stderr(), "{} rows in {seconds:.1} s", totals.rows());
            Ok(totals)
        }
        Err(stopped) => {
            bail!("{}; {}, and the same command goes on from there", why(&stopped), totals.so_far())
        }
    }
}

/// Opens the file or standard input; `bar` shows how far it is read, unless standard error is no terminal.
fn read(file: &Path, bar: &ProgressBar) -> std::io::Result<Box<dyn Read + Send>> {
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
