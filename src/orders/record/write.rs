//! Writes a batch of new orders: rows, holds, earnings and events.

use std::collections::{BTreeSet, HashMap};

use entity::Instant;
use entity::id::{MembershipId, OrderId};
use entity::order::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Value};

use super::OrderError;
use super::draft::{Draft, guest_order};
use crate::carts;
use crate::customers::owners::Named;
use crate::db::bulk::Rows;
use crate::db::dialect::{is_among, is_among_texts};
use crate::delivery::freeze::{Shippable, freeze};
use crate::delivery::orders as slots;
use crate::error::{Fault, split};
use crate::memberships::orders as memberships;
use crate::money::{Currency, Money};
use crate::onboarding::{FirstOrder, welcome};
use crate::orders::slot::refused as slot_refused;
use crate::orders::{coupon, early, events};
use crate::outbox::emit;
use crate::packing;
use crate::points::orders::{self as points, Owner, PaidOrder, Pinned};
use crate::referrals::orders as referrals;
use crate::rewards::orders as coupons;
use crate::tx::Tx;

/// An order that is recorded, as far as a repetition needs it.
pub(super) struct Stored {
    pub(super) id: OrderId,
    pub(super) fingerprint: Vec<u8>,
    pub(super) recorded_at: Instant,
}

/// The orders that are recorded under these external ids.
pub(super) async fn stored(tx: &Tx, external_ids: Vec<String>) -> Result<Vec<(String, Stored)>, Fault> {
    if external_ids.is_empty() {
        return Ok(Vec::new());
    }
    let among = is_among_texts(tx.db().get_database_backend(), "external_id", external_ids);
    let rows: Vec<(String, OrderId, Vec<u8>, Instant)> = Entity::find()
        .select_only()
        .columns([Column::ExternalId, Column::Id, Column::Fingerprint, Column::RecordedAt])
        .filter(among)
        .into_tuple()
        .all(tx.db())
        .await?;
    let stored =
        |(external_id, id, fingerprint, recorded_at)| (external_id, Stored { id, fingerprint, recorded_at });
    Ok(rows.into_iter().map(stored).collect())
}

/// What became of the drafts; one that is in neither was recorded by another transaction meanwhile.
pub(super) struct Written<'a> {
    pub(super) new: Vec<Draft<'a>>,
    pub(super) refused: Vec<(usize, OrderError)>,
}

/// Writes the drafts that are not there yet.
pub(super) async fn write<'a>(tx: &Tx, mut drafts: Vec<Draft<'a>>) -> Result<Written<'a>, Fault> {
    // Two batches that share orders wait for each other in one direction only.
    drafts.sort_by(|a, b| a.external_id().cmp(b.external_id()));
    let new = insert_orders(tx, drafts).await?;
    // In the order in which everybody locks: coupons and slots, memberships, then accounts.
    let locked = coupons::lock(tx, new.iter().filter_map(Draft::code)).await?;
    let mut held = slots::lock(tx, new.iter().filter_map(Draft::slot_hold)).await?;
    let members = memberships::lock(tx, new.iter().filter_map(Draft::member)).await?;
    let (new, refused) = pin_holds(tx, new, &held, &members).await?;
    insert_lines(tx, &new).await?;
    let mut used: BTreeSet<OrderId> = pin_slots(tx, &mut held, &members, &new).await?;
    let shipped = new.iter().filter_map(|draft| draft.shipped(&members));
    used.extend(freeze(tx, &shipped.collect::<Vec<Shippable<'_>>>()).await?);
    used.extend(take_coupons(tx, &locked, &members, &new).await?);
    join_memberships(tx, &new, &used).await?;
    packing::attach(tx, &new.iter().filter_map(Draft::packed).collect::<Vec<_>>()).await?;
    early::mark(tx, new.iter().filter_map(Draft::ordered).collect()).await?;
    name_referrers(tx, &new).await?;
    let paid: Vec<PaidOrder> = new.iter().filter_map(Draft::paid).collect();
    if !paid.is_empty() {
        points::earn(tx, &paid).await?;
    }
    welcome_guests(tx, &new).await?;
    close_carts(tx, &new).await?;
    if !new.is_empty() {
        emit(tx, new.iter().map(|draft| events::recorded(&draft.model))).await?;
    }
    Ok(Written { new, refused })
}

/// Gives new orders the places in delivery slots that they name; answers those whose place is for members only.
async fn pin_slots(
    tx: &Tx,
    held: &mut slots::Locked,
    members: &memberships::Locked,
    new: &[Draft<'_>],
) -> Result<BTreeSet<OrderId>, Fault> {
    let named: Vec<slots::Named> = new.iter().filter_map(|draft| draft.slot(members)).collect();
    let mut members_only = BTreeSet::new();
    for (order, pinned) in slots::pin(tx, held, &named).await? {
        match pinned {
            Ok(is_members_only) => members_only.extend(is_members_only.then_some(order)),
            Err(refusal) => slot_refused(tx, order, refusal).await?,
        }
    }
    Ok(members_only)
}

/// Takes the coupons that new orders name; answers those whose coupon is for members only.
async fn take_coupons(
    tx: &Tx,
    locked: &coupons::Locked,
    members: &memberships::Locked,
    new: &[Draft<'_>],
) -> Result<BTreeSet<OrderId>, Fault> {
    let named: Vec<_> = new.iter().filter_map(|draft| draft.coupon(members, tx.now())).collect();
    let mut members_only = BTreeSet::new();
    for (order, used) in coupons::use_coupons(tx, locked, &named).await? {
        match used {
            Ok(is_members_only) => members_only.extend(is_members_only.then_some(order)),
            Err(refusal) => coupon::refused(tx, order, refusal).await?,
        }
    }
    for draft in new.iter().filter(|draft| draft.model.paid_at.is_some() && draft.code().is_some()) {
        coupon::paid(tx, draft.id).await?;
    }
    Ok(members_only)
}

/// Joins orders with the memberships that they name. Of the others, `used` have what only members have: that is the end of
/// withdrawing. What an order has of the membership that it is joined with goes back with it.
async fn join_memberships(tx: &Tx, new: &[Draft<'_>], used: &BTreeSet<OrderId>) -> Result<(), Fault> {
    let mut members = Vec::new();
    for draft in new {
        match draft.membership() {
            Some(membership) => memberships::pin(tx, membership, draft.id).await?,
            None => members.extend(draft.member().filter(|_| used.contains(&draft.id))),
        }
    }
    memberships::used(tx, members).await
}

/// Binds buyers to those whose codes their orders name; of orders that are paid already, the first may count at once.
async fn name_referrers(tx: &Tx, new: &[Draft<'_>]) -> Result<(), Fault> {
    for draft in new.iter().filter(|draft| draft.is_current()) {
        let (order, placed_at) = (draft.id, draft.model.placed_at);
        if let Some(code) = draft.record.referral_code.as_deref() {
            let named = referrals::Named { order, code, friend: draft.owner, placed_at };
            if let Some(reason) = referrals::bind(tx, &named).await? {
                Entity::update_many()
                    .col_expr(Column::ReferralRefusal, Expr::val(reason.to_value()))
                    .filter(Column::Id.eq(order))
                    .exec(tx.db())
                    .await?;
            }
        }
        if let Some(at) = draft.model.paid_at {
            let (owner, delivered_at) = (draft.owner, draft.model.delivered_at);
            referrals::paid(tx, &referrals::Paid { order, owner, at, delivered_at }).await?;
        }
    }
    Ok(())
}

/// Nobody is reminded of a cart after an order.
async fn close_carts(tx: &Tx, new: &[Draft<'_>]) -> Result<(), Fault> {
    let mut bought = Vec::with_capacity(new.len());
    for draft in new {
        let (email, placed_at) = (draft.record.email.as_ref(), draft.model.placed_at);
        bought.push(carts::Bought { owner: draft.owner, email, placed_at });
    }
    carts::close(tx, &bought).await
}

/// Mails a first sign-in to guests whose first order this is, if the policy says so.
async fn welcome_guests(tx: &Tx, new: &[Draft<'_>]) -> Result<(), Fault> {
    let mut first = Vec::new();
    for draft in new {
        if let (Owner::Guest(guest), Named::Email(email)) = (draft.owner, &draft.record.buyer)
            && guest_order(tx, draft.record, draft.owner).is_some_and(|given| given.mails_sign_in)
        {
            let (name, locale) = (draft.record.name.as_ref(), draft.record.locale.as_ref());
            first.push(FirstOrder { order: draft.id, guest, email, name, locale });
        }
    }
    welcome(tx, &first).await
}

const ORDER_COLUMNS: &[&str] = &[
    "id",
    "external_id",
    "fingerprint",
    "customer_id",
    "guest_id",
    "email",
    "channel",
    "currency",
    "state",
    "lines_total",
    "shipping",
    "coupon",
    "hold_value",
    "imported",
    "placed_at",
    "paid_at",
    "shipped_at",
    "delivered_at",
    "cancelled_at",
    "recorded_at",
    "name",
    "shipping_address",
    "billing_address",
    "flag",
    "claim_until",
    "card_hash",
    "email_key",
    "locale",
];

/// Inserts the orders; answers those that no other transaction had recorded.
async fn insert_orders<'a>(tx: &Tx, drafts: Vec<Draft<'a>>) -> Result<Vec<Draft<'a>>, Fault> {
    let mut rows = Rows::new("orders", ORDER_COLUMNS);
    for draft in &drafts {
        rows.push(order_row(&draft.model));
    }
    if rows.insert_missing(tx.db()).await? == drafts.len() {
        return Ok(drafts);
    }
    let ids = drafts.iter().map(|draft| draft.external_id().to_owned()).collect();
    let winners: HashMap<String, Stored> = stored(tx, ids).await?.into_iter().collect();
    let is_ours =
        |draft: &Draft<'_>| winners.get(draft.external_id()).is_some_and(|order| order.id == draft.id);
    Ok(drafts.into_iter().filter(is_ours).collect())
}

fn order_row(order: &Model) -> [Value; 28] {
    [
        order.id.0.into(),
        order.external_id.as_str().into(),
        order.fingerprint.clone().into(),
        order.customer_id.map(|id| id.0).into(),
        order.guest_id.map(|id| id.0).into(),
        order.email.clone().into(),
        order.channel.as_str().into(),
        order.currency.as_str().into(),
        order.state.to_value().into(),
        order.lines_total.into(),
        order.shipping.into(),
        order.coupon.clone().into(),
        // The hold is pinned once the order is ours.
        0_i64.into(),
        order.imported.into(),
        order.placed_at.into(),
        order.paid_at.into(),
        order.shipped_at.into(),
        order.delivered_at.into(),
        order.cancelled_at.into(),
        order.recorded_at.into(),
        order.name.clone().into(),
        order.shipping_address.clone().into(),
        order.billing_address.clone().into(),
        order.flag.map(|flag| flag.to_value()).into(),
        order.claim_until.into(),
        order.card_hash.clone().into(),
        order.email_key.clone().into(),
        order.locale.clone().into(),
    ]
}

/// Pins the holds of points of the orders that name one; an order whose hold cannot be used, or that names a hold of a slot
/// or a membership that is not its buyer's, is taken out again.
async fn pin_holds<'a>(
    tx: &Tx,
    drafts: Vec<Draft<'a>>,
    held: &slots::Locked,
    members: &memberships::Locked,
) -> Result<(Vec<Draft<'a>>, Vec<(usize, OrderError)>), Fault> {
    let mut pinned = Vec::with_capacity(drafts.len());
    let mut refused = Vec::new();
    let mut dropped = Vec::new();
    for mut draft in drafts {
        let customer = draft.model.customer_id;
        let is_theirs = draft.slot_hold().is_none_or(|hold| held.is_for(hold, customer));
        let joins = |id: MembershipId| members.joinable(id, customer).is_some();
        let pins = match draft.membership() {
            Some(membership) if !joins(membership) => Err(OrderError::MembershipNotFound),
            _ if !is_theirs => Err(OrderError::SlotHoldNotFound),
            _ => pin(tx, &draft).await?,
        };
        match pins {
            Ok(None) => pinned.push(draft),
            Ok(Some(points)) => {
                draft.carry(&points, tx.settings().programme.redemption_tax);
                set_hold(tx, &draft.model).await?;
                pinned.push(draft);
            }
            Err(reason) => {
                refused.push((draft.index, reason));
                dropped.push(draft.id.0);
            }
        }
    }
    if !dropped.is_empty() {
        let among = is_among(tx.db().get_database_backend(), "id", dropped);
        Entity::delete_many().filter(among).exec(tx.db()).await?;
    }
    Ok((pinned, refused))
}

async fn pin(tx: &Tx, draft: &Draft<'_>) -> Result<Result<Option<Pinned>, OrderError>, Fault> {
    let Some(hold) = draft.record.hold else {
        return Ok(Ok(None));
    };
    let currency: Currency = draft.record.currency;
    let value = Money { minor: draft.model.lines_total, currency };
    let outcome = points::pin(tx, hold, draft.owner, draft.id, value, draft.record.by).await;
    Ok(split(outcome)?.map(Some).map_err(OrderError::Hold))
}

async fn set_hold(tx: &Tx, order: &Model) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::HoldId, Expr::val(order.hold_id))
        .col_expr(Column::HoldValue, Expr::val(order.hold_value))
        .col_expr(Column::RedemptionTax, Expr::val(order.redemption_tax.map(|tax| tax.to_value())))
        .filter(Column::Id.eq(order.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

const LINE_COLUMNS: &[&str] = &[
    "id",
    "order_id",
    "position",
    "sku",
    "name",
    "categories",
    "quantity",
    "returned",
    "line_total",
    "tax_rate",
    "redeemed_value",
    "redeemed_points",
];

async fn insert_lines(tx: &Tx, drafts: &[Draft<'_>]) -> Result<(), Fault> {
    let mut rows = Rows::new("order_lines", LINE_COLUMNS);
    for draft in drafts {
        for ((position, line), stated) in (1_i32..).zip(&draft.lines).zip(&draft.record.lines) {
            rows.push([
                line.id.0.into(),
                draft.id.0.into(),
                position.into(),
                stated.sku.as_str().into(),
                stated.name.as_str().into(),
                serde_json::Value::from(stated.categories.clone()).into(),
                stated.quantity.into(),
                0_i32.into(),
                stated.line_total.into(),
                stated.tax_rate.into(),
                line.redeemed_value.into(),
                i32::try_from(line.redeemed_points)?.into(),
            ]);
        }
    }
    rows.insert(tx.db()).await
}
