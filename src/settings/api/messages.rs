//! How much somebody may be sent, and when, over GraphQL.

use async_graphql::{InputObject, SimpleObject};

use crate::graphql::scalars::LocalTime;
use crate::messages::terms::MessageTerms as Stored;

/// How much one person may be sent by journeys, and when. What is transactional is sent whatever these say.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "MessageTermsInput")]
pub struct MessageTerms {
    /// Whether mail that needs consent needs it confirmed in the mailbox (double opt-in).
    double_opt_in: bool,
    /// From then on it is night, by the shop's clocks, and nothing is sent; there is none if both are the same.
    quiet_from: LocalTime,
    /// Until then.
    quiet_until: LocalTime,
    /// Messages in any 24 hours, 1 to 50.
    per_day: u32,
    /// Messages in any 7 days, 1 to 200.
    per_week: u32,
    /// Days between two messages of care, 0 to 90.
    care_spacing_days: u32,
    /// Days after delivery in which messages of care are sent about products that do not say, 90 to 180.
    care_window_days: u32,
    /// Days after a message in which a purchase counts as brought about by it, 1 to 90.
    conversion_days: u32,
}

impl From<Stored> for MessageTerms {
    fn from(terms: Stored) -> Self {
        Self {
            double_opt_in: terms.double_opt_in,
            quiet_from: LocalTime(terms.quiet_from),
            quiet_until: LocalTime(terms.quiet_until),
            per_day: terms.per_day,
            per_week: terms.per_week,
            care_spacing_days: terms.care_spacing_days,
            care_window_days: terms.care_window_days,
            conversion_days: terms.conversion_days,
        }
    }
}

impl From<MessageTerms> for Stored {
    fn from(terms: MessageTerms) -> Self {
        Self {
            double_opt_in: terms.double_opt_in,
            quiet_from: terms.quiet_from.0,
            quiet_until: terms.quiet_until.0,
            per_day: terms.per_day,
            per_week: terms.per_week,
            care_spacing_days: terms.care_spacing_days,
            care_window_days: terms.care_window_days,
            conversion_days: terms.conversion_days,
        }
    }
}
