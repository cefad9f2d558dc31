//! What people do about their own sessions: end one, or all but the one they are in.

use entity::id::{CustomerId, SessionId};
use entity::session::{self, Audience, Column};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::tokens::Subject;
use super::{AuthError, sessions};
use crate::audit::{self, Entry};
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// Ends one session.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Revoke {
    /// Whether a customer or staff asks.
    pub(crate) audience: Audience,
    /// Who.
    pub(crate) subject: Uuid,
    /// None if the id that was given is no session's.
    pub(crate) session: Option<SessionId>,
}

/// Ends all sessions but one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RevokeOthers {
    /// Whether a customer or staff asks.
    pub(crate) audience: Audience,
    /// Who.
    pub(crate) subject: Uuid,
    /// The one that goes on.
    pub(crate) kept: SessionId,
}

/// Ends a session of whoever asks; one that is over already stays so.
pub(crate) async fn revoke(tx: &Tx, revoke: &Revoke) -> Outcome<SessionId, AuthError> {
    let Revoke { audience, subject, session } = *revoke;
    let Some(session) = session else {
        return refuse(AuthError::SessionNotFound);
    };
    if sessions::end_own(tx, Subject { audience, id: subject, session }).await? {
        let ended = Entry {
            act: "session.revoke",
            subject: Some(("Session", session.0)),
            customer: customer(audience, subject),
            detail: json!({}),
        };
        audit::record(tx, [ended]).await?;
        return Ok(session);
    }
    let own = Column::SubjectId.eq(subject).and(Column::Audience.eq(audience));
    match session::Entity::find_by_id(session).filter(own).count(tx.db()).await? {
        0 => refuse(AuthError::SessionNotFound),
        _ => Ok(session),
    }
}

/// Ends the other sessions of whoever asks; answers how many those were.
pub(crate) async fn revoke_others(tx: &Tx, revoke: &RevokeOthers) -> Outcome<u64, AuthError> {
    let RevokeOthers { audience, subject, kept } = *revoke;
    let ended = sessions::end_all(tx, audience, subject, Some(kept)).await?;
    if ended > 0 {
        let kind = match audience {
            Audience::Customer => "Customer",
            Audience::Staff => "Staff",
        };
        let ended = Entry {
            act: "session.revoke_others",
            subject: Some((kind, subject)),
            customer: customer(audience, subject),
            detail: json!({ "sessionsEnded": ended }),
        };
        audit::record(tx, [ended]).await?;
    }
    Ok(ended)
}

fn customer(audience: Audience, subject: Uuid) -> Option<CustomerId> {
    match audience {
        Audience::Customer => Some(CustomerId(subject)),
        Audience::Staff => None,
    }
}
