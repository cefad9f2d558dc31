//! Everything of one customer's account moves to another's: they turned out to be one person.
//!
//! What holds took goes back to its lots first, and is taken again once they have arrived, from the same lots: so a
//! later return finds earns, holds and pairings where it would have found them before.

use entity::id::{AccountId, CustomerId, LotId};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{points_account, points_adjustment, points_hold};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use super::account::{About, Account, Tracked, close_if_empty};
use super::apply::{Context, about_lot, whole};
use super::command::{Act, Command, Moved, MovedHold, MovedLot, PointsError, Posting};
use super::ledger::post;
use super::orders::{Owner, open_accounts};
use crate::error::Fault;
use crate::tx::Tx;

/// Buckets whose points are in no lot.
const REST: [Bucket; 4] = [Bucket::Redeemed, Bucket::Expired, Bucket::Revoked, Bucket::Debt];

/// Where a hold that still matters has its points; none if it gave them all back.
fn bucket_of(state: HoldState) -> Option<Bucket> {
    match state {
        HoldState::Held => Some(Bucket::Held),
        HoldState::Captured | HoldState::PartiallyReversed => Some(Bucket::Redeemed),
        HoldState::Voided | HoldState::Expired | HoldState::Reversed => None,
    }
}

/// Everything leaves.
pub(crate) fn merge_out(
    account: &mut Account,
    command: &Command,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    if account.is_guest() {
        return Err(PointsError::GuestAccount);
    }
    // The new lots get rising ids: those that were made first are spent first, as before.
    account.lots.sort_by_key(|lot| lot.row.id);
    account.holds.sort_by_key(|hold| hold.row.id);
    let mut moved = Moved { activity: account.stop_waiting(), ..Moved::default() };
    for index in 0..account.holds.len() {
        moved.holds.extend(undo_hold(account, command, index, ctx));
    }
    for index in 0..account.lots.len() {
        moved.lots.extend(lot_out(account, command, index, ctx));
    }
    for bucket in REST {
        let amount = account.sum(bucket);
        shift(account, command, EntryKind::MergeOut, (bucket, Bucket::Issued), amount, ctx);
        moved.rest.push((bucket, amount));
    }
    let entries = account.entries.iter().map(|entry| entry.id).collect();
    Ok(Posting { entries, moved: Some(Box::new(moved)), ..Posting::default() })
}

/// What a hold took goes back to its lots.
fn undo_hold(account: &mut Account, command: &Command, index: usize, ctx: &Context<'_>) -> Option<MovedHold> {
    let hold = account.holds[index].row.clone();
    let bucket = bucket_of(hold.state)?;
    let of_hold = account.consumptions.iter().filter(|taken| taken.row.hold_id == Some(hold.id));
    let left = of_hold.map(|taken| (taken.row.lot_id, taken.row.amount - taken.row.refilled));
    let taken: Vec<(LotId, i32)> = left.filter(|(_, left)| *left > 0).collect();
    let amount: i32 = taken.iter().map(|(_, left)| left).sum();
    if amount > 0 {
        let way = (bucket, Bucket::Available);
        account.move_points(ctx, command, EntryKind::MergeOut, way, amount, about_hold(&hold));
        // Its lots keep their ends: what ended meanwhile is taken again before anything is settled.
        account.refill(hold.id, amount, None);
    }
    Some(MovedHold { taken, ..MovedHold::of(&hold) })
}

fn about_hold(hold: &points_hold::Model) -> About {
    About { hold: Some(hold.id), order: hold.order_id, ..About::default() }
}

/// A lot leaves, if anything is left of it, or a return or the end of a referral may still ask for it.
fn lot_out(account: &mut Account, command: &Command, index: usize, ctx: &Context<'_>) -> Option<MovedLot> {
    let lot = account.lots[index].row.clone();
    if lot.state == LotState::Spent && lot.order_line_id.is_none() && lot.referral_id.is_none() {
        return None;
    }
    if lot.pending > 0 {
        let way = (Bucket::Pending, Bucket::Issued);
        account.move_points(ctx, command, EntryKind::MergeOut, way, lot.pending, about_lot(&lot));
        account.lots[index].change().pending = 0;
    }
    if lot.remaining > 0 {
        let way = (Bucket::Available, Bucket::Issued);
        let entry =
            account.move_points(ctx, command, EntryKind::MergeOut, way, lot.remaining, about_lot(&lot));
        account.consume_lot(index, entry, None, lot.remaining);
    }
    close_if_empty(account.lots[index].change());
    Some(MovedLot::of(&lot, account.row.activity_period))
}

/// Moves any amount, in as many entries as it takes.
fn shift(
    account: &mut Account,
    command: &Command,
    kind: EntryKind,
    way: (Bucket, Bucket),
    amount: i64,
    ctx: &Context<'_>,
) {
    let mut left = amount;
    while left > 0 {
        let part = whole(left);
        account.move_points(ctx, command, kind, way, part, About::default());
        left -= i64::from(part);
    }
}

/// Everything arrives.
pub(crate) fn merge_in(
    account: &mut Account,
    command: &Command,
    moved: &Moved,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let row = &account.row;
    if row.pending + row.available + row.held + moved.unspent() > i64::from(i32::MAX) {
        return Err(PointsError::BalanceLimit);
    }
    account.take_over_activity(moved.activity);
    let first = account.lots.len();
    for lot in &moved.lots {
        lot_in(account, command, lot, ctx);
    }
    for hold in &moved.holds {
        redo_hold(account, command, hold, (first, &moved.lots), ctx);
    }
    for (bucket, amount) in &moved.rest {
        shift(account, command, EntryKind::MergeIn, (Bucket::Issued, *bucket), *amount, ctx);
    }
    let entries = account.entries.iter().map(|entry| entry.id).collect();
    Ok(Posting { points: whole(moved.unspent()), entries, ..Posting::default() })
}

fn lot_in(account: &mut Account, command: &Command, moved: &MovedLot, ctx: &Context<'_>) {
    let lot = moved.arrived(LotId((ctx.ids)()), &account.row);
    for (bucket, amount) in [(Bucket::Pending, lot.pending), (Bucket::Available, lot.remaining)] {
        if amount > 0 {
            let way = (Bucket::Issued, bucket);
            account.move_points(ctx, command, EntryKind::MergeIn, way, amount, about_lot(&lot));
        }
    }
    account.lots.push(Tracked::new(lot));
}

/// The hold takes from the lots that arrived what it had taken from those that left.
fn redo_hold(
    account: &mut Account,
    command: &Command,
    moved: &MovedHold,
    (first, lots): (usize, &[MovedLot]),
    ctx: &Context<'_>,
) {
    let hold = moved.arrived(account.row.id);
    let amount: i32 = moved.taken.iter().map(|(_, taken)| taken).sum();
    if let Some(bucket) = bucket_of(hold.state).filter(|_| amount > 0) {
        let way = (Bucket::Available, bucket);
        let entry = account.move_points(ctx, command, EntryKind::MergeIn, way, amount, about_hold(&hold));
        for (lot, taken) in &moved.taken {
            if let Some(place) = lots.iter().position(|candidate| candidate.left == *lot) {
                account.consume_lot(first + place, entry, Some(hold.id), *taken);
            }
        }
    }
    account.holds.push(Tracked { row: hold, is_new: false, is_changed: true });
}

/// Moves every point of `from` to `into`; nothing can be posted to `from` from now on.
pub(crate) async fn merge(
    tx: &Tx,
    from: CustomerId,
    into: CustomerId,
) -> Result<Result<(), PointsError>, Fault> {
    open_accounts(tx, &[Owner::Customer(from), Owner::Customer(into)]).await?;
    let (from, into) = (Owner::Customer(from).account(), Owner::Customer(into).account());
    let by = tx.caller().actor;
    let command = |account, act| Command { account, act, by, effective_at: None, imported: false };
    // Locks both in the order of their ids before either changes.
    post(tx, &[command(from, Act::Expire), command(into, Act::Expire)]).await?;
    let moved = match post(tx, &[command(from, Act::MergeOut)]).await?.pop() {
        Some(Ok(Posting { moved: Some(moved), .. })) => moved,
        Some(Err(reason)) => return Ok(Err(reason)),
        Some(Ok(_)) | None => return Err(Fault::internal("an account was emptied of nothing")),
    };
    if let Some(Err(reason)) = post(tx, &[command(into, Act::MergeIn(moved))]).await?.pop() {
        return Ok(Err(reason));
    }
    let marked = points_account::Entity::update_many()
        .col_expr(points_account::Column::MergedInto, Expr::val(into))
        .filter(points_account::Column::Id.eq(from).and(points_account::Column::MergedInto.is_null()))
        .exec(tx.db())
        .await?;
    if marked.rows_affected != 1 {
        return Err(Fault::internal("a locked account was merged by another"));
    }
    // What waits for a second person is for the person that both are.
    points_adjustment::Entity::update_many()
        .col_expr(points_adjustment::Column::CustomerId, Expr::val(into.0))
        .filter(points_adjustment::Column::CustomerId.eq(from.0))
        .filter(points_adjustment::Column::State.eq(points_adjustment::AdjustmentState::Pending.to_value()))
        .exec(tx.db())
        .await?;
    Ok(Ok(()))
}

impl Moved {
    /// What the account holds for its owner: points that are neither spent nor lost.
    fn unspent(&self) -> i64 {
        let lots = self.lots.iter().map(|lot| i64::from(lot.pending) + i64::from(lot.remaining));
        let spent = self.holds.iter().filter(|hold| hold.state != HoldState::Held);
        let spent = spent.flat_map(|hold| &hold.taken).map(|(_, taken)| i64::from(*taken));
        lots.sum::<i64>() - spent.sum::<i64>()
    }
}

impl MovedHold {
    fn of(hold: &points_hold::Model) -> Self {
        Self {
            id: hold.id,
            order: hold.order_id,
            state: hold.state,
            amount: hold.amount,
            reversed: hold.reversed,
            currency: hold.currency.clone(),
            value: hold.value,
            reference: hold.reference.clone(),
            expires_at: hold.expires_at,
            created_at: hold.created_at,
            ended_at: hold.ended_at,
            taken: Vec::new(),
        }
    }

    fn arrived(&self, account: AccountId) -> points_hold::Model {
        points_hold::Model {
            id: self.id,
            account_id: account,
            order_id: self.order,
            state: self.state,
            amount: self.amount,
            reversed: self.reversed,
            currency: self.currency.clone(),
            value: self.value,
            reference: self.reference.clone(),
            expires_at: self.expires_at,
            created_at: self.created_at,
            ended_at: self.ended_at,
        }
    }
}
