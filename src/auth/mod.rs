//! Who calls: tokens, API keys, sessions, and proof of a mailbox.

pub mod viewer;
