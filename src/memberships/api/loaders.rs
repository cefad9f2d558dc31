//! Plans, charges and memberships of many at once, within one request.

use std::collections::HashMap;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::{CustomerId, MembershipId, OrderId, PlanId};
use entity::{membership, membership_charge, membership_plan};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder};

use super::plans::MembershipPlan;
use super::types::{Membership, MembershipCharge};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};
use crate::graphql::fault::ApiError;

/// Charges of a membership that are shown.
const MOST_CHARGES: usize = 24;

/// Loads what belongs to memberships.
#[derive(Clone, Debug)]
pub struct MembershipLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<MembershipLoader> {
    DataLoader::new(MembershipLoader { app: app.clone() }, tokio::spawn)
}

impl Loader<PlanId> for MembershipLoader {
    type Value = membership_plan::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[PlanId]) -> Result<HashMap<PlanId, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0));
        let rows = membership_plan::Entity::find().filter(among).all(db).await.map_err(logged)?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<MembershipId> for MembershipLoader {
    type Value = Vec<membership_charge::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[MembershipId]) -> Result<HashMap<MembershipId, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "membership_id", keys.iter().map(|key| key.0));
        let rows = membership_charge::Entity::find().filter(among);
        let rows = rows.order_by_desc(membership_charge::Column::AskedAt).all(db).await.map_err(logged)?;
        let mut charges: HashMap<MembershipId, Self::Value> = HashMap::new();
        for row in rows {
            let of = charges.entry(row.membership_id).or_default();
            if of.len() < MOST_CHARGES {
                of.push(row);
            }
        }
        Ok(charges)
    }
}

/// The membership of a customer that has not ended.
impl Loader<CustomerId> for MembershipLoader {
    type Value = membership::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[CustomerId]) -> Result<HashMap<CustomerId, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "open_for", keys.iter().map(|key| key.0));
        let rows = membership::Entity::find().filter(among).all(db).await.map_err(logged)?;
        Ok(rows.into_iter().map(|row| (row.customer_id, row)).collect())
    }
}

/// The membership that an order was joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct JoinedWith(OrderId);

impl Loader<JoinedWith> for MembershipLoader {
    type Value = membership::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[JoinedWith]) -> Result<HashMap<JoinedWith, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", keys.iter().map(|key| key.0.0));
        let rows = membership::Entity::find().filter(among).all(db).await.map_err(logged)?;
        Ok(rows.into_iter().filter_map(|row| Some((JoinedWith(row.order_id?), row))).collect())
    }
}

fn logged(error: sea_orm::DbErr) -> FaultKind {
    let fault = Fault::from(error);
    // One fault fails many fields: it is logged once here, and each field tells its kind.
    tracing::error!(?fault, "what belongs to memberships could not be loaded");
    fault.kind()
}

pub(super) async fn plan(ctx: &Context<'_>, id: PlanId) -> Result<MembershipPlan, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<MembershipLoader>>();
    let plan = loader.load_one(id).await.map_err(Fault::of)?;
    Ok(MembershipPlan(plan.ok_or_else(|| Fault::internal("a membership without its plan"))?))
}

pub(super) async fn charges(ctx: &Context<'_>, of: MembershipId) -> Result<Vec<MembershipCharge>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<MembershipLoader>>();
    let rows = loader.load_one(of).await.map_err(Fault::of)?.unwrap_or_default();
    Ok(rows.into_iter().map(MembershipCharge::from).collect())
}

/// The membership of a customer that has not ended.
pub(crate) async fn membership_of(
    ctx: &Context<'_>,
    customer: CustomerId,
) -> Result<Option<Membership>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<MembershipLoader>>();
    Ok(loader.load_one(customer).await.map_err(Fault::of)?.map(Membership))
}

/// The membership that an order was joined with.
pub(crate) async fn membership_joined_with(
    ctx: &Context<'_>,
    order: OrderId,
) -> Result<Option<Membership>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<MembershipLoader>>();
    Ok(loader.load_one(JoinedWith(order)).await.map_err(Fault::of)?.map(Membership))
}
