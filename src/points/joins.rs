//! A guest's pending earns move to the customer that the guest proved to be.

use entity::id::LotId;
use entity::points_entry::{Bucket, EntryKind};
use entity::points_lot::LotState;
use entity::{points_account, points_lot};

use super::account::{Account, Tracked, close_if_empty};
use super::apply::{Context, about_lot, activate_lot, room_for};
use super::command::{Command, MovedLot, PointsError, Posting};
use super::warnings::UNWARNED;

/// Every waiting earn leaves the guest.
pub(crate) fn join_out(account: &mut Account, command: &Command, ctx: &Context<'_>) -> Posting {
    let mut posting = Posting::default();
    for index in 0..account.lots.len() {
        let lot = account.lots[index].row.clone();
        if lot.state != LotState::Waiting {
            continue;
        }
        let way = (Bucket::Pending, Bucket::Issued);
        let entry = account.move_points(ctx, command, EntryKind::JoinOut, way, lot.pending, about_lot(&lot));
        posting.entries.push(entry);
        posting.points += lot.pending;
        // Its end was that of waiting; once active it gets its own.
        let moved = MovedLot::of(&lot, account.row.activity_period);
        posting.joined.push(MovedLot { expires_at: None, ..moved });
        let left = account.lots[index].change();
        left.pending = 0;
        close_if_empty(left);
    }
    posting
}

/// One of them arrives.
pub(crate) fn join_in(
    account: &mut Account,
    command: &Command,
    joined: &MovedLot,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    room_for(account, joined.pending)?;
    let lot = joined.arrived(LotId((ctx.ids)()), &account.row);
    let way = (Bucket::Issued, Bucket::Pending);
    let entry = account.move_points(ctx, command, EntryKind::JoinIn, way, joined.pending, about_lot(&lot));
    let (id, due) = (lot.id, lot.activates_at.is_some_and(|at| at <= ctx.now));
    account.lots.push(Tracked::new(lot));
    let mut posting =
        Posting { points: joined.pending, entries: vec![entry], lot: Some(id), ..Posting::default() };
    if due {
        // Activated by the normal rules, but no earlier than the proof: nobody could have spent them before.
        let now = Command { effective_at: Some(ctx.now), ..command.clone() };
        let index = account.lots.len() - 1;
        posting.entries.extend(activate_lot(account, &now, index, ctx).entries);
    }
    Ok(posting)
}

impl MovedLot {
    /// What there is of `lot`, whose account runs in the period `running`.
    pub(crate) fn of(lot: &points_lot::Model, running: i32) -> Self {
        Self {
            left: lot.id,
            source: lot.source,
            line: lot.order_line_id,
            rule: lot.rule.clone(),
            rule_version: lot.rule_version,
            amount: lot.amount,
            pending: lot.pending,
            remaining: lot.remaining,
            clawed_back: lot.clawed_back,
            lapsed: lot.lapsed,
            activates_after: lot.activates_after,
            activates_at: lot.activates_at,
            opened_at: lot.opened_at,
            expires_at: lot.expires_at,
            is_of_running_period: lot.activity_period.map(|period| period == running),
            referral: lot.referral_id,
        }
    }

    /// As a lot of a customer's account.
    pub(crate) fn arrived(&self, id: LotId, account: &points_account::Model) -> points_lot::Model {
        points_lot::Model {
            id,
            account_id: account.id,
            source: self.source,
            order_line_id: self.line,
            rule: self.rule.clone(),
            rule_version: self.rule_version,
            amount: self.amount,
            pending: self.pending,
            remaining: self.remaining,
            clawed_back: self.clawed_back,
            lapsed: self.lapsed,
            state: match (self.pending, self.remaining) {
                (0, 0) => LotState::Spent,
                (0, _) => LotState::Open,
                _ => LotState::Pending,
            },
            activates_after: self.activates_after,
            activates_at: self.activates_at,
            opened_at: self.opened_at,
            expires_at: self.expires_at,
            activity_period: self
                .is_of_running_period
                .map(|running| account.activity_period - i32::from(!running)),
            warned_days: UNWARNED,
            referral_id: self.referral,
        }
    }
}
