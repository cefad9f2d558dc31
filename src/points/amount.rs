//! Numbers of points: never fractions, never beyond 2³¹−1.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An amount of points, 0 to 2,147,483,647.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Points(i32);

/// A change of points, −2,147,483,647 to 2,147,483,647.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct PointsDelta(i32);

/// Below or above the bounds of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not between {least} and 2147483647 points")]
pub struct OutOfBounds {
    /// The lowest that is allowed.
    pub least: i32,
}

impl Points {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The most there can be in one account or amount.
    pub const MAX: Self = Self(i32::MAX);

    /// This many, at least none.
    pub(crate) const fn at_most(limit: i32) -> Self {
        if limit < 0 { Self::ZERO } else { Self(limit) }
    }

    /// As the database keeps it.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl PointsDelta {
    /// As the database keeps it.
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Without its sign.
    pub const fn abs(self) -> Points {
        Points(self.0.abs())
    }

    /// Whether it takes points away.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl TryFrom<i64> for Points {
    type Error = OutOfBounds;

    fn try_from(value: i64) -> Result<Self, OutOfBounds> {
        match i32::try_from(value) {
            Ok(value) if value >= 0 => Ok(Self(value)),
            _ => Err(OutOfBounds { least: 0 }),
        }
    }
}

impl TryFrom<i64> for PointsDelta {
    type Error = OutOfBounds;

    fn try_from(value: i64) -> Result<Self, OutOfBounds> {
        match i32::try_from(value) {
            Ok(value) if value > i32::MIN => Ok(Self(value)),
            _ => Err(OutOfBounds { least: -i32::MAX }),
        }
    }
}

impl From<Points> for i64 {
    fn from(points: Points) -> Self {
        points.0.into()
    }
}

impl From<PointsDelta> for i64 {
    fn from(delta: PointsDelta) -> Self {
        delta.0.into()
    }
}
