//! What the shop states of products, and how it becomes a command.

use async_graphql::{InputObject, MaybeUndefined};
use entity::Instant;

use crate::catalog::Upsert;
use crate::customers::write::Change;
use crate::graphql::scalars::IdempotencyKey;
use crate::orders::rules::cut;

macro_rules! product_inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $of:ty)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, InputObject)]
        pub(super) struct $name {
            $($(#[$key_doc])* pub(super) $key: $of,)?
            /// The shop's, 1 to 255 characters.
            sku: String,
            /// Shown to customers, 1 to 255 characters; needed for a new product. Null leaves it as it is.
            name: Option<String>,
            /// All of them, at most 20 of 1 to 255 characters each, in place of those before; null means none.
            categories: MaybeUndefined<Vec<String>>,
            /// Everybody sees it from then on; null means always.
            public_from: MaybeUndefined<Instant>,
            /// Customers with early access see it from then on; not after `publicFrom`. Null means no early access.
            early_access_from: MaybeUndefined<Instant>,
            /// Used up after so many days, 1 to 3650; null means that it is not used up.
            replenish_after_days: MaybeUndefined<i32>,
            /// Days after delivery in which care messages about it may be sent, 90 to 180; null means as the shop set.
            care_window_days: MaybeUndefined<i32>,
            /// Pieces that can be sold, 0 or more; null means that it is not kept.
            stock: MaybeUndefined<i32>,
            /// Grams of one piece, 0 to 10,000,000; null means that it is not known.
            weight_grams: MaybeUndefined<i32>,
            /// Skus of what goes with it, at most 20, in place of those before; of products that there are not yet too.
            /// Null means none.
            companions: MaybeUndefined<Vec<String>>,
            /// Whether it is no longer sold: only the shop sees it then. Null leaves it as it is.
            archived: Option<bool>,
        }

        impl $name {
            pub(super) fn command(self) -> Upsert {
                Upsert {
                    sku: self.sku,
                    name: self.name,
                    categories: change(self.categories),
                    public_from: instant(self.public_from),
                    early_access_from: instant(self.early_access_from),
                    replenish_after_days: change(self.replenish_after_days),
                    care_window_days: change(self.care_window_days),
                    stock: change(self.stock),
                    weight_grams: change(self.weight_grams),
                    companions: change(self.companions),
                    archived: self.archived,
                }
            }
        }
    )*};
}

product_inputs! {
    /// A product to make or change; what is left out of a product that there is stays as it is.
    ProductUpsertInput {
        /// Yours, for this change; 1 to 255 visible characters.
        idempotency_key: IdempotencyKey
    }
    /// One of many products to make or change; what is left out of a product that there is stays as it is.
    ProductsUpsertProductInput {}
}

/// Many products to make or change at once.
#[derive(Debug, InputObject)]
pub(super) struct ProductsUpsertInput {
    /// Yours, for this change; 1 to 255 visible characters.
    pub(super) idempotency_key: IdempotencyKey,
    /// 1 to 250, each sku once.
    pub(super) products: Vec<ProductsUpsertProductInput>,
}

/// Pieces that came or went.
#[derive(Debug, InputObject)]
pub(super) struct ProductStockAdjustInput {
    /// Yours, for this change; 1 to 255 visible characters.
    pub(super) idempotency_key: IdempotencyKey,
    /// The shop's.
    pub(super) sku: String,
    /// How many came; went, if below 0. Not 0.
    pub(super) delta: i32,
}

fn change<T>(given: MaybeUndefined<T>) -> Change<T> {
    match given {
        MaybeUndefined::Undefined => Change::Keep,
        MaybeUndefined::Null => Change::Clear,
        MaybeUndefined::Value(value) => Change::Set(value),
    }
}

fn instant(given: MaybeUndefined<Instant>) -> Change<Instant> {
    change(given.map_value(cut))
}
