//! The shop's settings over GraphQL.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};

use super::update::{self, Update};
use super::{SettingsError, ShopSettings};
use crate::app::App;
use crate::auth::viewer::{Permission, Viewer};
use crate::error::{Fault, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;
use crate::money::Currency;
use crate::tiers::api::{TierProgramme, TierProgrammeInput};
use crate::tx::Tx;
use accounts::{LeapDayBirthday, PointsAdjustmentLimits, ReferralTerms, RegistrationPolicy};
use messages::MessageTerms;
use programme::{PointsProgramme, PointsProgrammeInput};

pub mod accounts;
pub mod messages;
pub mod programme;

/// Queries about the shop.
#[derive(Debug, Default)]
pub struct SettingsQuery;

/// Changes of the shop's settings.
#[derive(Debug, Default)]
pub struct SettingsMutation;

/// What everybody may know of the shop.
#[derive(Debug, SimpleObject)]
pub struct Shop {
    /// Its name.
    name: String,
    /// What an order is in if it does not say.
    currency: Currency,
    /// BCP 47; for people whose own is unknown.
    locale: String,
    /// IANA name; calendar rules are judged in it.
    time_zone: String,
}

/// All settings of the shop, as they are in force.
#[derive(Debug, SimpleObject)]
#[graphql(name = "ShopSettings")]
pub struct SettingsNode {
    /// Rises by one with every change; 0 until the first.
    version: i32,
    /// The shop's name, shown in mails.
    name: String,
    /// What an order is in if it does not say.
    currency: Currency,
    /// BCP 47; for mails to people whose own is unknown.
    locale: String,
    /// IANA name; calendar rules such as expiry and birthdays are judged in it.
    time_zone: String,
    /// The points programme.
    programme: PointsProgramme,
    /// Who gets an account, and how.
    registration: RegistrationPolicy,
    /// Whether guests may order while registration is closed; if not, their orders are flagged.
    guest_checkout: bool,
    /// Where the storefront is, for links in mails; null if mails are to show the token itself.
    storefront_url: Option<String>,
    /// The most points that each role may adjust by at once.
    adjustment_limits: PointsAdjustmentLimits,
    /// When somebody born on 29 February has a birthday in a year without that day.
    leap_day_birthday: LeapDayBirthday,
    /// How many friends of one referrer count, and when.
    referrals: ReferralTerms,
    /// The tiers of its members.
    tiers: TierProgramme,
    /// Minutes for which a place in a delivery slot is held for a cart.
    slot_hold_minutes: u32,
    /// How much one person may be sent, and when.
    messages: MessageTerms,
}

/// A change of the settings. What is not given stays as it is.
#[derive(Debug, InputObject)]
pub struct ShopSettingsUpdateInput {
    /// The caller's key for this change.
    idempotency_key: IdempotencyKey,
    /// The version that this change was made on; another one in force refuses it.
    expected_version: i32,
    /// The shop's name, 1 to 100 characters.
    name: Option<String>,
    /// What an order is in if it does not say.
    currency: Option<Currency>,
    /// BCP 47, such as `nl` or `en-GB`.
    locale: Option<String>,
    /// IANA name, such as `Europe/Amsterdam`.
    time_zone: Option<String>,
    /// The points programme.
    programme: Option<PointsProgrammeInput>,
    /// Who gets an account, and how.
    registration: Option<RegistrationPolicy>,
    /// Whether guests may order while registration is closed.
    guest_checkout: Option<bool>,
    /// `https://…`, or `http://` with a local host; null forgets it.
    storefront_url: MaybeUndefined<String>,
    /// All limits, in place of those before.
    adjustment_limits: Option<PointsAdjustmentLimits>,
    /// When somebody born on 29 February has a birthday in a year without that day.
    leap_day_birthday: Option<LeapDayBirthday>,
    /// How many friends of one referrer count, and when: all of it, in place of what was before.
    referrals: Option<ReferralTerms>,
    /// All tiers, in place of those before.
    tiers: Option<TierProgrammeInput>,
    /// Minutes for which a place in a delivery slot is held for a cart, 1 to 120; 15 until it is set.
    slot_hold_minutes: Option<u32>,
    /// How much one person may be sent, and when: all of it, in place of what was before.
    messages: Option<MessageTerms>,
}

/// Why the settings were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ShopSettingsErrorCode {
    /// Somebody else changed them meanwhile: read them again.
    VersionConflict,
    /// A value is out of its bounds.
    Invalid,
    /// Only owners change this: it bounds what everybody else may do.
    OwnersOnly,
}

/// The settings after a change.
#[derive(Debug, SimpleObject)]
pub struct ShopSettingsUpdatePayload {
    /// The settings in force; none if the change was refused.
    settings: Option<SettingsNode>,
    /// Whether an earlier request with this key made the change.
    replayed: bool,
    /// Why the change was refused.
    user_errors: Vec<UserError<ShopSettingsErrorCode>>,
}

#[Object]
impl SettingsQuery {
    /// What everybody may know of the shop. For everyone.
    #[graphql(guard = "Allowed")]
    async fn shop(&self, ctx: &Context<'_>) -> Result<Shop, ApiError> {
        let settings = ctx.data_unchecked::<App>().settings();
        Ok(Shop {
            name: settings.name.clone(),
            currency: settings.currency,
            locale: settings.locale.clone(),
            time_zone: settings.time_zone.name().to_owned(),
        })
    }

    /// All settings of the shop, as this instance has them in force. For staff with `settings.write`.
    #[graphql(guard = "Allowed")]
    async fn shop_settings(&self, ctx: &Context<'_>) -> Result<SettingsNode, ApiError> {
        let settings = ctx.data_unchecked::<App>().settings();
        Ok(SettingsNode::try_from(settings.as_ref())?)
    }
}

#[Object]
impl SettingsMutation {
    /// Changes the settings; every instance has them in force within a second. The limits of adjustments and the address
    /// of the storefront, where sign-in links lead, are for owners only. For staff with `settings.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn shop_settings_update(
        &self,
        ctx: &Context<'_>,
        input: ShopSettingsUpdateInput,
    ) -> Result<ShopSettingsUpdatePayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let viewer = ctx.data_unchecked::<Viewer>();
        if let Some(field) = input.guarded(viewer) {
            return Ok(ShopSettingsUpdatePayload::refused(&SettingsError::OwnersOnly { field }));
        }
        let (key, command) = match input.parse(viewer, app.settings().currency)? {
            Ok(parsed) => parsed,
            Err(reason) => return Ok(ShopSettingsUpdatePayload::refused(&reason)),
        };
        let done = match split(
            app.write_once(&key, &command, async |tx: &Tx, command| update::update(tx, command).await).await,
        )? {
            Ok(done) => done,
            Err(reason) => return Ok(ShopSettingsUpdatePayload::refused(&reason)),
        };
        super::refresh(app).await?;
        Ok(ShopSettingsUpdatePayload {
            settings: Some(SettingsNode::try_from(app.settings().as_ref())?),
            replayed: done.replayed,
            user_errors: Vec::new(),
        })
    }
}

impl ShopSettingsUpdateInput {
    /// The first field that the viewer, who may change settings, may not: what bounds a role is not that role's to move.
    fn guarded(&self, viewer: &Viewer) -> Option<&'static str> {
        if matches!(viewer, Viewer::Staff { role, .. } if Permission::SafeguardsWrite.is_of(*role)) {
            return None;
        }
        if self.adjustment_limits.is_some() {
            return Some("adjustmentLimits");
        }
        (!self.storefront_url.is_undefined()).then_some("storefrontUrl")
    }

    fn parse(
        self,
        viewer: &Viewer,
        currency: Currency,
    ) -> Result<Result<(Key, Update), SettingsError>, ApiError> {
        let tiers = match self.tiers.map(|tiers| tiers.parse(self.currency.unwrap_or(currency))).transpose() {
            Ok(tiers) => tiers,
            Err(invalid) => return Ok(Err(invalid)),
        };
        let key =
            Key { scope: viewer.key_scope(), key: self.idempotency_key.0, operation: "shopSettingsUpdate" };
        let by = match viewer {
            Viewer::Staff { staff, .. } => Some(*staff),
            Viewer::Anonymous | Viewer::Customer { .. } | Viewer::Shop { .. } => None,
        };
        let update = Update {
            by,
            expected_version: self.expected_version.into(),
            name: self.name,
            time_zone: self.time_zone,
            currency: self.currency,
            locale: self.locale,
            programme: self.programme.map(PointsProgrammeInput::parse).transpose()?.unwrap_or_default(),
            registration: self.registration.map(Into::into),
            guest_checkout: self.guest_checkout,
            storefront_url: self.storefront_url.into(),
            adjustment_limits: self.adjustment_limits.map(Into::into),
            leap_day_birthday: self.leap_day_birthday.map(Into::into),
            referrals: self.referrals.map(Into::into),
            tiers,
            slot_hold_minutes: self.slot_hold_minutes,
            messages: self.messages.map(Into::into),
        };
        Ok(Ok((key, update)))
    }
}

impl ShopSettingsUpdatePayload {
    fn refused(reason: &SettingsError) -> Self {
        let error = match reason {
            SettingsError::VersionConflict { current } => UserError {
                code: ShopSettingsErrorCode::VersionConflict,
                field: Some(vec!["input".to_owned(), "expectedVersion".to_owned()]),
                message: format!("Version {current} is in force."),
            },
            SettingsError::OwnersOnly { field } => UserError {
                code: ShopSettingsErrorCode::OwnersOnly,
                field: Some(path_of(None, field)),
                message: "Only owners change this.".to_owned(),
            },
            SettingsError::Invalid { inside, field, problem } => UserError {
                code: ShopSettingsErrorCode::Invalid,
                field: Some(path_of(*inside, field)),
                message: format!("{field} {problem}."),
            },
        };
        Self { settings: None, replayed: false, user_errors: vec![error] }
    }
}

/// Where in the input a value is: the shop's own, or one of its programme or tiers.
fn path_of(inside: Option<&str>, field: &str) -> Vec<String> {
    ["input"].into_iter().chain(inside).chain([field]).map(str::to_owned).collect()
}

impl TryFrom<&ShopSettings> for SettingsNode {
    type Error = Fault;

    fn try_from(settings: &ShopSettings) -> Result<Self, Fault> {
        Ok(Self {
            version: i32::try_from(settings.version)?,
            name: settings.name.clone(),
            currency: settings.currency,
            locale: settings.locale.clone(),
            time_zone: settings.time_zone.name().to_owned(),
            programme: PointsProgramme::try_from(&settings.programme)?,
            registration: settings.registration.into(),
            guest_checkout: settings.guest_checkout,
            storefront_url: settings.storefront_url.clone(),
            adjustment_limits: settings.adjustment_limits.into(),
            leap_day_birthday: settings.leap_day_birthday.into(),
            referrals: settings.referrals.into(),
            tiers: TierProgramme::from(&settings.tiers),
            slot_hold_minutes: settings.slot_hold_minutes,
            messages: settings.messages.clone().into(),
        })
    }
}

/// Pairs as a map; a currency that is there twice is a mistake.
fn by_currency<T>(
    pairs: impl IntoIterator<Item = (Currency, T)>,
    field: &str,
) -> Result<BTreeMap<String, T>, ApiError> {
    let mut rates = BTreeMap::new();
    for (currency, rate) in pairs {
        if rates.insert(currency.code().to_owned(), rate).is_some() {
            return Err(ApiError::bad_input(format!("{field} has {currency} twice")));
        }
    }
    Ok(rates)
}

#[cfg(test)]
mod tests;
