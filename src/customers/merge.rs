//! Two customers turn out to be one: everything of the first becomes the second's, and whoever names the first from then
//! on means the second.

use std::collections::BTreeSet;

use entity::customer::{Column, Entity, Model};
use entity::id::CustomerId;
use entity::session::Audience;
use entity::{customer_address, guest_identity, order, points_account};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::address::Address;
pub use super::merge_plan::{Conflict, Taken};
use super::merge_plan::{Plan, new_addresses};
use super::{CustomerError, addresses, words, write};
use crate::audit::{self, Entry};
use crate::auth::{mailbox, sessions};
use crate::carts;
use crate::catalog::waitlist;
use crate::consent;
use crate::db::dialect::is_among;
use crate::delivery;
use crate::earning;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::feedback;
use crate::journeys;
use crate::memberships;
use crate::messages;
use crate::orders;
use crate::outbox::{self, Event};
use crate::points::command::PointsError;
use crate::points::merges;
use crate::points::orders::Owner;
use crate::referrals;
use crate::rewards;
use crate::tiers;
use crate::tx::Tx;

/// Two customers who are one.
#[derive(Clone, Debug, Serialize)]
pub struct Merge {
    /// Who goes; none if the id that was given is nobody's.
    pub from: Option<CustomerId>,
    /// Who stays; none if the id that was given is nobody's.
    pub into: Option<CustomerId>,
    /// As staff wrote it.
    pub reason: String,
}

/// Merges; answers who stays. Locks the mailboxes of both, the customers by id, then orders, then accounts by id.
pub(crate) async fn merge(tx: &Tx, merge: &Merge) -> Outcome<CustomerId, CustomerError> {
    let named = named(merge.from, merge.into).map_err(Stop::Refused)?;
    let rows = locked_rows(tx, named).await?;
    let (from, into) = standing(&rows, named).map_err(Stop::Refused)?;
    let plan = Plan::of(&from, &into);
    move_addresses(tx, from.id, into.id).await?;
    write_rows(tx, &plan).await?;
    orders::reassign(tx, from.id, into.id).await?;
    move_guests(tx, from.id, into.id).await?;
    waitlist::reassign(tx, from.id, into.id).await?;
    carts::reassign(tx, from.id, into.id).await?;
    messages::inbox::follow(tx, from.id, into.id).await?;
    journeys::follow(tx, from.id.into(), into.id).await?;
    memberships::merge(tx, from.id, into.id).await?;
    feedback::follow(tx, from.id.into(), into.id).await?;
    let owed = referrals::merged(tx, from.id, into.id).await?;
    match merges::merge(tx, from.id, into.id).await? {
        Ok(()) => {}
        Err(PointsError::BalanceLimit) => return refuse(CustomerError::BalanceLimit),
        Err(_reason) => return Err(Fault::internal("the ledger refused a merge").into()),
    }
    tiers::merge(tx, from.id, into.id).await?;
    earning::move_uses(tx, from.id, into.id).await?;
    rewards::move_uses(tx, from.id.0, into.id.0).await?;
    delivery::move_holds(tx, from.id, into.id).await?;
    consent::merge(tx, from.id, into.id).await?;
    referrals::take_back(tx, &owed, tx.caller().actor, None).await?;
    words::refresh(tx, &[from.id, into.id]).await?;
    sessions::end_all(tx, Audience::Customer, from.id.0, None).await?;
    mailbox::end_all_of(tx, from.id).await?;
    tell(tx, merge, &plan, &from, &into).await?;
    Ok(into.id)
}

fn named(
    from: Option<CustomerId>,
    into: Option<CustomerId>,
) -> Result<(CustomerId, CustomerId), CustomerError> {
    match (from, into) {
        (None, _) => Err(CustomerError::NobodyToMerge("fromId")),
        (_, None) => Err(CustomerError::NobodyToMerge("intoId")),
        (Some(from), Some(into)) if from == into => Err(CustomerError::SameCustomer),
        (Some(from), Some(into)) => Ok((from, into)),
    }
}

async fn rows(
    db: &impl ConnectionTrait,
    (from, into): (CustomerId, CustomerId),
    locked: bool,
) -> Result<Vec<Model>, Fault> {
    let both = is_among(db.get_database_backend(), "id", [from.0, into.0]);
    let query = Entity::find().filter(both).order_by_asc(Column::Id);
    let query = if locked { query.lock_exclusive() } else { query };
    Ok(query.all(db).await?)
}

/// Both rows, locked behind the locks on their mailboxes: a proof of either comes before the merge or after it.
async fn locked_rows(tx: &Tx, named: (CustomerId, CustomerId)) -> Result<Vec<Model>, Fault> {
    let mut held = BTreeSet::new();
    let mut found = rows(tx.db(), named, false).await?;
    loop {
        let keys: BTreeSet<String> = found.into_iter().filter_map(|row| row.email_key).collect();
        for key in keys.difference(&held) {
            mailbox::lock(tx, key).await?;
        }
        held.extend(keys);
        found = rows(tx.db(), named, true).await?;
        // Another mailbox may have been proven meanwhile. Its lock comes after those on the rows then: should that meet a
        // proof of it, the database ends one of the two, which is run again.
        if found.iter().filter_map(|row| row.email_key.as_ref()).all(|key| held.contains(key)) {
            return Ok(found);
        }
    }
}

/// Both rows, if both are there and neither turned out to be another.
fn standing(rows: &[Model], (from, into): (CustomerId, CustomerId)) -> Result<(Model, Model), CustomerError> {
    let found = |id: CustomerId, field: &'static str| {
        let row = rows.iter().find(|row| row.id == id).ok_or(CustomerError::NobodyToMerge(field))?;
        if row.merged_into.is_some() { Err(CustomerError::AlreadyMerged(field)) } else { Ok(row.clone()) }
    };
    Ok((found(from, "fromId")?, found(into, "intoId")?))
}

/// Writes both customers; what is unique leaves the one before the other gets it.
async fn write_rows(tx: &Tx, plan: &Plan) -> Result<(), Fault> {
    let Plan { from, into, .. } = plan;
    write_identity(tx, &Model { external_id: None, email_key: None, ..from.clone() }).await?;
    write_identity(tx, into).await?;
    write_identity(tx, from).await?;
    write::save(tx, into).await?;
    Entity::update_many()
        .col_expr(Column::MergedInto, Expr::val(into.id))
        .col_expr(Column::MergedAt, Expr::val(tx.now()))
        .col_expr(Column::DisabledAt, Expr::val(from.disabled_at.unwrap_or_else(|| tx.now())))
        .col_expr(Column::Email, Expr::val(from.email.as_deref()))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(from.id))
        .exec(tx.db())
        .await?;
    // Whoever turned out to be `from` is `into` too: one step leads to who stays.
    Entity::update_many()
        .col_expr(Column::MergedInto, Expr::val(into.id))
        .filter(Column::MergedInto.eq(from.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn write_identity(tx: &Tx, row: &Model) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::ExternalId, Expr::val(row.external_id.as_deref()))
        .col_expr(Column::EmailKey, Expr::val(row.email_key.as_deref()))
        .col_expr(Column::PasswordHash, Expr::val(row.password_hash.as_deref()))
        .col_expr(Column::RegisteredAt, Expr::val(row.registered_at))
        .col_expr(Column::EnrolledAt, Expr::val(row.enrolled_at))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn move_guests(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    guest_identity::Entity::update_many()
        .col_expr(guest_identity::Column::CustomerId, Expr::val(into))
        .filter(guest_identity::Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Addresses that the one who stays has not come over, as a default only if there was none; the others go.
async fn move_addresses(tx: &Tx, from: CustomerId, into: CustomerId) -> Outcome<(), CustomerError> {
    use customer_address::{Column, Entity};

    let (theirs, own) = (addresses::of(tx.db(), from).await?, addresses::of(tx.db(), into).await?);
    let Some(new) = new_addresses(&values(&theirs)?, &values(&own)?) else {
        return refuse(CustomerError::AddressLimit);
    };
    let new: BTreeSet<usize> = new.into_iter().collect();
    let no_shipping = !own.iter().any(|row| row.default_shipping);
    let no_billing = !own.iter().any(|row| row.default_billing);
    for (place, row) in theirs.iter().enumerate() {
        if !new.contains(&place) {
            Entity::delete_by_id(row.id).exec(tx.db()).await?;
            continue;
        }
        Entity::update_many()
            .col_expr(Column::CustomerId, Expr::val(into))
            .col_expr(Column::DefaultShipping, Expr::val(row.default_shipping && no_shipping))
            .col_expr(Column::DefaultBilling, Expr::val(row.default_billing && no_billing))
            .filter(Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

fn values(rows: &[customer_address::Model]) -> Result<Vec<Address>, Fault> {
    rows.iter().cloned().map(addresses::address).collect()
}

async fn tell(tx: &Tx, merge: &Merge, plan: &Plan, from: &Model, into: &Model) -> Result<(), Fault> {
    let gone = json!({ "reason": merge.reason, "into": into.id, "before": Plan::told(from) });
    let stays = json!({
        "reason": merge.reason,
        "from": from.id,
        "before": Plan::told(into),
        "after": Plan::told(&plan.into),
    });
    let entries = [
        Entry::of_customer("customer.merge", into.id, stays),
        Entry::of_customer("customer.merged_away", from.id, gone),
    ];
    audit::record(tx, entries).await?;
    let payload = json!({ "customerId": into.id, "mergedId": from.id });
    let (aggregate_id, occurred_at) = (into.id.0, tx.now());
    outbox::emit(
        tx,
        [Event { topic: "customer.merged", aggregate_id, payload, imported: false, occurred_at }],
    )
    .await
}

/// What a merge would do, as of now.
#[derive(Debug)]
pub(crate) struct Preview {
    /// Who would go.
    pub(crate) from: Model,
    /// Who would stay.
    pub(crate) into: Model,
    /// What who stays would get.
    pub(crate) taken: Vec<Taken>,
    /// What both have.
    pub(crate) conflicts: Vec<Conflict>,
    /// Orders that would move.
    pub(crate) orders: u64,
    /// Addresses that would move.
    pub(crate) addresses: usize,
    /// The account that would move.
    pub(crate) points: Option<points_account::Model>,
    /// What the merge would be refused for.
    pub(crate) refusals: Vec<CustomerError>,
}

/// Looks what a merge would do, without doing it.
pub(crate) async fn preview(
    db: &impl ConnectionTrait,
    from: Option<CustomerId>,
    into: Option<CustomerId>,
) -> Outcome<Preview, CustomerError> {
    let named = named(from, into).map_err(Stop::Refused)?;
    let (from, into) = standing(&rows(db, named, false).await?, named).map_err(Stop::Refused)?;
    let Plan { taken, conflicts, .. } = Plan::of(&from, &into);
    let orders = order::Entity::find().filter(order::Column::CustomerId.eq(from.id)).count(db).await?;
    let (theirs, own) = (addresses::of(db, from.id).await?, addresses::of(db, into.id).await?);
    let new = new_addresses(&values(&theirs)?, &values(&own)?);
    let points = account(db, from.id).await?;
    let unspent = |row: &Option<points_account::Model>| {
        row.as_ref().map_or(0, |row| row.pending + row.available + row.held)
    };
    let both = unspent(&points) + unspent(&account(db, into.id).await?);
    let too_many = new.is_none().then_some(CustomerError::AddressLimit);
    let too_rich = (both > i64::from(i32::MAX)).then_some(CustomerError::BalanceLimit);
    let refusals = too_many.into_iter().chain(too_rich).collect();
    let addresses = new.unwrap_or_default().len();
    Ok(Preview { from, into, taken, conflicts, orders, addresses, points, refusals })
}

async fn account(
    db: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Option<points_account::Model>, Fault> {
    let account = Owner::Customer(customer).account();
    Ok(points_account::Entity::find_by_id(account).one(db).await?)
}
