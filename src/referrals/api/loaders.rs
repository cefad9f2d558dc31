//! Codes and counts of many customers at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::CustomerId;
use entity::referral::{Column, Entity, Model, ReferralState};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};
use crate::referrals::codes;

/// Loads what customers have of referrals.
#[derive(Clone, Debug)]
pub struct ReferralLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<ReferralLoader> {
    DataLoader::new(ReferralLoader { app: app.clone() }, tokio::spawn)
}

/// The code of a customer who did not turn out to be another; made, if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CodeOf(pub(super) CustomerId);

/// How many friends a customer brought, by what became of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CountsOf(pub(super) CustomerId);

/// The referral that brought a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReceivedBy(pub(super) CustomerId);

/// Friends of a customer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) invited: i64,
    pub(super) rewarded: i64,
}

impl Loader<CodeOf> for ReferralLoader {
    type Value = String;
    type Error = FaultKind;

    async fn load(&self, keys: &[CodeOf]) -> Result<HashMap<CodeOf, String>, FaultKind> {
        let customers: Vec<CustomerId> = keys.iter().map(|key| key.0).collect();
        let codes = codes::of_customers(&self.app, &customers).await.map_err(logged)?;
        Ok(codes.into_iter().map(|(customer, code)| (CodeOf(customer), code)).collect())
    }
}

impl Loader<CountsOf> for ReferralLoader {
    type Value = Counts;
    type Error = FaultKind;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, Counts>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "referrer_id", keys.iter().map(|key| key.0.0));
        let rows: Vec<(CustomerId, ReferralState, i64)> = Entity::find()
            .select_only()
            .columns([Column::ReferrerId, Column::State])
            .expr(Column::Id.count())
            .filter(among)
            .group_by(Column::ReferrerId)
            .group_by(Column::State)
            .into_tuple()
            .all(db)
            .await
            .map_err(|error| logged(error.into()))?;
        let mut counts: HashMap<CountsOf, Counts> = HashMap::new();
        for (referrer, state, count) in rows {
            let theirs = counts.entry(CountsOf(referrer)).or_default();
            theirs.invited += count;
            if state == ReferralState::Rewarded {
                theirs.rewarded += count;
            }
        }
        Ok(counts)
    }
}

impl Loader<ReceivedBy> for ReferralLoader {
    type Value = Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[ReceivedBy]) -> Result<HashMap<ReceivedBy, Model>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "friend_id", keys.iter().map(|key| key.0.0));
        let rows = Entity::find().filter(among).all(db).await.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().filter_map(|row| Some((ReceivedBy(row.friend_id?), row))).collect())
    }
}

/// One fault fails many fields: it is logged once here, and each field tells its kind.
#[expect(clippy::needless_pass_by_value, reason = "ends the fault's way")]
fn logged(fault: Fault) -> FaultKind {
    tracing::error!(?fault, "what customers have of referrals could not be loaded");
    fault.kind()
}
