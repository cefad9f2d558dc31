//! Idempotency keys: which mutations were done for which caller's key, and what they answered.

use entity::idempotency_key::{Column, Entity};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter};
use serde::Serialize;

use crate::db::dialect;
use crate::error::{Fault, FaultKind};
use crate::tx::Tx;

/// A caller's key for one mutation.
#[derive(Clone, Debug)]
pub struct Key {
    /// Whose key it is, such as `shop:…`: two callers may choose the same text.
    pub scope: String,
    /// As the caller gave it, 1 to 255 visible characters.
    pub key: String,
    /// Which mutation it is for.
    pub operation: &'static str,
}

/// What a mutation with a key did.
#[derive(Clone, Debug)]
pub struct Once<T> {
    /// Its ids and amounts.
    pub value: T,
    /// Whether an earlier request did it.
    pub replayed: bool,
}

impl<T> Once<T> {
    /// Done by this request.
    pub fn first(value: T) -> Self {
        Self { value, replayed: false }
    }

    /// Done by an earlier request.
    pub fn replay(value: T) -> Self {
        Self { value, replayed: true }
    }
}

pub(crate) enum Claim {
    /// The key is ours: do the work.
    New,
    /// Done before; what was stored.
    Done(serde_json::Value),
    /// Another transaction holds the key.
    InFlight,
}

/// SHA-256 of the command: the same key with another command is a mistake of the caller.
pub(crate) fn fingerprint(command: &impl Serialize) -> Result<Vec<u8>, Fault> {
    let bytes = serde_json::to_vec(command)?;
    Ok(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec())
}

/// Claims `key` for this transaction, without waiting for another that holds it.
pub(crate) async fn claim(tx: &Tx, key: &Key, fingerprint: &[u8]) -> Result<Claim, Fault> {
    let backend = tx.db().get_database_backend();
    let lock_name = Expr::val(format!("{}\u{1f}{}", key.scope, key.key));
    let row = Query::select()
        .exprs([
            Expr::val(key.scope.as_str()),
            Expr::val(key.key.as_str()),
            Expr::val(key.operation),
            Expr::val(fingerprint),
            Expr::val(tx.clock_now()),
        ])
        .and_where(dialect::try_lock(backend, lock_name))
        .take();
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Scope, Column::Key, Column::Operation, Column::Fingerprint, Column::CreatedAt])
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    insert.select_from(row).map_err(|_| Fault::internal("columns of the claim"))?;
    if tx.db().execute(&insert).await?.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    let Some(held) = Entity::find_by_id((key.scope.clone(), key.key.clone())).one(tx.db()).await? else {
        return Ok(Claim::InFlight);
    };
    if held.operation != key.operation || held.fingerprint != fingerprint {
        return Err(Fault::of(FaultKind::KeyReused));
    }
    held.result.map(Claim::Done).ok_or_else(|| Fault::internal("a committed key without its result"))
}

/// Keeps what the work answered, for replays.
pub(crate) async fn store(tx: &Tx, key: &Key, result: &impl Serialize) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::Result, Expr::val(serde_json::to_value(result)?))
        .filter(Column::Scope.eq(key.scope.as_str()).and(Column::Key.eq(key.key.as_str())))
        .exec(tx.db())
        .await?;
    Ok(())
}
