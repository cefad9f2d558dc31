//! The three classes of messages: what each may hold, and what right it needs.

use entity::consent::Purpose;

/// What a message may hold, and what right it needs to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Needed for an order, a payment, a delivery, a membership or the account itself: always sent, never with a promotion.
    Transactional,
    /// About what somebody has already: sent unless they said no, never with a coupon or a price.
    Service(Kind),
    /// Sent to those who said yes.
    Promotional,
}

/// What a message of the service class is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something bought: spaced out, and only for so long after its delivery.
    Care,
    /// A product that somebody owns, even years later.
    Ownership,
    /// Points, tiers, and the standing of the account: once for each cause.
    Account,
}

impl Class {
    /// Of a message for `purpose`; what has none is transactional.
    pub(crate) fn of(purpose: Option<Purpose>) -> Self {
        match purpose {
            None => Self::Transactional,
            Some(Purpose::Care) => Self::Service(Kind::Care),
            Some(Purpose::ProductUpdates) => Self::Service(Kind::Ownership),
            Some(Purpose::Programme) => Self::Service(Kind::Account),
            Some(Purpose::Newsletter | Purpose::Offers | Purpose::Reminders | Purpose::BackInStock) => {
                Self::Promotional
            }
        }
    }

    /// Whether it may show coupons and prices.
    pub(crate) fn may_promote(self) -> bool {
        self == Self::Promotional
    }
}
