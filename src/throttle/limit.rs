//! The limits by name, and whom each counts.

use aws_lc_rs::hmac;

use super::counts::Counts;
use super::window::Window;
use crate::config::RateLimits;

const MINUTE: i64 = 60_000;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    /// Anonymous requests of an address.
    Address,
    /// Requests of an address whose credentials were rejected.
    Rejections,
    /// Requests of a customer or member of staff.
    Account,
    /// Requests with an API key.
    ApiKey,
    /// Tries of passwords and codes from an address.
    Credentials,
    /// Refresh tokens from an address.
    Refreshes,
    /// Codes of coupons from an address that were no coupon's.
    Codes,
    /// Tries for a mailbox.
    Mailbox,
}

impl Limit {
    /// Those that are counted on each instance and exchanged. All have the same length.
    pub(super) const ORDINARY: [Self; 4] = [Self::Address, Self::Rejections, Self::Account, Self::ApiKey];
    /// The length of an ordinary window in milliseconds.
    pub(super) const ORDINARY_LENGTH: i64 = MINUTE;
    /// The longest length in milliseconds.
    pub(super) const LONGEST: i64 = 10 * MINUTE;

    /// As in the metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rejections => "rejections",
            Self::Account => "account",
            Self::ApiKey => "api_key",
            Self::Credentials => "credentials",
            Self::Refreshes => "refreshes",
            Self::Codes => "codes",
            Self::Mailbox => "mailbox",
        }
    }

    /// Its window; none if it is off.
    pub(super) fn window(self, limits: &RateLimits) -> Option<Window> {
        let (most, length) = match self {
            Self::Address | Self::Rejections => (limits.max_requests_per_address, Self::ORDINARY_LENGTH),
            Self::Account => (limits.max_requests_per_account, Self::ORDINARY_LENGTH),
            Self::ApiKey => (limits.max_requests_per_api_key, Self::ORDINARY_LENGTH),
            Self::Credentials | Self::Codes => (limits.max_credentials_per_address, MINUTE),
            Self::Refreshes => (limits.max_refreshes_per_address, MINUTE),
            Self::Mailbox => (limits.max_credentials_per_mailbox, Self::LONGEST),
        };
        (most > 0).then_some(Window { length, most })
    }

    /// The key of a subject in the database. Hashed with a key of the server, so that the table tells neither addresses
    /// nor who is known.
    pub(super) fn key(self, secret: &hmac::Key, subject: u128) -> [u8; 16] {
        first_half(secret, &[b"rate limit", self.name().as_bytes(), &subject.to_be_bytes()])
    }
}

/// Whom a mailbox counts as, known or not.
pub(super) fn of_mailbox(secret: &hmac::Key, mailbox_key: &str) -> u128 {
    u128::from_be_bytes(first_half(secret, &[b"rate limit of a mailbox", mailbox_key.as_bytes()]))
}

fn first_half(secret: &hmac::Key, parts: &[&[u8]]) -> [u8; 16] {
    let tag = hmac::sign(secret, &parts.join(&0x1f));
    let mut half = [0; 16];
    half.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    half
}

/// The counts of every limit on this instance.
#[derive(Debug)]
pub(super) struct AllCounts {
    address: Counts,
    rejections: Counts,
    account: Counts,
    api_key: Counts,
    credentials: Counts,
    refreshes: Counts,
    codes: Counts,
    mailbox: Counts,
}

impl AllCounts {
    /// Of nobody yet.
    pub(super) fn new(is_shared: bool) -> Self {
        let fresh = || Counts::new(is_shared);
        Self {
            address: fresh(),
            rejections: fresh(),
            account: fresh(),
            api_key: fresh(),
            credentials: fresh(),
            refreshes: fresh(),
            codes: fresh(),
            mailbox: fresh(),
        }
    }

    /// Of one.
    pub(super) fn of(&self, limit: Limit) -> &Counts {
        match limit {
            Limit::Address => &self.address,
            Limit::Rejections => &self.rejections,
            Limit::Account => &self.account,
            Limit::ApiKey => &self.api_key,
            Limit::Credentials => &self.credentials,
            Limit::Refreshes => &self.refreshes,
            Limit::Codes => &self.codes,
            Limit::Mailbox => &self.mailbox,
        }
    }
}
