//! What customers earn for other things than orders: for joining, on their birthday, for friends whom they brought, for
//! what the shop states.
//!
//! Invariant: how often an account used a limited rule is counted behind the lock on that account, so that no occasion
//! gives twice, whoever tells of it and however often.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, TimeDelta};
use entity::earning_use::{Column, Entity, Model};
use entity::id::{AccountId, CustomerId, ReferralId};
use entity::points_lot::LotSource;
use entity::{Instant, customer};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::definition::{Combination, Effect, Limit, Period, Trigger};
use super::evaluate::Rule;
use super::versions;
use crate::actor::Actor;
use crate::app::App;
use crate::customers::birthday::born_for;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::jobs::Ended;
use crate::points::amount::Points;
use crate::points::command::{Act, Command, Earn, PointsError, Posting, When};
use crate::points::ledger::post;
use crate::points::orders::{self as points, Owner};
use crate::points::rules::start_of_day;
use crate::settings::ShopSettings;
use crate::tx::Tx;

/// The recurring job that posts birthdays.
pub(crate) const BIRTHDAYS: &str = "earning.birthdays";
/// Customers whose birthday is posted in one transaction.
const BATCH: u64 = 500;
/// A birthday is made up for so many days later, if no worker ran that day.
const MADE_UP_FOR: u64 = 6;

/// Something that the shop says a customer did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stated {
    /// Whose account.
    pub(crate) account: AccountId,
    /// Such as `review`.
    pub(crate) event: String,
    /// In words, if the shop gave some.
    pub(crate) reason: Option<String>,
    /// Who says so.
    #[serde(skip)]
    pub(crate) by: Actor,
}

/// Why an event earned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventError {
    /// No rule in force is for events of this name.
    Unknown,
    /// The customer had it as often as the rules allow.
    LimitReached,
    /// The ledger refuses it.
    Points(PointsError),
}

/// Gives what the rules in force give for an event.
pub(crate) async fn event(tx: &Tx, stated: &Stated) -> Outcome<Posting, EventError> {
    let rules = rules_for(tx, &Trigger::Event(stated.event.clone()), tx.now()).await?;
    if rules.is_empty() {
        return refuse(EventError::Unknown);
    }
    let day = today(tx.settings(), tx.now());
    let given = Given { by: stated.by, reason: stated.reason.clone(), day, referral: None };
    let account = points::lock_accounts(tx, &[stated.account]).await?;
    if account.is_empty() {
        return refuse(EventError::Points(PointsError::NotFound));
    }
    let mut posted = give(tx, &rules, &account, &given).await?.into_iter();
    let Some(first) = posted.next() else { return refuse(EventError::LimitReached) };
    let first = first.map_err(|reason| Stop::Refused(EventError::Points(reason)))?;
    posted.try_fold(first, |mut sum, more| {
        let more = more.map_err(|reason| Stop::Refused(EventError::Points(reason)))?;
        sum.points = sum.points.saturating_add(more.points);
        sum.entries.extend(more.entries);
        Ok(sum)
    })
}

/// Gives what the rules in force give for joining the programme.
pub(crate) async fn joined(tx: &Tx, customer: CustomerId) -> Result<(), Fault> {
    let rules = rules_for(tx, &Trigger::Joining, tx.now()).await?;
    credit(tx, &rules, &[Owner::Customer(customer).account()], today(tx.settings(), tx.now())).await
}

/// A friend whose order has passed its return window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought {
    /// What entries of the ledger name.
    pub(crate) referral: ReferralId,
    /// Who brought the friend.
    pub(crate) referrer: AccountId,
    /// The friend.
    pub(crate) friend: AccountId,
    /// When the order was placed.
    pub(crate) placed_at: Instant,
}

/// Gives both sides of a referral what the rules in force when its order was placed give; both accounts are locked.
/// Answers the referrer's points and the friend's.
pub(crate) async fn brought(tx: &Tx, brought: &Brought) -> Result<[i32; 2], Fault> {
    let day = today(tx.settings(), tx.now());
    let given = Given { by: Actor::SYSTEM, reason: None, day, referral: Some(brought.referral) };
    let mut points = [0; 2];
    let sides = [(Trigger::Referrer, brought.referrer), (Trigger::Referred, brought.friend)];
    for (points, (trigger, account)) in points.iter_mut().zip(sides) {
        let rules = rules_for(tx, &trigger, brought.placed_at).await?;
        *points = sum(give(tx, &rules, &[account], &given).await?)?;
    }
    Ok(points)
}

/// Gives; answers nothing, since what it was for happened all the same.
async fn credit(tx: &Tx, rules: &[Rule], accounts: &[AccountId], day: NaiveDate) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let given = Given { by: Actor::SYSTEM, reason: None, day, referral: None };
    let accounts = points::lock_accounts(tx, accounts).await?;
    sum(give(tx, rules, &accounts, &given).await?).map(drop)
}

/// How much was given; an account that is full earns no more.
fn sum(posted: Vec<Result<Posting, PointsError>>) -> Result<i32, Fault> {
    let mut points = 0_i32;
    for posted in posted {
        match posted {
            Ok(posting) => points = points.saturating_add(posting.points),
            Err(reason @ PointsError::BalanceLimit) => {
                tracing::warn!(?reason, "points of an occasion were not credited");
            }
            Err(reason) => {
                tracing::error!(?reason, "the ledger refused points of an occasion");
                return Err(Fault::internal("the ledger refused points of an occasion"));
            }
        }
    }
    Ok(points)
}

/// How entries tell of an occasion, and to which period limits count it.
struct Given {
    by: Actor,
    reason: Option<String>,
    day: NaiveDate,
    referral: Option<ReferralId>,
}

/// Posts what `rules` give to each of `accounts`, which are locked, as far as their limits allow. Of those of a group of
/// which only one may give, the best that an account may still have does.
async fn give(
    tx: &Tx,
    rules: &[Rule],
    accounts: &[AccountId],
    given: &Given,
) -> Result<Vec<Result<Posting, PointsError>>, Fault> {
    let mut commands = Vec::new();
    let mut served: BTreeSet<(&str, AccountId)> = BTreeSet::new();
    for rule in rules {
        let Effect::Bonus(points) = rule.definition.effect else { continue };
        let amount = Points::try_from(i64::from(points))?;
        let best_only = rule.definition.combination == Combination::BestOnly;
        let group = rule.definition.group.as_str();
        let is_open = |account: &AccountId| !best_only || !served.contains(&(group, *account));
        let open: Vec<AccountId> = accounts.iter().copied().filter(is_open).collect();
        for account in use_up(tx, rule, &open, given.day).await? {
            if best_only {
                served.insert((group, account));
            }
            let earn = Earn {
                source: if given.referral.is_some() { LotSource::Referral } else { LotSource::Grant },
                amount,
                activation: When::Now,
                order: None,
                line: None,
                rule: Some((rule.code.clone(), rule.version)),
                reason: given.reason.clone(),
                referral: given.referral,
            };
            let act = Act::Earn(earn);
            commands.push(Command { account, act, by: given.by, effective_at: None, imported: false });
        }
    }
    post(tx, &commands).await
}

/// The rules in force at `at` for a trigger, the best first.
async fn rules_for(tx: &Tx, trigger: &Trigger, at: Instant) -> Result<Vec<Rule>, Fault> {
    let mut rules = versions::in_force(tx.db(), std::iter::once(at)).await?;
    rules.retain(|rule| rule.definition.trigger == *trigger && rule.is_in_force(at));
    rules.sort_by_key(|rule| (Reverse((rule.definition.priority, bonus(rule))), rule.code.clone()));
    Ok(rules)
}

fn bonus(rule: &Rule) -> u32 {
    match rule.definition.effect {
        Effect::Bonus(points) => points,
        Effect::Rate(_) | Effect::Multiplier(_) => 0,
    }
}

/// How often an account may have what a rule gives. Joining happens once, and a birthday once a year, whatever a rule says.
fn limit(rule: &Rule) -> Option<Limit> {
    match rule.definition.trigger {
        Trigger::Joining => Some(Limit { times: 1, per: Period::Ever }),
        Trigger::Birthday => Some(Limit { times: 1, per: Period::Year }),
        Trigger::Order | Trigger::Referrer | Trigger::Referred | Trigger::Event(_) => rule.definition.limit,
    }
}

/// Takes one use of a rule, in the period that has `day`, from each account that has one left; answers which those are.
async fn use_up(
    tx: &Tx,
    rule: &Rule,
    accounts: &[AccountId],
    day: NaiveDate,
) -> Result<Vec<AccountId>, Fault> {
    let Some(limit) = limit(rule).filter(|_| !accounts.is_empty()) else { return Ok(accounts.to_vec()) };
    let period = limit.per.name(day);
    let of_period = Column::RuleId.eq(rule.id).and(Column::Period.eq(period.as_str()));
    let among = is_among(tx.db().get_database_backend(), "account_id", accounts.iter().map(|id| id.0));
    let used: Vec<Model> = Entity::find().filter(of_period.clone()).filter(among).all(tx.db()).await?;
    let is_left = |account: &AccountId| {
        used.iter().find(|row| row.account_id == *account).is_none_or(|row| row.used < limit.times)
    };
    let left: Vec<AccountId> = accounts.iter().copied().filter(is_left).collect();
    let mut rows = Rows::new("earning_uses", &["account_id", "rule_id", "period", "used"]);
    for account in &left {
        rows.push([account.0.into(), rule.id.0.into(), period.as_str().into(), 0_i32.into()]);
    }
    rows.insert_missing(tx.db()).await?;
    let among = is_among(tx.db().get_database_backend(), "account_id", left.iter().map(|id| id.0));
    let counted = Entity::update_many()
        .col_expr(Column::Used, Expr::col(Column::Used).add(1))
        .filter(of_period.and(Column::Used.lt(limit.times)))
        .filter(among)
        .exec(tx.db())
        .await?;
    if counted.rows_affected == u64::try_from(left.len())? {
        Ok(left)
    } else {
        Err(Fault::internal("uses of a rule were counted without the lock on their account"))
    }
}

/// Whoever turned out to be `into` has used what either has: both accounts are locked.
pub(crate) async fn move_uses(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    let (from, into) = (Owner::Customer(from).account(), Owner::Customer(into).account());
    let used = Entity::find().filter(Column::AccountId.eq(from)).all(tx.db()).await?;
    let mut rows = Rows::new("earning_uses", &["account_id", "rule_id", "period", "used"]);
    for row in &used {
        rows.push([into.0.into(), row.rule_id.0.into(), row.period.as_str().into(), 0_i32.into()]);
    }
    rows.insert_missing(tx.db()).await?;
    for row in used {
        let same = Column::RuleId.eq(row.rule_id).and(Column::Period.eq(row.period));
        Entity::update_many()
            .col_expr(Column::Used, Expr::col(Column::Used).add(row.used))
            .filter(Column::AccountId.eq(into).and(same))
            .exec(tx.db())
            .await?;
    }
    Entity::delete_many().filter(Column::AccountId.eq(from)).exec(tx.db()).await?;
    Ok(())
}

fn today(settings: &ShopSettings, now: Instant) -> NaiveDate {
    now.with_timezone(&settings.time_zone).date_naive()
}

/// Posts what birthdays of today, and of the days before that nobody posted, give; due again when the next day begins.
pub(crate) async fn birthdays(app: &App) -> Result<Ended, Fault> {
    let (settings, now) = (app.settings(), app.clock.now());
    let today = today(&settings, now);
    let begins = |day: NaiveDate| start_of_day(settings.time_zone, day);
    for back in 0..=MADE_UP_FOR {
        let Some(day) = today.checked_sub_days(Days::new(back)) else { continue };
        // Rules that took force on a birthday are in force on it.
        let last = day.succ_opt().and_then(begins).map(|end| end - TimeDelta::microseconds(1));
        post_birthdays_of(app, day, std::cmp::min(now, last.unwrap_or(now))).await?;
    }
    let tomorrow = today.succ_opt().and_then(begins);
    Ok(Ended::Again(tomorrow.unwrap_or_else(|| now + TimeDelta::days(1))))
}

/// Customers who have their birthday on one day.
struct Celebrants {
    day: NaiveDate,
    /// The rules in force then give.
    at: Instant,
    customers: Vec<CustomerId>,
}

async fn post_birthdays_of(app: &App, day: NaiveDate, at: Instant) -> Result<(), Fault> {
    let born: Vec<NaiveDate> = born_for(day, app.settings().leap_day_birthday).collect();
    let mut after = CustomerId(uuid::Uuid::nil());
    loop {
        let customers = born_on(app, &born, after).await?;
        let Some(last) = customers.last() else { return Ok(()) };
        after = *last;
        app.change(&Celebrants { day, at, customers }, post_birthdays).await?;
    }
}

async fn post_birthdays(tx: &Tx, of: &Celebrants) -> Result<(), Fault> {
    let rules = rules_for(tx, &Trigger::Birthday, of.at).await?;
    let mut accounts: Vec<AccountId> = of.customers.iter().map(|id| Owner::Customer(*id).account()).collect();
    accounts.sort_unstable();
    credit(tx, &rules, &accounts, of.day).await
}

async fn born_on(app: &App, born: &[NaiveDate], after: CustomerId) -> Result<Vec<CustomerId>, Fault> {
    use customer::Column;
    let found = customer::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Birthday.is_in(born.iter().copied()))
        .filter(Column::EnrolledAt.is_not_null().and(Column::DisabledAt.is_null()))
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?;
    Ok(found)
}
