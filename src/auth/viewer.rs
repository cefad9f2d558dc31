//! Who is asking, as their credentials proved.

use entity::Instant;
use entity::id::{ApiKeyId, CustomerId, KeyOwnerId, SessionId, StaffId};
use entity::points_entry::ActorKind;
use entity::staff::Role;

use crate::actor::Actor;

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody we know.
    Anonymous,
    /// A registered customer.
    Customer {
        /// Who.
        customer: CustomerId,
        /// Signed in where.
        session: SessionId,
        /// When the password or a code was last given in the session.
        authenticated_at: Instant,
    },
    /// A server of the shop.
    Shop {
        /// Which key.
        key: ApiKeyId,
        /// Whose key; survives its rotation.
        owner: KeyOwnerId,
        /// What the key may do.
        scopes: Vec<Scope>,
    },
    /// A member of staff.
    Staff {
        /// Who.
        staff: StaffId,
        /// Signed in where.
        session: SessionId,
        /// With which permissions.
        role: Role,
        /// When the password, and second factor, was last given in the session.
        authenticated_at: Instant,
    },
}

impl Viewer {
    /// Whose idempotency keys these are.
    pub fn key_scope(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Customer { customer, .. } => format!("customer:{}", customer.0),
            Self::Shop { owner, .. } => format!("shop:{}", owner.0),
            Self::Staff { staff, .. } => format!("staff:{}", staff.0),
        }
    }

    /// As the ledger names them.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::SYSTEM,
            Self::Customer { customer, .. } => Actor { kind: ActorKind::Customer, id: Some(customer.0) },
            Self::Shop { owner, .. } => Actor { kind: ActorKind::Shop, id: Some(owner.0) },
            Self::Staff { staff, .. } => Actor { kind: ActorKind::Staff, id: Some(staff.0) },
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As written in keys, documents and descriptions.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Reads a name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

names! {
    /// What an API key may do.
    Scope {
        /// Record orders and what becomes of them.
        OrdersWrite = "orders:write",
        /// Read orders.
        OrdersRead = "orders:read",
        /// Read members, balances and ledgers.
        CustomersRead = "customers:read",
        /// Change profiles.
        CustomersWrite = "customers:write",
        /// Hold, capture, void and grant points.
        PointsWrite = "points:write",
        /// Change the catalogue.
        CatalogWrite = "catalog:write",
        /// Read the whole catalogue, with what is not public.
        CatalogRead = "catalog:read",
        /// Tell of carts, and hold delivery slots for them.
        CartsWrite = "carts:write",
        /// Join, cancel and pause memberships for customers.
        MembershipsWrite = "memberships:write",
        /// State shipping methods and delivery slots.
        DeliveryWrite = "delivery:write",
    }
}

names! {
    /// What a member of staff may do.
    Permission {
        /// Record orders and what becomes of them.
        OrdersWrite = "orders.write",
        /// Read orders.
        OrdersRead = "orders.read",
        /// Read members, balances and ledgers.
        CustomersRead = "customers.read",
        /// Change profiles.
        CustomersWrite = "customers.write",
        /// Adjust points, up to the role's limit.
        PointsAdjust = "points.adjust",
        /// Activate pending points.
        PointsActivate = "points.activate",
        /// Change the catalogue.
        CatalogWrite = "catalog.write",
        /// Read the whole catalogue, with what is not public.
        CatalogRead = "catalog.read",
        /// Read carts.
        CartsRead = "carts.read",
        /// Change the shop's settings.
        SettingsWrite = "settings.write",
        /// Make coupons and rewards, and hand rewards over.
        CouponsWrite = "coupons.write",
        /// State shipping methods and delivery slots.
        DeliveryWrite = "delivery.write",
        /// Change the rules by which points are earned.
        RulesWrite = "rules.write",
        /// Cancel, pause and change memberships.
        MembershipsWrite = "memberships.write",
        /// Change the plans of memberships.
        PlansWrite = "plans.write",
        /// Write, publish, pause and retire journeys, and tell news of products.
        JourneysWrite = "journeys.write",
        /// Write and publish templates of messages.
        MessagesWrite = "messages.write",
        /// Publish, reject and answer reviews.
        ReviewsWrite = "reviews.write",
        /// Change surveys.
        SurveysWrite = "surveys.write",
        /// Change the settings that bound what other staff may do, and where sign-in links lead.
        SafeguardsWrite = "safeguards.write",
        /// Disable, enable and merge customers.
        CustomersManage = "customers.manage",
        /// Approve what others asked to adjust.
        PointsApprove = "points.approve",
        /// Invite, change and disable staff.
        StaffManage = "staff.manage",
        /// Make, rotate and revoke API keys.
        ApiKeysManage = "api_keys.manage",
        /// Read the audit log.
        AuditRead = "audit.read",
        /// Read what concerns the shop as a whole, such as what it owes its members.
        ReportsRead = "reports.read",
        /// Keep the list of addresses that nothing is sent to.
        ConsentsWrite = "consents.write",
        /// Look after one's own account: password, second factor, step-up.
        StaffSelf = "staff.self",
    }
}

impl Permission {
    /// Whether `role` has it.
    pub fn is_of(self, role: Role) -> bool {
        match role {
            Role::Owner => true,
            Role::Manager => !matches!(
                self,
                Self::SafeguardsWrite | Self::StaffManage | Self::ApiKeysManage | Self::AuditRead
            ),
            Role::Support => matches!(
                self,
                Self::OrdersRead
                    | Self::CatalogRead
                    | Self::CartsRead
                    | Self::CustomersRead
                    | Self::CustomersWrite
                    | Self::PointsAdjust
                    | Self::MembershipsWrite
                    | Self::ReviewsWrite
                    | Self::StaffSelf
            ),
            Role::Analyst => {
                matches!(
                    self,
                    Self::OrdersRead
                        | Self::CatalogRead
                        | Self::CartsRead
                        | Self::CustomersRead
                        | Self::ReportsRead
                        | Self::StaffSelf
                )
            }
        }
    }
}
