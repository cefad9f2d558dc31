//! Idempotency keys: which mutations were done for which caller's key, and what they answered.
//!
//! A key is taken by a lock for as long as a transaction runs, and its row is written with the answer at the end: nothing
//! is to be taken back from a refused command, and a row always has its answer.

use std::collections::HashSet;

use sea_orm::FromQueryResult;
use serde::Serialize;

use crate::db::bulk::Rows;
use crate::db::dialect;
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

/// A key with the fingerprint of its command.
pub(crate) type Fingerprinted<'a> = (&'a Key, &'a [u8]);

const KEPT: &str = "operation, fingerprint, result";

/// What is kept of a mutation.
#[derive(Debug, FromQueryResult)]
struct Kept {
    operation: Option<String>,
    fingerprint: Option<Vec<u8>>,
    result: Option<serde_json::Value>,
}

impl Kept {
    /// What that means for a claim of `key`; none if nothing is kept.
    fn claim(self, (key, fingerprint): &Fingerprinted<'_>) -> Option<Claim> {
        let result = self.result?;
        let is_same = self.operation.as_deref() == Some(key.operation)
            && self.fingerprint.as_deref() == Some(*fingerprint);
        Some(if is_same { Claim::Done(result) } else { Claim::Reused })
    }
}

/// Claims `keys` for this transaction, without waiting for others that hold them. Of a new key that is there
/// twice, the second counts as in flight.
pub(crate) async fn claim(tx: &Tx, keys: &[Fingerprinted<'_>]) -> Result<Vec<Claim>, Fault> {
    let names = keys.iter().map(|(key, _)| format!("{}\u{1f}{}", key.scope, key.key)).collect();
    // Whoever had a key before has committed or rolled back by the time its row is looked for.
    let locked = dialect::try_locks(tx.db(), names).await?;
    let pairs = keys.iter().map(|(key, _)| [key.scope.as_str(), key.key.as_str()]);
    let rows = dialect::rows_under(tx.db(), "idempotency_keys", ["scope", "key"], KEPT, pairs).await?;
    let mut seen = HashSet::new();
    let mut claims = Vec::with_capacity(keys.len());
    for ((printed, row), is_locked) in keys.iter().zip(&rows).zip(locked) {
        let kept = Kept::from_query_result(row, "")?.claim(printed);
        let is_first = seen.insert((&printed.0.scope, &printed.0.key));
        let unkept = if is_locked && is_first { Claim::New } else { Claim::InFlight };
        claims.push(kept.unwrap_or(unkept));
    }
    Ok(claims)
}

/// Keeps what the work for each claimed key answered, for replays.
pub(crate) async fn store(
    tx: &Tx,
    results: impl IntoIterator<Item = (Fingerprinted<'_>, serde_json::Value)>,
) -> Result<(), Fault> {
    let columns = &["scope", "key", "operation", "fingerprint", "result", "created_at"];
    let mut rows = Rows::new("idempotency_keys", columns);
    for ((key, fingerprint), result) in results {
        rows.push([
            key.scope.as_str().into(),
            key.key.as_str().into(),
            key.operation.into(),
            fingerprint.to_vec().into(),
            result.into(),
            tx.now().into(),
        ]);
    }
    rows.insert(tx.db()).await
}
