//! Somebody joins: the membership is there at once, incomplete, and its subscription is begun outside of the transaction.

use entity::billing_call;
use entity::id::{CallId, CustomerId, MembershipId, OrderId};
use entity::membership::{Column, EndedWhy, Entity, MembershipState, Model};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::calls::{self, Asked, Begin, Call};
use super::cancel;
use super::state::FIRST_PAYMENT;
use super::store::{Locked, locked};
use super::{MembershipError, events, plans, trials};
use crate::audit::{self, Entry};
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// Somebody wants to join.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Join {
    pub(crate) customer: CustomerId,
    /// Code of the plan.
    pub(crate) plan: String,
    pub(crate) begin: Begin,
}

/// A membership that waits for its first payment, and the call that begins its subscription.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) membership: MembershipId,
    pub(crate) call: CallId,
}

/// Makes the membership. One that is still incomplete is taken up again, or makes room for one with another plan.
pub(crate) async fn join(tx: &Tx, cmd: &Join) -> Outcome<Joined, MembershipError> {
    let Some(plan) = plans::joinable(tx, &cmd.plan).await? else {
        return refuse(MembershipError::PlanNotOffered);
    };
    // An order that was joined with the one that makes room.
    let mut order = None;
    if let Some(known) = open(tx, cmd.customer).await? {
        if known.state != MembershipState::Incomplete {
            return refuse(MembershipError::AlreadyMember);
        }
        let same = known.plan_id == plan.id && known.price == plan.price;
        let call = begun(tx, known.id, &cmd.begin).await?;
        if let Some(call) = call.filter(|_| same) {
            return Ok(Joined { membership: known.id, call });
        }
        order = known.order_id.filter(|_| same);
        make_room(tx, known.id, order).await?;
    }
    let had_trial = plan.trial_days > 0 && trials::was_had(tx, cmd.customer).await?;
    let id: MembershipId = tx.id();
    let row = Model {
        id,
        customer_id: cmd.customer,
        open_for: Some(cmd.customer),
        plan_id: plan.id,
        next_plan_id: None,
        next_price: None,
        next_billed: None,
        next_at: None,
        currency: plan.currency,
        price: plan.price,
        billed: plan.billed,
        grace_days: plan.grace_days,
        state: MembershipState::Incomplete,
        entitled_until: None,
        paid_through: None,
        due_at: Some(tx.after(FIRST_PAYMENT)),
        trial_days: if had_trial { 0 } else { plan.trial_days },
        trial_until: None,
        minimum_months: plan.minimum_months,
        minimum_until: None,
        cancels_at: None,
        cancel_seq: 0,
        cancel_why: None,
        cancel_reason: None,
        ended_at: None,
        ended_why: None,
        seq: 0,
        synced_seq: 0,
        synced_at: Some(tx.now()),
        account: None,
        subscription: None,
        checkout: None,
        order_id: order,
        benefit_used_at: None,
        began_at: tx.now(),
        joined_at: None,
        updated_at: tx.now(),
    };
    row.clone().into_active_model().insert(tx.db()).await.map_err(Fault::of_race)?;
    events::begun(tx, &row).await?;
    let detail = json!({ "membershipId": id, "plan": plan.code });
    audit::record(tx, [Entry::of_customer("membership.join", cmd.customer, detail)]).await?;
    let mut membership = read(tx, id).await?;
    let call = calls::enqueue(tx, &mut membership, &Call::Begin(cmd.begin.clone()), Asked::ByCaller).await?;
    membership.settle(tx, false).await?;
    Ok(Joined { membership: id, call })
}

/// The customer's membership that has not ended, locked.
async fn open(tx: &Tx, customer: CustomerId) -> Result<Option<Model>, Fault> {
    let open = Entity::find().filter(Column::OpenFor.eq(customer));
    Ok(open.lock_exclusive().one(tx.db()).await?)
}

async fn read(tx: &Tx, id: MembershipId) -> Result<Locked, Fault> {
    locked(tx, id).await?.ok_or_else(|| Fault::internal("a membership that is being joined is gone"))
}

/// The call that began a membership in the same way.
async fn begun(tx: &Tx, of: MembershipId, begin: &Begin) -> Result<Option<CallId>, Fault> {
    use billing_call::Column as Calls;
    let first = billing_call::Entity::find()
        .filter(Calls::MembershipId.eq(of))
        .order_by_asc(Calls::Seq)
        .one(tx.db())
        .await?;
    let Some(first) = first else { return Ok(None) };
    let is_same = serde_json::from_value::<Call>(first.call)? == Call::Begin(begin.clone());
    Ok(is_same.then_some(first.id))
}

/// Gives up a membership that was never paid. If it is paid at this very moment, that is given back. An order that goes on
/// with the next one is joined with it no more.
async fn make_room(tx: &Tx, id: MembershipId, handed_over: Option<OrderId>) -> Result<(), Fault> {
    let mut membership = read(tx, id).await?;
    if handed_over.is_some() {
        membership.row.order_id = None;
    }
    cancel::end(tx, &mut membership, EndedWhy::NeverPaid, Asked::ByJob).await?;
    membership.settle(tx, false).await?;
    Ok(())
}
