//! One locked account in memory: its balances, the lots and holds a batch may touch, and what it changed.

use entity::Instant;
use entity::id::{EntryId, HoldId, LineId, LotId, OrderId, ReturnId};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_lot::LotState;
use entity::{points_account, points_consumption, points_entry, points_hold, points_lot};

use super::apply::Context;
use super::command::Command;
use super::inactivity;
use super::warnings::UNWARNED;

/// A row with what must be written of it.
#[derive(Clone, Debug)]
pub(crate) struct Tracked<M> {
    /// The row as it is to be.
    pub(crate) row: M,
    /// Not in the database yet.
    pub(crate) is_new: bool,
    /// To be written.
    pub(crate) is_changed: bool,
}

impl<M> Tracked<M> {
    /// As it is in the database.
    pub(crate) fn stored(row: M) -> Self {
        Self { row, is_new: false, is_changed: false }
    }

    /// To be inserted.
    pub(crate) fn new(row: M) -> Self {
        Self { row, is_new: true, is_changed: true }
    }

    /// The row, to be changed.
    pub(crate) fn change(&mut self) -> &mut M {
        self.is_changed = true;
        &mut self.row
    }
}

/// An account under its lock.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Its cached buckets.
    pub(crate) row: points_account::Model,
    /// The lots that the batch may touch.
    pub(crate) lots: Vec<Tracked<points_lot::Model>>,
    /// The holds that the batch names.
    pub(crate) holds: Vec<Tracked<points_hold::Model>>,
    /// What those holds took from which lots.
    pub(crate) consumptions: Vec<Tracked<points_consumption::Model>>,
    /// The entries to be appended.
    pub(crate) entries: Vec<points_entry::Model>,
    /// To be written, even if no points moved.
    pub(crate) is_changed: bool,
    /// What pending and available have beyond the lots that are loaded: must not change.
    elsewhere: (i64, i64),
}

/// What an entry is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) lot: Option<LotId>,
    pub(crate) hold: Option<HoldId>,
    pub(crate) order: Option<OrderId>,
    pub(crate) line: Option<LineId>,
    pub(crate) return_id: Option<ReturnId>,
    pub(crate) rule: Option<String>,
    pub(crate) rule_version: Option<i32>,
    pub(crate) reason: Option<String>,
}

/// From which bucket to which.
pub(crate) type Way = (Bucket, Bucket);

impl Account {
    /// An account as the database has it, nothing loaded beside it yet.
    pub(crate) fn new(row: points_account::Model) -> Self {
        let elsewhere = (row.pending, row.available);
        let (lots, holds, consumptions, entries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { row, lots, holds, consumptions, entries, is_changed: false, elsewhere }
    }

    /// Takes a lot from the database in.
    pub(crate) fn load_lot(&mut self, lot: points_lot::Model) {
        self.elsewhere.0 -= i64::from(lot.pending);
        self.elsewhere.1 -= i64::from(lot.remaining);
        self.lots.push(Tracked::stored(lot));
    }

    /// Whether buckets and lots changed alike, as they must.
    pub(crate) fn is_balanced(&self) -> bool {
        let pending: i64 = self.lots.iter().map(|lot| i64::from(lot.row.pending)).sum();
        let remaining: i64 = self.lots.iter().map(|lot| i64::from(lot.row.remaining)).sum();
        (self.row.pending - pending, self.row.available - remaining) == self.elsewhere
    }

    /// A guest's: earns pending points only.
    pub(crate) fn is_guest(&self) -> bool {
        self.row.guest_id.is_some()
    }

    /// Points that may be spent.
    pub(crate) fn available(&self) -> i64 {
        self.row.available
    }

    /// Moves `amount` between two buckets and appends the entry.
    pub(crate) fn move_points(
        &mut self,
        ctx: &Context<'_>,
        command: &Command,
        kind: EntryKind,
        way: Way,
        amount: i32,
        about: About,
    ) -> EntryId {
        *self.bucket(way.0) -= i64::from(amount);
        *self.bucket(way.1) += i64::from(amount);
        self.row.seq += 1;
        let recorded_at = ctx.now.max(self.row.changed_at);
        self.row.changed_at = recorded_at;
        let id = EntryId((ctx.ids)());
        self.entries.push(points_entry::Model {
            id,
            account_id: self.row.id,
            seq: self.row.seq,
            kind,
            from_bucket: way.0,
            to_bucket: way.1,
            amount,
            lot_id: about.lot,
            hold_id: about.hold,
            order_id: about.order,
            order_line_id: about.line,
            return_id: about.return_id,
            rule: about.rule,
            rule_version: about.rule_version,
            reason: about.reason,
            actor_kind: command.by.kind,
            actor_id: command.by.id,
            effective_at: command.effective_at.unwrap_or(recorded_at),
            recorded_at,
        });
        if inactivity::is_activity(kind) {
            if command.imported {
                self.hear_of_the_past(ctx);
            }
            self.note_activity(command.effective_at.unwrap_or(ctx.now).min(ctx.now), ctx);
        }
        id
    }

    /// What is in a bucket.
    pub(crate) fn sum(&self, bucket: Bucket) -> i64 {
        match bucket {
            Bucket::Issued => self.row.issued,
            Bucket::Pending => self.row.pending,
            Bucket::Available => self.row.available,
            Bucket::Held => self.row.held,
            Bucket::Redeemed => self.row.redeemed,
            Bucket::Expired => self.row.expired,
            Bucket::Revoked => self.row.revoked,
            Bucket::Debt => self.row.debt,
        }
    }

    fn bucket(&mut self, bucket: Bucket) -> &mut i64 {
        match bucket {
            Bucket::Issued => &mut self.row.issued,
            Bucket::Pending => &mut self.row.pending,
            Bucket::Available => &mut self.row.available,
            Bucket::Held => &mut self.row.held,
            Bucket::Redeemed => &mut self.row.redeemed,
            Bucket::Expired => &mut self.row.expired,
            Bucket::Revoked => &mut self.row.revoked,
            Bucket::Debt => &mut self.row.debt,
        }
    }

    /// Takes `amount` from the open lots, first those that end first, and pairs `entry` with them. The caller has checked
    /// that so much is available and that every open lot is loaded.
    pub(crate) fn consume(&mut self, entry: EntryId, hold: Option<HoldId>, amount: i32) {
        let mut open: Vec<usize> =
            (0..self.lots.len()).filter(|i| self.lots[*i].row.state == LotState::Open).collect();
        open.sort_by_key(|i| spending_order(&self.lots[*i].row, self.row.inactive_at));
        let mut left = amount;
        for index in open {
            if left == 0 {
                break;
            }
            left -= self.consume_lot(index, entry, hold, left);
        }
        debug_assert_eq!(left, 0, "available is the sum of the open lots");
    }

    /// Takes up to `most` from one lot and pairs `entry` with it; answers how many.
    pub(crate) fn consume_lot(
        &mut self,
        index: usize,
        entry: EntryId,
        hold: Option<HoldId>,
        most: i32,
    ) -> i32 {
        let taken = self.lots[index].row.remaining.min(most);
        if taken == 0 {
            return 0;
        }
        let lot = self.lots[index].change();
        lot.remaining -= taken;
        close_if_empty(lot);
        let lot_id = lot.id;
        if let Some(paired) =
            self.consumptions.iter_mut().find(|c| c.row.entry_id == entry && c.row.lot_id == lot_id)
        {
            paired.change().amount += taken;
        } else {
            let row = points_consumption::Model {
                entry_id: entry,
                lot_id,
                hold_id: hold,
                amount: taken,
                refilled: 0,
            };
            self.consumptions.push(Tracked::new(row));
        }
        taken
    }

    /// Puts `amount` of what `hold` took back into its lots, last taken first. A lot that ends sooner than `not_before`,
    /// if that is given, lives until then; so does one that should have ended when the account ran out.
    pub(crate) fn refill(&mut self, hold: HoldId, amount: i32, not_before: Option<Instant>) {
        let mut taken: Vec<usize> = (0..self.consumptions.len())
            .filter(|i| self.consumptions[*i].row.hold_id == Some(hold))
            .collect();
        let rank = |account: &Self, i: usize| {
            let lot_id = account.consumptions[i].row.lot_id;
            let lot = account.lots.iter().find(|lot| lot.row.id == lot_id)?;
            Some(spending_order(&lot.row, account.row.inactive_at))
        };
        taken.sort_by_key(|i| std::cmp::Reverse(rank(self, *i)));
        let running = self.row.activity_period;
        let mut left = amount;
        for index in taken {
            let consumed = &mut self.consumptions[index];
            let back = (consumed.row.amount - consumed.row.refilled).min(left);
            if back == 0 {
                continue;
            }
            consumed.change().refilled += back;
            left -= back;
            let lot_id = consumed.row.lot_id;
            if let Some(lot) = self.lots.iter_mut().find(|lot| lot.row.id == lot_id) {
                let lot = lot.change();
                lot.remaining += back;
                lot.state = LotState::Open;
                let is_over = lot.activity_period.is_some_and(|period| period != running);
                if let Some(not_before) = not_before {
                    let end = lot.expires_at.or(is_over.then_some(not_before));
                    let end = end.map(|end| end.max(not_before));
                    if lot.expires_at != end {
                        (lot.expires_at, lot.warned_days) = (end, UNWARNED);
                    }
                }
            }
        }
        debug_assert_eq!(left, 0, "a hold gives back no more than it took");
    }
}

/// First what ends first, then what was opened first; `inactive_at` is when the account runs out.
pub(crate) fn spending_order(
    lot: &points_lot::Model,
    inactive_at: Option<Instant>,
) -> (bool, Option<Instant>, Option<Instant>, LotId) {
    let end = lot.expires_at.or(inactive_at.filter(|_| lot.activity_period.is_some()));
    (end.is_none(), end, lot.opened_at, lot.id)
}

/// A lot of which nothing is left is spent.
pub(crate) fn close_if_empty(lot: &mut points_lot::Model) {
    if lot.pending == 0 && lot.remaining == 0 {
        lot.state = LotState::Spent;
    }
}
