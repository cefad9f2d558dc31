//! Who gets an account and how, over GraphQL.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::auth::policy::RegistrationPolicy as Stored;
use crate::customers::birthday::LeapDayBirthday as StoredLeapDay;
use crate::points::amount::Points;
use crate::referrals;
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

/// How many friends of one referrer count, and when.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ReferralTermsInput")]
pub struct ReferralTerms {
    /// Days from the delivery of the friend's order, or from its payment as long as it is not delivered, until both are
    /// rewarded; 0 to 365.
    vesting_days: u32,
    /// Friends for whom one referrer is rewarded in a calendar year, 1 to 10,000; any number, if null.
    yearly_limit: Option<u32>,
}

impl From<referrals::ReferralTerms> for ReferralTerms {
    fn from(referrals::ReferralTerms { vesting_days, yearly_limit }: referrals::ReferralTerms) -> Self {
        Self { vesting_days, yearly_limit }
    }
}

impl From<ReferralTerms> for referrals::ReferralTerms {
    fn from(ReferralTerms { vesting_days, yearly_limit }: ReferralTerms) -> Self {
        Self { vesting_days, yearly_limit }
    }
}
