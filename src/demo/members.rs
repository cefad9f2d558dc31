//! A member and somebody who is none, with the same three orders: what the one saved and the other would have saved.

use entity::customer::{Column, Entity};
use entity::id::CustomerId;
use entity::membership_plan::Interval;
use entity::shipping_method::ShippingBasis;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{granted, history, shop};
use crate::app::App;
use crate::billing::sandbox::Card;
use crate::delivery::methods;
use crate::delivery::rules::Rate;
use crate::error::Fault;
use crate::memberships::calls::{self, Answer, Begin};
use crate::memberships::join::{self, Join};
use crate::memberships::plans::{self, Benefits, FreeShipping};
use crate::memberships::sync;
use crate::money::{Currency, Money};
use crate::orders;
use crate::tx::Tx;

/// Orders of each.
const ORDERS: u32 = 3;

/// Ships by post, offers a plan, has one customer join it, and records orders of both.
pub(super) async fn join(app: &App) -> Result<(), Fault> {
    ship_by_post(app).await?;
    offer_plan(app).await?;
    let (member, other) = (customer(app, shop::PLUS_MEMBER).await?, customer(app, shop::NO_MEMBER).await?);
    pay(app, member).await?;
    for number in 0..ORDERS {
        for (buyer, shipping, first) in [(member, 0, 20_001), (other, shop::SHIPPING, 20_101)] {
            let order = history::shipped(buyer, shipping, first + number)?;
            granted(app.write(&order, orders::record_one).await)?;
        }
    }
    Ok(())
}

async fn ship_by_post(app: &App) -> Result<(), Fault> {
    let rate = Rate {
        countries: vec!["NL".parse()?],
        currency: Currency::EUR,
        from: 0,
        price: shop::SHIPPING,
        free_from: None,
    };
    let post = methods::Upsert {
        code: shop::POST.to_owned(),
        names: [("nl".to_owned(), "Per post".to_owned()), ("en".to_owned(), "By post".to_owned())].into(),
        basis: ShippingBasis::Flat,
        active: true,
        position: 1,
        rates: vec![rate],
    };
    granted(app.write(&post, methods::upsert).await).map(drop)
}

async fn offer_plan(app: &App) -> Result<(), Fault> {
    let free_shipping = Some(FreeShipping::default());
    let plan = plans::Upsert {
        code: shop::PLAN.to_owned(),
        name: "Zwaluw Plus".to_owned(),
        description: "Gratis verzending, en eerder bij nieuwe koffie".to_owned(),
        price: Money { minor: 999, currency: Currency::EUR },
        billed: Interval::Month,
        trial_days: 0,
        minimum_months: 0,
        grace_days: 7,
        benefits: Benefits { free_shipping, early_access: true, ..Benefits::default() },
        archived: false,
    };
    granted(app.write(&plan, plans::upsert).await).map(drop)
}

async fn customer(app: &App, email: &str) -> Result<CustomerId, Fault> {
    let row = Entity::find().filter(Column::EmailKey.eq(email)).one(&app.db.read).await?;
    row.map(|row| row.id).ok_or_else(|| Fault::internal("a customer of the demo shop is missing"))
}

/// Joins as a storefront would, and pays in the sandbox; elsewhere, somebody has to pay.
async fn pay(app: &App, customer: CustomerId) -> Result<(), Fault> {
    let Some(sandbox) = app.sandbox() else { return Ok(()) };
    let command = Join { customer, plan: shop::PLAN.to_owned(), begin: Begin::Device };
    let joined = granted(app.write(&command, async |tx: &Tx, command| join::join(tx, command).await).await)?;
    let Answer::Device(Some(confirmation)) = calls::ask_one(app, joined.call).await? else {
        return Err(Fault::internal("the sandbox asks for nothing to be confirmed"));
    };
    sandbox.confirm(&confirmation.client_secret, Card::Pays).await.map_err(sync::unavailable)?;
    sync::sync(app, joined.membership).await
}
