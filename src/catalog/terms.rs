//! What products are found by: the words of name and sku, looked up by how they begin, and categories, looked up whole.

use std::collections::BTreeSet;

use entity::id::ProductId;
use entity::product::{self, Model};
use entity::product_term::{self, Column, Entity, TermKind};
use sea_orm::sea_query::{Condition, Expr, Query, SelectStatement};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::app::App;
use crate::customers::words::{end_of, normal, words_of};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::jobs::{self, Ended, Job};
use crate::tx::Tx;

/// The job that gives terms to products that are older than terms are.
pub(crate) const BACKFILL: &str = "catalog.terms";
/// Products of one transaction.
const BATCH: u64 = 500;
/// So few are looked at one by one; more are met by going through the products in order.
const FEW: u64 = 2_000;

/// Something that products are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// A word begins so.
    Word(String),
    /// This is one of the categories.
    Category(String),
}

impl Term {
    /// The words of what somebody looks for.
    pub(super) fn words(search: &str) -> Vec<Self> {
        normal(search).split_whitespace().map(|word| Self::Word(word.to_owned())).collect()
    }

    fn met(&self) -> Condition {
        let term = || Expr::col((product_term::Entity, Column::Term));
        let kind = |kind: TermKind| Expr::col((product_term::Entity, Column::Kind)).eq(kind.to_value());
        match self {
            Self::Word(start) => Condition::all()
                .add(kind(TermKind::Word))
                .add(term().gte(start.as_str()))
                .add_option(end_of(start).map(|end| term().lt(end))),
            Self::Category(category) => {
                Condition::all().add(kind(TermKind::Category)).add(term().eq(category.as_str()))
            }
        }
    }

    /// Whether the product of the query around it has it.
    fn has(&self) -> SelectStatement {
        let its = Expr::col((product_term::Entity, Column::ProductId))
            .equals((product::Entity, product::Column::Id));
        Query::select()
            .expr(Expr::val(1))
            .from(product_term::Entity)
            .and_where(its)
            .cond_where(self.met())
            .take()
    }

    /// The products that have it, if they are few.
    async fn few(&self, db: &impl ConnectionTrait) -> Result<Option<BTreeSet<ProductId>>, Fault> {
        let found: Vec<ProductId> = Entity::find()
            .select_only()
            .column(Column::ProductId)
            .filter(self.met())
            .limit(FEW + 1)
            .into_tuple()
            .all(db)
            .await?;
        let is_few = u64::try_from(found.len())? <= FEW;
        Ok(is_few.then(|| found.into_iter().collect()))
    }
}

/// The products that have all of `terms`. The rarest is looked up first, so that it costs what it finds.
pub(super) async fn matching(db: &impl ConnectionTrait, terms: &[Term]) -> Result<Condition, Fault> {
    let mut condition = Condition::all();
    let mut rarest: Option<BTreeSet<ProductId>> = None;
    for term in terms {
        condition = condition.add(Expr::exists(term.has()));
        if let Some(few) = term.few(db).await?
            && rarest.as_ref().is_none_or(|least| few.len() < least.len())
        {
            rarest = Some(few);
        }
    }
    let few = rarest.map(|few| is_among(db.get_database_backend(), "id", few.into_iter().map(|id| id.0)));
    Ok(condition.add_option(few))
}

/// Writes the terms of these locked products anew.
pub(super) async fn refresh(tx: &Tx, products: impl Iterator<Item = &Model>) -> Result<(), Fault> {
    let (mut ids, mut rows) = (Vec::new(), Rows::new("product_terms", &["kind", "term", "product_id"]));
    for product in products {
        ids.push(product.id.0);
        let mut terms: BTreeSet<(String, String)> = BTreeSet::new();
        let words = [&product.name, &product.sku].map(|text| words_of(Some(text), None));
        terms.extend(words.into_iter().flatten().map(|word| (TermKind::Word.to_value(), word)));
        let categories: Vec<String> = serde_json::from_value(product.categories.clone())?;
        terms.extend(categories.into_iter().map(|category| (TermKind::Category.to_value(), category)));
        for (kind, term) in terms {
            rows.push([kind.into(), term.into(), product.id.0.into()]);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let among = is_among(tx.db().get_database_backend(), "product_id", ids);
    Entity::delete_many().filter(among).exec(tx.db()).await?;
    rows.insert(tx.db()).await
}

/// Has products that are older than terms are looked for, once for every start of a worker.
pub(crate) async fn arm(tx: &Tx) -> Result<(), Fault> {
    let dedup_key = Some(BACKFILL.to_owned());
    let job = Job { kind: BACKFILL, payload: serde_json::json!({}), due: None, dedup_key, max_attempts: 20 };
    jobs::enqueue(tx, job).await
}

/// Gives terms to products that have none; due again at once if it did not get through.
pub(crate) async fn backfill(app: &App) -> Result<Ended, Fault> {
    let begun = tokio::time::Instant::now();
    let mut after = ProductId(uuid::Uuid::nil());
    while begun.elapsed() < app.config.job_lease / 3 {
        let Some(last) = app.change(&after, fill_in).await? else { return Ok(Ended::Done) };
        after = last;
    }
    Ok(Ended::Again(app.clock.now()))
}

/// Some products behind `after`; answers the last of them. Every product has a name, and so terms.
async fn fill_in(tx: &Tx, after: &ProductId) -> Result<Option<ProductId>, Fault> {
    use product::Column as Product;

    let its = Expr::col((product_term::Entity, Column::ProductId)).equals((product::Entity, Product::Id));
    let terms = Query::select().expr(Expr::val(1)).from(product_term::Entity).and_where(its).take();
    let rows = product::Entity::find()
        .filter(Product::Id.gt(*after).and(Expr::exists(terms).not()))
        .order_by_asc(Product::Id)
        .limit(BATCH)
        .lock_exclusive()
        .all(tx.db())
        .await?;
    refresh(tx, rows.iter()).await?;
    Ok(rows.last().map(|row| row.id))
}
