//! The outbox: events written with the change that caused them. After commit the relay gives each its position,
//! without gaps, and consumers page by it; ordering by id would skip rows of transactions that commit late.

use entity::Instant;
use entity::outbox::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::Fault;
use crate::tx::Tx;

/// How many events get their position in one transaction.
const BATCH: usize = 500;

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
    let waiting = waiting().limit(1).into_tuple::<i64>().one(&app.db.read).await?;
    let mut relayed = 0;
    let mut is_more = waiting.is_some();
    while is_more {
        let numbered = app.change(&(), async |tx: &Tx, ()| number(tx).await).await?;
        relayed += numbered;
        is_more = numbered == BATCH;
    }
    Ok(relayed)
}

/// The numbers of those without a position, in order.
fn waiting() -> Select<Entity> {
    let numbers = Entity::find().select_only().column(Column::Seq);
    numbers.filter(Column::Position.is_null()).order_by_asc(Column::Seq)
}

/// Numbers a batch of them; answers how many.
async fn number(tx: &Tx) -> Result<usize, Fault> {
    if !alone(tx).await? {
        return Ok(0);
    }
    let last: i64 = last_position(tx).await?;
    let waiting: Vec<i64> = waiting().limit(u64::try_from(BATCH)?).into_tuple().all(tx.db()).await?;
    let mut rows = Rows::new("outbox", &["seq", "position"]);
    for (seq, position) in waiting.iter().zip(last + 1..) {
        rows.push([(*seq).into(), position.into()]);
    }
    rows.update(tx.db(), " AND t.position IS NULL").await?;
    Ok(waiting.len())
}

/// The highest position so far, 0 before the first.
pub(crate) async fn last_position(tx: &Tx) -> Result<i64, Fault> {
    let positions = Entity::find().select_only().column(Column::Position);
    let last = positions.filter(Column::Position.is_not_null()).order_by_desc(Column::Position).limit(1);
    Ok(last.into_tuple().one(tx.db()).await?.unwrap_or_default())
}

/// Whether no other instance is numbering now.
async fn alone(tx: &Tx) -> Result<bool, Fault> {
    let lock = dialect::try_lock(tx.db().get_database_backend(), Expr::val("outbox.relay"));
    let query = sea_orm::sea_query::Query::select().expr_as(lock, "alone").take();
    let row = tx.db().query_one(&query).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get("", "alone")?))
}
