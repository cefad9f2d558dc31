//! Who has which plan now.

use std::collections::BTreeMap;

use entity::Instant;
use entity::id::{CustomerId, MembershipId};
use entity::membership::MembershipState;
use entity::{membership, membership_plan};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QuerySelect, RelationDef,
};

use super::plans::Plan;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// A membership whose benefits are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) membership: MembershipId,
    /// Not from then on.
    pub(crate) until: Instant,
    pub(crate) plan: Plan,
}

/// The memberships of these customers whose benefits are given at `at`, in one statement.
pub(crate) async fn held(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
    at: Instant,
) -> Result<BTreeMap<CustomerId, Held>, Fault> {
    let ids: Vec<_> = customers.into_iter().map(|customer| customer.0).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = membership::Entity::find()
        .filter(is_among(db.get_database_backend(), "open_for", ids))
        .filter(membership::Column::EntitledUntil.gt(at))
        .join(JoinType::InnerJoin, to_plan())
        .select_also(membership_plan::Entity)
        .all(db)
        .await?;
    let mut held = BTreeMap::new();
    for (row, plan) in rows {
        let plan = plan.ok_or_else(|| Fault::internal("a membership without its plan"))?;
        let until = row.entitled_until.ok_or_else(|| Fault::internal("entitled without an end"))?;
        held.insert(row.customer_id, Held { membership: row.id, until, plan: plan.try_into()? });
    }
    Ok(held)
}

/// The plan whose benefits a customer is given at `at`, or that one is joining, while the first payment is awaited.
pub(crate) async fn held_or_begun(
    db: &impl ConnectionTrait,
    customer: CustomerId,
    at: Instant,
) -> Result<Option<Plan>, Fault> {
    use membership::Column;
    let is_given = Column::EntitledUntil.gt(at);
    let is_begun = Column::State.eq(MembershipState::Incomplete).and(Column::DueAt.gt(at));
    let row = membership::Entity::find()
        .filter(Column::OpenFor.eq(customer).and(is_given.or(is_begun)))
        .join(JoinType::InnerJoin, to_plan())
        .select_also(membership_plan::Entity)
        .one(db)
        .await?;
    row.and_then(|(_, plan)| plan).map(Plan::try_from).transpose()
}

fn to_plan() -> RelationDef {
    membership::Entity::belongs_to(membership_plan::Entity)
        .from(membership::Column::PlanId)
        .to(membership_plan::Column::Id)
        .into()
}
