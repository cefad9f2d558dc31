//! The words that staff find customers by: kept in step with names and addresses, looked up by how they begin.

use std::collections::{BTreeMap, BTreeSet};

use entity::customer_word::{Column, Entity};
use entity::id::CustomerId;
use entity::{customer, customer_word};
use sea_orm::sea_query::{Condition, Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use unicode_normalization::UnicodeNormalization;

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::jobs::{self, Ended, Job};
use crate::tx::Tx;

/// The job that gives words to customers who are older than the words are.
pub(crate) const BACKFILL: &str = "customers.words";
/// Customers of one transaction.
const BATCH: u64 = 500;
/// How long one run may take, well within its lease.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(20);

/// One spelling of a text: composed and in lower case.
pub(crate) fn normal(text: &str) -> String {
    text.to_lowercase().nfc().collect()
}

/// The words of a name, and of an address: the whole, the part before the at sign, and its domain.
pub(crate) fn words_of(name: Option<&str>, email: Option<&str>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for written in normal(name.unwrap_or_default()).split_whitespace() {
        words.insert(written.to_owned());
        // Whoever looks for Neil or for Luc finds O'Neil and Jean-Luc too.
        let parts = written.match_indices(|c: char| !c.is_alphanumeric());
        let behind = parts.map(|(at, mark)| &written[at + mark.len()..]);
        words.extend(behind.filter(|part| part.starts_with(char::is_alphanumeric)).map(str::to_owned));
    }
    let email = normal(email.unwrap_or_default());
    if let Some((local, domain)) = email.rsplit_once('@') {
        words.extend([local.to_owned(), domain.to_owned()]);
        words.insert(email);
    }
    words
}

/// Writes the words of customers who have none yet.
pub(crate) async fn insert(
    tx: &Tx,
    words: impl IntoIterator<Item = (CustomerId, BTreeSet<String>)>,
) -> Result<(), Fault> {
    let mut rows = Rows::new("customer_words", &["word", "customer_id"]);
    for (customer, words) in words {
        for word in words {
            rows.push([word.into(), customer.0.into()]);
        }
    }
    rows.insert_missing(tx.db()).await?;
    Ok(())
}

/// Who, whom they turned out to be, and what they are found by.
type Row = (CustomerId, Option<CustomerId>, Option<String>, Option<String>, Option<String>);

/// Writes the words of these locked customers anew. Somebody who was merged is found as whom they turned out to be.
pub(crate) async fn refresh(tx: &Tx, customers: &[CustomerId]) -> Result<(), Fault> {
    use customer::Column as Customer;

    if customers.is_empty() {
        return Ok(());
    }
    let backend = tx.db().get_database_backend();
    let among = |column| is_among(backend, column, customers.iter().map(|id| id.0));
    let rows: Vec<Row> = customer::Entity::find()
        .select_only()
        .columns([Customer::Id, Customer::MergedInto, Customer::Name, Customer::Email, Customer::EmailKey])
        .filter(Condition::any().add(among("id")).add(among("merged_into")))
        .into_tuple()
        .all(tx.db())
        .await?;
    let mut words: BTreeMap<CustomerId, BTreeSet<String>> = BTreeMap::new();
    for (id, merged_into, name, email, email_key) in rows {
        let found = words.entry(merged_into.unwrap_or(id)).or_default();
        found.extend(words_of(name.as_deref(), email.as_deref()));
        found.extend(words_of(None, email_key.as_deref()));
    }
    words.retain(|id, _| customers.contains(id));
    Entity::delete_many().filter(among("customer_id")).exec(tx.db()).await?;
    insert(tx, words).await
}

/// The words that begin with `start`, as a range.
fn range(start: &str) -> Condition {
    let word = || Expr::col((customer_word::Entity, Column::Word));
    let end = end_of(start).map(|end| word().lt(end));
    Condition::all().add(word().gte(start)).add_option(end)
}

/// The first text behind all those that begin with `start`; none if there is nothing behind them.
pub(crate) fn end_of(start: &str) -> Option<String> {
    let mut end: Vec<char> = start.chars().collect();
    while let Some(last) = end.pop() {
        // The characters in the order of their code points, which both databases sort by.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

/// Whether the customer of the query around it has a word that begins with `start`.
pub(crate) fn has_word(start: &str) -> SelectStatement {
    let theirs = Expr::col((customer_word::Entity, Column::CustomerId))
        .equals((customer::Entity, customer::Column::Id));
    Query::select()
        .expr(Expr::val(1))
        .from(customer_word::Entity)
        .and_where(theirs)
        .cond_where(range(start))
        .take()
}

/// Who has a word that begins with `start`, if they are at most so many.
pub(crate) async fn few_with(
    db: &impl ConnectionTrait,
    start: &str,
    most: u64,
) -> Result<Option<BTreeSet<CustomerId>>, Fault> {
    let found: Vec<CustomerId> = Entity::find()
        .select_only()
        .column(Column::CustomerId)
        .filter(range(start))
        .limit(most + 1)
        .into_tuple()
        .all(db)
        .await?;
    let is_few = u64::try_from(found.len())? <= most;
    Ok(is_few.then(|| found.into_iter().collect()))
}

/// Has customers who are older than the words are looked for, once for every start of a worker.
pub(crate) async fn arm(tx: &Tx) -> Result<(), Fault> {
    let dedup_key = Some(BACKFILL.to_owned());
    let job = Job { kind: BACKFILL, payload: serde_json::json!({}), due: None, dedup_key, max_attempts: 20 };
    jobs::enqueue(tx, job).await
}

/// Gives words to those who have none; due again at once if it did not get through.
pub(crate) async fn backfill(app: &App) -> Result<Ended, Fault> {
    let begun = tokio::time::Instant::now();
    let mut after: Option<CustomerId> = None;
    while begun.elapsed() < LONGEST {
        let missing = without_words(app, after).await?;
        let Some(last) = missing.last() else { return Ok(Ended::Done) };
        after = Some(*last);
        app.change(&missing, async |tx: &Tx, missing| lock_and_refresh(tx, missing).await).await?;
    }
    Ok(Ended::Again(app.clock.now()))
}

async fn without_words(app: &App, after: Option<CustomerId>) -> Result<Vec<CustomerId>, Fault> {
    use customer::Column as Customer;

    let theirs =
        Expr::col((customer_word::Entity, Column::CustomerId)).equals((customer::Entity, Customer::Id));
    let words = Query::select().expr(Expr::val(1)).from(customer_word::Entity).and_where(theirs).take();
    let mut query = customer::Entity::find()
        .select_only()
        .column(Customer::Id)
        .filter(Customer::MergedInto.is_null())
        .filter(
            Customer::Name
                .is_not_null()
                .or(Customer::Email.is_not_null())
                .or(Customer::EmailKey.is_not_null()),
        )
        .filter(Expr::exists(words).not())
        .order_by_asc(Customer::Id)
        .limit(BATCH);
    if let Some(after) = after {
        query = query.filter(Customer::Id.gt(after));
    }
    Ok(query.into_tuple().all(&app.db.read).await?)
}

async fn lock_and_refresh(tx: &Tx, customers: &[CustomerId]) -> Result<(), Fault> {
    use customer::Column as Customer;

    let among = is_among(tx.db().get_database_backend(), "id", customers.iter().map(|id| id.0));
    let locked: Vec<CustomerId> = customer::Entity::find()
        .select_only()
        .column(Customer::Id)
        .filter(among)
        .filter(Customer::MergedInto.is_null())
        .order_by_asc(Customer::Id)
        .lock_exclusive()
        .into_tuple()
        .all(tx.db())
        .await?;
    refresh(tx, &locked).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, email: &str) -> Vec<String> {
        words_of(Some(name), Some(email)).into_iter().collect()
    }

    #[test]
    fn a_customer_is_found_by_each_word_and_each_part_of_the_address() {
        assert_eq!(words("Anna de Wit", ""), ["anna", "de", "wit"]);
        assert_eq!(words("", "Anna.Wit@Example.com"), ["anna.wit", "anna.wit@example.com", "example.com"]);
        assert_eq!(words("Jean-Luc O'Neil", ""), ["jean-luc", "luc", "neil", "o'neil"]);
        assert_eq!(words("ÉLODIE", ""), words("E\u{301}lodie", ""));
        assert_eq!(words(" — ", ""), ["—"]);
    }

    #[test]
    fn what_begins_so_lies_before_the_end() {
        assert_eq!(end_of("ann").as_deref(), Some("ano"));
        assert_eq!(end_of("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!((end_of(""), end_of("\u{10ffff}")), (None, None));
    }
}
