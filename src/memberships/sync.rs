//! Looking up how a subscription is where it is billed, and taking that over. Whatever is heard of it is only a reason to
//! look: a look-up that began later knows more.

use entity::Instant;
use entity::id::{CallId, CustomerId, MembershipId};
use entity::membership::{Column, EndedWhy, Entity, Model};
use entity::{billing_customer, job};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use serde_json::json;

use super::calls::{self, About, Asked, Call, ask_pending, has_pending};
use super::state::{Fact, is_over};
use super::store::{Locked, locked};
use super::trials;
use crate::app::App;
use crate::billing::payments::{
    Change, CheckoutOutcome, CustomerRef, PaymentError, Payments, Subscription, SubscriptionRef,
    SubscriptionStatus,
};
use crate::error::{Fault, FaultKind};
use crate::jobs::{self, Ended, Job};
use crate::tx::Tx;

/// The kind of the job that looks.
pub(crate) const KIND: &str = "memberships.sync";
/// With the back-off of jobs these are two days; what is missed then is found by the reconcile job.
const ATTEMPTS: i64 = 60;

/// Has a membership looked up, once this commits.
pub(crate) async fn enqueue(tx: &Tx, membership: MembershipId) -> Result<(), Fault> {
    enqueue_at(tx, membership, None).await
}

/// The same, not before `due`.
pub(super) async fn enqueue_at(tx: &Tx, membership: MembershipId, due: Option<Instant>) -> Result<(), Fault> {
    let payload = json!({ "membership": membership });
    // No key: a run that is under way may have looked before what this is about.
    jobs::enqueue(tx, Job { kind: KIND, payload, due, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// The job.
pub(crate) async fn run(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    let About { membership } = serde_json::from_value(job.payload.clone())?;
    sync(app, membership).await?;
    Ok(Ended::Done)
}

/// Asks what is still to be asked, looks up how the subscription is, and takes it over.
pub(crate) async fn sync(app: &App, membership: MembershipId) -> Result<(), Fault> {
    pass_time(app, membership).await?;
    ask_pending(app, membership).await?;
    loop {
        let Some(row) = app.change(&membership, claim).await? else { return Ok(()) };
        let found = match row.account {
            Some(_) => look_up(app, &row).await?,
            None => None,
        };
        if app.change(&(row, found), take_over).await? {
            return Ok(());
        }
    }
}

/// What time alone has brought needs no answer from anybody, such as the end of a pause; that a membership is over does.
async fn pass_time(app: &App, membership: MembershipId) -> Result<(), Fault> {
    let due = Entity::find_by_id(membership).filter(Column::DueAt.lte(app.clock.now()));
    if due.one(&app.db.read).await?.is_none() {
        return Ok(());
    }
    app.change(&membership, async |tx: &Tx, id| {
        let Some(membership) = locked(tx, *id).await? else { return Ok(()) };
        if is_over(membership.standing(tx.now()).state) {
            return Ok(());
        }
        membership.settle(tx, false).await.map(drop)
    })
    .await
}

/// Numbers a look-up that is about to begin.
async fn claim(tx: &Tx, id: &MembershipId) -> Result<Option<Model>, Fault> {
    let claimed = Entity::update_many()
        .col_expr(Column::Seq, Expr::col(Column::Seq).add(1))
        .col_expr(Column::SyncedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(*id))
        .exec_with_returning(tx.db())
        .await?;
    Ok(claimed.into_iter().next())
}

async fn look_up(app: &App, row: &Model) -> Result<Option<Subscription>, Fault> {
    let payments = app.payments().map_err(unavailable)?;
    if row.account.as_deref() != Some(payments.account()) {
        tracing::error!(membership.id = %row.id.0, account = row.account, "a membership is billed where we are not");
        return Err(Fault::of(FaultKind::Unavailable));
    }
    match (&row.subscription, &row.checkout) {
        (Some(id), _) => payments.subscription(&SubscriptionRef(id.clone())).await.map_err(unavailable),
        (None, Some(page)) => match payments.checkout_outcome(page).await.map_err(unavailable)? {
            CheckoutOutcome::Subscribed(id) => payments.subscription(&id).await.map_err(unavailable),
            CheckoutOutcome::Open | CheckoutOutcome::Expired => Ok(None),
        },
        (None, None) => of_membership(app, payments, row).await,
    }
}

/// The subscription of a call whose answer never came: the one that is not over, if there are several.
async fn of_membership(
    app: &App,
    payments: &dyn Payments,
    row: &Model,
) -> Result<Option<Subscription>, Fault> {
    let key = (row.customer_id, payments.account().to_owned());
    let Some(customer) = billing_customer::Entity::find_by_id(key).one(&app.db.read).await? else {
        return Ok(None);
    };
    let mut found =
        payments.subscriptions_of(&CustomerRef(customer.reference), row.id).await.map_err(unavailable)?;
    found.sort_by_key(|subscription| subscription.ended_at.is_some());
    Ok(found.into_iter().next())
}

/// Answers whether that was all: who looked before a call was settled may have seen how it was before that call, and has to
/// look again.
async fn take_over(tx: &Tx, (claimed, found): &(Model, Option<Subscription>)) -> Result<bool, Fault> {
    let Some(mut membership) = locked(tx, claimed.id).await? else { return Ok(true) };
    let is_newest = claimed.seq > membership.row.synced_seq;
    if let Some(found) = found {
        absorb(tx, &mut membership, found, claimed.seq, None).await?;
    }
    membership.settle(tx, true).await?;
    Ok(is_newest || !calls::has_settled(tx, claimed.id, claimed.synced_at).await?)
}

/// Learns from how a subscription is, as a look-up or a call with the number `seq` found it. `settling` is the call that
/// found it, if one did.
pub(super) async fn absorb(
    tx: &Tx,
    membership: &mut Locked,
    found: &Subscription,
    seq: i64,
    settling: Option<CallId>,
) -> Result<(), Fault> {
    if found.membership.is_some_and(|of| of != membership.row.id) {
        return Err(Fault::internal("the subscription of another membership"));
    }
    membership.row.subscription.get_or_insert_with(|| found.id.0.clone());
    let is_newest = seq > membership.row.synced_seq;
    membership.row.synced_seq = std::cmp::max(seq, membership.row.synced_seq);
    for charge in &found.charges {
        membership.charge(tx, charge).await?;
    }
    grant_trial(tx, membership, found).await?;
    let is_settled = is_newest && !has_pending(tx, membership.row.id, settling).await?;
    let wanted = membership.row.cancels_at;
    if is_settled && found.ended_at.is_none() && wanted != found.ends_at {
        // Somebody wanted it on the pages of whoever takes the money.
        membership.learn(&Fact::Cancels { seq, at: found.ends_at });
    }
    if let Some(at) = found.ended_at {
        // What was asked for may have come there too late.
        let at = wanted.map_or(at, |wanted| std::cmp::min(wanted, at));
        membership.learn(&Fact::Ended { at, why: why_ended(membership, found, at) });
    }
    if is_settled {
        follow_up(tx, membership, found).await?;
    }
    Ok(())
}

/// Why a subscription that is over where it is billed is over.
fn why_ended(membership: &Locked, found: &Subscription, at: Instant) -> EndedWhy {
    let standing = membership.standing(at);
    match (membership.row.ended_why, membership.row.cancels_at) {
        (Some(why), _) => why,
        (None, Some(wanted)) if wanted <= at => membership.row.cancel_why.unwrap_or(EndedWhy::Member),
        _ if found.status == SubscriptionStatus::IncompleteExpired => EndedWhy::NeverPaid,
        _ if standing.paid_through.is_none() => EndedWhy::NeverPaid,
        _ if standing.paid_through.is_some_and(|until| until <= at) => EndedWhy::Unpaid,
        _ => EndedWhy::Deleted,
    }
}

/// The trial that was agreed begins once its card is there, unless that card had one before.
async fn grant_trial(tx: &Tx, membership: &mut Locked, found: &Subscription) -> Result<(), Fault> {
    let is_confirmed = !matches!(
        found.status,
        SubscriptionStatus::TrialingUnconfirmed
            | SubscriptionStatus::Incomplete
            | SubscriptionStatus::IncompleteExpired
    );
    let (row, Some(until)) = (&membership.row, found.trial_until) else { return Ok(()) };
    if membership.has_ended() || row.trial_days == 0 || row.trial_until.is_some() || !is_confirmed {
        return Ok(());
    }
    let latest = row.began_at + super::state::FIRST_PAYMENT + chrono::TimeDelta::days(row.trial_days.into());
    let customer: CustomerId = row.customer_id;
    if trials::take(tx, row.id, customer, found.card.as_deref()).await? {
        membership.learn(&Fact::Trial { until: std::cmp::min(until, latest) });
    } else if membership.standing(tx.now()).paid_through.is_none() {
        membership.learn(&Fact::Ended { at: tx.now(), why: EndedWhy::TrialUsed });
        calls::enqueue(tx, membership, &Call::Change(Change::EndNow), Asked::ByJob).await?;
    }
    Ok(())
}

/// Asks for what makes the subscription as the membership is.
async fn follow_up(tx: &Tx, membership: &mut Locked, found: &Subscription) -> Result<(), Fault> {
    let now = tx.now();
    let standing = membership.standing(now);
    if membership.has_ended() {
        if found.ended_at.is_none() {
            calls::enqueue(tx, membership, &Call::Change(Change::EndNow), Asked::ByJob).await?;
        }
        return Ok(());
    }
    if found.is_paused && !is_over(standing.state) && membership.pause_at(now).is_none() {
        // A pause that nobody asked for here is ended like one that is over.
        let renews_at = std::cmp::max(standing.paid_through.unwrap_or(now), now);
        calls::enqueue(tx, membership, &Call::Change(Change::Resume { renews_at }), Asked::ByJob).await?;
    }
    Ok(())
}

/// A fault of whoever takes the money: told to the log, the same may succeed later.
pub(crate) fn unavailable(error: PaymentError) -> Fault {
    Fault::unavailable(error)
}
