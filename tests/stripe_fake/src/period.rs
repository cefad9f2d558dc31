//! Billing periods on the calendar: from the anchor on, month by month, so that the 31st comes back after February.

use chrono::{DateTime, Days, Months};
use serde_json::Value;

use crate::doc;

/// The first boundary after `instant`, in seconds since 1970.
pub(crate) fn next_boundary(anchor: i64, price: &Value, instant: i64) -> i64 {
    let every = u32::try_from(doc::amount(price, "/recurring/interval_count")).unwrap_or(1).max(1);
    let interval = doc::text(price, "/recurring/interval");
    let mut ends = (1..=u32::MAX).map(|count| boundary(anchor, interval, every.saturating_mul(count)));
    ends.find(|end| *end > instant).unwrap_or(i64::MAX)
}

fn boundary(anchor: i64, interval: &str, count: u32) -> i64 {
    let Some(start) = DateTime::from_timestamp(anchor, 0) else { return i64::MAX };
    let end = match interval {
        "year" => start.checked_add_months(Months::new(count.saturating_mul(12))),
        "month" => start.checked_add_months(Months::new(count)),
        "week" => start.checked_add_days(Days::new(u64::from(count) * 7)),
        _ => start.checked_add_days(Days::new(u64::from(count))),
    };
    end.map_or(i64::MAX, |end| end.timestamp())
}

/// The part of `amount` that belongs to the rest of a period, to the second and rounded to the nearest unit.
pub(crate) fn share(amount: i64, now: i64, (start, end): (i64, i64)) -> i64 {
    let (rest, whole) = ((end - now).max(0), (end - start).max(1));
    (2 * amount * rest + whole) / (2 * whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
    }

    #[test]
    fn the_31st_comes_back_after_february() {
        let monthly = json!({ "recurring": { "interval": "month", "interval_count": 1 } });
        let anchor = at("2026-01-31T08:00:00Z");
        let february = next_boundary(anchor, &monthly, anchor);
        assert_eq!(february, at("2026-02-28T08:00:00Z"));
        assert_eq!(next_boundary(anchor, &monthly, february), at("2026-03-31T08:00:00Z"));
    }

    #[test]
    fn a_share_is_rounded_to_the_nearest_unit() {
        assert_eq!(share(999, 15, (0, 30)), 500); // 999 × 15 ⁄ 30 = 499.5
        assert_eq!(share(1000, 20, (0, 30)), 333); // 1000 × 10 ⁄ 30 = 333.3
        assert_eq!(share(1000, 40, (0, 30)), 0);
    }
}
