//! A guest's pending earns move to the customer that the guest proved to be.

use entity::id::LotId;
use entity::points_entry::{Bucket, EntryKind};
use entity::points_lot;
use entity::points_lot::LotState;

use super::account::{Account, Tracked, close_if_empty};
use super::apply::{Context, about_lot, activate_lot, room_for};
use super::command::{Command, JoinedLot, PointsError, Posting};

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
        posting.joined.push(JoinedLot {
            source: lot.source,
            line: lot.order_line_id,
            rule: lot.rule,
            rule_version: lot.rule_version,
            amount: lot.amount,
            pending: lot.pending,
            clawed_back: lot.clawed_back,
            activates_after: lot.activates_after,
            activates_at: lot.activates_at,
        });
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
    joined: &JoinedLot,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    room_for(account, joined.pending)?;
    let lot = points_lot::Model {
        id: LotId((ctx.ids)()),
        account_id: account.row.id,
        source: joined.source,
        order_line_id: joined.line,
        rule: joined.rule.clone(),
        rule_version: joined.rule_version,
        amount: joined.amount,
        pending: joined.pending,
        remaining: 0,
        clawed_back: joined.clawed_back,
        lapsed: 0,
        state: LotState::Pending,
        activates_after: joined.activates_after,
        activates_at: joined.activates_at,
        opened_at: None,
        expires_at: None,
    };
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
