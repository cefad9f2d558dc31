//! News of products over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::id::ProductId;

use super::staff;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::once::once;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::journeys::updates::{Announce, UpdateError, announce};

/// A text in a language.
#[derive(Debug, InputObject)]
struct LocalizedTextInput {
    /// Its language tag, such as `nl` or `nl-BE`.
    locale: String,
    /// The text.
    text: String,
}

/// News of a product.
#[derive(Debug, InputObject)]
struct ProductUpdateAnnounceInput {
    /// Which product.
    product_id: ID,
    /// 1 to 200 characters on one line, in 1 to 20 languages.
    title: Vec<LocalizedTextInput>,
    /// 1 to 5,000 characters, in the same languages.
    body: Vec<LocalizedTextInput>,
    /// Where more is to be read: `https://…`, 500 characters at most.
    link: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why nothing was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum ProductUpdateErrorCode {
    /// There is no such product.
    NotFound,
    /// A value is out of its bounds.
    Invalid,
}

/// What became of news of a product.
#[derive(Debug, SimpleObject)]
struct ProductUpdateAnnouncePayload {
    /// Whether it is told; false if it was refused.
    announced: bool,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was told.
    user_errors: Vec<UserError<ProductUpdateErrorCode>>,
}

/// Mutations of news.
#[derive(Debug, Default)]
pub(super) struct OfUpdates;

#[Object]
impl OfUpdates {
    /// Tells news of a product to those who own it: whoever had it delivered and did not send all of it back, however long
    /// ago. Journeys with the trigger `PRODUCT_UPDATED` send it, in each reader's language. For staff with `journeys.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn product_update_announce(
        &self,
        ctx: &Context<'_>,
        input: ProductUpdateAnnounceInput,
    ) -> Result<ProductUpdateAnnouncePayload, ApiError> {
        let pairs = |texts: Vec<LocalizedTextInput>| {
            texts.into_iter().map(|LocalizedTextInput { locale, text }| (locale, text)).collect()
        };
        let command = Announce {
            product: local_id::<ProductId>(&input.product_id, NodeType::Product),
            title: pairs(input.title),
            body: pairs(input.body),
            link: input.link,
            by: staff(ctx),
        };
        Ok(match once(ctx, "productUpdateAnnounce", input.idempotency_key, &command, announce).await? {
            Ok(Once { replayed, .. }) => {
                ProductUpdateAnnouncePayload { announced: true, replayed, user_errors: Vec::new() }
            }
            Err(error) => ProductUpdateAnnouncePayload::refused(&error),
        })
    }
}

impl ProductUpdateAnnouncePayload {
    fn refused(error: &UpdateError) -> Self {
        let (code, field, message) = match error {
            UpdateError::NotFound => {
                (ProductUpdateErrorCode::NotFound, "productId", "There is no such product.".to_owned())
            }
            UpdateError::Invalid(field, problem) => {
                (ProductUpdateErrorCode::Invalid, *field, format!("{field} {problem}."))
            }
        };
        let field = Some(vec!["input".to_owned(), field.to_owned()]);
        Self { announced: false, replayed: false, user_errors: vec![UserError { code, field, message }] }
    }
}
