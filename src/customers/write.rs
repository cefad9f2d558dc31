//! Writing the profile of a customer: what differs, with what staff changed in the audit log.

use entity::customer::{AcquisitionReason, Column, Entity, Model};
use entity::id::CustomerId;
use entity::points_entry::ActorKind;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::birthday::Birthday;
use super::email::EmailAddress;
use super::preferences::Preferences;
use super::profile::{Locale, PersonName, PhoneNumber};
use super::words;
use crate::audit::{self, Entry};
use crate::consent;
use crate::error::Fault;
use crate::outbox::{self, Event};
use crate::tx::Tx;

/// What is to become of a value that there may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is forgotten.
    Clear,
    /// It is this from now on.
    Set(T),
}

impl<T> Change<T> {
    /// A value that cannot be forgotten this way.
    pub fn to(given: Option<T>) -> Self {
        given.map_or(Self::Keep, Self::Set)
    }

    /// Whether nothing changes.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// What is stated, if something is.
    pub(crate) fn stated(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Does it to what is kept.
    pub(crate) fn onto<S>(&self, kept: &mut Option<S>, stored: impl FnOnce(&T) -> S) {
        match self {
            Self::Keep => {}
            Self::Clear => *kept = None,
            Self::Set(value) => *kept = Some(stored(value)),
        }
    }

    /// The same where something always stands, which is `cleared` if there is nothing.
    pub(crate) fn onto_or<S>(&self, kept: &mut S, stored: impl FnOnce(&T) -> S, cleared: impl FnOnce() -> S) {
        match self {
            Self::Keep => {}
            Self::Clear => *kept = cleared(),
            Self::Set(value) => *kept = stored(value),
        }
    }
}

/// What is stated of a customer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Profile {
    /// What the customer is called.
    pub name: Change<PersonName>,
    /// For mails.
    pub locale: Change<Locale>,
    /// Day, month and year.
    pub birthday: Change<Birthday>,
    /// For the shop.
    pub phone: Change<PhoneNumber>,
    /// All of them.
    pub preferences: Change<Preferences>,
    /// What made the customer buy first.
    pub acquisition_reason: Change<AcquisitionReason>,
}

impl Profile {
    /// The row as it is to be.
    fn applied_to(&self, row: &Model, email: Option<&EmailAddress>) -> Model {
        let mut next = row.clone();
        self.name.onto(&mut next.name, |name| name.as_str().to_owned());
        self.locale.onto(&mut next.locale, |locale| locale.as_str().to_owned());
        self.birthday.onto(&mut next.birthday, |birthday| birthday.born());
        self.phone.onto(&mut next.phone, |phone| phone.as_str().to_owned());
        self.acquisition_reason.onto(&mut next.acquisition_reason, |reason| *reason);
        match &self.preferences {
            Change::Keep => {}
            // An object even then: JSON has a null of its own.
            Change::Clear => next.preferences = row.preferences.as_ref().map(|_| json!({})),
            Change::Set(preferences) => next.preferences = Some(preferences.stored()),
        }
        // The contact of a registered customer is the mailbox that the customer proved.
        if let Some(email) = email.filter(|_| row.registered_at.is_none()) {
            next.email = Some(email.as_str().to_owned());
        }
        next
    }
}

/// The mailbox that a customer is written to at.
fn contact_of(row: &Model) -> Option<String> {
    let written = row.email.clone().or_else(|| row.email_key.clone())?;
    EmailAddress::try_from(written).ok().map(|email| email.key())
}

/// Writes what differs from the locked `row`; answers whether anything did.
pub(super) async fn profile(
    tx: &Tx,
    row: &Model,
    stated: &Profile,
    email: Option<&EmailAddress>,
) -> Result<bool, Fault> {
    let next = stated.applied_to(row, email);
    if next == *row {
        return Ok(false);
    }
    save(tx, &next).await?;
    if contact_of(&next) != contact_of(row) {
        consent::readdress(tx, [row.id.into()]).await?;
    }
    if (&next.name, &next.email) != (&row.name, &row.email) {
        words::refresh(tx, &[row.id]).await?;
    }
    audited(tx, "customer.update", row.id, &told(row), &told(&next)).await?;
    Ok(true)
}

/// Writes the whole profile of a locked customer.
pub(super) async fn save(tx: &Tx, next: &Model) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::Name, Expr::val(next.name.as_deref()))
        .col_expr(Column::Email, Expr::val(next.email.as_deref()))
        .col_expr(Column::Locale, Expr::val(next.locale.as_deref()))
        .col_expr(Column::Birthday, Expr::val(next.birthday))
        .col_expr(Column::Phone, Expr::val(next.phone.as_deref()))
        .col_expr(Column::Preferences, Expr::val(next.preferences.clone()))
        .col_expr(Column::AcquisitionReason, Expr::val(next.acquisition_reason.map(|of| of.to_value())))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(next.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// A profile as the audit log tells it.
fn told(row: &Model) -> Json {
    json!({
        "name": row.name,
        "email": row.email,
        "locale": row.locale,
        "birthday": row.birthday,
        "phone": row.phone,
        "preferences": row.preferences,
        "acquisitionReason": row.acquisition_reason,
    })
}

/// Leaves an entry with what differs, if staff did it.
pub(super) async fn audited(
    tx: &Tx,
    act: &'static str,
    customer: CustomerId,
    before: &Json,
    after: &Json,
) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let (before, after) = (differing(before, after), differing(after, before));
    let detail = json!({ "before": before, "after": after });
    audit::record(tx, [Entry::of_customer(act, customer, detail)]).await
}

/// What `object` has that `other` has not, or has otherwise.
pub(crate) fn differing(object: &Json, other: &Json) -> Json {
    let differs = |(key, value): &(&String, &Json)| other.get(key.as_str()) != Some(*value);
    let pairs = object.as_object().into_iter().flatten().filter(differs);
    Json::Object(pairs.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
}

/// Tells that something happened to a customer.
pub(super) async fn tell(tx: &Tx, topic: &'static str, customer: CustomerId) -> Result<(), Fault> {
    let payload = json!({ "customerId": customer });
    let aggregate_id = customer.0;
    outbox::emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at: tx.now() }]).await
}

/// The customer of this id, or whom that one turned out to be; locked until the transaction ends.
pub(crate) async fn locked(tx: &Tx, id: CustomerId) -> Result<Option<Model>, Fault> {
    let mut id = id;
    loop {
        // Looked up before it is locked: whoever merges locks by id, and nobody may hold a merged one meanwhile.
        let found: Option<Option<CustomerId>> =
            Entity::find_by_id(id).select_only().column(Column::MergedInto).into_tuple().one(tx.db()).await?;
        let Some(merged_into) = found else { return Ok(None) };
        id = merged_into.unwrap_or(id);
        match Entity::find_by_id(id).lock_exclusive().one(tx.db()).await? {
            Some(row) if row.merged_into.is_some() => {}
            found => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_differs_only() {
        let (before, after) = (json!({ "a": 1, "b": 2, "c": null }), json!({ "a": 1, "b": 3, "c": "x" }));
        assert_eq!(differing(&before, &after), json!({ "b": 2, "c": null }));
        assert_eq!(differing(&after, &before), json!({ "b": 3, "c": "x" }));
        assert_eq!(differing(&Json::Null, &after), json!({}));
    }
}
