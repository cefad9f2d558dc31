//! `node`: any thing by its global id, for whoever may see it where it is found by name.

use async_graphql::{Context, ID, Interface, Object};
use entity::{customer, guest_identity, order, product};
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::access::{Allowed, Operation};
use super::fault::ApiError;
use super::global_id::{NodeType, read};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::catalog::api::Product;
use crate::customers::api::{Customer, Guest};
use crate::orders::api::Order;

/// A thing with a global id.
#[derive(Debug, Interface)]
#[expect(clippy::large_enum_variant, reason = "lives as long as it takes to answer, one or few at a time")]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque; carries its type."))]
pub enum Node {
    /// A person known to the shop.
    Customer(Customer),
    /// An address that ordered and is not proven.
    Guest(Guest),
    /// An order.
    Order(Order),
    /// A product.
    Product(Product),
}

/// Queries about anything.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// A thing by its global id; null if there is none, or none that you may see. For everyone.
    #[graphql(guard = "Allowed")]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From an `id` field.")] id: ID,
    ) -> Result<Option<Node>, ApiError> {
        let viewer = ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous);
        let Some((of, id)) = read(&id).filter(|(of, id)| may_see(viewer, *of, *id)) else { return Ok(None) };
        find(ctx, viewer, of, id).await
    }
}

/// Whether the viewer may look for such a thing at all; of orders and products, the row decides who sees it.
fn may_see(viewer: &Viewer, of: NodeType, id: Uuid) -> bool {
    let by = |field: &str| Operation::of(field).is_some_and(|operation| operation.allows(viewer));
    match of {
        NodeType::Customer => {
            by("customer") || matches!(viewer, Viewer::Customer { customer, .. } if customer.0 == id)
        }
        NodeType::Guest => by("guest"),
        NodeType::Order => by("order"),
        NodeType::Product => by("product"),
        NodeType::OrderLine
        | NodeType::OrderReturn
        | NodeType::PointsHold
        | NodeType::PointsLot
        | NodeType::PointsEntry
        | NodeType::Staff
        | NodeType::MailboxChallenge
        | NodeType::Session
        | NodeType::CustomerAddress
        | NodeType::ApiKey
        | NodeType::StaffInvitation
        | NodeType::PointsAdjustment
        | NodeType::AuditEntry
        | NodeType::EarningRule
        | NodeType::Coupon
        | NodeType::CouponUse
        | NodeType::Reward
        | NodeType::RewardClaim
        | NodeType::Cart
        | NodeType::Referral
        | NodeType::MembershipPlan
        | NodeType::Membership
        | NodeType::DeliverySlot
        | NodeType::DeliverySlotHold
        | NodeType::Suppression
        | NodeType::Message
        | NodeType::Review => false,
    }
}

async fn find(ctx: &Context<'_>, viewer: &Viewer, of: NodeType, id: Uuid) -> Result<Option<Node>, ApiError> {
    let db = &ctx.data_unchecked::<App>().db.read;
    Ok(match of {
        NodeType::Customer => customer::Entity::find_by_id(id)
            .one(db)
            .await?
            .map(|row| Node::Customer(Customer::shown(ctx, row))),
        NodeType::Guest => guest_identity::Entity::find_by_id(id)
            .one(db)
            .await?
            .map(|row| Node::Guest(Guest::shown(ctx, row))),
        NodeType::Order => {
            let found = order::Entity::find_by_id(id).one(db).await?;
            let theirs = |row: &order::Model| match viewer {
                Viewer::Customer { customer, .. } => row.customer_id == Some(*customer),
                Viewer::Shop { .. } | Viewer::Staff { .. } => true,
                Viewer::Anonymous => false,
            };
            found.filter(theirs).map(|row| Node::Order(Order(row)))
        }
        NodeType::Product => {
            let found = product::Entity::find_by_id(id).one(db).await?;
            match found {
                Some(row) => Product::shown(ctx, row).await?.map(Node::Product),
                None => None,
            }
        }
        // Nothing else is a node; `may_see` has refused it.
        _ => None,
    })
}
