//! From bytes to products: one item for each product or bad row, recorded by sku.

use std::io::{self, BufRead};

use super::ahead::{Ahead, Source, Standing, Stopped, split, told, write_rows};
use super::group::Raw;
use super::lines::Lines;
use super::orders::{first_line, whole, written};
use super::product_rows::{Header, csv, ndjson, reason_of};
use super::row::Place;
use super::seen::Seen;
use super::{BadRow, Item, ProductTotals, Unreadable};
use crate::app::App;
use crate::catalog::Upsert;
use crate::catalog::rules::InvalidProduct;
use crate::catalog::upsert::{Upserted, upsert_batch};
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse, split as parted};
use crate::tx::Tx;

/// How a file of products is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProductFormat {
    /// One product a line, with a header
    Csv,
    /// One product a line, as a JSON object
    Ndjson,
}

/// Reads products in bounded memory; never panics, whatever the bytes.
#[derive(Debug)]
pub struct Products<R> {
    lines: Lines<R>,
    /// Of a CSV file.
    header: Option<Header>,
    row: u64,
    seen: Seen,
    ended: bool,
}

impl<R: BufRead> Products<R> {
    /// Reads the header.
    pub fn open(reader: R, format: ProductFormat) -> Result<Self, Unreadable> {
        let mut lines = Lines::new(reader);
        let header = match format {
            ProductFormat::Ndjson => None,
            ProductFormat::Csv => Some(Header::read(&first_line(&mut lines)?).map_err(Unreadable::Header)?),
        };
        Ok(Self { lines, header, row: 0, seen: Seen::default(), ended: false })
    }

    /// The next item; none at the end.
    fn advance(&mut self) -> io::Result<Option<Item<Upsert>>> {
        let Self { lines, header, row, seen, .. } = self;
        while let Some((number, line)) = lines.next()? {
            let Some((text, problem)) = written(line) else { continue };
            *row += 1;
            let raw = Raw { place: Place { row: *row, line: number }, text: &text, problem };
            let read = whole(raw, |text| match header {
                Some(header) => csv(text, header),
                None => ndjson(text),
            });
            return Ok(Some(read.and_then(|row| {
                if seen.is_new(&row.record.sku) {
                    return Ok(row);
                }
                let reason = format!("product {} came before", row.record.sku);
                Err(BadRow { place: row.place, rows: row.rows, reason })
            })));
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Products<R> {
    type Item = io::Result<Item<Upsert>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<R: BufRead + Send + 'static> Source for Products<R> {
    type Record = Upsert;

    fn rows(&self) -> u64 {
        self.row
    }
}

/// Makes or changes all of `products`, telling each bad row; what was counted when it stopped is in `totals`.
pub async fn load_products<R: BufRead + Send + 'static>(
    app: &App,
    products: Products<R>,
    totals: &mut ProductTotals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    let mut batches = Ahead::of(products);
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let counted = |standing: &[Standing], stated: &[Upsert], results, bad: &mut Vec<BadRow>| {
            count(standing, stated, results, totals, bad);
        };
        write_rows(app, batch.good, &mut bad, write, counted).await?;
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
    Ok(())
}

/// Looks whether every row could be written, and leaves everything as it was.
pub async fn examine_products<R: BufRead + Send + 'static>(
    app: &App,
    products: Products<R>,
    totals: &mut ProductTotals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    let mut batches = Ahead::of(products);
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let (standing, stated) = split(batch.good);
        // A refusal takes all of it back.
        let tried = app.write(&stated[..], try_out).await;
        let Err(results) = parted(tried)? else {
            return Err(Fault::internal("a trial that was not taken back").into());
        };
        let refused = standing.iter().zip(results).filter_map(|(place, result)| Some((place, result.err()?)));
        bad.extend(refused.map(|(place, reason)| place.bad(reason_of(&reason))));
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
    Ok(())
}

type Results = Vec<Result<Upserted, InvalidProduct>>;

async fn write(tx: &Tx, stated: &[Upsert]) -> Result<Results, Fault> {
    dialect::plan_each_time(tx.db()).await?;
    upsert_batch(tx, stated).await
}

async fn try_out(tx: &Tx, stated: &[Upsert]) -> Outcome<(), Results> {
    refuse(write(tx, stated).await?)
}

fn count(
    standing: &[Standing],
    stated: &[Upsert],
    results: Results,
    totals: &mut ProductTotals,
    bad: &mut Vec<BadRow>,
) {
    for ((place, stated), result) in standing.iter().zip(stated).zip(results) {
        match result {
            Ok(Upserted::New(_)) => totals.new += 1,
            Ok(Upserted::Changed(_)) => totals.changed += 1,
            Ok(Upserted::Unchanged(_)) => totals.unchanged += 1,
            Err(reason) => {
                bad.push(place.bad(reason_of(&reason)));
                continue;
            }
        }
        totals.stock += i64::from(stated.stock.stated().copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::customers::write::Change;
    use crate::testing::on_each_database;

    const HEADER: &str = "sku,name,categories,public_from,early_access_from,replenish_after_days,care_window_days,stock,companions";

    fn read(format: ProductFormat, text: &str) -> (Vec<Upsert>, Vec<String>) {
        let items = Products::open(Cursor::new(text.as_bytes().to_vec()), format).unwrap();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for item in items.map(Result::unwrap) {
            match item {
                Ok(row) => good.push(row.record),
                Err(row) => bad.push(row.to_string()),
            }
        }
        (good, bad)
    }

    async fn load(app: &App, text: &str) -> (ProductTotals, Vec<String>) {
        let products = Products::open(Cursor::new(text.as_bytes().to_vec()), ProductFormat::Csv).unwrap();
        let (mut totals, mut bad) = (ProductTotals::default(), Vec::new());
        load_products(app, products, &mut totals, |row| bad.push(row.to_string())).await.unwrap();
        (totals, bad)
    }

    #[test]
    fn an_empty_column_means_none_and_a_missing_one_leaves_it() {
        let row = "tea,\"Tea, green\",drinks | hot,2026-02-01,2026-01-25T10:00:00+01:00,30,120,7,pot|cup";
        let (good, bad) = read(ProductFormat::Csv, &format!("{HEADER}\n{row}\npot,Pot,,,,,,,\n"));
        assert!(bad.is_empty(), "{bad:?}");
        let tea = &good[0];
        assert_eq!(tea.name.as_deref(), Some("Tea, green"));
        assert_eq!(tea.categories, Change::Set(vec!["drinks".to_owned(), "hot".to_owned()]));
        assert_eq!(tea.public_from, Change::Set("2026-02-01T00:00:00Z".parse().unwrap()));
        assert_eq!(tea.early_access_from, Change::Set("2026-01-25T09:00:00Z".parse().unwrap()));
        assert_eq!((&tea.replenish_after_days, &tea.care_window_days), (&Change::Set(30), &Change::Set(120)));
        assert_eq!(tea.companions, Change::Set(vec!["pot".to_owned(), "cup".to_owned()]));
        assert_eq!((&good[1].stock, &good[1].categories), (&Change::Clear, &Change::Clear));
        let (good, _) = read(ProductFormat::Csv, "name,sku\nPot,pot\n");
        assert_eq!((good[0].sku.as_str(), &good[0].stock), ("pot", &Change::Keep));
    }

    #[test]
    fn ndjson_says_none_with_null() {
        let text = r#"{"sku":"tea","name":"Tea","stock":3,"publicFrom":"2026-02-01T00:00:00Z","companions":null}
            {"sku":"pot","archived":true}
            {"sku":"cup","colour":"red"}
            {"sku":"tray","stock":-1}"#;
        let (good, bad) = read(ProductFormat::Ndjson, text);
        assert_eq!(
            (&good[0].stock, &good[0].companions, &good[0].categories),
            (&Change::Set(3), &Change::Clear, &Change::Keep)
        );
        assert_eq!((good[1].archived, &good[1].name), (Some(true), &None));
        assert!(bad[0].starts_with("row 3 (line 3): is not a product: unknown field `colour`"), "{bad:?}");
        assert_eq!(bad[1], "row 4 (line 4): stock is negative");
    }

    #[test]
    fn each_bad_row_is_told_with_its_reason() {
        let rows =
            "tea,Tea,,,,,,,\n\nnew,New,,soon,,,,,\nold,Old,,,,0,,,\nfew,Few\nx,,,,,,,,\ntea,Tea,,,,,,,\n";
        let (good, bad) = read(ProductFormat::Csv, &format!("{HEADER}\n{rows}"));
        assert_eq!(good.len(), 1);
        let expected = [
            "row 2 (line 4): public_from is not a date or time of RFC 3339",
            "row 3 (line 5): replenish_after_days must be 1 to 3650",
            "row 4 (line 6): has 2 fields, the header has 9",
            "row 5 (line 7): name is empty",
            "row 6 (line 8): product tea came before",
        ];
        assert_eq!(bad, expected);
        for header in ["sku", "name,stock", "sku,name,colour", "sku,name,sku", ""] {
            assert!(Products::open(Cursor::new(header), ProductFormat::Csv).is_err(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            for format in [ProductFormat::Csv, ProductFormat::Ndjson] {
                let bytes = [format!("{HEADER}\n").as_bytes(), &bytes].concat();
                if let Ok(products) = Products::open(Cursor::new(bytes), format) {
                    prop_assert!(products.count() <= 2_001);
                }
            }
        }
    }

    #[tokio::test]
    async fn an_import_that_is_run_again_changes_nothing_and_goes_on_where_it_stopped() {
        on_each_database(async |app| {
            let rows = |count: usize| -> String {
                let row = |number: usize| format!("s{number},Thing {number},a|b,,,,,{},s0|s1\n", number % 10);
                format!(
                    "{HEADER}\n{}",
                    (0..count)
                        .map(row)
                        .filter(|row| !row.starts_with("s0,") && !row.starts_with("s1,"))
                        .collect::<String>()
                )
            };
            let (half, bad) = load(app, &rows(602)).await;
            assert!(bad.is_empty(), "{bad:?}");
            // 600 rows from s2 on: 60 times 0 to 9 add up to 2,700.
            let expected = ProductTotals { rows: 600, new: 600, stock: 2_700, ..ProductTotals::default() };
            assert_eq!(half, expected);
            let (whole, _) = load(app, &rows(1_202)).await;
            let expected = ProductTotals {
                rows: 1_200,
                new: 600,
                unchanged: 600,
                stock: 5_400,
                ..ProductTotals::default()
            };
            assert_eq!(whole, expected);
            let (again, _) = load(app, &rows(1_202)).await;
            assert_eq!((again.new, again.changed, again.unchanged), (0, 0, 1_200));
            let (changed, _) = load(app, "sku,name,stock\ns5,Thing 5,99\ns6,Thing 6,6\n").await;
            assert_eq!((changed.changed, changed.unchanged, changed.stock), (1, 1, 105));
        })
        .await;
    }

    #[tokio::test]
    async fn what_depends_on_what_is_known_is_told_too_and_a_trial_leaves_nothing() {
        on_each_database(async |app| {
            load(app, "sku,name,public_from\ntea,Tea,2026-02-01\n").await;
            let text = "sku,name,early_access_from\ntea,Tea,2026-02-02\npot,Pot,2026-02-02\n";
            let products = || Products::open(Cursor::new(text), ProductFormat::Csv).unwrap();
            let (mut totals, mut bad) = (ProductTotals::default(), Vec::new());
            let examined =
                examine_products(app, products(), &mut totals, |row| bad.push(row.to_string())).await;
            examined.unwrap();
            assert_eq!(bad, ["row 1 (line 2): early_access_from is after public_from"]);
            assert_eq!((totals.rows, totals.bad_rows), (2, 1));
            let (loaded, bad) = load(app, text).await;
            // The pot is new still: the trial made none.
            assert_eq!((loaded.new, loaded.bad_rows, bad.len()), (1, 1, 1));
        })
        .await;
    }
}
