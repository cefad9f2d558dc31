//! One newtype per id, so that none is taken for another.

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, DeriveValueType,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A person known to the shop.
    CustomerId,
    /// An unproven address that ordered.
    GuestId,
    /// Whose points: the id of the customer or guest identity.
    AccountId,
    /// One earn and what is left of it.
    LotId,
    /// One move of points.
    EntryId,
    /// Points set aside for an order.
    HoldId,
    /// An order.
    OrderId,
    /// A line of an order.
    LineId,
    /// A return of some pieces of a line.
    ReturnId,
    /// A plan of paid memberships.
    PlanId,
    /// A paid membership.
    MembershipId,
    /// Something asked of whoever takes the money.
    CallId,
    /// A product of the catalogue.
    ProductId,
    /// A proof of a mailbox under way.
    ChallengeId,
    /// A signed-in device.
    SessionId,
    /// A member of the shop's staff.
    StaffId,
    /// An API key.
    ApiKeyId,
    /// Who an API key belongs to; survives its rotation.
    KeyOwnerId,
    /// A signing key or secret of the server.
    ServerKeyId,
    /// A piece of background work.
    JobId,
    /// An event in the outbox.
    EventId,
    /// An address of a customer.
    AddressId,
    /// An invitation to the shop's staff.
    StaffInvitationId,
    /// An adjustment of points that waits, or waited, for a second person.
    AdjustmentId,
    /// An entry of the audit log.
    AuditEntryId,
    /// A rule by which points are earned.
    EarningRuleId,
    /// A version of such a rule.
    RuleVersionId,
    /// A coupon.
    CouponId,
    /// A use of a coupon.
    CouponUseId,
    /// A reward for points.
    RewardId,
    /// A claim of a reward.
    RewardClaimId,
    /// A rule of what is packed with orders.
    PackingRuleId,
    /// A code of others that a claim hands out.
    RewardCodeId,
    /// A place on the waiting list of a product.
    WaitlistEntryId,
    /// A cart that the shop told of.
    CartId,
    /// A friend whom a customer brought.
    ReferralId,
    /// A balance that was brought over from another programme.
    OpeningBalanceId,
    /// A way of having an order delivered.
    ShippingMethodId,
    /// A step of what such a way costs.
    ShippingRateId,
    /// A span of time in which orders are delivered.
    DeliverySlotId,
    /// A place in such a span.
    SlotHoldId,
    /// A change of a customer's tier.
    TierChangeId,
    /// Whom a message is for: the id of the customer or guest identity.
    PersonId,
    /// Something said about what may be sent to somebody.
    ConsentId,
    /// A double opt-in under way.
    ConsentRequestId,
    /// An address that nothing is sent to.
    SuppressionId,
    /// A template of messages.
    TemplateId,
    /// A version of such a template.
    TemplateVersionId,
    /// A message to somebody.
    MessageId,
    /// A journey.
    JourneyId,
    /// A version of a journey.
    JourneyVersionId,
    /// Somebody's way through a journey.
    RunId,
    /// An update of a product, told to its owners.
    ProductUpdateId,
    /// What somebody says of a product.
    ReviewId,
    /// A survey that the shop changed.
    SurveyId,
}

impl From<CustomerId> for PersonId {
    fn from(customer: CustomerId) -> Self {
        Self(customer.0)
    }
}

impl From<GuestId> for PersonId {
    fn from(guest: GuestId) -> Self {
        Self(guest.0)
    }
}
