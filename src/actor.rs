//! Who does something: kept with every entry of the ledger.

use entity::points_entry::ActorKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which kind of caller.
    pub kind: ActorKind,
    /// The customer, key owner or member of staff; none for the system.
    pub id: Option<Uuid>,
}

impl Actor {
    /// Time and rules.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: None };
}
