//! The addresses of an order become those of the account that is made from it.

use entity::customer_address::{Column, Entity};
use entity::id::CustomerId;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};

use super::address::{Address, Stated};
use super::addresses::{self, Defaults, MOST};
use crate::error::Fault;
use crate::tx::Tx;

/// What an order says of where it goes.
#[derive(Clone, Debug)]
pub(crate) struct OrderAddresses {
    /// Where the order went.
    pub(crate) shipping: Option<Address>,
    /// Where its invoice went.
    pub(crate) billing: Option<Address>,
    /// Whether they are where the next order goes. Whoever ordered with an address and did not come back with its claim
    /// token may have been anybody: what they wrote is kept, but no order goes there by itself.
    pub(crate) as_defaults: bool,
}

/// Writes the addresses that the locked customer does not have yet; a default stays the default.
pub(crate) async fn remember(tx: &Tx, customer: CustomerId, of_order: OrderAddresses) -> Result<(), Fault> {
    let OrderAddresses { shipping, billing, as_defaults } = of_order;
    let own = Entity::find().filter(Column::CustomerId.eq(customer)).all(tx.db()).await?;
    let has_default = (own.iter().any(|row| row.default_shipping), own.iter().any(|row| row.default_billing));
    let room = MOST.saturating_sub(own.len());
    let own =
        own.into_iter().map(|row| Address::try_from(Stated::from(row))).collect::<Result<Vec<_>, _>>()?;
    let both = shipping.is_some() && shipping == billing;
    let (ships, bills) = (as_defaults && !has_default.0, as_defaults && !has_default.1);
    let of_shipping = shipping.map(|address| (address, Defaults { shipping: ships, billing: bills && both }));
    let of_billing =
        billing.filter(|_| !both).map(|address| (address, Defaults { shipping: false, billing: bills }));
    let new = of_shipping.into_iter().chain(of_billing).filter(|(address, _)| !own.contains(address));
    for (address, defaults) in new.take(room) {
        addresses::kept(tx, customer, address, defaults).insert(tx.db()).await?;
    }
    Ok(())
}
