//! The addresses of a customer: at most fifty; one at most is where orders go and one where invoices go, and once there is
//! one it is followed by another. The lock on the customer keeps that true, and a unique key stands behind it. Only what
//! an order said before its buyer was known is kept without becoming either.

use entity::customer_address::{ActiveModel, Column, Entity, Model};
use entity::id::{AddressId, CustomerId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, Set,
    Unchanged,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::CustomerError;
use super::address::{Address, Stated};
use super::write::{audited, locked, tell};
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// A customer has at most so many.
pub const MOST: usize = 50;

/// What an address is to be besides itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Defaults {
    /// Orders go here from now on.
    pub shipping: bool,
    /// Invoices go here from now on.
    pub billing: bool,
}

/// An address that a customer gets.
#[derive(Clone, Debug, Serialize)]
pub struct Create {
    /// Whose; none if the id that was given is nobody's, or not the caller's to change.
    pub customer: Option<CustomerId>,
    /// The address.
    pub address: Address,
    /// Whether it takes the place of the defaults; where there is none it does anyhow.
    pub defaults: Defaults,
}

/// An address of a customer, as far as the caller may change it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Which {
    /// None if the id that was given is no address.
    pub address: Option<AddressId>,
    /// Only if it is this customer's; anybody's if none.
    pub of: Option<CustomerId>,
}

/// A change of an address.
#[derive(Clone, Debug, Serialize)]
pub struct Update {
    /// Which.
    pub which: Which,
    /// In place of the one before, whole.
    pub address: Option<Address>,
    /// Whether it takes the place of the defaults.
    pub defaults: Defaults,
}

/// What was written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Written {
    /// Whose it is.
    pub customer: CustomerId,
    /// Which address.
    pub address: AddressId,
}

/// All addresses of a customer, those kept longest first.
pub(crate) async fn of(db: &impl ConnectionTrait, customer: CustomerId) -> Result<Vec<Model>, Fault> {
    let theirs = Entity::find().filter(Column::CustomerId.eq(customer));
    Ok(theirs.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id).all(db).await?)
}

/// One address.
pub(crate) async fn find(db: &impl ConnectionTrait, address: AddressId) -> Result<Option<Model>, Fault> {
    Ok(Entity::find_by_id(address).one(db).await?)
}

/// Keeps an address.
pub(crate) async fn create(tx: &Tx, create: &Create) -> Outcome<Written, CustomerError> {
    let Some(id) = create.customer else { return refuse(CustomerError::NotFound) };
    let Some(customer) = locked(tx, id).await? else { return refuse(CustomerError::NotFound) };
    let others = of(tx.db(), customer.id).await?;
    if others.len() >= MOST {
        return refuse(CustomerError::AddressLimit);
    }
    let defaults = Defaults {
        shipping: create.defaults.shipping || !others.iter().any(|other| other.default_shipping),
        billing: create.defaults.billing || !others.iter().any(|other| other.default_billing),
    };
    clear_defaults(tx, customer.id, defaults).await?;
    let row = kept(tx, customer.id, create.address.clone(), defaults).insert(tx.db()).await?;
    audited(tx, "customer.address.create", customer.id, &json!({}), &told(&row)?).await?;
    tell(tx, "customer.updated", customer.id).await?;
    Ok(Written { customer: customer.id, address: row.id })
}

/// Changes an address, or makes it a default.
pub(crate) async fn update(tx: &Tx, update: &Update) -> Outcome<Written, CustomerError> {
    let before = locked_address(tx, update.which).await?;
    clear_defaults(tx, before.customer_id, update.defaults).await?;
    let change = ActiveModel {
        id: Unchanged(before.id),
        default_shipping: Set(before.default_shipping || update.defaults.shipping),
        default_billing: Set(before.default_billing || update.defaults.billing),
        updated_at: Set(tx.now()),
        ..update.address.clone().map(stated).unwrap_or_default()
    };
    let after = change.update(tx.db()).await?;
    audited(tx, "customer.address.update", before.customer_id, &told(&before)?, &told(&after)?).await?;
    tell(tx, "customer.updated", before.customer_id).await?;
    Ok(Written { customer: before.customer_id, address: before.id })
}

/// Forgets an address; the one kept last takes its place as a default: what an order said before its buyer was known is
/// older than all the customer's own.
pub(crate) async fn delete(tx: &Tx, which: &Which) -> Outcome<Written, CustomerError> {
    let gone = locked_address(tx, *which).await?;
    Entity::delete_by_id(gone.id).exec(tx.db()).await?;
    if let Some(next) = of(tx.db(), gone.customer_id).await?.last() {
        Entity::update_many()
            .col_expr(Column::DefaultShipping, Expr::val(next.default_shipping || gone.default_shipping))
            .col_expr(Column::DefaultBilling, Expr::val(next.default_billing || gone.default_billing))
            .filter(Column::Id.eq(next.id))
            .exec(tx.db())
            .await?;
    }
    audited(tx, "customer.address.delete", gone.customer_id, &told(&gone)?, &json!({})).await?;
    tell(tx, "customer.updated", gone.customer_id).await?;
    Ok(Written { customer: gone.customer_id, address: gone.id })
}

/// The address, with its customer locked.
async fn locked_address(tx: &Tx, which: Which) -> Outcome<Model, CustomerError> {
    let Some(id) = which.address else { return refuse(CustomerError::AddressNotFound) };
    let Some(found) = find(tx.db(), id).await? else { return refuse(CustomerError::AddressNotFound) };
    let Some(customer) = locked(tx, found.customer_id).await? else {
        return Err(Fault::internal("an address of nobody").into());
    };
    // Read again behind the lock: it may have been changed, deleted or merged meanwhile.
    let found = find(tx.db(), id).await?.filter(|row| row.customer_id == customer.id);
    match found.filter(|row| which.of.is_none_or(|of| of == row.customer_id)) {
        Some(row) => Ok(row),
        None => refuse(CustomerError::AddressNotFound),
    }
}

/// Makes room for a new default; before the new one is written, since there may never be two.
async fn clear_defaults(tx: &Tx, customer: CustomerId, defaults: Defaults) -> Result<(), Fault> {
    for (column, is_taken) in
        [(Column::DefaultShipping, defaults.shipping), (Column::DefaultBilling, defaults.billing)]
    {
        if is_taken {
            Entity::update_many()
                .col_expr(column, Expr::val(false))
                .filter(Column::CustomerId.eq(customer).and(column.eq(true)))
                .exec(tx.db())
                .await?;
        }
    }
    Ok(())
}

/// A new row for an address of a customer.
pub(super) fn kept(tx: &Tx, customer: CustomerId, address: Address, defaults: Defaults) -> ActiveModel {
    ActiveModel {
        id: Set(tx.id()),
        customer_id: Set(customer),
        default_shipping: Set(defaults.shipping),
        default_billing: Set(defaults.billing),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..stated(address)
    }
}

/// The columns that hold the address itself.
fn stated(address: Address) -> ActiveModel {
    let Address { name, company, line1, line2, postal_code, city, region, country, phone } = address;
    ActiveModel {
        name: Set(name),
        company: Set(company),
        line1: Set(line1),
        line2: Set(line2),
        postal_code: Set(postal_code),
        city: Set(city),
        region: Set(region),
        country: Set(country.as_str().to_owned()),
        phone: Set(phone.map(String::from)),
        ..Default::default()
    }
}

/// The address that a row holds.
pub(crate) fn address(row: Model) -> Result<Address, Fault> {
    Ok(Stated::from(row).try_into()?)
}

fn told(row: &Model) -> Result<Json, Fault> {
    let mut told = serde_json::to_value(address(row.clone())?)?;
    told["id"] = json!(row.id);
    told["defaultShipping"] = json!(row.default_shipping);
    told["defaultBilling"] = json!(row.default_billing);
    Ok(told)
}
