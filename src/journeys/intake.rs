//! Taking in events: each begins the journeys that it begins, once, and counts as what messages brought about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::cart;
use entity::id::{CartId, OrderId, PersonId};
use entity::journey_cursor;
use entity::outbox::{Column, Entity, Model};
use entity::{Instant, customer, guest_identity, order, product};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::definition::{Condition, Trigger, Wait};
use super::enter::{Entry, enter};
use super::events::{Happened, read};
use super::fanout::{self, Audience};
use super::live::{Journeys, Live};
use super::look::{Case, Look, When};
use super::people::Person;
use super::products;
use super::purchases;
use super::schedule::Rhythm;
use super::{lock, statistics, unreadable};
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::db::dialect::{is_among, is_among_texts};
use crate::error::Fault;
use crate::messages::facts::Facts;
use crate::outbox;
use crate::tx::Tx;

/// The name of the cursor.
const CURSOR: &str = "journeys";
/// Events that are taken in in one transaction.
const BATCH: u64 = 500;

/// Takes in every event that has its position; nothing, while no journey was ever published.
pub(crate) async fn take_in(app: &App) -> Result<(), Fault> {
    while app.change(&(), async |tx: &Tx, ()| Box::pin(batch(tx)).await).await? {}
    Ok(())
}

/// From now on events are taken in.
pub(super) async fn begin(tx: &Tx) -> Result<(), Fault> {
    if journey_cursor::Entity::find_by_id(CURSOR.to_owned()).one(tx.db()).await?.is_some() {
        return Ok(());
    }
    let mut rows = crate::db::bulk::Rows::new("journey_cursors", &["name", "position"]);
    rows.push([CURSOR.into(), outbox::last_position(tx).await?.into()]);
    rows.insert(tx.db()).await
}

/// Whether there were any.
async fn batch(tx: &Tx) -> Result<bool, Fault> {
    lock(tx).await?;
    let Some(cursor) = journey_cursor::Entity::find_by_id(CURSOR.to_owned()).one(tx.db()).await? else {
        return Ok(false);
    };
    let events = Entity::find()
        .filter(Column::Position.gt(cursor.position))
        .order_by_asc(Column::Position)
        .limit(BATCH)
        .all(tx.db())
        .await?;
    let Some(last) = events.last().and_then(|event| event.position) else { return Ok(false) };
    let journeys = Journeys::load(tx.db()).await?;
    let mut taken = Taken::default();
    for event in &events {
        match read(event) {
            Ok(Some(happened)) => taken.add(event, happened),
            Ok(None) => {}
            Err(_fault) => unreadable("event", event.id.0),
        }
    }
    if !journeys.is_empty() {
        taken.enter(tx, &journeys).await?;
    }
    journey_cursor::Entity::update_many()
        .col_expr(journey_cursor::Column::Position, Expr::val(last))
        .filter(journey_cursor::Column::Name.eq(CURSOR))
        .exec(tx.db())
        .await?;
    Ok(true)
}

/// What events of one batch tell, by kind.
#[derive(Default)]
struct Taken {
    orders: Vec<(OrderId, Trigger)>,
    carts: BTreeMap<CartId, Instant>,
    /// About one customer: all that an entry needs.
    others: Vec<(Trigger, PersonId, String, Facts, Instant)>,
    audiences: Vec<(Trigger, Audience)>,
}

impl Taken {
    fn add(&mut self, event: &Model, happened: Happened) {
        let cause = || format!("event:{}", event.id.0.simple());
        let at = event.occurred_at;
        match happened {
            Happened::Order(order, triggers) => {
                self.orders.extend(triggers.into_iter().map(|trigger| (order, trigger)));
            }
            Happened::Cart(cart, touched_at) => {
                let last = self.carts.entry(cart).or_insert(touched_at);
                *last = (*last).max(touched_at);
            }
            Happened::Tier(customer, tier) => {
                let facts = Facts { tier: Some(tier), ..Facts::default() };
                self.others.push((Trigger::TierReached, customer.into(), cause(), facts, at));
            }
            Happened::TierEnds(customer, tier, ends_at) => {
                let facts = Facts { tier: Some(tier), ends_at: Some(ends_at), ..Facts::default() };
                self.others.push((Trigger::TierEnding, customer.into(), cause(), facts, at));
            }
            Happened::PointsEnd(person, points, ends_at) => {
                let facts = Facts { points: Some(points), ends_at: Some(ends_at), ..Facts::default() };
                self.others.push((Trigger::PointsExpiring, person, cause(), facts, at));
            }
            Happened::Stock(product, round) => {
                self.audiences.push((Trigger::BackInStock, Audience::Waiting { product, round, at }));
            }
            Happened::Update(update, product) => {
                self.audiences.push((Trigger::ProductUpdated, Audience::Owners { update, product, at }));
            }
            Happened::Membership(customer, membership, trigger) => {
                let facts = Facts { membership: Some(membership), ..Facts::default() };
                self.others.push((trigger, customer.into(), cause(), facts, at));
            }
            Happened::Registered(customer) => {
                let id = customer.into();
                self.others.push((Trigger::CustomerRegistered, id, cause(), Facts::default(), at));
            }
        }
    }

    async fn enter(self, tx: &Tx, journeys: &Journeys) -> Result<(), Fault> {
        let orders = purchases::orders(tx.db(), self.orders.iter().map(|(order, _)| *order)).await?;
        let mut entries = order_entries(tx, journeys, &self.orders, &orders).await?;
        entries.extend(cart_entries(tx, journeys, &self.carts).await?);
        for (trigger, person, cause, facts, happened_at) in self.others {
            for live in journeys.begun_by(trigger) {
                entries.push(Entry::new(live, person, cause.clone(), facts.clone(), happened_at));
            }
        }
        enter(tx, entries).await?;
        for (trigger, audience) in self.audiences {
            for live in journeys.begun_by(trigger) {
                fanout::enqueue(tx, live, &audience).await?;
            }
        }
        let paid = self.orders.iter().filter(|(_, trigger)| *trigger == Trigger::OrderPaid);
        statistics::convert(tx, paid.filter_map(|(order, _)| orders.get(order))).await
    }
}

impl<'a> Entry<'a> {
    /// One that has no lane and waits from when it happened.
    pub(super) fn new(
        live: &'a Live,
        person: PersonId,
        cause: String,
        facts: Facts,
        happened_at: Instant,
    ) -> Self {
        Self { live, person, cause, lane: None, facts, happened_at, waits_from: None, rhythm: None }
    }
}

async fn order_entries<'a>(
    tx: &Tx,
    journeys: &'a Journeys,
    told: &[(OrderId, Trigger)],
    orders: &HashMap<OrderId, order::Model>,
) -> Result<Vec<Entry<'a>>, Fault> {
    let mut entries = Vec::new();
    let mut used_up = Vec::new();
    for (id, trigger) in told {
        let Some(order) = orders.get(id) else { continue };
        let Some((person, at)) = purchases::buyer(order).zip(reached_at(order, *trigger)) else { continue };
        for live in journeys.begun_by(*trigger) {
            let facts = Facts { order: Some(*id), ..Facts::default() };
            let entry = Entry::new(live, person, format!("order:{}", id.0.simple()), facts, at);
            if *trigger == Trigger::ProductUsedUp { &mut used_up } else { &mut entries }.push(entry);
        }
    }
    let mut entries = only_fitting(tx, entries).await?;
    keep_rhythm(tx, &mut entries).await?;
    for entry in &mut entries {
        // Of who buys again, the last order is what is waited from.
        if entry.live.definition.conditions.contains(&Condition::NothingBoughtSince) {
            entry.lane = Some("purchase".to_owned());
        }
    }
    let mut entries = products::named(tx, entries).await?;
    entries.extend(used_up_entries(tx, used_up).await?);
    Ok(entries)
}

/// When an order came to what a trigger tells of.
fn reached_at(order: &order::Model, trigger: Trigger) -> Option<Instant> {
    match trigger {
        Trigger::OrderPaid => order.paid_at,
        Trigger::OrderShipped => order.shipped_at,
        Trigger::OrderDelivered | Trigger::ProductUsedUp => order.delivered_at,
        _ => None,
    }
}

/// Those for whom every condition holds that cannot change any more.
async fn only_fitting<'a>(tx: &Tx, entries: Vec<Entry<'a>>) -> Result<Vec<Entry<'a>>, Fault> {
    let asks = |entry: &Entry<'_>| entry.live.definition.conditions.iter().any(Condition::is_settled);
    if !entries.iter().any(asks) {
        return Ok(entries);
    }
    // What cannot change any more is of the order, whoever its buyer turned out to be.
    let people: Vec<Person> = entries.iter().map(|entry| Person::unknown(entry.person)).collect();
    let cases: Vec<Case<'_>> =
        entries.iter().zip(&people).map(|(entry, person)| entry.case(person)).collect();
    let look = Look::load(tx.db(), &cases, When::Beginning, tx.now()).await?;
    let fits: Vec<bool> = cases.iter().map(|case| look.objection(case, When::Beginning).is_none()).collect();
    Ok(entries.into_iter().zip(fits).filter(|(_, fits)| *fits).map(|(entry, _)| entry).collect())
}

impl Entry<'_> {
    fn case<'b>(&'b self, person: &'b Person) -> Case<'b> {
        Case {
            journey: self.live.id,
            definition: &self.live.definition,
            person,
            facts: &self.facts,
            happened_at: self.happened_at,
        }
    }
}

async fn keep_rhythm(tx: &Tx, entries: &mut [Entry<'_>]) -> Result<(), Fault> {
    let by_rhythm = |entry: &Entry<'_>| {
        entry.live.definition.steps.first().is_some_and(|step| matches!(step.wait, Wait::Rhythm { .. }))
    };
    let people: BTreeSet<PersonId> =
        entries.iter().filter(|entry| by_rhythm(entry)).map(|entry| entry.person).collect();
    let rhythms: HashMap<PersonId, Rhythm> = purchases::rhythms(tx.db(), people).await?;
    for entry in entries.iter_mut().filter(|entry| by_rhythm(entry)) {
        entry.rhythm = rhythms.get(&entry.person).copied();
    }
    Ok(())
}

/// One for each product of an order that is used up some day.
async fn used_up_entries<'a>(tx: &Tx, orders: Vec<Entry<'a>>) -> Result<Vec<Entry<'a>>, Fault> {
    let lines = purchases::lines(tx.db(), orders.iter().filter_map(|entry| entry.facts.order)).await?;
    let skus: BTreeSet<String> = lines.values().flatten().map(|line| line.sku.clone()).collect();
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let rows = product::Entity::find()
        .filter(is_among_texts(tx.db().get_database_backend(), "sku", skus))
        .filter(product::Column::ReplenishAfterDays.is_not_null())
        .all(tx.db())
        .await?;
    let products: HashMap<&str, &product::Model> = rows.iter().map(|row| (row.sku.as_str(), row)).collect();
    let mut entries = Vec::new();
    for entry in orders {
        let lines = entry.facts.order.and_then(|order| lines.get(&order)).map_or(&[][..], Vec::as_slice);
        let bought: BTreeSet<&str> =
            lines.iter().filter(|line| line.returned < line.quantity).map(|line| line.sku.as_str()).collect();
        for product in bought.into_iter().filter_map(|sku| products.get(sku)) {
            let Some(days) = product.replenish_after_days else { continue };
            entries.push(Entry {
                cause: format!("{}:{}", entry.cause, product.id.0.simple()),
                lane: Some(format!("product:{}", product.id.0.simple())),
                facts: Facts { product: Some(product.id), ..entry.facts.clone() },
                waits_from: Some(entry.happened_at + chrono::TimeDelta::days(days.into())),
                ..entry.clone()
            });
        }
    }
    Ok(entries)
}

async fn cart_entries<'a>(
    tx: &Tx,
    journeys: &'a Journeys,
    touched: &BTreeMap<CartId, Instant>,
) -> Result<Vec<Entry<'a>>, Fault> {
    let mut live = journeys.begun_by(Trigger::CartTouched).peekable();
    if live.peek().is_none() || touched.is_empty() {
        return Ok(Vec::new());
    }
    let among = is_among(tx.db().get_database_backend(), "id", touched.keys().map(|id| id.0));
    let carts = cart::Entity::find().filter(among).all(tx.db()).await?;
    let owners = owners_of_addresses(tx, &carts).await?;
    let mut entries = Vec::new();
    for live in live {
        for cart in &carts {
            let person = cart.customer_id.map(PersonId::from).or_else(|| {
                let address = EmailAddress::try_from(cart.email.clone()?).ok()?;
                owners.get(&address.key()).copied()
            });
            // Nobody has consented who is known by nothing but a cart.
            let Some((person, at)) = person.zip(touched.get(&cart.id)) else { continue };
            let facts = Facts { cart: Some(cart.id), since: Some(*at), ..Facts::default() };
            let cause = format!("cart:{}:{}", cart.id.0.simple(), at.timestamp_micros());
            let lane = Some(format!("cart:{}", cart.id.0.simple()));
            entries.push(Entry { lane, ..Entry::new(live, person, cause, facts, *at) });
        }
    }
    Ok(entries)
}

/// Who has the addresses of these carts.
async fn owners_of_addresses(tx: &Tx, carts: &[cart::Model]) -> Result<HashMap<String, PersonId>, Fault> {
    let keys: BTreeSet<String> = carts
        .iter()
        .filter_map(|cart| EmailAddress::try_from(cart.email.clone()?).ok())
        .map(|address| address.key())
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = tx.db().get_database_backend();
    let among = || is_among_texts(backend, "email_key", keys.iter().cloned());
    let guests = guest_identity::Entity::find().filter(among()).all(tx.db()).await?;
    let mut owners: HashMap<String, PersonId> =
        guests.into_iter().map(|guest| (guest.email_key, guest.id.into())).collect();
    let customers = customer::Entity::find().filter(among()).all(tx.db()).await?;
    owners.extend(customers.into_iter().filter_map(|row| Some((row.email_key?, row.id.into()))));
    Ok(owners)
}
