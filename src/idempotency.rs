//! Idempotency keys: which mutations were done for which caller's key, and what they answered.

use std::collections::{HashMap, HashSet};

use entity::idempotency_key::{Column, Entity, Model};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde::Serialize;

use crate::db::bulk::Rows;
use crate::error::Fault;
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

/// Whose turn a key is.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Ours: do the work.
    New,
    /// Done before; what was stored.
    Done(serde_json::Value),
    /// Another command had the key.
    Reused,
    /// Another transaction holds the key.
    InFlight,
}

/// SHA-256 of the command: the same key with another command is a mistake of the caller.
pub(crate) fn fingerprint(command: &impl Serialize) -> Result<Vec<u8>, Fault> {
    let bytes = serde_json::to_vec(command)?;
    Ok(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec())
}

/// Claims `keys` (with the fingerprints of their commands) for this transaction, without waiting for others that hold
/// them. Of a key that is there twice, the second counts as in flight.
pub(crate) async fn claim(tx: &Tx, keys: &[(&Key, &[u8])]) -> Result<Vec<Claim>, Fault> {
    let mut rows = Rows::new("idempotency_keys", &["scope", "key", "operation", "fingerprint", "created_at"]);
    let mut seen = HashSet::new();
    let firsts: Vec<bool> = keys.iter().map(|(key, _)| seen.insert((&key.scope, &key.key))).collect();
    for ((key, fingerprint), _) in keys.iter().zip(&firsts).filter(|(_, first)| **first) {
        rows.push([
            key.scope.as_str().into(),
            key.key.as_str().into(),
            key.operation.into(),
            fingerprint.to_vec().into(),
            tx.clock_now().into(),
        ]);
    }
    let expected = seen.len();
    let inserted = rows.insert_unlocked(tx.db(), "scope || chr(31) || key").await?;
    let held = if inserted == expected { HashMap::new() } else { read(tx, keys).await? };
    let claim_of = |(key, fingerprint): &(&Key, &[u8]), first: &bool| {
        if !first {
            return Claim::InFlight;
        }
        if inserted == expected {
            return Claim::New;
        }
        match held.get(&(key.scope.clone(), key.key.clone())) {
            None => Claim::InFlight,
            // A committed key always has its result: this one is ours.
            Some(Model { result: None, .. }) => Claim::New,
            Some(row) if row.operation != key.operation || row.fingerprint != *fingerprint => Claim::Reused,
            Some(Model { result: Some(result), .. }) => Claim::Done(result.clone()),
        }
    };
    Ok(keys.iter().zip(&firsts).map(|(key, first)| claim_of(key, first)).collect())
}

async fn read(tx: &Tx, keys: &[(&Key, &[u8])]) -> Result<HashMap<(String, String), Model>, Fault> {
    let named = keys.iter().fold(Condition::any(), |any, (key, _)| any.add(is(key)));
    let rows = Entity::find().filter(named).all(tx.db()).await?;
    Ok(rows.into_iter().map(|row| ((row.scope.clone(), row.key.clone()), row)).collect())
}

fn is(key: &Key) -> Condition {
    Condition::all().add(Column::Scope.eq(key.scope.as_str())).add(Column::Key.eq(key.key.as_str()))
}

/// Keeps what the work for each key answered, for replays.
pub(crate) async fn store(tx: &Tx, results: &[(&Key, serde_json::Value)]) -> Result<(), Fault> {
    let mut rows = Rows::new("idempotency_keys", &["scope", "key", "result"]);
    for (key, result) in results {
        rows.push([key.scope.as_str().into(), key.key.as_str().into(), result.clone().into()]);
    }
    rows.update(tx.db(), " AND t.key = v.key").await
}

/// Gives up keys whose commands were refused: a refused request runs again.
pub(crate) async fn release(tx: &Tx, keys: &[&Key]) -> Result<(), Fault> {
    if !keys.is_empty() {
        let named = keys.iter().fold(Condition::any(), |any, key| any.add(is(key)));
        Entity::delete_many().filter(named).exec(tx.db()).await?;
    }
    Ok(())
}
