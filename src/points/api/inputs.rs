//! What points mutations take.

use async_graphql::{ID, InputObject};

use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::money::Currency;
use crate::points::amount::{Points, PointsDelta};

/// Points to grant for something that is no order: so many, or what the rules give for an event.
#[derive(Debug, InputObject)]
pub(super) struct PointsEarnInput {
    /// Whose.
    pub customer_id: ID,
    /// How many, at least 1; not together with `event`.
    pub points: Option<Points>,
    /// What happened, such as `review`: the rules in force for it say how many.
    pub event: Option<String>,
    /// What for, 1 to 500 characters; the customer sees it. Needed without `event`.
    pub reason: Option<String>,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}

/// Points to set aside for an order.
#[derive(Debug, InputObject)]
pub(super) struct PointsHoldInput {
    /// Whose; a customer holds their own and leaves it out.
    pub customer_id: Option<ID>,
    /// At most so many, at least 1; what is applied may be less.
    pub points: Points,
    /// What they are to pay in; the shop's currency if left out.
    pub currency: Option<Currency>,
    /// What the order's goods cost; only a shop key may say so. The order applies its own value again.
    pub order_value: Option<Decimal>,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}

/// A hold to capture or void.
#[derive(Debug, InputObject)]
pub(super) struct PointsHoldEndInput {
    /// Which.
    pub hold_id: ID,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}

/// Points to spend at once, for a reward.
#[derive(Debug, InputObject)]
pub(super) struct PointsRedeemInput {
    /// Whose; a customer spends their own and leaves it out.
    pub customer_id: Option<ID>,
    /// How many, at least 1; all or none.
    pub points: Points,
    /// What for, 1 to 500 characters.
    pub reference: String,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}

/// A pending earn to activate.
#[derive(Debug, InputObject)]
pub(super) struct PointsActivateInput {
    /// Which earn.
    pub lot_id: ID,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}

/// A correction by staff.
#[derive(Debug, InputObject)]
pub(super) struct PointsAdjustInput {
    /// Whose.
    pub customer_id: ID,
    /// How many more or fewer; not 0. Beyond the role's limit it waits for a second person.
    pub delta: PointsDelta,
    /// Why, 1 to 500 characters; the customer sees it.
    pub reason: String,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
}
