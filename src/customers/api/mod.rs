//! Customers and guest identities over GraphQL.

pub mod address;
mod addresses;
mod lookup;
mod merge;
mod payload;
mod profile;
mod search;
mod standing;
mod types;

use async_graphql::{Context, ID, MergedObject};
use chrono::NaiveDate;
use entity::id::CustomerId;

pub(crate) use self::types::note_read;
pub use self::types::{Customer, Guest};
use super::CustomerBy;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;
use crate::points::api::account_ahead;
use crate::points::orders::Owner;
use crate::tiers::api::tier_ahead;

/// Queries about customers.
#[derive(Debug, Default, MergedObject)]
pub struct CustomersQuery(lookup::LookupQuery, search::SearchQuery, merge::MergeQuery);

/// Changes of customers.
#[derive(Debug, Default, MergedObject)]
pub struct CustomersMutation(
    profile::ProfileMutation,
    addresses::AddressesMutation,
    standing::StandingMutation,
    merge::MergeMutation,
);

/// Whose things the viewer may change; `given` is what the input names, if it names any.
pub(crate) fn changeable(viewer: &Viewer, given: Option<&ID>) -> Option<CustomerId> {
    let named = given.and_then(|id| local_id(id, NodeType::Customer));
    match viewer {
        Viewer::Customer { customer, .. } if given.is_none() => Some(*customer),
        Viewer::Customer { customer, .. } => named.filter(|id| id == customer),
        Viewer::Shop { .. } | Viewer::Staff { .. } => named,
        Viewer::Anonymous => None,
    }
}

/// The customer that the caller means: customers themselves, or whom a server of the shop or staff name, or whom that one
/// turned out to be.
pub(crate) async fn meant(
    ctx: &Context<'_>,
    customer_id: Option<&ID>,
) -> Result<Option<CustomerId>, ApiError> {
    let viewer = viewer(ctx);
    let Some(named) = changeable(viewer, customer_id) else { return Ok(None) };
    if matches!(viewer, Viewer::Customer { .. }) {
        return Ok(Some(named));
    }
    let found = super::find(&ctx.data_unchecked::<App>().db.read, &CustomerBy::Id(named)).await?;
    Ok(found.map(|row| row.id))
}

fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous)
}

fn key(ctx: &Context<'_>, key: IdempotencyKey, operation: &'static str) -> Key {
    Key { scope: viewer(ctx).key_scope(), key: key.0, operation }
}

/// Reads a bounded text; `BAD_USER_INPUT` tells which field is out of bounds.
pub(crate) fn bounded<T: TryFrom<String>>(field: &'static str, text: String) -> Result<T, ApiError>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(|problem| ApiError::bad_input(format!("{field} {problem}")))
}

/// Reads what somebody gives as the reason of an act that is kept.
pub(crate) fn reason(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    let fits = (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(ApiError::bad_input("reason must be 1 to 500 characters on one line"))
    }
}

/// The day it is in the shop.
fn today(ctx: &Context<'_>) -> NaiveDate {
    let app = ctx.data_unchecked::<App>();
    app.clock.now().with_timezone(&app.settings().time_zone).date_naive()
}

/// A customer who was changed, to be shown in answer to this request.
pub(crate) async fn shown(ctx: &Context<'_>, customer: CustomerId) -> Result<Option<Customer>, ApiError> {
    found(ctx, &CustomerBy::Id(customer)).await
}

async fn found(ctx: &Context<'_>, by: &CustomerBy) -> Result<Option<Customer>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    if let CustomerBy::Id(id) = by {
        let shown = ctx.look_ahead();
        account_ahead(ctx, &shown.field("points"), Owner::Customer(*id).account());
        tier_ahead(ctx, &shown.field("tier"), *id);
    }
    Ok(super::look_up(app, by).await?.map(|row| Customer::shown(ctx, row)))
}
