//! Messages to people. A mail is queued in the transaction that causes it and sent by the worker.

pub(crate) mod code;
pub mod mailer;
pub(crate) mod staff_invitation;
