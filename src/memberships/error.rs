use std::fmt;

use entity::Instant;
use entity::membership::MembershipState;

/// Why nothing was done to a membership or plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MembershipError {
    /// No such membership, plan or customer.
    NotFound,
    /// A value is out of its bounds.
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no such plan, or it cannot be joined any more.
    PlanNotOffered,
    /// The customer has a membership that has not ended.
    AlreadyMember,
    /// The state of the membership does not admit it.
    InvalidState {
        /// Where it is.
        state: MembershipState,
    },
    /// It is to last longer.
    MinimumTerm {
        /// Until then, at least.
        until: Instant,
    },
    /// The time for withdrawing is over.
    WithdrawalOver,
    /// A benefit was used, so that withdrawing is over.
    BenefitUsed,
    /// The card was declined.
    PaymentDeclined,
    /// Payments cannot be reached: it is done as soon as they can be.
    PaymentsUnavailable,
    /// Whoever takes the money refused it for good.
    PaymentRefused,
    /// There are as many plans as there may be.
    TooManyPlans,
}

/// For a person, with the amounts in it.
impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("There is no such thing."),
            Self::Invalid { field, problem } => write!(f, "{field} {problem}."),
            Self::PlanNotOffered => f.write_str("This plan cannot be joined."),
            Self::AlreadyMember => f.write_str("There is a membership already."),
            Self::InvalidState { state } => {
                write!(f, "The membership is {state:?}, or about to end, which does not admit this.")
            }
            Self::MinimumTerm { until } => write!(f, "The membership lasts until {until} at least."),
            Self::WithdrawalOver => f.write_str("The 14 days for withdrawing are over."),
            Self::BenefitUsed => f.write_str("A benefit was used: withdrawing is not possible any more."),
            Self::PaymentDeclined => f.write_str("The card was declined."),
            Self::PaymentsUnavailable => {
                f.write_str("Payments cannot be reached now. It is done as soon as they can be; ask again.")
            }
            Self::PaymentRefused => f.write_str("The payment service refused this."),
            Self::TooManyPlans => f.write_str("There are 20 plans already."),
        }
    }
}
