//! What a return takes back and gives back, from what was frozen when the line earned and was paid.

use entity::points_entry::{Bucket, EntryKind};
use entity::points_hold::HoldState;

use super::account::{About, Account, close_if_empty};
use super::apply::{Context, about_lot, whole};
use super::command::{Command, Posting, Return};
use super::programme::ReturnPolicy;
use super::rules::returned_share;

/// First redeemed points go back to their own lots, then what the returned pieces earned is taken back.
pub(crate) fn take_back(
    account: &mut Account,
    command: &Command,
    returned: &Return,
    ctx: &Context<'_>,
) -> Posting {
    let mut posting = Posting::default();
    give_back_redeemed(account, command, returned, ctx, &mut posting);
    let lots: Vec<usize> = (0..account.lots.len())
        .filter(|i| account.lots[*i].row.order_line_id == Some(returned.line))
        .collect();
    for index in lots {
        claw_back(account, command, returned, index, ctx, &mut posting);
    }
    posting
}

fn give_back_redeemed(
    account: &mut Account,
    command: &Command,
    returned: &Return,
    ctx: &Context<'_>,
    posting: &mut Posting,
) {
    let Some((hold_id, carried)) = returned.redeemed else { return };
    let Some(index) = account.holds.iter().position(|hold| hold.row.id == hold_id) else { return };
    let hold = account.holds[index].row.clone();
    if !matches!(hold.state, HoldState::Captured | HoldState::PartiallyReversed) {
        return;
    }
    let share = returned_share(carried, returned.returned, returned.bought)
        - returned_share(carried, returned.returned_before, returned.bought);
    let amount = share.min(hold.amount - hold.reversed);
    if amount == 0 {
        return;
    }
    let about = About { hold: Some(hold_id), ..of(returned) };
    let way = (Bucket::Redeemed, Bucket::Available);
    posting.entries.push(account.move_points(ctx, command, EntryKind::Refund, way, amount, about));
    account.refill(hold_id, amount, ctx.grace_end());
    let hold = account.holds[index].change();
    hold.reversed += amount;
    hold.state =
        if hold.reversed == hold.amount { HoldState::Reversed } else { HoldState::PartiallyReversed };
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

/// Takes back the returned share of one earn, less what was claimed before: from its pending amount or its own lot
/// first; what of it expired is not taken again; the rest by the shop's policy.
fn claw_back(
    account: &mut Account,
    command: &Command,
    returned: &Return,
    index: usize,
    ctx: &Context<'_>,
    posting: &mut Posting,
) {
    let lot = account.lots[index].row.clone();
    let claimed = returned_share(lot.amount, returned.returned, returned.bought);
    let mut left = claimed - lot.clawed_back;
    if left <= 0 {
        return;
    }
    account.lots[index].change().clawed_back = claimed;
    posting.points -= left;
    let about = About { return_id: Some(returned.id), order: Some(returned.order), ..about_lot(&lot) };
    if lot.pending > 0 {
        let amount = left.min(lot.pending);
        let way = (Bucket::Pending, Bucket::Revoked);
        posting.entries.push(account.move_points(ctx, command, EntryKind::ClawBack, way, amount, about));
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
        posting.entries.push(account.move_points(ctx, command, EntryKind::Owe, way, owed, about));
    }
}
