//! Failures on demand.

use std::time::Duration;

/// Something that shall go wrong with the next calls of a kind.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The beginning of the path, such as `/v1/subscriptions`.
    pub path_prefix: String,
    /// How many calls it strikes.
    pub times: usize,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is done, and the answer is 429 (with `Retry-After`), 500 or 503.
    Status(u16),
    /// The work is done, but the answer is this status, and stays so under the same idempotency key.
    StatusAfterCommit(u16),
    /// Nothing is done and no answer comes until the client gives up.
    Hang,
    /// The work is done, then the connection closes without an answer.
    ResetAfterCommit,
    /// The work is done, and no answer comes until the client gives up.
    HangAfterCommit,
    /// The work begins only after that time; until then its idempotency key is in use.
    Slow(Duration),
    /// A retrieve answers with what was there before the last change.
    StaleRead,
}

impl Fault {
    /// Strikes once.
    pub fn once(method: &str, path_prefix: &str, kind: FaultKind) -> Self {
        Self { method: method.to_owned(), path_prefix: path_prefix.to_owned(), times: 1, kind }
    }
}

/// The fault that strikes this call, if any; it counts as used.
pub(crate) fn strike(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<FaultKind> {
    let hit = |fault: &&mut Fault| fault.method == method && path.starts_with(&fault.path_prefix);
    let fault = faults.iter_mut().find(hit)?;
    fault.times = fault.times.saturating_sub(1);
    let kind = fault.kind;
    faults.retain(|fault| fault.times > 0);
    Some(kind)
}
