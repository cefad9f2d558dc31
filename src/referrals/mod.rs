//! Customers who bring friends: both are rewarded once the friend's first paid order has passed its return window.
//!
//! Invariant: a friend has one referrer for ever, of those that count whoever came first; what both get is given once, in one transaction, and
//! taken back once. Where a referral is only moves along this table:
//!
//! | from | what happens | to |
//! |---|---|---|
//! | – | the friend names a code, and nothing speaks against it | `PENDING` |
//! | `PENDING` | an order of the friend is paid | `QUALIFIED` |
//! | `QUALIFIED` | the order is cancelled or comes back whole | `QUALIFIED` by another paid order, else `PENDING` |
//! | `QUALIFIED` | the return window ends | `REWARDED`, or `REFUSED` if something speaks against it by now |
//! | `REWARDED` | the order is cancelled or comes back whole | `CLAWED_BACK` |
//! | `PENDING`, `QUALIFIED` | both, or two friends, turn out to be one person | `REFUSED` |
//! | `REWARDED` | the same | `CLAWED_BACK` |
//!
//! What speaks against it is judged when the code is named and again when the window ends, since addresses and cards are
//! known only then. Locks: the order, the referral, then the accounts by id.

pub mod api;
mod bind;
mod codes;
mod events;
mod judge;
mod moves;
pub(crate) mod orders;
mod people;
mod rules;
mod vest;

pub(crate) use moves::{joined, merged, take_back};
pub(crate) use people::{CardHash, mailbox_hash};
pub(crate) use vest::{VEST, vest};

use entity::id::AccountId;
use entity::referral::{Column, Entity, Model, ReferralReason, ReferralState};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// How many friends of one referrer count, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferralTerms {
    /// Days from the delivery of the friend's order, or from its payment as long as it is not delivered, until both are
    /// rewarded.
    pub vesting_days: u32,
    /// Friends for whom one referrer is rewarded in a calendar year; any number, if none.
    pub yearly_limit: Option<u32>,
}

impl Default for ReferralTerms {
    fn default() -> Self {
        Self { vesting_days: 30, yearly_limit: Some(20) }
    }
}

impl ReferralTerms {
    /// The first value that is out of its bounds, and what is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        if self.vesting_days > 365 {
            return Err(("vestingDays", "must be 0 to 365"));
        }
        if self.yearly_limit.is_some_and(|limit| !(1..=10_000).contains(&limit)) {
            return Err(("yearlyLimit", "must be 1 to 10,000"));
        }
        Ok(())
    }
}

/// Whom a referral brought; none if another referral of the same friend came first.
fn friend_of(row: &Model) -> Option<Owner> {
    row.friend_id.map(Owner::Customer).or(row.guest_id.map(Owner::Guest))
}

fn is_friend(friend: Owner) -> SimpleExpr {
    match friend {
        Owner::Customer(customer) => Column::FriendId.eq(customer),
        Owner::Guest(guest) => Column::GuestId.eq(guest),
    }
}

/// The referral of a friend, locked until the transaction ends.
async fn locked_of(tx: &Tx, friend: Owner) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(is_friend(friend)).lock_exclusive().one(tx.db()).await?)
}

/// What a referral gave, to be taken back from these accounts.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    row: Model,
    /// The referrer's and the friend's.
    accounts: [AccountId; 2],
}

/// Ends a locked referral: refuses one that is open; one that was rewarded is to be taken back, which is answered.
async fn end(tx: &Tx, row: &Model, reason: ReferralReason) -> Result<Option<Owed>, Fault> {
    let (state, topic) = match row.state {
        ReferralState::Pending | ReferralState::Qualified => (ReferralState::Refused, "referral.refused"),
        ReferralState::Rewarded => (ReferralState::ClawedBack, "referral.clawed_back"),
        ReferralState::Refused | ReferralState::ClawedBack => return Ok(None),
    };
    let ended = Entity::update_many()
        .col_expr(Column::State, Expr::val(state.to_value()))
        .col_expr(Column::Reason, Expr::val(reason.to_value()))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(row.state)))
        .exec(tx.db())
        .await?;
    if ended.rows_affected != 1 {
        return Err(Fault::internal("a locked referral changed its state"));
    }
    events::tell(tx, topic, &Model { state, reason: Some(reason), ..row.clone() }).await?;
    let friend = friend_of(row).filter(|_| row.state == ReferralState::Rewarded);
    let accounts = |friend: Owner| [Owner::Customer(row.referrer_id).account(), friend.account()];
    Ok(friend.map(|friend| Owed { row: row.clone(), accounts: accounts(friend) }))
}
