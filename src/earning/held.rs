//! What buyers have that conditions ask for: tiers and plans, looked up only if some condition asks for them.

use std::collections::BTreeMap;

use entity::Instant;
use entity::id::CustomerId;
use sea_orm::ConnectionTrait;

use super::definition::Conditions;
use crate::error::Fault;
use crate::memberships;
use crate::tiers;

/// The tiers and plans of buyers.
#[derive(Debug, Default)]
pub(super) struct Held {
    tiers: BTreeMap<CustomerId, String>,
    plans: BTreeMap<CustomerId, String>,
}

impl Held {
    /// Of these customers at `at`, as far as `conditions` ask for it.
    pub(super) async fn of<'a>(
        db: &impl ConnectionTrait,
        conditions: impl IntoIterator<Item = &'a Conditions>,
        customers: impl Iterator<Item = CustomerId> + Clone,
        at: Instant,
    ) -> Result<Self, Fault> {
        let (mut asks_for_tier, mut asks_for_plan) = (false, false);
        for conditions in conditions {
            asks_for_tier |= !conditions.tiers.is_empty();
            asks_for_plan |= !conditions.plans.is_empty();
        }
        let mut held = Self::default();
        if asks_for_tier {
            held.tiers = tiers::held(db, customers.clone()).await?;
        }
        if asks_for_plan {
            let plans = memberships::held(db, customers, at).await?;
            held.plans = plans.into_iter().map(|(customer, held)| (customer, held.plan.code)).collect();
        }
        Ok(held)
    }

    pub(super) fn tier_of(&self, customer: Option<CustomerId>) -> Option<&str> {
        self.tiers.get(&customer?).map(String::as_str)
    }

    pub(super) fn plan_of(&self, customer: Option<CustomerId>) -> Option<&str> {
        self.plans.get(&customer?).map(String::as_str)
    }
}
