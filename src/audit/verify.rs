//! Recomputing the chain: a row that was changed, put in or taken out by hand shows.
//!
//! Whoever cuts off the end of the chain, or rewrites all of it from some place on, leaves a chain that is whole: so the
//! head (the last place and its hash) is told, to be kept elsewhere and given again as what to expect.

use entity::audit_entry::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::seal::{BEGINNING, hash};
use crate::app::App;
use crate::db::Transaction;
use crate::error::Fault;

/// Entries read at once.
const BATCH: u64 = 1_000;

/// A place in the chain and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// From 1; 0 for an empty chain.
    pub position: i64,
    /// SHA-256.
    pub hash: Vec<u8>,
}

/// The first thing that is wrong with the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An entry is missing at this place.
    Missing {
        /// Which place.
        position: i64,
    },
    /// What is at this place is not what was sealed there.
    Changed {
        /// Which place.
        position: i64,
    },
    /// The place that was expected has another hash, or the chain is shorter.
    NotExpected {
        /// Which place.
        position: i64,
    },
}

/// What the chain is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its end, as far as it is whole.
    pub head: Head,
    /// Entries that wait for their seal.
    pub unsealed: u64,
    /// What is wrong, if anything is.
    pub broken: Option<Broken>,
}

/// Recomputes the whole chain as of one moment; `expected` is a head that was told before.
pub async fn verify(app: &App, expected: Option<Head>) -> Result<Report, Fault> {
    app.read_snapshot(async |db| walk(db, expected.as_ref()).await).await
}

async fn walk(db: &Transaction, expected: Option<&Head>) -> Result<Report, Fault> {
    let unsealed = Entity::find().filter(Column::Position.is_null()).count(db).await?;
    let mut head = Head { position: 0, hash: BEGINNING.to_vec() };
    let mut met = expected.is_none_or(|expected| *expected == head);
    loop {
        let next = Entity::find().filter(Column::Position.gt(head.position)).order_by_asc(Column::Position);
        let entries = next.limit(BATCH).all(db).await?;
        if entries.is_empty() {
            let broken =
                expected.filter(|_| !met).map(|expected| Broken::NotExpected { position: expected.position });
            return Ok(Report { head, unsealed, broken });
        }
        for entry in entries {
            let position = head.position + 1;
            let broken = |broken| Ok(Report { head: head.clone(), unsealed, broken: Some(broken) });
            if entry.position != Some(position) {
                return broken(Broken::Missing { position });
            }
            let recomputed = hash(&head.hash, position, &entry);
            if entry.hash.as_ref() != Some(&recomputed) {
                return broken(Broken::Changed { position });
            }
            head = Head { position, hash: recomputed };
            met = met || expected == Some(&head);
        }
    }
}
