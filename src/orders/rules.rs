//! The rules of orders, without a database: what can be recorded, which step follows which, who carries what share.

use chrono::{DateTime, DurationRound, TimeDelta};
use entity::Instant;
use entity::order::OrderState;

use super::OrderError;
use super::record::{Record, RecordLine};
use crate::delivery::weights::check_grams;
use crate::money::Money;

/// Lines an order may have, and entries a return may have.
pub const MOST_LINES: usize = 500;
/// Pieces of one line.
pub const MOST_PIECES: i32 = 1_000_000;
/// Categories of one line or product.
pub const MOST_CATEGORIES: usize = 20;
/// Characters of a text, such as a name.
const LONGEST_TEXT: usize = 255;
/// Clocks of shops go wrong; beyond this an instant is a mistake.
const AHEAD: TimeDelta = TimeDelta::hours(24);

/// Checks everything about `record` that needs no database.
pub fn check(record: &Record, now: Instant) -> Result<(), OrderError> {
    visible(&record.channel).map_err(|problem| OrderError::invalid("channel", problem))?;
    if let Some(coupon) = &record.coupon {
        visible(coupon).map_err(|problem| OrderError::invalid("coupon", problem))?;
    }
    if let Some(code) = &record.referral_code {
        visible(code).map_err(|problem| OrderError::invalid("referralCode", problem))?;
    }
    if let Some(code) = &record.shipping_method {
        visible(code).map_err(|problem| OrderError::invalid("shippingMethod", problem))?;
    }
    if record.lines.is_empty() || record.lines.len() > MOST_LINES {
        return Err(OrderError::invalid("lines", "must be 1 to 500"));
    }
    for (index, line) in record.lines.iter().enumerate() {
        check_line(line).map_err(|(field, problem)| OrderError::line(index, field, problem))?;
    }
    if lines_total(record).is_none() {
        return Err(OrderError::invalid("lines", "add up to too much"));
    }
    if !(0..=Money::MAX_MINOR).contains(&record.shipping) {
        return Err(OrderError::invalid("shipping", "is negative or too large"));
    }
    if record.hold.is_some() && record.state != OrderState::Placed {
        return Err(OrderError::invalid("hold", "can only pay an order that is recorded as placed"));
    }
    if record.membership.is_some() && record.state != OrderState::Placed {
        return Err(OrderError::invalid(
            "membershipId",
            "can only be of an order that is recorded as placed",
        ));
    }
    record.placed_at.map_or(Ok(()), |at| instant(at, now, "placedAt").map(drop))
}

/// Checks a line; a mistake is a field and what is wrong with it.
pub fn check_line(line: &RecordLine) -> Result<(), (&'static str, &'static str)> {
    visible(&line.sku).map_err(|problem| ("sku", problem))?;
    visible(&line.name).map_err(|problem| ("name", problem))?;
    check_categories(&line.categories).map_err(|problem| ("categories", problem))?;
    if !(1..=MOST_PIECES).contains(&line.quantity) {
        return Err(("quantity", "must be 1 to 1,000,000"));
    }
    if !(0..=Money::MAX_MINOR).contains(&line.line_total) {
        return Err(("lineTotal", "is negative or too large"));
    }
    if line.tax_rate.is_some_and(|rate| !(0..=10_000).contains(&rate)) {
        return Err(("taxRate", "must be 0 to 1"));
    }
    line.weight_grams.map_or(Ok(()), check_grams).map_err(|problem| ("weightGrams", problem))
}

/// Checks the categories of a line or product.
pub fn check_categories(categories: &[String]) -> Result<(), &'static str> {
    if categories.len() > MOST_CATEGORIES {
        return Err("must be 20 at most");
    }
    categories.iter().try_for_each(|category| visible(category))
}

/// Checks a text that people read: 1 to 255 characters, none of them a control character.
pub fn visible(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        return Err("is empty");
    }
    if text.len() > LONGEST_TEXT && text.chars().count() > LONGEST_TEXT {
        return Err("is longer than 255 characters");
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters");
    }
    Ok(())
}

/// What the lines add up to, if that is an amount.
pub fn lines_total(record: &Record) -> Option<i64> {
    let total = record.lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.line_total))?;
    (total <= Money::MAX_MINOR).then_some(total)
}

/// An instant that a shop states: since 1970, at most a day ahead; cut to microseconds.
pub fn instant(at: Instant, now: Instant, field: &'static str) -> Result<Instant, OrderError> {
    if at < DateTime::UNIX_EPOCH {
        return Err(OrderError::invalid(field, "is before 1970"));
    }
    if now.checked_add_signed(AHEAD).is_some_and(|latest| at > latest) {
        return Err(OrderError::invalid(field, "is more than 24 hours ahead"));
    }
    Ok(cut(at))
}

/// Cut to what the databases keep.
pub fn cut(at: Instant) -> Instant {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// An instant that a reader compares orders with, within what both databases keep and compare; no order is outside.
pub fn comparable(at: Instant) -> Instant {
    at.clamp(DateTime::UNIX_EPOCH, DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(Instant::MAX_UTC))
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is paid.
    Pay,
    /// It leaves.
    Ship,
    /// It arrives, shipped or not: services and collections are not.
    Deliver,
    /// It is undone before it leaves.
    Cancel,
    /// Pieces come back; the state stays.
    Return,
}

/// Where `happening` takes an order that is in `state`.
pub fn next(state: OrderState, happening: Happening) -> Result<OrderState, OrderError> {
    use Happening::{Cancel, Deliver, Pay, Return, Ship};
    use OrderState::{Cancelled, Delivered, Paid, Placed, Shipped};

    match (state, happening) {
        (Placed, Pay) => Ok(Paid),
        (Paid, Ship) => Ok(Shipped),
        (Paid | Shipped, Deliver) => Ok(Delivered),
        (Placed | Paid, Cancel) => Ok(Cancelled),
        (Paid | Shipped | Delivered, Return) => Ok(state),
        (Placed, Ship | Deliver | Return)
        | (Paid, Pay)
        | (Shipped, Pay | Ship | Cancel)
        | (Delivered, Pay | Ship | Deliver | Cancel)
        | (Cancelled, _) => Err(OrderError::InvalidState { state }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_moves_forward_only_and_is_cancelled_before_it_leaves() {
        use Happening::{Cancel, Deliver, Pay, Return, Ship};
        use OrderState::{Cancelled, Delivered, Paid, Placed, Shipped};

        let allowed = [
            (Placed, Pay, Paid),
            (Placed, Cancel, Cancelled),
            (Paid, Ship, Shipped),
            (Paid, Deliver, Delivered),
            (Paid, Cancel, Cancelled),
            (Paid, Return, Paid),
            (Shipped, Deliver, Delivered),
            (Shipped, Return, Shipped),
            (Delivered, Return, Delivered),
        ];
        for state in [Placed, Paid, Shipped, Delivered, Cancelled] {
            for happening in [Pay, Ship, Deliver, Cancel, Return] {
                let to = allowed.iter().find(|(from, by, _)| (*from, *by) == (state, happening));
                let expected = to.map(|(_, _, to)| *to).ok_or(OrderError::InvalidState { state });
                assert_eq!(next(state, happening), expected, "{state:?} {happening:?}");
            }
        }
    }

    #[test]
    fn an_instant_is_since_1970_and_at_most_a_day_ahead() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        assert_eq!(instant(now + AHEAD, now, "at"), Ok(now + AHEAD));
        assert!(instant(now + AHEAD + TimeDelta::microseconds(1), now, "at").is_err());
        assert!(instant(DateTime::UNIX_EPOCH - TimeDelta::microseconds(1), now, "at").is_err());
        let fine = now + TimeDelta::nanoseconds(1_999);
        assert_eq!(instant(fine, now, "at"), Ok(now + TimeDelta::microseconds(1)));
    }

    #[test]
    fn readers_compare_within_1970_and_9999() {
        assert_eq!(comparable(Instant::MIN_UTC), DateTime::UNIX_EPOCH);
        assert_eq!(comparable(Instant::MAX_UTC).to_rfc3339(), "9999-12-31T23:59:59+00:00");
    }
}
