//! The points programme over GraphQL: as it is, and as a change of it.

use async_graphql::{Enum, InputObject, SimpleObject};
use entity::order::RedemptionTax;

use super::by_currency;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::money::{Currency, NumberError, Rate};
use crate::points::amount::Points;
use crate::points::programme::{Activation, Expiry, Period, Programme, ReturnPolicy};
use crate::settings::update::ProgrammeUpdate;

/// The points programme as it is in force.
#[derive(Debug, SimpleObject)]
pub struct PointsProgramme {
    /// Points that an amount earns, by currency.
    base_rates: Vec<BaseRate>,
    /// Points per whole unit of a currency without a rate of its own.
    default_rate: Rate,
    /// Whether tax inside the line total earns too.
    earn_on_tax: bool,
    /// When earned points can be spent.
    activation: PointsActivationPolicy,
    /// How long active points live.
    expiry: PointsExpiryPolicy,
    /// Days before points end on which the event `points.expiring` is told, once for a member and day of end.
    expiry_warning_days: Vec<u32>,
    /// Points that one whole unit of discount takes, by currency; other currencies take no points.
    redemption_rates: Vec<RedemptionRate>,
    /// The fewest points one hold may set aside.
    redemption_minimum: Points,
    /// A hold is floored to a multiple of this.
    redemption_multiple: Points,
    /// The largest share of an order's value that points may pay, in per cent.
    redemption_cap_percent: u32,
    /// How tax is due on what points pay.
    redemption_tax: PointsRedemptionTax,
    /// Minutes a hold lives without an order.
    hold_minutes: u32,
    /// Days a hold lives once an unpaid order has it.
    order_hold_days: u32,
    /// What a return takes back when the earned points are spent already.
    return_policy: PointsReturnPolicy,
    /// Points given back by a return live at least this many days more.
    refund_grace_days: u32,
    /// Days after which a guest's pending points lapse.
    guest_lapse_days: u32,
}

/// Points that an amount of a currency earns.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "BaseRateInput")]
pub struct BaseRate {
    /// Of which currency.
    currency: Currency,
    /// Points per whole unit of it.
    points_per_unit: Rate,
}

/// Points that a discount in a currency takes.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "RedemptionRateInput")]
pub struct RedemptionRate {
    /// Of which currency.
    currency: Currency,
    /// Points for one whole unit of it, 1 to 1,000,000.
    points_per_unit: Points,
}

/// When earned points can be spent.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PointsActivationPolicyInput")]
pub struct PointsActivationPolicy {
    /// What they wait for.
    when: PointsActivationMoment,
    /// Days after delivery, 0 to 365; only and always with `DAYS_AFTER_DELIVERY`.
    days: Option<u32>,
}

/// What earned points wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PointsActivationMoment {
    /// Nothing: they can be spent when the order is paid.
    AtOnce,
    /// A number of days after delivery.
    DaysAfterDelivery,
    /// The shop or staff saying so.
    OnRequest,
}

/// How long active points live.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PointsExpiryPolicyInput")]
pub struct PointsExpiryPolicy {
    /// By which rule they end.
    rule: PointsExpiryRule,
    /// Calendar months, 1 to 120; with every rule but `NEVER`, and not with that.
    months: Option<u32>,
    /// Up to the end of what the last day is rounded; only with `MONTHS_AFTER_ACTIVATION`, and not at all if null.
    round_up: Option<PointsExpiryPeriod>,
}

/// By which rule active points end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PointsExpiryRule {
    /// They do not.
    Never,
    /// Months after they became active, in the shop's time zone, clamped to the end of the month.
    MonthsAfterActivation,
    /// All at once, months after the member last earned points for an order or grant, or spent some. Points that were
    /// opened under another rule keep the end they have; those of this rule keep it too if the rule changes.
    MonthsWithoutActivity,
}

/// What the last day of points is rounded up to the end of, in the shop's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Period")]
pub enum PointsExpiryPeriod {
    /// Its month.
    Month,
    /// Its quarter, such as January to March.
    Quarter,
    /// Its year.
    Year,
}

/// How tax is due on what points pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "RedemptionTax")]
pub enum PointsRedemptionTax {
    /// They lower the price of each line in proportion: tax is due on the rest.
    Discount,
    /// They pay like money: tax is due on the whole price.
    Tender,
}

/// What a return takes back when the earn's own points are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ReturnPolicy")]
pub enum PointsReturnPolicy {
    /// Nothing more.
    PendingOnly,
    /// What the member has.
    WithinBalance,
    /// What the member has; the rest is owed and repaid first from later credits.
    AllowDebt,
}

/// A change of the points programme. What is not given stays as it is; a list takes the place of the whole list before.
#[derive(Debug, InputObject)]
pub struct PointsProgrammeInput {
    /// Points that an amount earns, by currency.
    base_rates: Option<Vec<BaseRate>>,
    /// Points per whole unit of a currency without a rate of its own.
    default_rate: Option<Rate>,
    /// Whether tax inside the line total earns too.
    earn_on_tax: Option<bool>,
    /// When earned points can be spent.
    activation: Option<PointsActivationPolicy>,
    /// How long active points live.
    expiry: Option<PointsExpiryPolicy>,
    /// Days before points end on which members are warned: at most 5 different numbers, each 1 to 365.
    expiry_warning_days: Option<Vec<u32>>,
    /// Points that one whole unit of discount takes, by currency.
    redemption_rates: Option<Vec<RedemptionRate>>,
    /// The fewest points one hold may set aside, 1 or more.
    redemption_minimum: Option<Points>,
    /// What a hold is floored to a multiple of, 1 to 1,000,000.
    redemption_multiple: Option<Points>,
    /// The largest share of an order's value that points may pay, 1 to 100 per cent.
    redemption_cap_percent: Option<u32>,
    /// How tax is due on what points pay; orders that have points set aside already keep what was in force then.
    redemption_tax: Option<PointsRedemptionTax>,
    /// Minutes a hold lives without an order, 1 to 1,440.
    hold_minutes: Option<u32>,
    /// Days a hold lives once an unpaid order has it, 1 to 365.
    order_hold_days: Option<u32>,
    /// What a return takes back when the earned points are spent already.
    return_policy: Option<PointsReturnPolicy>,
    /// Days that points given back by a return live at least, 0 to 3,650.
    refund_grace_days: Option<u32>,
    /// Days after which a guest's pending points lapse, 1 to 3,650.
    guest_lapse_days: Option<u32>,
}

impl PointsProgrammeInput {
    /// As the settings understand it.
    pub(super) fn parse(self) -> Result<ProgrammeUpdate, ApiError> {
        let earning = |rate: BaseRate| (rate.currency, rate.points_per_unit);
        let base_rates =
            self.base_rates.map(|rates| by_currency(rates.into_iter().map(earning), "baseRates"));
        let redeeming = |rate: RedemptionRate| (rate.currency, number(rate.points_per_unit));
        let redemption_rates = self
            .redemption_rates
            .map(|rates| by_currency(rates.into_iter().map(redeeming), "redemptionRates"));
        Ok(ProgrammeUpdate {
            base_rates: base_rates.transpose()?,
            default_rate: self.default_rate,
            earn_on_tax: self.earn_on_tax,
            activation: self.activation.map(Activation::try_from).transpose()?,
            expiry: self.expiry.map(Expiry::try_from).transpose()?,
            expiry_warning_days: self.expiry_warning_days,
            redemption_rates: redemption_rates.transpose()?,
            redemption_minimum: self.redemption_minimum.map(number),
            redemption_multiple: self.redemption_multiple.map(number),
            redemption_cap_percent: self.redemption_cap_percent,
            redemption_tax: self.redemption_tax.map(RedemptionTax::from),
            hold_minutes: self.hold_minutes,
            order_hold_days: self.order_hold_days,
            return_policy: self.return_policy.map(ReturnPolicy::from),
            refund_grace_days: self.refund_grace_days,
            guest_lapse_days: self.guest_lapse_days,
        })
    }
}

fn number(points: Points) -> u32 {
    points.get().unsigned_abs()
}

fn points(number: u32) -> Result<Points, Fault> {
    Ok(Points::try_from(i64::from(number))?)
}

impl TryFrom<PointsActivationPolicy> for Activation {
    type Error = ApiError;

    fn try_from(input: PointsActivationPolicy) -> Result<Self, ApiError> {
        match (input.when, input.days) {
            (PointsActivationMoment::AtOnce, None) => Ok(Self::AtOnce),
            (PointsActivationMoment::OnRequest, None) => Ok(Self::OnRequest),
            (PointsActivationMoment::DaysAfterDelivery, Some(days)) => Ok(Self::DaysAfterDelivery(days)),
            (PointsActivationMoment::DaysAfterDelivery, None)
            | (PointsActivationMoment::AtOnce | PointsActivationMoment::OnRequest, Some(_)) => {
                Err(ApiError::bad_input("activation has days with DAYS_AFTER_DELIVERY and only then"))
            }
        }
    }
}

impl From<Activation> for PointsActivationPolicy {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::AtOnce => Self { when: PointsActivationMoment::AtOnce, days: None },
            Activation::OnRequest => Self { when: PointsActivationMoment::OnRequest, days: None },
            Activation::DaysAfterDelivery(days) => {
                Self { when: PointsActivationMoment::DaysAfterDelivery, days: Some(days) }
            }
        }
    }
}

impl TryFrom<PointsExpiryPolicy> for Expiry {
    type Error = ApiError;

    fn try_from(input: PointsExpiryPolicy) -> Result<Self, ApiError> {
        use PointsExpiryRule::{MonthsAfterActivation, MonthsWithoutActivity, Never};
        match (input.rule, input.months, input.round_up) {
            (Never, None, None) => Ok(Self::Never),
            (MonthsAfterActivation, Some(months), None) => Ok(Self::Months(months)),
            (MonthsAfterActivation, Some(months), Some(period)) => {
                Ok(Self::MonthsToEndOf(months, period.into()))
            }
            (MonthsWithoutActivity, Some(months), None) => Ok(Self::MonthsWithoutActivity(months)),
            (Never | MonthsWithoutActivity, _, Some(_)) => {
                Err(ApiError::bad_input("expiry has roundUp with MONTHS_AFTER_ACTIVATION only"))
            }
            (Never, Some(_), None) | (MonthsAfterActivation | MonthsWithoutActivity, None, _) => {
                Err(ApiError::bad_input("expiry has months with every rule but NEVER, and not with that"))
            }
        }
    }
}

impl From<Expiry> for PointsExpiryPolicy {
    fn from(expiry: Expiry) -> Self {
        let (rule, round_up) = match expiry {
            Expiry::Never => (PointsExpiryRule::Never, None),
            Expiry::Months(_) => (PointsExpiryRule::MonthsAfterActivation, None),
            Expiry::MonthsToEndOf(_, period) => {
                (PointsExpiryRule::MonthsAfterActivation, Some(period.into()))
            }
            Expiry::MonthsWithoutActivity(_) => (PointsExpiryRule::MonthsWithoutActivity, None),
        };
        Self { rule, months: expiry.months(), round_up }
    }
}

impl TryFrom<&Programme> for PointsProgramme {
    type Error = Fault;

    fn try_from(programme: &Programme) -> Result<Self, Fault> {
        let base_rates = programme.base_rates.iter().map(|(code, rate)| {
            Ok::<_, NumberError>(BaseRate { currency: code.parse()?, points_per_unit: *rate })
        });
        let redemption_rates = programme.redemption_rates.iter().map(|(code, rate)| {
            Ok::<_, Fault>(RedemptionRate { currency: code.parse()?, points_per_unit: points(*rate)? })
        });
        Ok(Self {
            base_rates: base_rates.collect::<Result<_, _>>()?,
            default_rate: programme.default_rate,
            earn_on_tax: programme.earn_on_tax,
            activation: programme.activation.into(),
            expiry: programme.expiry.into(),
            expiry_warning_days: programme.expiry_warning_days.clone(),
            redemption_rates: redemption_rates.collect::<Result<_, _>>()?,
            redemption_minimum: points(programme.redemption_minimum)?,
            redemption_multiple: points(programme.redemption_multiple)?,
            redemption_cap_percent: programme.redemption_cap_percent,
            redemption_tax: programme.redemption_tax.into(),
            hold_minutes: programme.hold_minutes,
            order_hold_days: programme.order_hold_days,
            return_policy: programme.return_policy.into(),
            refund_grace_days: programme.refund_grace_days,
            guest_lapse_days: programme.guest_lapse_days,
        })
    }
}
