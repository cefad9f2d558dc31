//! What a shop sets of its tiers, and the bounds of each value.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::money::Currency;
use crate::settings::SettingsError;

/// Tiers of one shop.
const MOST_TIERS: usize = 20;
/// Benefits that one tier tells of.
const MOST_BENEFITS: usize = 20;

/// The tiers of the shop; none, if it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TierProgramme {
    /// By threshold, the lowest first.
    pub tiers: Vec<Tier>,
    /// Over which time what counts is summed up.
    pub window: Window,
    /// What counts.
    pub basis: Basis,
    /// How a tier that ends goes down.
    pub downgrade: Downgrade,
    /// Days that a tier lives on after its end.
    pub grace_days: u32,
    /// Days before a member loses a tier on which they are told; not at all if 0.
    pub notice_days: u32,
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The shop's name for it.
    pub code: String,
    /// As members read it.
    pub name: String,
    /// So many points, or minor units.
    pub threshold: i64,
    /// As members read them.
    #[serde(default)]
    pub benefits: Vec<String>,
    /// Whether its members see and order products before others.
    #[serde(default)]
    pub early_access: bool,
}

/// Over which time what counts is summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Window {
    /// A calendar year; a tier that is reached lives until the end of the next.
    #[default]
    CalendarYear,
    /// The last twelve months, each day anew.
    Rolling12Months,
    /// For ever; such a tier does not end.
    Lifetime,
}

/// What counts for a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Basis {
    /// Points that were earned.
    #[default]
    Points,
    /// Money that was paid for goods in this currency.
    Spend(Currency),
}

/// How a tier that ends goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Downgrade {
    /// One tier a period.
    OneStep,
    /// To the tier of what counts then.
    #[default]
    ByBalance,
}

impl Default for TierProgramme {
    fn default() -> Self {
        Self {
            tiers: Vec::new(),
            window: Window::default(),
            basis: Basis::default(),
            downgrade: Downgrade::default(),
            grace_days: 0,
            notice_days: 30,
        }
    }
}

impl Basis {
    /// As what counts is kept.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Points => POINTS,
            Self::Spend(currency) => currency.code(),
        }
    }
}

/// The unit of earned points.
pub(crate) const POINTS: &str = "POINTS";

impl TierProgramme {
    /// The place of the tier with this code, from the lowest.
    pub(crate) fn rank(&self, code: &str) -> Option<usize> {
        self.tiers.iter().position(|tier| tier.code == code)
    }

    /// Whether the shop has a tier for each of these codes.
    pub(crate) fn has_all(&self, codes: &BTreeSet<String>) -> bool {
        codes.iter().all(|code| self.rank(code).is_some())
    }

    /// Checks every bound.
    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        ensure(self.tiers.len() <= MOST_TIERS, "tiers", "must be 20 at most")?;
        let codes: BTreeSet<&str> = self.tiers.iter().map(|tier| tier.code.as_str()).collect();
        ensure(codes.len() == self.tiers.len(), "tiers", "must each have a code of their own")?;
        let rising = self.tiers.windows(2).all(|pair| pair[0].threshold < pair[1].threshold);
        ensure(rising, "tiers", "must be given from the lowest threshold to the highest")?;
        ensure(self.grace_days <= 365, "graceDays", "must be 0 to 365")?;
        ensure(self.notice_days <= 365, "noticeDays", "must be 0 to 365")?;
        self.tiers.iter().try_for_each(Tier::validate)
    }
}

impl Tier {
    fn validate(&self) -> Result<(), SettingsError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = (1..=60).contains(&self.code.len()) && self.code.bytes().all(plain);
        ensure(named, "code", "must be 1 to 60 of a-z, 0-9 and -")?;
        ensure(is_line(&self.name, 100), "name", "must be 1 to 100 characters on one line")?;
        ensure(self.threshold >= 1, "threshold", "must be above 0")?;
        ensure(self.benefits.len() <= MOST_BENEFITS, "benefits", "must be 20 at most")?;
        let told = self.benefits.iter().all(|benefit| is_line(benefit, 200));
        ensure(told, "benefits", "must each be 1 to 200 characters on one line")
    }
}

fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn ensure(holds: bool, field: &'static str, problem: &'static str) -> Result<(), SettingsError> {
    if holds { Ok(()) } else { Err(invalid(field, problem)) }
}

/// A value that is out of its bounds.
pub(crate) fn invalid(field: &'static str, problem: &'static str) -> SettingsError {
    SettingsError::Invalid { inside: Some("tiers"), field, problem }
}
