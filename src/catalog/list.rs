//! Which products: by what they are found by, what there is of them and who may see them.

use entity::Instant;
use entity::product::{Column, Entity, Model};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::EarlyAccess;
use super::terms::{self, Term};
use crate::db::dialect::is_among_texts;
use crate::error::Fault;

/// What products are chosen by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Every word of it is the beginning of a word of name or sku.
    pub(crate) search: Option<String>,
    /// This is one of the categories.
    pub(crate) category: Option<String>,
    /// Whether there is any of it.
    pub(crate) in_stock: Option<bool>,
    /// Only what somebody with this early access sees at this instant; all, if none.
    pub(crate) seen: Option<(Instant, EarlyAccess)>,
}

impl Wanted {
    /// The condition, with what it takes to look it up.
    pub(crate) async fn condition(&self, db: &impl ConnectionTrait) -> Result<Condition, Fault> {
        let mut found_by = self.search.as_deref().map(Term::words).unwrap_or_default();
        found_by.extend(self.category.clone().map(Term::Category));
        let stock = self.in_stock.map(|there| {
            // As it stands in the index.
            if there { Column::Stock.is_null().or(Column::Stock.gt(0)) } else { Expr::cust("stock = 0") }
        });
        let condition = terms::matching(db, &found_by).await?.add_option(stock);
        Ok(condition.add_option(self.seen.as_ref().map(|(now, early)| is_seen(db, *now, early))))
    }
}

/// What somebody with this early access sees at `now`: the same as [`super::rules::visibility`] says of a row.
fn is_seen(db: &impl ConnectionTrait, now: Instant, early: &EarlyAccess) -> Expr {
    let public = Column::PublicFrom.is_null().or(Column::PublicFrom.lte(now));
    let begun = Column::EarlyAccessFrom.lte(now);
    let seen = if early.everything {
        public.or(begun)
    } else if early.skus.is_empty() {
        public
    } else {
        public.or(begun.and(is_among_texts(db.get_database_backend(), "sku", early.skus.iter().cloned())))
    };
    Column::Archived.eq(false).and(seen)
}

/// Part of the products, by sku.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Only behind this sku.
    pub(crate) after: Option<&'a str>,
    /// Only before this sku.
    pub(crate) before: Option<&'a str>,
    /// From the end backwards.
    pub(crate) backwards: bool,
    /// At most so many.
    pub(crate) limit: u64,
}

/// The products that meet `condition`, a part of them.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    condition: Condition,
    part: &Part<'_>,
) -> Result<Vec<Model>, Fault> {
    let mut query = Entity::find().filter(condition);
    if let Some(sku) = part.after {
        query = query.filter(Column::Sku.gt(sku));
    }
    if let Some(sku) = part.before {
        query = query.filter(Column::Sku.lt(sku));
    }
    let order = if part.backwards { Order::Desc } else { Order::Asc };
    Ok(query.order_by(Column::Sku, order).limit(part.limit).all(db).await?)
}

/// How many products meet `condition`; costs what there is.
pub(crate) async fn count(db: &impl ConnectionTrait, condition: Condition) -> Result<u64, Fault> {
    Ok(Entity::find().filter(condition).count(db).await?)
}

/// The products with these skus, in no order.
pub(crate) async fn by_skus(
    db: &impl ConnectionTrait,
    skus: impl IntoIterator<Item = String>,
) -> Result<Vec<Model>, Fault> {
    let among = is_among_texts(db.get_database_backend(), "sku", skus);
    Ok(Entity::find().filter(among).all(db).await?)
}

/// Those of the products with these skus that are not public at `now`.
pub(crate) async fn not_public_at(
    db: &impl ConnectionTrait,
    now: Instant,
    skus: impl IntoIterator<Item = String>,
) -> Result<Vec<Model>, Fault> {
    let among = is_among_texts(db.get_database_backend(), "sku", skus);
    Ok(Entity::find().filter(among).filter(Column::PublicFrom.gt(now)).all(db).await?)
}
