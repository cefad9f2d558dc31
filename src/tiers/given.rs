//! Staff give a tier, or take back what they gave.

use std::collections::BTreeSet;

use entity::Instant;
use entity::id::{AccountId, CustomerId};
use serde::Serialize;
use serde_json::json;

use super::settle::{Why, save, settle, stored, untouched};
use crate::audit::{self, Entry};
use crate::error::{Fault, Outcome, refuse};
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;

/// A tier that a customer is to have at least.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Give {
    /// Who; none if the id that was given is nobody's.
    pub(crate) customer: Option<CustomerId>,
    /// Its code; none takes back what was given.
    pub(crate) tier: Option<String>,
    /// Until when; without end if none.
    pub(crate) until: Option<Instant>,
    /// As staff wrote it.
    pub(crate) reason: String,
}

/// Why a tier was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TierError {
    /// No such customer, or one who takes no part in the programme.
    NotFound,
    /// The shop has no such tier.
    UnknownTier,
    /// A value is out of its bounds.
    Invalid { field: &'static str, problem: &'static str },
}

/// Gives a tier, in place of what was given before.
pub(crate) async fn give(tx: &Tx, give: &Give) -> Outcome<CustomerId, TierError> {
    let Some(named) = give.customer else { return refuse(TierError::NotFound) };
    if give.tier.as_deref().is_some_and(|code| tx.settings().tiers.rank(code).is_none()) {
        return refuse(TierError::UnknownTier);
    }
    match (give.until, &give.tier) {
        (Some(_), None) => {
            return refuse(TierError::Invalid { field: "until", problem: "goes with a tier only" });
        }
        (Some(until), Some(_)) if until <= tx.now() => {
            return refuse(TierError::Invalid { field: "until", problem: "must be in the future" });
        }
        _ => {}
    }
    let account = Owner::Customer(named).account();
    let owners = points::lock_owners(tx, &[account]).await?;
    let Some(customer) = owners.get(&account).and_then(|(_, customer)| *customer) else {
        return refuse(TierError::NotFound);
    };
    let mut rows = stored(tx.db(), &[customer].into()).await?;
    let before = rows.remove(&customer).unwrap_or_else(|| untouched(customer, tx.now()));
    let detail = json!({
        "reason": give.reason,
        "before": { "tier": before.kept, "until": before.kept_until },
        "after": { "tier": give.tier, "until": give.until },
    });
    let row = entity::customer_tier::Model { kept: give.tier.clone(), kept_until: give.until, ..before };
    save(tx, [row]).await?;
    settle(tx, [customer], &Why::by_staff(give.reason.clone())).await?;
    audit::record(tx, [Entry::of_customer("customer.tier", customer, detail)]).await?;
    Ok(customer)
}

/// A tier that a customer had in another programme.
#[derive(Clone, Debug)]
pub(crate) struct Brought {
    pub(crate) customer: CustomerId,
    /// Of one of the shop's.
    pub(crate) code: String,
    /// Until when; without end if none.
    pub(crate) until: Option<Instant>,
}

/// Gives what was brought over from another programme, unless staff gave something already.
pub(crate) async fn bring(tx: &Tx, brought: &[Brought]) -> Result<(), Fault> {
    if brought.is_empty() {
        return Ok(());
    }
    let named: Vec<AccountId> = brought.iter().map(|one| Owner::Customer(one.customer).account()).collect();
    let owners = points::lock_owners(tx, &named).await?;
    let customers: BTreeSet<CustomerId> = owners.into_values().filter_map(|(_, customer)| customer).collect();
    let mut rows = stored(tx.db(), &customers).await?;
    for Brought { customer, code, until } in brought {
        let row = rows.entry(*customer).or_insert_with(|| untouched(*customer, tx.now()));
        if row.kept.is_none() {
            (row.kept, row.kept_until) = (Some(code.clone()), *until);
        }
    }
    save(tx, rows.into_values()).await?;
    settle(tx, customers, &Why::REACHED_BEFORE).await
}
