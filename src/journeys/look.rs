//! What conditions ask about, looked up for many at once, and whether they hold.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;
use entity::id::{CartId, CustomerId, JourneyId, OrderId, PersonId, ProductId};
use entity::message::Reason;
use entity::{Instant, cart, customer_tier, journey_run, order, order_line, product, waitlist_entry};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::definition::{Condition, Definition, Trigger, has_window};
use super::people::Person;
use super::purchases::{self, LastBought, came_back};
use crate::catalog::rules::is_available;
use crate::db::dialect::{is_among, is_among_texts};
use crate::error::Fault;
use crate::memberships::{self, Span};
use crate::messages::facts::Facts;
use crate::messages::terms::MessageTerms;

/// Days for which somebody waits for a product.
const WAITS_FOR: TimeDelta = TimeDelta::days(90);

/// Somebody for whom a journey may begin or go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) journey: JourneyId,
    pub(super) definition: &'a Definition,
    pub(super) person: &'a Person,
    pub(super) facts: &'a Facts,
    /// When what began it happened.
    pub(super) happened_at: Instant,
}

/// Which conditions are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Those that cannot change any more, when it begins.
    Beginning,
    /// The others, before each message.
    Sending,
}

impl When {
    pub(super) fn asks(self, condition: &Condition) -> bool {
        condition.is_settled() == (self == Self::Beginning)
    }
}

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Look {
    now: Option<Instant>,
    orders: HashMap<OrderId, order::Model>,
    lines: HashMap<OrderId, Vec<order_line::Model>>,
    numbers: HashMap<OrderId, u32>,
    last_bought: LastBought,
    last_of_article: HashMap<(PersonId, String), Instant>,
    carts: HashMap<CartId, cart::Model>,
    products: HashMap<ProductId, product::Model>,
    cared_for: HashMap<String, Cared>,
    waits: HashMap<(CustomerId, ProductId), Instant>,
    tiers: HashMap<CustomerId, String>,
    members: BTreeSet<CustomerId>,
    savers: HashMap<CustomerId, String>,
    sent: HashMap<(JourneyId, PersonId), Instant>,
}

/// An article that an order brought, as the catalogue has it.
#[derive(Clone, Copy, Debug)]
struct Cared {
    product: ProductId,
    /// For how many days after its delivery it is cared for, if it says.
    days: Option<i32>,
}

/// What the cases ask for.
struct Asked<'a> {
    cases: &'a [Case<'a>],
    when: When,
}

impl<'a> Asked<'a> {
    fn any(&self, is: impl Fn(&Condition) -> bool) -> bool {
        self.cases.iter().any(|case| self.conditions(case).any(&is))
    }

    fn of(&self, is: impl Fn(&Condition) -> bool) -> impl Iterator<Item = &'a Case<'a>> {
        self.cases.iter().filter(move |case| self.conditions(case).any(&is))
    }

    fn conditions(&self, case: &Case<'a>) -> impl Iterator<Item = &'a Condition> {
        let when = self.when;
        case.definition.conditions.iter().filter(move |condition| when.asks(condition))
    }

    fn begun_by(&self, trigger: Trigger) -> impl Iterator<Item = &'a Case<'a>> {
        let sending = self.when == When::Sending;
        self.cases.iter().filter(move |case| sending && case.definition.trigger == trigger)
    }
}

impl Look {
    /// Looks up what these cases ask for: a few statements for each kind of condition among them, for any number.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        cases: &[Case<'_>],
        when: When,
        now: Instant,
    ) -> Result<Self, Fault> {
        let asked = Asked { cases, when };
        let mut look = Self { now: Some(now), ..Self::default() };
        look.load_orders(db, &asked).await?;
        if when == When::Sending {
            look.load_purchases(db, &asked).await?;
            look.load_goods(db, &asked).await?;
            look.load_standing(db, &asked, now).await?;
            look.load_sent(db, &asked).await?;
        }
        Ok(look)
    }

    async fn load_orders(&mut self, db: &impl ConnectionTrait, asked: &Asked<'_>) -> Result<(), Fault> {
        let named = asked.cases.iter().filter(|case| case.definition.trigger.has_order());
        self.orders = purchases::orders(db, named.filter_map(|case| case.facts.order)).await?;
        let in_window = |case: &&Case<'_>| asked.when == When::Sending && has_window(case.definition.class());
        let by_lines = asked
            .of(|condition| matches!(condition, Condition::Bought { .. } | Condition::OrderKept))
            .chain(asked.cases.iter().filter(in_window))
            .chain(asked.begun_by(Trigger::ProductUsedUp));
        self.lines = purchases::lines(db, by_lines.filter_map(|case| case.facts.order)).await?;
        let numbered: HashSet<OrderId> = asked
            .of(|condition| matches!(condition, Condition::OrderNumber(_)))
            .filter_map(|case| case.facts.order)
            .collect();
        if !numbered.is_empty() {
            let orders = self.orders.values().filter(|order| numbered.contains(&order.id));
            self.numbers = purchases::numbers(db, orders).await?;
        }
        let cared_for: BTreeSet<String> = asked
            .cases
            .iter()
            .filter(in_window)
            .filter_map(|case| self.lines.get(&case.facts.order?))
            .flatten()
            .map(|line| line.sku.clone())
            .collect();
        if !cared_for.is_empty() {
            self.cared_for = articles(db, cared_for).await?;
        }
        Ok(())
    }

    async fn load_purchases(&mut self, db: &impl ConnectionTrait, asked: &Asked<'_>) -> Result<(), Fault> {
        let by_last = |condition: &Condition| {
            matches!(condition, Condition::NothingBoughtSince | Condition::NotBoughtFor(_))
        };
        if asked.any(by_last) {
            let people: BTreeSet<PersonId> = asked.of(by_last).map(|case| case.person.id).collect();
            let mailboxes = asked.of(by_last).filter_map(|case| case.person.email_key()).collect();
            self.last_bought = LastBought::load(db, &people, mailboxes).await?;
        }
        Ok(())
    }

    async fn load_goods(&mut self, db: &impl ConnectionTrait, asked: &Asked<'_>) -> Result<(), Fault> {
        let backend = db.get_database_backend();
        let carts: BTreeSet<_> =
            asked.begun_by(Trigger::CartTouched).filter_map(|case| case.facts.cart).map(|id| id.0).collect();
        if !carts.is_empty() {
            let rows = cart::Entity::find().filter(is_among(backend, "id", carts)).all(db).await?;
            self.carts = rows.into_iter().map(|row| (row.id, row)).collect();
        }
        let about: Vec<&Case<'_>> =
            asked.begun_by(Trigger::BackInStock).chain(asked.begun_by(Trigger::ProductUsedUp)).collect();
        let products: BTreeSet<_> =
            about.iter().filter_map(|case| case.facts.product).map(|id| id.0).collect();
        if products.is_empty() {
            return Ok(());
        }
        let rows = product::Entity::find().filter(is_among(backend, "id", products)).all(db).await?;
        self.products = rows.into_iter().map(|row| (row.id, row)).collect();
        let used_up: Vec<_> = asked.begun_by(Trigger::ProductUsedUp).collect();
        let people = used_up.iter().map(|case| case.person.id).collect();
        let skus = used_up
            .iter()
            .filter_map(|case| Some(self.products.get(&case.facts.product?)?.sku.clone()))
            .collect();
        self.last_of_article = purchases::last_of_article(db, &people, skus).await?;
        let waiting = asked.begun_by(Trigger::BackInStock).filter_map(|case| case.person.customer);
        let waiting: BTreeSet<_> = waiting.map(|id| id.0).collect();
        if !waiting.is_empty() {
            let among = is_among(backend, "customer_id", waiting);
            let rows = waitlist_entry::Entity::find().filter(among).all(db).await?;
            let keyed = rows.into_iter().map(|row| ((row.customer_id, row.product_id), row.joined_at));
            self.waits = keyed.collect();
        }
        Ok(())
    }

    async fn load_standing(
        &mut self,
        db: &impl ConnectionTrait,
        asked: &Asked<'_>,
        now: Instant,
    ) -> Result<(), Fault> {
        let customers = |is: fn(&Condition) -> bool| -> BTreeSet<CustomerId> {
            asked.of(is).filter_map(|case| case.person.customer).collect()
        };
        let of_tiers = asked.begun_by(Trigger::TierReached).chain(asked.begun_by(Trigger::TierEnding));
        let mut tiers = customers(|condition| matches!(condition, Condition::InTier(_)));
        tiers.extend(of_tiers.filter_map(|case| case.person.customer));
        if !tiers.is_empty() {
            let among = is_among(db.get_database_backend(), "customer_id", tiers.iter().map(|id| id.0));
            let rows = customer_tier::Entity::find().filter(among).all(db).await?;
            self.tiers = rows.into_iter().filter_map(|row| Some((row.customer_id, row.tier?))).collect();
        }
        let members = customers(|condition| matches!(condition, Condition::NoMembership));
        if !members.is_empty() {
            self.members = memberships::held(db, members, now).await?.into_keys().collect();
        }
        let savers = customers(|condition| matches!(condition, Condition::WouldHaveSaved));
        if !savers.is_empty() {
            self.savers = memberships::would_have_saved(db, savers, Span::year_before(now)).await?;
        }
        Ok(())
    }

    async fn load_sent(&mut self, db: &impl ConnectionTrait, asked: &Asked<'_>) -> Result<(), Fault> {
        use journey_run::Column;
        let capped = |condition: &Condition| matches!(condition, Condition::NotSentFor(_));
        if !asked.any(capped) {
            return Ok(());
        }
        let backend = db.get_database_backend();
        let people: BTreeSet<_> = asked.of(capped).map(|case| case.person.id.0).collect();
        let journeys: BTreeSet<_> = asked.of(capped).map(|case| case.journey.0).collect();
        let rows: Vec<(JourneyId, PersonId, Option<Instant>)> = journey_run::Entity::find()
            .select_only()
            .columns([Column::JourneyId, Column::PersonId])
            .expr(Column::MeasuredFrom.max())
            .filter(is_among(backend, "person_id", people))
            .filter(is_among(backend, "journey_id", journeys))
            .filter(Column::MeasuredFrom.is_not_null())
            .group_by(Column::JourneyId)
            .group_by(Column::PersonId)
            .into_tuple()
            .all(db)
            .await?;
        self.sent = rows.into_iter().filter_map(|(of, who, at)| Some(((of, who), at?))).collect();
        Ok(())
    }

    /// Why the journey does not begin or go on; none if every condition holds.
    pub(super) fn objection(&self, case: &Case<'_>, when: When) -> Option<Reason> {
        let own = (when == When::Sending).then(|| self.objection_of_trigger(case)).flatten();
        let conditions = case.definition.conditions.iter().filter(|condition| when.asks(condition));
        own.or_else(|| conditions.into_iter().find_map(|condition| self.objection_of(case, condition)))
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, case: &Case<'_>, condition: &Condition) -> bool {
        self.objection_of(case, condition).is_none()
    }

    /// What must hold of everything that its trigger begins.
    fn objection_of_trigger(&self, case: &Case<'_>) -> Option<Reason> {
        let product = || self.products.get(&case.facts.product?);
        let tier = || self.tiers.get(&case.person.customer?);
        let holds = match case.definition.trigger {
            Trigger::ProductUsedUp => product().is_some_and(|product| {
                let last = self.last_of_article.get(&(case.person.id, product.sku.clone()));
                let of_it =
                    |line: &&order_line::Model| line.sku == product.sku && line.returned < line.quantity;
                let has_it = self.lines_of(case).iter().any(|line| of_it(&line));
                !product.archived && has_it && last.is_none_or(|last| *last <= case.happened_at)
            }),
            Trigger::BackInStock => {
                let now = self.now?;
                product().is_some_and(|product| is_available(product, now)) && self.waits_still(case, now)
            }
            Trigger::TierReached => tier() == case.facts.tier.as_ref(),
            Trigger::TierEnding => tier() == case.facts.tier.as_ref() && self.ends_still(case),
            Trigger::PointsExpiring => self.ends_still(case),
            _ => true,
        };
        (!holds).then_some(Reason::ConditionNotMet)
    }

    fn lines_of(&self, case: &Case<'_>) -> &[order_line::Model] {
        case.facts.order.and_then(|id| self.lines.get(&id)).map_or(&[], Vec::as_slice)
    }

    fn waits_still(&self, case: &Case<'_>, now: Instant) -> bool {
        let (Some(customer), Some(product)) = (case.person.customer, case.facts.product) else {
            return false;
        };
        self.waits.get(&(customer, product)).is_some_and(|joined_at| now <= *joined_at + WAITS_FOR)
    }

    /// Whether what will end has not ended yet.
    fn ends_still(&self, case: &Case<'_>) -> bool {
        case.facts.ends_at > self.now
    }

    fn objection_of(&self, case: &Case<'_>, condition: &Condition) -> Option<Reason> {
        let now = self.now?;
        let order = case.facts.order.and_then(|id| self.orders.get(&id));
        let lines = || self.lines_of(case);
        let last = || self.last_bought.of(case.person.id, case.person.email_key().as_deref());
        let holds = match condition {
            Condition::OrderNumber(number) => {
                case.facts.order.and_then(|id| self.numbers.get(&id)) == Some(number)
            }
            Condition::Bought { skus, categories } => {
                lines().iter().any(|line| skus.contains(&line.sku) || has_any(&line.categories, categories))
            }
            Condition::OrderKept => {
                order.is_some_and(|order| order.cancelled_at.is_none()) && !came_back(lines())
            }
            Condition::NothingBoughtSince => last().is_none_or(|last| last <= bought_at(case, order)),
            Condition::NotBoughtFor(hours) => {
                let bought = last().is_some_and(|last| last + TimeDelta::hours((*hours).into()) > now);
                return bought.then_some(Reason::BoughtRecently);
            }
            Condition::CartAbandoned => {
                case.facts.cart.and_then(|id| self.carts.get(&id)).is_some_and(|cart| {
                    let is_empty = cart.lines.as_array().is_none_or(Vec::is_empty);
                    cart.closed_at.is_none() && !is_empty && cart.touched_at <= case.happened_at
                })
            }
            Condition::InTier(tiers) => {
                let tier = case.person.customer.and_then(|customer| self.tiers.get(&customer));
                tier.is_some_and(|tier| tiers.contains(tier))
            }
            Condition::NoMembership => {
                case.person.customer.is_none_or(|customer| !self.members.contains(&customer))
            }
            Condition::WouldHaveSaved => self.plan_of(case).is_some(),
            Condition::Registered => case.person.is_registered(),
            Condition::NotSentFor(days) => {
                let sent = self.sent.get(&(case.journey, case.person.id));
                sent.is_none_or(|sent| *sent + TimeDelta::days((*days).into()) <= now)
            }
        };
        (!holds).then_some(Reason::ConditionNotMet)
    }

    /// The plan that would have saved the customer most, if it would have saved more than its fee.
    pub(super) fn plan_of(&self, case: &Case<'_>) -> Option<&String> {
        self.savers.get(&case.person.customer?)
    }

    /// The mailbox that is written on the order.
    pub(super) fn address_on_order(&self, case: &Case<'_>) -> Option<String> {
        self.orders.get(&case.facts.order?)?.email_key.clone()
    }

    /// Whether it is too late to speak of what was bought, or nothing of it is left to speak of. What counts is the product
    /// that the message speaks of, else the one of the order that is cared for longest; and the delivery, or, as long as
    /// nobody told of one, the last that was told before it.
    pub(super) fn is_window_closed(&self, case: &Case<'_>, terms: &MessageTerms) -> bool {
        let Some(now) = self.now.filter(|_| has_window(case.definition.class())) else { return false };
        let order = case.facts.order.and_then(|id| self.orders.get(&id));
        let Some(order) = order.filter(|order| order.cancelled_at.is_none()) else { return true };
        let article = |line: &order_line::Model| self.cared_for.get(&line.sku);
        let spoken_of = |line: &&order_line::Model| {
            let named = case.facts.product;
            line.returned < line.quantity
                && (named.is_none() || named == article(line).map(|article| article.product))
        };
        let general = i32::try_from(terms.care_window_days).unwrap_or(i32::MAX);
        let days =
            |line: &order_line::Model| article(line).and_then(|article| article.days).unwrap_or(general);
        let Some(days) = self.lines_of(case).iter().filter(spoken_of).map(days).max() else { return true };
        let from = order.delivered_at.or(order.shipped_at).or(order.paid_at).unwrap_or(order.placed_at);
        now > from + TimeDelta::days(days.into())
    }
}

/// An order was placed before it was paid.
fn bought_at(case: &Case<'_>, order: Option<&order::Model>) -> Instant {
    order.map_or(case.happened_at, |order| order.placed_at)
}

fn has_any(categories: &serde_json::Value, wanted: &BTreeSet<String>) -> bool {
    let categories = categories.as_array().map_or(&[][..], Vec::as_slice);
    categories.iter().filter_map(serde_json::Value::as_str).any(|category| wanted.contains(category))
}

/// These articles, as far as the catalogue has them.
async fn articles(
    db: &impl ConnectionTrait,
    skus: BTreeSet<String>,
) -> Result<HashMap<String, Cared>, Fault> {
    let rows: Vec<(String, ProductId, Option<i32>)> = product::Entity::find()
        .select_only()
        .columns([product::Column::Sku, product::Column::Id, product::Column::CareWindowDays])
        .filter(is_among_texts(db.get_database_backend(), "sku", skus))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(sku, product, days)| (sku, Cared { product, days })).collect())
}
