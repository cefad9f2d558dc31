//! Messages to people. A letter is queued in the transaction that causes it, and written and sent by the worker.

pub mod api;
pub mod class;
pub(crate) mod code;
pub(crate) mod consent_confirm;
pub mod facts;
mod gather;
pub mod hook;
pub(crate) mod inbox;
pub mod letter;
pub mod mailer;
mod prepare;
mod queue;
pub(crate) mod quiet;
mod recipient;
pub(crate) mod send;
pub(crate) mod staff_invitation;
pub mod template;
pub(crate) mod templates;
pub mod terms;
pub(crate) mod trial;
pub mod words;

pub(crate) use letter::enqueue_for;
pub use letter::{Letter, enqueue};
pub use queue::{NewMessage, queue};
pub(crate) use templates::store::published_template;
