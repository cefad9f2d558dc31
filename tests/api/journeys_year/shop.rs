//! The shop whose year is gone through: its people, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use entity::consent::{ConsentState, Purpose};
use entity::id::{MembershipId, PersonId};
use entity::staff::Role;
use entity::{Instant, consent, consent_state, customer, customer_tier, membership_plan, points_account};
use regulars::graphql::global_id::{NodeType, global_id};
use regulars::jobs::{self, Job};
use regulars::journeys::builtin;
use regulars::outbox::{self, Event as Told};
use regulars::tx::Tx;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::rows::{member, new_account, new_customer, of_gold, said_by};
use crate::support::{BEGIN, Caller, TestApp, line};

/// Days of the year in which something happens by itself; the others are for what follows from it.
const BUSY_DAYS: u64 = 200;
/// Days that are gone through.
const DAYS: i64 = 400;
/// Used up after so many days.
pub(super) const REPLENISH_DAYS: i64 = 40;

/// Somebody, and what happens to them.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: PersonId,
    pub(super) born: Option<NaiveDate>,
    /// Said yes to.
    pub(super) granted: BTreeSet<Purpose>,
    /// Said no to.
    pub(super) withdrawn: BTreeSet<Purpose>,
    pub(super) orders: Vec<Order>,
    pub(super) carts: Vec<Instant>,
    pub(super) waits: bool,
    /// What else there is to tell them of.
    pub(super) told: Vec<(What, Instant)>,
}

/// A purchase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) at: Instant,
    /// Beans, which are used up; else a pot.
    pub(super) beans: bool,
    pub(super) delivered: bool,
    pub(super) returned: Option<Instant>,
}

/// What is told by other parts of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    TierReached,
    TierEnding,
    PointsEnding,
    Renewed,
    PastDue,
}

/// Something that happens at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at: Instant,
    kind: Kind,
}

/// To the person, and to which of the person's orders.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Buys(usize, usize),
    Returns(usize, usize),
    FillsCart(usize),
    Waits(usize),
    Told(usize, What),
    Restock,
    Announcement,
}

/// Numbers that look random, always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// By day and by night, between two days.
    fn instant(&mut self, from: u64, until: u64) -> Instant {
        let times = [(11, 15), (14, 45), (20, 30)];
        let (hour, minute) = times[usize::try_from(self.below(3)).unwrap()];
        let day = from + self.below(until - from);
        let begin: Instant = BEGIN.parse().unwrap();
        let day = begin.date_naive() + TimeDelta::days(i64::try_from(day).unwrap());
        day.and_time(NaiveTime::from_hms_opt(hour, minute, 0).unwrap()).and_utc()
    }
}

/// The shop, and what happens in it.
#[derive(Debug)]
pub(super) struct Year {
    pub(super) people: Vec<Person>,
    pub(super) restocked: Instant,
    pub(super) announced: Vec<Instant>,
    server: Caller,
    products: BTreeMap<&'static str, Json>,
    orders: Mutex<BTreeMap<(usize, usize), Json>>,
    memberships: Vec<(usize, MembershipId)>,
}

impl Year {
    /// Opens the shop, with so many people of whom nobody has bought anything, and every built-in journey published.
    pub(super) async fn begin(shop: &TestApp, people: usize) -> Self {
        let mut dice = Dice(7);
        let people: Vec<Person> = (0..people).map(|number| person(number, &mut dice)).collect();
        let server = shop.as_server().await;
        shop.set(json!({ "tiers": { "tiers": [{ "code": "gold", "name": "Gold", "threshold": 1_000_000 }], "basis": "POINTS" } })).await;
        let rate = json!({ "currency": "EUR", "price": "4.95" });
        let method = json!({ "code": "bike", "names": [{ "locale": "en", "name": "Bicycle" }], "basis": "FLAT", "rates": [rate] });
        shop.done(&server, "shippingMethodUpsert", method).await;
        let yearly = json!({ "benefits": { "freeShipping": {} }, "billed": "YEAR" });
        shop.plan_at("plus", "9.99", yearly).await;
        let mut products = BTreeMap::new();
        for (sku, more) in [
            ("beans", json!({ "replenishAfterDays": REPLENISH_DAYS, "careWindowDays": 90 })),
            ("pot", json!({})),
            ("rare", json!({ "stock": 0 })),
        ] {
            let mut product = json!({ "sku": sku, "name": format!("Thing {sku}") });
            product.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            products.insert(sku, shop.done(&server, "productUpsert", product).await["product"]["id"].clone());
        }
        let owner = shop.as_staff(Role::Owner).await;
        for code in builtin::codes() {
            shop.done(&owner, "journeyPublish", json!({ "code": code })).await;
        }
        shop.run_jobs().await;
        let announced = vec![dice.instant(60, 61), dice.instant(300, 301)];
        let mut year = Self {
            people,
            restocked: dice.instant(90, 91),
            announced,
            server,
            products,
            orders: Mutex::default(),
            memberships: Vec::new(),
        };
        year.write_people(shop).await;
        shop.change(async |tx: &Tx| {
            for kind in ["journeys.tick", "journeys.birthdays"] {
                let dedup_key = Some(kind.to_owned());
                jobs::enqueue(
                    tx,
                    Job { kind, payload: json!({}), due: None, dedup_key, max_attempts: 1_000_000 },
                )
                .await?;
            }
            Ok(())
        })
        .await;
        year
    }

    pub(super) fn end() -> Instant {
        BEGIN.parse::<Instant>().unwrap() + TimeDelta::days(DAYS)
    }

    /// An instant of each day, before anybody is written to.
    pub(super) fn next_day(shop: &TestApp) -> Instant {
        let now = shop.clock.now();
        let of_day = |day: NaiveDate| day.and_time(NaiveTime::from_hms_opt(5, 0, 0).unwrap()).and_utc();
        let today = of_day(now.date_naive());
        if today > now { today } else { of_day(now.date_naive().succ_opt().unwrap()) }
    }

    /// All that happens, the first first.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = vec![Event { at: self.restocked, kind: Kind::Restock }];
        events.extend(self.announced.iter().map(|at| Event { at: *at, kind: Kind::Announcement }));
        for (index, person) in self.people.iter().enumerate() {
            for (number, order) in person.orders.iter().enumerate() {
                events.push(Event { at: order.at, kind: Kind::Buys(index, number) });
                events.extend(order.returned.map(|at| Event { at, kind: Kind::Returns(index, number) }));
            }
            events.extend(person.carts.iter().map(|at| Event { at: *at, kind: Kind::FillsCart(index) }));
            if person.waits {
                events.push(Event { at: self.restocked - TimeDelta::days(30), kind: Kind::Waits(index) });
            }
            events.extend(
                person.told.iter().map(|(what, at)| Event { at: *at, kind: Kind::Told(index, *what) }),
            );
        }
        events.sort_by_key(|event| event.at);
        events
    }

    pub(super) async fn run(&self, shop: &TestApp) {
        shop.run_jobs().await;
    }

    pub(super) async fn happen(&self, shop: &TestApp, event: &Event) {
        match event.kind {
            Kind::Buys(person, number) => {
                let order = self.people[person].orders[number];
                let address = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
                let sku = if order.beans { "beans" } else { "pot" };
                let state = if order.delivered { "DELIVERED" } else { "PAID" };
                let made = shop.record(&self.server, json!({ "customerId": self.id(person), "shipping": "4.95",
                    "shippingMethod": "bike", "shippingAddress": address, "lines": [line(sku, 1, "20.00")], "state": state })).await;
                self.orders.lock().unwrap().insert((person, number), made);
            }
            Kind::Returns(person, number) => {
                let order = self.orders.lock().unwrap()[&(person, number)].clone();
                shop.give_back(&self.server, &order, 1).await;
            }
            Kind::FillsCart(person) => {
                let lines = json!([line("beans", 1, "20.00")]);
                let cart = json!({ "externalId": format!("cart-{person}"), "currency": "EUR", "lines": lines, "customerId": self.id(person) });
                shop.done(&self.server, "cartUpsert", cart).await;
            }
            Kind::Waits(person) => {
                let wait = json!({ "productId": self.products["rare"], "customerId": self.id(person) });
                shop.done(&self.server, "waitlistJoin", wait).await;
            }
            Kind::Restock => {
                for _ in 0..2 {
                    let stock = json!({ "sku": "rare", "delta": 5 });
                    shop.done(&self.server, "productStockAdjust", stock).await;
                }
            }
            Kind::Announcement => {
                let owner = shop.as_staff(Role::Owner).await;
                let text = |text: &str| json!([{ "locale": "en", "text": text }]);
                let news = json!({ "productId": self.products["pot"], "title": text("New lids"), "body": text("They fit.") });
                shop.done(&owner, "productUpdateAnnounce", news).await;
            }
            Kind::Told(person, what) => self.tell(shop, person, what).await,
        }
    }

    /// What other parts of the shop tell the outbox.
    async fn tell(&self, shop: &TestApp, person: usize, what: What) {
        let (id, now) = (self.people[person].id, shop.clock.now());
        let membership = self.memberships.iter().find(|(of, _)| *of == person).map(|(_, id)| *id);
        let of_membership = || json!({ "membershipId": membership.unwrap(), "customerId": id });
        let (topic, payload) = match what {
            What::TierReached => ("tier.upgraded", json!({ "to": "gold" })),
            What::TierEnding => {
                ("tier.ending", json!({ "tier": "gold", "lostAt": now + TimeDelta::days(30) }))
            }
            What::PointsEnding => {
                ("points.expiring", json!({ "points": 100, "at": now + TimeDelta::days(30), "days": 30 }))
            }
            What::Renewed => ("membership.renewed", of_membership()),
            What::PastDue => ("membership.past_due", of_membership()),
        };
        let event = Told { topic, aggregate_id: id.0, payload, imported: false, occurred_at: now };
        shop.change(async |tx: &Tx| outbox::emit(tx, [event.clone()]).await).await;
    }

    fn id(&self, person: usize) -> Json {
        json!(global_id(NodeType::Customer, self.people[person].id.0))
    }

    /// Writes everybody at once.
    async fn write_people(&mut self, shop: &TestApp) {
        let (db, now) = (&shop.app.db.write, shop.clock.now());
        let (mut customers, mut accounts, mut consents, mut states, mut tiers) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, person) in self.people.iter().enumerate() {
            customers.push(new_customer(number, person, now).into_active_model());
            accounts.push(new_account(person.id, now).into_active_model());
            let said = person.granted.iter().map(|purpose| (purpose, ConsentState::Granted));
            for (purpose, state) in
                said.chain(person.withdrawn.iter().map(|purpose| (purpose, ConsentState::Withdrawn)))
            {
                let (evidence, current) = said_by(person.id, *purpose, state, now);
                consents.push(evidence.into_active_model());
                states.push(current.into_active_model());
            }
            if person.told.iter().any(|(what, _)| matches!(what, What::TierReached | What::TierEnding)) {
                tiers.push(of_gold(person.id, now).into_active_model());
            }
        }
        for rows in customers.chunks(200) {
            customer::Entity::insert_many(rows.to_vec()).exec(db).await.unwrap();
        }
        for rows in accounts.chunks(200) {
            points_account::Entity::insert_many(rows.to_vec()).exec(db).await.unwrap();
        }
        for rows in consents.chunks(200) {
            consent::Entity::insert_many(rows.to_vec()).exec(db).await.unwrap();
        }
        for rows in states.chunks(200) {
            consent_state::Entity::insert_many(rows.to_vec()).exec(db).await.unwrap();
        }
        for rows in tiers.chunks(200) {
            customer_tier::Entity::insert_many(rows.to_vec()).exec(db).await.unwrap();
        }
        let plan = membership_plan::Entity::find().one(db).await.unwrap().unwrap();
        for (number, person) in self.people.iter().enumerate() {
            if person.told.iter().any(|(what, _)| matches!(what, What::Renewed | What::PastDue)) {
                let id = MembershipId(Uuid::from_u128(0x7_0000_0000 + u128::try_from(number).unwrap()));
                member(id, person.id, &plan, now).into_active_model().insert(db).await.unwrap();
                self.memberships.push((number, id));
            }
        }
    }
}

fn person(number: usize, dice: &mut Dice) -> Person {
    let mut person = Person {
        id: PersonId(Uuid::from_u128(0x1_0000_0000 + u128::try_from(number).unwrap())),
        born: None,
        granted: BTreeSet::new(),
        withdrawn: BTreeSet::new(),
        orders: Vec::new(),
        carts: Vec::new(),
        waits: dice.once_in(20),
        told: Vec::new(),
    };
    for (purpose, of) in [(Purpose::Offers, 2), (Purpose::Reminders, 2)] {
        if dice.once_in(of) {
            person.granted.insert(purpose);
        }
    }
    for purpose in [Purpose::Care, Purpose::Programme, Purpose::ProductUpdates] {
        if dice.once_in(12) {
            person.withdrawn.insert(purpose);
        }
    }
    if dice.once_in(3) {
        let day = dice.below(365 * 4 + 1);
        // A few were born on 29 February; nobody on the day on which the shop opens.
        let born =
            NaiveDate::from_ymd_opt(1980, 1, 16).unwrap() + TimeDelta::days(i64::try_from(day).unwrap());
        person.born = Some(born).filter(|born| born.format("%m-%d").to_string() != "01-15");
    }
    if dice.once_in(25) {
        let all = [What::TierReached, What::TierEnding, What::PointsEnding, What::Renewed, What::PastDue];
        for what in all {
            if dice.once_in(2) {
                person.told.push((what, dice.instant(1, BUSY_DAYS)));
            }
        }
        return person;
    }
    let orders = [0, 0, 0, 0, 1, 1, 1, 2, 3, 4][usize::try_from(dice.below(10)).unwrap()];
    let mut days: BTreeSet<u64> = BTreeSet::new();
    while days.len() < orders {
        days.insert(1 + dice.below(BUSY_DAYS));
    }
    for day in days {
        let at = dice.instant(day, day + 1);
        let delivered = dice.once_in(2);
        let returned = (delivered && dice.once_in(8)).then(|| at + TimeDelta::days(5));
        person.orders.push(Order { at, beans: dice.once_in(2), delivered, returned });
    }
    if dice.once_in(6) {
        let mut carts: BTreeSet<Instant> = BTreeSet::new();
        for _ in 0..=dice.below(3) {
            carts.insert(dice.instant(1, BUSY_DAYS));
        }
        if let Some(order) = person.orders.last() {
            // Around a purchase, where it matters.
            carts.insert(order.at + TimeDelta::hours(18));
            carts.insert(order.at + TimeDelta::hours(23));
        }
        person.carts = carts.into_iter().collect();
    }
    person
}
