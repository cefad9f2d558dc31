//! Rows of people, written at once.

use chrono::TimeDelta;
use entity::consent::{ConsentSource, ConsentState, OptIn, Purpose};
use entity::id::{AccountId, ConsentId, CustomerId, MembershipId, PersonId, PlanId};
use entity::membership::MembershipState;
use entity::message::Channel;
use entity::points_entry::ActorKind;
use entity::{
    Instant, consent, consent_state, customer, customer_tier, membership, membership_plan, points_account,
};
use sea_orm::Iterable;
use serde_json::json;
use uuid::Uuid;

use super::shop::Person;

pub(super) fn new_customer(number: usize, person: &Person, now: Instant) -> customer::Model {
    let email = format!("person-{number}@example.org");
    customer::Model {
        id: CustomerId(person.id.0),
        external_id: Some(format!("person-{number}")),
        email: Some(email.clone()),
        email_key: Some(email),
        name: Some("Joan".to_owned()),
        locale: Some(["en", "nl", "he"][number % 3].to_owned()),
        password_hash: None,
        registered_at: None,
        enrolled_at: Some(now),
        disabled_at: None,
        created_at: now,
        updated_at: now,
        birthday: person.born,
        phone: None,
        acquisition_reason: None,
        preferences: None,
        merged_into: None,
        merged_at: None,
    }
}

pub(super) fn new_account(person: PersonId, now: Instant) -> points_account::Model {
    points_account::Model {
        id: AccountId(person.0),
        customer_id: Some(CustomerId(person.0)),
        guest_id: None,
        issued: 0,
        pending: 0,
        available: 0,
        held: 0,
        redeemed: 0,
        expired: 0,
        revoked: 0,
        debt: 0,
        seq: 0,
        changed_at: now,
        created_at: now,
        merged_into: None,
        inactive_at: None,
        inactivity_months: None,
        activity_period: 0,
        warned_days: 366,
        history_since: None,
    }
}

pub(super) fn said_by(
    person: PersonId,
    purpose: Purpose,
    state: ConsentState,
    at: Instant,
) -> (consent::Model, consent_state::Model) {
    let number =
        Purpose::iter().position(|one| one == purpose).map(|at| u128::try_from(at).unwrap()).unwrap();
    let opt_in = (state == ConsentState::Granted).then_some(OptIn::Double);
    let id = ConsentId(Uuid::from_u128(person.0.as_u128() * 100 + number));
    let evidence = consent::Model {
        id,
        person_id: person,
        purpose,
        channel: Channel::Email,
        state,
        opt_in,
        source: ConsentSource::Import,
        proof: json!({}),
        actor_kind: ActorKind::System,
        actor_id: None,
        at,
        recorded_at: at,
        address_hash: None,
    };
    let current = consent_state::Model {
        person_id: person,
        purpose,
        channel: Channel::Email,
        state,
        opt_in,
        at,
        consent_id: id,
    };
    (evidence, current)
}

pub(super) fn of_gold(person: PersonId, now: Instant) -> customer_tier::Model {
    customer_tier::Model {
        customer_id: CustomerId(person.0),
        tier: Some("gold".to_owned()),
        since: now,
        until: None,
        kept: Some("gold".to_owned()),
        kept_until: None,
        step: None,
        step_until: None,
        noticed: None,
        changes: 1,
        due_at: None,
    }
}

pub(super) fn member(
    id: MembershipId,
    person: PersonId,
    plan: &membership_plan::Model,
    now: Instant,
) -> membership::Model {
    let customer = CustomerId(person.0);
    let until = Some(now + TimeDelta::days(1_000));
    membership::Model {
        id,
        customer_id: customer,
        open_for: Some(customer),
        plan_id: PlanId(plan.id.0),
        next_plan_id: None,
        next_price: None,
        next_billed: None,
        next_at: None,
        currency: plan.currency.clone(),
        price: plan.price,
        billed: plan.billed,
        grace_days: plan.grace_days,
        state: MembershipState::Active,
        entitled_until: until,
        paid_through: until,
        due_at: until,
        trial_days: 0,
        trial_until: None,
        minimum_months: 0,
        minimum_until: None,
        cancels_at: None,
        cancel_seq: 0,
        cancel_why: None,
        cancel_reason: None,
        ended_at: None,
        ended_why: None,
        seq: 0,
        synced_seq: 0,
        synced_at: None,
        account: None,
        subscription: None,
        checkout: None,
        order_id: None,
        benefit_used_at: None,
        began_at: now,
        joined_at: Some(now),
        updated_at: now,
    }
}
