//! What a plan saved a member in shipping, or would have saved somebody without it, by what was frozen with each order.

use entity::Instant;
use entity::id::CustomerId;
use entity::membership_plan::Interval;
use entity::order::{self, OrderState};
use entity::{membership_charge, order_line, order_shipping};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef};

use super::plans::Plan;
use crate::app::App;
use crate::delivery::terms::Frozen;
use crate::error::Fault;

/// Orders of one person that are looked at, the last first.
pub(super) const MOST_ORDERS: u64 = 5_000;

/// What was, or would have been, saved in some time; minor units of the plan's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Savings {
    /// Orders that saved something.
    pub(crate) orders: i64,
    pub(crate) saved: i64,
    pub(crate) fee: i64,
}

impl Savings {
    /// What is left of the savings after the fee; negative if that was more.
    pub(crate) fn net(self) -> i64 {
        self.saved - self.fee
    }

    /// How many such orders pay the fee; none if no order saved anything.
    pub(crate) fn break_even(self) -> Option<i64> {
        let (fee, saved) = (i128::from(self.fee) * i128::from(self.orders), i128::from(self.saved));
        (saved > 0).then(|| i64::try_from((fee + saved - 1) / saved).unwrap_or(i64::MAX))
    }
}

/// Some time: from `from` on, before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Span {
    /// The 365 days before `until`: what a plan is offered by.
    pub(crate) fn year_before(until: Instant) -> Self {
        Self { from: until - chrono::TimeDelta::days(365), until }
    }

    /// What a plan costs in it: a fee for each interval that has begun.
    pub(super) fn fee(self, plan: &Plan) -> i64 {
        let months: u32 = match plan.billed {
            Interval::Month => 1,
            Interval::Year => 12,
        };
        let begun = (0_u32..1_200).take_while(|index| {
            let begins = self.from.checked_add_months(chrono::Months::new(index * months));
            begins.is_some_and(|begins| begins < self.until)
        });
        plan.price.minor.saturating_mul(i64::try_from(begun.count()).unwrap_or(i64::MAX))
    }
}

/// What the plan saved its member in orders of that time, and what was paid for it, less what came back.
pub(crate) async fn saved(
    app: &App,
    customer: CustomerId,
    plan: &Plan,
    span: Span,
) -> Result<Savings, Fault> {
    let orders = orders(app, customer, plan, span).await?;
    let saved = orders.iter().filter(|order| order.plan.as_deref() == Some(plan.code.as_str()));
    Ok(Savings { fee: paid(app, customer, plan, span).await?, ..sum(saved.map(Frozen::saved)) })
}

/// What the plan would have saved in orders of that time, and what it would have cost.
pub(crate) async fn would_have_saved(
    app: &App,
    customer: CustomerId,
    plan: &Plan,
    span: Span,
) -> Result<Savings, Fault> {
    let orders = orders(app, customer, plan, span).await?;
    Ok(Savings { fee: span.fee(plan), ..sum(orders.iter().map(|order| order.would_have_saved(&plan.code))) })
}

fn sum(saved: impl Iterator<Item = i64>) -> Savings {
    saved.filter(|saved| *saved > 0).fold(Savings { orders: 0, saved: 0, fee: 0 }, |sum, saved| Savings {
        orders: sum.orders + 1,
        saved: sum.saved + saved,
        ..sum
    })
}

/// What was frozen with the orders of that time that were not cancelled and did not come back whole.
async fn orders(app: &App, customer: CustomerId, plan: &Plan, span: Span) -> Result<Vec<Frozen>, Fault> {
    let kept = Query::select()
        .expr(Expr::val(1))
        .from(order_line::Entity)
        .and_where(order_line::Column::OrderId.into_expr().equals(order::Column::Id.as_column_ref()))
        .and_where(order_line::Column::Returned.into_expr().lt(order_line::Column::Quantity.into_expr()))
        .take();
    let rows = order_shipping::Entity::find()
        .join(JoinType::InnerJoin, to_order())
        .filter(order::Column::CustomerId.eq(customer))
        .filter(order::Column::Currency.eq(plan.price.currency.code()))
        .filter(order::Column::State.ne(OrderState::Cancelled))
        .filter(order::Column::PlacedAt.gte(span.from).and(order::Column::PlacedAt.lt(span.until)))
        .filter(Expr::exists(kept))
        .order_by_desc(order::Column::PlacedAt)
        .limit(MOST_ORDERS)
        .all(&app.db.read)
        .await?;
    rows.into_iter().map(Frozen::try_from).collect()
}

fn to_order() -> RelationDef {
    order_shipping::Entity::belongs_to(order::Entity)
        .from(order_shipping::Column::OrderId)
        .to(order::Column::Id)
        .into()
}

async fn paid(app: &App, customer: CustomerId, plan: &Plan, span: Span) -> Result<i64, Fault> {
    use entity::membership;
    use membership_charge::Column;
    let of: RelationDef = membership_charge::Entity::belongs_to(membership::Entity)
        .from(Column::MembershipId)
        .to(membership::Column::Id)
        .into();
    let rows = membership_charge::Entity::find()
        .join(JoinType::InnerJoin, of)
        .filter(membership::Column::CustomerId.eq(customer))
        .filter(Column::Currency.eq(plan.price.currency.code()))
        .filter(Column::CoversFrom.gte(span.from).and(Column::CoversFrom.lt(span.until)))
        .all(&app.db.read)
        .await?;
    Ok(rows.iter().map(super::store::left_of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_orders_of_495_with_a_fee_of_999_leave_486_and_break_even_at_three() {
        let savings = Savings { fee: 999, ..sum([495, 0, 495, 495].into_iter()) };
        assert_eq!((savings.orders, savings.saved, savings.net()), (3, 1_485, 486));
        // 9.99 / 4.95 is a little above 2.
        assert_eq!(savings.break_even(), Some(3));
        assert_eq!(Savings { fee: 990, ..savings }.break_even(), Some(2));
        assert_eq!(Savings { fee: 0, ..savings }.break_even(), Some(0));
        assert_eq!(Savings { orders: 0, saved: 0, fee: 999 }.break_even(), None);
    }
}
