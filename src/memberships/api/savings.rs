//! What memberships save, over GraphQL.

use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject};
use chrono::Months;
use entity::id::CustomerId;
use entity::membership_plan::{Column, Entity, Interval, Model};
use entity::{Instant, membership};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::plans::MembershipPlan;
use crate::app::App;
use crate::customers::api::meant;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::MoneyValue;
use crate::memberships::plans::Plan;
use crate::memberships::savings::{Savings, Span, saved, would_have_saved};
use crate::money::{Currency, Money};

/// What a plan saved in shipping in some time, or would have saved, by what was frozen with each order. Orders that were
/// cancelled or came back whole do not count; prices that changed since make no difference.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct MembershipSavings {
    #[graphql(skip)]
    savings: Savings,
    #[graphql(skip)]
    currency: Currency,
    /// The plan.
    plan: MembershipPlan,
    /// True for what it saved its member, false for what it would have saved.
    as_member: bool,
    /// Orders placed from then on count.
    from: Instant,
    /// Orders placed before.
    until: Instant,
}

#[ComplexObject]
impl MembershipSavings {
    /// Orders on which something was, or would have been, saved.
    async fn orders(&self) -> i64 {
        self.savings.orders
    }

    /// What was, or would have been, saved in shipping.
    async fn saved(&self) -> MoneyValue {
        self.money(self.savings.saved)
    }

    /// What was paid for the membership in that time, less what came back; or what it would have cost.
    async fn fee(&self) -> MoneyValue {
        self.money(self.savings.fee)
    }

    /// What is left of the savings after the fee; negative if the fee was more.
    async fn net(&self) -> MoneyValue {
        self.money(self.savings.net())
    }

    /// How many such orders pay the fee, rounded up; null if no order saved anything.
    async fn break_even_orders(&self) -> Option<i64> {
        self.savings.break_even()
    }
}

impl MembershipSavings {
    fn money(&self, minor: i64) -> MoneyValue {
        Money { minor, currency: self.currency }.into()
    }
}

/// What a membership saved its member since it was joined, or in the time that is asked for.
pub(super) async fn of_membership(
    app: &App,
    row: &membership::Model,
    plan: Model,
    from: Option<Instant>,
    until: Option<Instant>,
) -> Result<MembershipSavings, ApiError> {
    let span = span(app, from.unwrap_or(row.began_at), until);
    let known: Plan = plan.clone().try_into()?;
    let savings = saved(app, row.customer_id, &known, span).await?;
    Ok(shown(plan, &known, savings, true, span))
}

fn span(app: &App, from: Instant, until: Option<Instant>) -> Span {
    // Nothing was placed later.
    let now = app.clock.now() + chrono::TimeDelta::microseconds(1);
    Span { from, until: until.map_or(now, |until| std::cmp::min(until, now)) }
}

fn shown(plan: Model, known: &Plan, savings: Savings, as_member: bool, span: Span) -> MembershipSavings {
    let (currency, Span { from, until }) = (known.price.currency, span);
    MembershipSavings { savings, currency, plan: MembershipPlan(plan), as_member, from, until }
}

/// Queries about savings.
#[derive(Debug, Default)]
pub(super) struct SavingsQuery;

#[Object]
impl SavingsQuery {
    /// What a plan would have saved somebody who did not have it, in one interval of the plan up to now or in the time that
    /// is asked for; what it saved is told by the `savings` of a membership. Null if there is no such plan or customer. For the customer, shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn membership_savings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Code of the plan.")] plan: String,
        #[graphql(desc = "Whose; a customer leaves it out.")] customer_id: Option<ID>,
        #[graphql(desc = "Orders placed from then on; an interval before `until`, if left out.")]
        from: Option<Instant>,
        #[graphql(desc = "Orders placed before; all until now, if left out.")] until: Option<Instant>,
    ) -> Result<Option<MembershipSavings>, ApiError> {
        let Some(customer) = meant(ctx, customer_id.as_ref()).await? else { return Ok(None) };
        would_have(ctx.data_unchecked::<App>(), customer, plan, from, until).await
    }
}

/// What the plan with this code would have saved a customer; none if there is no such plan.
pub(crate) async fn would_have(
    app: &App,
    customer: CustomerId,
    code: String,
    from: Option<Instant>,
    until: Option<Instant>,
) -> Result<Option<MembershipSavings>, ApiError> {
    let plan = Entity::find().filter(Column::Code.eq(code)).one(&app.db.read).await?;
    let Some(plan) = plan else { return Ok(None) };
    let until = span(app, app.clock.now(), until).until;
    let months = match plan.billed {
        Interval::Month => 1,
        Interval::Year => 12,
    };
    let before = until.checked_sub_months(Months::new(months)).unwrap_or(until);
    let span = Span { from: from.unwrap_or(before), until };
    let known: Plan = plan.clone().try_into()?;
    let savings = would_have_saved(app, customer, &known, span).await?;
    Ok(Some(shown(plan, &known, savings, false, span)))
}
