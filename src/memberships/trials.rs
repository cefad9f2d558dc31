//! One trial per person: keyed hashes of mailboxes and cards that had one, which outlive the data of the person.

use std::collections::BTreeSet;

use entity::customer;
use entity::id::{CustomerId, MembershipId};
use entity::membership_trial::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};

use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::referrals::{CardHash, mailbox_hash};
use crate::tx::Tx;

/// Whether this person has had a trial.
pub(super) async fn was_had(tx: &Tx, customer: CustomerId) -> Result<bool, Fault> {
    let hashes = hashes(tx, customer, None).await?;
    Ok(Entity::find().filter(Column::Hash.is_in(hashes)).count(tx.db()).await? > 0)
}

/// Marks the trial of `membership`; false if this person, or this card, had another.
pub(super) async fn take(
    tx: &Tx,
    membership: MembershipId,
    customer: CustomerId,
    card: Option<&str>,
) -> Result<bool, Fault> {
    let hashes = hashes(tx, customer, card).await?;
    let mut rows = Rows::new("membership_trials", &["hash", "used_at", "membership_id"]);
    for hash in &hashes {
        rows.push([hash.clone().into(), tx.now().into(), membership.0.into()]);
    }
    rows.insert_missing(tx.db()).await?;
    let others = Entity::find()
        .filter(Column::Hash.is_in(hashes))
        .filter(Column::MembershipId.ne(membership))
        .count(tx.db())
        .await?;
    Ok(others == 0)
}

/// Of all mailboxes of the person, also of those who turned out to be the same, and of the card.
async fn hashes(tx: &Tx, id: CustomerId, card: Option<&str>) -> Result<BTreeSet<Vec<u8>>, Fault> {
    let key = tx.keys().comparison()?;
    let same = customer::Column::Id.eq(id).or(customer::Column::MergedInto.eq(id));
    let people = customer::Entity::find().filter(same).all(tx.db()).await?;
    let emails = people.iter().flat_map(|row| row.email.iter().chain(&row.email_key));
    let mut hashes: BTreeSet<Vec<u8>> = emails.filter_map(|email| mailbox_hash(&key, email)).collect();
    hashes.extend(card.map(|card| CardHash::of(&key, card).bytes()));
    Ok(hashes)
}
