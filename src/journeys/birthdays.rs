//! Birthdays, which no event tells of: each day those who have theirs are taken in, found by the day they were born.

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};
use entity::customer::{Column, Entity};
use entity::id::{CustomerId, JourneyId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

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

/// Takes in those who have their birthday on the day that begins soon, and on the one that is; due again an hour later, so
/// that a journey that was just published, or a birthday that was just told, is not a year late.
pub(crate) async fn run(app: &App) -> Result<Ended, Fault> {
    let (now, settings) = (app.clock.now(), app.settings());
    let journeys = Journeys::load(&app.db.read).await?;
    let mut days: Vec<NaiveDate> =
        [now, now + AHEAD].into_iter().map(|at| at.with_timezone(&settings.time_zone).date_naive()).collect();
    days.dedup();
    for live in journeys.begun_by(Trigger::Birthday) {
        for day in &days {
            let born = born_for(*day, settings.leap_day_birthday).collect();
            take_in(
                app,
                Celebrants { journey: live.id, day: *day, born, after: CustomerId(uuid::Uuid::nil()) },
            )
            .await?;
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

async fn take_in(app: &App, mut celebrants: Celebrants) -> Result<(), Fault> {
    loop {
        let found: Vec<CustomerId> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Birthday.is_in(celebrants.born.iter().copied()))
            .filter(Column::DisabledAt.is_null())
            .filter(Column::Id.gt(celebrants.after))
            .order_by_asc(Column::Id)
            .limit(BATCH)
            .into_tuple()
            .all(&app.db.read)
            .await?;
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
    let entry = |customer: &CustomerId| {
        let cause = format!("birthday:{}", day.year());
        Entry::new(live, (*customer).into(), cause, Facts::default(), begins)
    };
    enter(tx, found.iter().map(entry).collect()).await
}
