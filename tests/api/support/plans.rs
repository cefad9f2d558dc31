//! Plans and members, as far as other tests need them.

use chrono::TimeDelta;
use entity::id::CustomerId;
use entity::membership::{self, MembershipState};
use entity::membership_plan::{self, Interval};
use regulars::graphql::global_id::read;
use regulars::tx::Tx;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryOrder};
use serde_json::Value as Json;

use super::{Caller, TestApp};

impl TestApp {
    /// A plan of € 9.99 a month that can be joined.
    pub(crate) async fn plan(&self, code: &str, benefits: Json) {
        self.change(async |tx: &Tx| {
            let row = membership_plan::Model {
                id: tx.id(),
                code: code.to_owned(),
                name: format!("Plan {code}"),
                description: String::new(),
                currency: "EUR".to_owned(),
                price: 999,
                billed: Interval::Month,
                trial_days: 0,
                minimum_months: 0,
                grace_days: 0,
                benefits: benefits.clone(),
                archived: false,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            row.into_active_model().insert(tx.db()).await?;
            Ok(())
        })
        .await;
    }

    /// Gives a customer, for 30 days, the benefits of the plan that was made last.
    pub(crate) async fn join_last_plan(&self, member: &Caller) {
        let (_, id) = read(&member.customer_id().into()).unwrap();
        let customer_id = CustomerId(id);
        self.change(async |tx: &Tx| {
            let newest = membership_plan::Entity::find().order_by_desc(membership_plan::Column::Id);
            let plan = newest.one(tx.db()).await?.expect("a plan");
            let until = Some(tx.after(TimeDelta::days(30)));
            let row = membership::Model {
                id: tx.id(),
                customer_id,
                open_for: Some(customer_id),
                plan_id: plan.id,
                next_plan_id: None,
                currency: plan.currency,
                price: plan.price,
                billed: plan.billed,
                grace_days: 0,
                state: MembershipState::Active,
                entitled_until: until,
                paid_through: until,
                due_at: None,
                trial_days: 0,
                trial_until: None,
                minimum_until: None,
                cancels_at: None,
                cancel_seq: 0,
                cancel_reason: None,
                ended_at: None,
                ended_why: None,
                seq: 0,
                synced_seq: 0,
                synced_at: None,
                account: None,
                subscription: None,
                checkout: None,
                benefit_used_at: None,
                began_at: tx.now(),
                joined_at: Some(tx.now()),
                updated_at: tx.now(),
            };
            row.into_active_model().insert(tx.db()).await?;
            Ok(())
        })
        .await;
    }
}
