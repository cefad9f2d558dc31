//! Making coupons and withdrawing them.

use entity::Instant;
use entity::coupon::{ActiveModel, Column, Entity};
use entity::id::{CouponId, CustomerId};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};
use serde::Serialize;
use serde_json::json;

use super::terms::Terms;
use crate::audit::{self, Entry};
use crate::auth::secret;
use crate::db::dialect;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::memberships;
use crate::tx::Tx;

/// Letters of a code that we make: 80 bits.
const LETTERS: usize = 16;

/// A coupon to be made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Create {
    /// What people type; made up, if none.
    pub(crate) code: Option<String>,
    pub(crate) name: String,
    pub(crate) terms: Terms,
    /// Whose; anybody's, if none.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) starts_at: Option<Instant>,
    pub(crate) ends_at: Option<Instant>,
    pub(crate) total_limit: Option<i32>,
    pub(crate) customer_limit: Option<i32>,
}

/// Why a coupon was not made or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CouponError {
    /// No such coupon.
    NotFound,
    /// No such customer.
    CustomerNotFound,
    /// A value is out of its bounds.
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another coupon has this code.
    CodeTaken,
}

/// As codes are kept: whatever people type of them.
pub(crate) fn normal(code: &str) -> String {
    code.trim().to_uppercase()
}

/// Makes a coupon.
pub(crate) async fn create(tx: &Tx, create: &Create) -> Outcome<CouponId, CouponError> {
    check(create).map_err(Stop::Refused)?;
    if !memberships::plans::are_all(tx, &create.terms.plans).await? {
        return refuse(CouponError::Invalid { field: "plans", problem: "must be plans of the shop" });
    }
    let code = match &create.code {
        Some(code) => normal(code),
        None => made_up()?,
    };
    dialect::lock(tx.db(), &format!("coupon\u{1f}{code}")).await?;
    if Entity::find().filter(Column::Code.eq(code.as_str())).count(tx.db()).await? > 0 {
        return refuse(CouponError::CodeTaken);
    }
    let id = insert(tx, create, code).await?;
    let detail = json!({ "after": create });
    let entry = match create.customer {
        Some(customer) => Entry::of_customer("coupon.create", customer, detail),
        None => Entry::of("coupon.create", "Coupon", id.0, detail),
    };
    audit::record(tx, [entry]).await?;
    Ok(id)
}

/// Writes a coupon down whose code is nobody else's.
pub(super) async fn insert(tx: &Tx, create: &Create, code: String) -> Result<CouponId, Fault> {
    let row = ActiveModel {
        id: Set(tx.id()),
        code: Set(code),
        name: Set(create.name.clone()),
        terms: Set(serde_json::to_value(&create.terms)?),
        customer_id: Set(create.customer),
        starts_at: Set(create.starts_at),
        ends_at: Set(create.ends_at),
        total_limit: Set(create.total_limit),
        customer_limit: Set(create.customer_limit),
        used: Set(0),
        disabled_at: Set(None),
        created_at: Set(tx.now()),
    };
    Ok(row.insert(tx.db()).await?.id)
}

/// A code that nobody can guess.
pub(super) fn made_up() -> Result<String, Fault> {
    Ok(secret::letters::<LETTERS>()?.to_uppercase())
}

fn check(create: &Create) -> Result<(), CouponError> {
    let invalid = |field, problem| Err(CouponError::Invalid { field, problem });
    let is_code = |code: &str| {
        let code = normal(code);
        (3..=40).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if create.code.as_deref().is_some_and(|code| !is_code(code)) {
        return invalid("code", "must be 3 to 40 of A-Z, 0-9, - and _");
    }
    let length = create.name.chars().count();
    if create.name.trim().is_empty() || length > 100 || create.name.chars().any(char::is_control) {
        return invalid("name", "must be 1 to 100 characters");
    }
    if create.starts_at.zip(create.ends_at).is_some_and(|(starts, ends)| ends <= starts) {
        return invalid("endsAt", "must be later than startsAt");
    }
    for (field, limit) in [("totalLimit", create.total_limit), ("customerLimit", create.customer_limit)] {
        if limit.is_some_and(|limit| limit < 1) {
            return invalid(field, "must be 1 or more");
        }
    }
    create.terms.validate().map_err(|(field, problem)| CouponError::Invalid { field, problem })
}

/// A coupon to be withdrawn.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Disable {
    /// None if the id that was given is no coupon's.
    pub(crate) coupon: Option<CouponId>,
}

/// Withdraws a coupon: nobody can use it any more. Uses that are reserved stay good.
pub(crate) async fn disable(tx: &Tx, disable: &Disable) -> Outcome<CouponId, CouponError> {
    let Some(id) = disable.coupon else { return refuse(CouponError::NotFound) };
    let disabled = Entity::update_many()
        .col_expr(Column::DisabledAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id))
        .filter(Column::DisabledAt.is_null())
        .exec(tx.db())
        .await?;
    if disabled.rows_affected == 1 {
        audit::record(tx, [Entry::of("coupon.disable", "Coupon", id.0, json!({}))]).await?;
        return Ok(id);
    }
    let known = Entity::find_by_id(id).count(tx.db()).await? > 0;
    if known { Ok(id) } else { refuse(CouponError::NotFound) }
}
