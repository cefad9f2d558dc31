//! What a shop sets of its points programme, and the bounds of each value.

use std::collections::{BTreeMap, BTreeSet};

use entity::order::RedemptionTax;
use serde::{Deserialize, Serialize};

use crate::money::{Currency, Rate};
use crate::settings::SettingsError;

/// The points programme of the shop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Programme {
    /// Points per whole currency unit, per currency code.
    pub base_rates: BTreeMap<String, Rate>,
    /// Points per whole unit of a currency without a rate of its own.
    pub default_rate: Rate,
    /// Whether tax inside the line total earns too.
    pub earn_on_tax: bool,
    /// When earned points can be spent.
    pub activation: Activation,
    /// How long active points live.
    pub expiry: Expiry,
    /// Members are warned so many days before points end; not at all if empty.
    pub expiry_warning_days: Vec<u32>,
    /// Points for one whole currency unit of discount, per currency code; redeeming in other currencies is refused.
    pub redemption_rates: BTreeMap<String, u32>,
    /// The fewest points one hold may set aside.
    pub redemption_minimum: u32,
    /// A hold is floored to a multiple of this.
    pub redemption_multiple: u32,
    /// The largest share of an order's value that points may pay, in per cent.
    pub redemption_cap_percent: u32,
    /// Whether what points pay lowers the price on which tax is due.
    pub redemption_tax: RedemptionTax,
    /// Minutes a hold lives without an order.
    pub hold_minutes: u32,
    /// Days a hold lives once an unpaid order pins it.
    pub order_hold_days: u32,
    /// What a return takes back when the earned points are spent already.
    pub return_policy: ReturnPolicy,
    /// Points given back by a return live at least this many days more.
    pub refund_grace_days: u32,
    /// Days after which a guest's pending points lapse.
    pub guest_lapse_days: u32,
}

impl Default for Programme {
    fn default() -> Self {
        Self {
            base_rates: BTreeMap::new(),
            default_rate: Rate::ONE,
            earn_on_tax: true,
            activation: Activation::AtOnce,
            expiry: Expiry::Never,
            expiry_warning_days: Vec::new(),
            redemption_rates: BTreeMap::from([("EUR".to_owned(), 100)]),
            redemption_minimum: 1,
            redemption_multiple: 1,
            redemption_cap_percent: 100,
            redemption_tax: RedemptionTax::Discount,
            hold_minutes: 30,
            order_hold_days: 14,
            return_policy: ReturnPolicy::WithinBalance,
            refund_grace_days: 0,
            guest_lapse_days: 180,
        }
    }
}

/// When earned points can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Activation {
    /// When the order is paid.
    AtOnce,
    /// This many days after delivery.
    DaysAfterDelivery(u32),
    /// When the shop or staff say so.
    OnRequest,
}

/// How long active points live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Expiry {
    /// For ever.
    Never,
    /// This many calendar months after activation, in the shop's time zone, clamped to the month's end.
    Months(u32),
    /// The same, then up to the end of that month, quarter or year.
    MonthsToEndOf(u32, Period),
    /// This many calendar months after the member last earned or spent: see [`super::inactivity`].
    MonthsWithoutActivity(u32),
}

/// A span of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Period {
    /// One of twelve.
    Month,
    /// January to March, and so on.
    Quarter,
    /// January to December.
    Year,
}

impl Expiry {
    /// Its months, if it has some.
    pub fn months(self) -> Option<u32> {
        match self {
            Self::Never => None,
            Self::Months(months) | Self::MonthsToEndOf(months, _) | Self::MonthsWithoutActivity(months) => {
                Some(months)
            }
        }
    }
}

/// What a return takes back when the earn's own points are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnPolicy {
    /// Nothing more.
    PendingOnly,
    /// What the member has.
    WithinBalance,
    /// What the member has; the rest is owed and repaid first from later credits.
    AllowDebt,
}

impl Programme {
    /// Points per whole unit of `currency`.
    pub fn base_rate(&self, currency: Currency) -> Rate {
        self.base_rates.get(currency.code()).copied().unwrap_or(self.default_rate)
    }

    /// Points for one whole unit of discount, if points are taken in `currency`.
    pub fn redemption_rate(&self, currency: Currency) -> Option<u32> {
        self.redemption_rates.get(currency.code()).copied()
    }

    /// Checks every bound.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let codes = self.base_rates.keys().chain(self.redemption_rates.keys());
        for code in codes {
            let known = code.parse::<Currency>().is_ok();
            ensure(known, "currency", "is not an ISO 4217 currency with 0, 2 or 3 decimals")?;
        }
        let rates = self.redemption_rates.values().all(|rate| (1..=1_000_000).contains(rate));
        ensure(rates, "redemptionRates", "must each be 1 to 1,000,000 points")?;
        let limit = u32::try_from(i32::MAX).unwrap_or(u32::MAX);
        ensure((1..=limit).contains(&self.redemption_minimum), "redemptionMinimum", "must be 1 or more")?;
        let multiple = (1..=1_000_000).contains(&self.redemption_multiple);
        ensure(multiple, "redemptionMultiple", "must be 1 to 1,000,000")?;
        ensure((1..=100).contains(&self.redemption_cap_percent), "redemptionCapPercent", "must be 1 to 100")?;
        ensure((1..=1_440).contains(&self.hold_minutes), "holdMinutes", "must be 1 to 1,440")?;
        ensure((1..=365).contains(&self.order_hold_days), "orderHoldDays", "must be 1 to 365")?;
        ensure(self.refund_grace_days <= 3_650, "refundGraceDays", "must be 0 to 3,650")?;
        ensure((1..=3_650).contains(&self.guest_lapse_days), "guestLapseDays", "must be 1 to 3,650")?;
        if let Activation::DaysAfterDelivery(days) = self.activation {
            ensure(days <= 365, "activation", "must be 0 to 365 days after delivery")?;
        }
        if let Some(months) = self.expiry.months() {
            ensure((1..=120).contains(&months), "expiry", "must be 1 to 120 months")?;
        }
        let days = &self.expiry_warning_days;
        let distinct: BTreeSet<u32> = days.iter().copied().collect();
        let bounded = days.iter().all(|days| (1..=365).contains(days));
        ensure(
            bounded && days.len() <= 5 && distinct.len() == days.len(),
            "expiryWarningDays",
            "must be at most 5 different numbers, each 1 to 365",
        )?;
        Ok(())
    }
}

fn ensure(holds: bool, field: &'static str, problem: &'static str) -> Result<(), SettingsError> {
    let inside = Some("programme");
    if holds { Ok(()) } else { Err(SettingsError::Invalid { inside, field, problem }) }
}
