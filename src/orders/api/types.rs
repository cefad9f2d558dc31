//! Orders, their lines and returns, as callers see them.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object};
use entity::id::OrderId;
use entity::order::{OrderState as Stored, RedemptionTax};
use entity::points_hold::HoldState;
use entity::{Instant, order, order_line, order_return};
use serde::Deserialize;

use super::loaders::{HoldOf, LinesOf, OrderLoader, OrderRow, ReturnsOf};
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::link::{self, Link};
use crate::auth::viewer::Viewer;
use crate::customers::address as postal;
use crate::customers::api::address::Address;
use crate::customers::api::note_read;
use crate::delivery::api::{DeliverySlotHold, OrderShippingTerms, hold_of, terms_of};
use crate::error::{Fault, FaultKind};
use crate::graphql::access::AllowedAs;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::scalars::MoneyValue;
use crate::memberships::api::{Membership, membership_joined_with};
use crate::money::{Currency, Money, Rate};
use crate::orders::is_claimable;
use crate::packing::api::{PackingInstruction, instructions_of};
use crate::points::api::TaxOfRate;
use crate::points::tax::{TaxedLine, taxes};
use crate::referrals::api::ReferralReason;

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Stored")]
pub enum OrderState {
    /// Not paid yet.
    Placed,
    /// Paid.
    Paid,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Undone before it left.
    Cancelled,
}

/// What an order was recorded in spite of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderFlag {
    /// A guest ordered although the shop takes no orders of guests.
    GuestNotAllowed,
    /// Its coupon could not be used: `couponRefusal` says why.
    CouponRefused,
    /// The referral code on it did not count.
    ReferralRefused,
    /// It has products that its buyer could not order yet: `notYetOrderable` names them.
    NotYetOrderable,
    /// It has no place in the delivery slot that it was to have: `deliverySlotRefusal` says why.
    DeliverySlotRefused,
}

/// An order, as the shop stated it.
#[derive(Clone, Debug)]
pub struct Order(pub(crate) order::Model);

/// A line of an order.
#[derive(Clone, Debug)]
pub struct OrderLine {
    row: order_line::Model,
    currency: Currency,
}

/// Pieces of a line that came back.
#[derive(Clone, Debug)]
pub struct OrderReturn(order_return::Model);

impl Order {
    /// What an order says of its buyer is personal: that staff read it is written down.
    fn note(&self, ctx: &Context<'_>) {
        if let Some(customer) = self.0.customer_id {
            note_read(ctx, Person::Customer(customer));
        } else if let Some(guest) = self.0.guest_id {
            note_read(ctx, Person::Guest(guest));
        }
    }
}

fn address(stored: Option<&serde_json::Value>) -> Result<Option<Address>, ApiError> {
    Ok(stored.map(postal::Address::deserialize).transpose()?.map(Address::from))
}

#[Object]
impl Order {
    /// Ours.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Order, self.0.id)
    }

    /// The shop's.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// Where it is.
    async fn state(&self) -> OrderState {
        self.0.state.into()
    }

    /// Whose; null while it is a guest's.
    async fn customer_id(&self) -> Option<ID> {
        self.0.customer_id.map(|id| global_id(NodeType::Customer, id))
    }

    /// Whose, until the address is proven.
    async fn guest_id(&self) -> Option<ID> {
        self.0.guest_id.map(|id| global_id(NodeType::Guest, id))
    }

    /// Where the shop writes to about it, as written on it.
    async fn email(&self, ctx: &Context<'_>) -> Option<&str> {
        self.note(ctx);
        self.0.email.as_deref()
    }

    /// Where it was bought, such as `web`.
    async fn channel(&self) -> &str {
        &self.0.channel
    }

    /// The buyer's name, as written on it.
    async fn name(&self, ctx: &Context<'_>) -> Option<&str> {
        self.note(ctx);
        self.0.name.as_deref()
    }

    /// Where it goes, as written on it.
    async fn shipping_address(&self, ctx: &Context<'_>) -> Result<Option<Address>, ApiError> {
        self.note(ctx);
        address(self.0.shipping_address.as_ref())
    }

    /// Where its invoice goes, as written on it.
    async fn billing_address(&self, ctx: &Context<'_>) -> Result<Option<Address>, ApiError> {
        self.note(ctx);
        address(self.0.billing_address.as_ref())
    }

    /// What it was recorded in spite of.
    async fn flags(&self) -> Vec<OrderFlag> {
        let guest = self.0.flag.map(|entity::order::OrderFlag::GuestNotAllowed| OrderFlag::GuestNotAllowed);
        let coupon = self.0.coupon_refusal.as_ref().map(|_| OrderFlag::CouponRefused);
        let referral = self.0.referral_refusal.map(|_| OrderFlag::ReferralRefused);
        let early = self.0.not_yet_orderable.as_ref().map(|_| OrderFlag::NotYetOrderable);
        let slot = self.0.delivery_slot_refusal.as_ref().map(|_| OrderFlag::DeliverySlotRefused);
        guest.into_iter().chain(coupon).chain(referral).chain(early).chain(slot).collect()
    }

    /// Why its coupon, which is one of ours, could not be used, such as `LIMIT_REACHED`; `MEMBERS_ONLY` if its buyer has none of
    /// the plans that it is for, apart from one that the order itself joins.
    async fn coupon_refusal(&self) -> Option<&str> {
        self.0.coupon_refusal.as_deref()
    }

    /// Why it has no place in the delivery slot that it was to have, such as `SLOT_FULL`; `NOT_FOUND` if another order has it,
    /// `MEMBERS_ONLY` if its buyer neither has nor joins a membership with it, or gave that membership up when the order was
    /// paid.
    async fn delivery_slot_refusal(&self) -> Option<&str> {
        self.0.delivery_slot_refusal.as_deref()
    }

    /// Its place in a delivery slot; `RELEASED` once it is cancelled, or goes on without the membership that its place is for.
    async fn delivery_slot_hold(&self, ctx: &Context<'_>) -> Result<Option<DeliverySlotHold>, ApiError> {
        hold_of(ctx, self.0.id).await
    }

    /// The membership that it was joined with, as it is now; null if there is none, or it went on without. Needs what
    /// `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn membership(&self, ctx: &Context<'_>) -> Result<Option<Membership>, ApiError> {
        self.note(ctx);
        membership_joined_with(ctx, self.0.id).await
    }

    /// What shipping cost and what it would have cost; null for one that was imported, or cancelled before it was recorded.
    async fn shipping_terms(&self, ctx: &Context<'_>) -> Result<Option<OrderShippingTerms>, ApiError> {
        terms_of(ctx, self.0.id, self.0.currency.parse()?).await
    }

    /// What it is to be packed with, such as a gift or a thank-you note, by the code of the rule; for the shop only, empty
    /// for others.
    async fn packing_instructions(&self, ctx: &Context<'_>) -> Result<Vec<PackingInstruction>, ApiError> {
        instructions_of(ctx, &self.0)
    }

    /// Skus on it that were not public when it was placed, and to which its buyer had no early access then.
    async fn not_yet_orderable(&self) -> Result<Vec<String>, ApiError> {
        Ok(self.0.not_yet_orderable.clone().map(serde_json::from_value).transpose()?.unwrap_or_default())
    }

    /// Why the referral code on it did not count; for the shop only, since it may tell of somebody else.
    async fn referral_refusal(&self, ctx: &Context<'_>) -> Option<ReferralReason> {
        let is_shop = matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. }));
        self.0.referral_refusal.filter(|_| is_shop).map(Into::into)
    }

    /// For the thank-you page of a guest's order: shows the order and begins an account, once, for 24 hours after it was
    /// recorded; null if the policy gives none, or it was used or has ended. Needs what `orderRecord` needs.
    #[graphql(guard = "AllowedAs(\"orderRecord\")")]
    async fn claim_token(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        if self.0.guest_id.is_none() || !is_claimable(&self.0, app.clock.now()) {
            return Ok(None);
        }
        Ok(Some(link::token(&app.keys.link()?, Link::Claim, self.0.id.0)))
    }

    /// What its amounts are in.
    async fn currency(&self) -> Result<Currency, ApiError> {
        Ok(self.0.currency.parse()?)
    }

    /// Sum of the lines, after discount.
    async fn lines_total(&self) -> Result<MoneyValue, ApiError> {
        self.money(self.0.lines_total)
    }

    /// Cost of shipping.
    async fn shipping(&self) -> Result<MoneyValue, ApiError> {
        self.money(self.0.shipping)
    }

    /// What of the lines is paid with points; nothing if the hold lapsed or was voided before the order was paid.
    async fn paid_with_points(&self, ctx: &Context<'_>) -> Result<MoneyValue, ApiError> {
        self.money(self.worth_of_hold(ctx).await?)
    }

    /// Lines and shipping, less what is paid with points.
    async fn total(&self, ctx: &Context<'_>) -> Result<MoneyValue, ApiError> {
        self.money(self.0.lines_total + self.0.shipping - self.worth_of_hold(ctx).await?)
    }

    /// The tax inside the prices of its lines, by rate, the lowest first; shipping is not among them. The amounts add up
    /// to the lines, less what is paid with points if the shop took that for a discount when they were set aside.
    async fn taxes(&self, ctx: &Context<'_>) -> Result<Vec<TaxOfRate>, ApiError> {
        let currency: Currency = self.0.currency.parse()?;
        let pays = self.worth_of_hold(ctx).await? > 0;
        let loader = ctx.data_unchecked::<DataLoader<OrderLoader>>();
        let lines = loader.load_one(LinesOf(self.0.id)).await.map_err(of_kind)?.unwrap_or_default();
        let taxed = lines.iter().map(|line| TaxedLine {
            line_total: line.line_total,
            redeemed_value: if pays { line.redeemed_value } else { 0 },
            tax_rate: line.tax_rate,
        });
        let how = self.0.redemption_tax.unwrap_or(RedemptionTax::Discount);
        Ok(taxes(taxed, how).into_iter().map(|tax| TaxOfRate::of(tax, currency)).collect::<Result<_, _>>()?)
    }

    /// Code of the coupon used.
    async fn coupon(&self) -> Option<&str> {
        self.0.coupon.as_deref()
    }

    /// The points set aside for it.
    async fn hold_id(&self) -> Option<ID> {
        self.0.hold_id.map(|id| global_id(NodeType::PointsHold, id))
    }

    /// Whether it came with an import of history.
    async fn imported(&self) -> bool {
        self.0.imported
    }

    /// By position.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<OrderLine>, ApiError> {
        let currency: Currency = self.0.currency.parse()?;
        let loader = ctx.data_unchecked::<DataLoader<OrderLoader>>();
        let lines = loader.load_one(LinesOf(self.0.id)).await.map_err(of_kind)?.unwrap_or_default();
        Ok(lines.into_iter().map(|row| OrderLine { row, currency }).collect())
    }

    /// The first recorded first.
    async fn returns(&self, ctx: &Context<'_>) -> Result<Vec<OrderReturn>, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<OrderLoader>>();
        let returns = loader.load_one(ReturnsOf(self.0.id)).await.map_err(of_kind)?.unwrap_or_default();
        Ok(returns.into_iter().map(OrderReturn).collect())
    }

    /// By the shop's word.
    async fn placed_at(&self) -> Instant {
        self.0.placed_at
    }

    /// By the shop's word.
    async fn paid_at(&self) -> Option<Instant> {
        self.0.paid_at
    }

    /// By the shop's word.
    async fn shipped_at(&self) -> Option<Instant> {
        self.0.shipped_at
    }

    /// By the shop's word.
    async fn delivered_at(&self) -> Option<Instant> {
        self.0.delivered_at
    }

    /// By the shop's word.
    async fn cancelled_at(&self) -> Option<Instant> {
        self.0.cancelled_at
    }

    /// When it was recorded here.
    async fn recorded_at(&self) -> Instant {
        self.0.recorded_at
    }
}

impl Order {
    /// What the hold still pays: until the order is paid, only as long as the points are held.
    async fn worth_of_hold(&self, ctx: &Context<'_>) -> Result<i64, ApiError> {
        let Some(hold) = self.0.hold_id.filter(|_| self.0.state == Stored::Placed) else {
            return Ok(self.0.hold_value);
        };
        let loader = ctx.data_unchecked::<DataLoader<OrderLoader>>();
        let hold = loader.load_one(HoldOf(hold)).await.map_err(of_kind)?;
        let now = ctx.data_unchecked::<App>().clock.now();
        let pays = hold.is_some_and(|hold| hold.state == HoldState::Held && hold.expires_at > now);
        Ok(if pays { self.0.hold_value } else { 0 })
    }

    fn money(&self, minor: i64) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor, currency: self.0.currency.parse()? }.into())
    }
}

/// An order as the viewer may see it: customers their own.
pub(crate) async fn order_of(ctx: &Context<'_>, id: OrderId) -> Result<Option<Order>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<OrderLoader>>();
    let found = loader.load_one(OrderRow(id)).await.map_err(of_kind)?;
    let may_see = |row: &order::Model| match ctx.data_opt() {
        Some(Viewer::Customer { customer, .. }) => row.customer_id == Some(*customer),
        Some(Viewer::Shop { .. } | Viewer::Staff { .. }) => true,
        Some(Viewer::Anonymous) | None => false,
    };
    Ok(found.filter(may_see).map(Order))
}

fn of_kind(kind: FaultKind) -> ApiError {
    ApiError::Fault(Fault::of(kind))
}

#[Object]
impl OrderLine {
    /// Ours.
    async fn id(&self) -> ID {
        global_id(NodeType::OrderLine, self.row.id)
    }

    /// Place in the order, from 1.
    async fn position(&self) -> i32 {
        self.row.position
    }

    /// The shop's.
    async fn sku(&self) -> &str {
        &self.row.sku
    }

    /// As sold.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// As stated with the order.
    async fn categories(&self) -> Result<Vec<String>, ApiError> {
        Ok(serde_json::from_value(self.row.categories.clone())?)
    }

    /// Pieces bought.
    async fn quantity(&self) -> i32 {
        self.row.quantity
    }

    /// Pieces that came back.
    async fn returned(&self) -> i32 {
        self.row.returned
    }

    /// For all pieces, after discount.
    async fn line_total(&self) -> MoneyValue {
        Money { minor: self.row.line_total, currency: self.currency }.into()
    }

    /// Share of tax inside the total; null if the shop did not say.
    async fn tax_rate(&self) -> Option<Rate> {
        let rate = u32::try_from(self.row.tax_rate?).ok()?;
        Some(Rate::from_ten_thousandths(rate))
    }

    /// What of the total is paid with points.
    async fn redeemed_value(&self) -> MoneyValue {
        Money { minor: self.row.redeemed_value, currency: self.currency }.into()
    }

    /// Those points.
    async fn redeemed_points(&self) -> i32 {
        self.row.redeemed_points
    }
}

#[Object]
impl OrderReturn {
    /// Ours.
    async fn id(&self) -> ID {
        global_id(NodeType::OrderReturn, self.0.id)
    }

    /// Which line.
    async fn line_id(&self) -> ID {
        global_id(NodeType::OrderLine, self.0.line_id)
    }

    /// Pieces.
    async fn quantity(&self) -> i32 {
        self.0.quantity
    }

    /// As stated.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// By the shop's word.
    async fn returned_at(&self) -> Instant {
        self.0.returned_at
    }

    /// When it was recorded here.
    async fn recorded_at(&self) -> Instant {
        self.0.recorded_at
    }
}
