//! The audit log over GraphQL.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::audit_entry::{Column, Entity, Model};
use entity::id::{CustomerId, StaffId};
use entity::points_entry::ActorKind as StoredActorKind;
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value as Json;

use super::cipher;
use crate::app::App;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::page::{Page, PageArguments, Pages};

/// A page of the audit log.
pub type AuditPages = Pages<i64, AuditEntry>;

/// Which kind of caller did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredActorKind", name = "AuditActorKind")]
pub enum AuditActorKind {
    /// A customer.
    Customer,
    /// A server of the shop.
    Shop,
    /// A member of staff.
    Staff,
    /// Time, rules, the command line, or somebody unknown.
    System,
}

/// What somebody did, or read of a person.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    row: Model,
    detail: Option<Json>,
}

#[Object]
impl AuditEntry {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::AuditEntry, self.row.id)
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.row.at
    }

    /// Which kind of caller it was.
    async fn actor_kind(&self) -> AuditActorKind {
        self.row.actor_kind.into()
    }

    /// Who it was: the id of the customer or member of staff; null for servers of the shop and the system.
    async fn actor_id(&self) -> Option<ID> {
        let id = self.row.actor_id?;
        match self.row.actor_kind {
            StoredActorKind::Customer => Some(global_id(NodeType::Customer, id)),
            StoredActorKind::Staff => Some(global_id(NodeType::Staff, id)),
            StoredActorKind::Shop | StoredActorKind::System => None,
        }
    }

    /// What was done, such as `customer.disable`; reading ends in `.read`.
    async fn act(&self) -> &str {
        &self.row.act
    }

    /// What kind of thing it was done to, such as `Customer`.
    async fn subject_kind(&self) -> Option<&str> {
        self.row.subject_kind.as_deref()
    }

    /// Which thing; null where its kind has no ids.
    async fn subject_id(&self) -> Option<ID> {
        let of = NodeType::of_name(self.row.subject_kind.as_deref()?)?;
        Some(global_id(of, self.row.subject_id?))
    }

    /// On whose behalf.
    async fn customer_id(&self) -> Option<ID> {
        self.row.customer_id.map(|id| global_id(NodeType::Customer, id))
    }

    /// The `x-request-id` of the request that did it.
    async fn request_id(&self) -> Option<&str> {
        self.row.request_id.as_deref()
    }

    /// An object with `reason`, `before` and `after`, as far as there are; null once the customer was erased.
    async fn detail(&self) -> Option<&Json> {
        self.detail.as_ref()
    }

    /// Its place in the chain of hashes, from 1 without gaps, as a decimal number; null until it is sealed, which takes
    /// seconds.
    async fn position(&self) -> Option<String> {
        self.row.position.map(|position| position.to_string())
    }
}

/// Which entries.
#[derive(Debug, Default, InputObject)]
pub struct AuditFilter {
    /// Done to or for this customer, or read of them.
    customer_id: Option<ID>,
    /// Done by this member of staff.
    staff_id: Option<ID>,
    /// This act, such as `customer.disable`.
    act: Option<String>,
    /// At or after this instant.
    from: Option<DateTime<Utc>>,
    /// Before this instant.
    to: Option<DateTime<Utc>>,
}

impl AuditFilter {
    /// An id of nothing names no entries.
    fn condition(self) -> Condition {
        let none = || Column::Seq.is_null();
        let customer = self.customer_id.map(|id| {
            local_id::<CustomerId>(&id, NodeType::Customer).map_or_else(none, |id| Column::CustomerId.eq(id))
        });
        let staff = self.staff_id.map(|id| {
            local_id::<StaffId>(&id, NodeType::Staff).map_or_else(none, |id| Column::ActorId.eq(id.0))
        });
        Condition::all()
            .add_option(customer)
            .add_option(staff)
            .add_option(self.act.map(|act| Column::Act.eq(act)))
            .add_option(self.from.map(|from| Column::At.gte(from)))
            .add_option(self.to.map(|to| Column::At.lt(to)))
    }
}

/// Queries about the audit log.
#[derive(Debug, Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit log, the newest first. For staff with `audit.read`.
    #[graphql(guard = "Allowed")]
    async fn audit_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only entries that match all of it.")] filter: Option<AuditFilter>,
    ) -> Result<AuditPages, ApiError> {
        let page = Page::<i64>::of(PageArguments { first, after, last, before })?;
        let all = Entity::find().filter(filter.unwrap_or_default().condition());
        let app = ctx.data_unchecked::<App>();
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(all.clone().count(&app.db.read).await?)? } else { 0 };
        let mut query = all;
        if let Some(after) = page.after {
            query = query.filter(Column::Seq.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Seq.gt(before));
        }
        let query =
            if page.backwards { query.order_by_asc(Column::Seq) } else { query.order_by_desc(Column::Seq) };
        let rows = query.limit(page.fetch()).all(&app.db.read).await?;
        let entries = opened(app, rows).await?;
        Ok(page.connect(entries, total, |entry| (entry.row.seq, entry)))
    }
}

/// The entries with what can be read of their details.
async fn opened(app: &App, rows: Vec<Model>) -> Result<Vec<AuditEntry>, ApiError> {
    let about: BTreeSet<CustomerId> = rows.iter().filter_map(|row| row.customer_id).collect();
    let ciphers: HashMap<_, _> = cipher::find(&app.db.read, &about).await?;
    let open = |row: Model| {
        let plain = match row.customer_id {
            Some(customer) => ciphers.get(&customer).and_then(|cipher| cipher.decrypt(row.id.0, &row.detail)),
            None => Some(row.detail.clone()),
        };
        let detail = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        AuditEntry { row, detail }
    };
    Ok(rows.into_iter().map(open).collect())
}
