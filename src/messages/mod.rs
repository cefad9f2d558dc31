//! Messages to people. A letter is queued in the transaction that causes it, and written and sent by the worker.

pub mod class;
pub(crate) mod code;
pub(crate) mod consent_confirm;
pub(crate) mod facts;
pub mod letter;
pub mod mailer;
pub(crate) mod quiet;
pub(crate) mod staff_invitation;
pub mod template;
pub mod terms;
pub mod words;

pub use letter::{Letter, enqueue};
