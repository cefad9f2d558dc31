//! What whoever takes the money calls our customers and prices: made there when first needed, then kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::id::CustomerId;
use entity::{billing_customer, billing_price, customer, membership, membership_plan};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter};

use super::payments::{CustomerRef, NewCustomer, NewPrice, PaymentError, Payments, PriceRef};
use crate::app::App;
use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::idempotency;
use crate::money::Money;
use crate::tx::Tx;

/// What a customer is called there.
pub(crate) async fn customer(
    app: &App,
    payments: &dyn Payments,
    id: CustomerId,
) -> Result<CustomerRef, PaymentError> {
    if let Some(known) = known_customer(app, payments.account(), id).await? {
        return Ok(known);
    }
    let row = customer::Entity::find_by_id(id).one(&app.db.read).await.map_err(Fault::from)?;
    let row = row.ok_or(PaymentError::NotFound)?;
    let wanted = NewCustomer { customer: id, email: row.email, name: row.name };
    // Asked with another name or address it would be another request under the same key.
    let key = format!("customer-{}-{}", id.0, short(&idempotency::fingerprint(&wanted)?));
    let made = payments.create_customer(&key, &wanted).await?;
    let known = (id, payments.account().to_owned(), made.0.clone());
    app.change(&known, async |tx: &Tx, (customer, account, reference)| {
        let mut rows = Rows::new("billing_customers", &["customer_id", "account", "reference"]);
        rows.push([customer.0.into(), account.as_str().into(), reference.as_str().into()]);
        rows.insert_missing(tx.db()).await
    })
    .await?;
    // Of two that were made at once, the one that was kept.
    Ok(known_customer(app, payments.account(), id).await?.unwrap_or(made))
}

/// The same, if it is called anything there.
pub(crate) async fn known_customer(
    app: &App,
    account: &str,
    id: CustomerId,
) -> Result<Option<CustomerRef>, Fault> {
    let row = billing_customer::Entity::find_by_id((id, account.to_owned())).one(&app.db.write).await?;
    Ok(row.map(|row| CustomerRef(row.reference)))
}

/// What the price of a membership is called there.
pub(crate) async fn price(
    app: &App,
    payments: &dyn Payments,
    of: &membership::Model,
) -> Result<PriceRef, PaymentError> {
    let plan =
        membership_plan::Entity::find_by_id(of.plan_id).one(&app.db.read).await.map_err(Fault::from)?;
    let plan = plan.ok_or(PaymentError::NotFound)?;
    let currency = of.currency.parse().map_err(Fault::from)?;
    let amount = Money { minor: of.price, currency };
    price_of(app, payments, &NewPrice { plan: plan.id, name: plan.name, amount, billed: of.billed }).await
}

/// The same of any price of a plan.
pub(crate) async fn price_of(
    app: &App,
    payments: &dyn Payments,
    wanted: &NewPrice,
) -> Result<PriceRef, PaymentError> {
    if let Some(known) = known_price(app, payments.account(), wanted).await? {
        return Ok(known);
    }
    let key = format!(
        "price-{}-{}-{}-{}",
        wanted.plan.0,
        wanted.amount.currency,
        wanted.amount.minor,
        wanted.billed.to_value()
    );
    let made = payments.create_price(&key, wanted).await?;
    let known = (wanted.clone(), payments.account().to_owned(), made.0.clone());
    app.change(&known, async |tx: &Tx, (wanted, account, reference)| {
        let columns = &["reference", "account", "plan_id", "currency", "amount", "billed"];
        let mut rows = Rows::new("billing_prices", columns);
        rows.push([
            reference.as_str().into(),
            account.as_str().into(),
            wanted.plan.0.into(),
            wanted.amount.currency.code().into(),
            wanted.amount.minor.into(),
            wanted.billed.to_value().into(),
        ]);
        rows.insert_missing(tx.db()).await
    })
    .await?;
    Ok(known_price(app, payments.account(), wanted).await?.unwrap_or(made))
}

async fn known_price(app: &App, account: &str, wanted: &NewPrice) -> Result<Option<PriceRef>, Fault> {
    use billing_price::Column;
    let row = billing_price::Entity::find()
        .filter(Column::Account.eq(account))
        .filter(Column::PlanId.eq(wanted.plan))
        .filter(Column::Currency.eq(wanted.amount.currency.code()))
        .filter(Column::Amount.eq(wanted.amount.minor))
        .filter(Column::Billed.eq(wanted.billed))
        .one(&app.db.write)
        .await?;
    Ok(row.map(|row| PriceRef(row.reference)))
}

fn short(fingerprint: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&fingerprint[..8.min(fingerprint.len())])
}
