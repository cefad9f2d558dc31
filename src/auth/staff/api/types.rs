//! What clients see of staff.

use async_graphql::{Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::staff::{self, Role};
use entity::staff_invitation;

use crate::auth::staff::{factor, invitations};
use crate::customers::email::EmailAddress;
use crate::graphql::global_id::{NodeType, global_id};

/// A set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Role")]
pub(super) enum StaffRole {
    /// Everything.
    Owner,
    /// Everything but staff, keys and audit.
    Manager,
    /// Customers, reading orders, and small adjustments.
    Support,
    /// Reading only.
    Analyst,
}

/// A member of the shop's staff.
#[derive(Debug)]
pub(super) struct StaffMember(pub(super) staff::Model);

#[Object]
impl StaffMember {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Staff, self.0.id)
    }

    /// Signs in with it.
    async fn email(&self) -> Option<EmailAddress> {
        EmailAddress::try_from(self.0.email.clone()).ok()
    }

    /// Shown in the ledger.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What they may do.
    async fn role(&self) -> StaffRole {
        self.0.role.into()
    }

    /// Whether a second factor is asked for at sign-in.
    async fn totp_enabled(&self) -> bool {
        factor::is_in_force(&self.0)
    }

    /// Since when they may not sign in; null if they may.
    async fn disabled_at(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// When they joined.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Whoever asks.
#[derive(Debug, SimpleObject)]
pub(super) struct StaffSelf {
    /// As their colleagues see them.
    pub(super) member: StaffMember,
    /// What they may do, by the names in the descriptions of operations, such as `points.adjust`.
    pub(super) permissions: Vec<&'static str>,
    /// Until when this session may do what needs a step-up; in the past, or null, if it may not.
    pub(super) stepped_up_until: Option<DateTime<Utc>>,
    /// Recovery codes that are not used.
    pub(super) recovery_codes_left: i32,
}

/// An invitation to the shop's staff.
#[derive(Debug)]
pub(super) struct StaffInvitation {
    pub(super) row: staff_invitation::Model,
    pub(super) now: DateTime<Utc>,
}

#[Object]
impl StaffInvitation {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::StaffInvitation, self.row.id)
    }

    /// Where the token went.
    async fn email(&self) -> Option<EmailAddress> {
        EmailAddress::try_from(self.row.email.clone()).ok()
    }

    /// The name that the member will have.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The role that the member will have.
    async fn role(&self) -> StaffRole {
        self.row.role.into()
    }

    /// Which member of staff invited them.
    async fn invited_by(&self) -> ID {
        global_id(NodeType::Staff, self.row.invited_by)
    }

    /// When it was mailed.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When its token ends by itself: seven days later.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// When it was accepted, replaced or withdrawn; null if it was not.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.row.ended_at
    }

    /// Whether its token is still good.
    async fn open(&self) -> bool {
        invitations::is_open(&self.row, self.now)
    }
}
