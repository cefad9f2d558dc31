//! Reading memberships over GraphQL.

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::id::CustomerId;
use entity::membership::{Column, Entity, MembershipState, Model};
use entity::{Instant, membership_charge, membership_plan};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::join::check;
use super::meant;
use super::plans::MembershipPlan;
use super::types::{Membership, StateName};
use crate::app::App;
use crate::billing::payments::{CustomerRef, PaymentError, Payments, Preview, SubscriptionRef};
use crate::billing::references;
use crate::customers::api::meant as customer_meant;
use crate::error::{Fault, FaultKind};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::graphql::scalars::MoneyValue;
use crate::memberships::calls;
use crate::memberships::report::{Report, report};
use crate::memberships::switch::{becomes_at, price_of};
use crate::memberships::sync::unavailable;
use crate::money::{Money, Rate};

/// What changing a membership to another plan means.
#[derive(Debug, SimpleObject)]
struct MembershipPlanChangePreview {
    /// The plan that it becomes.
    plan: MembershipPlan,
    /// When; at once, if null.
    at: Option<Instant>,
    /// What is paid at once, what is left of the old plan deducted.
    due_now: MoneyValue,
    /// What is paid per interval from then on.
    price: MoneyValue,
    /// When that is paid first, or next.
    renews_at: Option<Instant>,
}

/// How many memberships are in a state.
#[derive(Debug, SimpleObject)]
struct MembershipCount {
    /// Which state.
    state: StateName,
    /// How many.
    count: i64,
}

/// How memberships go.
#[derive(Debug, SimpleObject)]
struct MembershipReport {
    /// How many there are in each state that any is in.
    by_state: Vec<MembershipCount>,
    /// Monthly recurring revenue, by currency: what those that are paid and go on cost a month, a year counted as twelve;
    /// tax included.
    monthly_recurring_revenue: Vec<MoneyValue>,
    /// Those that were paid, or on trial, and ended in the last 30 days.
    ended: i64,
    /// The share of those that were there in the last 30 days which ended in these days; at most four decimals. Null if
    /// there were none.
    churn: Option<Rate>,
    /// Payments that failed in the last 30 days and are still not made.
    failed_payments: i64,
}

/// Queries about memberships.
#[derive(Debug, Default)]
pub(super) struct HeldQuery;

#[Object]
impl HeldQuery {
    /// Memberships, the newest first. For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn memberships(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In this state only.")] state: Option<StateName>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Membership>, ApiError> {
        let mut all = Entity::find();
        if let Some(state) = state {
            all = all.filter(Column::State.eq(MembershipState::from(state)));
        }
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Membership(row))).await
    }

    /// How memberships go, now. For staff with `reports.read`.
    #[graphql(guard = "Allowed")]
    async fn membership_report(&self, ctx: &Context<'_>) -> Result<MembershipReport, ApiError> {
        let Report { by_state, monthly, ended, before, failed } = report(ctx.data_unchecked::<App>()).await?;
        let count = |(state, count): (MembershipState, i64)| MembershipCount { state: state.into(), count };
        let share = (before > 0).then(|| ended * Rate::SCALE / before);
        let churn = share.and_then(|share| u32::try_from(share).ok()).map(Rate::from_ten_thousandths);
        Ok(MembershipReport {
            by_state: by_state.into_iter().map(count).collect(),
            monthly_recurring_revenue: monthly.into_iter().map(MoneyValue::from).collect(),
            ended,
            churn,
            failed_payments: failed,
        })
    }

    /// What changing to another plan would mean now; null if it cannot be changed to that. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_plan_change_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which membership.")] membership_id: ID,
        #[graphql(desc = "Code of the plan.")] plan: String,
    ) -> Result<Option<MembershipPlanChangePreview>, ApiError> {
        let Some(row) = meant(ctx, &membership_id).await? else { return Ok(None) };
        let app = ctx.data_unchecked::<App>();
        let plan = membership_plan::Entity::find()
            .filter(membership_plan::Column::Code.eq(plan))
            .filter(membership_plan::Column::Archived.eq(false))
            .one(&app.db.read)
            .await?;
        let Some(plan) = plan.filter(|plan| plan.id != row.plan_id && plan.currency == row.currency) else {
            return Ok(None);
        };
        if row.ended_at.is_some() || row.cancels_at.is_some() {
            return Ok(None);
        }
        preview(app, &row, plan).await.map(Some)
    }

    /// A page of whoever takes the money, on which the customer changes cards and reads invoices; good for minutes. Null for
    /// somebody who has paid nothing there. For the customer, shop keys with `memberships:write`.
    #[graphql(guard = "Allowed")]
    async fn membership_portal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; a customer leaves it out.")] customer_id: Option<ID>,
        #[graphql(desc = "Where it leads back to, within the shop's storefront.")] return_url: String,
    ) -> Result<Option<String>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        check(app, "returnUrl", &return_url).map_err(|error| ApiError::bad_input(error.to_string()))?;
        let Some(customer) = customer_meant(ctx, customer_id.as_ref()).await? else { return Ok(None) };
        let payments = app.payments().map_err(unavailable)?;
        let asked = async {
            let payer = payer(app, payments, customer).await?;
            match payer {
                Some(payer) => payments.portal(&payer, &return_url).await.map(Some),
                None => Ok(None),
            }
        };
        Ok(calls::in_time(async { asked.await.map_err(unavailable) }).await?)
    }
}

/// As whom a customer pays: after two turned out to be one, not always as the one who stays.
async fn payer(
    app: &App,
    payments: &dyn Payments,
    customer: CustomerId,
) -> Result<Option<CustomerRef>, PaymentError> {
    let open =
        Entity::find().filter(Column::OpenFor.eq(customer)).filter(Column::Account.eq(payments.account()));
    let open = open.one(&app.db.read).await.map_err(Fault::from)?;
    if let Some(subscription) = open.and_then(|row| row.subscription) {
        let found = payments.subscription(&SubscriptionRef(subscription)).await?;
        if let Some(found) = found {
            return Ok(Some(found.customer));
        }
    }
    Ok(references::known_customer(app, payments.account(), customer).await?)
}

async fn preview(
    app: &App,
    row: &Model,
    plan: membership_plan::Model,
) -> Result<MembershipPlanChangePreview, ApiError> {
    let price = price_of(&plan)?;
    let charges =
        membership_charge::Entity::find().filter(membership_charge::Column::MembershipId.eq(row.id));
    let at = becomes_at(row, &charges.all(&app.db.read).await?, &plan);
    let subscription = row.subscription.clone().map(SubscriptionRef);
    let then = match (at, subscription) {
        (None, Some(subscription)) => {
            let asked = async {
                let payments = app.payments()?;
                let price = references::price_of(app, payments, &price).await?;
                payments.preview(&subscription, &price).await
            };
            calls::in_time(async { asked.await.map_err(unavailable) }).await?
        }
        (Some(renews_at), _) => Preview { due_now: 0, currency: price.amount.currency, renews_at },
        (None, None) => return Err(Fault::of(FaultKind::Unavailable).into()),
    };
    let due_now = Money { minor: then.due_now, currency: then.currency }.into();
    let renews_at = Some(then.renews_at);
    let amount = price.amount.into();
    Ok(MembershipPlanChangePreview { plan: MembershipPlan(plan), at, due_now, price: amount, renews_at })
}
