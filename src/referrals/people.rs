//! What is known of a person: from the profile, the guests that the person proved to be, and the last orders.

use aws_lc_rs::hmac;
use entity::id::CustomerId;
use entity::{customer, guest_identity, order};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::Value as Json;

use super::rules::{Traits, mailbox, place};
use crate::customers::address::Address;
use crate::customers::addresses;
use crate::error::Fault;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// Of a person's orders so many are looked at, the last first: what a comparison costs does not rise with every order.
const ORDERS: u64 = 500;

/// What is kept of a card: a hash under a key of the server, from which nobody gets back what the shop's payment provider
/// calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardHash(Vec<u8>);

impl CardHash {
    /// Of what the payment provider calls the card.
    pub(crate) fn of(key: &hmac::Key, fingerprint: &str) -> Self {
        let tag = hmac::sign(key, &[b"card\x1f", fingerprint.trim().as_bytes()].concat());
        Self(tag.as_ref().to_vec())
    }

    /// As it is stored.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// A hash of the mailbox that an address is delivered to, whichever of its spellings it is; none if it is no address.
pub(crate) fn mailbox_hash(key: &hmac::Key, email: &str) -> Option<Vec<u8>> {
    let tag =
        |mailbox: String| hmac::sign(key, &[b"mailbox\x1f", mailbox.as_bytes()].concat()).as_ref().to_vec();
    mailbox(email).map(tag)
}

/// All that is known of a person.
pub(super) async fn traits(tx: &Tx, owner: Owner) -> Result<Traits, Fault> {
    let mut traits = Traits::default();
    match owner {
        Owner::Customer(customer) => of_customer(tx, customer, &mut traits).await?,
        Owner::Guest(guest) => {
            if let Some(row) = guest_identity::Entity::find_by_id(guest).one(tx.db()).await? {
                traits.add_email(&row.email);
            }
        }
    }
    of_orders(tx, owner, &mut traits).await?;
    Ok(traits)
}

/// Whom others turned out to be has their mailboxes too.
async fn of_customer(tx: &Tx, customer: CustomerId, traits: &mut Traits) -> Result<(), Fault> {
    use customer::Column;
    let same = Column::Id.eq(customer).or(Column::MergedInto.eq(customer));
    for row in customer::Entity::find().filter(same).all(tx.db()).await? {
        row.email.iter().chain(&row.email_key).for_each(|email| traits.add_email(email));
    }
    let proven = guest_identity::Entity::find().filter(guest_identity::Column::CustomerId.eq(customer));
    proven.all(tx.db()).await?.iter().for_each(|guest| traits.add_email(&guest.email));
    for row in addresses::of(tx.db(), customer).await? {
        traits.places.insert(place(&addresses::address(row)?));
    }
    Ok(())
}

/// What an order says of its buyer.
#[derive(FromQueryResult)]
struct Said {
    email: Option<String>,
    shipping_address: Option<Json>,
    billing_address: Option<Json>,
    card_hash: Option<Vec<u8>>,
}

async fn of_orders(tx: &Tx, owner: Owner, traits: &mut Traits) -> Result<(), Fault> {
    use order::Column;
    let last = order::Entity::find()
        .select_only()
        .columns([Column::Email, Column::ShippingAddress, Column::BillingAddress, Column::CardHash])
        .filter(is_of(owner))
        .order_by_desc(Column::PlacedAt)
        .order_by_desc(Column::Id)
        .limit(ORDERS)
        .into_model::<Said>();
    for said in last.all(tx.db()).await? {
        said.email.iter().for_each(|email| traits.add_email(email));
        for stored in [said.shipping_address, said.billing_address].into_iter().flatten() {
            traits.places.insert(place(&serde_json::from_value::<Address>(stored)?));
        }
        traits.cards.extend(said.card_hash);
    }
    Ok(())
}

/// Whose an order is.
pub(super) fn is_of(owner: Owner) -> sea_orm::sea_query::SimpleExpr {
    match owner {
        Owner::Customer(customer) => order::Column::CustomerId.eq(customer),
        Owner::Guest(guest) => order::Column::GuestId.eq(guest),
    }
}
