//! Addresses that nothing, or little, is sent to: kept as hashes under a key of the server, which tell no address and outlive
//! the person.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use entity::id::{MessageId, SuppressionId};
use entity::message::Channel;
use entity::suppression::{Column, Entity, SuppressionReason};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ConsentError;
use crate::audit::{self, Entry};
use crate::auth::keys::Keys;
use crate::customers::email::EmailAddress;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among_bytes;
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// What an address is known by here. Two spellings of one mailbox, or of one number, are one.
pub(crate) fn hash(key: &hmac::Key, channel: Channel, address: &str) -> Vec<u8> {
    let plain: String = match channel {
        Channel::Sms => address.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
        Channel::Email | Channel::Inbox | Channel::Push => address.trim().to_ascii_lowercase(),
    };
    let parts = [b"suppression\x1f", channel.to_value().as_bytes(), b"\x1f", plain.as_bytes()].concat();
    hmac::sign(key, &parts).as_ref().to_vec()
}

/// Which of these addresses nothing, or little, is sent to by `channel`, and the gravest reason; in one statement. What is transactional
/// goes to all but those that bounced.
pub(crate) async fn suppressed(
    db: &impl ConnectionTrait,
    keys: &Keys,
    channel: Channel,
    addresses: &[String],
) -> Result<HashMap<String, SuppressionReason>, Fault> {
    if addresses.is_empty() {
        return Ok(HashMap::new());
    }
    let key = keys.comparison()?;
    let hashed: Vec<(Vec<u8>, &String)> =
        addresses.iter().map(|address| (hash(&key, channel, address), address)).collect();
    let among = is_among_bytes(
        db.get_database_backend(),
        "address_hash",
        hashed.iter().map(|(hash, _)| hash.clone()),
    );
    let rows = Entity::find().filter(Column::Channel.eq(channel)).filter(among).all(db).await?;
    let mut found: HashMap<Vec<u8>, SuppressionReason> = HashMap::new();
    for row in rows {
        let gravest = found.entry(row.address_hash).or_insert(row.reason);
        *gravest = std::cmp::min(*gravest, row.reason);
    }
    let reason =
        |(hash, address): (Vec<u8>, &String)| found.get(&hash).map(|reason| (address.clone(), *reason));
    Ok(hashed.into_iter().filter_map(reason).collect())
}

/// An address that is not to be sent to any more.
#[derive(Clone, Debug)]
pub(super) struct Suppress<'a> {
    pub(super) channel: Channel,
    pub(super) address_hash: &'a [u8],
    pub(super) reason: SuppressionReason,
    /// The message that showed it.
    pub(super) message: Option<MessageId>,
    /// A status code; no address.
    pub(super) detail: Option<&'a str>,
}

/// Puts an address on the list, once for each reason. Answers whether that changed anything.
pub(super) async fn suppress(tx: &Tx, new: &Suppress<'_>) -> Result<bool, Fault> {
    let columns = &["id", "channel", "address_hash", "reason", "message_id", "detail", "created_at"];
    let mut rows = Rows::new("suppressions", columns);
    let id: SuppressionId = tx.id();
    rows.push([
        id.0.into(),
        new.channel.to_value().into(),
        new.address_hash.to_vec().into(),
        new.reason.to_value().into(),
        new.message.map(|message| message.0).into(),
        new.detail.into(),
        tx.now().into(),
    ]);
    Ok(rows.insert_missing(tx.db()).await? == 1)
}

/// A mail server said, as a mail was handed over, that there is no such mailbox, by this status.
pub(crate) async fn no_mailbox(
    tx: &Tx,
    address_hash: &[u8],
    message: Option<MessageId>,
    status: &str,
) -> Result<(), Fault> {
    let (channel, reason, detail) = (Channel::Email, SuppressionReason::Bounced, Some(status));
    suppress(tx, &Suppress { channel, address_hash, reason, message, detail }).await.map(drop)
}

/// What staff put on the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Create {
    /// Of which channel.
    pub(crate) channel: Channel,
    /// A mail address, or a telephone number.
    pub(crate) address: String,
    /// As staff wrote it.
    pub(crate) reason: String,
}

/// Puts an address on the list on the word of staff; one that is on it stays as it is. Answers which entry that is.
pub(crate) async fn create(tx: &Tx, create: &Create) -> Outcome<SuppressionId, ConsentError> {
    let (channel, reason) = (create.channel, SuppressionReason::Staff);
    let hash = hash(&tx.keys().comparison()?, channel, &create.address);
    let new = Suppress { channel, address_hash: &hash, reason, message: None, detail: None };
    let is_new = suppress(tx, &new).await?;
    let which = Column::Channel.eq(channel).and(Column::AddressHash.eq(hash)).and(Column::Reason.eq(reason));
    let Some(row) = Entity::find().filter(which).one(tx.db()).await? else {
        return Err(Fault::internal("a suppression that was written is gone").into());
    };
    if is_new {
        let detail = json!({ "reason": create.reason });
        audit::record(tx, [Entry::of("suppression.create", "Suppression", row.id.0, detail)]).await?;
    }
    Ok(row.id)
}

/// What staff take off the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Remove {
    /// None if the id that was given is no entry's.
    pub(crate) id: Option<SuppressionId>,
    /// As staff wrote it.
    pub(crate) reason: String,
}

/// An entry that was taken off.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// Its id.
    pub(crate) id: SuppressionId,
}

/// Takes an address off the list: it is written to again, as far as whoever reads it consents.
pub(crate) async fn remove(tx: &Tx, remove: &Remove) -> Outcome<Removed, ConsentError> {
    let Some(id) = remove.id else { return refuse(ConsentError::SuppressionNotFound) };
    let Some(row) = Entity::find_by_id(id).one(tx.db()).await? else {
        return refuse(ConsentError::SuppressionNotFound);
    };
    if Entity::delete_by_id(id).exec(tx.db()).await?.rows_affected == 0 {
        return refuse(ConsentError::SuppressionNotFound);
    }
    let before = json!({ "channel": row.channel, "reason": row.reason, "detail": row.detail });
    let detail = json!({ "reason": remove.reason, "before": before });
    audit::record(tx, [Entry::of("suppression.remove", "Suppression", id.0, detail)]).await?;
    Ok(Removed { id })
}

/// Which entries are of this mail address.
pub(crate) fn is_of(keys: &Keys, email: &EmailAddress) -> Result<sea_orm::sea_query::SimpleExpr, Fault> {
    let hash = hash(&keys.comparison()?, Channel::Email, &email.key());
    Ok(Column::Channel.eq(Channel::Email).and(Column::AddressHash.eq(hash)))
}
