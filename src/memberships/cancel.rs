//! A membership is to end: with what is paid, now, or as if it had never been joined. Or it is to go on after all.

use chrono::{Months, TimeDelta};
use entity::Instant;
use entity::id::MembershipId;
use entity::membership::{EndedWhy, MembershipState, Model};
use entity::membership_plan::Interval;
use entity::points_entry::ActorKind;
use serde::Serialize;
use serde_json::json;

use super::MembershipError;
use super::calls::{self, Asked, Call};
use super::orders::has_benefit;
use super::state::Fact;
use super::store::{Locked, left_of, locked};
use crate::actor::Actor;
use crate::audit::{self, Entry};
use crate::billing::payments::Change;
use crate::error::{Fault, Outcome, refuse};
use crate::orders::rules::visible;
use crate::tx::Tx;

/// How long a contract can be withdrawn from (Directive 2011/83/EU, article 9).
pub(super) const WITHDRAWAL: TimeDelta = TimeDelta::days(14);

/// How a membership is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum When {
    /// With what is paid, and not before its minimum term.
    PeriodEnd,
    /// Now; what is paid for the time after goes back.
    Now,
    /// Now, as if it had never been joined: all that was paid goes back.
    Withdraw,
}

/// A membership is to end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cancel {
    pub(crate) membership: MembershipId,
    pub(crate) when: When,
    pub(crate) reason: Option<String>,
    #[serde(skip)]
    pub(crate) by: Actor,
}

impl Cancel {
    fn why(&self) -> EndedWhy {
        match self.by.kind {
            ActorKind::Customer => EndedWhy::Member,
            ActorKind::Shop | ActorKind::Staff | ActorKind::System => EndedWhy::Shop,
        }
    }
}

/// Ends it, or has it end.
pub(crate) async fn cancel(tx: &Tx, cmd: &Cancel) -> Outcome<MembershipId, MembershipError> {
    if let Some(Err(problem)) = cmd.reason.as_deref().map(visible) {
        return refuse(MembershipError::Invalid { field: "reason", problem });
    }
    let mut membership = open(tx, cmd.membership).await?;
    let now = tx.now();
    membership.row.cancel_why = Some(cmd.why());
    membership.row.cancel_reason.clone_from(&cmd.reason);
    let standing = membership.standing(now);
    let covered = standing.paid_through.filter(|until| now < *until);
    match (cmd.when, covered) {
        (When::PeriodEnd, Some(_)) if standing.state == MembershipState::Paused => {
            return refuse(MembershipError::InvalidState { state: standing.state });
        }
        (When::PeriodEnd, Some(paid_through)) => {
            let at = ends_at(&membership.row, paid_through);
            let seq = membership.next_seq();
            membership.learn(&Fact::Cancels { seq, at: Some(at) });
            ask(tx, &mut membership, Change::EndAt(Some(at))).await?;
        }
        // Nothing is paid that it could end with.
        (When::PeriodEnd, None) => end(tx, &mut membership, cmd.why(), Asked::ByCaller).await?,
        (When::Now, _) => {
            let until = membership.row.minimum_until.filter(|until| now < *until);
            if let Some(until) = until.filter(|_| cmd.why() == EndedWhy::Member) {
                return refuse(MembershipError::MinimumTerm { until });
            }
            let unused = membership.unused(now);
            end(tx, &mut membership, cmd.why(), Asked::ByCaller).await?;
            give_back(tx, &mut membership, unused, Asked::ByCaller).await?;
        }
        (When::Withdraw, _) => {
            check_withdrawal(tx, &membership.row).await?;
            let all = membership.charges.iter().map(|charge| (charge.invoice.clone(), left_of(charge)));
            let all = all.filter(|(_, left)| *left > 0).collect();
            end(tx, &mut membership, EndedWhy::Withdrawn, Asked::ByCaller).await?;
            give_back(tx, &mut membership, all, Asked::ByCaller).await?;
        }
    }
    record(tx, &membership.row, "membership.cancel", cmd).await?;
    membership.settle(tx, false).await?;
    Ok(cmd.membership)
}

/// A membership that is to end is to go on after all.
pub(crate) async fn keep(tx: &Tx, id: &MembershipId) -> Outcome<MembershipId, MembershipError> {
    let mut membership = open(tx, *id).await?;
    if membership.row.cancels_at.is_none_or(|at| at <= tx.now()) {
        let state = membership.standing(tx.now()).state;
        return refuse(MembershipError::InvalidState { state });
    }
    let seq = membership.next_seq();
    membership.learn(&Fact::Cancels { seq, at: None });
    (membership.row.cancel_why, membership.row.cancel_reason) = (None, None);
    ask(tx, &mut membership, Change::EndAt(None)).await?;
    record(tx, &membership.row, "membership.keep", id).await?;
    membership.settle(tx, false).await?;
    Ok(*id)
}

/// A membership that has not ended, locked.
pub(super) async fn open(tx: &Tx, id: MembershipId) -> Outcome<Locked, MembershipError> {
    let Some(membership) = locked(tx, id).await? else { return refuse(MembershipError::NotFound) };
    if membership.has_ended() {
        let state = membership.standing(tx.now()).state;
        return refuse(MembershipError::InvalidState { state });
    }
    Ok(membership)
}

/// Has `change` made where it is billed.
pub(super) async fn ask(tx: &Tx, membership: &mut Locked, change: Change) -> Result<(), Fault> {
    calls::enqueue(tx, membership, &Call::Change(change), Asked::ByCaller).await.map(drop)
}

/// Whoever did it, staff and servers of the shop among them.
pub(super) async fn record(
    tx: &Tx,
    row: &Model,
    act: &'static str,
    detail: &impl Serialize,
) -> Result<(), Fault> {
    let detail = json!({ "membershipId": row.id, "after": detail });
    audit::record(tx, [Entry::of_customer(act, row.customer_id, detail)]).await
}

/// Ends it now, here and where it is billed.
pub(super) async fn end(tx: &Tx, membership: &mut Locked, why: EndedWhy, asked: Asked) -> Result<(), Fault> {
    membership.learn(&Fact::Ended { at: tx.now(), why });
    calls::enqueue(tx, membership, &Call::Change(Change::EndNow), asked).await.map(drop)
}

pub(super) async fn give_back(
    tx: &Tx,
    membership: &mut Locked,
    parts: Vec<(String, i64)>,
    asked: Asked,
) -> Result<(), Fault> {
    for (invoice, amount) in parts {
        calls::enqueue(tx, membership, &Call::Refund { invoice, amount }, asked).await?;
    }
    Ok(())
}

/// Nobody withdraws from what was used: by the orders since, or by the one that it was joined with as long as that is not
/// cancelled.
async fn check_withdrawal(tx: &Tx, row: &Model) -> Outcome<(), MembershipError> {
    let is_used = match row.order_id {
        _ if row.benefit_used_at.is_some() => true,
        Some(order) => has_benefit(tx, order).await?,
        None => false,
    };
    if is_used {
        return refuse(MembershipError::BenefitUsed);
    }
    match row.joined_at {
        Some(joined) if tx.now() < joined + WITHDRAWAL => Ok(()),
        Some(_) | None => refuse(MembershipError::WithdrawalOver),
    }
}

/// The end of the first period that has the end of the minimum term in it, or before it.
fn ends_at(row: &Model, paid_through: Instant) -> Instant {
    let months = match row.billed {
        Interval::Month => 1,
        Interval::Year => 12,
    };
    let Some(minimum) = row.minimum_until else { return paid_through };
    let ends = (0..).map(|periods: u32| paid_through.checked_add_months(Months::new(periods * months)));
    ends.map_while(|end| end).find(|end| minimum <= *end).unwrap_or(paid_through)
}
