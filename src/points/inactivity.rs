//! Points that end without activity. Their lots have no end of their own: the account has one, which every activity
//! pushes, and with which all of them end.
//!
//! An activity is whatever shows that the member is still a customer: points earned with orders and grants, active or
//! not, those that a guest brought, and points spent. A hold is none before it is captured, or a client could keep points
//! alive for nothing; nor are adjustments by staff, activation, returns and what time does. What an import tells counts
//! when it happened. An activity never makes an account run out sooner than it would have.
//!
//! Lots keep the kind they were opened with. If the shop changes to another, activities go on pushing the end of what
//! ends without them, by the months that were in force last; what was opened before this kind keeps its own end or none.
//!
//! An account that ran out begins a new period. A debit of an earlier one that is undone fills lots that should have
//! ended: they end at once, or after the grace of a return.

use entity::points_entry::EntryKind;
use entity::points_lot::LotState;
use entity::{Instant, points_lot};

use super::account::Account;
use super::apply::Context;
use super::programme::Expiry;
use super::rules;
use super::warnings::UNWARNED;

/// Whether an entry shows that the member is still a customer.
pub(crate) fn is_activity(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Earn | EntryKind::Capture | EntryKind::JoinIn => true,
        EntryKind::Activate
        | EntryKind::Hold
        | EntryKind::Release
        | EntryKind::Refund
        | EntryKind::Adjust
        | EntryKind::ClawBack
        | EntryKind::Expire
        | EntryKind::Lapse
        | EntryKind::Owe
        | EntryKind::Repay
        | EntryKind::JoinOut
        | EntryKind::MergeOut
        | EntryKind::MergeIn
        | EntryKind::Opening => false,
    }
}

/// Months that an activity gives, if the programme in force counts them.
fn months_in_force(ctx: &Context<'_>) -> Option<i32> {
    match ctx.programme.expiry {
        Expiry::MonthsWithoutActivity(months) => i32::try_from(months).ok(),
        Expiry::Never | Expiry::Months(_) | Expiry::MonthsToEndOf(..) => None,
    }
}

impl Account {
    /// The member was active at `at`: what ends without activity lives months from then.
    pub(crate) fn note_activity(&mut self, at: Instant, ctx: &Context<'_>) {
        let months = months_in_force(ctx).or(self.row.inactivity_months);
        if let Some(months) = months.filter(|_| !self.is_guest()) {
            self.live_until(end(months, at, ctx), months);
        }
    }

    /// Everything pending of `lot` becomes spendable as of `at`. Where points end without activity and no time runs yet,
    /// it begins.
    pub(crate) fn open(&mut self, lot: &mut points_lot::Model, at: Instant, ctx: &Context<'_>) {
        lot.remaining += lot.pending;
        lot.pending = 0;
        lot.state = LotState::Open;
        lot.activates_at = None;
        lot.opened_at = Some(at);
        lot.expires_at = rules::expires_at(ctx.programme, ctx.time_zone, at);
        if let Some(months) = months_in_force(ctx) {
            lot.activity_period = Some(self.row.activity_period);
            if self.row.inactive_at.is_none() {
                self.live_until(end(months, at, ctx), months);
            }
        }
    }

    fn live_until(&mut self, end: Option<Instant>, months: i32) {
        let later = self.row.inactive_at.max(end);
        if (self.row.inactive_at, self.row.inactivity_months) != (later, Some(months)) {
            if self.row.inactive_at != later {
                self.row.warned_days = UNWARNED;
            }
            (self.row.inactive_at, self.row.inactivity_months) = (later, Some(months));
            self.is_changed = true;
        }
    }

    /// The open lots that end when the account runs out.
    pub(crate) fn lots_of_running_period(&self) -> Vec<usize> {
        let running = Some(self.row.activity_period);
        let ends = |lot: &points_lot::Model| lot.state == LotState::Open && lot.activity_period == running;
        (0..self.lots.len()).filter(|index| ends(&self.lots[*index].row)).collect()
    }

    /// The end of a period: no time runs until something earns again.
    pub(crate) fn run_out(&mut self) {
        self.row.activity_period += 1;
        self.stop_waiting();
    }

    /// Forgets when it would have run out; answers that.
    pub(crate) fn stop_waiting(&mut self) -> Option<(Instant, i32)> {
        self.is_changed = true;
        Option::zip(self.row.inactive_at.take(), self.row.inactivity_months.take())
    }

    /// Lives as long as another would have, whose member turned out to be this one.
    pub(crate) fn take_over_activity(&mut self, other: Option<(Instant, i32)>) {
        if let Some((end, months)) = other {
            self.live_until(Some(end), self.row.inactivity_months.unwrap_or(months));
        }
    }
}

fn end(months: i32, active: Instant, ctx: &Context<'_>) -> Option<Instant> {
    rules::inactive_at(u32::try_from(months).ok()?, ctx.time_zone, active)
}
