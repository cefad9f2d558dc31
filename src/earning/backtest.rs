//! Trying a draft on the past: the paid orders of some days earn by the rules in force now, with and without it. Nothing is
//! written; what it reads is one page of orders at a time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta};
use entity::id::{EarningRuleId, OrderId};
use entity::{Instant, order, order_line};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::evaluate::{LineFacts, OrderFacts, Rule, evaluate};
use super::held::Held;
use super::{facts, versions};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::money::Currency;
use crate::points::rules::Basis;
use crate::settings::ShopSettings;

/// Orders that are looked at.
const MOST: u64 = 20_000;
/// Orders of one page.
const PAGE: u64 = 500;

/// What a draft would have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) orders: u64,
    /// There were more orders than are looked at.
    pub(super) truncated: bool,
    /// Buyers whose points would differ.
    pub(super) affected: usize,
    /// Points by the rules in force now.
    pub(super) now: i64,
    /// Points with the draft.
    pub(super) then: i64,
}

/// Tries the draft of `rule` on the last `days`; none if there is no such draft.
pub(super) async fn run(app: &App, rule: EarningRuleId, days: u32) -> Result<Option<Found>, Fault> {
    let now = app.clock.now();
    let Some(draft) = versions::draft_of(&app.db.read, rule).await? else { return Ok(None) };
    let in_force = versions::in_force(&app.db.read, std::iter::once(now)).await?;
    let before: Vec<Rule> = in_force.into_iter().map(always).collect();
    let others = before.iter().filter(|other| other.id != rule).cloned();
    let after: Vec<Rule> = others.chain([draft]).collect();
    let trial = Trial { app, settings: &app.settings(), before, after };
    trial.run(now - TimeDelta::days(days.into())).await.map(Some)
}

/// As if it had always been in force.
fn always(rule: Rule) -> Rule {
    Rule { from: DateTime::UNIX_EPOCH, until: None, ..rule }
}

struct Trial<'a> {
    app: &'a App,
    settings: &'a ShopSettings,
    before: Vec<Rule>,
    after: Vec<Rule>,
}

impl Trial<'_> {
    async fn run(&self, since: Instant) -> Result<Found, Fault> {
        let (mut found, mut affected) = (Found::default(), BTreeSet::new());
        let mut before: Option<(Instant, OrderId)> = None;
        loop {
            let orders = self.page(since, before).await?;
            let Some(last) = orders.last() else { break };
            if found.orders >= MOST {
                found.truncated = true;
                break;
            }
            before = Some((last.placed_at, last.id));
            self.add(&orders, &mut found, &mut affected).await?;
        }
        found.affected = affected.len();
        Ok(found)
    }

    /// The next page of paid orders, those placed last first.
    async fn page(
        &self,
        since: Instant,
        before: Option<(Instant, OrderId)>,
    ) -> Result<Vec<order::Model>, Fault> {
        use order::Column;
        let mut query = order::Entity::find()
            .filter(Column::PlacedAt.gte(since))
            .filter(Column::PaidAt.is_not_null().and(Column::State.ne(order::OrderState::Cancelled)));
        if let Some((at, id)) = before {
            query = query.filter(Column::PlacedAt.lt(at).or(Column::PlacedAt.eq(at).and(Column::Id.lt(id))));
        }
        let query = query.order_by_desc(Column::PlacedAt).order_by_desc(Column::Id).limit(PAGE);
        Ok(query.all(&self.app.db.read).await?)
    }

    async fn add(
        &self,
        orders: &[order::Model],
        found: &mut Found,
        affected: &mut BTreeSet<Uuid>,
    ) -> Result<(), Fault> {
        let mut lines = self.lines(orders).await?;
        let numbers = self.numbers(orders).await?;
        let born = self.born(orders).await?;
        let held = self.held(orders).await?;
        let version = i32::try_from(self.settings.version).unwrap_or(i32::MAX);
        for order in orders {
            let lines = lines.remove(&order.id).unwrap_or_default();
            let categories: Vec<Vec<String>> = lines
                .iter()
                .map(|line| serde_json::from_value(line.categories.clone()))
                .collect::<Result<_, _>>()?;
            let currency = order.currency.parse()?;
            let line = |(line, categories)| line_facts(currency, line, categories);
            let lines = lines.iter().zip(&categories).map(line).collect();
            let born = order.customer_id.and_then(|customer| born.get(&customer.0).copied());
            let (weekday, on_birthday) = facts::day_of(self.settings, order.placed_at, born);
            let number = numbers.get(&order.id).copied();
            let (tier, plan) = (held.tier_of(order.customer_id), held.plan_of(order.customer_id));
            let at = order.placed_at;
            let facts = OrderFacts { at, currency, weekday, number, on_birthday, tier, plan, lines };
            let points = |rules: &[Rule]| -> i64 {
                let gains = evaluate(&self.settings.programme, version, rules, &facts);
                gains.iter().map(|gain| i64::from(gain.points)).sum()
            };
            let (now, then) = (points(&self.before), points(&self.after));
            found.orders += 1;
            found.now += now;
            found.then += then;
            if now != then {
                affected.extend(order.customer_id.map(|id| id.0).or(order.guest_id.map(|id| id.0)));
            }
        }
        Ok(())
    }

    async fn lines(
        &self,
        orders: &[order::Model],
    ) -> Result<BTreeMap<OrderId, Vec<order_line::Model>>, Fault> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", orders.iter().map(|order| order.id.0));
        let query = order_line::Entity::find().filter(among).order_by_asc(order_line::Column::Position);
        let mut lines: BTreeMap<OrderId, Vec<order_line::Model>> = BTreeMap::new();
        for line in query.all(db).await? {
            lines.entry(line.order_id).or_default().push(line);
        }
        Ok(lines)
    }

    /// The number of each order among the paid ones of its buyer, by when they were placed; nothing if no rule asks.
    async fn numbers(&self, orders: &[order::Model]) -> Result<BTreeMap<OrderId, u32>, Fault> {
        use order::Column;
        let mut numbers = BTreeMap::new();
        if !facts::asks_for_number(&self.after) && !facts::asks_for_number(&self.before) {
            return Ok(numbers);
        }
        let db = &self.app.db.read;
        let buyers = [
            (
                "customer_id",
                orders.iter().filter_map(|order| Some(order.customer_id?.0)).collect::<BTreeSet<_>>(),
            ),
            ("guest_id", orders.iter().filter_map(|order| Some(order.guest_id?.0)).collect()),
        ];
        for (column, ids) in buyers.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let rows: Vec<(OrderId, Option<Uuid>, Option<Uuid>)> = order::Entity::find()
                .select_only()
                .columns([Column::Id, Column::CustomerId, Column::GuestId])
                .filter(is_among(db.get_database_backend(), column, ids))
                .filter(Column::PaidAt.is_not_null())
                .order_by_asc(Column::PlacedAt)
                .order_by_asc(Column::Id)
                .into_tuple()
                .all(db)
                .await?;
            let mut counts: BTreeMap<Option<Uuid>, u32> = BTreeMap::new();
            for (id, customer, guest) in rows {
                let count = counts.entry(customer.or(guest)).or_default();
                *count += 1;
                numbers.insert(id, *count);
            }
        }
        Ok(numbers)
    }

    async fn born(&self, orders: &[order::Model]) -> Result<BTreeMap<Uuid, NaiveDate>, Fault> {
        if !facts::asks_for_birthday(&self.after) && !facts::asks_for_birthday(&self.before) {
            return Ok(BTreeMap::new());
        }
        let customers = orders.iter().filter_map(|order| order.customer_id);
        let found = facts::born(&self.app.db.read, customers).await?;
        Ok(found.into_iter().map(|(customer, born)| (customer.0, born)).collect())
    }

    /// The tiers and plans that buyers have now: those of the past would be those of another programme.
    async fn held(&self, orders: &[order::Model]) -> Result<Held, Fault> {
        let conditions = facts::conditions_of(&self.after).chain(facts::conditions_of(&self.before));
        let customers = orders.iter().filter_map(|order| order.customer_id);
        Held::of(&self.app.db.read, conditions, customers, self.app.clock.now()).await
    }
}

fn line_facts<'a>(
    currency: Currency,
    line: &'a order_line::Model,
    categories: &'a Vec<String>,
) -> LineFacts<'a> {
    let basis = Basis {
        currency,
        line_total: line.line_total,
        redeemed_value: line.redeemed_value,
        tax_rate: line.tax_rate,
    };
    LineFacts { sku: &line.sku, categories, basis }
}
