//! Changing some of the settings and leaving the rest as they are.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use entity::id::StaffId;
use entity::order::RedemptionTax;
use serde::Serialize;
use serde_json::json;

use super::{AdjustmentLimits, SettingsError, ShopSettings, change, load};
use crate::audit::{self, Entry};
use crate::auth::policy::RegistrationPolicy;
use crate::customers::birthday::LeapDayBirthday;
use crate::customers::profile::Locale;
use crate::error::{Outcome, refuse};
use crate::messages::terms::MessageTerms;
use crate::money::{Currency, Rate};
use crate::points::programme::{Activation, Expiry, Programme, ReturnPolicy};
use crate::referrals::ReferralTerms;
use crate::tiers::{self, programme::TierProgramme};
use crate::tx::Tx;

/// A change of the settings; what is none stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Update {
    /// The version that the change was made on.
    pub expected_version: i64,
    /// Who makes it.
    #[serde(skip)]
    pub by: Option<StaffId>,
    /// The shop's name.
    pub name: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// What an order is in if it does not say.
    pub currency: Option<Currency>,
    /// BCP 47.
    pub locale: Option<String>,
    /// The points programme.
    pub programme: ProgrammeUpdate,
    /// Who gets an account, and how.
    pub registration: Option<RegistrationPolicy>,
    /// Whether guests may order while registration is closed.
    pub guest_checkout: Option<bool>,
    /// Where the storefront is; an inner none forgets it.
    pub storefront_url: Option<Option<String>>,
    /// The limits of all roles, in place of those before.
    pub adjustment_limits: Option<AdjustmentLimits>,
    /// When somebody born on 29 February has a birthday in a year without that day.
    pub leap_day_birthday: Option<LeapDayBirthday>,
    /// How many friends of one referrer count, and when; all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrals: Option<ReferralTerms>,
    /// The tiers, in place of those before.
    pub tiers: Option<TierProgramme>,
    /// Minutes for which a place in a delivery slot is held for a cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_hold_minutes: Option<u32>,
    /// How much one person may be sent, and when; all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<MessageTerms>,
}

/// A change of the points programme; what is none stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProgrammeUpdate {
    /// All rates of currencies, in place of those before.
    pub base_rates: Option<BTreeMap<String, Rate>>,
    /// Points per whole unit of other currencies.
    pub default_rate: Option<Rate>,
    /// Whether tax earns.
    pub earn_on_tax: Option<bool>,
    /// When points can be spent.
    pub activation: Option<Activation>,
    /// How long they live.
    pub expiry: Option<Expiry>,
    /// All warnings, in place of those before.
    pub expiry_warning_days: Option<Vec<u32>>,
    /// All rates of redemption, in place of those before.
    pub redemption_rates: Option<BTreeMap<String, u32>>,
    /// The fewest points of a hold.
    pub redemption_minimum: Option<u32>,
    /// What a hold is floored to a multiple of.
    pub redemption_multiple: Option<u32>,
    /// The largest share of an order, in per cent.
    pub redemption_cap_percent: Option<u32>,
    /// How tax is due on what points pay.
    pub redemption_tax: Option<RedemptionTax>,
    /// Minutes of a hold without an order.
    pub hold_minutes: Option<u32>,
    /// Days of a hold with an unpaid order.
    pub order_hold_days: Option<u32>,
    /// What a return takes back.
    pub return_policy: Option<ReturnPolicy>,
    /// Days that refunded points live at least.
    pub refund_grace_days: Option<u32>,
    /// Days after which a guest's points lapse.
    pub guest_lapse_days: Option<u32>,
}

/// Applies `update` to the settings in force, if they are those that it was made on; answers the new version.
pub(crate) async fn update(tx: &Tx, update: &Update) -> Outcome<i64, SettingsError> {
    let current = load(tx.db()).await?;
    if current.version != update.expected_version {
        return refuse(SettingsError::VersionConflict { current: current.version });
    }
    let before = (current.tiers.clone(), current.time_zone);
    let next = match update.applied_to(current) {
        Ok(next) => next,
        Err(invalid) => return refuse(invalid),
    };
    let after = serde_json::to_value(update)?;
    let changed = change(tx, &next, update.by).await?;
    if before != (changed.tiers.clone(), changed.time_zone) {
        tiers::recompute_all(tx).await?;
    }
    let detail = json!({ "version": changed.version, "after": after });
    audit::record(tx, [Entry { act: "settings.update", subject: None, customer: None, detail }]).await?;
    Ok(changed.version)
}

impl Update {
    fn applied_to(&self, before: ShopSettings) -> Result<ShopSettings, SettingsError> {
        let invalid = |field, problem| SettingsError::Invalid { inside: None, field, problem };
        let time_zone = match &self.time_zone {
            None => before.time_zone,
            Some(name) => {
                name.parse::<Tz>().map_err(|_unknown| invalid("timeZone", "is no IANA time zone"))?
            }
        };
        let name = self.name.as_ref().map_or(before.name, |name| name.trim().to_owned());
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(invalid("name", "must be 1 to 100 characters on one line"));
        }
        let locale = self.locale.clone().unwrap_or(before.locale);
        if Locale::try_from(locale.clone()).is_err() {
            return Err(invalid("locale", "is no BCP 47 tag such as nl or en-GB"));
        }
        let programme = self.programme.applied_to(before.programme);
        let currency = self.currency.unwrap_or(before.currency);
        let referrals = self.referrals.unwrap_or(before.referrals);
        let in_referrals =
            |(field, problem)| SettingsError::Invalid { inside: Some("referrals"), field, problem };
        referrals.validate().map_err(in_referrals)?;
        let slot_hold_minutes = self.slot_hold_minutes.unwrap_or(before.slot_hold_minutes);
        if !(1..=120).contains(&slot_hold_minutes) {
            return Err(invalid("slotHoldMinutes", "must be 1 to 120"));
        }
        let messages = self.messages.clone().unwrap_or(before.messages);
        if let Some((field, problem)) = messages.problem() {
            return Err(SettingsError::Invalid { inside: Some("messages"), field, problem });
        }
        let storefront_url = match self.storefront_url.clone() {
            None => before.storefront_url,
            Some(None) => None,
            Some(Some(url)) => Some(storefront(&url).ok_or_else(|| {
                invalid(
                    "storefrontUrl",
                    "must begin with https://, or http:// and a local host, and have no query",
                )
            })?),
        };
        Ok(ShopSettings {
            version: before.version,
            name,
            time_zone,
            currency,
            locale,
            programme,
            registration: self.registration.unwrap_or(before.registration),
            guest_checkout: self.guest_checkout.unwrap_or(before.guest_checkout),
            storefront_url,
            adjustment_limits: self.adjustment_limits.unwrap_or(before.adjustment_limits),
            leap_day_birthday: self.leap_day_birthday.unwrap_or(before.leap_day_birthday),
            referrals,
            tiers: self.tiers.clone().unwrap_or(before.tiers),
            slot_hold_minutes,
            messages,
        })
    }
}

/// The address of a storefront as links begin with it, without a slash at the end: tokens travel in them.
fn storefront(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let host_of = |rest: &str| rest.split(['/', ':']).next().unwrap_or_default().to_owned();
    let is_safe = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => !host_of(rest).is_empty(),
        (None, Some(rest)) => matches!(host_of(rest).as_str(), "localhost" | "127.0.0.1"),
        (None, None) => false,
    };
    let is_plain = text.len() <= 500
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_~:/%".contains(&byte));
    (is_safe && is_plain).then(|| text.to_owned())
}

impl ProgrammeUpdate {
    fn applied_to(&self, before: Programme) -> Programme {
        let Self { base_rates, redemption_rates, expiry_warning_days, .. } = self.clone();
        Programme {
            base_rates: base_rates.unwrap_or(before.base_rates),
            default_rate: self.default_rate.unwrap_or(before.default_rate),
            earn_on_tax: self.earn_on_tax.unwrap_or(before.earn_on_tax),
            activation: self.activation.unwrap_or(before.activation),
            expiry: self.expiry.unwrap_or(before.expiry),
            expiry_warning_days: expiry_warning_days.unwrap_or(before.expiry_warning_days),
            redemption_rates: redemption_rates.unwrap_or(before.redemption_rates),
            redemption_minimum: self.redemption_minimum.unwrap_or(before.redemption_minimum),
            redemption_multiple: self.redemption_multiple.unwrap_or(before.redemption_multiple),
            redemption_cap_percent: self.redemption_cap_percent.unwrap_or(before.redemption_cap_percent),
            redemption_tax: self.redemption_tax.unwrap_or(before.redemption_tax),
            hold_minutes: self.hold_minutes.unwrap_or(before.hold_minutes),
            order_hold_days: self.order_hold_days.unwrap_or(before.order_hold_days),
            return_policy: self.return_policy.unwrap_or(before.return_policy),
            refund_grace_days: self.refund_grace_days.unwrap_or(before.refund_grace_days),
            guest_lapse_days: self.guest_lapse_days.unwrap_or(before.guest_lapse_days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ProgrammeUpdate, SettingsError, ShopSettings, Update};

    #[test]
    fn what_is_not_given_stays_as_it_is() {
        let before = ShopSettings { version: 3, ..ShopSettings::default() };
        assert_eq!(Update::default().applied_to(before.clone()), Ok(before.clone()));
        let programme = ProgrammeUpdate { hold_minutes: Some(5), ..ProgrammeUpdate::default() };
        let update = Update { name: Some(" Tea & Co ".to_owned()), programme, ..Update::default() };
        let after = update.applied_to(before.clone()).unwrap();
        assert_eq!((after.name.as_str(), after.programme.hold_minutes), ("Tea & Co", 5));
        assert_eq!((after.version, after.programme.order_hold_days), (3, 14));
    }

    #[test]
    fn a_storefront_is_a_place_that_links_may_begin_with() {
        let kept = |url: &str| super::storefront(url);
        assert_eq!(kept(" https://shop.example/ ").as_deref(), Some("https://shop.example"));
        assert_eq!(kept("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        for wrong in
            ["", "shop.example", "http://shop.example", "https://", "https://a.example/?x=1", "javascript:0"]
        {
            assert_eq!(kept(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn wrong_values_are_named() {
        let told = |update: Update| match update.applied_to(ShopSettings::default()) {
            Err(SettingsError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(Update { time_zone: Some("Mars/Base".to_owned()), ..Update::default() }), "timeZone");
        assert_eq!(told(Update { name: Some(" ".to_owned()), ..Update::default() }), "name");
        for minutes in [0, 121] {
            let update = Update { slot_hold_minutes: Some(minutes), ..Update::default() };
            assert_eq!(told(update), "slotHoldMinutes");
        }
        assert_eq!(told(Update { locale: Some("english".to_owned()), ..Update::default() }), "locale");
    }
}
