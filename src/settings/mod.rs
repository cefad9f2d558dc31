//! The shop's settings: versioned rows, the highest in force, effective on every instance within a second.

pub mod api;
pub mod update;

use chrono_tz::Tz;
use entity::id::StaffId;
use entity::shop_settings::{ActiveModel, Column, Entity};
use entity::staff::Role;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryOrder, QuerySelect, Set, SqlErr,
};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::policy::RegistrationPolicy;
use crate::customers::birthday::LeapDayBirthday;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::messages::terms::MessageTerms;
use crate::money::Currency;
use crate::notices::{LOOK_EVERY, Notice};
use crate::points::amount::{Points, PointsDelta};
use crate::points::programme::Programme;
use crate::referrals::ReferralTerms;
use crate::tiers::programme::TierProgramme;
use crate::tx::Tx;

/// What a shop can set while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// Rises by one with every change; 0 until the first.
    #[serde(skip)]
    pub version: i64,
    /// Shown in mails.
    pub name: String,
    /// What calendar rules (expiry, birthdays) are judged in.
    pub time_zone: Tz,
    /// What an order is in if it does not say.
    pub currency: Currency,
    /// BCP 47; for mails to people whose own is unknown.
    pub locale: String,
    /// The points programme.
    pub programme: Programme,
    /// Who gets an account, and how.
    pub registration: RegistrationPolicy,
    /// Whether guests may order while registration is closed.
    pub guest_checkout: bool,
    /// Where the storefront is, for links in mails; without a slash at the end.
    pub storefront_url: Option<String>,
    /// The most points that a role may adjust by at once without a second person; no bound, if none.
    pub adjustment_limits: AdjustmentLimits,
    /// When somebody born on 29 February has a birthday in a year without that day.
    pub leap_day_birthday: LeapDayBirthday,
    /// How many friends of one referrer count, and when.
    pub referrals: ReferralTerms,
    /// The tiers of its members.
    pub tiers: TierProgramme,
    /// Minutes for which a place in a delivery slot is held for a cart; 1 to 120.
    pub slot_hold_minutes: u32,
    /// How much somebody may be sent, and when.
    pub messages: MessageTerms,
}

/// The most points that each role may adjust by at once without a second person; no bound, if none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdjustmentLimits {
    /// For owners.
    pub owner: Option<Points>,
    /// For managers.
    pub manager: Option<Points>,
    /// For support.
    pub support: Option<Points>,
}

impl AdjustmentLimits {
    /// Whether `role` may do it alone.
    pub fn allow(&self, role: Role, delta: PointsDelta) -> bool {
        let limit = match role {
            Role::Owner => self.owner,
            Role::Manager => self.manager,
            Role::Support => self.support,
            Role::Analyst => Some(Points::ZERO),
        };
        limit.is_none_or(|limit| delta.abs() <= limit)
    }
}

impl Default for AdjustmentLimits {
    fn default() -> Self {
        Self { owner: None, manager: Some(Points::at_most(100_000)), support: Some(Points::at_most(1_000)) }
    }
}

impl Default for ShopSettings {
    fn default() -> Self {
        Self {
            version: 0,
            name: "Regulars shop".to_owned(),
            time_zone: Tz::Europe__Amsterdam,
            currency: Currency::EUR,
            locale: "en".to_owned(),
            programme: Programme::default(),
            registration: RegistrationPolicy::default(),
            guest_checkout: true,
            storefront_url: None,
            adjustment_limits: AdjustmentLimits::default(),
            leap_day_birthday: LeapDayBirthday::default(),
            referrals: ReferralTerms::default(),
            tiers: TierProgramme::default(),
            slot_hold_minutes: 15,
            messages: MessageTerms::default(),
        }
    }
}

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// Somebody else changed them meanwhile.
    VersionConflict {
        /// In force now.
        current: i64,
    },
    /// Only owners change it.
    OwnersOnly {
        /// What.
        field: &'static str,
    },
    /// A value is out of its bounds.
    Invalid {
        /// What it is part of, if it is not the shop's own.
        inside: Option<&'static str>,
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads the version in force.
pub async fn load(db: &impl ConnectionTrait) -> Result<ShopSettings, Fault> {
    let Some(row) = Entity::find().order_by_desc(Column::Version).one(db).await? else {
        return Ok(ShopSettings::default());
    };
    let settings: ShopSettings = serde_json::from_value(row.body)?;
    Ok(ShopSettings { version: row.version, ..settings })
}

/// Makes `settings` the next version after `settings.version`.
pub async fn change(
    tx: &Tx,
    settings: &ShopSettings,
    by: Option<StaffId>,
) -> Outcome<ShopSettings, SettingsError> {
    settings.programme.validate().map_err(Stop::Refused)?;
    settings.tiers.validate().map_err(Stop::Refused)?;
    let current = load(tx.db()).await?.version;
    if current != settings.version {
        return refuse(SettingsError::VersionConflict { current });
    }
    let next = ShopSettings { version: current + 1, ..settings.clone() };
    let row = ActiveModel {
        version: Set(next.version),
        body: Set(serde_json::to_value(&next)?),
        staff_id: Set(by),
        created_at: Set(tx.now()),
    };
    match row.insert(tx.db()).await {
        Ok(_) => {
            tx.tell(Notice::SettingsChanged);
            Ok(next)
        }
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            refuse(SettingsError::VersionConflict { current: next.version })
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps the settings of this instance current, until it stops.
pub async fn follow(app: App) {
    loop {
        app.notices.settings_changed().await;
        while let Err(fault) = refresh(&app).await {
            tracing::warn!(?fault, "could not look for newer shop settings");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Takes over a newer version, if there is one.
pub async fn refresh(app: &App) -> Result<(), Fault> {
    let newest: Option<Option<i64>> =
        Entity::find().select_only().expr(Column::Version.max()).into_tuple().one(&app.db.read).await?;
    if newest.flatten().unwrap_or_default() > app.settings().version {
        app.use_settings(load(&app.db.read).await?);
    }
    Ok(())
}
