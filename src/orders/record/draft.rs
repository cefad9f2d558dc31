//! Orders on their way into the database, and what each of the slices is told of them.

use entity::Instant;
use entity::id::{AccountId, CustomerId, GuestId, LineId, MembershipId, OrderId, SlotHoldId};
use entity::order::{Model, OrderFlag, OrderState, RedemptionTax};

use super::{Record, RecordLine};
use crate::auth::policy::GuestOrder;
use crate::catalog::Ordered;
use crate::customers::address::Address;
use crate::customers::email::EmailAddress;
use crate::customers::profile::Locale;
use crate::delivery::freeze::Shippable;
use crate::delivery::orders as slots;
use crate::delivery::weights::Line;
use crate::earning::PlacedOrder;
use crate::error::Fault;
use crate::memberships::orders as memberships;
use crate::memberships::plans::Plan;
use crate::money::spread;
use crate::orders::claim;
use crate::orders::rules::{cut, lines_total};
use crate::points::orders::{Owner, PaidLine, PaidOrder, Pinned};
use crate::referrals::CardHash;
use crate::rewards::orders as coupons;
use crate::tx::Tx;

/// An order that is about to be written.
pub(super) struct Draft<'a> {
    /// Place in the batch.
    pub(super) index: usize,
    pub(super) id: OrderId,
    pub(super) lines: Vec<DraftLine>,
    pub(super) record: &'a Record,
    pub(super) owner: Owner,
    pub(super) model: Model,
}

/// A line that is about to be written, with its share of the order's points.
pub(super) struct DraftLine {
    pub(super) id: LineId,
    pub(super) redeemed_value: i64,
    pub(super) redeemed_points: i64,
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

    pub(super) fn external_id(&self) -> &str {
        self.record.external_id.as_str()
    }

    /// Spreads what points pay over the lines, by what each line costs; the points follow the value.
    pub(super) fn carry(&mut self, pinned: &Pinned, tax: RedemptionTax) {
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
    pub(super) fn is_current(&self) -> bool {
        !self.record.imported && self.record.state != OrderState::Cancelled
    }

    /// The code of the coupon that it uses; history used none of ours.
    pub(super) fn code(&self) -> Option<&'a str> {
        self.record.coupon.as_deref().filter(|_| self.is_current())
    }

    /// The coupon it uses, and the cart it is.
    pub(super) fn coupon(
        &self,
        members: &'a memberships::Locked,
        now: Instant,
    ) -> Option<coupons::Named<'a>> {
        let (record, code) = (self.record, self.code()?);
        let line = |line: &RecordLine| coupons::CartLine {
            sku: line.sku.clone(),
            categories: line.categories.clone(),
            total: line.line_total,
        };
        let lines = record.lines.iter().map(line).collect();
        let with_points = record.hold.is_some();
        let cart = coupons::Cart { currency: record.currency, lines, shipping: record.shipping, with_points };
        let plan = if self.membership().is_some() { None } else { members.held(self.model.customer_id, now) };
        Some(coupons::Named { order: self.id, code, owner: self.owner.account().0, plan, cart })
    }

    /// What of the catalogue it has; of history, nobody asks.
    pub(super) fn ordered(&self) -> Option<(OrderId, Ordered<'a>)> {
        let skus = self.record.lines.iter().map(|line| line.sku.as_str()).collect();
        let (customer, at) = (self.model.customer_id, self.model.placed_at);
        self.is_current().then_some((self.id, Ordered { customer, at, skus }))
    }

    /// The hold on a delivery slot that it names.
    pub(super) fn slot_hold(&self) -> Option<SlotHoldId> {
        self.record.slot_hold.filter(|_| self.is_current())
    }

    /// The place in a delivery slot that it names, for whom.
    pub(super) fn slot(&self, members: &memberships::Locked) -> Option<slots::Named> {
        let by_member = self.plan(members).is_some_and(|plan| plan.benefits.slots);
        let (customer, placed_at) = (self.model.customer_id, self.model.placed_at);
        Some(slots::Named { order: self.id, hold: self.slot_hold()?, customer, by_member, placed_at })
    }

    /// The membership that it is joined with.
    pub(super) fn membership(&self) -> Option<MembershipId> {
        self.record.membership.filter(|_| self.is_current())
    }

    /// Whose membership may give it something; nobody's for history.
    pub(super) fn member(&self) -> Option<CustomerId> {
        self.model.customer_id.filter(|_| self.is_current())
    }

    /// The plan that its customer had when it was placed, or joins with it.
    fn plan<'m>(&self, members: &'m memberships::Locked) -> Option<&'m Plan> {
        let (customer, at) = (self.model.customer_id, self.model.placed_at);
        members.held(customer, at).or_else(|| members.joinable(self.membership()?, customer))
    }

    /// What of it is shipped, and how; of history, nobody asks what it would have cost.
    pub(super) fn shipped(&self, members: &'a memberships::Locked) -> Option<Shippable<'a>> {
        let record = self.record;
        let line = |line: &'a RecordLine| Line {
            sku: Some(line.sku.as_str()),
            quantity: line.quantity,
            weight: line.weight_grams,
        };
        let placed = Shippable {
            order: self.id,
            method: record.shipping_method.as_deref(),
            country: record.shipping_address.as_ref().map(|address| address.country),
            currency: record.currency,
            value: self.model.lines_total,
            charged: record.shipping,
            plan: self.plan(members),
            lines: record.lines.iter().map(line).collect(),
        };
        self.is_current().then_some(placed)
    }

    /// What it is packed by, with its language; nobody packs history.
    pub(super) fn packed(&self) -> Option<(OrderId, Option<&'a str>, PlacedOrder<'a>)> {
        let (owner, placed_at, is_paid) = (self.owner, self.model.placed_at, self.model.paid_at.is_some());
        let currency = self.record.currency;
        let lines = self.record.lines.iter().map(|line| line.facts(currency)).collect();
        let locale = self.record.locale.as_ref().map(Locale::as_str);
        let placed = PlacedOrder { owner, placed_at, is_paid, currency, lines };
        self.is_current().then_some((self.id, locale, placed))
    }

    /// What earns, if the order is paid already.
    pub(super) fn paid(&self) -> Option<PaidOrder> {
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
        email_key: record.email.as_ref().map(EmailAddress::key),
        locale: record.locale.as_ref().map(|locale| locale.as_str().to_owned()),
        delivery_slot_refusal: None,
    })
}

/// What the shop's policy gives the order of an address that nobody has proven; nothing for other orders and history.
pub(super) fn guest_order(tx: &Tx, record: &Record, owner: Owner) -> Option<GuestOrder> {
    let settings = tx.settings();
    let is_guests = matches!(owner, Owner::Guest(_)) && !record.imported;
    is_guests.then(|| settings.registration.guest_order(settings.guest_checkout))
}
