//! What somebody is offered, and has: the plans and the person's membership in one statement.

use entity::id::{CustomerId, PlanId};
use entity::{Instant, customer, membership, membership_plan};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, Iterable, QueryFilter,
    QueryOrder, QueryResult, QuerySelect,
};

use super::plans::{self, Plan};
use crate::error::Fault;

/// What somebody is offered, and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// The plans that can be joined now, the first made first.
    pub(crate) plans: Vec<Plan>,
    /// The plan whose benefits the person is given.
    pub(crate) held: Option<Plan>,
}

/// What a customer, or whom that one turned out to be, is offered and has at `at`; none if there is no such customer. One
/// statement, but for customers who were merged.
pub(crate) async fn to_customer(
    db: &impl ConnectionTrait,
    customer: CustomerId,
    at: Instant,
) -> Result<Option<Offers>, Fault> {
    let mut who = customer;
    loop {
        let rows = rows(db, who, at).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        match first.merged_into {
            Some(into) => who = into,
            None => return Offers::of(rows).map(Some),
        }
    }
}

/// What somebody is offered whom nobody knows.
pub(crate) async fn to_anybody(db: &impl ConnectionTrait) -> Result<Offers, Fault> {
    Ok(Offers { plans: plans::offered(db).await?, held: None })
}

/// A plan, if there is any, beside the customer.
struct Row {
    merged_into: Option<CustomerId>,
    held: Option<PlanId>,
    plan: Option<membership_plan::Model>,
}

impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            merged_into: row.try_get(prefix, "merged_into")?,
            held: row.try_get(prefix, "held")?,
            plan: membership_plan::Model::from_query_result_optional(row, prefix)?,
        })
    }
}

/// The customer beside each plan that is offered or held; alone, if there is none.
async fn rows(db: &impl ConnectionTrait, customer: CustomerId, at: Instant) -> Result<Vec<Row>, Fault> {
    use customer::Column as Customer;
    use membership::Column as Membership;
    use membership_plan::Column as Plan;
    let mut query = customer::Entity::find()
        .select_only()
        .column(Customer::MergedInto)
        .column_as(Membership::PlanId.into_expr(), "held")
        .columns(Plan::iter())
        .filter(Customer::Id.eq(customer))
        .order_by_asc(Plan::Id);
    let held = Membership::OpenFor.into_expr().equals(Customer::Id.as_column_ref());
    let plan = Plan::Archived.eq(false).or(Plan::Id.into_expr().equals(Membership::PlanId.as_column_ref()));
    QuerySelect::query(&mut query)
        .left_join(membership::Entity, held.and(Membership::EntitledUntil.gt(at)))
        .left_join(membership_plan::Entity, plan);
    Ok(query.into_model().all(db).await?)
}

impl Offers {
    fn of(rows: Vec<Row>) -> Result<Self, Fault> {
        let mut offers = Self::default();
        for row in rows {
            let Some(stored) = row.plan else { continue };
            let (is_held, is_offered) = (row.held == Some(stored.id), !stored.archived);
            let plan: Plan = stored.try_into()?;
            if is_held {
                offers.held = Some(plan.clone());
            }
            if is_offered {
                offers.plans.push(plan);
            }
        }
        Ok(offers)
    }
}
