//! Where instants and ids come from: the system, or a clock and a seed that a test or sandbox sets.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Monotonic};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::Instant;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::app::App;
use crate::db::Db;
use crate::error::Fault;

/// How far the machine's clock may be from the database's, or from where it was, to be believed.
const MOST_OFF: TimeDelta = TimeDelta::minutes(1);
/// How long the database's answer may take to be of use.
const LONGEST_WAY: Duration = Duration::from_secs(5);
/// How often the database is asked for its time.
const AGREE_EVERY: Duration = Duration::from_secs(1);

/// The clock of the shop.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's, as far as it is to be believed.
    System(Arc<Steady>),
    /// Stands still until moved; holds microseconds since 1970.
    Manual(Arc<AtomicI64>),
}

/// What the machine's clock has to agree with where other instances and a database have clocks of their own: the time that
/// was agreed on, going on by itself. A clock that jumps away from it is not believed until the database
/// agrees, nor for that long after the machine was suspended.
#[derive(Debug)]
pub struct Steady {
    since: Monotonic,
    /// Microseconds since 1970 at `since`; [`NEVER`] until something was agreed on.
    agreed: AtomicI64,
}

/// Nothing was agreed on: the machine's clock is believed whatever it says.
const NEVER: i64 = i64::MIN;

impl Steady {
    /// The time that goes on by itself.
    fn now(&self) -> Option<Instant> {
        let agreed = self.agreed.load(Ordering::Relaxed);
        let passed = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
        (agreed != NEVER).then(|| DateTime::from_timestamp_micros(agreed.saturating_add(passed))).flatten()
    }

    fn agree_on(&self, now: Instant) {
        let passed = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.agreed.store(now.timestamp_micros().saturating_sub(passed), Ordering::Relaxed);
    }
}

/// What the machine's clock says, unless it is too far from `other`.
fn believed(machine: Instant, other: Instant) -> Instant {
    if (machine - other).abs() <= MOST_OFF { machine } else { other }
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::System(Arc::new(Steady { since: Monotonic::now(), agreed: AtomicI64::new(NEVER) }))
    }

    /// A clock that stands at `at`.
    pub fn manual(at: Instant) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.timestamp_micros())))
    }

    /// Now, cut to microseconds: what `PostgreSQL` keeps.
    pub fn now(&self) -> Instant {
        match self {
            Self::System(steady) => {
                let machine = system_now();
                steady.now().map_or(machine, |steady| believed(machine, steady))
            }
            Self::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Agrees with the database, which has the last word where the two are too far apart.
    pub(crate) async fn agree(&self, db: &Db) -> Result<(), Fault> {
        let asked = Monotonic::now();
        // An answer that was long on its way tells the time of then.
        if let Self::System(steady) = self
            && let Some(theirs) = db.time().await?
            && asked.elapsed() < LONGEST_WAY
        {
            steady.agree_on(believed(system_now(), theirs));
        }
        Ok(())
    }

    /// Whether the machine's clock is near the database's; an `SQLite` file has no clock of its own.
    pub(crate) async fn is_right(&self, db: &Db) -> Result<bool, Fault> {
        Ok(match self {
            Self::System(_) => {
                db.time().await?.is_none_or(|theirs| (system_now() - theirs).abs() <= MOST_OFF)
            }
            Self::Manual(_) => true,
        })
    }

    /// Moves a manual clock; the system's does not move.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// Goes on agreeing with the database. While that does not answer, time goes on by itself.
pub(crate) async fn follow(app: App) {
    while app.db.is_postgres() {
        tokio::time::sleep(AGREE_EVERY).await;
        if let Err(fault) = app.clock.agree(&app.db).await {
            tracing::warn!(?fault, "the database could not be asked for its time");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Instant {
    let now = Utc::now();
    now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
}

/// Hands out ids that rise with time (UUIDv7).
#[derive(Clone, Debug)]
pub enum IdGen {
    /// Random, as production needs them.
    Random,
    /// The same ids in the same order for the same seed.
    Seeded(Arc<AtomicU64>),
}

impl IdGen {
    /// Ids that repeat from run to run.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed << 32)))
    }

    /// A new id.
    pub fn uuid(&self, now: Instant) -> Uuid {
        match self {
            Self::Random => random_uuid(now),
            Self::Seeded(count) => {
                let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
                let mut random = [0_u8; 10];
                random[2..].copy_from_slice(&count.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
            }
        }
    }
}

fn random_uuid(now: Instant) -> Uuid {
    // Within a millisecond, ids of this process rise too.
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&CONTEXT, seconds, now.timestamp_subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_whose_clock_jumps_keeps_the_time_that_was_agreed_on() {
        let (clock, machine) = (Clock::system(), system_now());
        let Clock::System(steady) = &clock else { unreachable!() };
        let near = |one: Instant, other: Instant| (one - other).abs() < TimeDelta::seconds(30);
        assert!(near(clock.now(), machine));
        for off in [TimeDelta::hours(1), TimeDelta::days(-400), TimeDelta::seconds(61)] {
            steady.agree_on(machine + off);
            assert!(near(clock.now(), machine + off), "{off}");
        }
        // Less than that is the difference of two clocks that are both right.
        steady.agree_on(machine + TimeDelta::seconds(29));
        assert!((clock.now() - machine).abs() < TimeDelta::seconds(29));
    }

    #[test]
    fn ids_rise_with_the_time_that_they_are_made_at_and_within_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let ids: Vec<Uuid> = [1_900_000_000; 50].into_iter().map(|now| IdGen::Random.uuid(at(now))).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert_eq!(ids[0].get_timestamp().unwrap().to_unix().0, 1_900_000_000);
    }
}
