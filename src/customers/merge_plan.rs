//! What becomes of two customers who turned out to be one: decided from their rows alone. Pure.

use std::collections::HashSet;

use entity::customer::Model;
use serde_json::json;

use super::address::Address;
use super::addresses::MOST;
use super::preferences::Preferences;

/// What the one who stays gets of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The shop's id.
    ExternalId,
    /// The proven mailbox with the password: the account itself.
    Account,
    /// The mailbox that an import named as the customer's.
    Mailbox,
    /// The address for contact.
    Email,
    /// What the customer is called.
    Name,
    /// The language.
    Locale,
    /// The birthday.
    Birthday,
    /// The telephone number.
    Phone,
    /// Preferences under other keys.
    Preferences,
    /// The reason of the first purchase.
    AcquisitionReason,
    /// Taking part in the points programme.
    Enrolment,
}

/// What both have: the one who stays keeps their own, and the other's goes on meaning them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Both have an account with a proven mailbox: only the one of who stays can be signed in to.
    BothRegistered,
    /// Both have an id of the shop.
    BothHaveExternalIds,
}

/// Both rows as they are to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) from: Model,
    pub(super) into: Model,
    pub(super) taken: Vec<Taken>,
    pub(super) conflicts: Vec<Conflict>,
}

impl Plan {
    pub(super) fn of(from: &Model, into: &Model) -> Self {
        let mut plan =
            Self { from: from.clone(), into: into.clone(), taken: Vec::new(), conflicts: Vec::new() };
        if from.registered_at.is_some() && into.registered_at.is_some() {
            plan.conflicts.push(Conflict::BothRegistered);
        }
        if from.external_id.is_some() && into.external_id.is_some() {
            plan.conflicts.push(Conflict::BothHaveExternalIds);
        }
        plan.identities();
        plan.profile();
        plan
    }

    /// What people are found by is unique: it moves, and does not stay behind as well. What stays behind goes on meaning
    /// the one who stays.
    fn identities(&mut self) {
        let Self { from, into, taken, .. } = self;
        if into.external_id.is_none() && from.external_id.is_some() {
            into.external_id = from.external_id.take();
            taken.push(Taken::ExternalId);
        }
        // A disabled account is no way back in, and nobody's account moves where it cannot be used.
        let is_one_account = from.registered_at.is_some() && into.registered_at.is_none();
        let moves = is_one_account && from.disabled_at.is_none() && into.disabled_at.is_none();
        if moves {
            std::mem::swap(&mut into.email_key, &mut from.email_key);
            std::mem::swap(&mut into.email, &mut from.email);
            into.registered_at = from.registered_at.take();
            into.password_hash = from.password_hash.take();
            taken.push(Taken::Account);
        } else if into.email_key.is_none() && from.registered_at.is_none() && from.email_key.is_some() {
            into.email_key = from.email_key.take();
            taken.push(Taken::Mailbox);
        }
    }

    fn profile(&mut self) {
        let Self { from, into, taken, .. } = self;
        take(taken, Taken::Email, &mut into.email, from.email.as_ref());
        take(taken, Taken::Name, &mut into.name, from.name.as_ref());
        take(taken, Taken::Locale, &mut into.locale, from.locale.as_ref());
        take(taken, Taken::Birthday, &mut into.birthday, from.birthday.as_ref());
        take(taken, Taken::Phone, &mut into.phone, from.phone.as_ref());
        take(taken, Taken::AcquisitionReason, &mut into.acquisition_reason, from.acquisition_reason.as_ref());
        take(taken, Taken::Enrolment, &mut into.enrolled_at, from.enrolled_at.as_ref());
        let own = Preferences::read(into.preferences.as_ref());
        let both = own.clone().with_missing_of(Preferences::read(from.preferences.as_ref()));
        if both != own {
            into.preferences = Some(both.stored());
            taken.push(Taken::Preferences);
        }
    }

    /// As the audit log tells it.
    pub(super) fn told(row: &Model) -> serde_json::Value {
        json!({
            "externalId": row.external_id,
            "email": row.email,
            "name": row.name,
            "locale": row.locale,
            "birthday": row.birthday,
            "phone": row.phone,
            "preferences": row.preferences,
            "acquisitionReason": row.acquisition_reason,
            "registeredAt": row.registered_at,
            "enrolledAt": row.enrolled_at,
        })
    }
}

fn take<T: Clone>(taken: &mut Vec<Taken>, what: Taken, own: &mut Option<T>, theirs: Option<&T>) {
    if own.is_none() && theirs.is_some() {
        *own = theirs.cloned();
        taken.push(what);
    }
}

/// Which addresses come over: those that the one who stays has not; none if they would be too many.
pub(super) fn new_addresses(theirs: &[Address], own: &[Address]) -> Option<Vec<usize>> {
    let mut seen: HashSet<String> = own.iter().map(key).collect();
    let new: Vec<usize> = theirs
        .iter()
        .enumerate()
        .filter(|(_, address)| seen.insert(key(address)))
        .map(|(at, _)| at)
        .collect();
    (own.len() + new.len() <= MOST).then_some(new)
}

/// What makes two spellings one address.
fn key(address: &Address) -> String {
    let Address { name, company, line1, line2, postal_code, city, region, country, phone } = address;
    let optional =
        [name, company, line2, postal_code, region].map(|text| text.as_deref().unwrap_or_default());
    let phone = phone.as_ref().map(super::profile::PhoneNumber::as_str).unwrap_or_default();
    let parts = [optional.as_slice(), &[line1, city, country.as_str(), phone]].concat();
    parts.join("\u{1f}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::id::CustomerId;
    use uuid::Uuid;

    use super::*;

    fn customer(number: u128) -> Model {
        let at = DateTime::UNIX_EPOCH;
        Model {
            id: CustomerId(Uuid::from_u128(number)),
            external_id: None,
            email: None,
            email_key: None,
            name: None,
            locale: None,
            password_hash: None,
            registered_at: None,
            enrolled_at: Some(at),
            disabled_at: None,
            created_at: at,
            updated_at: at,
            birthday: None,
            phone: None,
            acquisition_reason: None,
            preferences: None,
            merged_into: None,
            merged_at: None,
        }
    }

    fn registered(number: u128, email: &str) -> Model {
        Model {
            email: Some(email.to_owned()),
            email_key: Some(email.to_owned()),
            password_hash: Some("a hash".to_owned()),
            registered_at: Some(DateTime::UNIX_EPOCH),
            ..customer(number)
        }
    }

    #[test]
    fn who_stays_keeps_what_there_is_and_takes_what_is_missing() {
        let from = Model { name: Some("Ann".to_owned()), phone: Some("12345".to_owned()), ..customer(1) };
        let into = Model { name: Some("Anna".to_owned()), ..customer(2) };
        let plan = Plan::of(&from, &into);
        assert_eq!((plan.into.name.as_deref(), plan.into.phone.as_deref()), (Some("Anna"), Some("12345")));
        assert_eq!((plan.taken, plan.conflicts), (vec![Taken::Phone], vec![]));
        assert_eq!(plan.from, from);
    }

    #[test]
    fn an_account_moves_to_who_has_none_and_a_mailbox_that_gives_way_stays_behind() {
        let from = registered(1, "ann@example.com");
        let into = Model { email_key: Some("old@example.com".to_owned()), ..customer(2) };
        let plan = Plan::of(&from, &into);
        assert_eq!(plan.into.email_key.as_deref(), Some("ann@example.com"));
        assert_eq!(plan.from.email_key.as_deref(), Some("old@example.com"));
        assert!(plan.into.registered_at.is_some() && plan.into.password_hash.is_some());
        assert!(plan.from.registered_at.is_none() && plan.from.password_hash.is_none());
    }

    #[test]
    fn of_two_accounts_each_keeps_its_mailbox() {
        let (from, into) = (registered(1, "ann@example.com"), registered(2, "anna@example.com"));
        let plan = Plan::of(&from, &into);
        assert_eq!((&plan.from, &plan.into, plan.conflicts), (&from, &into, vec![Conflict::BothRegistered]));
    }

    #[test]
    fn a_disabled_account_does_not_come_back_by_a_merge() {
        let from = Model { disabled_at: Some(DateTime::UNIX_EPOCH), ..registered(1, "ann@example.com") };
        let plan = Plan::of(&from, &customer(2));
        assert_eq!((plan.into.registered_at, plan.into.email_key), (None, None));
        assert_eq!(plan.from.email_key.as_deref(), Some("ann@example.com"));
    }
}
