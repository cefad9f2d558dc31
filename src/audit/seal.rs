//! The seal: a job gives entries their place and hash, in order, each hash covering the one before it. Entries are written
//! unchained, so that nobody who writes one waits for another.

use aws_lc_rs::digest::{Context, SHA256};
use entity::audit_entry::{Column, Entity, Model};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::Fault;
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "audit.seal";
/// Every ten seconds.
pub(crate) const SCHEDULE: &str = "*/10 * * * * *";
/// Entries sealed in one transaction.
const BATCH: u64 = 500;

/// What the first entry's hash covers in place of the one before it.
pub(crate) const BEGINNING: [u8; 32] = [0; 32];

/// The hash of an entry at its place: SHA-256 of the hash before it and of every column, each with its length, so that no
/// two entries read the same.
pub(crate) fn hash(before: &[u8], position: i64, entry: &Model) -> Vec<u8> {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.as_bytes().to_vec());
    let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let columns = [
        Some(position.to_be_bytes().to_vec()),
        Some(entry.id.0.as_bytes().to_vec()),
        Some(entry.at.timestamp_micros().to_be_bytes().to_vec()),
        Some(entry.actor_kind.to_value().into_bytes()),
        id(entry.actor_id),
        Some(entry.act.clone().into_bytes()),
        text(&entry.subject_kind),
        id(entry.subject_id),
        id(entry.customer_id.map(|customer| customer.0)),
        text(&entry.request_id),
        Some(entry.detail.clone()),
    ];
    let mut digest = Context::new(&SHA256);
    digest.update(before);
    for column in columns {
        // What is missing is told from what is empty.
        let length =
            column.as_ref().map_or(u64::MAX, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX - 1));
        digest.update(&length.to_be_bytes());
        digest.update(column.as_deref().unwrap_or_default());
    }
    digest.finish().as_ref().to_vec()
}

/// Seals what waits.
pub(crate) async fn run(app: &App) -> Result<(), Fault> {
    loop {
        let waiting = Entity::find().filter(Column::Position.is_null()).limit(1).one(&app.db.read).await?;
        if waiting.is_none() || app.change(&(), seal).await? == 0 {
            return Ok(());
        }
    }
}

async fn seal(tx: &Tx, (): &()) -> Result<usize, Fault> {
    if !alone(tx).await? {
        return Ok(0);
    }
    let last = Entity::find().filter(Column::Position.is_not_null()).order_by_desc(Column::Position);
    let last = last.one(tx.db()).await?;
    let mut position = last.as_ref().and_then(|entry| entry.position).unwrap_or_default();
    let mut before = last.and_then(|entry| entry.hash).unwrap_or_else(|| BEGINNING.to_vec());
    let waiting = Entity::find().filter(Column::Position.is_null()).order_by_asc(Column::Seq).limit(BATCH);
    let waiting = waiting.all(tx.db()).await?;
    let mut rows = Rows::new("audit_entries", &["seq", "position", "hash"]);
    for entry in &waiting {
        position += 1;
        before = hash(&before, position, entry);
        rows.push([entry.seq.into(), position.into(), before.clone().into()]);
    }
    rows.update(tx.db(), " AND t.position IS NULL").await?;
    Ok(waiting.len())
}

/// Whether no other instance seals now.
async fn alone(tx: &Tx) -> Result<bool, Fault> {
    let lock = dialect::try_lock(tx.db().get_database_backend(), Expr::val("audit.seal"));
    let row = tx.db().query_one(&Query::select().expr_as(lock, "alone").take()).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get("", "alone")?))
}
