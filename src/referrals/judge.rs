//! What speaks against a referral, as far as it is known now.

use entity::id::{CustomerId, OrderId};
use entity::order::OrderState;
use entity::referral::{Column, Entity, ReferralReason, ReferralState};
use entity::{Instant, customer, order};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use super::codes::takes_part;
use super::people::{is_of, traits};
use crate::error::Fault;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// Referrers of referrers are followed so far back.
const LONGEST_CHAIN: usize = 100;

/// Two people of whom one is said to have brought the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) referrer: CustomerId,
    pub(super) friend: Owner,
    /// The order that named the code and that which counts, which do not make the friend an old one.
    pub(super) but: [Option<OrderId>; 2],
    /// Only orders placed before do; any does, if none.
    pub(super) bound_at: Option<Instant>,
}

/// The first thing that speaks against it.
pub(super) async fn judge(tx: &Tx, pair: &Pair) -> Result<Option<ReferralReason>, Fault> {
    if pair.friend == Owner::Customer(pair.referrer) {
        return Ok(Some(ReferralReason::SamePerson));
    }
    if had_ordered(tx, pair).await? {
        return Ok(Some(ReferralReason::NotNewCustomer));
    }
    if is_circular(tx, pair).await? {
        return Ok(Some(ReferralReason::Circular));
    }
    let (referrer, friend) =
        (traits(tx, Owner::Customer(pair.referrer)).await?, traits(tx, pair.friend).await?);
    if let Some(reason) = referrer.shared(&friend) {
        return Ok(Some(reason));
    }
    let friend = match pair.friend {
        Owner::Customer(customer) => Some(customer),
        Owner::Guest(_) => None,
    };
    for customer in friend.into_iter().chain([pair.referrer]) {
        let row = customer::Entity::find_by_id(customer).one(tx.db()).await?;
        if !row.is_some_and(|row| takes_part(&row)) {
            return Ok(Some(ReferralReason::LeftProgramme));
        }
    }
    Ok(None)
}

async fn had_ordered(tx: &Tx, pair: &Pair) -> Result<bool, Fault> {
    use order::Column;
    let mut others = order::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(is_of(pair.friend).and(Column::State.ne(OrderState::Cancelled)));
    for order in pair.but.into_iter().flatten() {
        others = others.filter(Column::Id.ne(order));
    }
    if let Some(bound_at) = pair.bound_at {
        others = others.filter(Column::PlacedAt.lt(bound_at));
    }
    let found: Option<OrderId> = others.limit(1).into_tuple().one(tx.db()).await?;
    Ok(found.is_some())
}

/// Whether the friend brought whoever brought the referrer, a hundred people back at most.
async fn is_circular(tx: &Tx, pair: &Pair) -> Result<bool, Fault> {
    let Owner::Customer(friend) = pair.friend else { return Ok(false) };
    let mut person = pair.referrer;
    for _ in 0..LONGEST_CHAIN {
        let counts = [ReferralState::Pending, ReferralState::Qualified, ReferralState::Rewarded];
        let brought_by: Option<CustomerId> = Entity::find()
            .select_only()
            .column(Column::ReferrerId)
            .filter(Column::FriendId.eq(person).and(Column::State.is_in(counts)))
            .into_tuple()
            .one(tx.db())
            .await?;
        match brought_by {
            Some(referrer) if referrer == friend => return Ok(true),
            Some(referrer) => person = referrer,
            None => return Ok(false),
        }
    }
    Ok(false)
}
