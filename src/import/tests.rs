use std::io::Cursor;

use chrono::{TimeZone, Utc};
use entity::order::OrderState;
use entity::{customer, points_account};
use proptest::prelude::*;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::orders::Item;
use super::{BadRow, Format, Orders, Reading, Row, Totals, load};
use crate::app::App;
use crate::customers::owners::Named;
use crate::points::programme::{Expiry, Programme};
use crate::settings::ShopSettings;
use crate::testing::{self, Engine};

const HEADER: &str =
    "order_id,placed_at,email,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status";

fn reading(format: Format) -> Reading {
    Reading { format, guests: false, now: Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap() }
}

fn read(format: Format, text: &str) -> Vec<Item> {
    Orders::open(Cursor::new(text.as_bytes().to_vec()), reading(format))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn csv(rows: &[&str]) -> Vec<Item> {
    read(Format::Csv, &format!("{HEADER}\n{}\n", rows.join("\n")))
}

fn good(items: &[Item]) -> Vec<&Row> {
    items.iter().filter_map(|item| item.as_ref().ok()).collect()
}

fn bad(items: &[Item]) -> Vec<&BadRow> {
    items.iter().filter_map(|item| item.as_ref().err()).collect()
}

#[test]
fn rows_of_one_order_become_its_lines() {
    let items = csv(&[
        "A-1,2026-01-02T03:04:05Z,Anna@example.com,EUR,s1,\"Tea, green\",tea,2,10.50,0.21,4.95,delivered",
        "A-1,2026-01-02T03:04:05Z,Anna@example.com,EUR,s2,Pot,,1,20,,,delivered",
        "A-2,2026-01-03,bert@example.com,JPY,s1,Tea,tea,1,100,0,0,paid",
    ]);
    let rows = good(&items);
    assert_eq!(rows.len(), 2);
    let order = &rows[0].record;
    assert_eq!((rows[0].rows, order.lines.len(), order.shipping), (2, 2, 495));
    assert_eq!((order.lines[0].line_total, order.lines[0].tax_rate), (1050, Some(2100)));
    assert_eq!(order.lines[0].name, "Tea, green");
    assert_eq!((order.lines[1].line_total, order.lines[1].tax_rate), (2000, None));
    assert!(matches!(&order.buyer, Named::Mailbox(email) if email.key() == "anna@example.com"));
    assert_eq!((rows[1].record.lines[0].line_total, rows[1].record.state), (100, OrderState::Paid));
}

#[test]
fn a_mistake_in_one_row_leaves_out_its_order_and_no_other() {
    let items = csv(&[
        "A-1,2026-01-02,a@example.com,EUR,s1,Tea,,1,10,,0,paid",
        "A-1,2026-01-02,a@example.com,EUR,s2,Tea,,1,ten,,0,paid",
        "A-2,2026-01-02,b@example.com,EUR,s1,Tea,,1,10,,0,paid",
        "",
        "A-3,2026-01-02,c@example.com,XXX,s1,Tea,,1,10,,0,paid",
    ]);
    assert_eq!(good(&items).len(), 1);
    let bad = bad(&items);
    assert_eq!(
        bad[0].to_string(),
        "row 2 (line 3): line_total is not a plain decimal number; all 2 rows of the order are left out"
    );
    assert!(bad[1].to_string().starts_with("row 4 (line 6): currency"), "{}", bad[1]);
}

#[test]
fn an_order_that_comes_again_further_down_is_a_bad_row() {
    let row = |id: &str| format!("{id},2026-01-02,a@example.com,EUR,s1,Tea,,1,10,,0,paid");
    let items = csv(&[&row("A-1"), &row("A-2"), &row("A-1")]);
    assert_eq!((good(&items).len(), bad(&items).len()), (2, 1));
    assert_eq!(bad(&items)[0].place.row, 3);
}

#[test]
fn a_row_that_cannot_be_read_breaks_the_order_it_stands_in() {
    let row = |id: &str| format!("{id},2026-01-02,a@example.com,EUR,s1,Tea,,1,10,,0,paid");
    let items = csv(&[&row("A-1"), "\"open", &row("A-1"), &row("A-2")]);
    let rows: Vec<u64> = bad(&items).iter().map(|bad| bad.place.row).collect();
    assert_eq!(rows, [2, 2]);
    assert_eq!(good(&items).len(), 1);
}

#[test]
fn ndjson_takes_amounts_as_text_or_numbers() {
    let order = |id: &str, total: &str| {
        format!(
            r#"{{"order_id":{id},"placed_at":"2026-01-02T00:00:00+01:00","customer_id":7,"currency":"EUR","status":"SHIPPED","lines":[{{"sku":"s","quantity":1,"line_total":{total}}}]}}"#
        )
    };
    let text =
        [order("1", "10.5"), order("\"2\"", "\"10.50\""), order("3", "10.005"), "{".to_owned()].join("\n");
    let items = read(Format::Ndjson, &text);
    let totals: Vec<i64> = good(&items).iter().map(|row| row.record.lines[0].line_total).collect();
    assert_eq!(totals, [1050, 1050]);
    assert_eq!(good(&items)[0].record.lines[0].name, "s");
    assert_eq!(bad(&items).iter().map(|bad| bad.place.row).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn cdnow_rows_are_numbered_delivered_orders() {
    let text = include_str!("../../tests/data/cdnow/CDNOW_first_300.txt");
    let items = read(Format::Cdnow, text);
    let rows = good(&items);
    assert_eq!((rows.len(), bad(&items).len()), (300, 0));
    let first = &rows[0].record;
    assert_eq!((first.external_id.as_str(), first.state), ("1", OrderState::Delivered));
    assert!(matches!(&first.buyer, Named::External(id) if id.as_str() == "00001"));
    assert_eq!((first.lines[0].line_total, first.currency.code()), (1177, "USD"));
    assert_eq!(first.placed_at, Some(Utc.with_ymd_and_hms(1997, 1, 1, 0, 0, 0).unwrap()));
}

#[test]
fn what_is_not_utf8_or_endless_is_one_bad_row() {
    let row = b"A-1,2026-01-02,a@example.com,EUR,s1,Tea,,1,10,,0,paid\n";
    let long = vec![b'x'; 3 << 20];
    let bytes = [HEADER.as_bytes(), b"\n", row, b"A-2,\xff\n", &long, b"\nA-3,", &row[4..]].concat();
    let items: Vec<Item> =
        Orders::open(Cursor::new(bytes), reading(Format::Csv)).unwrap().map(Result::unwrap).collect();
    assert_eq!(good(&items).len(), 2);
    let reasons: Vec<String> = bad(&items).iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["row 3 (line 4): is longer than 1 MiB", "row 2 (line 3): is not UTF-8"]);
}

#[test]
fn what_a_file_says_cannot_steer_the_terminal() {
    let items = read(Format::Ndjson, "{\"\\u001b[2J\":1}");
    assert!(!bad(&items)[0].to_string().contains('\u{1b}'));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for format in [Format::Csv, Format::Ndjson, Format::Cdnow] {
            if let Ok(orders) = Orders::open(Cursor::new(bytes.clone()), reading(format)) {
                prop_assert!(orders.count() <= 2_000);
            }
        }
    }

    #[test]
    fn no_rows_make_a_reader_panic_and_every_row_is_told(rows in prop::collection::vec(
        prop_oneof!["[A-C],[0-9-]{0,10},a@b.nl,(EUR|JPY|x),s,n,c,[0-9]{0,9},[0-9.]{0,6},0?,[0-9]?,(paid|x)", "[ -~\"]{1,60}"], 0..20,
    )) {
        let kept: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !row.trim().is_empty()).collect();
        let items = csv(&kept);
        let told: u64 = items.iter().map(|item| item.as_ref().map_or_else(|bad| bad.rows, |row| row.rows)).sum();
        prop_assert!(told >= u64::try_from(kept.len()).unwrap());
    }
}

async fn import(app: &App, text: &'static str) -> (Totals, Vec<String>) {
    let reading = Reading { now: app.clock.now(), ..reading(Format::Cdnow) };
    let orders = Orders::open(Cursor::new(text), reading).unwrap();
    let (mut totals, mut bad) = (Totals::default(), Vec::new());
    load(app, orders, &mut totals, |row| bad.push(row.to_string())).await.unwrap();
    (totals, bad)
}

#[tokio::test]
async fn an_import_that_is_run_again_changes_nothing() {
    let shop = testing::app(Engine::Sqlite).await;
    let app = &shop.app;
    let text = include_str!("../../tests/data/cdnow/CDNOW_first_300.txt");
    let (first, bad) = import(app, text).await;
    assert_eq!((bad.len(), first.rows, first.recorded, first.new_customers), (0, 300, 300, 77));
    // 1 point per whole dollar of each line.
    assert_eq!((first.points, first.points_ever), (10_259, Some(10_259)));
    let (second, _) = import(app, text).await;
    assert_eq!((second.recorded, second.unchanged, second.new_customers), (0, 300, 0));
    assert_eq!((second.points, second.points_ever), (0, Some(10_259)));
    let (mine, theirs) = (first.to_string(), second.to_string());
    let money = |text: &str| text.lines().find(|line| line.starts_with("money")).map(str::to_owned);
    assert_eq!(money(&mine).as_deref(), Some("money USD: 10460.13"));
    assert_eq!(money(&mine), money(&theirs));
}

#[tokio::test]
async fn points_of_an_imported_history_end_only_where_the_member_was_away_for_too_long() {
    testing::on_each_database(async |app| {
        let programme = Programme { expiry: Expiry::MonthsWithoutActivity(12), ..Programme::default() };
        let settings = ShopSettings { version: 1, programme, ..ShopSettings::default() };
        app.use_settings(settings);
        let row = |(order, placed, email, total): (u32, &str, &str, u32)| {
            format!("{order},{placed}T12:00:00Z,{email}@example.com,EUR,s1,Tea,,1,{total},,0,delivered\n")
        };
        // It is 15 January 2026. Never a year away; away from April 2020 for more; and away since 2024.
        let rows = [
            (1, "2019-05-01", "anna", 1),
            (2, "2020-04-01", "anna", 2),
            (3, "2021-03-01", "anna", 4),
            (4, "2022-02-01", "anna", 8),
            (5, "2023-01-15", "anna", 16),
            (6, "2024-01-02", "anna", 32),
            (7, "2025-01-01", "anna", 64),
            (8, "2026-01-01", "anna", 128),
            (9, "2020-04-01", "bert", 1),
            (10, "2021-05-01", "bert", 2),
            (11, "2022-04-01", "bert", 4),
            (12, "2023-03-01", "bert", 8),
            (13, "2024-02-01", "bert", 16),
            (14, "2025-01-20", "bert", 32),
            (15, "2024-01-01", "carl", 1),
        ];
        let text: String = rows.into_iter().rev().map(row).collect();
        let reading = Reading { now: app.clock.now(), ..reading(Format::Csv) };
        let orders = Orders::open(Cursor::new(format!("{HEADER}\n{text}")), reading).unwrap();
        let (mut totals, mut bad) = (Totals::default(), Vec::new());
        load(app, orders, &mut totals, |row| bad.push(row.to_string())).await.unwrap();
        assert_eq!((bad.as_slice(), totals.recorded), ([].as_slice(), 15));
        for (email, available, expired) in [("anna", 255, 0), ("bert", 62, 1), ("carl", 0, 1)] {
            let of = customer::Column::EmailKey.eq(format!("{email}@example.com"));
            let row = customer::Entity::find().filter(of).one(&app.db.read).await.unwrap().unwrap();
            let account = points_account::Entity::find_by_id(entity::id::AccountId(row.id.0));
            let account = account.one(&app.db.read).await.unwrap().unwrap();
            assert_eq!((account.available, account.expired), (available, expired), "{email}");
        }
    })
    .await;
}
