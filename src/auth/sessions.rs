//! Sessions: a signed-in device and its family of refresh tokens, of which one at a time is good.
//!
//! A token that comes back after it was used means that two hold it: the whole session ends.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{CustomerId, SessionId, StaffId};
use entity::refresh_token::{self, Column as TokenColumn};
use entity::session::{self, Audience, Column};
use entity::staff::Role;
use entity::{customer, staff};
use sea_orm::sea_query::{Expr, IntoColumnRef, JoinType, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait,
    QueryFilter, QueryResult, QuerySelect, Set,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::tokens::{self, Subject};
use super::viewer::Viewer;
use super::{AuthError, Authenticated, Credential, Unauthenticated, keys, secret};
use crate::app::App;
use crate::error::{Fault, Outcome, refuse, refuse_recorded};
use crate::notices::Notice;
use crate::throttle;
use crate::tx::Tx;

/// A session ends at the latest after this.
const LIFE: TimeDelta = TimeDelta::days(90);
/// A refresh token that is not used ends after this.
pub(crate) const TOKEN_LIFE: TimeDelta = TimeDelta::days(30);
/// For so long a used token still works if its successor is unused: two tabs may refresh at once.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// What a client signs in with from now on.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: SecretString,
    /// When the access token ends.
    pub access_token_expires_at: Instant,
    /// For the next pair of tokens; good once, but for ten seconds of grace.
    pub refresh_token: SecretString,
}

/// A session with its newest refresh token, as a transaction left it.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) subject: Subject,
    refresh_token: SecretString,
    at: Instant,
    ends: Instant,
}

impl Opened {
    /// Adds the access token; after the commit, so that no token is signed for what was rolled back.
    pub(crate) fn tokens(self, app: &App) -> Result<Tokens, Fault> {
        let signing = app.keys.signing(self.subject.audience)?;
        let jti = app.ids.uuid(self.at);
        let issuer = &app.config.public_url;
        let (access_token, access_token_expires_at) =
            tokens::issue(&signing, issuer, self.subject, self.at, self.ends, jti)?;
        Ok(Tokens {
            access_token: access_token.into(),
            access_token_expires_at,
            refresh_token: self.refresh_token,
        })
    }
}

/// Opens a session for a customer or member of staff whose credentials were proven in this transaction.
pub(crate) async fn open(tx: &Tx, audience: Audience, subject: Uuid) -> Result<Opened, Fault> {
    let row = session::ActiveModel {
        id: Set(tx.id()),
        audience: Set(audience),
        subject_id: Set(subject),
        created_at: Set(tx.now()),
        expires_at: Set(tx.after(LIFE)),
        revoked_at: Set(None),
        authenticated_at: Set(Some(tx.now())),
        last_seen_at: Set(Some(tx.now())),
        user_agent: Set(tx.caller().user_agent.clone()),
    };
    let session = row.insert(tx.db()).await?;
    issue(tx, &session, None).await
}

async fn issue(tx: &Tx, session: &session::Model, parent: Option<Vec<u8>>) -> Result<Opened, Fault> {
    let refresh_token = secret::token()?;
    let row = refresh_token::ActiveModel {
        hash: Set(secret::hash(refresh_token.expose_secret())),
        session_id: Set(session.id),
        parent_hash: Set(parent),
        created_at: Set(tx.now()),
        expires_at: Set(std::cmp::min(tx.after(TOKEN_LIFE), session.expires_at)),
        used_at: Set(None),
    };
    row.insert(tx.db()).await?;
    let subject = Subject { audience: session.audience, id: session.subject_id, session: session.id };
    Ok(Opened { subject, refresh_token, at: tx.now(), ends: session.expires_at })
}

/// Gives the next pair of tokens for a refresh token, once.
pub(crate) async fn refresh(tx: &Tx, token: &SecretString) -> Outcome<Opened, AuthError> {
    let hash = secret::hash(token.expose_secret());
    let Some(session) = session_of(tx, &hash).await? else {
        return refuse(AuthError::RefreshTokenInvalid);
    };
    // Read again behind the lock on the session: another refresh may have been under way.
    let token = refresh_token::Entity::find_by_id(hash.clone()).one(tx.db()).await?;
    let Some(token) = token.filter(|token| token.expires_at > tx.now()) else {
        return refuse(AuthError::RefreshTokenInvalid);
    };
    if session.revoked_at.is_some() || session.expires_at <= tx.now() || !is_welcome(tx, &session).await? {
        return refuse(AuthError::RefreshTokenInvalid);
    }
    let used = refresh_token::Entity::update_many()
        .col_expr(TokenColumn::UsedAt, Expr::val(tx.now()))
        .filter(TokenColumn::Hash.eq(hash.clone()).and(TokenColumn::UsedAt.is_null()))
        .exec(tx.db())
        .await?;
    if used.rows_affected == 1 || is_in_grace(tx, &token).await? {
        seen(tx, session.id).await?;
        return Ok(issue(tx, &session, Some(hash)).await?);
    }
    tracing::warn!(session.id = %session.id.0, "a used refresh token came back: the session ends");
    revoke_one(tx, session.id).await?;
    refuse_recorded(AuthError::RefreshTokenInvalid)
}

/// Ends the session of a refresh token, be it the newest or not; an unknown token has none to end.
pub(crate) async fn end(tx: &Tx, token: &SecretString) -> Result<(), Fault> {
    match session_of(tx, &secret::hash(token.expose_secret())).await? {
        Some(session) => revoke_one(tx, session.id).await,
        None => Ok(()),
    }
}

async fn revoke_one(tx: &Tx, session: SessionId) -> Result<(), Fault> {
    tx.tell(Notice::SessionEnded(session));
    revoked(tx, Column::Id.eq(session)).await?;
    Ok(())
}

/// Ends every session of a customer or member of staff but `kept`, if any is kept; answers how many those were.
pub(crate) async fn end_all(
    tx: &Tx,
    audience: Audience,
    subject: Uuid,
    kept: Option<SessionId>,
) -> Result<u64, Fault> {
    let theirs = Column::SubjectId.eq(subject).and(Column::Audience.eq(audience));
    let others = match kept {
        Some(kept) => theirs.and(Column::Id.ne(kept)),
        None => theirs,
    };
    tx.tell(Notice::StandingChanged { audience, subject });
    revoked(tx, others.and(Column::ExpiresAt.gt(tx.now()))).await
}

/// Ends one session of a person; false if it is not theirs, or over.
pub(crate) async fn end_own(tx: &Tx, whose: Subject) -> Result<bool, Fault> {
    let own = Column::SubjectId.eq(whose.id).and(Column::Audience.eq(whose.audience));
    let ended =
        revoked(tx, own.and(Column::Id.eq(whose.session)).and(Column::ExpiresAt.gt(tx.now()))).await? == 1;
    if ended {
        tx.tell(Notice::SessionEnded(whose.session));
    }
    Ok(ended)
}

/// Whether a session goes on: what asks for it was checked before the transaction began.
pub(crate) async fn is_open(tx: &Tx, session: SessionId) -> Result<bool, Fault> {
    let open = Column::RevokedAt.is_null().and(Column::ExpiresAt.gt(tx.now()));
    Ok(session::Entity::find_by_id(session).filter(open).count(tx.db()).await? == 1)
}

/// A password or code was given in a session; false if it is over.
pub(crate) async fn authenticated(tx: &Tx, session: SessionId) -> Result<bool, Fault> {
    let open = Column::RevokedAt.is_null().and(Column::ExpiresAt.gt(tx.now()));
    let noted = session::Entity::update_many()
        .col_expr(Column::AuthenticatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(session).and(open))
        .exec(tx.db())
        .await?;
    Ok(noted.rows_affected == 1)
}

async fn seen(tx: &Tx, session: SessionId) -> Result<(), Fault> {
    session::Entity::update_many()
        .col_expr(Column::LastSeenAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(session))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn revoked(tx: &Tx, which: sea_orm::sea_query::SimpleExpr) -> Result<u64, Fault> {
    let revoked = session::Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::val(tx.now()))
        .filter(which.and(Column::RevokedAt.is_null()))
        .exec(tx.db())
        .await?;
    Ok(revoked.rows_affected)
}

/// The session that a refresh token belongs to, locked.
async fn session_of(tx: &Tx, hash: &[u8]) -> Result<Option<session::Model>, Fault> {
    let Some(token) = refresh_token::Entity::find_by_id(hash.to_vec()).one(tx.db()).await? else {
        return Ok(None);
    };
    Ok(session::Entity::find_by_id(token.session_id).lock_exclusive().one(tx.db()).await?)
}

async fn is_in_grace(tx: &Tx, token: &refresh_token::Model) -> Result<bool, Fault> {
    let recent = token.used_at.is_some_and(|used| tx.now() - used <= GRACE);
    if !recent {
        return Ok(false);
    }
    let successors_used = refresh_token::Entity::find()
        .filter(TokenColumn::SessionId.eq(token.session_id))
        .filter(TokenColumn::ParentHash.eq(token.hash.clone()).and(TokenColumn::UsedAt.is_not_null()))
        .count(tx.db())
        .await?;
    Ok(successors_used == 0)
}

async fn is_welcome(tx: &Tx, session: &session::Model) -> Result<bool, Fault> {
    Ok(match session.audience {
        Audience::Customer => customer::Entity::find_by_id(CustomerId(session.subject_id))
            .one(tx.db())
            .await?
            .is_some_and(|row| row.registered_at.is_some() && row.disabled_at.is_none()),
        Audience::Staff => staff::Entity::find_by_id(StaffId(session.subject_id))
            .one(tx.db())
            .await?
            .is_some_and(|row| row.disabled_at.is_none()),
    })
}

/// Who sends this access token: signed by us, and its session and person in good standing, as far as is known. `stranger`
/// is what a token gets of a key that is not known.
pub(crate) async fn viewer(
    app: &App,
    token: &str,
    stranger: Result<(), Fault>,
) -> Result<Authenticated, Unauthenticated> {
    let id = tokens::key_of(token).ok_or(Unauthenticated::Rejected)?;
    let is_limited = stranger.is_err();
    let key = if let Some(key) = app.keys.known(id) {
        key
    } else {
        stranger?;
        keys::looked_up(app, id).await?.ok_or(Unauthenticated::Rejected)?
    };
    let now = app.clock.now();
    let subject =
        tokens::verify(&key, &app.config.public_url, now, token).ok_or(Unauthenticated::Rejected)?;
    // A token of somebody else for a known session is not known.
    if let Some((known, viewer)) =
        app.known_sessions.get(&subject.session, now, |read| app.notices.cover(read))
        && known == subject
    {
        return Ok(Authenticated { viewer, remembered: Some(Credential::Session(subject)) });
    }
    if is_limited {
        // Signed by us, but its session may have ended: what follows from that is bounded all the same.
        throttle::account(app, subject.id)?;
    }
    Ok(look_up(app, subject).await?.into())
}

/// Asks the database for the session and the person of a token that was verified, and remembers the answer. What this
/// reads changes together with [`Notice::SessionEnded`] or [`Notice::StandingChanged`].
pub(super) async fn look_up(app: &App, subject: Subject) -> Result<Viewer, Unauthenticated> {
    let reading = app.known_sessions.begin_reading();
    let Some((viewer, ends)) = read_standing(app, subject).await? else {
        app.known_sessions.forget(&subject.session);
        return Err(Unauthenticated::Rejected);
    };
    app.known_sessions.remember(reading, &subject.session, (subject, viewer.clone()), Some(ends));
    Ok(viewer)
}

/// The viewer and when the session ends, if both are in good standing.
async fn read_standing(app: &App, subject: Subject) -> Result<Option<(Viewer, Instant)>, Fault> {
    let mut query = open_session(subject, app.clock.now());
    let viewer = match subject.audience {
        Audience::Customer => {
            let standing = Expr::col((customer::Entity, customer::Column::DisabledAt)).is_null();
            let registered = Expr::col((customer::Entity, customer::Column::RegisteredAt)).is_not_null();
            of_subject(&mut query, customer::Entity, (customer::Entity, customer::Column::Id));
            query.and_where(standing).and_where(registered);
            let Some(row) = app.db.read.query_one(&query).await? else { return Ok(None) };
            let (customer, session) = (CustomerId(subject.id), subject.session);
            let viewer = Viewer::Customer { customer, session, authenticated_at: authenticated_at(&row)? };
            Some((viewer, row.try_get("", "expires_at")?))
        }
        Audience::Staff => {
            let standing = Expr::col((staff::Entity, staff::Column::DisabledAt)).is_null();
            of_subject(&mut query, staff::Entity, (staff::Entity, staff::Column::Id));
            query.column((staff::Entity, staff::Column::Role)).and_where(standing);
            let Some(row) = app.db.read.query_one(&query).await? else { return Ok(None) };
            let role: Role = row.try_get("", "role")?;
            let (staff, session) = (StaffId(subject.id), subject.session);
            let viewer = Viewer::Staff { staff, session, role, authenticated_at: authenticated_at(&row)? };
            Some((viewer, row.try_get("", "expires_at")?))
        }
    };
    Ok(viewer)
}

/// Sessions opened before this was kept have only their beginning.
fn authenticated_at(row: &QueryResult) -> Result<Instant, DbErr> {
    let given: Option<Instant> = row.try_get("", "authenticated_at")?;
    given.map_or_else(|| row.try_get("", "created_at"), Ok)
}

/// The session of a token, if it is open.
fn open_session(subject: Subject, now: Instant) -> SelectStatement {
    let column = |column: Column| Expr::col((session::Entity, column));
    Query::select()
        .column((session::Entity, Column::CreatedAt))
        .column((session::Entity, Column::AuthenticatedAt))
        .column((session::Entity, Column::ExpiresAt))
        .from(session::Entity)
        .and_where(column(Column::Id).eq(subject.session))
        .and_where(column(Column::SubjectId).eq(subject.id))
        .and_where(column(Column::Audience).eq(subject.audience))
        .and_where(column(Column::RevokedAt).is_null())
        .and_where(column(Column::ExpiresAt).gt(now))
        .take()
}

fn of_subject(
    query: &mut SelectStatement,
    table: impl sea_orm::sea_query::IntoTableRef,
    id: impl IntoColumnRef,
) {
    let subject = Expr::col((session::Entity, Column::SubjectId));
    query.join(JoinType::InnerJoin, table, Expr::col(id).eq(subject));
}

#[cfg(test)]
mod tests;
