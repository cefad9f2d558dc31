//! Places in delivery slots: held, released, and shown with their orders.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::id::{CustomerId, OrderId, SlotHoldId};
use entity::slot_hold::{Entity, Model, SlotHoldState as Stored};
use serde::Serialize;

use super::loaders::{DeliveryLoader, HoldOf, PlacesOf, SlotRow};
use super::path_of;
use super::slots::DeliverySlot;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::{self, CustomerBy};
use crate::delivery::holds::{self, Hold, Holder, Refusal, Release};
use crate::error::{Fault, Outcome};
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::orders::api::{Order, order_of};
use crate::orders::rules::visible;
use crate::tx::Tx;

/// Where a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Stored")]
pub(super) enum DeliverySlotHoldState {
    /// Set aside while somebody checks out.
    Held,
    /// An order has it.
    Confirmed,
    /// Given back: by whoever held it, or because its order was cancelled.
    Released,
    /// Given back by time.
    Expired,
}

/// A place in a delivery slot, from when it is held.
#[derive(Clone, Debug)]
pub struct DeliverySlotHold(Model);

#[Object]
impl DeliverySlotHold {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::DeliverySlotHold, self.0.id)
    }

    /// Where it is.
    async fn state(&self) -> DeliverySlotHoldState {
        self.0.state.into()
    }

    /// In which slot.
    async fn slot(&self, ctx: &Context<'_>) -> Result<DeliverySlot, ApiError> {
        DeliverySlot::find(ctx, SlotRow(self.0.slot_id)).await
    }

    /// When it is given back, unless an order has it.
    async fn expires_at(&self) -> Instant {
        self.0.expires_at
    }

    /// The order that has it, or had it until it gave it back; needs what `order` needs.
    #[graphql(guard = "AllowedAs(\"order\")")]
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>, ApiError> {
        match self.0.order_id {
            Some(order) => order_of(ctx, order).await,
            None => Ok(None),
        }
    }
}

/// The places in delivery slots that a customer holds or has ordered, and that are not over; the earliest first, 20 at most.
pub(crate) async fn places_of(
    ctx: &Context<'_>,
    customer: CustomerId,
) -> Result<Vec<DeliverySlotHold>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
    let found = loader.load_one(PlacesOf(customer)).await.map_err(Fault::of)?;
    Ok(found.unwrap_or_default().into_iter().map(DeliverySlotHold).collect())
}

/// The place in a delivery slot that an order has, or had until it was cancelled.
pub(crate) async fn hold_of(ctx: &Context<'_>, order: OrderId) -> Result<Option<DeliverySlotHold>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
    let found = loader.load_one(HoldOf(order)).await.map_err(Fault::of)?;
    Ok(found.map(DeliverySlotHold))
}

/// A place to hold.
#[derive(Debug, InputObject)]
pub(super) struct DeliverySlotHoldInput {
    /// In which slot.
    slot_id: ID,
    /// For whom; a customer leaves it out.
    customer_id: Option<ID>,
    /// For whom nobody knows, as the shop calls them, such as the id of a cart: 1 to 255 characters. A server of the shop
    /// gives this or `customerId`.
    holder: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A hold to give back.
#[derive(Debug, InputObject)]
pub(super) struct DeliverySlotReleaseInput {
    /// Which.
    id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a place in a delivery slot was not held or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DeliverySlotHoldErrorCode {
    /// No such slot, hold or customer, or not the caller's, or no longer held.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// All places are taken.
    SlotFull,
    /// The shop closed it.
    SlotClosed,
    /// It is too late for it.
    CutOffPassed,
    /// It is only for members whose plan gives such places (`deliverySlots`).
    MembersOnly,
    /// They hold three places: one must be given back first.
    TooManyHolds,
}

impl From<Refusal> for DeliverySlotHoldErrorCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::SlotFull => Self::SlotFull,
            Refusal::SlotClosed => Self::SlotClosed,
            Refusal::CutOffPassed => Self::CutOffPassed,
            Refusal::MembersOnly => Self::MembersOnly,
            Refusal::TooManyHolds => Self::TooManyHolds,
        }
    }
}

/// A place that was held or released, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct DeliverySlotHoldPayload {
    /// The hold.
    hold: Option<DeliverySlotHold>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<DeliverySlotHoldErrorCode>>,
}

/// Mutations of places in delivery slots.
#[derive(Debug, Default)]
pub(super) struct DeliveryHoldsMutation;

#[Object]
impl DeliveryHoldsMutation {
    /// Holds a place in a delivery slot while somebody checks out, for as many minutes as the shop has set; the order that
    /// names it has it. Whoever holds one there gets that one, for no longer than before; three places at a time. A place for
    /// members only is for those who are given that benefit, and for those whose membership with it waits for its first
    /// payment: the order that names it is to join that membership.
    /// For the customer, shop keys with `carts:write`.
    #[graphql(guard = "Allowed")]
    async fn delivery_slot_hold(
        &self,
        ctx: &Context<'_>,
        input: DeliverySlotHoldInput,
    ) -> Result<DeliverySlotHoldPayload, ApiError> {
        let holder = match input.holder(ctx).await? {
            Ok(holder) => holder,
            Err((code, field, message)) => return Ok(DeliverySlotHoldPayload::refused(code, field, message)),
        };
        let hold = Hold { slot: local_id(&input.slot_id, NodeType::DeliverySlot), holder };
        write(ctx, "deliverySlotHold", input.idempotency_key, &hold, "slotId", holds::hold).await
    }

    /// Gives back a place that is held; what an order has goes back when the order is cancelled.
    /// For the customer, shop keys with `carts:write`.
    #[graphql(guard = "Allowed")]
    async fn delivery_slot_release(
        &self,
        ctx: &Context<'_>,
        input: DeliverySlotReleaseInput,
    ) -> Result<DeliverySlotHoldPayload, ApiError> {
        let customer = match ctx.data_unchecked::<Viewer>() {
            Viewer::Customer { customer, .. } => Some(*customer),
            Viewer::Shop { .. } | Viewer::Staff { .. } | Viewer::Anonymous => None,
        };
        let release = Release { id: local_id(&input.id, NodeType::DeliverySlotHold), customer };
        write(ctx, "deliverySlotRelease", input.idempotency_key, &release, "id", holds::release).await
    }
}

/// A mistake: its code, its field and what it says to people.
type Wrong = (DeliverySlotHoldErrorCode, &'static str, &'static str);

impl DeliverySlotHoldInput {
    /// Who is to hold it: customers themselves, or whom a server of the shop names.
    async fn holder(&self, ctx: &Context<'_>) -> Result<Result<Holder, Wrong>, ApiError> {
        let invalid = |problem| Ok(Err((DeliverySlotHoldErrorCode::Invalid, "holder", problem)));
        let unknown = (DeliverySlotHoldErrorCode::NotFound, "customerId", "There is no such customer.");
        let named = self.customer_id.as_ref().map(|id| local_id::<CustomerId>(id, NodeType::Customer));
        match (ctx.data_unchecked::<Viewer>(), named, &self.holder) {
            (Viewer::Customer { .. }, _, Some(_)) => invalid("holder is for servers of the shop."),
            (Viewer::Customer { customer, .. }, None, None) => Ok(Ok(Holder::Customer(*customer))),
            (Viewer::Customer { customer, .. }, Some(named), None) => {
                Ok(named.filter(|named| named == customer).map(Holder::Customer).ok_or(unknown))
            }
            (_, Some(None), None) => Ok(Err(unknown)),
            (_, Some(Some(named)), None) => {
                let db = &ctx.data_unchecked::<App>().db.read;
                let found = customers::find(db, &CustomerBy::Id(named)).await?;
                Ok(found.map(|row| Holder::Customer(row.id)).ok_or(unknown))
            }
            (_, None, Some(holder)) => match visible(holder) {
                Ok(()) => Ok(Ok(Holder::Named(holder.clone()))),
                Err(_problem) => invalid("holder must be 1 to 255 characters on one line."),
            },
            (_, None, None) => invalid("holder is needed when no customer is given."),
            (_, Some(_), Some(_)) => invalid("holder and customerId are both given."),
        }
    }
}

async fn write<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    named: &str,
    work: impl AsyncFn(&Tx, &C) -> Outcome<SlotHoldId, Refusal>,
) -> Result<DeliverySlotHoldPayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let hold = Some(DeliverySlotHold(written::<Entity>(ctx, value).await?));
            Ok(DeliverySlotHoldPayload { hold, replayed, user_errors: Vec::new() })
        }
        Err(refusal) => Ok(DeliverySlotHoldPayload::refused(refusal.into(), named, refusal.message())),
    }
}

impl DeliverySlotHoldPayload {
    fn refused(code: DeliverySlotHoldErrorCode, field: &str, message: &str) -> Self {
        let field = Some(path_of(&[field.to_owned()]));
        let user_errors = vec![UserError { code, field, message: message.to_owned() }];
        Self { hold: None, replayed: false, user_errors }
    }
}
