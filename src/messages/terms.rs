//! How much somebody may be sent, and when: part of the shop's settings.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

/// How much somebody may be sent, and when; what is transactional is sent whatever these say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageTerms {
    /// Whether mail that needs consent needs it confirmed in the mailbox.
    pub double_opt_in: bool,
    /// From then on it is night, by the shop's clocks; none, if it is the same as `quiet_until`.
    pub quiet_from: NaiveTime,
    /// Until then.
    pub quiet_until: NaiveTime,
    /// Messages to one person in any 24 hours; 1 to 50.
    pub per_day: u32,
    /// Messages to one person in any 7 days; 1 to 200.
    pub per_week: u32,
    /// Days between two messages of care to one person; 0 to 90.
    pub care_spacing_days: u32,
    /// Days after delivery in which messages of care are sent about products that do not say; 90 to 180.
    pub care_window_days: u32,
    /// Days after a message in which a purchase counts as brought about by it; 1 to 90.
    pub conversion_days: u32,
}

impl Default for MessageTerms {
    fn default() -> Self {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        Self {
            double_opt_in: true,
            quiet_from: hour(21),
            quiet_until: hour(8),
            per_day: 1,
            per_week: 3,
            care_spacing_days: 14,
            care_window_days: 180,
            conversion_days: 14,
        }
    }
}

impl MessageTerms {
    /// Which of them is out of its bounds, and how.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let within = |value: u32, bounds: std::ops::RangeInclusive<u32>| bounds.contains(&value);
        if !within(self.per_day, 1..=50) {
            return Some(("perDay", "must be 1 to 50"));
        }
        if !within(self.per_week, 1..=200) {
            return Some(("perWeek", "must be 1 to 200"));
        }
        if !within(self.care_spacing_days, 0..=90) {
            return Some(("careSpacingDays", "must be 0 to 90"));
        }
        if !within(self.care_window_days, 90..=180) {
            return Some(("careWindowDays", "must be 90 to 180"));
        }
        if !within(self.conversion_days, 1..=90) {
            return Some(("conversionDays", "must be 1 to 90"));
        }
        None
    }
}
