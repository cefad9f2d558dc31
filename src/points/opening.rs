//! Balances that are brought over from another programme: each is recorded once under its reference, and what it says
//! must not change.

use std::collections::BTreeMap;

use entity::Instant;
use entity::id::{AccountId, CustomerId, OpeningBalanceId};
use entity::opening_balance::{Column, Entity};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_lot::LotSource;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use uuid::Uuid;

use super::account::{About, Account, Tracked};
use super::amount::Points;
use super::apply::{Context, about_lot, new_lot, room_for};
use super::command::{Act, Command, Earn, PointsError, Posting, When};
use super::ledger::post;
use super::orders::{Owner, lock_owners};
use crate::actor::Actor;
use crate::customers::email::EmailAddress;
use crate::customers::owners::{Buyer, Named, find_or_create};
use crate::db::bulk::Rows;
use crate::db::dialect::{is_among, is_among_texts};
use crate::error::Fault;
use crate::external_id::ExternalId;
use crate::idempotency::fingerprint;
use crate::tiers::{self, Brought};
use crate::tx::Tx;

/// A balance as a file states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The file's name for it; recorded once.
    pub reference: ExternalId,
    /// Whose; made if unknown.
    pub owner: Named,
    /// Where the shop writes to; identifies nobody beside an id.
    pub email: Option<EmailAddress>,
    /// None may be left.
    pub points: Points,
    /// When they end; by the programme if none.
    pub expires_at: Option<Instant>,
    /// The code of a tier that the customer has at least, and until when.
    pub tier: Option<(String, Option<Instant>)>,
}

/// What became of one balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It is new.
    New,
    /// The same was recorded before.
    Unchanged,
}

/// Why a balance was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpeningError {
    /// Another one was recorded under its reference.
    ReferenceReused,
    /// The account would hold more than 2,147,483,647 points.
    BalanceLimit,
    /// The shop has no such tier.
    UnknownTier,
    /// Its points have ended already.
    Ended,
    /// Its tier has.
    TierEnded,
}

impl std::fmt::Display for OpeningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReferenceReused => "reference was recorded before with other values",
            Self::BalanceLimit => "points would be more than 2,147,483,647 with what the customer has",
            Self::UnknownTier => "tier is none of the shop's",
            Self::Ended => "expires_at is not in the future",
            Self::TierEnded => "tier_until is not in the future",
        })
    }
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In the order of the balances.
    pub(crate) results: Vec<Result<Opened, OpeningError>>,
    /// Customers that were made for them.
    pub(crate) new_customers: usize,
}

/// Points to be opened.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Opening {
    pub(crate) points: Points,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) reference: String,
}

/// Opens a lot with an end of its own, or that of the programme.
pub(crate) fn open(
    account: &mut Account,
    command: &Command,
    opening: &Opening,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    if account.is_guest() {
        return Err(PointsError::GuestAccount);
    }
    let amount = opening.points.get();
    room_for(account, amount)?;
    let earn = Earn {
        source: LotSource::Opening,
        amount: opening.points,
        activation: When::Now,
        order: None,
        line: None,
        rule: None,
        reason: None,
        referral: None,
    };
    let mut lot = new_lot(account, &earn, ctx);
    account.open(&mut lot, ctx.now, ctx);
    if opening.expires_at.is_some() {
        (lot.expires_at, lot.activity_period) = (opening.expires_at, None);
    }
    let about = About { reason: Some(opening.reference.clone()), ..about_lot(&lot) };
    let way = (Bucket::Issued, Bucket::Available);
    let entry = account.move_points(ctx, command, EntryKind::Opening, way, amount, about);
    let id = lot.id;
    account.lots.push(Tracked::new(lot));
    Ok(Posting { points: amount, entries: vec![entry], lot: Some(id), ..Posting::default() })
}

/// Records balances; one that is refused does not disturb the others. References must be distinct.
pub(crate) async fn record(tx: &Tx, balances: &[Balance]) -> Result<Batch, Fault> {
    let prints = balances.iter().map(fingerprint).collect::<Result<Vec<_>, _>>()?;
    let known = stored(tx, balances).await?;
    let mut results: Vec<Option<Result<Opened, OpeningError>>> = Vec::with_capacity(balances.len());
    for (balance, print) in balances.iter().zip(&prints) {
        let before = known.get(balance.reference.as_str()).map(|(_, before)| against(before, print));
        results.push(before.or_else(|| refusal(tx, balance).map(Err)));
    }
    let mut new: Vec<usize> = (0..balances.len()).filter(|index| results[*index].is_none()).collect();
    // Two imports of one file wait for each other in one direction only.
    new.sort_by_key(|index| balances[*index].reference.as_str());
    let buyers: Vec<Buyer<'_>> = new
        .iter()
        .map(|index| Buyer { named: &balances[*index].owner, contact: balances[*index].email.as_ref() })
        .collect();
    let owners = find_or_create(tx, &buyers).await?;
    let mut claimed = Vec::with_capacity(new.len());
    for (index, owner) in new.into_iter().zip(owners.owners) {
        let Some(Owner::Customer(customer)) = owner else {
            return Err(Fault::internal("a balance of nobody"));
        };
        claimed.push(Claimed { index, id: tx.id(), customer });
    }
    claim(tx, balances, &prints, &claimed).await?;
    let winners = stored(tx, balances).await?;
    claimed.retain(|one| {
        let Claimed { index, id, .. } = *one;
        let Some((winner, before)) = winners.get(balances[index].reference.as_str()) else { return false };
        if *winner != id {
            results[index] = Some(against(before, &prints[index]));
        }
        *winner == id
    });
    for (index, result) in credit(tx, balances, &claimed).await? {
        results[index] = Some(result);
    }
    let results = results.into_iter().map(|result| result.ok_or_else(|| Fault::internal("left unsettled")));
    Ok(Batch { results: results.collect::<Result<_, _>>()?, new_customers: owners.new_customers })
}

/// A balance that is this transaction's to record.
#[derive(Clone, Copy)]
struct Claimed {
    index: usize,
    id: OpeningBalanceId,
    customer: CustomerId,
}

fn against(before: &[u8], print: &[u8]) -> Result<Opened, OpeningError> {
    if before == print { Ok(Opened::Unchanged) } else { Err(OpeningError::ReferenceReused) }
}

fn refusal(tx: &Tx, balance: &Balance) -> Option<OpeningError> {
    let now = tx.now();
    if let Some((code, until)) = &balance.tier {
        if tx.settings().tiers.rank(code).is_none() {
            return Some(OpeningError::UnknownTier);
        }
        if until.is_some_and(|until| until <= now) {
            return Some(OpeningError::TierEnded);
        }
    }
    balance.expires_at.is_some_and(|end| end <= now).then_some(OpeningError::Ended)
}

/// What is recorded under these references.
async fn stored(
    tx: &Tx,
    balances: &[Balance],
) -> Result<BTreeMap<String, (OpeningBalanceId, Vec<u8>)>, Fault> {
    let references = balances.iter().map(|balance| balance.reference.as_str().to_owned());
    let among = is_among_texts(tx.db().get_database_backend(), "reference", references);
    let rows: Vec<(String, OpeningBalanceId, Vec<u8>)> = Entity::find()
        .select_only()
        .columns([Column::Reference, Column::Id, Column::Fingerprint])
        .filter(among)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|(reference, id, print)| (reference, (id, print))).collect())
}

async fn claim(tx: &Tx, balances: &[Balance], prints: &[Vec<u8>], claimed: &[Claimed]) -> Result<(), Fault> {
    let columns = &["id", "reference", "fingerprint", "customer_id", "points", "recorded_at"];
    let mut rows = Rows::new("opening_balances", columns);
    for Claimed { index, id, customer } in claimed {
        rows.push([
            id.0.into(),
            balances[*index].reference.as_str().into(),
            prints[*index].clone().into(),
            customer.0.into(),
            balances[*index].points.get().into(),
            tx.now().into(),
        ]);
    }
    rows.insert_missing(tx.db()).await?;
    Ok(())
}

/// Posts the points and gives the tiers; what the ledger refuses is taken out again.
async fn credit(
    tx: &Tx,
    balances: &[Balance],
    claimed: &[Claimed],
) -> Result<Vec<(usize, Result<Opened, OpeningError>)>, Fault> {
    // All of them, in the order of their ids, before the ledger locks those that get points.
    let named: Vec<AccountId> = claimed.iter().map(|one| Owner::Customer(one.customer).account()).collect();
    lock_owners(tx, &named).await?;
    let with_points: Vec<&Claimed> =
        claimed.iter().filter(|one| balances[one.index].points.get() > 0).collect();
    let commands: Vec<Command> =
        with_points.iter().map(|one| command(one.customer, &balances[one.index])).collect();
    let mut refused: Vec<&Claimed> = Vec::new();
    for (one, posted) in with_points.into_iter().zip(post(tx, &commands).await?) {
        match posted {
            Ok(_) => {}
            Err(PointsError::BalanceLimit) => refused.push(one),
            Err(_) => return Err(Fault::internal("the ledger refused an opening balance")),
        }
    }
    if !refused.is_empty() {
        let ids: Vec<Uuid> = refused.iter().map(|one| one.id.0).collect();
        let among = is_among(tx.db().get_database_backend(), "id", ids);
        Entity::delete_many().filter(among).exec(tx.db()).await?;
    }
    let is_refused = |one: &Claimed| refused.iter().any(|other| other.index == one.index);
    let brought = claimed.iter().filter(|one| !is_refused(one)).filter_map(|one| {
        let (code, until) = balances[one.index].tier.clone()?;
        Some(Brought { customer: one.customer, code, until })
    });
    tiers::bring(tx, &brought.collect::<Vec<_>>()).await?;
    let result =
        |one: &Claimed| if is_refused(one) { Err(OpeningError::BalanceLimit) } else { Ok(Opened::New) };
    Ok(claimed.iter().map(|one| (one.index, result(one))).collect())
}

fn command(customer: CustomerId, balance: &Balance) -> Command {
    let opening = Opening {
        points: balance.points,
        expires_at: balance.expires_at,
        reference: balance.reference.as_str().to_owned(),
    };
    let account = Owner::Customer(customer).account();
    Command { account, act: Act::Open(opening), by: Actor::SYSTEM, effective_at: None, imported: true }
}
