//! Writes a batch of new orders: rows, holds, earnings and events.

use std::collections::HashMap;

use entity::Instant;
use entity::id::{AccountId, CustomerId, GuestId, LineId, OrderId};
use entity::order::{Column, Entity, Model, OrderFlag, OrderState, RedemptionTax};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Value};

use super::{OrderError, Record, RecordLine};
use crate::auth::policy::GuestOrder;
use crate::carts;
use crate::catalog::Ordered;
use crate::customers::address::Address;
use crate::customers::owners::Named;
use crate::customers::profile::Locale;
use crate::db::bulk::Rows;
use crate::db::dialect::{is_among, is_among_texts};
use crate::earning::PlacedOrder;
use crate::error::{Fault, split};
use crate::money::{Currency, Money, spread};
use crate::onboarding::{FirstOrder, welcome};
use crate::orders::rules::{cut, lines_total};
use crate::orders::{claim, coupon, early, events};
use crate::outbox::emit;
use crate::packing;
use crate::points::orders::{self as points, Owner, PaidLine, PaidOrder, Pinned};
use crate::referrals::CardHash;
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

/// An order that is about to be written.
pub(super) struct Draft<'a> {
    /// Place in the batch.
    pub(super) index: usize,
    pub(super) id: OrderId,
    pub(super) lines: Vec<DraftLine>,
    record: &'a Record,
    owner: Owner,
    model: Model,
}

/// A line that is about to be written, with its share of the order's points.
pub(super) struct DraftLine {
    pub(super) id: LineId,
    redeemed_value: i64,
    redeemed_points: i64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        tx: &Tx,
        index: usize,
        record: &'a Record,
        fingerprint: Vec<u8>,
        owner: Owner,
    ) -> Result<Self, Fault> {
        let id = tx.id();
        let lines_total = lines_total(record).ok_or_else(|| Fault::internal("an unchecked order"))?;
        let lines = record
            .lines
            .iter()
            .map(|_| DraftLine { id: tx.id(), redeemed_value: 0, redeemed_points: 0 })
            .collect();
        let model = model(tx, id, record, fingerprint, owner, lines_total)?;
        Ok(Self { index, id, lines, record, owner, model })
    }

    /// Where it earns.
    pub(super) fn account(&self) -> AccountId {
        self.owner.account()
    }

    fn external_id(&self) -> &str {
        self.record.external_id.as_str()
    }

    /// Spreads what points pay over the lines, by what each line costs; the points follow the value.
    fn carry(&mut self, pinned: &Pinned, tax: RedemptionTax) {
        let totals: Vec<i64> = self.record.lines.iter().map(|line| line.line_total).collect();
        let values = spread(pinned.value.minor, &totals);
        let shares = spread(pinned.points.into(), &values);
        for ((line, value), share) in self.lines.iter_mut().zip(values).zip(shares) {
            line.redeemed_value = value;
            line.redeemed_points = share;
        }
        self.model.hold_id = self.record.hold;
        self.model.hold_value = pinned.value.minor;
        self.model.redemption_tax = Some(tax);
    }

    /// Neither history nor undone before it was recorded.
    fn is_current(&self) -> bool {
        !self.record.imported && self.record.state != OrderState::Cancelled
    }

    /// The code of the coupon that it uses; history used none of ours.
    fn code(&self) -> Option<&'a str> {
        self.record.coupon.as_deref().filter(|_| self.is_current())
    }

    /// The coupon it uses, and the cart it is.
    fn coupon(&self) -> Option<coupons::Named<'a>> {
        let (record, code) = (self.record, self.code()?);
        let line = |line: &RecordLine| coupons::CartLine {
            sku: line.sku.clone(),
            categories: line.categories.clone(),
            total: line.line_total,
        };
        let lines = record.lines.iter().map(line).collect();
        let with_points = record.hold.is_some();
        let cart = coupons::Cart { currency: record.currency, lines, shipping: record.shipping, with_points };
        Some(coupons::Named { order: self.id, code, owner: self.owner.account().0, cart })
    }

    /// What of the catalogue it has; of history, nobody asks.
    fn ordered(&self) -> Option<(OrderId, Ordered<'a>)> {
        let skus = self.record.lines.iter().map(|line| line.sku.as_str()).collect();
        let (customer, at) = (self.model.customer_id, self.model.placed_at);
        self.is_current().then_some((self.id, Ordered { customer, at, skus }))
    }

    /// What it is packed by, with its language; nobody packs history.
    fn packed(&self) -> Option<(OrderId, Option<&'a str>, PlacedOrder<'a>)> {
        let (owner, placed_at, is_paid) = (self.owner, self.model.placed_at, self.model.paid_at.is_some());
        let currency = self.record.currency;
        let lines = self.record.lines.iter().map(|line| line.facts(currency)).collect();
        let locale = self.record.locale.as_ref().map(Locale::as_str);
        let placed = PlacedOrder { owner, placed_at, is_paid, currency, lines };
        self.is_current().then_some((self.id, locale, placed))
    }

    /// What earns, if the order is paid already.
    fn paid(&self) -> Option<PaidOrder> {
        let record = self.record;
        let line = |(line, stated): (&DraftLine, &RecordLine)| PaidLine {
            line: line.id,
            sku: stated.sku.clone(),
            categories: stated.categories.clone(),
            line_total: stated.line_total,
            redeemed_value: line.redeemed_value,
            tax_rate: stated.tax_rate,
        };
        Some(PaidOrder {
            order: self.id,
            owner: self.owner,
            currency: record.currency,
            placed_at: self.model.placed_at,
            paid_at: self.model.paid_at?,
            delivered_at: self.model.delivered_at,
            by: record.by,
            imported: record.imported,
            lines: self.lines.iter().zip(&record.lines).map(line).collect(),
        })
    }
}

fn model(
    tx: &Tx,
    id: OrderId,
    record: &Record,
    fingerprint: Vec<u8>,
    owner: Owner,
    lines_total: i64,
) -> Result<Model, Fault> {
    use OrderState::{Cancelled, Delivered, Paid, Shipped};

    let (customer_id, guest_id): (Option<CustomerId>, Option<GuestId>) = match owner {
        Owner::Customer(customer) => (Some(customer), None),
        Owner::Guest(guest) => (None, Some(guest)),
    };
    let guest = guest_order(tx, record, owner);
    let placed_at = record.placed_at.map_or_else(|| tx.now(), cut);
    let since = |states: &[OrderState]| states.contains(&record.state).then_some(placed_at);
    let address = |address: &Option<Address>| address.as_ref().map(serde_json::to_value).transpose();
    Ok(Model {
        id,
        external_id: record.external_id.as_str().to_owned(),
        fingerprint,
        customer_id,
        guest_id,
        email: record.email.as_ref().map(|email| email.as_str().to_owned()),
        channel: record.channel.clone(),
        currency: record.currency.code().to_owned(),
        state: record.state,
        lines_total,
        shipping: record.shipping,
        coupon: record.coupon.clone(),
        hold_id: None,
        hold_value: 0,
        imported: record.imported,
        placed_at,
        paid_at: since(&[Paid, Shipped, Delivered]),
        shipped_at: since(&[Shipped, Delivered]),
        delivered_at: since(&[Delivered]),
        cancelled_at: since(&[Cancelled]),
        recorded_at: tx.now(),
        name: record.name.as_ref().map(|name| name.as_str().to_owned()),
        shipping_address: address(&record.shipping_address)?,
        billing_address: address(&record.billing_address)?,
        flag: guest.filter(|given| given.flagged).map(|_| OrderFlag::GuestNotAllowed),
        claim_until: guest.filter(|given| given.claimable).map(|_| tx.after(claim::LIFE)),
        claimed_at: None,
        coupon_refusal: None,
        redemption_tax: None,
        referral_refusal: None,
        card_hash: record.card.as_ref().map(CardHash::bytes),
        not_yet_orderable: None,
        packing: None,
    })
}

/// What the shop's policy gives the order of an address that nobody has proven; nothing for other orders and history.
fn guest_order(tx: &Tx, record: &Record, owner: Owner) -> Option<GuestOrder> {
    let settings = tx.settings();
    let is_guests = matches!(owner, Owner::Guest(_)) && !record.imported;
    is_guests.then(|| settings.registration.guest_order(settings.guest_checkout))
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
    // In the order in which everybody locks: coupons, then accounts.
    let locked = coupons::lock(tx, new.iter().filter_map(Draft::code)).await?;
    let (new, refused) = pin_holds(tx, new).await?;
    insert_lines(tx, &new).await?;
    packing::attach(tx, &new.iter().filter_map(Draft::packed).collect::<Vec<_>>()).await?;
    early::mark(tx, new.iter().filter_map(Draft::ordered).collect()).await?;
    take_coupons(tx, &locked, &new).await?;
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

/// Takes the coupons that new orders name.
async fn take_coupons(tx: &Tx, locked: &coupons::Locked, new: &[Draft<'_>]) -> Result<(), Fault> {
    let named: Vec<coupons::Named<'_>> = new.iter().filter_map(Draft::coupon).collect();
    for (order, refusal) in coupons::use_coupons(tx, locked, &named).await? {
        coupon::refused(tx, order, refusal).await?;
    }
    for draft in new.iter().filter(|draft| draft.model.paid_at.is_some() && draft.code().is_some()) {
        coupon::paid(tx, draft.id).await?;
    }
    Ok(())
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

fn order_row(order: &Model) -> [Value; 26] {
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
    ]
}

/// Pins the holds of the orders that name one; an order whose hold cannot be used is taken out again.
async fn pin_holds<'a>(
    tx: &Tx,
    drafts: Vec<Draft<'a>>,
) -> Result<(Vec<Draft<'a>>, Vec<(usize, OrderError)>), Fault> {
    let mut pinned = Vec::with_capacity(drafts.len());
    let mut refused = Vec::new();
    let mut dropped = Vec::new();
    for mut draft in drafts {
        match pin(tx, &draft).await? {
            Ok(None) => pinned.push(draft),
            Ok(Some(hold)) => {
                draft.carry(&hold, tx.settings().programme.redemption_tax);
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
