//! Opaque global ids that carry their type: `base64url("Order:0193…")`.

use async_graphql::ID;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeType {
    /// A customer.
    Customer,
    /// A guest identity.
    Guest,
    /// An order.
    Order,
    /// A line of an order.
    OrderLine,
    /// A return of some pieces of a line.
    OrderReturn,
    /// A product.
    Product,
    /// A hold on points.
    PointsHold,
    /// An earn and what is left of it.
    PointsLot,
    /// A move of points.
    PointsEntry,
    /// A member of staff.
    Staff,
    /// A proof of a mailbox.
    MailboxChallenge,
    /// A signed-in device.
    Session,
    /// An address of a customer.
    CustomerAddress,
    /// An API key.
    ApiKey,
    /// An invitation to the shop's staff.
    StaffInvitation,
    /// An adjustment that waits for a second person.
    PointsAdjustment,
    /// An entry of the audit log.
    AuditEntry,
    /// A rule by which points are earned.
    EarningRule,
    /// A coupon.
    Coupon,
    /// A use of a coupon.
    CouponUse,
    /// A reward for points.
    Reward,
    /// A claim of a reward.
    RewardClaim,
    /// A cart.
    Cart,
    /// A friend whom a customer brought.
    Referral,
    /// A plan of paid memberships.
    MembershipPlan,
    /// A paid membership.
    Membership,
    /// A span of time in which orders are delivered.
    DeliverySlot,
    /// A place in such a span.
    DeliverySlotHold,
    /// An address that nothing is sent to.
    Suppression,
    /// A message to somebody.
    Message,
    /// What somebody says of a product.
    Review,
}

impl NodeType {
    const ALL: [Self; 31] = [
        Self::Customer,
        Self::Guest,
        Self::Order,
        Self::OrderLine,
        Self::OrderReturn,
        Self::Product,
        Self::PointsHold,
        Self::PointsLot,
        Self::PointsEntry,
        Self::Staff,
        Self::MailboxChallenge,
        Self::Session,
        Self::CustomerAddress,
        Self::ApiKey,
        Self::StaffInvitation,
        Self::PointsAdjustment,
        Self::AuditEntry,
        Self::EarningRule,
        Self::Coupon,
        Self::CouponUse,
        Self::Reward,
        Self::RewardClaim,
        Self::Cart,
        Self::Referral,
        Self::MembershipPlan,
        Self::Membership,
        Self::DeliverySlot,
        Self::DeliverySlotHold,
        Self::Suppression,
        Self::Message,
        Self::Review,
    ];

    /// The type of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Customer => "Customer",
            Self::Guest => "Guest",
            Self::Order => "Order",
            Self::OrderLine => "OrderLine",
            Self::OrderReturn => "OrderReturn",
            Self::Product => "Product",
            Self::PointsHold => "PointsHold",
            Self::PointsLot => "PointsLot",
            Self::PointsEntry => "PointsEntry",
            Self::Staff => "Staff",
            Self::MailboxChallenge => "MailboxChallenge",
            Self::Session => "Session",
            Self::CustomerAddress => "CustomerAddress",
            Self::ApiKey => "ApiKey",
            Self::StaffInvitation => "StaffInvitation",
            Self::PointsAdjustment => "PointsAdjustment",
            Self::AuditEntry => "AuditEntry",
            Self::EarningRule => "EarningRule",
            Self::Coupon => "Coupon",
            Self::CouponUse => "CouponUse",
            Self::Reward => "Reward",
            Self::RewardClaim => "RewardClaim",
            Self::Cart => "Cart",
            Self::Referral => "Referral",
            Self::MembershipPlan => "MembershipPlan",
            Self::Membership => "Membership",
            Self::DeliverySlot => "DeliverySlot",
            Self::DeliverySlotHold => "DeliverySlotHold",
            Self::Suppression => "Suppression",
            Self::Message => "Message",
            Self::Review => "Review",
        }
    }
}

/// The global id of a thing.
pub fn global_id(of: NodeType, id: impl Into<Uuid>) -> ID {
    let id: Uuid = id.into();
    ID(URL_SAFE_NO_PAD.encode(format!("{}:{}", of.name(), id.simple())))
}

/// What a global id names, if it is one of ours.
pub fn read(id: &ID) -> Option<(NodeType, Uuid)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id.as_bytes()).ok()?).ok()?;
    let (name, id) = text.split_once(':')?;
    let of = NodeType::of_name(name)?;
    Some((of, Uuid::try_parse(id).ok()?))
}

/// The id of a thing of this type; another type's id, like a missing one, is simply none.
pub fn local_id<T: From<Uuid>>(id: &ID, of: NodeType) -> Option<T> {
    read(id).filter(|(found, _)| *found == of).map(|(_, id)| T::from(id))
}
