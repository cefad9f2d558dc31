//! Referrals become another's: a guest proved the mailbox, or two customers turned out to be one. Whoever is their own
//! referrer by that, or has two, loses what there is one too many of.

use entity::id::{CustomerId, GuestId};
use entity::referral::{Column, Entity, Model, ReferralReason, ReferralState};
use entity::{Instant, referral_code};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use super::{Owed, end, locked_of};
use crate::actor::Actor;
use crate::error::Fault;
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;

/// A guest proved to be `customer`: answers what is to be taken back once the guest's points have arrived.
pub(crate) async fn joined(tx: &Tx, guest: GuestId, customer: CustomerId) -> Result<Vec<Owed>, Fault> {
    let mut owed = Vec::new();
    owed.extend(one_friend(tx, Owner::Guest(guest), customer).await?);
    owed.extend(not_oneself(tx, customer).await?);
    for owed in &mut owed {
        owed.moved(Owner::Guest(guest), customer);
    }
    lock(tx, &owed, &[Owner::Guest(guest), Owner::Customer(customer)]).await?;
    Ok(owed)
}

/// `from` turned out to be `into`: the same. Locks both accounts, with those of others that are to give something back.
pub(crate) async fn merged(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<Vec<Owed>, Fault> {
    referral_code::Entity::update_many()
        .col_expr(referral_code::Column::CustomerId, Expr::val(into))
        .filter(referral_code::Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    let mut owed = Vec::new();
    owed.extend(one_friend(tx, Owner::Customer(from), into).await?);
    Entity::update_many()
        .col_expr(Column::ReferrerId, Expr::val(into))
        .filter(Column::ReferrerId.eq(from))
        .exec(tx.db())
        .await?;
    owed.extend(not_oneself(tx, into).await?);
    for owed in &mut owed {
        owed.moved(Owner::Customer(from), into);
    }
    lock(tx, &owed, &[Owner::Customer(from), Owner::Customer(into)]).await?;
    Ok(owed)
}

/// The referral of `from` becomes that of `into`; of two that count the one that was bound first stays, and the other ends.
async fn one_friend(tx: &Tx, from: Owner, into: CustomerId) -> Result<Option<Owed>, Fault> {
    let Some(theirs) = locked_of(tx, from).await? else { return Ok(None) };
    let Some(own) = locked_of(tx, Owner::Customer(into)).await? else {
        set_friend(tx, &theirs, Some(Owner::Customer(into))).await?;
        return Ok(None);
    };
    let counts = |row: &Model| !matches!(row.state, ReferralState::Refused | ReferralState::ClawedBack);
    // One that came to nothing takes nothing from one that did not.
    let rank = |row: &Model| -> (bool, Instant, _) { (!counts(row), row.bound_at, row.id) };
    if rank(&own) < rank(&theirs) {
        return end(tx, &theirs, ReferralReason::AlreadyReferred).await;
    }
    let owed = end(tx, &own, ReferralReason::AlreadyReferred).await?;
    // Both are unique: they change places by way of nobody.
    set_friend(tx, &own, None).await?;
    set_friend(tx, &theirs, Some(Owner::Customer(into))).await?;
    set_friend(tx, &own, Some(from)).await?;
    Ok(owed)
}

async fn set_friend(tx: &Tx, row: &Model, friend: Option<Owner>) -> Result<(), Fault> {
    let (customer, guest) = match friend {
        Some(Owner::Customer(customer)) => (Some(customer), None),
        Some(Owner::Guest(guest)) => (None, Some(guest)),
        None => (None, None),
    };
    Entity::update_many()
        .col_expr(Column::FriendId, Expr::val(customer))
        .col_expr(Column::GuestId, Expr::val(guest))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Nobody is their own referrer.
async fn not_oneself(tx: &Tx, customer: CustomerId) -> Result<Option<Owed>, Fault> {
    let own = Column::FriendId.eq(customer).and(Column::ReferrerId.eq(customer));
    match Entity::find().filter(own).lock_exclusive().one(tx.db()).await? {
        Some(row) => end(tx, &row, ReferralReason::SamePerson).await,
        None => Ok(None),
    }
}

async fn lock(tx: &Tx, owed: &[Owed], with: &[Owner]) -> Result<(), Fault> {
    if owed.is_empty() {
        return Ok(());
    }
    let accounts = owed.iter().flat_map(|owed| owed.accounts).chain(with.iter().map(|owner| owner.account()));
    points::lock_accounts(tx, &accounts.collect::<Vec<_>>()).await?;
    Ok(())
}

impl Owed {
    /// What one account had, another has.
    fn moved(&mut self, from: Owner, into: CustomerId) {
        for account in &mut self.accounts {
            if *account == from.account() {
                *account = Owner::Customer(into).account();
            }
        }
    }
}

/// Takes back from both sides what referrals gave them, by the shop's policy for returns.
pub(crate) async fn take_back(tx: &Tx, owed: &[Owed], by: Actor, at: Option<Instant>) -> Result<(), Fault> {
    let mut given = Vec::new();
    for Owed { row, accounts: [referrer, friend] } in owed {
        let earned_at = row.rewarded_at.ok_or_else(|| Fault::internal("what was given has its instant"))?;
        for (account, points) in [(*referrer, row.referrer_points), (*friend, row.friend_points)] {
            let of_account = points::Given { account, referral: row.id, earned_at };
            given.extend((points > 0).then_some(of_account));
        }
    }
    points::take_back(tx, &given, by, at).await
}
