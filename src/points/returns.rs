//! What a return takes back and gives back, from what was frozen when the line earned and was paid.

use entity::id::{HoldId, ReferralId};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_hold::HoldState;

use super::account::{About, Account, close_if_empty};
use super::apply::{Context, about_lot, whole};
use super::command::{Command, PointsError, Posting, Return};
use super::programme::ReturnPolicy;
use super::rules::returned_share;

/// Gives back the share of the order's redeemed points that the returned pieces carry.
pub(crate) fn give_back_redeemed(
    account: &mut Account,
    command: &Command,
    returned: &Return,
    ctx: &Context<'_>,
) -> Posting {
    let Some((hold_id, carried)) = returned.redeemed else { return Posting::default() };
    let Some(index) = account.holds.iter().position(|hold| hold.row.id == hold_id) else {
        return Posting::default();
    };
    let hold = account.holds[index].row.clone();
    let share = returned_share(carried, returned.returned, returned.bought)
        - returned_share(carried, returned.returned_before, returned.bought);
    let amount = share.min(hold.amount - hold.reversed);
    if amount == 0 || !matches!(hold.state, HoldState::Captured | HoldState::PartiallyReversed) {
        return Posting::default();
    }
    let about = About { hold: Some(hold_id), ..of(returned) };
    let way = (Bucket::Redeemed, Bucket::Available);
    let entry = account.move_points(ctx, command, EntryKind::Refund, way, amount, about);
    account.refill(hold_id, amount, Some(ctx.grace_end()));
    let hold = account.holds[index].change();
    hold.reversed += amount;
    hold.state =
        if hold.reversed == hold.amount { HoldState::Reversed } else { HoldState::PartiallyReversed };
    Posting { points: amount, entries: vec![entry], hold: Some(hold_id), ..Posting::default() }
}

/// Gives back what is left of a redemption that no order has.
pub(crate) fn undo_redeemed(
    account: &mut Account,
    command: &Command,
    hold_id: HoldId,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let found = account.holds.iter().position(|hold| hold.row.id == hold_id);
    let index = found.ok_or(PointsError::NotFound)?;
    let hold = account.holds[index].row.clone();
    if hold.order_id.is_some() {
        return Err(PointsError::PinnedToOrder);
    }
    if !matches!(hold.state, HoldState::Captured | HoldState::PartiallyReversed) {
        return Err(PointsError::NotHeld { state: hold.state });
    }
    let amount = hold.amount - hold.reversed;
    let about = About { hold: Some(hold_id), ..About::default() };
    let way = (Bucket::Redeemed, Bucket::Available);
    let entry = account.move_points(ctx, command, EntryKind::Refund, way, amount, about);
    account.refill(hold_id, amount, Some(ctx.grace_end()));
    let undone = account.holds[index].change();
    undone.reversed = undone.amount;
    undone.state = HoldState::Reversed;
    Ok(Posting { points: amount, entries: vec![entry], hold: Some(hold_id), ..Posting::default() })
}

/// Takes back what the returned pieces of a line earned.
pub(crate) fn take_back_earned(
    account: &mut Account,
    command: &Command,
    returned: &Return,
    ctx: &Context<'_>,
) -> Posting {
    let mut posting = Posting::default();
    for index in 0..account.lots.len() {
        let lot = &account.lots[index].row;
        if lot.order_line_id == Some(returned.line) {
            let claimed = returned_share(lot.amount, returned.returned, returned.bought);
            let about = About { return_id: Some(returned.id), order: Some(returned.order), ..about_lot(lot) };
            claw_back(account, command, (index, claimed), &about, ctx, &mut posting);
        }
    }
    posting
}

/// Takes back all that a referral gave this account.
pub(crate) fn take_back_referral(
    account: &mut Account,
    command: &Command,
    referral: ReferralId,
    ctx: &Context<'_>,
) -> Posting {
    let mut posting = Posting::default();
    for index in 0..account.lots.len() {
        let lot = &account.lots[index].row;
        if lot.referral_id == Some(referral) {
            let (claimed, about) = (lot.amount, about_lot(lot));
            claw_back(account, command, (index, claimed), &about, ctx, &mut posting);
        }
    }
    posting
}

/// What entries of this return are about.
fn of(returned: &Return) -> About {
    About {
        order: Some(returned.order),
        line: Some(returned.line),
        return_id: Some(returned.id),
        ..About::default()
    }
}

/// Takes back of one earn what is claimed in all, less what was claimed before: from its pending amount or its own lot
/// first; what of it expired is not taken again; the rest by the shop's policy.
fn claw_back(
    account: &mut Account,
    command: &Command,
    (index, claimed): (usize, i32),
    about: &About,
    ctx: &Context<'_>,
    posting: &mut Posting,
) {
    let lot = account.lots[index].row.clone();
    let mut left = claimed - lot.clawed_back;
    if left <= 0 {
        return;
    }
    account.lots[index].change().clawed_back = claimed;
    posting.points -= left;
    if lot.pending > 0 {
        let amount = left.min(lot.pending);
        let way = (Bucket::Pending, Bucket::Revoked);
        let entry = account.move_points(ctx, command, EntryKind::ClawBack, way, amount, about.clone());
        posting.entries.push(entry);
        let pending = account.lots[index].change();
        pending.pending -= amount;
        close_if_empty(pending);
        return;
    }
    let own = left.min(account.lots[index].row.remaining);
    left -= own;
    let forgiven = left.min(account.lots[index].row.lapsed);
    account.lots[index].change().lapsed -= forgiven;
    left -= forgiven;
    let spendable = whole(account.available() - i64::from(own));
    let others = match ctx.programme.return_policy {
        ReturnPolicy::PendingOnly => 0,
        ReturnPolicy::WithinBalance | ReturnPolicy::AllowDebt => left.min(spendable),
    };
    if own + others > 0 {
        let way = (Bucket::Available, Bucket::Revoked);
        let amount = own + others;
        let entry = account.move_points(ctx, command, EntryKind::ClawBack, way, amount, about.clone());
        account.consume_lot(index, entry, None, own);
        account.consume(entry, None, others);
        posting.entries.push(entry);
    }
    let owed = left - others;
    if owed > 0 && ctx.programme.return_policy == ReturnPolicy::AllowDebt {
        let way = (Bucket::Issued, Bucket::Debt);
        posting.entries.push(account.move_points(ctx, command, EntryKind::Owe, way, owed, about.clone()));
    }
}
