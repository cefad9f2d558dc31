//! What the shop holds, as files: complete, for staff with the rights only, and harmless in a spreadsheet.

use entity::staff::Role;
use reqwest::Method;
use serde_json::json;

use crate::support::{Caller, TestApp, both_engines};

async fn fetched(shop: &TestApp, caller: &Caller, what: &str) -> reqwest::Response {
    let request = shop.serving.request(Method::GET, &format!("/export/{what}.csv"));
    caller.sign(request).send().await.unwrap()
}

/// The rows of a file, the header first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The cells of a column, by its name.
fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let place = rows[0].iter().position(|cell| cell == name).unwrap();
    rows[1..].iter().map(|row| row[place].clone()).collect()
}

both_engines! {
    async fn members_are_exported_whole_with_formulas_as_text(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 120).await;
        let formula = "=HYPERLINK(\"http://evil.example\",\"click\")";
        shop.done(&joan, "customerUpdate", json!({ "name": formula })).await;
        let answer = fetched(shop, &owner, "members").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"members.csv\"");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let rows = rows(&answer.text().await.unwrap());
        assert_eq!(column(&rows, "name"), [format!("'{formula}")]);
        assert_eq!(column(&rows, "available"), ["120"]);
        assert_eq!(column(&rows, "created_at"), ["2026-01-15T12:00:00Z"]);
    }

    async fn the_exported_ledger_adds_up_to_the_balances_over_many_pages(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Analyst).await);
        let file: String = (0..2_300).map(|n| format!("B-{n},m{n}@example.com,{}\n", n % 7 + 1)).collect::<Vec<_>>().concat();
        let file = format!("reference,email,points\n{file}");
        let balances = regulars::import::Balances::open(std::io::Cursor::new(file), regulars::import::ProductFormat::Csv, chrono_tz::Tz::UTC);
        let mut totals = regulars::import::BalanceTotals::default();
        regulars::import::load_balances(&shop.app, balances.unwrap(), &mut totals, |bad| panic!("{bad:?}")).await.unwrap();
        let joan = shop.as_member(&server, 50).await;
        shop.done(&server, "pointsRedeem", json!({ "customerId": joan.customer_id(), "points": 20, "reference": "=gift" })).await;
        let rows = rows(&fetched(shop, &owner, "entries").await.text().await.unwrap());
        let points: Vec<i64> = column(&rows, "points").iter().map(|cell| cell.parse().unwrap()).collect();
        let (to, from) = (column(&rows, "to_bucket"), column(&rows, "from_bucket"));
        let moved = |names: &[String]| -> i64 {
            names.iter().zip(&points).filter(|(name, _)| *name == "AVAILABLE").map(|(_, points)| points).sum()
        };
        assert_eq!(moved(&to) - moved(&from), totals.points + 30);
        let ids: std::collections::BTreeSet<String> = column(&rows, "id").into_iter().collect();
        assert_eq!(ids.len(), rows.len() - 1, "an entry twice");
    }

    async fn only_staff_who_may_read_it_export_and_it_is_written_down(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 1).await;
        for (caller, status) in [(&Caller::anonymous(), 401), (&joan, 403), (&server, 403)] {
            let answer = shop.unchanged_by(async || fetched(shop, caller, "members").await).await;
            assert_eq!(answer.status(), status);
            assert!(!answer.text().await.unwrap().contains('@'));
        }
        fetched(shop, &owner, "members").await;
        let entries = "{ auditEntries(first: 50) { nodes { act actorKind detail } } }";
        let entries = shop.graphql(&owner, entries, json!({})).await;
        let exports = entries.at("/auditEntries/nodes").as_array().unwrap().iter().filter(|entry| entry["act"] == "export");
        assert_eq!(exports.map(|entry| entry["actorKind"].clone()).collect::<Vec<_>>(), [json!("STAFF")]);
    }
}
