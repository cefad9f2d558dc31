//! Lives of memberships over the wire: each is lived by many members at once, who hear of it in other orders, several times,
//! late or never. They end alike, and none is ever entitled for longer than was paid, granted or allowed.

use chrono::{DateTime, TimeDelta, Utc};
use entity::Instant;
use entity::membership::{EndedWhy, MembershipState, Model};
use entity::membership_charge;
use regulars::graphql::global_id::{NodeType, global_id};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};
use stripe_fake::{Card, DisputeOutcome, Event, Fault, FaultKind};

use crate::support::{Caller, StripeShop, both_engines_with_stripe, days};
use EndedWhy as Why;
use MembershipState as State;

/// Orders that are tried, besides the one in which everything happened and the one in which nothing is heard.
const ORDERS: u64 = 20;
const GRACE: i64 = 7;

/// How somebody hears of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    /// Once, in its order.
    All,
    /// Nothing at all.
    Nothing,
    /// In another order, some of it twice, some of it late.
    Shuffled,
}

/// One of those who live a life.
struct Life {
    hears: Hears,
    random: Random,
    row: Model,
    card: Card,
    waiting: Vec<Event>,
    paused: TimeDelta,
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

impl Life {
    fn subscription(&self) -> &str {
        self.row.subscription.as_deref().unwrap()
    }

    fn id(&self) -> async_graphql::ID {
        global_id(NodeType::Membership, self.row.id)
    }

    /// The next event that is told, if any is told now.
    fn next(&mut self, is_last: bool) -> Option<Event> {
        match self.hears {
            Hears::Nothing => None,
            _ if self.waiting.is_empty() => None,
            Hears::All => Some(self.waiting.remove(0)),
            Hears::Shuffled if !is_last && self.random.once_in(5) => None,
            Hears::Shuffled => {
                let which = self.random.below(self.waiting.len());
                let again = self.random.once_in(4);
                Some(if again { self.waiting[which].clone() } else { self.waiting.remove(which) })
            }
        }
    }
}

/// A story, and all who live it.
struct Lives<'a> {
    shop: &'a StripeShop,
    server: Caller,
    all: Vec<Life>,
}

impl<'a> Lives<'a> {
    async fn begin(shop: &'a StripeShop, plan: Json) -> Self {
        shop.plus(plan).await;
        let server = shop.as_server().await;
        let mut lives = Self { shop, server, all: Vec::new() };
        for which in 0..ORDERS + 2 {
            let hears = match which {
                0 => Hears::All,
                1 => Hears::Nothing,
                _ => Hears::Shuffled,
            };
            let row = lives.join(which).await;
            let card = Card::Numbered(u16::try_from(which).unwrap());
            let random = Random(which);
            lives.all.push(Life { hears, random, row, card, waiting: Vec::new(), paused: TimeDelta::zero() });
        }
        lives
    }

    /// Somebody joins. Of every third one the answer of Stripe never comes: an event, or a look, comes before it.
    async fn join(&self, which: u64) -> Model {
        let joan = self.shop.as_customer().await;
        let input = json!({ "plan": "plus", "payOn": "DEVICE", "customerId": joan.customer_id() });
        if which % 3 == 2 {
            self.shop.fake.fault(Fault::once("POST", "/v1/subscriptions", FaultKind::StatusAfterCommit(500)));
            self.shop.fake.fault(Fault::once("GET", "/v1/subscriptions", FaultKind::Status(503)));
        }
        let joined = self.shop.mutate(&self.server, "membershipJoin", input).await;
        self.shop.fake.mend();
        let mut row = self.shop.membership(joined.text("/membershipJoin/membership/id")).await;
        if row.subscription.is_none() {
            assert_eq!(joined.text("/membershipJoin/userErrors/0/code"), "PAYMENTS_UNAVAILABLE");
            row.subscription = Some(self.subscription_of(&row));
        }
        row
    }

    fn subscription_of(&self, row: &Model) -> String {
        let ours = |theirs: &Json| theirs["metadata"]["membership_id"] == row.id.0.to_string();
        let theirs = self.shop.fake.subscriptions().into_iter().find(ours).unwrap();
        theirs["id"].as_str().unwrap().to_owned()
    }

    /// Everybody does the same, or has it done.
    fn each(&mut self, act: impl Fn(&StripeShop, &mut Life)) {
        for life in &mut self.all {
            act(self.shop, life);
        }
    }

    fn confirm(&mut self) {
        self.each(|shop, life| shop.fake.confirm(life.subscription(), life.card).unwrap());
    }

    fn give_card(&mut self, card: Option<Card>) {
        self.each(|shop, life| {
            let theirs =
                shop.fake.subscriptions().into_iter().find(|theirs| theirs["id"] == life.subscription());
            let customer = theirs.unwrap()["customer"].as_str().unwrap().to_owned();
            shop.fake.set_card(&customer, card.unwrap_or(life.card)).unwrap();
        });
    }

    /// The last invoice of each.
    fn last_invoice(shop: &StripeShop, life: &Life) -> String {
        let theirs =
            |invoice: &Json| invoice["parent"]["subscription_details"]["subscription"] == life.subscription();
        let last = shop.fake.invoices().into_iter().rfind(theirs).unwrap();
        last["id"].as_str().unwrap().to_owned()
    }

    /// Everybody asks for it over the API.
    async fn ask(&self, mutation: &str, more: Json) {
        for life in &self.all {
            let mut input = more.clone();
            input["membershipId"] = json!(life.id());
            self.shop.done(&self.server, mutation, input).await;
        }
    }

    /// Time passes, in which nothing is heard; then some is, or what is left.
    async fn pass(&mut self, by: TimeDelta) {
        self.hear(false).await;
        self.shop.pass(by).await;
        self.check().await;
        self.hear(false).await;
    }

    /// Each hears in its own way: one event each, then what that makes due, until nobody hears any more.
    async fn hear(&mut self, is_last: bool) {
        let events = self.shop.fake.take_events();
        for event in events {
            let owner = self.owner(&event);
            let life = self.all.iter_mut().find(|life| life.subscription() == owner);
            life.unwrap_or_else(|| panic!("whose is {}?", event.body)).waiting.push(event);
        }
        loop {
            let mut told = 0;
            for life in &mut self.all {
                let Some(event) = life.next(is_last) else { continue };
                if event.kind.ends_with("deleted") && life.random.once_in(2) {
                    let fault = Fault::once(
                        "GET",
                        &format!("/v1/subscriptions/{}", life.subscription()),
                        FaultKind::StaleRead,
                    );
                    self.shop.fake.fault(fault);
                }
                assert_eq!(self.shop.tell(&event).await, 200);
                told += 1;
            }
            if told == 0 {
                return;
            }
            self.shop.run_jobs().await;
            self.check().await;
        }
    }

    /// The subscription that an event is about.
    fn owner(&self, event: &Event) -> String {
        let body: Json = serde_json::from_str(&event.body).unwrap();
        let object = &body["data"]["object"];
        let charge =
            |charge: &stripe_fake::Charge| object["payment_intent"] == charge.payment_intent.as_str();
        let customer = match object["customer"].as_str() {
            Some(customer) => customer.to_owned(),
            None => self.shop.fake.charges().into_iter().find(charge).unwrap().customer,
        };
        let theirs =
            self.shop.fake.subscriptions().into_iter().find(|theirs| theirs["customer"] == customer.as_str());
        theirs.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Nobody is entitled past `entitledUntil`, nor that for longer than Stripe was paid, a trial was granted and grace is
    /// given, the pauses added.
    async fn check(&mut self) {
        let query = "{ memberships(first: 100) { nodes { id entitled entitledUntil } } }";
        let told = self.shop.graphql(&self.server, query, json!({})).await;
        let (now, invoices) = (self.shop.clock.now(), self.shop.fake.invoices());
        for life in &mut self.all {
            let id = life.id();
            let nodes = told.at("/memberships/nodes").as_array().unwrap();
            let node = nodes.iter().find(|node| node["id"] == id.as_str()).unwrap();
            let until = node["entitledUntil"].as_str().map(|at| at.parse::<DateTime<Utc>>().unwrap());
            assert!(node["entitled"] == false || until.is_some_and(|until| now < until), "{node}");
            life.row =
                Model { subscription: life.row.subscription.clone(), ..self.shop.again(&life.row).await };
            assert_eq!(life.row.entitled_until, until);
            assert!(until <= bound(life, &invoices), "{node} is more than {:?}", bound(life, &invoices));
        }
    }

    /// All have heard everything; three days later they are alike, and as they should be.
    async fn end(mut self, state: State, why: Option<Why>, until: Option<Instant>) {
        self.hear(true).await;
        let fake = &self.shop.fake;
        assert!(self.all.iter().all(|life| life.waiting.is_empty() || life.hears == Hears::Nothing));
        let mut first = None;
        self.shop.pass(days(3)).await;
        for life in &self.all {
            let row = self.shop.again(&life.row).await;
            assert_eq!(
                (row.state, row.ended_why, row.entitled_until),
                (state, why, until),
                "{:?}",
                life.hears
            );
            let charges = membership_charge::Entity::find()
                .filter(membership_charge::Column::MembershipId.eq(row.id))
                .order_by_asc(membership_charge::Column::CoversFrom)
                .all(&self.shop.app.db.read)
                .await
                .unwrap();
            let paid: Vec<_> = charges
                .iter()
                .map(|charge| {
                    (charge.covers_from, charge.covers_until, charge.amount, charge.refunded, charge.status)
                })
                .collect();
            let whole =
                (row.paid_through, row.cancels_at, row.plan_id, row.price, row.open_for.is_some(), paid);
            assert_eq!(first.get_or_insert_with(|| whole.clone()), &whole, "{:?}", life.hears);
            assert_eq!(row.subscription.as_deref(), Some(life.subscription()));
        }
        // Nobody was begun twice, and no invoice was paid twice.
        assert_eq!(fake.subscriptions().len(), self.all.len());
        let mut paid: Vec<_> = fake.charges().into_iter().map(|charge| charge.invoice).collect();
        paid.sort();
        let count = paid.len();
        paid.dedup();
        assert_eq!(paid.len(), count);
    }
}

fn bound(life: &Life, invoices: &[Json]) -> Option<Instant> {
    let theirs = |invoice: &&Json| {
        invoice["parent"]["subscription_details"]["subscription"] == life.subscription()
            && invoice["status"] == "paid"
    };
    let lines = |invoice: &Json| invoice["lines"]["data"].as_array().unwrap().clone();
    let paid =
        invoices.iter().filter(theirs).flat_map(lines).filter(|line| line["amount"].as_i64() > Some(0));
    let paid = paid.filter_map(|line| DateTime::from_timestamp(line["period"]["end"].as_i64()?, 0)).max();
    let covered = paid.max(life.row.trial_until)?;
    Some(covered + TimeDelta::days(GRACE) + life.paused)
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// A bit later than whatever is due then: a renewal is taken an hour after its period began.
fn until_day(days: i64) -> TimeDelta {
    TimeDelta::days(days) + TimeDelta::hours(2)
}

both_engines_with_stripe! {
    async fn a_trial_is_paid_and_a_card_that_failed_recovers(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({ "trialDays": 14 })).await;
        lives.confirm();
        lives.pass(until_day(14)).await;
        lives.give_card(Some(Card::InsufficientFunds));
        // 29 January to 28 February.
        lives.pass(until_day(30)).await;
        lives.give_card(None);
        lives.pass(until_day(3)).await;
        lives.end(State::Active, None, Some(at("2026-04-05T12:00:00Z"))).await;
    }

    async fn a_trial_is_cancelled(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({ "trialDays": 14 })).await;
        lives.confirm();
        lives.pass(until_day(2)).await;
        lives.ask("membershipCancel", json!({})).await;
        lives.pass(until_day(12)).await;
        lives.end(State::Cancelled, Some(Why::Shop), Some(at("2026-01-29T12:00:00Z"))).await;
        assert_eq!(shop.fake.charges(), []);
    }

    async fn another_plan_begins_in_the_middle_of_a_month(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        shop.plus(json!({ "code": "gold", "name": "Gold", "price": "31" })).await;
        lives.confirm();
        lives.pass(until_day(12)).await;
        lives.ask("membershipPlanChange", json!({ "plan": "gold" })).await;
        lives.pass(until_day(19)).await;
        lives.end(State::Active, None, Some(at("2026-03-22T12:00:00Z"))).await;
    }

    async fn a_membership_is_paused_and_the_days_that_were_left_come_after_it(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(TimeDelta::days(10)).await;
        let until = shop.clock.now() + TimeDelta::days(40);
        lives.each(|_, life| life.paused = TimeDelta::days(30));
        lives.ask("membershipPause", json!({ "until": until })).await;
        lives.pass(TimeDelta::days(30)).await;
        lives.ask("membershipResume", json!({})).await;
        // 21 days were left of January's: they end on 17 March.
        lives.pass(until_day(21)).await;
        lives.end(State::Active, None, Some(at("2026-04-24T12:00:00Z"))).await;
    }

    async fn a_membership_is_withdrawn_from(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(9)).await;
        lives.ask("membershipCancel", json!({ "when": "WITHDRAW" })).await;
        lives.pass(until_day(1)).await;
        lives.end(State::Cancelled, Some(Why::Withdrawn), None).await;
        assert!(shop.fake.charges().iter().all(|charge| charge.refunded == 1000));
    }

    async fn a_payment_is_disputed_and_lost(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(31)).await;
        let disputes = std::sync::Mutex::new(Vec::new());
        lives.each(|shop, life| {
            disputes.lock().unwrap().push(shop.fake.dispute(&Lives::last_invoice(shop, life)).unwrap());
        });
        lives.pass(until_day(9)).await;
        for dispute in disputes.into_inner().unwrap() {
            shop.fake.close_dispute(&dispute, DisputeOutcome::Lost).unwrap();
        }
        lives.pass(until_day(1)).await;
        lives.end(State::Cancelled, Some(Why::Refunded), Some(at("2026-02-15T12:00:00Z"))).await;
    }

    async fn a_payment_is_disputed_and_won(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(2)).await;
        let disputes = std::sync::Mutex::new(Vec::new());
        lives.each(|shop, life| {
            disputes.lock().unwrap().push(shop.fake.dispute(&Lives::last_invoice(shop, life)).unwrap());
        });
        lives.pass(until_day(9)).await;
        for dispute in disputes.into_inner().unwrap() {
            shop.fake.close_dispute(&dispute, DisputeOutcome::Won).unwrap();
        }
        lives.pass(until_day(1)).await;
        lives.end(State::Active, None, Some(at("2026-02-22T12:00:00Z"))).await;
    }

    async fn a_subscription_is_ended_by_hand(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(31)).await;
        lives.pass(TimeDelta::days(10) - TimeDelta::hours(2)).await;
        lives.each(|shop, life| shop.fake.delete_subscription(life.subscription()).unwrap());
        let ended_at = shop.clock.now();
        lives.pass(until_day(1)).await;
        lives.end(State::Cancelled, Some(Why::Deleted), Some(ended_at)).await;
    }

    async fn a_first_payment_never_comes(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.each(|shop, life| {
            shop.fake.confirm(life.subscription(), Card::InsufficientFunds).unwrap_err();
        });
        lives.pass(TimeDelta::hours(1)).await;
        lives.pass(until_day(1)).await;
        lives.end(State::Expired, Some(Why::NeverPaid), None).await;
        assert_eq!(shop.fake.charges(), []);
    }

    async fn a_membership_is_cancelled_kept_and_cancelled_again(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(2)).await;
        lives.ask("membershipCancel", json!({})).await;
        lives.pass(until_day(2)).await;
        lives.ask("membershipKeep", json!({})).await;
        lives.pass(until_day(27)).await;
        lives.ask("membershipCancel", json!({})).await;
        lives.pass(until_day(28)).await;
        lives.end(State::Cancelled, Some(Why::Shop), Some(at("2026-03-15T12:00:00Z"))).await;
    }

    async fn a_card_fails_until_the_end(shop: &StripeShop) {
        let mut lives = Lives::begin(shop, json!({})).await;
        lives.confirm();
        lives.pass(until_day(2)).await;
        lives.give_card(Some(Card::InsufficientFunds));
        lives.pass(until_day(29)).await;
        lives.pass(until_day(8)).await;
        // What is over is not graced.
        lives.end(State::Expired, Some(Why::Unpaid), Some(at("2026-02-15T12:00:00Z"))).await;
    }
}
