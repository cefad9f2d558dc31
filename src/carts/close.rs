//! What closes carts, and what moves them: orders, proofs of mailboxes and merges.

use std::collections::BTreeMap;

use entity::Instant;
use entity::cart::{Column, Entity};
use entity::id::{CustomerId, GuestId};
use entity::order;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{of_customer, of_email};
use crate::customers::email::EmailAddress;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::Fault;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// An order that was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bought<'a> {
    /// Whose it is.
    pub(crate) owner: Owner,
    /// Where the shop writes to about it: whoever has that bought too.
    pub(crate) email: Option<&'a EmailAddress>,
    /// When it was placed.
    pub(crate) placed_at: Instant,
}

/// Closes the carts of whoever placed these orders that were not touched since: one statement for any number of them.
pub(crate) async fn close(tx: &Tx, orders: &[Bought<'_>]) -> Result<(), Fault> {
    // A customer is held by both; an address that nobody has proven has no row to wait on. The one order of a call waits
    // for a cart of it that is just being told of; of an import's many, a later word on the cart closes it.
    if let [Bought { owner: Owner::Guest(_), email: Some(email), .. }] = orders {
        lock(tx, &of_email(&email.key())).await?;
    }
    let mut last: BTreeMap<String, Instant> = BTreeMap::new();
    for order in orders {
        let customer = match order.owner {
            Owner::Customer(customer) => Some(of_customer(customer)),
            Owner::Guest(_) => None,
        };
        let email = order.email.map(|email| of_email(&email.key()));
        for identity in customer.into_iter().chain(email) {
            let placed_at = last.entry(identity).or_insert(order.placed_at);
            *placed_at = order.placed_at.max(*placed_at);
        }
    }
    let mut rows = Rows::new("carts", &["identity", "closed_at", "updated_at"]);
    for (identity, placed_at) in last {
        rows.push([identity.into(), placed_at.into(), tx.now().into()]);
    }
    rows.update_found(tx.db(), " AND t.closed_at IS NULL AND t.touched_at <= v.closed_at").await?;
    Ok(())
}

/// Waits until no other transaction decides about the carts of this identity.
pub(super) async fn lock(tx: &Tx, identity: &str) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), &format!("carts:{identity}")).await?)
}

/// The carts of an address are the customer's who proved it.
pub(crate) async fn follow(tx: &Tx, email_key: &str, customer: CustomerId) -> Result<(), Fault> {
    hand_over(tx, of_email(email_key), customer).await
}

/// The carts of `from` are `into`'s.
pub(crate) async fn reassign(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    hand_over(tx, of_customer(from), into).await
}

/// After the orders were handed over, which close what was not touched since.
async fn hand_over(tx: &Tx, identity: String, into: CustomerId) -> Result<(), Fault> {
    let moved = Entity::update_many()
        .col_expr(Column::Identity, Expr::val(of_customer(into)))
        .col_expr(Column::CustomerId, Expr::val(into))
        .col_expr(Column::Email, Expr::val(None::<String>))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Identity.eq(identity))
        .exec(tx.db())
        .await?;
    if moved.rows_affected == 0 {
        return Ok(());
    }
    if let Some(placed_at) = last_order(tx, Owner::Customer(into)).await? {
        Entity::update_many()
            .col_expr(Column::ClosedAt, Expr::val(placed_at))
            .filter(Column::Identity.eq(of_customer(into)))
            .filter(Column::ClosedAt.is_null())
            .filter(Column::TouchedAt.lte(placed_at))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// When the order was placed that was placed last.
pub(super) async fn last_order(tx: &Tx, owner: Owner) -> Result<Option<Instant>, Fault> {
    use order::Column as Order;
    let theirs = match owner {
        Owner::Customer(customer) => Order::CustomerId.eq(customer),
        Owner::Guest(guest) => Order::GuestId.eq::<GuestId>(guest),
    };
    let query = order::Entity::find().select_only().expr(Order::PlacedAt.max()).filter(theirs);
    let last: Option<Option<Instant>> = query.into_tuple().one(tx.db()).await?;
    Ok(last.flatten())
}
