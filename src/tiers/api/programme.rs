//! The shop's tiers as clients see and set them.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::graphql::scalars::Decimal;
use crate::money::{Currency, Money};
use crate::points::amount::Points;
use crate::settings::SettingsError;
use crate::tiers::programme::{self as rules, Basis, Downgrade, Window};

/// The tiers of the shop, and how members come by them.
#[derive(Debug, SimpleObject)]
pub struct TierProgramme {
    /// From the lowest to the highest; empty if the shop has none.
    tiers: Vec<Tier>,
    /// Over which time what counts is summed up.
    window: TierWindow,
    /// What counts.
    basis: TierBasis,
    /// Of what is spent, only this counts; null where points do.
    currency: Option<Currency>,
    /// How a tier that ends goes down.
    downgrade: TierDowngrade,
    /// Days that a tier lives on after its end.
    grace_days: u32,
    /// Days before a member loses a tier on which the event `tier.ending` is told; 0 if it is not.
    notice_days: u32,
}

/// A tier.
#[derive(Clone, Debug, SimpleObject)]
pub struct Tier {
    /// The shop's name for it, in rules and rewards.
    code: String,
    /// As members read it.
    name: String,
    /// What must count for it: points, or whole units of the currency.
    threshold: Decimal,
    /// As members read them.
    benefits: Vec<String>,
    /// Whether its members see and order products before others.
    early_access: bool,
}

/// Over which time what counts for a tier is summed up, in the shop's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Window")]
pub enum TierWindow {
    /// A calendar year; a tier that is reached in it lasts until the end of the next.
    CalendarYear,
    /// The last twelve months, each day anew; a tier lasts until too little of what counted is younger than that.
    #[graphql(name = "ROLLING_12_MONTHS")]
    Rolling12Months,
    /// For ever; such a tier does not end.
    Lifetime,
}

/// What counts for a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum TierBasis {
    /// Points that were earned, by rules or because the shop said so, spendable or not yet; adjustments do not count.
    Points,
    /// Money that was paid for goods, without shipping and without what points paid.
    Spend,
}

/// How a tier that ends goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Downgrade")]
pub enum TierDowngrade {
    /// To the next lower tier, which is had for a whole period then: a calendar year or twelve months.
    OneStep,
    /// To the tier of what counts then.
    ByBalance,
}

/// All tiers, in place of those before. Every member is looked at anew, from five seconds later on.
#[derive(Debug, InputObject)]
pub struct TierProgrammeInput {
    /// From the lowest to the highest threshold, at most 20; none ends the tiers of the shop.
    tiers: Vec<TierInput>,
    /// Over which time what counts is summed up.
    #[graphql(default_with = "TierWindow::CalendarYear")]
    window: TierWindow,
    /// What counts.
    #[graphql(default_with = "TierBasis::Points")]
    basis: TierBasis,
    /// Of what is spent, only this counts; with `SPEND` only, and the shop's currency if left out.
    currency: Option<Currency>,
    /// How a tier that ends goes down.
    #[graphql(default_with = "TierDowngrade::ByBalance")]
    downgrade: TierDowngrade,
    /// Days that a tier lives on after its end, 0 to 365.
    #[graphql(default)]
    grace_days: u32,
    /// Days before a member loses a tier on which the event `tier.ending` is told, 0 (not at all) to 365.
    #[graphql(default = 30)]
    notice_days: u32,
}

/// A tier.
#[derive(Debug, InputObject)]
pub struct TierInput {
    /// The shop's name for it, 1 to 60 of a-z, 0-9 and `-`.
    code: String,
    /// As members read it, 1 to 100 characters.
    name: String,
    /// What must count for it: whole points, or an amount of the currency; above 0.
    threshold: Decimal,
    /// As members read them: at most 20 of 1 to 200 characters.
    #[graphql(default)]
    benefits: Vec<String>,
    /// Whether its members see and order products before others.
    #[graphql(default)]
    early_access: bool,
}

/// What counts, as clients read it: points, or whole units of the currency.
pub(super) fn amount(basis: Basis, amount: i64) -> Decimal {
    Decimal(match basis {
        Basis::Points => amount.to_string(),
        Basis::Spend(currency) => Money { minor: amount, currency }.amount(),
    })
}

impl Tier {
    pub(super) fn of(basis: Basis, tier: &rules::Tier) -> Self {
        Self {
            code: tier.code.clone(),
            name: tier.name.clone(),
            threshold: amount(basis, tier.threshold),
            benefits: tier.benefits.clone(),
            early_access: tier.early_access,
        }
    }
}

impl From<&rules::TierProgramme> for TierProgramme {
    fn from(programme: &rules::TierProgramme) -> Self {
        let (basis, currency) = match programme.basis {
            Basis::Points => (TierBasis::Points, None),
            Basis::Spend(currency) => (TierBasis::Spend, Some(currency)),
        };
        Self {
            tiers: programme.tiers.iter().map(|tier| Tier::of(programme.basis, tier)).collect(),
            window: programme.window.into(),
            basis,
            currency,
            downgrade: programme.downgrade.into(),
            grace_days: programme.grace_days,
            notice_days: programme.notice_days,
        }
    }
}

impl TierProgrammeInput {
    /// As the settings understand it; `shop` is the shop's currency.
    pub(crate) fn parse(self, shop: Currency) -> Result<rules::TierProgramme, SettingsError> {
        let basis = match (self.basis, self.currency) {
            (TierBasis::Points, None) => Basis::Points,
            (TierBasis::Points, Some(_)) => {
                return Err(rules::invalid("currency", "is for the basis SPEND only"));
            }
            (TierBasis::Spend, currency) => Basis::Spend(currency.unwrap_or(shop)),
        };
        Ok(rules::TierProgramme {
            tiers: self.tiers.into_iter().map(|tier| tier.parse(basis)).collect::<Result<_, _>>()?,
            window: self.window.into(),
            basis,
            downgrade: self.downgrade.into(),
            grace_days: self.grace_days,
            notice_days: self.notice_days,
        })
    }
}

impl TierInput {
    fn parse(self, basis: Basis) -> Result<rules::Tier, SettingsError> {
        let threshold = match basis {
            Basis::Points => {
                let points = self.threshold.0.parse::<i64>().ok().map(Points::try_from);
                points.and_then(Result::ok).map(i64::from)
            }
            Basis::Spend(currency) => {
                Money::parse_unsigned(&self.threshold.0, currency).ok().map(|money| money.minor)
            }
        };
        let problem = "must be whole points, or an amount of the currency";
        Ok(rules::Tier {
            code: self.code,
            name: self.name,
            threshold: threshold.ok_or(rules::invalid("threshold", problem))?,
            benefits: self.benefits,
            early_access: self.early_access,
        })
    }
}
