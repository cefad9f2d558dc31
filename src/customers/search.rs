//! Which customers: conditions that can be put together, and pages of those who meet them.

use entity::customer::{AcquisitionReason, Column, Entity, Model};
use entity::id::CustomerId;
use entity::{Instant, customer, order};
use sea_orm::sea_query::{Condition, Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect,
};
use serde::Serialize;

use super::words::{few_with, has_word, normal};
use crate::db::dialect::is_among;
use crate::error::Fault;

/// So few are looked at one by one; more are met by going through the customers in order.
const FEW: u64 = 2_000;

/// What customers are chosen by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CustomerCondition {
    /// All of these; every customer, if there are none.
    All(Vec<Self>),
    /// One of these at least; no customer, if there are none.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// One of these customers.
    Among(Vec<CustomerId>),
    /// A word of the name or address begins so.
    Word(String),
    /// Has an account with a proven mailbox.
    Registered,
    /// Takes part in the points programme.
    Enrolled,
    /// May not sign in.
    Disabled,
    /// Turned out to be another customer.
    Merged,
    /// First heard of at or after `from` and before `to`.
    Created {
        /// If there is such a bound.
        from: Option<Instant>,
        /// If there is such a bound.
        to: Option<Instant>,
    },
    /// Placed an order at or after `from` and before `to`.
    Ordered {
        /// If there is such a bound.
        from: Option<Instant>,
        /// If there is such a bound.
        to: Option<Instant>,
    },
    /// Has this id of the shop.
    ExternalId(String),
    /// Placed the order with this id of the shop.
    OrderExternalId(String),
    /// Is written to in this language.
    Locale(String),
    /// Bought first for this reason.
    Acquired(AcquisitionReason),
}

impl CustomerCondition {
    fn sql(&self, db: &impl ConnectionTrait) -> Condition {
        let one = |condition: Expr| Condition::all().add(condition);
        match self {
            Self::All(all) => all.iter().fold(Condition::all(), |sum, of| sum.add(of.sql(db))),
            // A disjunction of nothing would be left out by the builder.
            Self::Any(any) if any.is_empty() => one(Expr::val(1).eq(0)),
            Self::Any(any) => any.iter().fold(Condition::any(), |sum, of| sum.add(of.sql(db))),
            Self::Not(condition) => condition.sql(db).not(),
            Self::Among(ids) => one(is_among(db.get_database_backend(), "id", ids.iter().map(|id| id.0))),
            Self::Word(start) => one(Expr::exists(has_word(start))),
            Self::Registered => one(Column::RegisteredAt.is_not_null()),
            Self::Enrolled => one(Column::EnrolledAt.is_not_null()),
            Self::Disabled => one(Column::DisabledAt.is_not_null()),
            Self::Merged => one(Column::MergedInto.is_not_null()),
            Self::Created { from, to } => Condition::all()
                .add_option(from.map(|from| Column::CreatedAt.gte(from)))
                .add_option(to.map(|to| Column::CreatedAt.lt(to))),
            Self::Ordered { from, to } => one(Expr::exists(ordered(*from, *to))),
            Self::ExternalId(id) => one(Column::ExternalId.eq(id.as_str())),
            Self::OrderExternalId(id) => one(Column::Id.in_subquery(orderer(id))),
            Self::Locale(locale) => one(Column::Locale.eq(locale.as_str())),
            Self::Acquired(reason) => one(Column::AcquisitionReason.eq(*reason)),
        }
    }
}

fn ordered(from: Option<Instant>, to: Option<Instant>) -> SelectStatement {
    let placed = || Expr::col((order::Entity, order::Column::PlacedAt));
    let theirs = Expr::col((order::Entity, order::Column::CustomerId)).equals((customer::Entity, Column::Id));
    let within = Condition::all()
        .add(theirs)
        .add_option(from.map(|from| placed().gte(from)))
        .add_option(to.map(|to| placed().lt(to)));
    Query::select().expr(Expr::val(1)).from(order::Entity).cond_where(within).take()
}

fn orderer(external_id: &str) -> SelectStatement {
    let named = Expr::col((order::Entity, order::Column::ExternalId)).eq(external_id);
    let buyer = Expr::col((order::Entity, order::Column::CustomerId));
    // A guest's order is no customer's.
    let is_customers = buyer.clone().is_not_null();
    Query::select().expr(buyer).from(order::Entity).and_where(named).and_where(is_customers).take()
}

/// Every word of `query` is the beginning of a word of the name or address, or the whole is an order's external id.
///
/// Words that few customers have are looked up first, so that a rare one costs what it finds.
pub(crate) async fn matching(db: &impl ConnectionTrait, query: &str) -> Result<CustomerCondition, Fault> {
    let query = query.trim();
    let terms: Vec<String> = normal(query).split_whitespace().map(str::to_owned).collect();
    let mut rarest: Option<Vec<CustomerId>> = None;
    for term in &terms {
        if let Some(few) = few_with(db, term, FEW).await?
            && rarest.as_ref().is_none_or(|least| few.len() < least.len())
        {
            rarest = Some(few.into_iter().collect());
        }
    }
    let words = terms.into_iter().map(CustomerCondition::Word);
    let found =
        CustomerCondition::All(rarest.map(CustomerCondition::Among).into_iter().chain(words).collect());
    let by_order: Option<Option<CustomerId>> = order::Entity::find()
        .select_only()
        .column(order::Column::CustomerId)
        .filter(order::Column::ExternalId.eq(query))
        .into_tuple()
        .one(db)
        .await?;
    Ok(match by_order.flatten() {
        Some(buyer) => CustomerCondition::Any(vec![CustomerCondition::Among(vec![buyer]), found]),
        None => found,
    })
}

/// Where a page of customers begins or ends.
pub(crate) type Place = (Instant, uuid::Uuid);

/// Part of the customers, those heard of last first.
#[derive(Debug)]
pub(crate) struct Part {
    /// Only behind this one.
    pub(crate) after: Option<Place>,
    /// Only before this one.
    pub(crate) before: Option<Place>,
    /// From the end backwards.
    pub(crate) backwards: bool,
    /// At most so many.
    pub(crate) limit: u64,
}

/// The customers who meet `condition`, a part of them.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    condition: &CustomerCondition,
    part: &Part,
) -> Result<Vec<Model>, Fault> {
    use sea_orm::QueryOrder;

    let place = || Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
    let at = |(created_at, id): Place| Expr::tuple([Expr::val(created_at), Expr::val(id)]);
    let mut query = Entity::find().filter(condition.sql(db));
    if let Some(after) = part.after {
        query = query.filter(place().lt(at(after)));
    }
    if let Some(before) = part.before {
        query = query.filter(place().gt(at(before)));
    }
    let query = if part.backwards {
        query.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id)
    } else {
        query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id)
    };
    Ok(query.limit(part.limit).all(db).await?)
}

/// How many customers meet `condition`; costs what there is.
pub(crate) async fn count(db: &impl ConnectionTrait, condition: &CustomerCondition) -> Result<u64, Fault> {
    Ok(Entity::find().filter(condition.sql(db)).count(db).await?)
}
