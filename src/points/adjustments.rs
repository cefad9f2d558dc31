//! Adjustments by staff: at once up to the limit of the role; beyond it they wait for a second person.
//!
//! Invariant: an adjustment that waits moves its points once, when somebody else approves it, and never if it is refused
//! or withdrawn. Every adjustment, and every step of one that waits, is in the audit log.

use std::collections::BTreeSet;

use entity::id::{AccountId, AdjustmentId, CustomerId, StaffId};
use entity::points_adjustment::{ActiveModel, AdjustmentState, Column, Entity, Model};
use entity::points_entry::ActorKind;
use entity::staff::Role;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::amount::PointsDelta;
use super::command::{Act, Command, PointsError, Posting};
use super::ledger::post;
use super::store;
use crate::actor::Actor;
use crate::audit::{self, Entry};
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::tx::Tx;

/// A correction of a balance.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Adjust {
    /// Whose points.
    pub(crate) account: AccountId,
    /// How many more or fewer.
    pub(crate) delta: PointsDelta,
    /// In the words of whoever asks.
    pub(crate) reason: String,
    /// Who asks.
    pub(crate) by: StaffId,
    /// With which role: it may have changed when the same request comes again.
    #[serde(skip)]
    pub(crate) role: Role,
}

/// What became of a correction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Adjusted {
    /// The points have moved.
    Moved(Posting),
    /// It waits for a second person.
    Waiting(AdjustmentId),
}

/// Why a correction was not made or decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdjustmentError {
    /// No such adjustment that the caller may decide.
    NotFound,
    /// Nobody approves their own.
    Own,
    /// It does not wait any more.
    Decided {
        /// Where it is.
        state: AdjustmentState,
    },
    /// The ledger refuses it.
    Points(PointsError),
}

/// Adjusts at once, or asks a second person.
pub(crate) async fn adjust(tx: &Tx, adjust: &Adjust) -> Outcome<Adjusted, AdjustmentError> {
    let (account, customer) = owner(tx, adjust.account).await?;
    if !tx.settings().adjustment_limits.allow(adjust.role, adjust.delta) {
        return Ok(Adjusted::Waiting(ask(tx, adjust, customer).await?));
    }
    let posting = move_points(tx, account, adjust.delta.get(), &adjust.reason, adjust.by).await?;
    let detail = json!({ "reason": adjust.reason, "delta": adjust.delta });
    record(tx, "points.adjust", customer, detail).await?;
    Ok(Adjusted::Moved(posting))
}

/// The account that is meant, which may have been merged since, and whose it is. It is locked: a merge at the same moment
/// finds what is asked for here, and takes it along.
async fn owner(tx: &Tx, named: AccountId) -> Outcome<(AccountId, CustomerId), AdjustmentError> {
    let mut id = named;
    loop {
        let found = store::lock(tx, &BTreeSet::from([id])).await?.pop();
        match found.map(|row| (row.merged_into, row.customer_id)) {
            Some((Some(heir), _)) => id = heir,
            Some((None, Some(customer))) => return Ok((id, customer)),
            Some((None, None)) | None => {
                return refuse(AdjustmentError::Points(PointsError::NotFound));
            }
        }
    }
}

/// Writes down what somebody else is to approve.
async fn ask(tx: &Tx, adjust: &Adjust, customer: CustomerId) -> Result<AdjustmentId, Fault> {
    let row = ActiveModel {
        id: Set(tx.id()),
        customer_id: Set(customer),
        delta: Set(adjust.delta.get()),
        reason: Set(adjust.reason.clone()),
        state: Set(AdjustmentState::Pending),
        requested_by: Set(adjust.by),
        requested_at: Set(tx.now()),
        decided_by: Set(None),
        decided_at: Set(None),
    };
    let row = row.insert(tx.db()).await?;
    record(tx, "points.adjustment.request", customer, told(&row)).await?;
    Ok(row.id)
}

/// An adjustment to be decided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Decide {
    /// Which.
    pub(crate) adjustment: AdjustmentId,
    /// Who decides.
    pub(crate) by: StaffId,
    /// Whether they may decide what others asked for.
    #[serde(skip)]
    pub(crate) may_approve: bool,
}

/// What was decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) adjustment: AdjustmentId,
    /// Points that moved; none if it was refused or withdrawn.
    pub(crate) posting: Option<Posting>,
}

/// Moves the points of an adjustment that somebody else asked for, in their name.
pub(crate) async fn approve(tx: &Tx, decide: &Decide) -> Outcome<Decided, AdjustmentError> {
    let row = find(tx, decide).await?;
    if row.requested_by == decide.by {
        return refuse(AdjustmentError::Own);
    }
    let row = settle(tx, decide, AdjustmentState::Approved).await?;
    let account = AccountId(row.customer_id.0);
    let posting = move_points(tx, account, row.delta, &row.reason, row.requested_by).await?;
    record(tx, "points.adjustment.approve", row.customer_id, told(&row)).await?;
    Ok(Decided { adjustment: row.id, posting: Some(posting) })
}

/// Refuses an adjustment, or withdraws one's own.
pub(crate) async fn reject(tx: &Tx, decide: &Decide) -> Outcome<Decided, AdjustmentError> {
    find(tx, decide).await?;
    let row = settle(tx, decide, AdjustmentState::Rejected).await?;
    let own = row.requested_by == decide.by;
    let act = if own { "points.adjustment.withdraw" } else { "points.adjustment.reject" };
    record(tx, act, row.customer_id, told(&row)).await?;
    Ok(Decided { adjustment: row.id, posting: None })
}

/// Those that the caller may not decide are not there.
async fn find(tx: &Tx, decide: &Decide) -> Outcome<Model, AdjustmentError> {
    let found = Entity::find_by_id(decide.adjustment).one(tx.db()).await?;
    match found.filter(|row| decide.may_approve || row.requested_by == decide.by) {
        Some(row) => Ok(row),
        None => refuse(AdjustmentError::NotFound),
    }
}

/// Takes one out of waiting: of two who decide at once, one does. Answers it as it is then: a merge may have moved it to
/// who stays since it was looked at.
async fn settle(tx: &Tx, decide: &Decide, state: AdjustmentState) -> Outcome<Model, AdjustmentError> {
    let settled = Entity::update_many()
        .col_expr(Column::State, Expr::val(state.to_value()))
        .col_expr(Column::DecidedBy, Expr::val(decide.by))
        .col_expr(Column::DecidedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(decide.adjustment).and(Column::State.eq(AdjustmentState::Pending)))
        .exec(tx.db())
        .await?;
    let now = Entity::find_by_id(decide.adjustment).one(tx.db()).await?;
    match now {
        Some(row) if settled.rows_affected == 1 => Ok(row),
        Some(row) => refuse(AdjustmentError::Decided { state: row.state }),
        None => refuse(AdjustmentError::NotFound),
    }
}

async fn move_points(
    tx: &Tx,
    account: AccountId,
    delta: i32,
    reason: &str,
    by: StaffId,
) -> Outcome<Posting, AdjustmentError> {
    let by = Actor { kind: ActorKind::Staff, id: Some(by.0) };
    let act = Act::Adjust(delta, reason.to_owned());
    let command = Command { account, act, by, effective_at: None, imported: false };
    match post(tx, std::slice::from_ref(&command)).await?.pop() {
        Some(posted) => posted.map_err(|reason| Stop::Refused(AdjustmentError::Points(reason))),
        None => Err(Fault::internal("a command without its posting").into()),
    }
}

/// What the audit log keeps of one that waits, or waited.
fn told(row: &Model) -> Json {
    json!({ "adjustment": row.id, "reason": row.reason, "delta": row.delta, "requestedBy": row.requested_by })
}

async fn record(tx: &Tx, act: &'static str, customer: CustomerId, detail: Json) -> Result<(), Fault> {
    audit::record(tx, [Entry::of_customer(act, customer, detail)]).await
}
