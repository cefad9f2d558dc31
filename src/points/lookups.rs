//! What requests show of accounts, read for all that ask at the same time.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::id::AccountId;
use entity::{points_account, points_entry};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};

use super::store::{uuids, within};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// An account with so many of its newest entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WithNewest {
    pub(crate) account: AccountId,
    pub(crate) newest: i64,
}

/// An account, and its newest entries, the newest last.
pub(crate) type AccountRows = (points_account::Model, Vec<points_entry::Model>);

/// Accounts by their ids. Entries that come while these are read are left out: the account does not count them.
pub(crate) async fn accounts(
    app: App,
    asked: Vec<WithNewest>,
) -> Result<HashMap<WithNewest, AccountRows>, Fault> {
    let db = &app.db.lookups;
    let ids: BTreeSet<AccountId> = asked.iter().map(|one| one.account).collect();
    let among = is_among(db.get_database_backend(), "id", uuids(&ids));
    let rows = points_account::Entity::find().filter(among).all(db).await?;
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let span = |one: &WithNewest| {
        let until = rows.get(&one.account)?.seq;
        let from = until.saturating_sub(one.newest).saturating_add(1).max(1);
        Some(Span { account: one.account, from, until }).filter(|span| span.len() > 0)
    };
    // Two may ask for different numbers of entries, and all there are be the same for both.
    let spans: HashSet<Span> = asked.iter().filter_map(span).collect();
    let spans: Vec<Span> = spans.into_iter().collect();
    let newest = if spans.is_empty() { HashMap::new() } else { entries(app.clone(), spans).await? };
    let found = asked.into_iter().filter_map(|one| {
        let newest = span(&one).and_then(|span| newest.get(&span)).cloned().unwrap_or_default();
        Some((one, (rows.get(&one.account)?.clone(), newest)))
    });
    Ok(found.collect())
}

/// Entries of one account by their numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) account: AccountId,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Span {
    /// How many numbers these are.
    pub(crate) fn len(self) -> usize {
        usize::try_from(self.until.saturating_sub(self.from).saturating_add(1)).unwrap_or_default()
    }

    /// Whether this number is one of them.
    pub(crate) fn has(self, seq: i64) -> bool {
        (self.from..=self.until).contains(&seq)
    }
}

/// The entries of each of these spans, the oldest first.
pub(crate) async fn entries(
    app: App,
    spans: Vec<Span>,
) -> Result<HashMap<Span, Vec<points_entry::Model>>, Fault> {
    let db = &app.db.lookups;
    let rows = db.query_all_raw(within(db.get_database_backend(), &spans)).await?;
    let mut found: HashMap<Span, Vec<points_entry::Model>> = HashMap::new();
    for row in &rows {
        let asked: i64 = row.try_get("", "asked")?;
        let span = usize::try_from(asked).ok().and_then(|asked| spans.get(asked));
        let span = span.ok_or_else(|| Fault::internal("entries of a span that nobody asked for"))?;
        found.entry(*span).or_default().push(points_entry::Model::from_query_result(row, "")?);
    }
    for entries in found.values_mut() {
        entries.sort_unstable_by_key(|entry| entry.seq);
    }
    Ok(found)
}
