//! The outbox: events written with the change that caused them. After commit the relay gives each its position,
//! without gaps, and consumers page by it; ordering by id would skip rows of transactions that commit late.

use entity::Instant;
use entity::outbox::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::Fault;
use crate::tx::Tx;

/// How many events get their position in one transaction.
const BATCH: u64 = 500;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Such as `points.earned`.
    pub topic: &'static str,
    /// What it happened to.
    pub aggregate_id: Uuid,
    /// Ids and amounts; personal values stay out.
    pub payload: Json,
    /// History: triggers no mail and no journey.
    pub imported: bool,
    /// When.
    pub occurred_at: Instant,
}

/// Writes `events` with the change of this transaction.
pub async fn emit(tx: &Tx, events: impl IntoIterator<Item = Event>) -> Result<(), Fault> {
    let mut rows = Rows::new(
        "outbox",
        &["id", "topic", "aggregate_id", "payload", "imported", "occurred_at", "position"],
    );
    for event in events {
        rows.push([
            tx.id::<Uuid>().into(),
            event.topic.into(),
            event.aggregate_id.into(),
            event.payload.into(),
            event.imported.into(),
            event.occurred_at.into(),
            None::<i64>.into(),
        ]);
    }
    tx.wake_worker();
    rows.insert(tx.db()).await
}

/// Gives positions to committed events that have none; answers how many.
pub async fn relay(app: &App) -> Result<usize, Fault> {
    let waiting = Entity::find().filter(Column::Position.is_null()).limit(1).one(&app.db.read).await?;
    if waiting.is_none() {
        return Ok(0);
    }
    app.change(&(), async |tx: &Tx, ()| number(tx).await).await
}

async fn number(tx: &Tx) -> Result<usize, Fault> {
    if !alone(tx).await? {
        return Ok(0);
    }
    let last: Option<Option<i64>> =
        Entity::find().select_only().expr(Column::Position.max()).into_tuple().one(tx.db()).await?;
    let waiting: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Seq)
        .filter(Column::Position.is_null())
        .order_by_asc(Column::Seq)
        .limit(BATCH)
        .into_tuple()
        .all(tx.db())
        .await?;
    let mut rows = Rows::new("outbox", &["seq", "position"]);
    for (seq, position) in waiting.iter().zip(last.flatten().unwrap_or_default() + 1..) {
        rows.push([(*seq).into(), position.into()]);
    }
    rows.update(tx.db(), " AND t.position IS NULL").await?;
    Ok(waiting.len())
}

/// Whether no other instance is numbering now.
async fn alone(tx: &Tx) -> Result<bool, Fault> {
    let lock = dialect::try_lock(tx.db().get_database_backend(), Expr::val("outbox.relay"));
    let query = sea_orm::sea_query::Query::select().expr_as(lock, "alone").take();
    let row = tx.db().query_one(&query).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get("", "alone")?))
}
