//! Whose credentials an operation is sent with.

use chrono::{DateTime, Utc};
use entity::id::{AccountId, ApiKeyId, CustomerId, KeyOwnerId, SessionId, StaffId};
use entity::staff::Role;
use entity::{api_key, customer, points_account, staff};
use regulars::auth::viewer::{Scope, Viewer};
use regulars::graphql::global_id::{NodeType, global_id};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::TestApp;

/// Somebody who sends operations.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Viewer);

impl Caller {
    /// Nobody we know.
    pub(crate) fn anonymous() -> Self {
        Self(Viewer::Anonymous)
    }

    /// The customer's global id; another caller has none and fails the test.
    pub(crate) fn customer_id(&self) -> String {
        match &self.0 {
            Viewer::Customer { customer, .. } => global_id(NodeType::Customer, *customer).to_string(),
            other => panic!("not a customer: {other:?}"),
        }
    }

    /// Whom the server takes the caller for.
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.0
    }
}

impl TestApp {
    /// A new member of staff.
    pub(crate) async fn as_staff(&self, role: Role) -> Caller {
        let id = self.fresh();
        let email = format!("staff-{}@shop.example", id.simple());
        let row = staff::Model {
            id: StaffId(id),
            email_key: email.clone(),
            email,
            name: "Sam of the staff".to_owned(),
            role,
            password_hash: String::new(),
            disabled_at: None,
            created_at: self.now(),
        };
        self.insert(row).await;
        Caller(Viewer::Staff { staff: StaffId(id), session: SessionId(self.fresh()), role })
    }

    /// A server of the shop with a new API key.
    pub(crate) async fn as_shop_key(&self, scopes: &[Scope]) -> Caller {
        let (id, owner) = (self.fresh(), KeyOwnerId(self.fresh()));
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        let row = api_key::Model {
            id: ApiKeyId(id),
            owner_id: owner,
            name: "The shop's server".to_owned(),
            prefix: id.simple().to_string(),
            secret_hash: Vec::new(),
            scopes: serde_json::json!(names),
            created_at: self.now(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        self.insert(row).await;
        Caller(Viewer::Shop { key: ApiKeyId(id), owner, scopes: scopes.to_vec() })
    }

    /// A new registered customer who takes part in the points programme and has no points.
    pub(crate) async fn as_customer(&self) -> Caller {
        let id = self.fresh();
        let email = format!("customer-{}@example.org", id.simple());
        let row = customer::Model {
            id: CustomerId(id),
            external_id: None,
            email: Some(email.clone()),
            email_key: Some(email),
            name: Some("Joan".to_owned()),
            locale: None,
            password_hash: None,
            registered_at: Some(self.now()),
            enrolled_at: Some(self.now()),
            disabled_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        };
        self.insert(row).await;
        self.insert(empty_account(CustomerId(id), self.now())).await;
        Caller(Viewer::Customer { customer: CustomerId(id), session: SessionId(self.fresh()) })
    }

    async fn insert<A>(&self, row: impl IntoActiveModel<A>)
    where
        A: ActiveModelTrait + sea_orm::ActiveModelBehavior + Send,
        <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    {
        row.into_active_model().insert(&self.app.db.write).await.unwrap();
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn fresh(&self) -> Uuid {
        self.app.ids.uuid(self.now())
    }
}

fn empty_account(customer: CustomerId, now: DateTime<Utc>) -> points_account::Model {
    points_account::Model {
        id: AccountId(customer.0),
        customer_id: Some(customer),
        guest_id: None,
        issued: 0,
        pending: 0,
        available: 0,
        held: 0,
        redeemed: 0,
        expired: 0,
        revoked: 0,
        debt: 0,
        seq: 0,
        changed_at: now,
        created_at: now,
    }
}
