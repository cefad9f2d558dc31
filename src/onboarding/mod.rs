//! How a buyer becomes a customer with an account: what the shop's policy allows, the claim of an order by whoever placed
//! it, the first sign-in that is mailed after a first order, and accounts that staff prepare.
//!
//! Invariant: none of it gives an account or shows anything of an address; only a proof of the mailbox does.

pub mod api;
mod claim;
mod invite;
mod welcome;

pub(crate) use claim::{Claim, ClaimedOrder, claim, claimed};
pub(crate) use invite::{Invite, InviteError, invite, invited};
pub(crate) use welcome::{FirstOrder, welcome};

use crate::auth::passwords::PasswordProblem;

/// Why no account is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnboardingError {
    /// Unknown, used, ended or of another kind: one and the same.
    ClaimInvalid,
    /// Only staff make accounts.
    RegistrationClosed,
    /// The password cannot be set.
    Password(PasswordProblem),
}
