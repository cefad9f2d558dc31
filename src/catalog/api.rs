//! The catalogue over GraphQL.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::id::ProductId;
use entity::product::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{InvalidProduct, Upsert, upsert};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::{Fault, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::orders::rules::visible;

/// A product of the catalogue.
#[derive(Clone, Debug)]
pub struct Product(pub(crate) Model);

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

    /// When it was first stated.
    async fn created_at(&self) -> Instant {
        self.0.created_at
    }

    /// When it was last stated.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at
    }
}

/// Queries about products.
#[derive(Debug, Default)]
pub struct CatalogQuery;

#[Object]
impl CatalogQuery {
    /// One product, by exactly one of its ids; null if there is none.
    /// For everyone.
    #[graphql(guard = "Allowed")]
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The shop's.")] sku: Option<String>,
    ) -> Result<Option<Product>, ApiError> {
        let query = match (id, sku) {
            (Some(id), None) => match local_id::<ProductId>(&id, NodeType::Product) {
                Some(id) => Entity::find_by_id(id),
                None => return Ok(None),
            },
            // Only skus that can be stored are asked for.
            (None, Some(sku)) if crate::orders::rules::visible(&sku).is_err() => return Ok(None),
            (None, Some(sku)) => Entity::find().filter(Column::Sku.eq(sku)),
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::bad_input("give exactly one of id and sku"));
            }
        };
        Ok(query.one(&ctx.data_unchecked::<App>().db.read).await?.map(Product))
    }

    /// The products by sku.
    /// For everyone.
    #[graphql(guard = "Allowed")]
    async fn products(
        &self,
        ctx: &Context<'_>,
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
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(Entity::find().count(db).await?)? } else { 0 };
        let mut query = Entity::find();
        if let Some(sku) = &page.after {
            query = query.filter(Column::Sku.gt(sku.as_str()));
        }
        if let Some(sku) = &page.before {
            query = query.filter(Column::Sku.lt(sku.as_str()));
        }
        let order = if page.backwards { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
        let rows = query.order_by(Column::Sku, order).limit(page.fetch()).all(db).await?;
        Ok(page.connect(rows, total, |row| (row.sku.clone(), Product(row))))
    }
}

/// A product to make or change.
#[derive(Debug, InputObject)]
pub struct ProductUpsertInput {
    /// Yours, for this change; 1 to 255 visible characters.
    pub idempotency_key: IdempotencyKey,
    /// The shop's, 1 to 255 characters.
    pub sku: String,
    /// Shown to customers, 1 to 255 characters.
    pub name: String,
    /// At most 20, of 1 to 255 characters each.
    #[graphql(default)]
    pub categories: Vec<String>,
}

/// Why a product was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProductErrorCode {
    /// A value is out of its bounds.
    Invalid,
}

/// What became of the product.
#[derive(Debug, SimpleObject)]
pub struct ProductUpsertPayload {
    /// The product as it is now; null if nothing was done.
    product: Option<Product>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<ProductErrorCode>>,
}

/// Mutations of products.
#[derive(Debug, Default)]
pub struct CatalogMutation;

#[Object]
impl CatalogMutation {
    /// Makes or changes the product with this sku.
    /// For shop keys with `catalog:write`, staff with `catalog.write`.
    #[graphql(guard = "Allowed")]
    async fn product_upsert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: ProductUpsertInput,
    ) -> Result<ProductUpsertPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let scope = ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous).key_scope();
        let key = Key { scope, key: input.idempotency_key.0, operation: "productUpsert" };
        let command = Upsert { sku: input.sku, name: input.name, categories: input.categories };
        match split(app.write_once(&key, &command, upsert).await)? {
            Ok(Once { value, replayed }) => {
                let product = Entity::find_by_id(value).one(&app.db.read).await?;
                let product = product.ok_or_else(|| Fault::internal("a product that was written is gone"))?;
                Ok(ProductUpsertPayload {
                    product: Some(Product(product)),
                    replayed,
                    user_errors: Vec::new(),
                })
            }
            Err(reason) => Ok(ProductUpsertPayload {
                product: None,
                replayed: false,
                user_errors: vec![user_error(&reason)],
            }),
        }
    }
}

fn user_error(reason: &InvalidProduct) -> UserError<ProductErrorCode> {
    let InvalidProduct { field, problem } = reason;
    UserError {
        code: ProductErrorCode::Invalid,
        field: Some(vec!["input".to_owned(), (*field).to_owned()]),
        message: format!("{field} {problem}."),
    }
}
