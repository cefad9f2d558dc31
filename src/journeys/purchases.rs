//! What people bought, as far as conditions ask: a statement for each question, for any number of people.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::id::{LineId, OrderId, PersonId};
use entity::order::{Column, Entity, OrderState};
use entity::{Instant, order, order_line};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef,
};
use uuid::Uuid;

use super::schedule::Rhythm;
use crate::db::dialect::{is_among, is_among_texts};
use crate::error::Fault;

/// Whose an order is.
pub(super) fn buyer(order: &order::Model) -> Option<PersonId> {
    order.customer_id.map(PersonId::from).or(order.guest_id.map(PersonId::from))
}

/// These orders.
pub(super) async fn orders(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, order::Model>, Fault> {
    let ids: BTreeSet<Uuid> = ids.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find().filter(is_among(db.get_database_backend(), "id", ids)).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The lines of these orders.
pub(super) async fn lines(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, Vec<order_line::Model>>, Fault> {
    let ids: BTreeSet<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let mut lines: HashMap<OrderId, Vec<order_line::Model>> = HashMap::new();
    if ids.is_empty() {
        return Ok(lines);
    }
    let among = is_among(db.get_database_backend(), "order_id", ids);
    for row in order_line::Entity::find().filter(among).all(db).await? {
        lines.entry(row.order_id).or_default().push(row);
    }
    Ok(lines)
}

/// Orders that count as bought.
fn bought() -> SimpleExpr {
    Column::PaidAt.is_not_null().and(Column::State.ne(OrderState::Cancelled))
}

/// The so-manieth of its buyer that each of these orders is, of those that were paid and not cancelled.
pub(super) async fn numbers(
    db: &impl ConnectionTrait,
    orders: impl IntoIterator<Item = &order::Model>,
) -> Result<HashMap<OrderId, u32>, Fault> {
    let orders: Vec<&order::Model> = orders.into_iter().collect();
    let mut paid: BTreeMap<PersonId, Vec<(Instant, OrderId)>> = BTreeMap::new();
    let people: BTreeSet<PersonId> = orders.iter().filter_map(|order| buyer(order)).collect();
    for (column, name) in [(Column::CustomerId, "customer_id"), (Column::GuestId, "guest_id")] {
        let last = orders.iter().filter_map(|order| order.paid_at).max();
        let among = is_among(db.get_database_backend(), name, people.iter().map(|id| id.0));
        let rows: Vec<(Uuid, Instant, OrderId)> = Entity::find()
            .select_only()
            .columns([column, Column::PaidAt, Column::Id])
            .filter(among)
            .filter(bought())
            .filter(Column::PaidAt.lte(last))
            .into_tuple()
            .all(db)
            .await?;
        for (person, at, order) in rows {
            paid.entry(PersonId(person)).or_default().push((at, order));
        }
    }
    let number = |order: &&order::Model| {
        let (at, person) = (order.paid_at?, buyer(order)?);
        let before = paid.get(&person)?.iter().filter(|one| **one <= (at, order.id)).count();
        Some((order.id, u32::try_from(before).ok()?))
    };
    Ok(orders.iter().filter_map(number).collect())
}

/// How these people bought until now.
pub(super) async fn rhythms(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<PersonId, Rhythm>, Fault> {
    let people: BTreeSet<Uuid> = people.into_iter().map(|id| id.0).collect();
    let mut found = HashMap::new();
    if people.is_empty() {
        return Ok(found);
    }
    for (column, name) in [(Column::CustomerId, "customer_id"), (Column::GuestId, "guest_id")] {
        let among = is_among(db.get_database_backend(), name, people.iter().copied());
        let rows: Vec<(Uuid, i64, Instant, Instant)> = Entity::find()
            .select_only()
            .column(column)
            .expr(Column::Id.count())
            .expr(Column::PlacedAt.min())
            .expr(Column::PlacedAt.max())
            .filter(among)
            .filter(bought())
            .group_by(column)
            .into_tuple()
            .all(db)
            .await?;
        found.extend(
            rows.into_iter()
                .map(|(person, orders, first, last)| (PersonId(person), Rhythm { orders, first, last })),
        );
    }
    Ok(found)
}

/// Who bought something last, and when: by person, and by the address on the order, whoever placed it.
#[derive(Debug, Default)]
pub(super) struct LastBought {
    by_person: HashMap<PersonId, Instant>,
    by_address: HashMap<String, Instant>,
}

impl LastBought {
    /// The last order that was not cancelled of each of these people and mailboxes; three statements.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        people: &BTreeSet<PersonId>,
        mailboxes: BTreeSet<String>,
    ) -> Result<Self, Fault> {
        let backend = db.get_database_backend();
        let mut last = Self::default();
        for (column, name) in [(Column::CustomerId, "customer_id"), (Column::GuestId, "guest_id")] {
            let among = is_among(backend, name, people.iter().map(|id| id.0));
            let rows: Vec<(Uuid, Instant)> = last_placed(column).filter(among).into_tuple().all(db).await?;
            last.by_person.extend(rows.into_iter().map(|(person, at)| (PersonId(person), at)));
        }
        let among = is_among_texts(backend, "email_key", mailboxes);
        let rows: Vec<(String, Instant)> =
            last_placed(Column::EmailKey).filter(among).into_tuple().all(db).await?;
        last.by_address.extend(rows);
        Ok(last)
    }

    /// When somebody last bought, under whatever name.
    pub(super) fn of(&self, person: PersonId, mailbox: Option<&str>) -> Option<Instant> {
        let by_address = mailbox.and_then(|mailbox| self.by_address.get(mailbox)).copied();
        std::cmp::max(self.by_person.get(&person).copied(), by_address)
    }
}

fn last_placed(column: Column) -> sea_orm::Select<Entity> {
    Entity::find()
        .select_only()
        .column(column)
        .expr(Column::PlacedAt.max())
        .filter(Column::State.ne(OrderState::Cancelled))
        .group_by(column)
}

/// When each of these people last ordered each of these articles.
pub(super) async fn last_of_article(
    db: &impl ConnectionTrait,
    people: &BTreeSet<PersonId>,
    skus: BTreeSet<String>,
) -> Result<HashMap<(PersonId, String), Instant>, Fault> {
    let mut found = HashMap::new();
    if people.is_empty() || skus.is_empty() {
        return Ok(found);
    }
    let backend = db.get_database_backend();
    let skus: Vec<String> = skus.into_iter().collect();
    for (column, name) in [(Column::CustomerId, "customer_id"), (Column::GuestId, "guest_id")] {
        let rows: Vec<(Uuid, String, Instant)> = order_line::Entity::find()
            .select_only()
            .column_as(Expr::col((Entity, column)), "person")
            .column(order_line::Column::Sku)
            .expr(Expr::col((Entity, Column::PlacedAt)).max())
            .join(JoinType::InnerJoin, to_order())
            .filter(is_among(backend, name, people.iter().map(|id| id.0)))
            .filter(is_among_texts(backend, "sku", skus.iter().cloned()))
            .filter(Expr::col((Entity, Column::State)).ne(OrderState::Cancelled))
            .group_by(Expr::col((Entity, column)))
            .group_by(order_line::Column::Sku)
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows.into_iter().map(|(person, sku, at)| ((PersonId(person), sku), at)));
    }
    Ok(found)
}

/// The next lines of delivered orders that brought an article which did not come back, after `after` in the order of their
/// ids, and whose they are: a person may be among them more than once.
pub(super) async fn owners_of(
    db: &impl ConnectionTrait,
    sku: &str,
    after: LineId,
    limit: u64,
) -> Result<Vec<(LineId, PersonId)>, Fault> {
    use order_line::Column as Line;

    let rows: Vec<(LineId, Option<Uuid>, Option<Uuid>)> = order_line::Entity::find()
        .select_only()
        .column(Line::Id)
        .column_as(Expr::col((Entity, Column::CustomerId)), "customer")
        .column_as(Expr::col((Entity, Column::GuestId)), "guest")
        .join(JoinType::InnerJoin, to_order())
        .filter(Line::Sku.eq(sku).and(Line::Id.gt(after)))
        .filter(
            Expr::col((order_line::Entity, Line::Returned))
                .lt(Expr::col((order_line::Entity, Line::Quantity))),
        )
        .filter(Expr::col((Entity, Column::DeliveredAt)).is_not_null())
        .filter(Expr::col((Entity, Column::State)).ne(OrderState::Cancelled))
        .order_by_asc(Line::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let owner = |(line, customer, guest): (LineId, Option<Uuid>, Option<Uuid>)| {
        Some((line, PersonId(customer.or(guest)?)))
    };
    Ok(rows.into_iter().filter_map(owner).collect())
}

fn to_order() -> RelationDef {
    order_line::Entity::belongs_to(Entity).from(order_line::Column::OrderId).to(Column::Id).into()
}

/// Whether anything of an order came back.
pub(super) fn came_back(lines: &[order_line::Model]) -> bool {
    lines.iter().any(|line| line.returned > 0)
}
