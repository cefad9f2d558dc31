//! A history that is imported, in any order and any batches, gives what it gives when it is lived.

use chrono::TimeDelta;
use entity::Instant;
use entity::order::OrderState;
use sea_orm::EntityTrait;

use super::command::{Act, Command};
use super::imported::end_histories;
use super::ledger::post;
use super::programme::{Expiry, Programme};
use super::{jobs, verify};
use crate::actor::Actor;
use crate::app::App;
use crate::customers::owners::Named;
use crate::external_id::ExternalId;
use crate::money::Currency;
use crate::orders::record::{Record, RecordLine, Recorded, record};
use crate::testing::on_each_database;

/// Days from the order before, and what each costs: of three months to live, the third and the fifth come too late.
const HISTORY: [(i64, i64); 6] = [(0, 10), (80, 20), (95, 40), (60, 80), (200, 160), (30, 320)];

fn order(buyer: &str, number: usize, euros: i64, placed_at: Option<Instant>) -> Record {
    let id = |text: String| ExternalId::try_from(text).unwrap();
    Record {
        external_id: id(format!("{buyer}-{number}")),
        buyer: Named::External(id(buyer.to_owned())),
        email: None,
        channel: "web".to_owned(),
        currency: Currency::EUR,
        lines: vec![RecordLine {
            sku: "A-1".to_owned(),
            name: "Tea".to_owned(),
            categories: Vec::new(),
            quantity: 1,
            line_total: euros * 100,
            tax_rate: None,
            weight_grams: None,
        }],
        shipping: 0,
        placed_at,
        coupon: None,
        hold: None,
        slot_hold: None,
        membership: None,
        shipping_method: None,
        state: OrderState::Delivered,
        name: None,
        shipping_address: None,
        billing_address: None,
        locale: None,
        referral_code: None,
        card: None,
        imported: placed_at.is_some(),
        by: Actor::SYSTEM,
    }
}

/// What a member has, has lost, and when it would end.
type Standing = (i64, i64, Option<Instant>);

async fn standing(app: &App, account: entity::id::AccountId) -> Standing {
    let row = entity::points_account::Entity::find_by_id(account).one(&app.db.read).await.unwrap().unwrap();
    assert_eq!(row.history_since, None);
    (row.available, row.expired, row.inactive_at)
}

async fn recorded(app: &App, records: &[Record]) -> entity::id::AccountId {
    let batch = app.change(records, record).await.unwrap();
    assert!(batch.results.iter().all(|result| matches!(result, Ok(Recorded::New(_)))));
    batch.accounts.into_iter().next().unwrap()
}

fn use_months(app: &App, months: u32) {
    let programme = Programme { expiry: Expiry::MonthsWithoutActivity(months), ..Programme::default() };
    super::histories::run_programme(app, programme);
}

/// Lives the history; answers when each order was placed, and what is left.
async fn lived(app: &App) -> (Vec<Instant>, Standing) {
    let (mut placed, mut account) = (Vec::new(), None);
    for (number, (days, euros)) in HISTORY.into_iter().enumerate() {
        app.clock.advance(TimeDelta::days(days));
        jobs::sweep(app).await.unwrap();
        placed.push(app.clock.now());
        account = Some(recorded(app, &[order("lived", number, euros, None)]).await);
    }
    app.clock.advance(TimeDelta::days(1));
    (placed, standing(app, account.unwrap()).await)
}

#[tokio::test]
async fn an_imported_history_gives_in_any_batches_what_it_gave_lived() {
    on_each_database(async |app| {
        use_months(app, 3);
        let (placed, lived) = lived(app).await;
        // 95 days after the second, and 200 after the fourth, are more than three months: € 160 and € 320 are left.
        assert_eq!((lived.0, lived.1), (480, 150));
        let orders: [[usize; 6]; 3] = [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 5, 0, 4, 1, 3]];
        for (which, order_of) in orders.into_iter().enumerate() {
            for size in [1, 2, 4, 6] {
                let buyer = format!("told-{which}-{size}");
                let records: Vec<Record> = order_of
                    .into_iter()
                    .map(|index| order(&buyer, index, HISTORY[index].1, Some(placed[index])))
                    .collect();
                let mut account = None;
                for batch in records.chunks(size) {
                    account = Some(recorded(app, batch).await);
                    jobs::sweep(app).await.unwrap();
                }
                let account = account.unwrap();
                end_histories(app, &[account].into()).await.unwrap();
                assert_eq!(standing(app, account).await, lived, "{order_of:?} by {size}");
            }
        }
        assert_eq!(verify::verify(app).await.unwrap().drifts, []);
    })
    .await;
}

#[tokio::test]
async fn a_history_that_was_never_told_to_its_end_is_judged_when_its_member_acts_or_a_day_has_passed() {
    on_each_database(async |app| {
        use_months(app, 1);
        let placed = app.clock.now() - TimeDelta::days(400);
        let mut accounts = Vec::new();
        for buyer in ["acts", "waits"] {
            let old = order(buyer, 0, 10, Some(placed));
            let new = order(buyer, 1, 20, Some(app.clock.now() - TimeDelta::days(2)));
            accounts.push(recorded(app, &[old, new]).await);
        }
        jobs::sweep(app).await.unwrap();
        let available = async |index: usize| {
            let row = entity::points_account::Entity::find_by_id(accounts[index]);
            row.one(&app.db.read).await.unwrap().unwrap().available
        };
        assert_eq!((available(0).await, available(1).await), (30, 30));
        // What should have ended long ago cannot be spent.
        let amount = super::amount::Points::try_from(21).unwrap();
        let redeem = |amount| Command {
            account: accounts[0],
            act: Act::Redeem(amount, None),
            by: Actor::SYSTEM,
            effective_at: None,
            imported: false,
        };
        let spend = app.change(&[redeem(amount)][..], post).await.unwrap();
        assert!(spend[0].is_err(), "{spend:?}");
        assert_eq!(standing(app, accounts[0]).await.0, 20);
        app.clock.advance(TimeDelta::hours(23));
        jobs::sweep(app).await.unwrap();
        assert_eq!(available(1).await, 30);
        app.clock.advance(TimeDelta::hours(1));
        jobs::sweep(app).await.unwrap();
        assert_eq!(standing(app, accounts[1]).await.0, 20);
    })
    .await;
}
