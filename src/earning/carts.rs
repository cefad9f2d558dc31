//! What a cart would earn, by the rules in force now and by what is known of who looks at it.

use entity::Instant;
use entity::id::CustomerId;

use super::evaluate::{Gain, LineFacts, OrderFacts, evaluate};
use super::held::Held;
use super::{facts, versions};
use crate::app::App;
use crate::error::Fault;
use crate::money::Currency;
use crate::points::orders::Owner;
use crate::points::rules::Basis;

/// A line of a cart.
#[derive(Clone, Debug)]
pub(crate) struct CartLine {
    /// The shop's; empty if it did not say.
    pub(crate) sku: String,
    /// As sold.
    pub(crate) categories: Vec<String>,
    /// What of it earns.
    pub(crate) basis: Basis,
}

impl CartLine {
    fn facts(&self) -> LineFacts<'_> {
        LineFacts { sku: &self.sku, categories: &self.categories, basis: self.basis }
    }
}

/// What an order of these lines would earn now; of nobody known, no condition on a person holds.
pub(crate) async fn earned(
    app: &App,
    currency: Currency,
    lines: &[CartLine],
    customer: Option<CustomerId>,
) -> Result<Vec<Gain>, Fault> {
    let (db, settings, now): (_, _, Instant) = (&app.db.read, app.settings(), app.clock.now());
    let rules = versions::in_force(db, std::iter::once(now)).await?;
    let number = match customer {
        Some(customer) if facts::asks_for_number(&rules) => {
            let owner = Owner::Customer(customer);
            let paid = facts::paid_orders(db, std::iter::once(owner)).await?;
            let before = paid.get(&owner).copied().unwrap_or_default();
            Some(u32::try_from(before)?.saturating_add(1))
        }
        _ => None,
    };
    let born = match customer {
        Some(customer) if facts::asks_for_birthday(&rules) => {
            facts::born(db, std::iter::once(customer)).await?.remove(&customer)
        }
        _ => None,
    };
    let held = Held::of(db, facts::conditions_of(&rules), customer.into_iter(), now).await?;
    let (weekday, on_birthday) = facts::day_of(&settings, now, born);
    let lines = lines.iter().map(CartLine::facts).collect();
    let (tier, plan) = (held.tier_of(customer), held.plan_of(customer));
    let order = OrderFacts { at: now, currency, weekday, number, on_birthday, tier, plan, lines };
    let version = i32::try_from(settings.version).unwrap_or(i32::MAX);
    Ok(evaluate(&settings.programme, version, &rules, &order))
}
