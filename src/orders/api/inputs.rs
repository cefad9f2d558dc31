//! What callers say about orders, and how it becomes a command.

use async_graphql::{ID, InputObject};
use aws_lc_rs::hmac;
use entity::Instant;
use entity::id::{CustomerId, HoldId, LineId, MembershipId, OrderId, SlotHoldId};
use entity::order::Column;
use sea_orm::{ColumnTrait, Condition};

use super::types::OrderState;
use crate::actor::Actor;
use crate::customers::address::Address;
use crate::customers::api::address::AddressInput;
use crate::customers::email::EmailAddress;
use crate::customers::owners::Named;
use crate::external_id::ExternalId;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::money::{Currency, Money, Rate};
use crate::orders::record::{DEFAULT_CHANNEL, Record, RecordLine};
use crate::orders::rules::{comparable, cut, visible};
use crate::orders::{OrderError, OrderRef, Pay, Return, ReturnPieces, Step, Which};
use crate::points::orders::HoldError;
use crate::referrals::CardHash;

/// Which orders.
#[derive(Debug, InputObject)]
pub struct OrdersFilter {
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this customer.
    pub customer_id: Option<ID>,
    /// Placed at or after this instant.
    pub placed_from: Option<Instant>,
    /// Placed before this instant.
    pub placed_to: Option<Instant>,
}

impl OrdersFilter {
    pub(super) fn condition(self) -> Condition {
        let customer = self.customer_id.map(|id| match local_id::<CustomerId>(&id, NodeType::Customer) {
            Some(customer) => Column::CustomerId.eq(customer),
            // An id of nothing names no orders.
            None => Column::Id.is_null(),
        });
        Condition::all()
            .add_option(self.state.map(|state| Column::State.eq(entity::order::OrderState::from(state))))
            .add_option(customer)
            .add_option(self.placed_from.map(|from| Column::PlacedAt.gte(comparable(from))))
            .add_option(self.placed_to.map(|to| Column::PlacedAt.lt(comparable(to))))
    }
}

/// The order that exactly one of two ids names; none for an id that is not an order's.
pub(super) fn order_ref(id: Option<ID>, external_id: Option<String>) -> Result<Option<OrderRef>, ApiError> {
    match (id, external_id) {
        (Some(id), None) => Ok(local_id::<OrderId>(&id, NodeType::Order).map(OrderRef::Id)),
        (None, Some(id)) => Ok(ExternalId::try_from(id).ok().map(|id| OrderRef::External(id.into()))),
        (Some(_), Some(_)) | (None, None) => {
            Err(ApiError::bad_input("give exactly one of id and externalId"))
        }
    }
}

/// An order to record.
#[derive(Debug, InputObject)]
pub struct OrderRecordInput {
    /// Yours, for this order; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// The shop's id of the order, 1 to 255 visible characters; unique.
    pub external_id: String,
    /// Who bought, by our id. At most one of this and `externalCustomerId`.
    pub customer_id: Option<ID>,
    /// Who bought, by the shop's id; made if unknown.
    pub external_customer_id: Option<String>,
    /// Where the shop writes to about it. Without a customer it says who bought: the customer who proved this address,
    /// else a guest.
    pub email: Option<EmailAddress>,
    /// Where it was bought; `web` if not given.
    pub channel: Option<String>,
    /// What the amounts are in.
    pub currency: Currency,
    /// 1 to 500.
    pub lines: Vec<OrderLineInput>,
    /// Cost of shipping, in whole units; 0 if not given.
    pub shipping: Option<Decimal>,
    /// Since 1970 and at most 24 hours ahead; now if not given.
    pub placed_at: Option<Instant>,
    /// Code of the coupon used.
    pub coupon: Option<String>,
    /// Code of the customer who brought the buyer; the order is recorded whether it counts or not.
    pub referral_code: Option<String>,
    /// What your payment provider calls the card that pays it, the same for every payment with that card; 1 to 255
    /// characters. Kept as a keyed hash, only to tell friends from oneself.
    pub card_fingerprint: Option<String>,
    /// Points set aside that pay part of it; only for an order that is `PLACED`.
    pub hold_id: Option<ID>,
    /// A membership that the buyer joins with it, and that has not been paid for another order: the order gets its free
    /// shipping at once, and a place for members only that the buyer holds; `orderPay` is refused until it is paid. It opens
    /// no coupon to this order that is for members.
    pub membership_id: Option<ID>,
    /// A place in a delivery slot that the buyer, or somebody whom nobody knew, holds: the order has it from now on. One
    /// that was given back meanwhile is taken again if it can be, and one for members only is for a buyer who is given that
    /// benefit, or who joins with `membershipId`; else the order is recorded and tells why not.
    pub delivery_slot_hold: Option<ID>,
    /// Code of the shipping method: what it costs others and members is kept with the order.
    pub shipping_method: Option<String>,
    /// The buyer's name, 1 to 200 characters; an account made from this order has it.
    pub name: Option<String>,
    /// Where it goes; an account made from this order has it.
    pub shipping_address: Option<AddressInput>,
    /// Where its invoice goes; an account made from this order has it.
    pub billing_address: Option<AddressInput>,
    /// What mails that it causes are written in: BCP 47, such as `nl-BE`.
    pub locale: Option<String>,
    /// Where it is already; `PLACED` if not given. What has happened so far counts as of `placedAt`.
    pub state: Option<OrderState>,
}

/// A line of an order to record.
#[derive(Debug, InputObject)]
pub struct OrderLineInput {
    /// The shop's, 1 to 255 characters.
    pub sku: String,
    /// As sold, 1 to 255 characters.
    pub name: String,
    /// At most 20, of 1 to 255 characters each.
    #[graphql(default)]
    pub categories: Vec<String>,
    /// 1 to 1,000,000.
    pub quantity: i32,
    /// For all pieces, after discount, in whole units.
    pub line_total: Decimal,
    /// Share of tax inside the total, `"0"` to `"1"`.
    pub tax_rate: Option<Rate>,
    /// Grams of one piece, 0 to 10,000,000; those of the product, if left out.
    pub weight_grams: Option<i32>,
}

fn bounded<T: TryFrom<String>>(field: &'static str, text: String) -> Result<T, OrderError>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(|problem| OrderError::invalid(field, problem.to_string()))
}

fn address(field: &'static str, given: AddressInput) -> Result<Address, OrderError> {
    Address::try_from(given).map_err(|problem| OrderError::invalid(field, format!("{field}.{problem}")))
}

/// The hash of what the payment provider calls a card.
fn card(key: &hmac::Key, fingerprint: Option<String>) -> Result<Option<CardHash>, OrderError> {
    let Some(fingerprint) = fingerprint else { return Ok(None) };
    visible(&fingerprint).map_err(|problem| OrderError::invalid("cardFingerprint", problem))?;
    Ok(Some(CardHash::of(key, &fingerprint)))
}

impl OrderRecordInput {
    /// `cards` is what the fingerprints of cards are hashed with.
    pub(super) fn into_record(self, cards: &hmac::Key, by: Actor) -> Result<Record, OrderError> {
        let external_id = ExternalId::try_from(self.external_id)
            .map_err(|error| OrderError::invalid("externalId", error.to_string()))?;
        let buyer = buyer(self.customer_id, self.external_customer_id, self.email.as_ref())?;
        let hold = match self.hold_id {
            None => None,
            Some(id) => {
                let hold = local_id::<HoldId>(&id, NodeType::PointsHold);
                Some(hold.ok_or(OrderError::Hold(HoldError::NotFound))?)
            }
        };
        let slot_hold = match self.delivery_slot_hold {
            None => None,
            Some(id) => {
                let hold = local_id::<SlotHoldId>(&id, NodeType::DeliverySlotHold);
                Some(hold.ok_or(OrderError::SlotHoldNotFound)?)
            }
        };
        let membership = match self.membership_id {
            None => None,
            Some(id) => {
                let membership = local_id::<MembershipId>(&id, NodeType::Membership);
                Some(membership.ok_or(OrderError::MembershipNotFound)?)
            }
        };
        let lines = self.lines.into_iter().enumerate();
        Ok(Record {
            external_id,
            buyer,
            email: self.email,
            channel: self.channel.unwrap_or_else(|| DEFAULT_CHANNEL.to_owned()),
            currency: self.currency,
            lines: lines
                .map(|(index, line)| line.into_line(index, self.currency))
                .collect::<Result<_, _>>()?,
            shipping: match self.shipping {
                None => 0,
                Some(Decimal(amount)) => {
                    Money::parse_unsigned(&amount, self.currency)
                        .map_err(|error| OrderError::invalid("shipping", error.to_string()))?
                        .minor
                }
            },
            placed_at: self.placed_at.map(cut),
            coupon: self.coupon,
            referral_code: self.referral_code,
            card: card(cards, self.card_fingerprint)?,
            hold,
            membership,
            slot_hold,
            shipping_method: self.shipping_method,
            state: self.state.unwrap_or(OrderState::Placed).into(),
            name: self.name.map(|name| bounded("name", name)).transpose()?,
            shipping_address: self
                .shipping_address
                .map(|given| address("shippingAddress", given))
                .transpose()?,
            billing_address: self
                .billing_address
                .map(|given| address("billingAddress", given))
                .transpose()?,
            locale: self.locale.map(|locale| bounded("locale", locale)).transpose()?,
            imported: false,
            by,
        })
    }
}

fn buyer(
    customer: Option<ID>,
    external: Option<String>,
    email: Option<&EmailAddress>,
) -> Result<Named, OrderError> {
    match (customer, external) {
        (Some(_), Some(_)) => Err(OrderError::invalid("customerId", "and externalCustomerId are both given")),
        (Some(id), None) => {
            local_id(&id, NodeType::Customer).map(Named::Customer).ok_or(OrderError::UnknownCustomer)
        }
        (None, Some(id)) => ExternalId::try_from(id)
            .map(Named::External)
            .map_err(|error| OrderError::invalid("externalCustomerId", error.to_string())),
        (None, None) => email
            .map(|email| Named::Email(email.clone()))
            .ok_or_else(|| OrderError::invalid("email", "is needed when no customer is given")),
    }
}

impl OrderLineInput {
    fn into_line(self, index: usize, currency: Currency) -> Result<RecordLine, OrderError> {
        let Decimal(amount) = self.line_total;
        let total = Money::parse_unsigned(&amount, currency)
            .map_err(|error| OrderError::line(index, "lineTotal", error.to_string()))?;
        let tax_rate = self.tax_rate.map(|rate| i32::try_from(rate.ten_thousandths())).transpose();
        Ok(RecordLine {
            sku: self.sku,
            name: self.name,
            categories: self.categories,
            quantity: self.quantity,
            line_total: total.minor,
            tax_rate: tax_rate.map_err(|_large| OrderError::line(index, "taxRate", "must be 0 to 1"))?,
            weight_grams: self.weight_grams,
        })
    }
}

/// An order that is paid.
#[derive(Debug, InputObject)]
pub struct OrderPayInput {
    /// Yours, for this payment; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// Which order. Exactly one of this and `externalId`.
    pub id: Option<ID>,
    /// Which order, by the shop's id.
    pub external_id: Option<String>,
    /// When; now if not given.
    pub at: Option<Instant>,
    /// It was paid in full with money: the points set aside for it, if any are left, go back.
    #[graphql(default)]
    pub without_points: bool,
    /// It was paid in full with its shipping: the membership that it was to be joined with is given up, unless that is paid,
    /// and its shipping is what it costs without. A place for members only goes back: `deliverySlotRefusal` of the order is
    /// `MEMBERS_ONLY` then.
    #[graphql(default)]
    pub without_membership: bool,
    /// What your payment provider calls the card that paid it, if the order was recorded without; 1 to 255 characters.
    pub card_fingerprint: Option<String>,
}

impl OrderPayInput {
    /// As for an order that is recorded.
    pub(super) fn command(self, cards: &hmac::Key, by: Actor) -> Result<Result<Pay, OrderError>, ApiError> {
        let Some(order) = order_ref(self.id, self.external_id)? else {
            return Ok(Err(OrderError::NotFound));
        };
        let at = self.at.map(cut);
        let (without_points, without_membership) = (self.without_points, self.without_membership);
        let card = card(cards, self.card_fingerprint);
        Ok(card.map(|card| Pay { order, at, without_points, without_membership, card, by }))
    }
}

/// An order that left.
#[derive(Debug, InputObject)]
pub struct OrderShipInput {
    /// Yours, for this step; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// Which order. Exactly one of this and `externalId`.
    pub id: Option<ID>,
    /// Which order, by the shop's id.
    pub external_id: Option<String>,
    /// When; now if not given.
    pub at: Option<Instant>,
}

/// An order that arrived.
#[derive(Debug, InputObject)]
pub struct OrderDeliverInput {
    /// Yours, for this step; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// Which order. Exactly one of this and `externalId`.
    pub id: Option<ID>,
    /// Which order, by the shop's id.
    pub external_id: Option<String>,
    /// When; now if not given.
    pub at: Option<Instant>,
}

/// An order that is undone.
#[derive(Debug, InputObject)]
pub struct OrderCancelInput {
    /// Yours, for this step; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// Which order. Exactly one of this and `externalId`.
    pub id: Option<ID>,
    /// Which order, by the shop's id.
    pub external_id: Option<String>,
    /// When; now if not given.
    pub at: Option<Instant>,
}

fn step(
    id: Option<ID>,
    external_id: Option<String>,
    at: Option<Instant>,
    by: Actor,
) -> Result<Option<Step>, ApiError> {
    Ok(order_ref(id, external_id)?.map(|order| Step { order, at: at.map(cut), by }))
}

impl OrderShipInput {
    pub(super) fn command(self, by: Actor) -> Result<Option<Step>, ApiError> {
        step(self.id, self.external_id, self.at, by)
    }
}

impl OrderDeliverInput {
    pub(super) fn command(self, by: Actor) -> Result<Option<Step>, ApiError> {
        step(self.id, self.external_id, self.at, by)
    }
}

impl OrderCancelInput {
    pub(super) fn command(self, by: Actor) -> Result<Option<Step>, ApiError> {
        step(self.id, self.external_id, self.at, by)
    }
}

/// Pieces that come back.
#[derive(Debug, InputObject)]
pub struct OrderReturnInput {
    /// Yours, for this return; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// Of which order. Exactly one of this and `externalId`.
    pub id: Option<ID>,
    /// Of which order, by the shop's id.
    pub external_id: Option<String>,
    /// Which pieces; 1 to 500 entries.
    pub lines: Vec<OrderReturnLineInput>,
    /// As the buyer or the shop put it, at most 255 characters.
    pub reason: Option<String>,
    /// When; now if not given.
    pub at: Option<Instant>,
}

/// Pieces of one line.
#[derive(Debug, InputObject)]
pub struct OrderReturnLineInput {
    /// Which line. Exactly one of this and `position`.
    pub line_id: Option<ID>,
    /// Which line, by its place in the order, from 1.
    pub position: Option<i32>,
    /// How many, at least 1.
    pub quantity: i32,
}

impl OrderReturnInput {
    pub(super) fn command(self, by: Actor) -> Result<Option<Return>, ApiError> {
        let order = order_ref(self.id, self.external_id)?;
        let pieces = self.lines.into_iter().map(OrderReturnLineInput::pieces).collect::<Result<_, _>>()?;
        let (reason, at) = (self.reason, self.at.map(cut));
        Ok(order.map(|order| Return { order, pieces, reason, at, by }))
    }
}

impl OrderReturnLineInput {
    fn pieces(self) -> Result<ReturnPieces, ApiError> {
        let line = match (self.line_id, self.position) {
            (Some(id), None) => Which::Id(local_id::<LineId>(&id, NodeType::OrderLine)),
            (None, Some(position)) => Which::Position(position),
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::bad_input("give exactly one of lineId and position"));
            }
        };
        Ok(ReturnPieces { line, quantity: self.quantity })
    }
}
