//! Who gets an account and how, over GraphQL.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::auth::policy::RegistrationPolicy as Stored;
use crate::customers::birthday::LeapDayBirthday as StoredLeapDay;
use crate::points::amount::Points;
use crate::settings::AdjustmentLimits;

/// Who gets an account, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Stored")]
pub enum RegistrationPolicy {
    /// Whoever orders needs an account; an order of a guest is recorded and flagged `GUEST_NOT_ALLOWED`.
    Required,
    /// Guests may order, and make an account afterwards with a claim token.
    Optional,
    /// The same, and the first order of a guest mails a one-time sign-in.
    Automatic,
    /// Only staff make accounts.
    Closed,
}

/// When somebody born on 29 February has a birthday in a year without that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredLeapDay")]
pub enum LeapDayBirthday {
    /// On 28 February.
    #[graphql(name = "FEBRUARY_28")]
    February28,
    /// On 1 March.
    #[graphql(name = "MARCH_1")]
    March1,
}

/// The most points that each role may adjust by at once; more waits for a second person.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PointsAdjustmentLimitsInput")]
pub struct PointsAdjustmentLimits {
    /// For owners; no bound, if null.
    owner: Option<Points>,
    /// For managers; no bound, if null.
    manager: Option<Points>,
    /// For support; no bound, if null.
    support: Option<Points>,
}

impl From<AdjustmentLimits> for PointsAdjustmentLimits {
    fn from(AdjustmentLimits { owner, manager, support }: AdjustmentLimits) -> Self {
        Self { owner, manager, support }
    }
}

impl From<PointsAdjustmentLimits> for AdjustmentLimits {
    fn from(PointsAdjustmentLimits { owner, manager, support }: PointsAdjustmentLimits) -> Self {
        Self { owner, manager, support }
    }
}
