//! Holds: points set aside, then spent or given back to the lots they came from.

use chrono::TimeDelta;
use entity::id::{EntryId, HoldId, OrderId};
use entity::points_entry::{Bucket, EntryKind};
use entity::points_hold;
use entity::points_hold::HoldState;

use super::account::{About, Account, Tracked};
use super::apply::{Context, available, later, whole};
use super::command::{Command, Hold, PointsError, Posting, Release};
use super::rules;
use crate::money::Money;

/// Sets aside what is wanted, available and allowed.
pub(crate) fn hold_points(
    account: &mut Account,
    command: &Command,
    hold: &Hold,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    if account.is_guest() {
        return Err(PointsError::GuestAccount);
    }
    if hold.requested.get() == 0 {
        return Err(PointsError::ZeroAmount);
    }
    let per_unit = ctx.programme.redemption_rate(hold.currency).ok_or(PointsError::CurrencyNotAccepted)?;
    if account.available() < i64::from(ctx.programme.redemption_minimum) {
        return Err(PointsError::Insufficient { available: account.available() });
    }
    let cap = hold
        .order_value
        .map_or(i64::MAX, |value| rules::most_points_for(ctx.programme, value, hold.currency, per_unit));
    let wanted = i64::from(hold.requested.get()).min(account.available()).min(cap);
    let applied = at_least_minimum(rules::floor_to_multiple(wanted, ctx.programme), ctx)?;
    let value = rules::value_of(i64::from(applied), hold.currency, per_unit);
    let lives = TimeDelta::minutes(ctx.programme.hold_minutes.into());
    let worth = Some((hold.currency.code().to_owned(), value));
    Ok(set_aside(account, command, applied, worth, None, lives, ctx))
}

fn at_least_minimum(applied: i64, ctx: &Context<'_>) -> Result<i32, PointsError> {
    let minimum = i64::from(ctx.programme.redemption_minimum);
    if applied < minimum { Err(PointsError::BelowMinimum { applied, minimum }) } else { Ok(whole(applied)) }
}

/// Moves `amount`, which the caller knows is available, into a new hold.
fn set_aside(
    account: &mut Account,
    command: &Command,
    amount: i32,
    worth: Option<(String, i64)>,
    reference: Option<String>,
    lives: TimeDelta,
    ctx: &Context<'_>,
) -> Posting {
    let id = HoldId((ctx.ids)());
    let about = About { hold: Some(id), reason: reference.clone(), ..About::default() };
    let way = (Bucket::Available, Bucket::Held);
    let entry = account.move_points(ctx, command, EntryKind::Hold, way, amount, about);
    account.consume(entry, Some(id), amount);
    let (currency, value) = worth.map_or((None, 0), |(currency, value)| (Some(currency), value));
    let row = points_hold::Model {
        id,
        account_id: account.row.id,
        order_id: None,
        state: HoldState::Held,
        amount,
        reversed: 0,
        currency,
        value,
        reference,
        expires_at: later(ctx.now, lives),
        created_at: ctx.now,
        ended_at: None,
    };
    account.holds.push(Tracked::new(row));
    Posting { points: amount, entries: vec![entry], hold: Some(id), value, ..Posting::default() }
}

/// The position of a hold that is still open.
fn open_hold(account: &Account, hold: HoldId, ctx: &Context<'_>) -> Result<usize, PointsError> {
    let index = account.holds.iter().position(|h| h.row.id == hold).ok_or(PointsError::NotFound)?;
    let row = &account.holds[index].row;
    match row.state {
        HoldState::Held if row.expires_at > ctx.now => Ok(index),
        HoldState::Held => Err(PointsError::NotHeld { state: HoldState::Expired }),
        state => Err(PointsError::NotHeld { state }),
    }
}

/// Ties a hold to an order, clamped to what the order admits.
pub(crate) fn pin(
    account: &mut Account,
    command: &Command,
    (hold, order): (HoldId, OrderId),
    value: Money,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let index = open_hold(account, hold, ctx)?;
    let row = account.holds[index].row.clone();
    if row.order_id.is_some() {
        return Err(PointsError::PinnedToOrder);
    }
    if row.currency.as_deref() != Some(value.currency.code()) {
        return Err(PointsError::CurrencyMismatch);
    }
    let per_unit = ctx.programme.redemption_rate(value.currency).ok_or(PointsError::CurrencyNotAccepted)?;
    let most = rules::most_points_for(ctx.programme, value.minor, value.currency, per_unit);
    let clamped = rules::floor_to_multiple(i64::from(row.amount).min(most), ctx.programme);
    let kept = at_least_minimum(clamped, ctx)?;
    // The rate may have changed since: the hold is never worth more than it was, nor than the order admits.
    let cap = rules::capped_value(ctx.programme, value.minor);
    let now_worth = if kept == row.amount {
        row.value
    } else {
        rules::value_of(i64::from(kept), value.currency, per_unit)
    };
    let worth = row.value.min(now_worth).min(cap);
    let mut entries = Vec::new();
    if kept < row.amount {
        entries.push(give_back(account, command, &row, row.amount - kept, ctx));
    }
    let lives = TimeDelta::days(ctx.programme.order_hold_days.into());
    let changed = account.holds[index].change();
    changed.order_id = Some(order);
    changed.amount = kept;
    changed.value = worth;
    changed.expires_at = later(ctx.now, lives);
    Ok(Posting { points: kept, entries, hold: Some(hold), value: worth, ..Posting::default() })
}

/// `HELD → AVAILABLE`, back into the lots they came from.
fn give_back(
    account: &mut Account,
    command: &Command,
    hold: &points_hold::Model,
    amount: i32,
    ctx: &Context<'_>,
) -> EntryId {
    let about = About { hold: Some(hold.id), order: hold.order_id, ..About::default() };
    let way = (Bucket::Held, Bucket::Available);
    let entry = account.move_points(ctx, command, EntryKind::Release, way, amount, about);
    account.refill(hold.id, amount, Some(ctx.now));
    entry
}

/// Spends a hold.
pub(crate) fn capture(
    account: &mut Account,
    command: &Command,
    hold: HoldId,
    order: Option<OrderId>,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let index = open_hold(account, hold, ctx)?;
    let row = account.holds[index].row.clone();
    if row.order_id != order {
        return Err(PointsError::PinnedToOrder);
    }
    let about = About { hold: Some(hold), order, reason: row.reference, ..About::default() };
    let way = (Bucket::Held, Bucket::Redeemed);
    let entry = account.move_points(ctx, command, EntryKind::Capture, way, row.amount, about);
    end_hold(account, index, HoldState::Captured, ctx);
    Ok(Posting {
        points: row.amount,
        entries: vec![entry],
        hold: Some(hold),
        value: row.value,
        ..Posting::default()
    })
}

fn end_hold(account: &mut Account, index: usize, state: HoldState, ctx: &Context<'_>) {
    let hold = account.holds[index].change();
    hold.state = state;
    hold.ended_at = Some(ctx.now);
}

/// Gives a hold back.
pub(crate) fn void(
    account: &mut Account,
    command: &Command,
    hold: HoldId,
    why: Release,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    let index = account.holds.iter().position(|h| h.row.id == hold).ok_or(PointsError::NotFound)?;
    let row = account.holds[index].row.clone();
    if row.state != HoldState::Held {
        return Err(PointsError::NotHeld { state: row.state });
    }
    let state = match why {
        Release::ByCustomer if row.order_id.is_some() => return Err(PointsError::PinnedToOrder),
        Release::Lapsed if row.expires_at > ctx.now => return Err(PointsError::NotHeld { state: row.state }),
        Release::Lapsed => HoldState::Expired,
        Release::ByCustomer | Release::ByShop => HoldState::Voided,
    };
    let entry = give_back(account, command, &row, row.amount, ctx);
    end_hold(account, index, state, ctx);
    Ok(Posting { points: row.amount, entries: vec![entry], hold: Some(hold), ..Posting::default() })
}

/// Sets aside and spends in one.
pub(crate) fn redeem(
    account: &mut Account,
    command: &Command,
    amount: i32,
    reference: Option<&String>,
    ctx: &Context<'_>,
) -> Result<Posting, PointsError> {
    if account.is_guest() {
        return Err(PointsError::GuestAccount);
    }
    available(account, amount)?;
    let held = set_aside(account, command, amount, None, reference.cloned(), TimeDelta::minutes(1), ctx);
    let Some(id) = held.hold else { return Err(PointsError::NotFound) };
    let mut captured = capture(account, command, id, None, ctx)?;
    captured.entries.splice(0..0, held.entries);
    Ok(captured)
}
