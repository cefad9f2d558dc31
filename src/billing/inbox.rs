//! What Stripe tells: stored once by its id, answered at once, looked into by a job. It is only a reason to look: events
//! repeat, overtake each other and tie within a second, so nothing is read off them but what they are about.

use chrono::{DateTime, TimeDelta};
use entity::billing_event::{Column, Entity as Events, EventState, Model};
use entity::id::MembershipId;
use entity::{Instant, billing_customer, job, membership};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::payments::{PaymentError, Payments};
use super::setup::PaymentConfig;
use super::stripe::{self, signature};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::customers::{self, CustomerBy};
use crate::error::{Fault, FaultKind, Outcome, refuse};
use crate::jobs::{self, Ended, Job};
use crate::memberships::sync;
use crate::tx::Tx;

/// The kind of the job that looks into an event.
pub(crate) const KIND: &str = "billing.event";
/// With the back-off of jobs these are nearly six hours; what is missed then is found by the reconcile job.
const ATTEMPTS: i64 = 16;
/// Events are kept so long.
const KEPT: TimeDelta = TimeDelta::days(90);
/// Rows one transaction deletes.
const BITE: u64 = 500;
/// Memberships of one customer that are looked up: nobody has had that many.
const MOST: u64 = 20;

/// Why nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Payments do not go to Stripe.
    Unwanted,
    /// Not signed by Stripe, or not as it came.
    Signature,
    /// Signed too long ago, or in the future.
    Time,
    /// Signed, but not an event.
    Unreadable,
    /// Of live mode where the key is for tests, or the other way round.
    Mode,
    /// Of an account that is connected to the shop's.
    Account,
}

/// What is read of an event.
#[derive(Debug, Deserialize)]
struct Envelope {
    id: String,
    account: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    livemode: bool,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    object: Json,
}

/// Takes in what came over the webhook, with the signature that came with it.
pub(crate) async fn receive(app: &App, body: &str, header: &str) -> Result<Result<(), Turned>, Fault> {
    let now = app.clock.now();
    let event = match read(&app.config.payments, body, header, now) {
        Ok(event) => event,
        Err(why) => return Ok(Err(why)),
    };
    app.change(&event, store).await?;
    Ok(Ok(()))
}

fn read(payments: &PaymentConfig, body: &str, header: &str, now: Instant) -> Result<Model, Turned> {
    let PaymentConfig::Stripe(config) = payments else { return Err(Turned::Unwanted) };
    signature::check(body, header, &config.webhook_secrets, now).map_err(|why| match why {
        signature::Forged::Signature => Turned::Signature,
        signature::Forged::Time => Turned::Time,
    })?;
    let event: Envelope = serde_json::from_str(body).map_err(|_not_ours| Turned::Unreadable)?;
    let created_at = DateTime::from_timestamp(event.created, 0).ok_or(Turned::Unreadable)?;
    if event.livemode != config.is_live {
        return Err(Turned::Mode);
    }
    if event.account.is_some() {
        return Err(Turned::Account);
    }
    let object = event.data.object;
    Ok(Model {
        id: event.id,
        account: stripe::account(config.is_live).to_owned(),
        kind: event.kind,
        object: text(&object, "/id"),
        subscription: subscription_of(&object),
        created_at,
        received_at: now,
        customer: customer_of(&object),
        payment: text(&object, "/payment_intent"),
        names: named_by(&object),
        state: EventState::Received,
        membership_id: None,
        applied_at: None,
        problem: None,
    })
}

async fn store(tx: &Tx, event: &Model) -> Result<(), Fault> {
    let stored = Events::insert(event.clone().into_active_model())
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    if stored == 0 { Ok(()) } else { enqueue(tx, &event.id).await }
}

async fn enqueue(tx: &Tx, event: &str) -> Result<(), Fault> {
    let payload = serde_json::to_value(About { event: event.to_owned() })?;
    jobs::enqueue(tx, Job { kind: KIND, payload, due: None, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// Which event a job is about.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    event: String,
}

/// The job: looks up what an event is about, and takes that over.
pub(crate) async fn run(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    let About { event } = serde_json::from_value(job.payload.clone())?;
    let Some(event) = Events::find_by_id(event).one(&app.db.write).await? else { return Ok(Ended::Done) };
    if matches!(event.state, EventState::Applied | EventState::Ignored) {
        return Ok(Ended::Done);
    }
    let outcome = look_into(app, &event).await;
    let (state, problem) = match &outcome {
        Ok(Looked::Applied(_)) => (EventState::Applied, None),
        Ok(Looked::Ignored(why)) => (EventState::Ignored, Some(*why)),
        Err(fault) if job.attempts < job.max_attempts => (EventState::Received, Some(told(fault))),
        Err(fault) => (EventState::Failed, Some(told(fault))),
    };
    let membership = match &outcome {
        Ok(Looked::Applied(membership)) => Some(*membership),
        Ok(Looked::Ignored(_)) | Err(_) => None,
    };
    app.change(&Settled { id: event.id, state, membership, problem }, settle).await?;
    outcome.map(|_| Ended::Done)
}

/// What came of an event.
enum Looked {
    /// What concerns this membership was taken over.
    Applied(MembershipId),
    /// Why it concerns nothing here.
    Ignored(&'static str),
}

async fn look_into(app: &App, event: &Model) -> Result<Looked, Fault> {
    let payments = app.payments().map_err(sync::unavailable)?;
    if event.account != payments.account() {
        return Ok(Looked::Ignored("payments go to another account by now"));
    }
    let found = match membership_of(app, event).await? {
        Some(found) => vec![found],
        None => memberships_of_payer(app, payments, event).await?,
    };
    for membership in &found {
        sync::sync(app, *membership).await?;
    }
    Ok(found.first().map_or(Looked::Ignored("no membership is concerned"), |first| Looked::Applied(*first)))
}

/// The membership whose subscription or page this is about. Before our own request is answered, it is known only by what it
/// carries.
async fn membership_of(app: &App, event: &Model) -> Result<Option<MembershipId>, Fault> {
    use membership::{Column, Entity};
    if let Some(subscription) = &event.subscription {
        let known = Entity::find().filter(Column::Subscription.eq(subscription)).one(&app.db.write).await?;
        if let Some(known) = known {
            return Ok(Some(known.id));
        }
    }
    let Some(named) = event.names else { return Ok(None) };
    let known = Entity::find_by_id(named).one(&app.db.write).await?;
    Ok(known.map(|known| known.id))
}

/// The memberships of whoever paid, or has the card that this is about.
async fn memberships_of_payer(
    app: &App,
    payments: &dyn Payments,
    event: &Model,
) -> Result<Vec<MembershipId>, Fault> {
    use membership::Column;
    let payer = match (&event.customer, &event.payment) {
        (Some(customer), _) => Some(customer.clone()),
        (None, Some(payment)) => match payments.payer(payment).await {
            Ok(payer) => payer.map(|payer| payer.0),
            Err(PaymentError::NotFound) => None,
            Err(error) => return Err(sync::unavailable(error)),
        },
        (None, None) => None,
    };
    let Some(payer) = payer else { return Ok(Vec::new()) };
    let known = billing_customer::Entity::find()
        .filter(billing_customer::Column::Reference.eq(payer))
        .filter(billing_customer::Column::Account.eq(payments.account()))
        .one(&app.db.write)
        .await?;
    let Some(known) = known else { return Ok(Vec::new()) };
    // Whoever turned out to be somebody else still pays as before.
    let stays = customers::find(&app.db.write, &CustomerBy::Id(known.customer_id)).await?;
    let Some(stays) = stays else { return Ok(Vec::new()) };
    let theirs = membership::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::CustomerId.eq(stays.id).and(Column::Account.eq(payments.account())))
        .order_by_desc(Column::BeganAt)
        .limit(MOST);
    Ok(theirs.into_tuple().all(&app.db.write).await?)
}

/// What is written down of an event that was looked into.
struct Settled {
    id: String,
    state: EventState,
    membership: Option<MembershipId>,
    problem: Option<&'static str>,
}

async fn settle(tx: &Tx, settled: &Settled) -> Result<(), Fault> {
    let Settled { id, state, membership, problem } = settled;
    let is_over = *state != EventState::Received;
    Events::update_many()
        .col_expr(Column::State, Expr::val(state.to_value()))
        .col_expr(Column::MembershipId, Expr::val(membership.map(|id| id.0)))
        .col_expr(Column::AppliedAt, Expr::val(is_over.then(|| tx.now())))
        .col_expr(Column::Problem, Expr::val(*problem))
        .filter(Column::Id.eq(id.as_str()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// There is no such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownEvent;

/// Has an event looked into once more.
pub(crate) async fn replay(tx: &Tx, id: &String) -> Outcome<String, UnknownEvent> {
    let again = Events::update_many()
        .col_expr(Column::State, Expr::val(EventState::Received.to_value()))
        .col_expr(Column::Problem, Expr::val(None::<String>))
        .filter(Column::Id.eq(id.as_str()))
        .exec(tx.db())
        .await?;
    if again.rows_affected == 0 {
        return refuse(UnknownEvent);
    }
    enqueue(tx, id).await?;
    let detail = json!({ "event": id });
    audit::record(tx, [Entry { act: "billing.replay", subject: None, customer: None, detail }]).await?;
    Ok(id.clone())
}

/// Forgets the events that came so long ago.
pub(crate) async fn prune(app: &App) -> Result<(), Fault> {
    while app.change(&(), old).await? == BITE {}
    Ok(())
}

async fn old(tx: &Tx, (): &()) -> Result<u64, Fault> {
    let old = Column::ReceivedAt.lt(tx.now() - KEPT);
    let ids = Query::select().column(Column::Id).from(Events).and_where(old).limit(BITE).take();
    let deleted = Events::delete_many().filter(Expr::col(Column::Id).in_subquery(ids)).exec(tx.db()).await?;
    Ok(deleted.rows_affected)
}

/// The subscription that an object is, or belongs to.
fn subscription_of(object: &Json) -> Option<String> {
    if text(object, "/object").as_deref() == Some("subscription") {
        return text(object, "/id");
    }
    text(object, "/subscription").or_else(|| text(object, "/parent/subscription_details/subscription"))
}

/// The customer that an object is, or belongs to.
fn customer_of(object: &Json) -> Option<String> {
    if text(object, "/object").as_deref() == Some("customer") {
        return text(object, "/id");
    }
    text(object, "/customer")
}

/// The membership that an object was made for, by what we had it carry.
fn named_by(object: &Json) -> Option<MembershipId> {
    let places = [
        "/client_reference_id",
        "/metadata/membership_id",
        "/parent/subscription_details/metadata/membership_id",
    ];
    places.iter().find_map(|place| text(object, place)?.parse().ok()).map(MembershipId)
}

fn text(object: &Json, place: &str) -> Option<String> {
    object.pointer(place).and_then(Json::as_str).map(str::to_owned)
}

/// For staff: the log says the rest.
fn told(fault: &Fault) -> &'static str {
    match fault.kind() {
        FaultKind::Unavailable => "Stripe, or the database, could not be reached",
        FaultKind::Internal
        | FaultKind::KeyReused
        | FaultKind::KeyInProgress
        | FaultKind::RateLimited { .. } => "it could not be applied; the log says why",
    }
}
