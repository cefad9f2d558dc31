//! The shop's settings over GraphQL.

use async_graphql::{Context, Object, SimpleObject};

use crate::app::App;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::money::Currency;

/// Queries about the shop.
#[derive(Debug, Default)]
pub struct SettingsQuery;

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
}
