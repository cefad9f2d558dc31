//! Where instants and ids come from: the system, or a clock and a seed that a test or sandbox sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::Instant;
use uuid::Uuid;

/// The clock of the shop.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Stands still until moved; holds microseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn manual(at: Instant) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.timestamp_micros())))
    }

    /// Now, cut to microseconds: what `PostgreSQL` keeps.
    pub fn now(&self) -> Instant {
        match self {
            Self::System => system_now(),
            Self::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Moves a manual clock; the system's does not move.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
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
            Self::Random => random_uuid(),
            Self::Seeded(count) => {
                let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
                let mut random = [0_u8; 10];
                random[2..].copy_from_slice(&count.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
fn random_uuid() -> Uuid {
    Uuid::now_v7()
}
