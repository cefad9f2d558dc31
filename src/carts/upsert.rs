//! Taking in what the shop says of a cart.

use entity::cart::{Column, Entity, Model};
use entity::id::{CartId, CustomerId};
use entity::{Instant, guest_identity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::close::{last_order, lock};
use super::{CartError, Upsert, Whose, events, of_customer, of_email, rules};
use crate::auth::mailbox;
use crate::customers::email::EmailAddress;
use crate::customers::owners::{Buyer, Named, find_or_create};
use crate::customers::write::locked;
use crate::customers::{CustomerBy, GuestBy, find, find_guest};
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::external_id::ExternalId;
use crate::orders::rules::cut;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// Makes or changes the cart with this external id. What is older than what is known changes nothing; a cart that was
/// closed and is touched after the order that closed it is open again.
pub(crate) async fn upsert(tx: &Tx, stated: &Upsert) -> Outcome<CartId, CartError> {
    let total = rules::check(stated, tx.clock_now()).map_err(Stop::Refused)?;
    let Some(identity) = identity(tx, &stated.whose).await? else {
        return refuse(CartError::UnknownCustomer);
    };
    let touched_at = stated.touched_at.map_or_else(|| tx.now(), cut);
    let last_order = match identity.owner {
        Some(owner) => last_order(tx, owner).await?,
        None => None,
    };
    let new = Model {
        id: tx.id(),
        external_id: stated.external_id.as_str().to_owned(),
        identity: identity.text,
        customer_id: identity.customer,
        email: identity.email,
        currency: stated.currency.code().to_owned(),
        lines: serde_json::to_value(&stated.lines)?,
        total,
        touched_at,
        closed_at: last_order.filter(|placed_at| *placed_at >= touched_at),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let known = match by_external_id(tx, &new.external_id).await? {
        Some(known) => known,
        None if insert(tx, &new).await? => {
            events::touched(tx, &new).await?;
            return Ok(new.id);
        }
        None => by_external_id(tx, &new.external_id)
            .await?
            .ok_or_else(|| Fault::internal("a cart that another wrote is gone"))?,
    };
    if known.touched_at <= touched_at {
        update(tx, &known, new).await?;
    }
    Ok(known.id)
}

async fn by_external_id(tx: &Tx, external_id: &str) -> Result<Option<Model>, Fault> {
    let which = Entity::find().filter(Column::ExternalId.eq(external_id));
    Ok(which.lock_exclusive().one(tx.db()).await?)
}

/// Whose a cart is.
struct Identity {
    text: String,
    customer: Option<CustomerId>,
    email: Option<String>,
    /// Whose orders close it.
    owner: Option<Owner>,
}

impl Identity {
    fn customer(customer: CustomerId) -> Self {
        let owner = Some(Owner::Customer(customer));
        Self { text: of_customer(customer), customer: Some(customer), email: None, owner }
    }
}

/// Finds whose it is, and holds that until the transaction ends, so that an order which is just being recorded either sees
/// the cart or is seen by it.
async fn identity(tx: &Tx, whose: &Whose) -> Result<Option<Identity>, Fault> {
    match whose {
        Whose::Customer(id) => Ok(locked(tx, *id).await?.map(|row| Identity::customer(row.id))),
        Whose::External(id) => external(tx, id).await,
        Whose::Email(email) => address(tx, email).await,
    }
}

async fn external(tx: &Tx, id: &ExternalId) -> Result<Option<Identity>, Fault> {
    let known = find(tx.db(), &CustomerBy::ExternalId(id.clone())).await?.map(|row| row.id);
    let customer = if let Some(known) = known {
        Some(known)
    } else {
        let named = Named::External(id.clone());
        let made = find_or_create(tx, &[Buyer { named: &named, contact: None }]).await?;
        made.owners.into_iter().flatten().find_map(|owner| match owner {
            Owner::Customer(customer) => Some(customer),
            Owner::Guest(_) => None,
        })
    };
    match customer {
        Some(customer) => Ok(locked(tx, customer).await?.map(|row| Identity::customer(row.id))),
        None => Err(Fault::internal("an external id that is no customer's")),
    }
}

/// Whoever has the mailbox, as for an order; behind its lock, so that a proof of it comes before or after.
async fn address(tx: &Tx, email: &EmailAddress) -> Result<Option<Identity>, Fault> {
    mailbox::lock(tx, &email.key()).await?;
    let mut customer = find(tx.db(), &CustomerBy::Mailbox(email.clone())).await?.map(|row| row.id);
    if customer.is_none() {
        lock(tx, &of_email(&email.key())).await?;
    }
    let guest = find_guest(tx.db(), &GuestBy::Mailbox(email.clone())).await?;
    customer = customer.or(guest.as_ref().and_then(|guest: &guest_identity::Model| guest.customer_id));
    if let Some(customer) = customer {
        return Ok(locked(tx, customer).await?.map(|row| Identity::customer(row.id)));
    }
    Ok(Some(Identity {
        text: of_email(&email.key()),
        customer: None,
        email: Some(email.as_str().to_owned()),
        owner: guest.map(|guest| Owner::Guest(guest.id)),
    }))
}

/// False if another transaction was first.
async fn insert(tx: &Tx, cart: &Model) -> Result<bool, Fault> {
    const COLUMNS: &[&str] = &[
        "id",
        "external_id",
        "identity",
        "customer_id",
        "email",
        "currency",
        "lines",
        "total",
        "touched_at",
        "closed_at",
        "created_at",
        "updated_at",
    ];
    let mut rows = Rows::new("carts", COLUMNS);
    rows.push([
        cart.id.0.into(),
        cart.external_id.as_str().into(),
        cart.identity.as_str().into(),
        cart.customer_id.map(|id| id.0).into(),
        cart.email.clone().into(),
        cart.currency.as_str().into(),
        cart.lines.clone().into(),
        cart.total.into(),
        cart.touched_at.into(),
        cart.closed_at.into(),
        cart.created_at.into(),
        cart.updated_at.into(),
    ]);
    Ok(rows.insert_missing(tx.db()).await? == 1)
}

/// Writes what differs from the locked `known`, which is not younger.
async fn update(tx: &Tx, known: &Model, new: Model) -> Result<(), Fault> {
    // An order under another name of the same person may have closed it.
    let kept: Option<Instant> = known.closed_at.filter(|placed_at| *placed_at >= new.touched_at);
    let new = Model {
        id: known.id,
        closed_at: new.closed_at.max(kept),
        created_at: known.created_at,
        updated_at: known.updated_at,
        ..new
    };
    if new == *known {
        return Ok(());
    }
    events::touched(tx, &new).await?;
    Entity::update_many()
        .col_expr(Column::Identity, Expr::val(new.identity))
        .col_expr(Column::CustomerId, Expr::val(new.customer_id))
        .col_expr(Column::Email, Expr::val(new.email))
        .col_expr(Column::Currency, Expr::val(new.currency))
        .col_expr(Column::Lines, Expr::val(new.lines))
        .col_expr(Column::Total, Expr::val(new.total))
        .col_expr(Column::TouchedAt, Expr::val(new.touched_at))
        .col_expr(Column::ClosedAt, Expr::val(new.closed_at))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(known.id))
        .exec(tx.db())
        .await?;
    Ok(())
}
