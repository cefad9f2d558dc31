//! Birthdays, which no event tells of: each day those who have theirs are taken in, found by the day they were born.

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta};
use entity::Instant;
use entity::customer::{Column, Entity};
use entity::id::{CustomerId, JourneyId};
use entity::journey_run::{self, Column as Run};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::definition::Trigger;
use super::enter::{Entry, enter};
use super::live::Journeys;
use super::lock;
use crate::app::App;
use crate::customers::birthday::born_for;
use crate::error::Fault;
use crate::jobs::Ended;
use crate::messages::facts::Facts;
use crate::messages::quiet::at_local;
use crate::tx::Tx;

/// The recurring job.
pub(crate) const KIND: &str = "journeys.birthdays";
/// People of one transaction.
const BATCH: u64 = 500;
/// Whoever was born on a day is taken in so long before it begins, so that nobody waits for this on the day.
const AHEAD: TimeDelta = TimeDelta::hours(2);

/// Takes in those who have their birthday on the day that begins soon, on the one that is, and on those before for which a
/// message may still be put off; due again an hour later, so that neither a day without a worker nor a journey that was just
/// published nor a birthday that was just told makes it a year.
pub(crate) async fn run(app: &App) -> Result<Ended, Fault> {
    let (now, settings) = (app.clock.now(), app.settings());
    let day_of = |at: Instant| at.with_timezone(&settings.time_zone).date_naive();
    let journeys = Journeys::load(&app.db.read).await?;
    for live in journeys.begun_by(Trigger::Birthday) {
        let patience = Days::new(u64::from(live.definition.give_up_hours) / 24);
        let today = day_of(now);
        // It takes nobody in for what was before it.
        let first = std::cmp::max(today - patience, day_of(live.published_at));
        for day in first.iter_days().take_while(|day| *day <= day_of(now + AHEAD)) {
            let born = born_for(day, settings.leap_day_birthday).collect();
            let celebrants = Celebrants { journey: live.id, day, born, after: CustomerId(Uuid::nil()) };
            take_in(app, celebrants).await?;
        }
    }
    Ok(Ended::Again(now + TimeDelta::hours(1)))
}

/// Who has a birthday on a day.
struct Celebrants {
    journey: JourneyId,
    day: NaiveDate,
    born: Vec<NaiveDate>,
    after: CustomerId,
}

impl Celebrants {
    /// For whom the journey did not begin yet; what is looked at again costs no more than this.
    fn left(&self) -> sea_orm::Select<Entity> {
        let of_run = |column| Expr::col((journey_run::Entity, column));
        let begun = Query::select()
            .expr(Expr::val(1))
            .from(journey_run::Entity)
            .and_where(of_run(Run::JourneyId).eq(self.journey.0))
            .and_where(of_run(Run::PersonId).equals((Entity, Column::Id)))
            .and_where(of_run(Run::Cause).eq(cause(self.day)))
            .take();
        Entity::find()
            .filter(Column::Birthday.is_in(self.born.iter().copied()))
            .filter(Column::DisabledAt.is_null().and(Column::MergedInto.is_null()))
            .filter(Expr::exists(begun).not())
            .filter(Column::Id.gt(self.after))
            .order_by_asc(Column::Id)
            .limit(BATCH)
    }
}

/// Once a year, even if somebody's birthday is told anew.
fn cause(day: NaiveDate) -> String {
    format!("birthday:{}", day.year())
}

async fn take_in(app: &App, mut celebrants: Celebrants) -> Result<(), Fault> {
    loop {
        let left = celebrants.left().select_only().column(Column::Id);
        let found: Vec<CustomerId> = left.into_tuple().all(&app.db.read).await?;
        let Some(last) = found.last().copied() else { return Ok(()) };
        let input = (celebrants.journey, celebrants.day, found);
        app.change(&input, async |tx: &Tx, (journey, day, found)| begin(tx, *journey, *day, found).await)
            .await?;
        celebrants.after = last;
    }
}

async fn begin(tx: &Tx, journey: JourneyId, day: NaiveDate, found: &[CustomerId]) -> Result<(), Fault> {
    lock(tx).await?;
    let journeys = Journeys::load(tx.db()).await?;
    let Some(live) = journeys.iter().find(|live| live.id == journey) else { return Ok(()) };
    let begins = at_local(day, NaiveTime::MIN, tx.settings().time_zone);
    let entry =
        |customer: &CustomerId| Entry::new(live, (*customer).into(), cause(day), Facts::default(), begins);
    enter(tx, found.iter().map(entry).collect()).await
}
