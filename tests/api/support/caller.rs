//! Whose credentials an operation is sent with.

use entity::id::{ApiKeyId, CustomerId, KeyOwnerId, SessionId, StaffId};
use entity::staff::Role;
use regulars::auth::viewer::{Scope, Viewer};
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

    /// Whom the server takes the caller for.
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.0
    }
}

impl TestApp {
    /// A member of staff.
    pub(crate) async fn as_staff(&self, role: Role) -> Caller {
        let session = SessionId(self.fresh());
        Caller(Viewer::Staff { staff: StaffId(self.fresh()), session, role })
    }

    /// A server of the shop with an API key.
    pub(crate) async fn as_shop_key(&self, scopes: &[Scope]) -> Caller {
        let owner = KeyOwnerId(self.fresh());
        Caller(Viewer::Shop { key: ApiKeyId(self.fresh()), owner, scopes: scopes.to_vec() })
    }

    /// A registered customer.
    pub(crate) async fn as_customer(&self) -> Caller {
        let session = SessionId(self.fresh());
        Caller(Viewer::Customer { customer: CustomerId(self.fresh()), session })
    }

    fn fresh(&self) -> Uuid {
        self.app.ids.uuid(self.clock.now())
    }
}
