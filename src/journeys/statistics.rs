//! What came of journeys: who was sent something, who was not and why, and who bought after that.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{CustomerId, JourneyId, PersonId, RunId};
use entity::journey_run::{Column, Entity, RunState};
use entity::message::{self, MessageState, Reason};
use entity::order;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use super::purchases::buyer;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// Counts these paid orders as brought about by what was sent, or would have been, within the time in which it counts; of
/// one person, the first order after each. Two statements for any number.
pub(super) async fn convert(tx: &Tx, orders: impl Iterator<Item = &order::Model>) -> Result<(), Fault> {
    let mut bought: HashMap<PersonId, Vec<&order::Model>> = HashMap::new();
    for order in orders {
        if let Some(person) = buyer(order) {
            bought.entry(person).or_default().push(order);
        }
    }
    let Some(first) = bought.values().flatten().map(|order| order.placed_at).min() else { return Ok(()) };
    let counts_for = TimeDelta::days(tx.settings().messages.conversion_days.into());
    let among = is_among(tx.db().get_database_backend(), "person_id", bought.keys().map(|id| id.0));
    let open: Vec<(RunId, PersonId, Option<Instant>)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::PersonId, Column::MeasuredFrom])
        .filter(among)
        .filter(Column::ConvertedAt.is_null().and(Column::MeasuredFrom.gte(first - counts_for)))
        .into_tuple()
        .all(tx.db())
        .await?;
    let mut rows = Rows::new("journey_runs", &["id", "converted_at", "converted_order_id"]);
    for (run, person, from) in open {
        let Some((from, orders)) = from.zip(bought.get(&person)) else { continue };
        let counts = |order: &&&order::Model| from < order.placed_at && order.placed_at <= from + counts_for;
        if let Some(order) = orders.iter().filter(counts).min_by_key(|order| order.placed_at) {
            rows.push([run.0.into(), order.placed_at.into(), order.id.0.into()]);
        }
    }
    rows.update(tx.db(), "").await
}

/// What came of those who began a journey in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) entered: i64,
    /// For a first or a next step; those that were put off among them.
    pub(crate) waiting: i64,
    /// Of those who wait, who was put off, by why.
    pub(crate) deferred: BTreeMap<Reason, i64>,
    /// Who ended before a first message, by why.
    pub(crate) dropped: BTreeMap<Reason, i64>,
    /// Messages that were sent.
    pub(crate) sent: i64,
    /// Messages that were queued and not sent, by why.
    pub(crate) unsent: BTreeMap<Reason, i64>,
    /// Who was sent something.
    pub(crate) reached: i64,
    /// Of those, who bought in time.
    pub(crate) reached_converted: i64,
    /// Who got nothing, to measure by.
    pub(crate) held_out: i64,
    /// Of those, who bought in time.
    pub(crate) held_out_converted: i64,
}

/// Without a parameter, so that the database sees one expression where it is asked for and where it is grouped by.
fn was_reached() -> SimpleExpr {
    Expr::cust("sent > 0")
}

/// A span of time, its end not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Span {
    fn has(self, column: impl ColumnTrait) -> SimpleExpr {
        column.gte(self.from).and(column.lt(self.until))
    }
}

/// What came of those who began these journeys in a span; two statements for any number of journeys.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    journeys: &[JourneyId],
    span: Span,
) -> Result<HashMap<JourneyId, Statistics>, Fault> {
    let rows: Vec<(JourneyId, RunState, Option<Reason>, bool, i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::JourneyId, Column::State, Column::Reason])
        .expr(was_reached())
        .expr(Column::Id.count())
        .expr(Column::ConvertedAt.count())
        .filter(among(db, journeys))
        .filter(span.has(Column::EnteredAt))
        .group_by(Column::JourneyId)
        .group_by(Column::State)
        .group_by(Column::Reason)
        .group_by(was_reached())
        .into_tuple()
        .all(db)
        .await?;
    let mut found: HashMap<JourneyId, Statistics> = HashMap::new();
    for (journey, state, reason, was_reached, count, converted) in rows {
        found.entry(journey).or_default().add_runs(state, reason, was_reached, [count, converted]);
    }
    add_messages(db, journeys, span, &mut found).await?;
    Ok(found)
}

fn among(db: &impl ConnectionTrait, journeys: &[JourneyId]) -> SimpleExpr {
    is_among(db.get_database_backend(), "journey_id", journeys.iter().map(|id| id.0))
}

async fn add_messages(
    db: &impl ConnectionTrait,
    journeys: &[JourneyId],
    span: Span,
    found: &mut HashMap<JourneyId, Statistics>,
) -> Result<(), Fault> {
    use message::Column as Message;
    let rows: Vec<(JourneyId, MessageState, Option<Reason>, i64)> = message::Entity::find()
        .select_only()
        .columns([Message::JourneyId, Message::State, Message::Reason])
        .expr(Message::Id.count())
        .filter(among(db, journeys))
        .filter(span.has(Message::QueuedAt))
        .group_by(Message::JourneyId)
        .group_by(Message::State)
        .group_by(Message::Reason)
        .into_tuple()
        .all(db)
        .await?;
    for (journey, state, reason, count) in rows {
        let statistics = found.entry(journey).or_default();
        match (state, reason) {
            (MessageState::Sent, _) => statistics.sent += count,
            (_, Some(reason)) => *statistics.unsent.entry(reason).or_default() += count,
            (_, None) => {}
        }
    }
    Ok(())
}

impl Statistics {
    fn add_runs(
        &mut self,
        state: RunState,
        reason: Option<Reason>,
        was_reached: bool,
        [count, converted]: [i64; 2],
    ) {
        self.entered += count;
        if was_reached {
            self.reached += count;
            self.reached_converted += converted;
        }
        match (state, reason) {
            (RunState::Waiting | RunState::Parked, reason) => {
                self.waiting += count;
                if let Some(reason) = reason {
                    *self.deferred.entry(reason).or_default() += count;
                }
            }
            (RunState::HeldOut, _) => {
                self.held_out += count;
                self.held_out_converted += converted;
            }
            (RunState::Dropped, Some(reason)) => *self.dropped.entry(reason).or_default() += count,
            (RunState::Dropped, None) | (RunState::Done, _) => {}
        }
    }
}

/// The ways of a customer through a journey, the last first.
pub(super) async fn runs_of(
    db: &impl ConnectionTrait,
    journey: JourneyId,
    customer: CustomerId,
    limit: u64,
) -> Result<Vec<entity::journey_run::Model>, Fault> {
    use sea_orm::QueryOrder;
    Ok(Entity::find()
        .filter(Column::PersonId.eq(PersonId::from(customer)))
        .filter(Column::JourneyId.eq(journey))
        .order_by_desc(Column::EnteredAt)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?)
}
