//! Plans: what is offered, for how much, and what it gives.

use std::collections::BTreeSet;

use entity::id::PlanId;
use entity::membership_plan::{Column, Entity, Interval, Model};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::money::{Currency, Money};

/// Plans of a shop: all that are offered are looked at for every quote.
pub(crate) const MOST_PLANS: u64 = 20;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) id: PlanId,
    pub(crate) code: String,
    pub(crate) name: String,
    /// Per interval.
    pub(crate) price: Money,
    pub(crate) billed: Interval,
    pub(crate) benefits: Benefits,
}

/// What a plan gives its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Benefits {
    /// Shipping that costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) free_shipping: Option<FreeShipping>,
    /// Delivery slots that are for members only.
    pub(crate) slots: bool,
    /// Products before they are public.
    pub(crate) early_access: bool,
    /// Support answers members first.
    pub(crate) priority_support: bool,
}

/// Shipping that costs members nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FreeShipping {
    /// By these methods; by all, if empty.
    pub(crate) methods: BTreeSet<String>,
    /// From this value of the goods on, in minor units of the plan's currency; from nothing on, if none. Orders in other
    /// currencies have no minimum to reach, and never reach one.
    pub(crate) minimum: Option<i64>,
}

impl TryFrom<Model> for Plan {
    type Error = Fault;

    fn try_from(row: Model) -> Result<Self, Fault> {
        let currency: Currency = row.currency.parse()?;
        Ok(Self {
            id: row.id,
            code: row.code,
            name: row.name,
            price: Money { minor: row.price, currency },
            billed: row.billed,
            benefits: serde_json::from_value(row.benefits)?,
        })
    }
}

/// The plans that can be joined now, the first made first; 20 at most.
pub(crate) async fn offered(db: &impl ConnectionTrait) -> Result<Vec<Plan>, Fault> {
    let rows = Entity::find().filter(Column::Archived.eq(false)).order_by_asc(Column::Id).all(db).await?;
    rows.into_iter().map(Plan::try_from).collect()
}
