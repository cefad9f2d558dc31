//! Delivery slots, as the shop states and sees them.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::delivery_slot::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::loaders::{DeliveryLoader, MethodRow, SlotRow};
use super::{is_shop, message_of, path_of};
use crate::app::App;
use crate::customers::country::CountryCode;
use crate::delivery::Invalid;
use crate::delivery::rules::{Area, postal};
use crate::delivery::slots::{self, SlotError, Upsert, UpsertAll};
use crate::error::Fault;
use crate::external_id::ExternalId;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::once::{once, written};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::orders::rules::{comparable, cut};

/// Places that are few.
const FEW: i32 = 5;

/// About how many places of a slot are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum DeliverySlotLeft {
    /// None.
    None,
    /// 1 to 5.
    Few,
    /// More.
    Many,
}

impl DeliverySlotLeft {
    pub(super) fn of(slot: &Model) -> Self {
        match left(slot) {
            0 => Self::None,
            1..=FEW => Self::Few,
            _more => Self::Many,
        }
    }
}

/// Places that can still be taken.
pub(super) fn left(slot: &Model) -> i32 {
    Ord::max(slot.capacity.saturating_sub(slot.taken), 0)
}

/// Somewhere in a country.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "DeliveryAreaInput")]
pub(super) struct DeliveryArea {
    /// Which country; each once.
    country: CountryCode,
    /// What the postal codes there begin with, 1 to 20 characters each; the whole country, if empty. Blanks and case do not
    /// matter: `1012` takes `1012 AB`, `10` takes 1000 to 1099, `SW1A` takes `sw1a 1aa`, but `SW1` takes `SW10` too.
    #[graphql(default)]
    postal_prefixes: Vec<String>,
}

impl From<Area> for DeliveryArea {
    fn from(Area { country, prefixes }: Area) -> Self {
        Self { country, postal_prefixes: prefixes }
    }
}

impl From<DeliveryArea> for Area {
    fn from(DeliveryArea { country, postal_prefixes }: DeliveryArea) -> Self {
        Self { country, prefixes: postal_prefixes.iter().map(|prefix| postal(prefix)).collect() }
    }
}

/// A span of time in which so many orders can be delivered.
#[derive(Clone, Debug)]
pub(super) struct DeliverySlot(Model);

impl DeliverySlot {
    /// The slot of a hold.
    pub(super) async fn find(ctx: &Context<'_>, row: SlotRow) -> Result<Self, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
        let found = loader.load_one(row).await.map_err(Fault::of)?;
        Ok(Self(found.ok_or_else(|| Fault::internal("a slot that was held is gone"))?))
    }
}

#[Object]
impl DeliverySlot {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::DeliverySlot, self.0.id)
    }

    /// The shop's; unique.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// The code of its shipping method.
    async fn method(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
        let found = loader.load_one(MethodRow(self.0.method_id)).await.map_err(Fault::of)?;
        let found = found.ok_or_else(|| Fault::internal("a slot of a method that is gone"))?;
        Ok(found.code)
    }

    /// Where it is for.
    async fn areas(&self) -> Result<Vec<DeliveryArea>, ApiError> {
        let areas: Vec<Area> = serde_json::from_value(self.0.areas.clone())?;
        Ok(areas.into_iter().map(DeliveryArea::from).collect())
    }

    /// From then on.
    async fn starts_at(&self) -> Instant {
        self.0.starts_at
    }

    /// Until then.
    async fn ends_at(&self) -> Instant {
        self.0.ends_at
    }

    /// Nobody can take it from then on.
    async fn cut_off_at(&self) -> Instant {
        self.0.cut_off_at
    }

    /// Whether it is for members only.
    async fn members_only(&self) -> bool {
        self.0.members_only
    }

    /// When the shop closed it; null while it is open.
    async fn closed_at(&self) -> Option<Instant> {
        self.0.closed_at
    }

    /// About how many places are left.
    async fn left(&self) -> DeliverySlotLeft {
        DeliverySlotLeft::of(&self.0)
    }

    /// Orders that it is for; for the shop only.
    async fn capacity(&self, ctx: &Context<'_>) -> Option<i32> {
        is_shop(ctx).then_some(self.0.capacity)
    }

    /// Orders that have it, and carts that hold it; above the capacity only if that was lowered. For the shop only.
    async fn taken(&self, ctx: &Context<'_>) -> Option<i32> {
        is_shop(ctx).then_some(self.0.taken)
    }
}

/// Delivery slots to make or change.
#[derive(Debug, InputObject)]
pub(super) struct DeliverySlotsUpsertInput {
    /// 1 to 100, each external id once.
    slots: Vec<DeliverySlotInput>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A delivery slot to make or change, by its external id.
#[derive(Debug, InputObject)]
pub(super) struct DeliverySlotInput {
    /// The shop's, 1 to 255 visible characters.
    external_id: String,
    /// The code of its shipping method.
    method: String,
    /// Where it is for: 1 to 100 countries and beginnings of postal codes in all.
    areas: Vec<DeliveryArea>,
    /// From then on.
    starts_at: Instant,
    /// Until then; later than `startsAt`.
    ends_at: Instant,
    /// Nobody can take it from then on; not after `startsAt`.
    cut_off_at: Instant,
    /// Orders that it is for, 0 to 100,000. Below what is taken, no more are taken, and who has it keeps it.
    capacity: i32,
    /// Whether it is only for members whose plan gives such places (`deliverySlots`).
    #[graphql(default)]
    members_only: bool,
}

/// A delivery slot to close.
#[derive(Debug, InputObject)]
pub(super) struct DeliverySlotCloseInput {
    /// The shop's id of the slot.
    external_id: String,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why delivery slots were not stated or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DeliverySlotErrorCode {
    /// No such slot or shipping method; `field` says which.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
}

/// Delivery slots that were stated, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct DeliverySlotsUpsertPayload {
    /// In the order of the input; empty if nothing was done.
    slots: Vec<DeliverySlot>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<DeliverySlotErrorCode>>,
}

/// A delivery slot that was closed, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct DeliverySlotClosePayload {
    /// The slot.
    slot: Option<DeliverySlot>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<DeliverySlotErrorCode>>,
}

/// What slots are paged by.
type Place = (Instant, Uuid);

/// Queries about delivery slots.
#[derive(Debug, Default)]
pub(super) struct DeliverySlotsQuery;

/// Mutations of delivery slots.
#[derive(Debug, Default)]
pub(super) struct DeliverySlotsMutation;

#[Object]
impl DeliverySlotsQuery {
    /// Delivery slots with what is taken, the earliest first.
    /// For shop keys with `delivery:write`, staff with `delivery.write`.
    #[graphql(guard = "Allowed")]
    #[expect(clippy::too_many_arguments, reason = "those of a page, and two more")]
    async fn delivery_slots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that start at or after this instant.")] from: Option<Instant>,
        #[graphql(desc = "Only those that start before this instant.")] until: Option<Instant>,
        #[graphql(desc = "This many from the earliest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the latest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<Place, DeliverySlot>, ApiError> {
        let page = Page::<Place>::of(PageArguments { first, after, last, before })?;
        let within = Condition::all()
            .add_option(from.map(|from| Column::StartsAt.gte(comparable(from))))
            .add_option(until.map(|until| Column::StartsAt.lt(comparable(until))));
        let all = Entity::find().filter(within);
        let db = &ctx.data_unchecked::<App>().db.read;
        // Counting costs what there is: only if somebody asks.
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(all.clone().count(db).await?)? } else { 0 };
        let place = || Expr::tuple([Expr::col(Column::StartsAt), Expr::col(Column::Id)]);
        let at = |(starts_at, id): Place| Expr::tuple([Expr::val(comparable(starts_at)), Expr::val(id)]);
        let mut query = all;
        if let Some(after) = page.after {
            query = query.filter(place().gt(at(after)));
        }
        if let Some(before) = page.before {
            query = query.filter(place().lt(at(before)));
        }
        let query = if page.backwards {
            query.order_by_desc(Column::StartsAt).order_by_desc(Column::Id)
        } else {
            query.order_by_asc(Column::StartsAt).order_by_asc(Column::Id)
        };
        let rows = query.limit(page.fetch()).all(db).await?;
        Ok(page.connect(rows, total, |row| ((row.starts_at, row.id.0), DeliverySlot(row))))
    }
}

#[Object]
impl DeliverySlotsMutation {
    /// Makes or changes delivery slots, all of them or none; what is taken stays taken, and a closed slot stays closed.
    /// For shop keys with `delivery:write`, staff with `delivery.write`.
    #[graphql(guard = "Allowed")]
    async fn delivery_slots_upsert(
        &self,
        ctx: &Context<'_>,
        input: DeliverySlotsUpsertInput,
    ) -> Result<DeliverySlotsUpsertPayload, ApiError> {
        let slots = input.slots.into_iter().enumerate();
        let stated = match slots.map(DeliverySlotInput::parse).collect::<Result<_, _>>() {
            Ok(stated) => UpsertAll(stated),
            Err(invalid) => return Ok(DeliverySlotsUpsertPayload::refused(&SlotError::Invalid(invalid))),
        };
        let done = once(ctx, "deliverySlotsUpsert", input.idempotency_key, &stated, slots::upsert).await?;
        match done {
            Ok(Once { value, replayed }) => {
                let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
                let rows = loader.load_many(value.iter().copied().map(SlotRow)).await.map_err(Fault::of)?;
                let slot = |id| rows.get(&SlotRow(id)).cloned().map(DeliverySlot);
                let slots: Option<Vec<DeliverySlot>> = value.into_iter().map(slot).collect();
                let slots = slots.ok_or_else(|| Fault::internal("a slot that was written is gone"))?;
                Ok(DeliverySlotsUpsertPayload { slots, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(DeliverySlotsUpsertPayload::refused(&error)),
        }
    }

    /// Closes a delivery slot: nobody can take it any more, and who has it keeps it.
    /// For shop keys with `delivery:write`, staff with `delivery.write`.
    #[graphql(guard = "Allowed")]
    async fn delivery_slot_close(
        &self,
        ctx: &Context<'_>,
        input: DeliverySlotCloseInput,
    ) -> Result<DeliverySlotClosePayload, ApiError> {
        let refused = |error: &SlotError| {
            let user_errors = vec![user_error(error)];
            Ok(DeliverySlotClosePayload { slot: None, replayed: false, user_errors })
        };
        let Ok(external_id) = ExternalId::try_from(input.external_id) else {
            return refused(&SlotError::NotFound(vec!["externalId".to_owned()]));
        };
        match once(ctx, "deliverySlotClose", input.idempotency_key, &external_id, slots::close).await? {
            Ok(Once { value, replayed }) => {
                let slot = Some(DeliverySlot(written::<Entity>(ctx, value).await?));
                Ok(DeliverySlotClosePayload { slot, replayed, user_errors: Vec::new() })
            }
            Err(error) => refused(&error),
        }
    }
}

impl DeliverySlotInput {
    fn parse((index, slot): (usize, Self)) -> Result<Upsert, Invalid> {
        let external_id = ExternalId::try_from(slot.external_id).map_err(|_not_one| {
            Invalid::in_list("slots", index, "externalId", "is not 1 to 255 visible characters")
        })?;
        Ok(Upsert {
            external_id,
            method: slot.method,
            areas: slot.areas.into_iter().map(Area::from).collect(),
            starts_at: cut(slot.starts_at),
            ends_at: cut(slot.ends_at),
            cut_off_at: cut(slot.cut_off_at),
            capacity: slot.capacity,
            members_only: slot.members_only,
        })
    }
}

impl DeliverySlotsUpsertPayload {
    fn refused(error: &SlotError) -> Self {
        Self { slots: Vec::new(), replayed: false, user_errors: vec![user_error(error)] }
    }
}

fn user_error(error: &SlotError) -> UserError<DeliverySlotErrorCode> {
    let (code, path, message) = match error {
        SlotError::Invalid(invalid) => (DeliverySlotErrorCode::Invalid, &invalid.path, message_of(invalid)),
        SlotError::NotFound(path) => {
            let message = "There is no such delivery slot or shipping method.".to_owned();
            (DeliverySlotErrorCode::NotFound, path, message)
        }
    };
    UserError { code, field: Some(path_of(path)), message }
}
