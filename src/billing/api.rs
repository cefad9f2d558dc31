//! What Stripe told, and how memberships are billed, over GraphQL: for staff who look into a payment.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::billing_event::{Column, Entity, EventState, Model};
use entity::id::MembershipId;
use entity::membership;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::inbox;
use super::payments::Change;
use crate::app::App;
use crate::error::Fault;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::once::{once, written};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{IdempotencyKey, MoneyValue};
use crate::idempotency::Once;
use crate::memberships::calls::Call;
use crate::memberships::differs::{self, Billing, Difference, Refused};
use crate::money::{Currency, Money};
use crate::orders::rules::comparable;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EventState")]
pub enum BillingEventState {
    /// Not looked into yet, or to be tried again.
    Received,
    /// What it is about was looked up and taken over.
    Applied,
    /// It concerns no membership.
    Ignored,
    /// It could not be looked into as often as it was tried.
    Failed,
}

/// Something that Stripe told.
#[derive(Debug)]
pub struct BillingEvent {
    row: Model,
}

#[Object]
impl BillingEvent {
    /// Stripe's own, such as `evt_…`.
    async fn id(&self) -> &str {
        &self.row.id
    }

    /// Stripe's, such as `invoice.paid`.
    async fn kind(&self) -> &str {
        &self.row.kind
    }

    /// The id at Stripe of what it is about.
    async fn object(&self) -> Option<&str> {
        self.row.object.as_deref()
    }

    /// When it happened there.
    async fn created_at(&self) -> Instant {
        self.row.created_at
    }

    /// When it came here.
    async fn received_at(&self) -> Instant {
        self.row.received_at
    }

    /// What became of it.
    async fn state(&self) -> BillingEventState {
        self.row.state.into()
    }

    /// The membership that was looked up because of it.
    async fn membership_id(&self) -> Option<ID> {
        self.row.membership_id.map(|id| global_id(NodeType::Membership, id))
    }

    /// When it was looked into.
    async fn applied_at(&self) -> Option<Instant> {
        self.row.applied_at
    }

    /// Why nothing came of it, or not yet.
    async fn problem(&self) -> Option<&str> {
        self.row.problem.as_deref()
    }
}

/// How a membership is billed.
#[derive(Debug, SimpleObject)]
pub struct MembershipBilling {
    /// Where: `stripe:live`, `stripe:test` or `sandbox`.
    account: String,
    /// What its subscription is called there; null until there is one.
    subscription: Option<String>,
    /// What is otherwise there, looked up now; empty if nothing is.
    differs: Vec<MembershipBillingDifference>,
    /// What was asked for there and refused for good: refunds first, the newest first; 20 at most. A refund among them may
    /// still be owed, or be with the bank, or be made there: look at its invoice there first.
    refused: Vec<MembershipBillingRefusal>,
}

/// What is asked for where memberships are billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum MembershipBillingCall {
    /// To begin the subscription.
    Begin,
    /// To end it, or to have it go on.
    End,
    /// To take nothing for now.
    Pause,
    /// To go on after that.
    Resume,
    /// To change its price.
    Price,
    /// To give money back.
    Refund,
}

impl From<&Call> for MembershipBillingCall {
    fn from(call: &Call) -> Self {
        match call {
            Call::Begin(_) => Self::Begin,
            Call::Change(Change::EndAt(_) | Change::EndNow) => Self::End,
            Call::Change(Change::Pause) => Self::Pause,
            Call::Change(Change::Resume { .. }) => Self::Resume,
            Call::Change(Change::PriceNow(_) | Change::PriceAtRenewal { .. }) | Call::Switch { .. } => {
                Self::Price
            }
            Call::Refund { .. } => Self::Refund,
        }
    }
}

/// Something that was asked for and refused.
#[derive(Debug, SimpleObject)]
pub struct MembershipBillingRefusal {
    /// What.
    call: MembershipBillingCall,
    /// The invoice that was to be given back, as it is called there.
    invoice: Option<String>,
    /// How much of it.
    amount: Option<MoneyValue>,
    /// When it was asked for.
    asked_at: Instant,
}

impl MembershipBillingRefusal {
    fn of(refused: Refused, currency: Currency) -> Self {
        let Refused { call, asked_at } = refused;
        let kind = MembershipBillingCall::from(&call);
        let (invoice, minor) = match call {
            Call::Refund { invoice, amount } => (Some(invoice), Some(amount)),
            Call::Begin(_) | Call::Change(_) | Call::Switch { .. } => (None, None),
        };
        let amount = minor.map(|minor| Money { minor, currency }.into());
        Self { call: kind, invoice, amount, asked_at }
    }
}

/// Something that is otherwise where a membership is billed.
#[derive(Debug, SimpleObject)]
pub struct MembershipBillingDifference {
    /// `state`, `price`, `cancelsAt`, `paused`, `paidThrough`, `subscription` or `account`.
    field: &'static str,
    /// What we have; null is nothing.
    ours: Option<String>,
    /// What is there; null is nothing.
    theirs: Option<String>,
}

impl From<Difference> for MembershipBillingDifference {
    fn from(Difference { field, ours, theirs }: Difference) -> Self {
        Self { field, ours, theirs }
    }
}

/// When an event came, and which it is.
type Place = (Instant, String);

/// Queries about billing.
#[derive(Debug, Default)]
pub struct BillingQuery;

#[Object]
impl BillingQuery {
    /// What Stripe told, the newest first; kept for 90 days. For staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    #[expect(clippy::too_many_arguments, reason = "GraphQL has no other way to say them")]
    async fn billing_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In this state only.")] state: Option<BillingEventState>,
        #[graphql(desc = "About this membership only.")] membership_id: Option<ID>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<Place, BillingEvent>, ApiError> {
        let page = Page::<Place>::of(PageArguments { first, after, last, before })?;
        let mut all = Entity::find();
        if let Some(state) = state {
            all = all.filter(Column::State.eq(EventState::from(state).to_value()));
        }
        if let Some(id) = membership_id {
            let id = local_id::<MembershipId>(&id, NodeType::Membership);
            // An id of nothing names no events.
            all = all.filter(id.map_or_else(|| Column::Id.is_null(), |id| Column::MembershipId.eq(id)));
        }
        let db = &ctx.data_unchecked::<App>().db.read;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(all.clone().count(db).await?)? } else { 0 };
        let place = || Expr::tuple([Expr::col(Column::ReceivedAt), Expr::col(Column::Id)]);
        let at = |(received_at, id): Place| Expr::tuple([Expr::val(comparable(received_at)), Expr::val(id)]);
        let mut query = all;
        if let Some(after) = page.after.clone() {
            query = query.filter(place().lt(at(after)));
        }
        if let Some(before) = page.before.clone() {
            query = query.filter(place().gt(at(before)));
        }
        let query = if page.backwards {
            query.order_by_asc(Column::ReceivedAt).order_by_asc(Column::Id)
        } else {
            query.order_by_desc(Column::ReceivedAt).order_by_desc(Column::Id)
        };
        let rows = query.limit(page.fetch()).all(db).await?;
        Ok(page.connect(rows, total, |row| ((row.received_at, row.id.clone()), BillingEvent { row })))
    }

    /// How a membership is billed, and what is otherwise there: looked up now. Null if it was never begun to be billed. For staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_billing(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which membership.")] membership_id: ID,
    ) -> Result<Option<MembershipBilling>, ApiError> {
        let Some(id) = local_id::<MembershipId>(&membership_id, NodeType::Membership) else {
            return Ok(None);
        };
        let app = ctx.data_unchecked::<App>();
        let Some(row) = membership::Entity::find_by_id(id).one(&app.db.read).await? else { return Ok(None) };
        let Some(found) = differs::billing(app, &row).await? else { return Ok(None) };
        let Billing { account, subscription, differs, refused } = found;
        let differs = differs.into_iter().map(Into::into).collect();
        let currency = row.currency.parse().map_err(Fault::from)?;
        let refused = refused.into_iter().map(|one| MembershipBillingRefusal::of(one, currency)).collect();
        Ok(Some(MembershipBilling { account, subscription, differs, refused }))
    }
}

/// An event to look into once more.
#[derive(Debug, InputObject)]
struct BillingEventReplayInput {
    /// Stripe's id of it, such as `evt_…`.
    event: String,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why nothing was done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum BillingEventErrorCode {
    /// No such event, or none any more.
    NotFound,
}

/// An event that is to be looked into, or why not.
#[derive(Debug, SimpleObject)]
struct BillingEventPayload {
    /// The event, as it is now.
    event: Option<BillingEvent>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<BillingEventErrorCode>>,
}

/// What staff do about billing.
#[derive(Debug, Default)]
pub struct BillingMutation;

#[Object]
impl BillingMutation {
    /// Has an event looked into once more. For staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn billing_event_replay(
        &self,
        ctx: &Context<'_>,
        input: BillingEventReplayInput,
    ) -> Result<BillingEventPayload, ApiError> {
        let BillingEventReplayInput { event, idempotency_key } = input;
        let done = once(ctx, "billingEventReplay", idempotency_key, &event, inbox::replay).await?;
        let Ok(Once { value, replayed }) = done else {
            let error = UserError {
                code: BillingEventErrorCode::NotFound,
                field: Some(vec!["input".to_owned(), "event".to_owned()]),
                message: "There is no such event.".to_owned(),
            };
            return Ok(BillingEventPayload { event: None, replayed: false, user_errors: vec![error] });
        };
        let event = Some(BillingEvent { row: written::<Entity>(ctx, value).await? });
        Ok(BillingEventPayload { event, replayed, user_errors: Vec::new() })
    }
}
