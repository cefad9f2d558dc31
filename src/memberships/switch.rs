//! A membership becomes one of another plan: of a dearer one now, the difference paid; of a cheaper one when it is renewed.

use entity::Instant;
use entity::id::{CallId, MembershipId};
use entity::membership::{MembershipState, Model};
use entity::membership_plan::Interval;
use entity::{membership_charge, membership_plan};
use serde::{Deserialize, Serialize};

use super::calls::{self, Asked, Call};
use super::cancel::{open, record};
use super::store::left_of;
use super::{MembershipError, plans};
use crate::billing::payments::NewPrice;
use crate::error::{Fault, Outcome, refuse};
use crate::money::Money;
use crate::tx::Tx;

/// A membership is to be of another plan.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Switch {
    pub(crate) membership: MembershipId,
    /// Code of the plan.
    pub(crate) plan: String,
}

/// The call that changes it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Switching {
    pub(crate) membership: MembershipId,
    pub(crate) call: CallId,
}

/// Has it changed.
pub(crate) async fn switch(tx: &Tx, cmd: &Switch) -> Outcome<Switching, MembershipError> {
    let Some(plan) = plans::joinable(tx, &cmd.plan).await? else {
        return refuse(MembershipError::PlanNotOffered);
    };
    let mut membership = open(tx, cmd.membership).await?;
    let standing = membership.standing(tx.now());
    let admits = matches!(standing.state, MembershipState::Active | MembershipState::Trialing);
    if !admits || membership.row.cancels_at.is_some() {
        return refuse(MembershipError::InvalidState { state: standing.state });
    }
    let renews_at = becomes_at(&membership.row, &membership.charges, &plan);
    let row = &mut membership.row;
    if plan.currency != row.currency || (plan.id == row.plan_id && row.next_plan_id.is_none()) {
        return refuse(MembershipError::Invalid {
            field: "plan",
            problem: "must be another in the same currency",
        });
    }
    row.next_plan_id = Some(plan.id);
    row.next_price = Some(plan.price);
    row.next_billed = Some(plan.billed);
    row.next_at = renews_at;
    let call = Call::Switch { price: price_of(&plan)?, renews_at };
    let call = calls::enqueue(tx, &mut membership, &call, Asked::ByCaller).await?;
    record(tx, &membership.row, "membership.switch", cmd).await?;
    membership.settle(tx, false).await?;
    Ok(Switching { membership: cmd.membership, call })
}

/// When a membership with these charges becomes one of `plan`: now, if none.
pub(super) fn becomes_at(
    row: &Model,
    charges: &[membership_charge::Model],
    plan: &membership_plan::Model,
) -> Option<Instant> {
    let is_dearer = yearly(plan.price, plan.billed) > yearly(row.price, row.billed);
    // What is taken at once is worked out from what was paid: there is nothing to work it out from while that is put off.
    row.paid_through.filter(|_| !is_dearer || is_put_off(row, charges))
}

/// Whether the next payment was put off, by a pause or by a change of plan that waits for it.
fn is_put_off(row: &Model, charges: &[membership_charge::Model]) -> bool {
    let paid = charges.iter().filter(|charge| left_of(charge) > 0).map(|charge| charge.covers_until).max();
    row.next_plan_id.is_some()
        || paid.is_some_and(|paid| row.paid_through.is_some_and(|through| paid < through))
}

pub(super) fn price_of(plan: &membership_plan::Model) -> Result<NewPrice, Fault> {
    let amount = Money { minor: plan.price, currency: plan.currency.parse()? };
    Ok(NewPrice { plan: plan.id, name: plan.name.clone(), amount, billed: plan.billed })
}

fn yearly(price: i64, billed: Interval) -> i64 {
    match billed {
        Interval::Month => price.saturating_mul(12),
        Interval::Year => price,
    }
}
