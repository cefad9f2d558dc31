//! Messages to people. A letter is queued in the transaction that causes it, and written and sent by the worker.

pub(crate) mod code;
pub mod letter;
pub mod mailer;
pub(crate) mod staff_invitation;
pub mod template;
pub mod words;

pub use letter::{Letter, enqueue};
