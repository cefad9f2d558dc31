//! Where a membership is billed otherwise than it is here: looked up now, held against what we have.

use std::cmp::max;

use entity::Instant;
use entity::membership::{MembershipState, Model};
use entity::membership_charge::{self, ChargeStatus};
use entity::{billing_call, billing_price};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::calls::{Call, in_time};
use super::state::is_over;
use super::sync::unavailable;
use crate::app::App;
use crate::billing::payments::{Subscription, SubscriptionRef, SubscriptionStatus};
use crate::error::Fault;
use crate::money::Money;

/// Refused calls that are told.
const MOST_REFUSED: usize = 20;
/// Refused calls that are looked at for that.
const LATEST_REFUSED: u64 = 200;

/// Something that is otherwise there; none is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) field: &'static str,
    pub(crate) ours: Option<String>,
    pub(crate) theirs: Option<String>,
}

/// How a membership is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Billing {
    pub(crate) account: String,
    pub(crate) subscription: Option<String>,
    pub(crate) differs: Vec<Difference>,
    pub(crate) refused: Vec<Refused>,
}

/// Something that was asked for and is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) call: Call,
    pub(crate) asked_at: Instant,
}

/// Looks up how a membership is billed; none if it was never begun to be.
pub(crate) async fn billing(app: &App, row: &Model) -> Result<Option<Billing>, Fault> {
    let Some(account) = row.account.clone() else { return Ok(None) };
    let payments = app.payments().map_err(unavailable)?;
    let differs = match row.subscription.clone() {
        _ if account != payments.account() => {
            vec![difference("account", Some(account.clone()), Some(payments.account().to_owned()))]
        }
        None => Vec::new(),
        Some(id) => {
            let id = SubscriptionRef(id);
            let asked = async { payments.subscription(&id).await.map_err(unavailable) };
            match in_time(asked).await? {
                Some(found) => compared(app, row, &found).await?,
                None => vec![difference("subscription", Some(id.0), None)],
            }
        }
    };
    let refused = refused(app, row).await?;
    Ok(Some(Billing { account, subscription: row.subscription.clone(), differs, refused }))
}

/// What was refused for good: refunds first, the newest first.
async fn refused(app: &App, row: &Model) -> Result<Vec<Refused>, Fault> {
    use billing_call::{CallState, Column, Entity};
    let calls = Entity::find()
        .filter(Column::MembershipId.eq(row.id).and(Column::State.eq(CallState::Failed)))
        .order_by_desc(Column::Seq)
        .limit(LATEST_REFUSED)
        .all(&app.db.read)
        .await?;
    let refused = |found: billing_call::Model| {
        Ok(Refused { call: serde_json::from_value(found.call)?, asked_at: found.asked_at })
    };
    let mut refused: Vec<Refused> = calls.into_iter().map(refused).collect::<Result<_, Fault>>()?;
    refused.sort_by_key(|one| !matches!(one.call, Call::Refund { .. }));
    refused.truncate(MOST_REFUSED);
    Ok(refused)
}

fn difference(field: &'static str, ours: Option<String>, theirs: Option<String>) -> Difference {
    Difference { field, ours, theirs }
}

async fn compared(app: &App, row: &Model, found: &Subscription) -> Result<Vec<Difference>, Fault> {
    let charges = membership_charge::Entity::find()
        .filter(membership_charge::Column::MembershipId.eq(row.id))
        .order_by_asc(membership_charge::Column::CoversFrom)
        .all(&app.db.read)
        .await?;
    let their_price = billing_price::Entity::find_by_id(found.price.0.clone()).one(&app.db.read).await?;
    let their_price = match their_price {
        Some(known) => shown(known.amount, &known.currency)?,
        None => found.price.0.clone(),
    };
    let our_price = shown(row.next_price.unwrap_or(row.price), &row.currency)?;
    let all = [
        difference("state", Some(row.state.to_value()), Some(state(row, found).to_value())),
        difference("price", Some(our_price), Some(their_price)),
        difference("cancelsAt", told(row.cancels_at), told(found.ends_at)),
        difference(
            "paused",
            Some((row.state == MembershipState::Paused).to_string()),
            Some(found.is_paused.to_string()),
        ),
        difference("paidThrough", told(ours_paid(row, &charges)), told(theirs_paid(row, found))),
    ];
    // What is over is not compared any further: nothing of it is to be.
    let is_over = is_over(row.state) && found.ended_at.is_some();
    Ok(all.into_iter().filter(|one| !is_over && one.ours != one.theirs).collect())
}

/// The state that a membership billed like this is in. What is paid is on trial there until the payment that was put off.
fn state(row: &Model, found: &Subscription) -> MembershipState {
    match found.status {
        _ if found.ended_at.is_some() => MembershipState::Cancelled,
        SubscriptionStatus::Incomplete | SubscriptionStatus::TrialingUnconfirmed => {
            MembershipState::Incomplete
        }
        _ if found.is_paused => MembershipState::Paused,
        SubscriptionStatus::Trialing if row.state == MembershipState::Active => MembershipState::Active,
        SubscriptionStatus::Trialing => MembershipState::Trialing,
        SubscriptionStatus::Active => MembershipState::Active,
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => MembershipState::PastDue,
        SubscriptionStatus::IncompleteExpired | SubscriptionStatus::Ended => MembershipState::Cancelled,
    }
}

fn is_kept(status: ChargeStatus) -> bool {
    matches!(status, ChargeStatus::Paid | ChargeStatus::Won)
}

/// The end of what is paid or on trial, pauses not counted: there they are no time that is paid.
fn ours_paid(row: &Model, charges: &[membership_charge::Model]) -> Option<Instant> {
    let kept = charges.iter().filter(|charge| is_kept(charge.status));
    max(kept.map(|charge| charge.covers_until).max(), row.trial_until)
}

fn theirs_paid(row: &Model, found: &Subscription) -> Option<Instant> {
    let kept = found.charges.iter().filter(|charge| is_kept(charge.status));
    max(kept.map(|charge| charge.until).max(), row.trial_until)
}

fn told(at: Option<Instant>) -> Option<String> {
    at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

fn shown(minor: i64, currency: &str) -> Result<String, Fault> {
    let currency = currency.parse()?;
    Ok(format!("{} {currency}", Money { minor, currency }.amount()))
}
