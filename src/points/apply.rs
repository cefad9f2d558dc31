//! The rules of the ledger: one command on one locked account, in memory. A refusal leaves the account as it was.

use chrono::TimeDelta;
use chrono_tz::Tz;
use entity::id::{LineId, LotId};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_lot::{LotSource, LotState};
use entity::{Instant, points_lot};
use uuid::Uuid;

use super::account::{About, Account, Tracked};
use super::command::{Act, Command, Earn, PointsError, Posting, When};
use super::programme::Programme;
use super::warnings::UNWARNED;
use super::{holds, joins, merges, opening, returns};
use crate::actor::Actor;

/// What a decision may know besides the account.
pub(crate) struct Context<'a> {
    /// The instant of the transaction.
    pub(crate) now: Instant,
    /// The programme in force.
    pub(crate) programme: &'a Programme,
    /// The shop's.
    pub(crate) time_zone: Tz,
    /// New ids.
    pub(crate) ids: &'a dyn Fn() -> Uuid,
}

impl Context<'_> {
    /// Points that a return gives back live at least until then.
    pub(crate) fn grace_end(&self) -> Instant {
        later(self.now, TimeDelta::days(self.programme.refund_grace_days.into()))
    }
}

/// This long after `at`, or the end of time.
pub(crate) fn later(at: Instant, by: TimeDelta) -> Instant {
    at.checked_add_signed(by).unwrap_or(Instant::MAX_UTC)
}

/// Applies `command`, then lets due lots end and debts be repaid.
pub(crate) fn apply(
    account: &mut Account,
    command: &Command,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let posting = match &command.act {
        Act::Earn(earn) => earn_points(account, command, earn, ctx)?,
        Act::Activate(lot) => activate(account, command, *lot, ctx)?,
        Act::Schedule(lines, at) => schedule(account, command, lines, *at, ctx),
        Act::Hold(hold) => holds::hold_points(account, command, hold, ctx)?,
        Act::Pin { hold, order, value } => holds::pin(account, command, (*hold, *order), *value, ctx)?,
        Act::Capture { hold, order } => holds::capture(account, command, *hold, *order, ctx)?,
        Act::Void { hold, why } => holds::void(account, command, *hold, *why, ctx)?,
        Act::Redeem(amount, reference) => {
            holds::redeem(account, command, amount.get(), reference.as_ref(), ctx)?
        }
        Act::Adjust(delta, reason) => adjust(account, command, *delta, reason, ctx)?,
        Act::Open(opening) => opening::open(account, command, opening, ctx)?,
        Act::Undo(hold) => returns::undo_redeemed(account, command, *hold, ctx)?,
        Act::Refund(returned) => returns::give_back_redeemed(account, command, returned, ctx),
        Act::ClawBack(returned) => returns::take_back_earned(account, command, returned, ctx),
        Act::TakeBack { referral, .. } => returns::take_back_referral(account, command, *referral, ctx),
        Act::JoinOut => joins::join_out(account, command, ctx),
        Act::JoinIn(lot) => joins::join_in(account, command, lot, ctx)?,
        Act::MergeOut => merges::merge_out(account, command, ctx)?,
        Act::MergeIn(moved) => merges::merge_in(account, command, moved, ctx)?,
        Act::Expire | Act::EndHistory => Posting::default(),
    };
    settle(account, ctx);
    Ok(posting)
}

/// Lets what is due end, and pays debts from what is available.
pub(crate) fn settle(account: &mut Account, ctx: &Context<'_>) {
    for index in 0..account.lots.len() {
        let lot = &account.lots[index].row;
        if let Some(end) = lot.expires_at.filter(|end| *end <= ctx.now) {
            expire(account, index, end, ctx);
        }
    }
    let waits = account.row.history_since.is_some();
    if let Some(end) = account.row.inactive_at.filter(|end| *end <= ctx.now && !waits) {
        for index in account.lots_of_running_period() {
            expire(account, index, end, ctx);
        }
        account.run_out();
    }
    let owed = account.row.debt.min(account.available());
    if owed > 0 {
        let by_time = system(account, None);
        let amount = whole(owed);
        let way = (Bucket::Available, Bucket::Revoked);
        let entry = account.move_points(ctx, &by_time, EntryKind::Repay, way, amount, About::default());
        account.consume(entry, None, amount);
        let way = (Bucket::Debt, Bucket::Issued);
        account.move_points(ctx, &by_time, EntryKind::Repay, way, amount, About::default());
    }
}

pub(crate) fn expire(account: &mut Account, index: usize, end: Instant, ctx: &Context<'_>) {
    let lot = account.lots[index].row.clone();
    let by_time = system(account, Some(end));
    let about = About { lot: Some(lot.id), line: lot.order_line_id, ..About::default() };
    match lot.state {
        LotState::Open => {
            let way = (Bucket::Available, Bucket::Expired);
            let entry = account.move_points(ctx, &by_time, EntryKind::Expire, way, lot.remaining, about);
            account.consume_lot(index, entry, None, lot.remaining);
            account.lots[index].change().lapsed += lot.remaining;
        }
        LotState::Waiting => {
            let way = (Bucket::Pending, Bucket::Expired);
            account.move_points(ctx, &by_time, EntryKind::Lapse, way, lot.pending, about);
            let lapsed = account.lots[index].change();
            lapsed.lapsed += lapsed.pending;
            lapsed.pending = 0;
            lapsed.state = LotState::Spent;
        }
        LotState::Pending | LotState::Spent => {}
    }
}

/// An act of time and rules on this account.
fn system(account: &Account, effective_at: Option<Instant>) -> Command {
    Command { account: account.row.id, act: Act::Expire, by: Actor::SYSTEM, effective_at, imported: false }
}

/// An amount that is known to lie within an account's bounds.
pub(crate) fn whole(amount: i64) -> i32 {
    i32::try_from(amount).unwrap_or(i32::MAX)
}

/// Refuses what would bring more into the account than a client can be told of.
pub(crate) fn room_for(account: &Account, amount: i32) -> Result<(), PointsError> {
    let row = &account.row;
    if row.pending + row.available + row.held + i64::from(amount) > i64::from(i32::MAX) {
        return Err(PointsError::BalanceLimit);
    }
    Ok(())
}

fn earn_points(
    account: &mut Account,
    command: &Command,
    earn: &Earn,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let amount = earn.amount.get();
    if amount == 0 {
        return Err(PointsError::ZeroAmount);
    }
    if account.is_guest() && !matches!(earn.source, LotSource::Order | LotSource::Referral) {
        return Err(PointsError::GuestAccount);
    }
    room_for(account, amount)?;
    let earned = command.effective_at.unwrap_or(ctx.now);
    let mut lot = new_lot(account, earn, ctx);
    let active_at = activation_of(&mut lot, earn.activation, earned);
    let mut way = (Bucket::Issued, Bucket::Pending);
    if account.is_guest() {
        let lapse = TimeDelta::days(ctx.programme.guest_lapse_days.into());
        lot.state = LotState::Waiting;
        lot.expires_at = Some(later(ctx.now, lapse));
    } else if let Some(at) = active_at.filter(|at| *at <= ctx.now || earn.activation == When::Now) {
        account.open(&mut lot, at, ctx);
        way.1 = Bucket::Available;
    }
    let about = About { order: earn.order, reason: earn.reason.clone(), ..about_lot(&lot) };
    let kind = if earn.source == LotSource::Adjustment { EntryKind::Adjust } else { EntryKind::Earn };
    let entry = account.move_points(ctx, command, kind, way, amount, about);
    let lot_id = lot.id;
    account.lots.push(Tracked::new(lot));
    Ok(Posting { points: amount, entries: vec![entry], lot: Some(lot_id), ..Posting::default() })
}

pub(crate) fn new_lot(account: &Account, earn: &Earn, ctx: &Context<'_>) -> points_lot::Model {
    points_lot::Model {
        id: LotId((ctx.ids)()),
        account_id: account.row.id,
        source: earn.source,
        order_line_id: earn.line,
        rule: earn.rule.as_ref().map(|(rule, _)| rule.clone()),
        rule_version: earn.rule.as_ref().map(|(_, version)| *version),
        amount: earn.amount.get(),
        pending: earn.amount.get(),
        remaining: 0,
        clawed_back: 0,
        lapsed: 0,
        state: LotState::Pending,
        activates_after: None,
        activates_at: None,
        opened_at: None,
        expires_at: None,
        activity_period: None,
        warned_days: UNWARNED,
        referral_id: earn.referral,
    }
}

/// Freezes on the lot when it activates; answers when that is, if it is known.
fn activation_of(lot: &mut points_lot::Model, activation: When, earned: Instant) -> Option<Instant> {
    lot.activates_at = match activation {
        When::Now => Some(earned),
        When::AfterDelivery { days, delivered_at } => {
            lot.activates_after = i32::try_from(days).ok();
            delivered_at.map(|at| later(at, TimeDelta::days(days.into())))
        }
        When::Later => None,
    };
    lot.activates_at
}

/// An entry about an earn names its line and rule too.
pub(crate) fn about_lot(lot: &points_lot::Model) -> About {
    About {
        lot: Some(lot.id),
        line: lot.order_line_id,
        rule: lot.rule.clone(),
        rule_version: lot.rule_version,
        ..About::default()
    }
}

fn activate(
    account: &mut Account,
    command: &Command,
    lot: LotId,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let index = account.lots.iter().position(|l| l.row.id == lot).ok_or(PointsError::NotFound)?;
    if account.lots[index].row.state != LotState::Pending {
        return Err(PointsError::NotPending);
    }
    Ok(activate_lot(account, command, index, ctx))
}

pub(crate) fn activate_lot(
    account: &mut Account,
    command: &Command,
    index: usize,
    ctx: &Context<'_>,
) -> Posting {
    let at = command.effective_at.or(account.lots[index].row.activates_at).unwrap_or(ctx.now).min(ctx.now);
    let amount = account.lots[index].row.pending;
    let dated = Command { effective_at: Some(at), ..command.clone() };
    let about = about_lot(&account.lots[index].row);
    let way = (Bucket::Pending, Bucket::Available);
    let entry = account.move_points(ctx, &dated, EntryKind::Activate, way, amount, about);
    let mut lot = account.lots[index].row.clone();
    account.open(&mut lot, at, ctx);
    let id = lot.id;
    *account.lots[index].change() = lot;
    Posting { points: amount, entries: vec![entry], lot: Some(id), ..Posting::default() }
}

fn schedule(
    account: &mut Account,
    command: &Command,
    lines: &[LineId],
    delivered_at: Instant,
    ctx: &Context<'_>,
) -> Posting {
    let mut posting = Posting::default();
    for index in 0..account.lots.len() {
        let lot = &account.lots[index].row;
        let of_lines = lot.order_line_id.is_some_and(|line| lines.contains(&line));
        let Some(days) = lot.activates_after.filter(|_| of_lines && lot.pending > 0) else { continue };
        let at = later(delivered_at, TimeDelta::days(days.into()));
        if lot.state == LotState::Pending && at <= ctx.now {
            let dated = Command { effective_at: Some(at), ..command.clone() };
            let activated = activate_lot(account, &dated, index, ctx);
            posting.points += activated.points;
            posting.entries.extend(activated.entries);
        } else {
            account.lots[index].change().activates_at = Some(at);
        }
    }
    posting
}

/// Refuses zero and more than there is.
pub(crate) fn available(account: &Account, amount: i32) -> Result<(), PointsError> {
    match amount {
        0 => Err(PointsError::ZeroAmount),
        more if i64::from(more) > account.available() => {
            Err(PointsError::Insufficient { available: account.available() })
        }
        _ => Ok(()),
    }
}

fn adjust(
    account: &mut Account,
    command: &Command,
    delta: i32,
    reason: &str,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    if account.is_guest() {
        return Err(PointsError::GuestAccount);
    }
    let about = About { reason: Some(reason.to_owned()), ..About::default() };
    if delta < 0 {
        let amount = delta.saturating_neg();
        available(account, amount)?;
        let way = (Bucket::Available, Bucket::Revoked);
        let entry = account.move_points(ctx, command, EntryKind::Adjust, way, amount, about);
        account.consume(entry, None, amount);
        return Ok(Posting { points: delta, entries: vec![entry], ..Posting::default() });
    }
    let earn = Earn {
        source: LotSource::Adjustment,
        amount: super::amount::Points::try_from(i64::from(delta)).unwrap_or(super::amount::Points::ZERO),
        activation: When::Now,
        order: None,
        line: None,
        rule: None,
        reason: Some(reason.to_owned()),
        referral: None,
    };
    earn_points(account, command, &earn, ctx)
}
