//! Consent: what somebody said may be sent to them, what that comes to, and the addresses that nothing is sent to.
//!
//! Invariant: what stands for a person, a purpose and a channel is what [`state::of`] makes of all that was said, in whatever
//! order it was told; and only whoever reads a mailbox makes a confirmed consent out of one that was asked for.

pub(crate) mod api;
pub(crate) mod bounces;
mod error;
mod pages;
mod permit;
mod person;
mod prune;
mod rate;
mod record;
mod request;
mod state;
pub(crate) mod suppress;
mod unsubscribe;
mod update;

pub(crate) use error::ConsentError;
pub(crate) use pages::{Page, STYLES};
pub(crate) use permit::{Permissions, permissions};
pub(crate) use prune::prune;
pub(crate) use record::{merge, moved, readdress};
pub(crate) use request::{LetterOf, confirm, find as find_request, is_token as is_request_token, letter};
pub(crate) use suppress::suppressed;
pub(crate) use unsubscribe::{is_token as is_unsubscribe_token, subject, unsubscribe, unsubscribe_url};
