//! What is asked of whoever takes the money: written down with what causes it, asked outside of any transaction, and
//! settled by its answer. Its id is the key by which it is done once, however often it has to be asked.

use std::time::Duration;

use chrono::TimeDelta;
use entity::billing_call::{CallState, Column, Entity, Model};
use entity::id::{CallId, MembershipId};
use entity::membership::EndedWhy;
use entity::{Instant, job, membership};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::state::Fact;
use super::store::{Locked, locked};
use super::sync::{self, absorb, unavailable};
use crate::app::App;
use crate::billing::payments::{
    Change, Checkout, CheckoutOutcome, CheckoutPage, Confirmation, NewPrice, PaymentError, Payments,
    Subscribe, Subscription, SubscriptionRef,
};
use crate::billing::references;
use crate::db::bulk::Rows;
use crate::error::{Fault, FaultKind};
use crate::jobs::{self, Ended, Job};
use crate::tx::Tx;

/// The kind of the job that asks.
pub(crate) const KIND: &str = "memberships.call";
/// With the back-off of jobs these are two days.
const ATTEMPTS: i64 = 60;
/// How long whoever caused a call has to ask by itself.
const OWN_TIME: TimeDelta = TimeDelta::seconds(15);
/// How long a request waits for an answer: less than it may take itself.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long Stripe surely knows a key (<https://docs.stripe.com/api/idempotent_requests>), less an hour.
const KEY_LIFE: TimeDelta = TimeDelta::hours(23);

/// Something to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// Begin a subscription.
    Begin(Begin),
    /// Change it.
    Change(Change),
    /// Change its price: at once, or from the payment of then on.
    Switch { price: NewPrice, renews_at: Option<Instant> },
    /// Give back so much of an invoice.
    Refund { invoice: String, amount: i64 },
}

/// How a subscription is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Begin {
    /// On a hosted page that leads back to one of these.
    Page { success_url: String, cancel_url: String },
    /// On the customer's own device.
    Device,
}

/// Who asks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A job, at once.
    ByJob,
    /// Whoever caused it; a job if that one is gone.
    ByCaller,
}

/// What a call was answered with. Secrets in it are not stored: asked again, the same is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A page to pay on.
    Page(CheckoutPage),
    /// Something for the customer's device to confirm; nothing, if nothing is due.
    Device(Option<Confirmation>),
    /// Done.
    Done,
    /// The card was declined.
    Declined,
    /// It cannot be done as it was asked.
    Refused,
}

/// Writes down that `call` is to be asked, once this commits.
pub(super) async fn enqueue(
    tx: &Tx,
    membership: &mut Locked,
    call: &Call,
    asked: Asked,
) -> Result<CallId, Fault> {
    let id: CallId = tx.id();
    let seq = membership.next_seq();
    let columns = &["id", "membership_id", "call", "state", "seq", "asked_at"];
    let mut rows = Rows::new("billing_calls", columns);
    rows.push([
        id.0.into(),
        membership.row.id.0.into(),
        serde_json::to_value(call)?.into(),
        CallState::Pending.to_value().into(),
        seq.into(),
        tx.now().into(),
    ]);
    rows.insert(tx.db()).await?;
    let due = match asked {
        Asked::ByJob => None,
        Asked::ByCaller => Some(tx.after(OWN_TIME)),
    };
    let payload = json!({ "membership": membership.row.id });
    // No key: a run that is under way may have looked before this was written.
    jobs::enqueue(tx, Job { kind: KIND, payload, due, dedup_key: None, max_attempts: ATTEMPTS }).await?;
    Ok(id)
}

/// Which membership a job is about.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) membership: MembershipId,
}

/// The job: asks what is still to be asked.
pub(crate) async fn run(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    let About { membership } = serde_json::from_value(job.payload.clone())?;
    ask_pending(app, membership).await?;
    Ok(Ended::Done)
}

/// Asks what is still to be asked for a membership, in the order in which it was caused; answers what was refused, if
/// anything was.
pub(super) async fn ask_pending(app: &App, membership: MembershipId) -> Result<Answer, Fault> {
    let pending = Entity::find()
        .filter(Column::MembershipId.eq(membership).and(Column::State.eq(CallState::Pending)))
        .order_by_asc(Column::Seq)
        .all(&app.db.read)
        .await?;
    let mut worst = Answer::Done;
    for call in pending {
        let answer = ask(app, call).await?;
        if matches!(answer, Answer::Declined | Answer::Refused) {
            worst = answer;
        }
    }
    Ok(worst)
}

/// Asks one call, after those that were caused before it; answers what it was answered with.
pub(crate) async fn ask_one(app: &App, id: CallId) -> Result<Answer, Fault> {
    let call = Entity::find_by_id(id).one(&app.db.write).await?;
    let call = call.ok_or_else(|| Fault::internal("a call that was not written"))?;
    let earlier = Entity::find()
        .filter(Column::MembershipId.eq(call.membership_id).and(Column::State.eq(CallState::Pending)))
        .filter(Column::Seq.lt(call.seq))
        .order_by_asc(Column::Seq)
        .all(&app.db.read)
        .await?;
    for earlier in earlier {
        ask(app, earlier).await?;
    }
    ask(app, call).await
}

/// Waits for `asking` no longer than a request may; its job goes on with it.
pub(super) async fn in_time<T>(asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(Fault::of(FaultKind::Unavailable)),
    }
}

/// Whether something is still to be asked for a membership, beside `this`.
pub(super) async fn has_pending(tx: &Tx, of: MembershipId, this: Option<CallId>) -> Result<bool, Fault> {
    let mut pending =
        Entity::find().filter(Column::MembershipId.eq(of).and(Column::State.eq(CallState::Pending)));
    if let Some(this) = this {
        pending = pending.filter(Column::Id.ne(this));
    }
    Ok(pending.count(tx.db()).await? > 0)
}

/// Whether a call for a membership was settled `since` then.
pub(super) async fn has_settled(tx: &Tx, of: MembershipId, since: Option<Instant>) -> Result<bool, Fault> {
    let settled = Column::MembershipId.eq(of).and(Column::SettledAt.gte(since));
    Ok(Entity::find().filter(settled).count(tx.db()).await? > 0)
}

/// Asks, and settles by the answer. A call that is settled already is asked again only for what is not stored of its
/// answer.
async fn ask(app: &App, row: Model) -> Result<Answer, Fault> {
    let call: Call = serde_json::from_value(row.call.clone())?;
    match (row.state, &call) {
        (CallState::Failed, _) => return Ok(Answer::Refused),
        (CallState::Done, Call::Change(_) | Call::Switch { .. } | Call::Refund { .. }) => {
            return Ok(Answer::Done);
        }
        (CallState::Done, Call::Begin(_)) | (CallState::Pending, _) => {}
    }
    let of = membership::Entity::find_by_id(row.membership_id).one(&app.db.write).await?;
    let of = of.ok_or_else(|| Fault::internal("a call of no membership"))?;
    let too_late = row.asked_at + KEY_LIFE <= app.clock.now() && matches!(call, Call::Begin(_));
    let asked = if too_late {
        Err(PaymentError::Rejected("not begun within its day".to_owned()))
    } else {
        put(app, &row, &of, &call).await
    };
    let (state, answer, found) = match asked {
        Ok((answer, found)) => (CallState::Done, answer, found),
        Err(PaymentError::Declined) => (CallState::Failed, Answer::Declined, None),
        Err(error @ PaymentError::Unavailable { .. }) => return Err(unavailable(error)),
        Err(error @ (PaymentError::NotFound | PaymentError::Rejected(_))) => {
            tracing::error!(membership.id = %of.id.0, call.id = %row.id.0, ?error, "a call of billing was refused");
            (CallState::Failed, Answer::Refused, None)
        }
    };
    if row.state == CallState::Pending {
        let account = app.payments().map_err(unavailable)?.account();
        let settled = Settled { row, call, state, account, page: page_of(&answer), found };
        app.change(&settled, settle).await?;
    }
    Ok(answer)
}

type Put = Result<(Answer, Option<Subscription>), PaymentError>;

/// Puts the call to whoever takes the money.
async fn put(app: &App, row: &Model, of: &membership::Model, call: &Call) -> Put {
    let payments = app.payments()?;
    if of.account.as_deref().is_some_and(|account| account != payments.account()) {
        let problem = "the membership is billed elsewhere".to_owned();
        return Err(PaymentError::Unavailable { problem, retry_after: None });
    }
    let key = row.id.0.to_string();
    let subscription = of.subscription.clone().map(SubscriptionRef);
    match (call, subscription) {
        (Call::Begin(how), _) => begin(app, payments, &key, of, how).await,
        (Call::Change(change), Some(id)) => {
            payments.change(&key, &id, change).await.map(|found| (Answer::Done, Some(found)))
        }
        (Call::Switch { price, renews_at }, Some(id)) => {
            let price = references::price_of(app, payments, price).await?;
            let change = match *renews_at {
                None => Change::PriceNow(price),
                Some(renews_at) => Change::PriceAtRenewal { price, renews_at },
            };
            payments.change(&key, &id, &change).await.map(|found| (Answer::Done, Some(found)))
        }
        (Call::Change(Change::EndNow), None) => {
            let Some(page) = &of.checkout else { return Ok((Answer::Done, None)) };
            payments.close_checkout(page).await?;
            match payments.checkout_outcome(page).await? {
                // Paid before it could be closed.
                CheckoutOutcome::Subscribed(id) => {
                    let found = payments.change(&key, &id, &Change::EndNow).await?;
                    Ok((Answer::Done, Some(found)))
                }
                CheckoutOutcome::Open | CheckoutOutcome::Expired => Ok((Answer::Done, None)),
            }
        }
        (Call::Change(_) | Call::Switch { .. }, None) => Err(PaymentError::NotFound),
        (Call::Refund { invoice, amount }, id) => {
            payments.refund(&key, invoice, *amount).await?;
            let found = match id {
                Some(id) => payments.subscription(&id).await?,
                None => None,
            };
            Ok((Answer::Done, found))
        }
    }
}

async fn begin(app: &App, payments: &dyn Payments, key: &str, of: &membership::Model, how: &Begin) -> Put {
    let customer = references::customer(app, payments, of.customer_id).await?;
    let price = references::price(app, payments, of).await?;
    let trial_days = u32::try_from(of.trial_days).unwrap_or_default();
    match how {
        Begin::Page { success_url, cancel_url } => {
            let (success_url, cancel_url) = (success_url.clone(), cancel_url.clone());
            let wanted = Checkout { membership: of.id, customer, price, trial_days, success_url, cancel_url };
            Ok((Answer::Page(payments.open_checkout(key, &wanted).await?), None))
        }
        Begin::Device => {
            let wanted = Subscribe { membership: of.id, customer, price, trial_days };
            let begun = payments.subscribe(key, &wanted).await?;
            Ok((Answer::Device(begun.confirmation), Some(begun.subscription)))
        }
    }
}

fn page_of(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Page(page) => Some(page.id.clone()),
        Answer::Device(_) | Answer::Done | Answer::Declined | Answer::Refused => None,
    }
}

/// A call with its answer.
struct Settled {
    row: Model,
    call: Call,
    state: CallState,
    account: &'static str,
    page: Option<String>,
    found: Option<Subscription>,
}

async fn settle(tx: &Tx, settled: &Settled) -> Result<(), Fault> {
    let Settled { row, call, state, account, page, found } = settled;
    let Some(mut membership) = locked(tx, row.membership_id).await? else {
        return Err(Fault::internal("a call of no membership"));
    };
    let ours = Entity::update_many()
        .col_expr(Column::State, Expr::val(state.to_value()))
        .col_expr(Column::SettledAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(CallState::Pending)))
        .exec(tx.db())
        .await?;
    if ours.rows_affected == 0 {
        return Ok(());
    }
    membership.row.account.get_or_insert_with(|| (*account).to_owned());
    if page.is_some() {
        membership.row.checkout.clone_from(page);
    }
    match (state, call) {
        (CallState::Done, Call::Switch { price, renews_at: None }) => membership.become_of(price),
        (CallState::Failed, _) => undo(tx, &mut membership, row.seq, call).await?,
        (CallState::Pending | CallState::Done, _) => {}
    }
    if let Some(found) = found {
        // Newer than whatever was being looked up when it was put.
        let seq = membership.next_seq();
        absorb(tx, &mut membership, found, seq, Some(row.id)).await?;
    }
    membership.settle(tx, found.is_some()).await?;
    Ok(())
}

/// What was asked for with the number `seq` is not done, and never will be: here it is not either.
async fn undo(tx: &Tx, membership: &mut Locked, seq: i64, call: &Call) -> Result<(), Fault> {
    match call {
        Call::Begin(_) => membership.learn(&Fact::Ended { at: tx.now(), why: EndedWhy::NeverPaid }),
        Call::Switch { price, .. } => membership.stay_from(price),
        Call::Change(Change::Pause) => membership.drop_pause(seq, tx.now()),
        // When it is to end is what a look-up finds.
        Call::Change(Change::EndAt(_)) => sync::enqueue(tx, membership.row.id).await?,
        // Here it is over all the same. Tomorrow's look-up asks anew, should it go on there; nothing else would look.
        Call::Change(Change::EndNow) => {
            sync::enqueue_at(tx, membership.row.id, Some(tx.after(TimeDelta::days(1)))).await?;
        }
        // Here it goes on all the same; the next look-up asks anew. What was not given back is for staff to see.
        Call::Change(_) | Call::Refund { .. } => {}
    }
    Ok(())
}
