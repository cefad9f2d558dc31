//! Shipping methods, delivery slots and quotes over GraphQL.

mod holds;
mod loaders;
mod methods;
mod quote;
mod slots;
mod terms;

pub use holds::DeliverySlotHold;
pub use loaders::{DeliveryLoader, loader};
pub use terms::{OrderMemberPrice, OrderShippingTerms};

pub(crate) use holds::{hold_of, places_of};
pub(crate) use terms::terms_of;

use async_graphql::{Context, MergedObject};

use super::Invalid;
use crate::auth::viewer::Viewer;

/// Queries about deliveries.
#[derive(Debug, Default, MergedObject)]
pub struct DeliveryQuery(methods::ShippingMethodsQuery, slots::DeliverySlotsQuery, quote::ShippingQuoteQuery);

/// Mutations of deliveries.
#[derive(Debug, Default, MergedObject)]
pub struct DeliveryMutation(
    methods::ShippingMethodsMutation,
    slots::DeliverySlotsMutation,
    holds::DeliveryHoldsMutation,
);

/// Whether the viewer may know how many places a slot has.
fn is_shop(ctx: &Context<'_>) -> bool {
    matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. }))
}

/// Where in the mutation's arguments a mistake is.
fn path_of(path: &[String]) -> Vec<String> {
    std::iter::once("input".to_owned()).chain(path.iter().cloned()).collect()
}

/// For whoever made the mistake.
fn message_of(Invalid { path, problem }: &Invalid) -> String {
    format!("{} {problem}.", path.join("."))
}
