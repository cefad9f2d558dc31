//! The registration policy: who gets an account how, and what a guest's order is given.

use serde::{Deserialize, Serialize};

/// Who gets an account, and how; the shop sets it while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RegistrationPolicy {
    /// Whoever orders needs an account; an order of a guest is recorded and flagged.
    Required,
    /// Guests may order, and make an account afterwards with a claim token.
    #[default]
    Optional,
    /// The same, and the first order of a guest mails a one-time sign-in.
    Automatic,
    /// Only staff make accounts.
    Closed,
}

/// What an order of an address that nobody has proven is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestOrder {
    /// Whether it is flagged as one that the shop does not take.
    pub flagged: bool,
    /// Whether it has a claim token.
    pub claimable: bool,
    /// Whether the first one mails a one-time sign-in.
    pub mails_sign_in: bool,
}

impl RegistrationPolicy {
    /// Whether anybody may register.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed)
    }

    /// What an order of an unproven address is given; `guest_checkout` is the shop's switch, which only matters if
    /// registration is closed.
    pub const fn guest_order(self, guest_checkout: bool) -> GuestOrder {
        match self {
            Self::Required => GuestOrder { flagged: true, claimable: false, mails_sign_in: false },
            Self::Optional => GuestOrder { flagged: false, claimable: true, mails_sign_in: false },
            Self::Automatic => GuestOrder { flagged: false, claimable: true, mails_sign_in: true },
            Self::Closed => GuestOrder { flagged: !guest_checkout, claimable: false, mails_sign_in: false },
        }
    }
}
