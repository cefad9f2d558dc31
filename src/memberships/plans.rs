//! Plans: what is offered, for how much, and what it gives.

use std::collections::BTreeSet;

use entity::id::PlanId;
use entity::membership_plan::{Column, Entity, Interval, Model};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::MembershipError;
use crate::audit::{self, Entry};
use crate::db::dialect::{self, is_among};
use crate::earning::text;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::money::{Currency, Money};
use crate::tx::Tx;

/// Plans of a shop: all that are offered are looked at for every quote.
const MOST_PLANS: u64 = 20;
/// Stripe takes eight digits at most (<https://docs.stripe.com/api/prices/object#price_object-unit_amount>).
const MOST_MINOR: i64 = 99_999_999;

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

/// The plans with these ids.
pub(super) async fn with_ids(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = PlanId>,
) -> Result<Vec<Plan>, Fault> {
    let among = is_among(db.get_database_backend(), "id", ids.map(|id| id.0));
    let rows = Entity::find().filter(among).all(db).await?;
    rows.into_iter().map(Plan::try_from).collect()
}

/// The plan with this code, if it can be joined.
pub(super) async fn joinable(tx: &Tx, code: &str) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(Column::Code.eq(code)).filter(Column::Archived.eq(false)).one(tx.db()).await?)
}

/// Whether the shop has plans of all these codes.
pub(crate) async fn are_all(tx: &Tx, codes: &BTreeSet<String>) -> Result<bool, Fault> {
    if codes.is_empty() {
        return Ok(true);
    }
    let known = Entity::find().filter(Column::Code.is_in(codes)).count(tx.db()).await?;
    Ok(usize::try_from(known)? == codes.len())
}

/// A plan as staff state it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Money,
    pub(crate) billed: Interval,
    pub(crate) trial_days: i32,
    pub(crate) minimum_months: i32,
    pub(crate) grace_days: i32,
    pub(crate) benefits: Benefits,
    pub(crate) archived: bool,
}

/// Makes or changes the plan with this code. Whoever has it keeps its price; everybody gets its benefits as they are now.
pub(crate) async fn upsert(tx: &Tx, upsert: &Upsert) -> Outcome<PlanId, MembershipError> {
    check(upsert).map_err(Stop::Refused)?;
    // One after the other: they are counted.
    dialect::lock(tx.db(), "membership_plans").await?;
    let found = Entity::find().filter(Column::Code.eq(upsert.code.as_str())).one(tx.db()).await?;
    let currency = upsert.price.currency.code();
    match &found {
        None if Entity::find().count(tx.db()).await? >= MOST_PLANS => {
            return refuse(MembershipError::TooManyPlans);
        }
        Some(row) if row.currency != currency => return refuse(fixed("currency")),
        Some(row) if row.billed != upsert.billed => return refuse(fixed("billed")),
        None | Some(_) => {}
    }
    let benefits = serde_json::to_value(&upsert.benefits)?;
    let row = Model {
        id: found.as_ref().map_or_else(|| tx.id(), |row| row.id),
        code: upsert.code.clone(),
        name: upsert.name.clone(),
        description: upsert.description.clone(),
        currency: currency.to_owned(),
        price: upsert.price.minor,
        billed: upsert.billed,
        trial_days: upsert.trial_days,
        minimum_months: upsert.minimum_months,
        grace_days: upsert.grace_days,
        benefits,
        archived: upsert.archived,
        created_at: found.as_ref().map_or_else(|| tx.now(), |row| row.created_at),
        updated_at: tx.now(),
    };
    let id = row.id;
    let written = row.into_active_model();
    match found {
        Some(_) => written.reset_all().update(tx.db()).await?,
        None => written.insert(tx.db()).await?,
    };
    let detail = json!({ "after": upsert });
    audit::record(tx, [Entry::of("membership_plan.upsert", "MembershipPlan", id.0, detail)]).await?;
    Ok(id)
}

fn fixed(field: &'static str) -> MembershipError {
    MembershipError::Invalid { field, problem: "stays as it was first stated: make another plan" }
}

fn check(upsert: &Upsert) -> Result<(), MembershipError> {
    let invalid = |field, problem| Err(MembershipError::Invalid { field, problem });
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=60).contains(&upsert.code.len()) || !upsert.code.bytes().all(is_code) {
        return invalid("code", "must be 1 to 60 of a-z, 0-9 and -");
    }
    if text(&upsert.name).is_err() {
        return invalid("name", "must be 1 to 100 characters");
    }
    if upsert.description.chars().count() > 2_000 {
        return invalid("description", "must be 2,000 characters at most");
    }
    if !(1..=MOST_MINOR).contains(&upsert.price.minor) {
        return invalid("price", "must be above 0 and at most 999,999.99");
    }
    for (field, value, most) in [
        ("trialDays", upsert.trial_days, 365),
        ("minimumMonths", upsert.minimum_months, 36),
        ("graceDays", upsert.grace_days, 30),
    ] {
        if !(0..=most).contains(&value) {
            return invalid(field, "is out of its bounds");
        }
    }
    let methods = upsert.benefits.free_shipping.iter().flat_map(|free| &free.methods);
    if methods.clone().count() > 100 || methods.clone().any(|code| text(code).is_err()) {
        return invalid("methods", "must be 100 at most, each 1 to 100 characters");
    }
    let minimum = upsert.benefits.free_shipping.as_ref().and_then(|free| free.minimum);
    if minimum.is_some_and(|minimum| !(0..=Money::MAX_MINOR).contains(&minimum)) {
        return invalid("minimum", "is negative or too large");
    }
    Ok(())
}
