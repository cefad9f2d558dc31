//! Which sessions somebody has.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::id::SessionId;
use entity::session::{Column, Entity, Model};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::subject;
use crate::app::App;
use crate::auth::sessions;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::page::{Page, PageArguments, Pages};

/// A page of sessions.
pub type SessionPages = Pages<SessionId, Session>;

/// A signed-in device.
#[derive(Clone, Debug)]
pub struct Session {
    row: Model,
    current: bool,
}

impl Session {
    /// As somebody sees it who is in the session `current`.
    pub(super) fn seen_from(current: SessionId, row: Model) -> Self {
        Self { current: row.id == current, row }
    }
}

#[Object]
impl Session {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Session, self.row.id)
    }

    /// Sign-in.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When its tokens were last renewed, or else sign-in.
    async fn last_seen_at(&self) -> DateTime<Utc> {
        self.row.last_seen_at.unwrap_or(self.row.created_at)
    }

    /// When it ends at the latest.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// When it was ended; null while it goes on.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.row.revoked_at
    }

    /// What the client called itself at sign-in, at most 200 characters; any client can write anything here.
    async fn user_agent(&self) -> Option<&str> {
        self.row.user_agent.as_deref()
    }

    /// Whether it is the one that asks.
    async fn current(&self) -> bool {
        self.current
    }
}

/// Queries about sessions.
#[derive(Debug, Default)]
pub struct AuthQuery;

#[Object]
impl AuthQuery {
    /// The sessions of whoever is signed in that can still be used, the newest first. For the customer, staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start; 20 if neither this nor `last` is given, 100 at most.")]
        first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, 100 at most.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<SessionPages, ApiError> {
        let page = Page::of(PageArguments { first, after, last, before })?;
        list(ctx, &page).await
    }
}

async fn list(ctx: &Context<'_>, page: &Page<SessionId>) -> Result<SessionPages, ApiError> {
    let (app, me) = (ctx.data_unchecked::<App>(), subject(ctx)?);
    let now = app.clock.now();
    // A session whose refresh token was not used in time cannot go on.
    let used = Column::LastSeenAt.is_null().or(Column::LastSeenAt.gt(now - sessions::TOKEN_LIFE));
    let open = Condition::all()
        .add(Column::SubjectId.eq(me.id))
        .add(Column::Audience.eq(me.audience))
        .add(Column::RevokedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
        .add(used);
    let all = Entity::find().filter(open);
    let counted = ctx.look_ahead().field("totalCount").exists();
    let total = if counted { i64::try_from(all.clone().count(&app.db.read).await?)? } else { 0 };
    let mut query = all;
    if let Some(after) = page.after {
        query = query.filter(Column::Id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(Column::Id.gt(before));
    }
    // Ids rise with time.
    let query = if page.backwards { query.order_by_asc(Column::Id) } else { query.order_by_desc(Column::Id) };
    let rows = query.limit(page.fetch()).all(&app.db.read).await?;
    Ok(page.connect(rows, total, |row| (row.id, Session::seen_from(me.session, row))))
}
