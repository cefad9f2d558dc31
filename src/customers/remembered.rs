//! The addresses of an order become those of the account that is made from it.

use entity::id::{AddressId, CustomerId};

use super::address::Address;
use crate::db::bulk::Rows;
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

/// Writes the addresses of a customer who has none yet; of two that are the same, one.
pub(crate) async fn remember(tx: &Tx, customer: CustomerId, of_order: OrderAddresses) -> Result<(), Fault> {
    let OrderAddresses { shipping, billing, as_defaults } = of_order;
    let both = shipping.is_some() && shipping == billing;
    let mut rows = Rows::new("customer_addresses", COLUMNS);
    if let Some(address) = shipping {
        push(&mut rows, tx, customer, address, (as_defaults, as_defaults && both));
    }
    if let Some(address) = billing.filter(|_| !both) {
        push(&mut rows, tx, customer, address, (false, as_defaults));
    }
    rows.insert(tx.db()).await
}

const COLUMNS: &[&str] = &[
    "id",
    "customer_id",
    "name",
    "company",
    "line1",
    "line2",
    "postal_code",
    "city",
    "region",
    "country",
    "phone",
    "default_shipping",
    "default_billing",
    "created_at",
    "updated_at",
];

fn push(rows: &mut Rows, tx: &Tx, customer: CustomerId, address: Address, default: (bool, bool)) {
    rows.push([
        tx.id::<AddressId>().0.into(),
        customer.0.into(),
        address.name.into(),
        address.company.into(),
        address.line1.into(),
        address.line2.into(),
        address.postal_code.into(),
        address.city.into(),
        address.region.into(),
        address.country.as_str().into(),
        address.phone.map(String::from).into(),
        default.0.into(),
        default.1.into(),
        tx.now().into(),
        tx.now().into(),
    ]);
}
