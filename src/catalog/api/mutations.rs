//! Making and changing products.

use std::collections::HashMap;

use async_graphql::{Context, Enum, Object, SimpleObject};
use entity::id::ProductId;
use entity::product::{Entity, Model};
use sea_orm::{EntityTrait, QueryFilter};

use super::inputs::{
    ProductStockAdjustInput, ProductUpsertInput, ProductsUpsertInput, ProductsUpsertProductInput,
};
use super::key;
use super::types::Product;
use crate::app::App;
use crate::catalog::rules::{InvalidProduct, MOST_PRODUCTS};
use crate::catalog::stock::{self, StockAdjust, StockError};
use crate::catalog::upsert::{UpsertAll, upsert, upsert_all};
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;
use crate::idempotency::Once;

/// Why a product was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum ProductErrorCode {
    /// A value is out of its bounds.
    Invalid,
    /// No such product.
    NotFound,
    /// The stock of the product is not kept: state it first.
    StockNotKept,
    /// Fewer pieces are left than are to go.
    StockTooLow,
    /// There would be more than 2147483647 pieces.
    StockTooHigh,
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, SimpleObject)]
        pub(super) struct $name {
            /// The product as it is now; null if nothing was done.
            product: Option<Product>,
            /// Whether an earlier request with this idempotency key did it.
            replayed: bool,
            /// Why nothing was done; empty if it was.
            user_errors: Vec<UserError<ProductErrorCode>>,
        }

        impl $name {
            async fn of<R>(
                ctx: &Context<'_>,
                outcome: Outcome<Once<ProductId>, R>,
                told: impl FnOnce(R) -> UserError<ProductErrorCode>,
            ) -> Result<Self, ApiError> {
                match split(outcome)? {
                    Ok(Once { value, replayed }) => {
                        let product = written(ctx, &[value]).await?.pop();
                        Ok(Self { product, replayed, user_errors: Vec::new() })
                    }
                    Err(reason) => Ok(Self { product: None, replayed: false, user_errors: vec![told(reason)] }),
                }
            }
        }
    )*};
}

payloads! {
    /// What became of the product.
    ProductUpsertPayload
    /// What became of the stock.
    ProductStockAdjustPayload
}

/// What became of the products.
#[derive(Debug, SimpleObject)]
pub(super) struct ProductsUpsertPayload {
    /// The products as they are now, in the order of the input; empty if nothing was done. Costs as a page of 20.
    products: Vec<Product>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done, for each product that cannot be so; empty if it was. `field` has the place of the product in
    /// the input, from 0.
    user_errors: Vec<UserError<ProductErrorCode>>,
}

/// Making and changing products.
#[derive(Debug, Default)]
pub(super) struct ProductsMutation;

#[Object]
impl ProductsMutation {
    /// Makes or changes the product with this sku.
    /// For shop keys with `catalog:write`, staff with `catalog.write`.
    #[graphql(guard = "Allowed")]
    async fn product_upsert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: ProductUpsertInput,
    ) -> Result<ProductUpsertPayload, ApiError> {
        let key = key(ctx, input.idempotency_key.clone(), "productUpsert");
        let app = ctx.data_unchecked::<App>();
        let outcome = app.write_once(&key, &input.command(), upsert).await;
        ProductUpsertPayload::of(ctx, outcome, |reason| invalid(&[], &reason)).await
    }

    /// Makes or changes many products at once: all of them, or none if one cannot be so.
    /// For shop keys with `catalog:write`, staff with `catalog.write`.
    #[graphql(guard = "Allowed")]
    async fn products_upsert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The products.")] input: ProductsUpsertInput,
    ) -> Result<ProductsUpsertPayload, ApiError> {
        let refused =
            |user_errors| ProductsUpsertPayload { products: Vec::new(), replayed: false, user_errors };
        if input.products.is_empty() || input.products.len() > MOST_PRODUCTS {
            let reason = InvalidProduct { field: "products", problem: "must be 1 to 250" };
            return Ok(refused(vec![invalid(&[], &reason)]));
        }
        let key = key(ctx, input.idempotency_key, "productsUpsert");
        let command =
            UpsertAll(input.products.into_iter().map(ProductsUpsertProductInput::command).collect());
        let app = ctx.data_unchecked::<App>();
        match split(app.write_once(&key, &command, upsert_all).await)? {
            Ok(Once { value, replayed }) => {
                let products = written(ctx, &value).await?;
                Ok(ProductsUpsertPayload { products, replayed, user_errors: Vec::new() })
            }
            Err(rows) => {
                let told = rows.iter().map(|of| invalid(&["products", &of.row.to_string()], &of.what));
                Ok(refused(told.collect()))
            }
        }
    }

    /// Adds to the stock of a product or takes from it; what is not there cannot be taken.
    /// For shop keys with `catalog:write`, staff with `catalog.write`.
    #[graphql(guard = "Allowed")]
    async fn product_stock_adjust(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which product, and how many.")] input: ProductStockAdjustInput,
    ) -> Result<ProductStockAdjustPayload, ApiError> {
        let key = key(ctx, input.idempotency_key, "productStockAdjust");
        let command = StockAdjust { sku: input.sku, delta: input.delta };
        let app = ctx.data_unchecked::<App>();
        let outcome = app.write_once(&key, &command, stock::adjust).await;
        ProductStockAdjustPayload::of(ctx, outcome, not_adjusted).await
    }
}

/// These products as they are now, in this order.
async fn written(ctx: &Context<'_>, ids: &[ProductId]) -> Result<Vec<Product>, ApiError> {
    let db = &ctx.data_unchecked::<App>().db.read;
    let among = is_among(db.get_database_backend(), "id", ids.iter().map(|id| id.0));
    let rows = Entity::find().filter(among).all(db).await?;
    let mut rows: HashMap<ProductId, Model> = rows.into_iter().map(|row| (row.id, row)).collect();
    let found: Option<Vec<Product>> = ids.iter().map(|id| rows.remove(id).map(Product::written)).collect();
    found.ok_or_else(|| Fault::internal("a product that was written is gone").into())
}

fn path(parts: &[&str]) -> Vec<String> {
    std::iter::once(&"input").chain(parts).map(|part| (*part).to_owned()).collect()
}

fn invalid(
    within: &[&str],
    InvalidProduct { field, problem }: &InvalidProduct,
) -> UserError<ProductErrorCode> {
    UserError {
        code: ProductErrorCode::Invalid,
        field: Some(path(&[within, &[field]].concat())),
        message: format!("{field} {problem}."),
    }
}

fn not_adjusted(reason: StockError) -> UserError<ProductErrorCode> {
    let (code, field) = match reason {
        StockError::InvalidDelta => (ProductErrorCode::Invalid, "delta"),
        StockError::NotFound => (ProductErrorCode::NotFound, "sku"),
        StockError::NotKept => (ProductErrorCode::StockNotKept, "sku"),
        StockError::TooFew { .. } => (ProductErrorCode::StockTooLow, "delta"),
        StockError::TooMany { .. } => (ProductErrorCode::StockTooHigh, "delta"),
    };
    UserError { code, field: Some(path(&[field])), message: reason.to_string() }
}
