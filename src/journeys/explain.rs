//! Why somebody was not sent something, and what a journey would do for somebody now.

use entity::id::{CustomerId, JourneyId, OrderId, PersonId};
use entity::journey::{JourneyState, Model};
use entity::journey_run::{self, RunState};
use entity::message::{self, Channel, Reason};
use entity::{Instant, cart, order};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder};

use super::approach::{Approach, Suppressed};
use super::definition::{Condition, Definition, Trigger};
use super::live;
use super::look::{Case, Look, When};
use super::people::{self, Person};
use super::purchases;
use super::schedule;
use super::statistics::runs_of;
use crate::app::App;
use crate::consent::{permissions, suppressed};
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::messages::facts::Facts;

/// Ways through one journey that are looked back at.
const MOST_RUNS: u64 = 20;

/// One of somebody's ways through a journey, and its messages.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) run: journey_run::Model,
    pub(crate) messages: Vec<message::Model>,
}

/// What became of a journey for somebody.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    /// Where the journey is; a draft, if it was never published.
    pub(crate) state: JourneyState,
    /// The last ways through it, the last first; none, if nothing began it for this customer.
    pub(crate) ways: Vec<Way>,
}

/// What became of a journey for a customer, under whatever name.
pub(crate) async fn explain(
    db: &impl ConnectionTrait,
    code: &str,
    customer: CustomerId,
) -> Result<Option<Explanation>, Fault> {
    let Some(journey) = live::by_code(db, code).await? else {
        let never = Explanation { state: JourneyState::Draft, ways: Vec::new() };
        return Ok(super::builtin::find(code).map(|_| never));
    };
    let runs = runs_of(db, journey.id, customer, MOST_RUNS).await?;
    let among = is_among(db.get_database_backend(), "run_id", runs.iter().map(|run| run.id.0));
    let mut messages = message::Entity::find()
        .filter(among)
        .order_by_asc(message::Column::QueuedAt)
        .order_by_asc(message::Column::Id)
        .all(db)
        .await?;
    let way = |run: journey_run::Model| {
        let of_run = |message: &mut message::Model| message.run_id == Some(run.id);
        let messages = messages.extract_if(.., of_run).collect();
        Way { run, messages }
    };
    let ways = runs.into_iter().map(way).collect();
    Ok(Some(Explanation { state: journey.state, ways }))
}

/// What a journey would do for somebody, if what begins it happened as it last did.
#[derive(Clone, Debug)]
pub(crate) struct Preview {
    /// When that happened.
    pub(crate) happened_at: Instant,
    /// When the first step would be due.
    pub(crate) due_at: Instant,
    /// Each condition, and whether it holds now.
    pub(crate) conditions: Vec<(Condition, bool)>,
    /// By which the first step would reach the customer now.
    pub(crate) channel: Result<Channel, Reason>,
}

/// Looks what `definition` would do for a customer, without doing it; none if there is no such customer.
pub(crate) async fn preview(
    app: &App,
    journey: JourneyId,
    definition: &Definition,
    customer: CustomerId,
) -> Result<Option<Preview>, Fault> {
    let (db, now, settings) = (&app.db.read, app.clock.now(), app.settings());
    let id = PersonId::from(customer);
    let Some(person) = people::load(db, [id]).await?.remove(&id) else { return Ok(None) };
    let (facts, happened_at) =
        last_cause(db, definition.trigger, &person).await?.unwrap_or((Facts::default(), now));
    let case = Case { journey, definition, person: &person, facts: &facts, happened_at };
    let mut conditions = Vec::new();
    for when in [When::Beginning, When::Sending] {
        let look = Look::load(db, &[case], when, now).await?;
        for condition in definition.conditions.iter().filter(|one| when.asks(one)) {
            conditions.push((condition.clone(), look.holds(&case, condition)));
        }
    }
    let rhythm = purchases::rhythms(db, [person.id]).await?.remove(&person.id);
    let step = definition.steps.first().ok_or_else(|| Fault::internal("a journey without steps"))?;
    let due_at = schedule::due(happened_at, step, rhythm, settings.time_zone);
    let permissions = permissions(db, [person.id]).await?;
    let mut refused = Suppressed::new();
    for channel in [Channel::Email, Channel::Sms] {
        if let Some(address) = person.address(channel) {
            let known = suppressed(db, &app.keys, channel, &[address]).await?;
            refused.extend(known.into_iter().map(|(address, reason)| ((channel, address), reason)));
        }
    }
    let approach = Approach {
        person: &person,
        channels: &step.channels,
        has_hook: app.hook.is_some(),
        purpose: definition.purpose,
        asked_at: facts.since,
        on_order: None,
    };
    let channel = approach.channel(&settings.messages, &permissions, &refused);
    Ok(Some(Preview { happened_at, due_at, conditions, channel }))
}

/// What last happened to a person of the kind that begins a journey, as far as that is kept.
async fn last_cause(
    db: &impl ConnectionTrait,
    trigger: Trigger,
    person: &Person,
) -> Result<Option<(Facts, Instant)>, Fault> {
    if trigger.has_order() {
        let order = last_order(db, trigger, person).await?;
        return Ok(order.map(|(order, at)| (Facts { order: Some(order), ..Facts::default() }, at)));
    }
    if trigger != Trigger::CartTouched {
        return Ok(None);
    }
    let Some(customer) = person.customer else { return Ok(None) };
    let cart = cart::Entity::find()
        .filter(cart::Column::CustomerId.eq(customer))
        .order_by_desc(cart::Column::TouchedAt)
        .one(db)
        .await?;
    Ok(cart.map(|cart| (Facts { cart: Some(cart.id), ..Facts::default() }, cart.touched_at)))
}

async fn last_order(
    db: &impl ConnectionTrait,
    trigger: Trigger,
    person: &Person,
) -> Result<Option<(OrderId, Instant)>, Fault> {
    use order::Column;
    let reached = match trigger {
        Trigger::OrderShipped => Column::ShippedAt,
        Trigger::OrderDelivered | Trigger::ProductUsedUp => Column::DeliveredAt,
        _ => Column::PaidAt,
    };
    let theirs = match person.customer {
        Some(customer) => Column::CustomerId.eq(customer),
        None => Column::GuestId.eq(person.id.0),
    };
    let found = order::Entity::find()
        .filter(theirs.and(reached.is_not_null()))
        .order_by_desc(Column::PlacedAt)
        .one(db)
        .await?;
    Ok(found.and_then(|order| {
        let at = match reached {
            Column::ShippedAt => order.shipped_at,
            Column::DeliveredAt => order.delivered_at,
            _ => order.paid_at,
        };
        Some((order.id, at?))
    }))
}

/// Why nobody's way through a journey is known, in words.
pub(crate) fn of_nothing(state: JourneyState) -> &'static str {
    match state {
        JourneyState::Draft => "This journey was never published.",
        JourneyState::Active | JourneyState::Paused | JourneyState::Retired => {
            "Nothing that begins this journey happened since it was published, or a condition that cannot change any more \
             did not hold then: a preview of the journey tells which."
        }
    }
}

/// Why a way through a journey is where it is, in words.
pub(crate) fn in_words(run: &journey_run::Model) -> String {
    let why = run.reason.map(words);
    match (run.state, why) {
        (RunState::Waiting, None) => format!("Waits until {}.", run.due_at.format("%Y-%m-%d %H:%M UTC")),
        (RunState::Waiting, Some(why)) => {
            format!("Put off until {}: {why}.", run.due_at.format("%Y-%m-%d %H:%M UTC"))
        }
        (RunState::Parked, _) => "Waits until the journey is resumed.".to_owned(),
        (RunState::HeldOut, _) => format!("Not sent: {}.", words(Reason::Holdout)),
        (RunState::Dropped, why) => format!("Not sent: {}.", why.unwrap_or("nobody knows why")),
        (RunState::Done, None) => "Every message was queued.".to_owned(),
        (RunState::Done, Some(why)) => format!("Ended after {} messages: {why}.", run.sent),
    }
}

/// A reason, in words.
pub(crate) fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::NoConsent => "nobody consented to it",
        Reason::NotConfirmed => "the consent was not confirmed in the mailbox",
        Reason::Withdrawn => "the consent was withdrawn",
        Reason::Suppressed => "the address bounced, or complained, or is blocked by staff",
        Reason::NoAddress => "there is no address for any of its channels",
        Reason::ServiceWindowClosed => "it is too long since the product was delivered",
        Reason::CareSpacing => "another message of care was sent too short a time ago",
        Reason::Budget => "the person had as many messages as one may have",
        Reason::Outranked => "another message of a higher priority was due",
        Reason::QuietHours => "it was night",
        Reason::ConditionNotMet => "a condition of the journey does not hold, or not any more",
        Reason::BoughtRecently => "the person bought something too short a time ago",
        Reason::Holdout => "the person is among those who get nothing, to measure by",
        Reason::JourneyPaused => "the journey is paused",
        Reason::JourneyRetired => "the journey is retired",
        Reason::TooLate => "it was put off until it was of no use",
        Reason::Superseded => "something newer took its place",
        Reason::AccountClosed => "the account is disabled, or is another's now",
        Reason::NoTemplate => "there is no published template for it",
        Reason::TemplateFailed => "what it is about is not there any more",
        Reason::Refused => "whoever delivers it refused it for good",
        Reason::UnknownOutcome => {
            "its worker ended while it was on its way, and nobody knows whether it arrived"
        }
    }
}

/// The definition that a preview is of: the draft, else what is in force, else what a built-in journey comes with.
pub(crate) async fn definition_of(
    db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<(JourneyId, Definition)>, Fault> {
    let Some(journey) = live::by_code(db, code).await? else {
        let nobody = JourneyId(uuid::Uuid::nil());
        return Ok(super::builtin::find(code).map(|one| (nobody, one.definition)));
    };
    let definition = match &journey.draft {
        Some(draft) => Some(serde_json::from_value(draft.clone())?),
        None => in_force(db, &journey).await?,
    };
    Ok(definition.map(|definition| (journey.id, definition)))
}

/// What is in force of a journey.
pub(crate) async fn in_force(
    db: &impl ConnectionTrait,
    journey: &Model,
) -> Result<Option<Definition>, Fault> {
    super::manage::definition_of(db, journey).await
}
