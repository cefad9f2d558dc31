//! A shop whose payments go to a Stripe of its own, which tells what happens when the test says so.

use std::ops::Deref;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::billing_event;
use entity::membership::{self, Model};
use entity::staff::Role;
use futures_util::FutureExt;
use regulars::graphql::global_id::read;
use regulars::worker::arm_recurring;
use reqwest::{Method, Response};
use sea_orm::EntityTrait;
use serde_json::{Value as Json, json};
use stripe_fake::{Event, Fake, KEY, signature};

use super::{BEGIN, Caller, Engine, TestApp};

/// By which the shop knows what Stripe signed; the one before it is still taken.
pub(crate) const SECRETS: [&str; 2] = ["whsec_new", "whsec_old"];

/// Such a shop.
pub(crate) struct StripeShop {
    shop: TestApp,
    /// Its Stripe, whose clock goes with that of the shop.
    pub(crate) fake: Fake,
}

impl Deref for StripeShop {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.shop
    }
}

/// Declares tests of such shops that run once on each database.
macro_rules! both_engines_with_stripe {
    ($($(#[$meta:meta])* async fn $name:ident($shop:ident: &StripeShop) $body:block)+) => {$(
        $(#[$meta])*
        async fn $name($shop: &crate::support::StripeShop) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                crate::support::run_with_stripe(crate::support::Engine::Sqlite, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                crate::support::run_with_stripe(crate::support::Engine::Postgres, super::$name).await;
            }
        }
    )+};
}
pub(crate) use both_engines_with_stripe;

/// Runs `test` in such a shop on `engine`, and removes the shop however it ends.
pub(crate) async fn run_with_stripe(engine: Engine, test: impl AsyncFnOnce(&StripeShop)) {
    let begin = BEGIN.parse::<DateTime<Utc>>().unwrap();
    let fake = Fake::start_at(begin.timestamp()).await;
    let secrets = SECRETS.join(",");
    let flags = [
        "--payments",
        "stripe",
        "--stripe-secret-key",
        KEY,
        "--stripe-webhook-secrets",
        &secrets,
        "--stripe-url",
        fake.url(),
    ];
    let shop = StripeShop { shop: TestApp::open_with(engine, &flags).await, fake };
    let ended = std::panic::AssertUnwindSafe(test(&shop)).catch_unwind().await;
    shop.shop.close().await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl StripeShop {
    /// A plan with the code `plus`, of € 10 a month, with more of it.
    pub(crate) async fn plus(&self, more: Json) {
        let owner = self.as_staff(Role::Owner).await;
        let mut plan = json!({ "code": "plus", "name": "Plus", "price": "10", "billed": "MONTH" });
        for (name, value) in more.as_object().unwrap() {
            plan[name] = value.clone();
        }
        self.done(&owner, "membershipPlanUpsert", plan).await;
    }

    /// Begins to join that plan on the customer's device: its membership, as the database has it.
    pub(crate) async fn begun(&self, who: &Caller) -> Model {
        let begun = self.done(who, "membershipJoin", json!({ "plan": "plus", "payOn": "DEVICE" })).await;
        self.membership(begun["membership"]["id"].as_str().unwrap()).await
    }

    /// The membership of that global id, as the database has it.
    pub(crate) async fn membership(&self, id: &str) -> Model {
        let (_, id) = read(&id.into()).unwrap();
        let found = membership::Entity::find_by_id(entity::id::MembershipId(id));
        found.one(&self.app.db.read).await.unwrap().unwrap()
    }

    /// The same by the row that was read before.
    pub(crate) async fn again(&self, row: &Model) -> Model {
        membership::Entity::find_by_id(row.id).one(&self.app.db.read).await.unwrap().unwrap()
    }

    /// Every event that was stored.
    pub(crate) async fn events(&self) -> Vec<billing_event::Model> {
        billing_event::Entity::find().all(&self.app.db.read).await.unwrap()
    }

    /// Time passes in the shop and at Stripe, in steps of which each ends with what is due in the shop.
    pub(crate) async fn pass(&self, by: TimeDelta) {
        self.fake.advance(by.to_std().unwrap());
        arm_recurring(&self.app).await.unwrap();
        self.clock.advance(by);
        self.run_jobs().await;
    }

    /// Posts a payload with that header.
    pub(crate) async fn post_signed(&self, body: impl Into<reqwest::Body>, header: &str) -> Response {
        let request =
            self.serving.request(Method::POST, "/webhooks/stripe").header("Stripe-Signature", header);
        request.header("Content-Type", "application/json").body(body).send().await.unwrap()
    }

    /// Tells the shop an event, signed by now.
    pub(crate) async fn tell(&self, event: &Event) -> u16 {
        let header = signature(&event.body, &[SECRETS[0].to_owned()], self.clock.now().timestamp());
        self.post_signed(event.body.clone(), &header).await.status().as_u16()
    }

    /// Tells all that happened since the last time, in its order, and does what that makes due.
    pub(crate) async fn tell_all(&self) {
        for event in self.fake.take_events() {
            assert_eq!(self.tell(&event).await, 200);
        }
        self.run_jobs().await;
    }
}

/// So many days.
pub(crate) fn days(count: u32) -> TimeDelta {
    TimeDelta::from_std(Duration::from_hours(24) * count).unwrap()
}
