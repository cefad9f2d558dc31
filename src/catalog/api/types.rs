//! Products as callers see them.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object};
use entity::Instant;
use entity::product::Model;

use super::loaders::{BySku, CatalogLoader, EarlyAccessOf};
use super::{sees_all, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::catalog::EarlyAccess;
use crate::catalog::rules::{self, Visibility};
use crate::error::Fault;
use crate::feedback::api::{ProductRating, Review, published_of, rating_of};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::newest::NewestPages;
use crate::graphql::page::PageArguments;

/// Who can see a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Visibility")]
pub enum ProductVisibility {
    /// Nobody but the shop: it is archived, or its time has not come.
    Hidden,
    /// Those with early access.
    Early,
    /// Everybody.
    Public,
}

/// A product of the catalogue.
#[derive(Clone, Debug)]
pub struct Product(Model);

impl Product {
    /// To be shown to whoever made or changed it.
    pub(super) fn written(row: Model) -> Self {
        Self(row)
    }

    /// To be shown because it met the condition of a list, which says what the viewer may see.
    pub(super) fn listed(row: Model) -> Self {
        Self(row)
    }

    /// To be shown in answer to this request, if its viewer may see it now.
    pub(crate) async fn shown(ctx: &Context<'_>, row: Model) -> Result<Option<Self>, ApiError> {
        Ok(seen(ctx, vec![row]).await?.pop().map(Self))
    }
}

/// Those of `rows` that the viewer may see now.
async fn seen(ctx: &Context<'_>, mut rows: Vec<Model>) -> Result<Vec<Model>, ApiError> {
    if sees_all(viewer(ctx)) {
        return Ok(rows);
    }
    let now = ctx.data_unchecked::<App>().clock.now();
    let is_early = |row: &Model| rules::visibility(row, now, true) == Visibility::Early;
    let early = if rows.iter().any(is_early) { early_access(ctx).await? } else { EarlyAccess::default() };
    rows.retain(|row| early.visibility(row, now) != Visibility::Hidden);
    Ok(rows)
}

/// What the viewer has early access to.
pub(super) async fn early_access(ctx: &Context<'_>) -> Result<EarlyAccess, ApiError> {
    let Viewer::Customer { customer, .. } = viewer(ctx) else { return Ok(EarlyAccess::default()) };
    let loader = ctx.data_unchecked::<DataLoader<CatalogLoader>>();
    Ok(loader.load_one(EarlyAccessOf(*customer)).await.map_err(Fault::of)?.unwrap_or_default())
}

#[Object]
impl Product {
    /// Ours.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Product, self.0.id)
    }

    /// The shop's; unique.
    async fn sku(&self) -> &str {
        &self.0.sku
    }

    /// Shown to customers.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it belongs to.
    async fn categories(&self) -> Result<Vec<String>, ApiError> {
        Ok(serde_json::from_value(self.0.categories.clone())?)
    }

    /// Everybody sees it from then on; always, if null.
    async fn public_from(&self) -> Option<Instant> {
        self.0.public_from
    }

    /// Customers with early access see it from then on.
    async fn early_access_from(&self) -> Option<Instant> {
        self.0.early_access_from
    }

    /// Who can see it now.
    async fn visibility(&self, ctx: &Context<'_>) -> ProductVisibility {
        rules::visibility(&self.0, ctx.data_unchecked::<App>().clock.now(), true).into()
    }

    /// Used up after so many days, 1 to 3650.
    async fn replenish_after_days(&self) -> Option<i32> {
        self.0.replenish_after_days
    }

    /// Days after delivery in which care messages about it may be sent, 90 to 180.
    async fn care_window_days(&self) -> Option<i32> {
        self.0.care_window_days
    }

    /// Pieces that can be sold; null if that is not kept.
    async fn stock(&self) -> Option<i32> {
        self.0.stock
    }

    /// Whether there is any of it; true too if that is not kept.
    async fn in_stock(&self) -> bool {
        rules::in_stock(&self.0)
    }

    /// Grams of one piece; null if that is not known.
    async fn weight_grams(&self) -> Option<i32> {
        self.0.weight_grams
    }

    /// What goes with it, as far as there are such products and you may see them; 20 at most. Costs as a page of 20.
    async fn companions(&self, ctx: &Context<'_>) -> Result<Vec<Product>, ApiError> {
        Ok(self.companion_rows(ctx).await?.into_iter().map(Self).collect())
    }

    /// Skus of its companions. All that are stated, for shop keys with `catalog:read` and staff with `catalog.read`; for
    /// others, those of `companions`.
    async fn companion_skus(&self, ctx: &Context<'_>) -> Result<Vec<String>, ApiError> {
        if sees_all(viewer(ctx)) {
            return Ok(serde_json::from_value(self.0.companions.clone())?);
        }
        Ok(self.companion_rows(ctx).await?.into_iter().map(|row| row.sku).collect())
    }

    /// Whether it is no longer sold: only the shop sees it.
    async fn archived(&self) -> bool {
        self.0.archived
    }

    /// How its published reviews rate it.
    async fn rating(&self, ctx: &Context<'_>) -> Result<ProductRating, ApiError> {
        rating_of(ctx, self.0.id).await
    }

    /// Its published reviews, the newest first.
    async fn reviews(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Review>, ApiError> {
        published_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// When it was first stated.
    async fn created_at(&self) -> Instant {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at
    }
}

impl Product {
    /// Those that there are and that the viewer may see, as they are stated.
    async fn companion_rows(&self, ctx: &Context<'_>) -> Result<Vec<Model>, ApiError> {
        let skus: Vec<String> = serde_json::from_value(self.0.companions.clone())?;
        let loader = ctx.data_unchecked::<DataLoader<CatalogLoader>>();
        let found = loader.load_many(skus.iter().cloned().map(BySku)).await;
        let mut found = found.map_err(Fault::of)?;
        seen(ctx, skus.into_iter().filter_map(|sku| found.remove(&BySku(sku))).collect()).await
    }
}
