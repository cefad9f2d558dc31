//! From bytes to balances of another programme: one item for each balance or bad row, recorded by reference.

use std::io::{self, BufRead};

use chrono::NaiveDate;
use chrono_tz::Tz;
use entity::Instant;
use serde::Deserialize;

use super::ahead::{Ahead, Source, Standing, Stopped, split, told, write_rows};
use super::csv::{columns, split as fields_of};
use super::group::Raw;
use super::lines::Lines;
use super::ndjson::{Text, written};
use super::orders::{first_line, whole, written as line_of};
use super::row::Place;
use super::seen::Seen;
use super::values::{email, external, instant, optional};
use super::{BadRow, BalanceTotals, Item, ProductFormat, Unreadable};
use crate::app::App;
use crate::customers::owners::Named;
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse, split as parted};
use crate::points::amount::Points;
use crate::points::liability::available;
use crate::points::opening::{Balance, Batch, Opened, record};
use crate::points::rules::start_of_day;
use crate::tx::Tx;

const COLUMNS: [&str; 7] =
    ["reference", "email", "customer_id", "points", "expires_at", "tier", "tier_until"];

/// Reads balances in bounded memory; never panics, whatever the bytes.
#[derive(Debug)]
pub struct Balances<R> {
    lines: Lines<R>,
    /// Of a CSV file.
    header: Option<Vec<String>>,
    /// The shop's, in which days end.
    zone: Tz,
    row: u64,
    seen: Seen,
    ended: bool,
}

/// A balance as a row writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Texts {
    reference: Option<Text>,
    email: Option<Text>,
    #[serde(alias = "customerId")]
    customer_id: Option<Text>,
    points: Option<Text>,
    #[serde(alias = "expiresAt")]
    expires_at: Option<Text>,
    tier: Option<Text>,
    #[serde(alias = "tierUntil")]
    tier_until: Option<Text>,
}

impl<R: BufRead> Balances<R> {
    /// Reads the header.
    pub fn open(reader: R, format: ProductFormat, zone: Tz) -> Result<Self, Unreadable> {
        let mut lines = Lines::new(reader);
        let header = match format {
            ProductFormat::Ndjson => None,
            ProductFormat::Csv => Some(header(&first_line(&mut lines)?).map_err(Unreadable::Header)?),
        };
        Ok(Self { lines, header, zone, row: 0, seen: Seen::default(), ended: false })
    }

    /// The next item; none at the end.
    fn advance(&mut self) -> io::Result<Option<Item<Balance>>> {
        let Self { lines, header, zone, row, seen, .. } = self;
        while let Some((number, line)) = lines.next()? {
            let Some((text, problem)) = line_of(line) else { continue };
            *row += 1;
            let raw = Raw { place: Place { row: *row, line: number }, text: &text, problem };
            let read = whole(raw, |text| match header {
                Some(names) => csv(text, names)?.balance(*zone),
                None => ndjson(text)?.balance(*zone),
            });
            return Ok(Some(read.and_then(|row| {
                if seen.is_new(row.record.reference.as_str()) {
                    return Ok(row);
                }
                let reason = format!("reference {} came before", row.record.reference.as_str());
                Err(BadRow { place: row.place, rows: row.rows, reason })
            })));
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Balances<R> {
    type Item = io::Result<Item<Balance>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<R: BufRead + Send + 'static> Source for Balances<R> {
    type Record = Balance;

    fn rows(&self) -> u64 {
        self.row
    }
}

fn header(text: &str) -> Result<Vec<String>, String> {
    let names = columns(text, |name| COLUMNS.contains(&name))?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let mut missing: Vec<&str> = ["reference", "points"].into_iter().filter(|name| !has(name)).collect();
    if !has("email") && !has("customer_id") {
        missing.push("email or customer_id");
    }
    if missing.is_empty() {
        Ok(names)
    } else {
        Err(format!("the header lacks these columns: {}", missing.join(", ")))
    }
}

fn csv(text: &str, names: &[String]) -> Result<Texts, String> {
    let fields = fields_of(text)?;
    if fields.len() != names.len() {
        return Err(format!("has {} fields, the header has {}", fields.len(), names.len()));
    }
    let field = |name: &str| {
        let place = names.iter().position(|found| found == name);
        place.and_then(|place| fields.get(place)).map(|field| Text::Text(field.clone().into_owned()))
    };
    Ok(Texts {
        reference: field("reference"),
        email: field("email"),
        customer_id: field("customer_id"),
        points: field("points"),
        expires_at: field("expires_at"),
        tier: field("tier"),
        tier_until: field("tier_until"),
    })
}

fn ndjson(text: &str) -> Result<Texts, String> {
    serde_json::from_str(text).map_err(|error| format!("is not a balance: {error}"))
}

impl Texts {
    fn balance(self, zone: Tz) -> Result<Balance, String> {
        let Self { reference, email: mailbox, customer_id, points, expires_at, tier, tier_until } = self;
        let [mailbox, customer, code] = [mailbox, customer_id, tier].map(written);
        let mailbox = optional(&mailbox).map(email).transpose()?;
        let customer = optional(&customer).map(|id| external(id, "customer_id")).transpose()?;
        let owner = match (customer, &mailbox) {
            (Some(customer), _) => Named::External(customer),
            (None, Some(email)) => Named::Mailbox(email.clone()),
            (None, None) => return Err("email and customer_id are both empty".to_owned()),
        };
        let at = |text: Option<Text>, column: &str| {
            optional(&written(text)).map(|text| end(text, column, zone)).transpose()
        };
        let until = at(tier_until, "tier_until")?;
        let tier = optional(&code).map(|code| (code.to_owned(), until));
        if tier.is_none() && until.is_some() {
            return Err("tier_until goes with a tier only".to_owned());
        }
        Ok(Balance {
            reference: external(&written(reference), "reference")?,
            owner,
            email: mailbox,
            points: whole_points(&written(points))?,
            expires_at: at(expires_at, "expires_at")?,
            tier,
        })
    }
}

/// An instant, or the end of a day in the shop's time zone.
fn end(text: &str, column: &str, zone: Tz) -> Result<Instant, String> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok().and_then(|day| day.succ_opt());
    match day.and_then(|next| start_of_day(zone, next)) {
        Some(end) => Ok(end),
        None => instant(text, column),
    }
}

fn whole_points(text: &str) -> Result<Points, String> {
    let points = text.trim().parse::<i64>().ok().and_then(|number| Points::try_from(number).ok());
    points.ok_or_else(|| "points is not a whole number from 0 to 2,147,483,647".to_owned())
}

/// Records all of `balances`, telling each bad row; what was counted when it stopped is in `totals`.
pub async fn load_balances<R: BufRead + Send + 'static>(
    app: &App,
    balances: Balances<R>,
    totals: &mut BalanceTotals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    totals.available_before = Some(available(app).await?);
    let mut batches = Ahead::of(balances);
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let counted = |standing: &[Standing], stated: &[Balance], batch, bad: &mut Vec<BadRow>| {
            count(standing, stated, batch, totals, bad);
        };
        write_rows(app, batch.good, &mut bad, write, counted).await?;
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
    totals.available_after = Some(available(app).await?);
    Ok(())
}

/// Looks whether every row could be recorded, and leaves everything as it was; the totals tell what would be recorded.
pub async fn examine_balances<R: BufRead + Send + 'static>(
    app: &App,
    balances: Balances<R>,
    totals: &mut BalanceTotals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    totals.is_trial = true;
    let before = available(app).await?;
    let mut batches = Ahead::of(balances);
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let (standing, stated) = split(batch.good);
        // A refusal takes all of it back.
        let Err(tried) = parted(app.write(&stated[..], try_out).await)? else {
            return Err(Fault::internal("a trial that was not taken back").into());
        };
        // Each batch is taken back before the next: one customer of two batches would count as two.
        let new_customers = 0;
        count(&standing, &stated, Batch { new_customers, ..tried }, totals, &mut bad);
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
    (totals.available_before, totals.available_after) = (Some(before), Some(before + totals.points));
    Ok(())
}

async fn write(tx: &Tx, stated: &[Balance]) -> Result<Batch, Fault> {
    dialect::plan_each_time(tx.db()).await?;
    record(tx, stated).await
}

async fn try_out(tx: &Tx, stated: &[Balance]) -> Outcome<(), Batch> {
    refuse(write(tx, stated).await?)
}

fn count(
    standing: &[Standing],
    stated: &[Balance],
    batch: Batch,
    totals: &mut BalanceTotals,
    bad: &mut Vec<BadRow>,
) {
    for ((place, stated), result) in standing.iter().zip(stated).zip(batch.results) {
        let points = i64::from(stated.points);
        match result {
            Ok(Opened::New) => {
                totals.recorded += 1;
                totals.points += points;
            }
            Ok(Opened::Unchanged) => totals.unchanged += 1,
            Err(reason) => {
                bad.push(place.bad(reason.to_string()));
                continue;
            }
        }
        totals.points_of_file += points;
    }
    totals.new_customers += u64::try_from(batch.new_customers).unwrap_or(u64::MAX);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::on_each_database;

    fn read(format: ProductFormat, text: &str) -> (Vec<Balance>, Vec<String>) {
        let items =
            Balances::open(Cursor::new(text.as_bytes().to_vec()), format, Tz::Europe__Amsterdam).unwrap();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for item in items.map(Result::unwrap) {
            match item {
                Ok(row) => good.push(row.record),
                Err(row) => bad.push(row.to_string()),
            }
        }
        (good, bad)
    }

    async fn run(app: &App, text: &str, dry: bool) -> (BalanceTotals, Vec<String>) {
        let balances =
            Balances::open(Cursor::new(text.as_bytes().to_vec()), ProductFormat::Csv, Tz::Europe__Amsterdam)
                .unwrap();
        let (mut totals, mut bad) = (BalanceTotals::default(), Vec::new());
        let tell = |row: &BadRow| bad.push(row.to_string());
        if dry {
            examine_balances(app, balances, &mut totals, tell).await.unwrap();
        } else {
            load_balances(app, balances, &mut totals, tell).await.unwrap();
        }
        (totals, bad)
    }

    #[test]
    fn both_ways_of_writing_say_the_same() {
        let text = "reference,customer_id,points,expires_at\nB-1,C-1,250,2027-01-31\nB-2,C-2,0,\n";
        let (csv, bad) = read(ProductFormat::Csv, text);
        assert!(bad.is_empty(), "{bad:?}");
        // The whole last day counts, in Amsterdam at UTC+1.
        assert_eq!(csv[0].expires_at, Some("2027-01-31T23:00:00Z".parse().unwrap()));
        let text = r#"{"reference":"B-1","customerId":"C-1","points":250,"expiresAt":"2027-01-31"}
            {"reference":"B-2","customer_id":"C-2","points":"0","expiresAt":null,"email":null}"#;
        assert_eq!(read(ProductFormat::Ndjson, text), (csv, Vec::new()));
    }

    #[test]
    fn each_bad_row_is_told_with_its_reason() {
        let text = "reference,email,customer_id,points,expires_at,tier,tier_until\n\
            ,a@example.com,,1,,,\nB-1,,,1,,,\nB-2,a@example.com,,-1,,,\nB-3,a@example.com,,1.5,,,\n\
            B-4,a@example.com,,1,soon,,\nB-5,a@example.com,,1,,,2027-01-01\nB-6,a@example.com,,1,,,\nB-6,b@example.com,,1,,,\n";
        let (good, bad) = read(ProductFormat::Csv, text);
        assert_eq!(good.len(), 1);
        let expected = [
            "row 1 (line 2): reference must be 1 to 255 characters",
            "row 2 (line 3): email and customer_id are both empty",
            "row 3 (line 4): points is not a whole number from 0 to 2,147,483,647",
            "row 4 (line 5): points is not a whole number from 0 to 2,147,483,647",
            "row 5 (line 6): expires_at is not a date or time of RFC 3339",
            "row 6 (line 7): tier_until goes with a tier only",
            "row 8 (line 9): reference B-6 came before",
        ];
        assert_eq!(bad[1..], expected[1..]);
        assert!(bad[0].starts_with("row 1 (line 2): reference "), "{bad:?}");
        for header in ["reference,points", "reference,email", "email,points", "reference,email,points,colour"]
        {
            assert!(Balances::open(Cursor::new(header), ProductFormat::Csv, Tz::UTC).is_err(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            for format in [ProductFormat::Csv, ProductFormat::Ndjson] {
                let bytes = [b"reference,email,points\n", &bytes[..]].concat();
                if let Ok(balances) = Balances::open(Cursor::new(bytes), format, Tz::UTC) {
                    prop_assert!(balances.count() <= 2_001);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_dry_run_tells_the_totals_and_leaves_nothing_and_a_second_import_adds_nothing() {
        on_each_database(async |app| {
            let rows: String = (0..1_200)
                .map(|n| format!("B-{n},m{}@example.com,{},\n", n / 2, n % 10))
                .collect::<Vec<_>>()
                .concat();
            let text = format!("reference,email,points,expires_at\n{rows}B-x,x@example.com,1,2001-01-01\n");
            let (dry, bad) = run(app, &text, true).await;
            assert_eq!(bad, ["row 1201 (line 1202): expires_at is not in the future"]);
            // 120 times 0 to 9 are 5,400; the point of the bad row is none of them.
            assert_eq!(
                (dry.recorded, dry.points, dry.points_of_file, dry.bad_rows),
                (1_200, 5_400, 5_400, 1)
            );
            assert_eq!((dry.available_before, dry.available_after), (Some(0), Some(5_400)));
            assert!(dry.to_string().starts_with("dry run: nothing is recorded\n"), "{dry}");
            let (first, _) = run(app, &text, false).await;
            assert_eq!(
                (first.recorded, first.unchanged, first.new_customers, first.points),
                (1_200, 0, 600, 5_400)
            );
            assert_eq!((first.available_before, first.available_after), (Some(0), Some(5_400)));
            let (again, _) = run(app, &text, false).await;
            assert_eq!((again.recorded, again.unchanged, again.points), (0, 1_200, 0));
            assert_eq!((again.available_before, again.available_after), (Some(5_400), Some(5_400)));
            let (changed, bad) = run(app, "reference,email,points\nB-1,m0@example.com,2\n", false).await;
            assert_eq!((changed.recorded, changed.bad_rows), (0, 1));
            assert_eq!(bad, ["row 1 (line 2): reference was recorded before with other values"]);
        })
        .await;
    }

    #[tokio::test]
    async fn two_imports_at_once_bring_a_balance_once() {
        on_each_database(async |app| {
            let rows: String =
                (0..700).map(|n| format!("B-{n},m{n}@example.com,3\n")).collect::<Vec<_>>().concat();
            let text = format!("reference,email,points\n{rows}");
            let (one, other) =
                futures_util::future::join(run(app, &text, false), run(app, &text, false)).await;
            assert_eq!((one.0.recorded + other.0.recorded, one.0.points + other.0.points), (700, 2_100));
            assert_eq!((one.0.unchanged + other.0.unchanged, one.1.len() + other.1.len()), (700, 0));
            assert_eq!(available(app).await.unwrap(), 2_100);
        })
        .await;
    }
}
