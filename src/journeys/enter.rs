//! Beginning journeys: rows for those who enter, many at once.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use chrono_tz::Tz;
use entity::Instant;
use entity::id::{JourneyId, PersonId, RunId};
use entity::journey_run::{Column, Entity, Model, RunState};
use entity::message::Reason;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::live::Live;
use super::people;
use super::schedule::{self, Rhythm};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::messages::facts::Facts;
use crate::tx::Tx;

/// Somebody for whom a journey begins.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) live: &'a Live,
    pub(super) person: PersonId,
    /// What begins it; it begins once for each.
    pub(super) cause: String,
    /// While one waits, a newer cause in the same lane takes its place.
    pub(super) lane: Option<String>,
    pub(super) facts: Facts,
    /// When what begins it happened.
    pub(super) happened_at: Instant,
    /// What its first step waits from, if that is not when it happened.
    pub(super) waits_from: Option<Instant>,
    pub(super) rhythm: Option<Rhythm>,
}

impl Entry<'_> {
    fn due(&self, zone: Tz) -> Instant {
        let from = self.waits_from.unwrap_or(self.happened_at);
        self.live.definition.steps.first().map_or(from, |step| schedule::due(from, step, self.rhythm, zone))
    }

    /// The facts, with the coupon that its first step shows.
    fn facts(&self) -> Facts {
        let coupon = self.live.definition.steps.first().and_then(|step| step.coupon.clone());
        Facts { coupon: coupon.or_else(|| self.facts.coupon.clone()), ..self.facts.clone() }
    }
}

/// Begins these journeys, under the lock, for whom people turned out to be; five statements for any number.
pub(super) async fn enter(tx: &Tx, mut entries: Vec<Entry<'_>>) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    // What is told of somebody was told before a merge, which waits for the lock or is seen here.
    let known = people::load(tx.db(), entries.iter().map(|entry| entry.person)).await?;
    for entry in &mut entries {
        entry.person = known.get(&entry.person).map_or(entry.person, |person| person.id);
    }
    let (laned, free): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.lane.is_some());
    // Of several in one lane the last one counts.
    let mut last: BTreeMap<(JourneyId, PersonId, String), Entry<'_>> = BTreeMap::new();
    for entry in laned {
        let Some(lane) = entry.lane.clone() else { continue };
        let key = (entry.live.id, entry.person, lane);
        let is_newer = last.get(&key).is_none_or(|known| known.happened_at <= entry.happened_at);
        if is_newer {
            last.insert(key, entry);
        }
    }
    let waiting = waiting_in_lanes(tx, last.keys().map(|(_, person, _)| *person)).await?;
    let mut begun = Begun::new();
    for (key, entry) in last {
        match waiting.get(&key) {
            Some(known) if known.happened_at > entry.happened_at => {}
            Some(known) if known.step == 0 => begun.restart(tx, known, &entry)?,
            Some(known) => {
                begun.supersede(tx, known);
                begun.add(tx, &entry)?;
            }
            None => begun.add(tx, &entry)?,
        }
    }
    for entry in free {
        begun.add(tx, &entry)?;
    }
    begun.write(tx).await
}

/// Those of these people who wait in a lane.
async fn waiting_in_lanes(
    tx: &Tx,
    people: impl Iterator<Item = PersonId>,
) -> Result<HashMap<(JourneyId, PersonId, String), Model>, Fault> {
    let people: Vec<_> = people.map(|person| person.0).collect();
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let among = is_among(tx.db().get_database_backend(), "person_id", people);
    let open = Column::State.is_in([RunState::Waiting, RunState::Parked]);
    let rows =
        Entity::find().filter(among).filter(open).filter(Column::Lane.is_not_null()).all(tx.db()).await?;
    let keyed = |row: Model| Some(((row.journey_id, row.person_id, row.lane.clone()?), row));
    Ok(rows.into_iter().filter_map(keyed).collect())
}

/// What is to be written.
struct Begun {
    new: Rows,
    restarted: Rows,
    superseded: Rows,
}

impl Begun {
    fn new() -> Self {
        Self {
            new: Rows::new(
                "journey_runs",
                &[
                    "id",
                    "journey_id",
                    "version",
                    "person_id",
                    "cause",
                    "lane",
                    "facts",
                    "step",
                    "state",
                    "held_out",
                    "deferrals",
                    "sent",
                    "happened_at",
                    "due_at",
                    "first_due_at",
                    "entered_at",
                ],
            ),
            restarted: Rows::new(
                "journey_runs",
                &[
                    "id",
                    "version",
                    "cause",
                    "facts",
                    "happened_at",
                    "due_at",
                    "first_due_at",
                    "reason",
                    "deferrals",
                ],
            ),
            superseded: Rows::new("journey_runs", &["id", "state", "reason", "ended_at"]),
        }
    }

    fn add(&mut self, tx: &Tx, entry: &Entry<'_>) -> Result<(), Fault> {
        let due = entry.due(tx.settings().time_zone);
        let held_out = is_held_out(entry.live.id, entry.person, entry.live.definition.holdout_percent);
        self.new.push([
            tx.id::<RunId>().0.into(),
            entry.live.id.0.into(),
            entry.live.version.into(),
            entry.person.0.into(),
            entry.cause.as_str().into(),
            entry.lane.clone().into(),
            entry.facts().stored()?.into(),
            0_i32.into(),
            RunState::Waiting.to_value().into(),
            held_out.into(),
            0_i32.into(),
            0_i32.into(),
            entry.happened_at.into(),
            due.into(),
            due.into(),
            tx.now().into(),
        ]);
        Ok(())
    }

    fn restart(&mut self, tx: &Tx, known: &Model, entry: &Entry<'_>) -> Result<(), Fault> {
        let due = entry.due(tx.settings().time_zone);
        self.restarted.push([
            known.id.0.into(),
            entry.live.version.into(),
            entry.cause.as_str().into(),
            entry.facts().stored()?.into(),
            entry.happened_at.into(),
            due.into(),
            due.into(),
            None::<String>.into(),
            0_i32.into(),
        ]);
        Ok(())
    }

    fn supersede(&mut self, tx: &Tx, known: &Model) {
        let (state, reason) = (RunState::Done.to_value(), Reason::Superseded.to_value());
        self.superseded.push([known.id.0.into(), state.into(), reason.into(), tx.now().into()]);
    }

    async fn write(self, tx: &Tx) -> Result<(), Fault> {
        self.superseded.update(tx.db(), "").await?;
        self.restarted.update(tx.db(), "").await?;
        // A cause that began it before begins nothing.
        self.new.insert_missing(tx.db()).await?;
        Ok(())
    }
}

/// Whether a person is among those who get nothing: always the same for one journey, and evenly spread.
fn is_held_out(journey: JourneyId, person: PersonId, percent: u32) -> bool {
    let hash = digest(&SHA256, &[*journey.0.as_bytes(), *person.0.as_bytes()].concat());
    let drawn = hash.as_ref().iter().take(8).fold(0_u64, |drawn, byte| (drawn << 8) | u64::from(*byte));
    drawn % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_in_ten_is_held_out_of_each_journey_and_always_the_same() {
        let journey = |n| JourneyId(Uuid::from_u128(n));
        let people = || (0..10_000_u128).map(|n| PersonId(Uuid::from_u128(n)));
        let held = |of| people().filter(|person| is_held_out(of, *person, 10)).collect::<Vec<_>>();
        let first = held(journey(1));
        assert!((900..1_100).contains(&first.len()), "{}", first.len());
        assert_eq!(first, held(journey(1)));
        let both = held(journey(2)).iter().filter(|person| first.contains(person)).count();
        assert!((60..140).contains(&both), "{both}");
        assert!(people().all(|person| !is_held_out(journey(1), person, 0)));
    }
}
