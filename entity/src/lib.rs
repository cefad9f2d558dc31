//! The tables of Regulars, one a file. No logic and no GraphQL here.

pub mod api_key;
pub mod audit_entry;
pub mod cart;
pub mod coupon;
pub mod coupon_use;
pub mod customer;
pub mod customer_address;
pub mod customer_key;
pub mod customer_word;
pub mod earning_rule;
pub mod earning_rule_version;
pub mod earning_use;
pub mod guest_identity;
pub mod id;
pub mod idempotency_key;
pub mod job;
pub mod mailbox_challenge;
pub mod order;
pub mod order_line;
pub mod order_return;
pub mod outbox;
pub mod points_account;
pub mod points_adjustment;
pub mod points_consumption;
pub mod points_entry;
pub mod points_expiry_warning;
pub mod points_hold;
pub mod points_lot;
pub mod product;
pub mod product_term;
pub mod rate_limit;
pub mod referral;
pub mod referral_code;
pub mod refresh_token;
pub mod reward;
pub mod reward_claim;
pub mod server_key;
pub mod session;
pub mod shop_settings;
pub mod staff;
pub mod staff_invitation;
pub mod staff_recovery_code;
pub mod waitlist_entry;

/// An instant in UTC, cut to microseconds before it is stored.
pub type Instant = chrono::DateTime<chrono::Utc>;
