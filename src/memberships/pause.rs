//! A membership is paused: the days that are left wait until it is resumed.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::MembershipId;
use entity::membership::MembershipState;
use serde::Serialize;

use super::MembershipError;
use super::cancel::{ask, open, record};
use super::state::Fact;
use crate::billing::payments::Change;
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// The longest pause.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// A membership is to be paused.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PauseUntil {
    pub(crate) membership: MembershipId,
    pub(crate) until: Instant,
}

/// Pauses it from now on.
pub(crate) async fn pause(tx: &Tx, cmd: &PauseUntil) -> Outcome<MembershipId, MembershipError> {
    let now = tx.now();
    if cmd.until <= now || now + LONGEST < cmd.until {
        return refuse(MembershipError::Invalid {
            field: "until",
            problem: "must be within a year from now",
        });
    }
    let mut membership = open(tx, cmd.membership).await?;
    let state = membership.standing(now).state;
    if state != MembershipState::Active || membership.row.cancels_at.is_some() {
        return refuse(MembershipError::InvalidState { state });
    }
    let seq = membership.next_seq();
    membership.learn(&Fact::Paused { seq, from: now, until: Some(cmd.until) });
    membership.move_next_plan(now);
    ask(tx, &mut membership, Change::Pause).await?;
    record(tx, &membership.row, "membership.pause", cmd).await?;
    membership.settle(tx, false).await?;
    Ok(cmd.membership)
}

/// Ends the pause now.
pub(crate) async fn resume(tx: &Tx, id: &MembershipId) -> Outcome<MembershipId, MembershipError> {
    let now = tx.now();
    let mut membership = open(tx, *id).await?;
    let state = membership.standing(now).state;
    let Some((pause, _)) = membership.pause_at(now).filter(|_| state == MembershipState::Paused) else {
        return refuse(MembershipError::InvalidState { state });
    };
    let seq = membership.next_seq();
    membership.learn(&Fact::Resumed { pause, seq, until: now });
    membership.move_next_plan(now);
    let renews_at = membership.standing(now).paid_through.unwrap_or(now);
    ask(tx, &mut membership, Change::Resume { renews_at }).await?;
    record(tx, &membership.row, "membership.resume", id).await?;
    membership.settle(tx, false).await?;
    Ok(*id)
}
