//! Reading products.

use async_graphql::{Context, ID, InputObject, Object};
use entity::id::ProductId;
use entity::product::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::types::{Product, early_access};
use super::{sees_all, viewer};
use crate::app::App;
use crate::catalog::list::{self, Part, Wanted};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::orders::rules::visible;

/// Which products.
#[derive(Debug, Default, InputObject)]
pub(super) struct ProductsFilter {
    /// Every word of it is the beginning of a word of the name or sku; 1 to 200 characters.
    search: Option<String>,
    /// Of this category, exactly as it is written; 1 to 255 characters.
    category: Option<String>,
    /// Whether there is any of it, or that is not kept.
    in_stock: Option<bool>,
    /// Also what you could not see; only for shop keys with `catalog:read` and staff with `catalog.read`.
    #[graphql(default = false)]
    include_hidden: bool,
}

impl ProductsFilter {
    async fn wanted(self, ctx: &Context<'_>) -> Result<Wanted, ApiError> {
        for (field, text, most) in [("search", &self.search, 200), ("category", &self.category, 255)] {
            let Some(text) = text else { continue };
            if visible(text).is_err() || text.chars().count() > most {
                return Err(ApiError::bad_input(format!(
                    "{field} must be 1 to {most} characters on one line"
                )));
            }
        }
        if self.include_hidden && !sees_all(viewer(ctx)) {
            let message = "includeHidden is for shop keys with catalog:read and staff with catalog.read";
            return Err(ApiError::bad_input(message));
        }
        let now = ctx.data_unchecked::<App>().clock.now();
        let seen = if self.include_hidden { None } else { Some((now, early_access(ctx).await?)) };
        Ok(Wanted { search: self.search, category: self.category, in_stock: self.in_stock, seen })
    }
}

/// Reading products.
#[derive(Debug, Default)]
pub(super) struct ProductsQuery;

#[Object]
impl ProductsQuery {
    /// One product, by exactly one of its ids; null if there is none, or none that you may see: what is not public is for
    /// customers with early access to it once that has begun, shop keys with `catalog:read` and staff with `catalog.read`. For everyone.
    #[graphql(guard = "Allowed")]
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The shop's.")] sku: Option<String>,
    ) -> Result<Option<Product>, ApiError> {
        match (id, sku) {
            (Some(id), None) => match local_id::<ProductId>(&id, NodeType::Product) {
                Some(id) => shown(ctx, Entity::find_by_id(id)).await,
                None => Ok(None),
            },
            (None, Some(sku)) => by_sku(ctx, &sku).await,
            (Some(_), Some(_)) | (None, None) => Err(ApiError::bad_input("give exactly one of id and sku")),
        }
    }

    /// One product by the shop's sku; null as for `product`. For everyone.
    #[graphql(guard = "Allowed")]
    async fn product_by_sku(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The shop's.")] sku: String,
    ) -> Result<Option<Product>, ApiError> {
        by_sku(ctx, &sku).await
    }

    /// The products that are public now, and those to which you have early access, by sku. For everyone.
    #[graphql(guard = "Allowed")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only products that match all of it.")] filter: Option<ProductsFilter>,
        #[graphql(desc = "This many from the start; 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end; 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<String, Product>, ApiError> {
        let page: Page<String> = Page::of(PageArguments { first, after, last, before })?;
        if page.after.iter().chain(&page.before).any(|sku| visible(sku).is_err()) {
            return Err(ApiError::bad_input("that is not a cursor of ours"));
        }
        let db = &ctx.data_unchecked::<App>().db.read;
        let condition = filter.unwrap_or_default().wanted(ctx).await?.condition(db).await?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(list::count(db, condition.clone()).await?)? } else { 0 };
        let part = Part {
            after: page.after.as_deref(),
            before: page.before.as_deref(),
            backwards: page.backwards,
            limit: page.fetch(),
        };
        let rows = list::find(db, condition, &part).await?;
        Ok(page.connect(rows, total, |row| (row.sku.clone(), Product::listed(row))))
    }
}

async fn by_sku(ctx: &Context<'_>, sku: &str) -> Result<Option<Product>, ApiError> {
    // Only skus that can be stored are asked for.
    if visible(sku).is_err() {
        return Ok(None);
    }
    shown(ctx, Entity::find().filter(Column::Sku.eq(sku))).await
}

async fn shown(ctx: &Context<'_>, which: Select<Entity>) -> Result<Option<Product>, ApiError> {
    let found = which.one(&ctx.data_unchecked::<App>().db.read).await?;
    match found {
        Some(row) => Product::shown(ctx, row).await,
        None => Ok(None),
    }
}
