//! Why points moved, told from what was frozen when they did.

use chrono::TimeDelta;
use entity::earning_rule_version::{self, Column as VersionColumn};
use entity::id::{CustomerId, EntryId};
use entity::points_entry::{EntryKind, Model};
use entity::{earning_rule, order, order_line, points_account, points_hold, points_lot};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::definition::{Effect, Trigger};
use super::evaluate::Rule;
use super::versions;
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::db::Connections;
use crate::error::Fault;
use crate::money::{Currency, Money};
use crate::settings::ShopSettings;

/// An entry, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) text: String,
    /// Whose account it is of.
    pub(super) owner: Option<Person>,
    pub(super) rule_name: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) rule_version: Option<i32>,
}

/// What an entry is about, as far as it names it.
struct About {
    rule: Option<Rule>,
    line: Option<order_line::Model>,
    order: Option<order::Model>,
    hold: Option<points_hold::Model>,
    lot: Option<points_lot::Model>,
}

/// Tells an entry; none if there is no such entry that `viewer` may see.
pub(super) async fn entry(app: &App, viewer: &Viewer, entry: EntryId) -> Result<Option<Told>, Fault> {
    let db = &app.db.read;
    let Some(entry) = entity::points_entry::Entity::find_by_id(entry).one(db).await? else { return Ok(None) };
    let Some(account) = points_account::Entity::find_by_id(entry.account_id).one(db).await? else {
        return Ok(None);
    };
    if !may_see(viewer, account.customer_id) {
        return Ok(None);
    }
    let about = about(db, &entry).await?;
    let text = text(&app.settings(), &entry, &about)?;
    let owner = account.customer_id.map(Person::Customer).or(account.guest_id.map(Person::Guest));
    let rule_name = about.rule.map(|rule| rule.name);
    Ok(Some(Told { text, owner, rule_name, rule: entry.rule, rule_version: entry.rule_version }))
}

fn may_see(viewer: &Viewer, owner: Option<CustomerId>) -> bool {
    match viewer {
        Viewer::Customer { customer, .. } => owner == Some(*customer),
        Viewer::Shop { .. } | Viewer::Staff { .. } => true,
        Viewer::Anonymous => false,
    }
}

async fn about(db: &Connections, entry: &Model) -> Result<About, Fault> {
    let line = match entry.order_line_id {
        Some(id) => order_line::Entity::find_by_id(id).one(db).await?,
        None => None,
    };
    let hold = match entry.hold_id {
        Some(id) => points_hold::Entity::find_by_id(id).one(db).await?,
        None => None,
    };
    let of_line = line.as_ref().map(|line| line.order_id);
    let of_hold = hold.as_ref().and_then(|hold| hold.order_id);
    let order = match entry.order_id.or(of_line).or(of_hold) {
        Some(id) => order::Entity::find_by_id(id).one(db).await?,
        None => None,
    };
    let lot = match entry.lot_id {
        Some(id) => points_lot::Entity::find_by_id(id).one(db).await?,
        None => None,
    };
    Ok(About { rule: rule(db, entry).await?, line, order, hold, lot })
}

/// The version of the rule that an entry names; none for the programme's own rates.
async fn rule(db: &Connections, entry: &Model) -> Result<Option<Rule>, Fault> {
    let (Some(code), Some(number)) = (&entry.rule, entry.rule_version) else { return Ok(None) };
    let named = earning_rule::Entity::find().filter(earning_rule::Column::Code.eq(code.as_str()));
    let Some(rule) = named.one(db).await? else { return Ok(None) };
    let version = earning_rule_version::Entity::find()
        .filter(VersionColumn::RuleId.eq(rule.id).and(VersionColumn::Version.eq(number)))
        .one(db)
        .await?;
    version.map_or(Ok(None), |version| versions::read(version, rule.code))
}

fn text(settings: &ShopSettings, entry: &Model, about: &About) -> Result<String, Fault> {
    let points = counted(&entry.amount);
    let day = |at: entity::Instant| at.with_timezone(&settings.time_zone).format("%-d %B %Y").to_string();
    let on = day(entry.effective_at);
    let of_order = of_order(about);
    Ok(match entry.kind {
        EntryKind::Earn => earned(settings, entry, about, &points, &on)?,
        EntryKind::Activate => format!("{points}{of_order} can be spent since {on}."),
        EntryKind::Hold => format!("{points} were set aside on {on}{}.", for_what(about)),
        EntryKind::Release => format!("{points} that were set aside came back on {on}{}.", for_what(about)),
        EntryKind::Capture => format!("You spent {points} on {on}{}{}.", for_what(about), worth(about)?),
        EntryKind::Refund => {
            let why = if entry.return_id.is_some() { ", because of a return" } else { "" };
            format!("{points} that you had spent{} came back on {on}{why}.", for_what(about))
        }
        EntryKind::Adjust => adjusted(entry, &points, &on),
        EntryKind::ClawBack => {
            let (what, why) = match for_friend(about) {
                Some(what) => (format!(" {what}"), "because the invitation does not count any more"),
                None => (for_line(about), "because of a return"),
            };
            format!("{points} that you had earned{what} were taken back on {on}, {why}.")
        }
        EntryKind::Expire => {
            // An end is the first instant of the day after the last.
            let last = day(entry.effective_at - TimeDelta::microseconds(1));
            format!("{points} ended: you could spend them{} until {last}.", since(about, &day))
        }
        EntryKind::Lapse => {
            format!("{points}{of_order} ended on {on}, because nobody had made an account with the address.")
        }
        EntryKind::Owe => {
            let what = match for_friend(about) {
                Some(what) => {
                    format!("You spent what you had earned {what} before the invitation ceased to count")
                }
                None => {
                    format!("You returned something{} after spending what it had earned", for_line(about))
                }
            };
            format!("{what}: {points} will be taken from what you earn next, as of {on}.")
        }
        EntryKind::Repay => format!("{points} were set against what you owed after a return, on {on}."),
        EntryKind::JoinOut => format!("{points}{of_order} moved to your account on {on}."),
        EntryKind::JoinIn => {
            format!("{points}{of_order} joined your account on {on}: you had ordered before you had one.")
        }
        EntryKind::MergeOut => format!("{points} moved to your other account on {on}, when both became one."),
        EntryKind::Opening => {
            format!("You had {points} when we took over your balance on {on}, and you kept them.")
        }
        EntryKind::MergeIn => format!("{points} came from your other account on {on}, when both became one."),
    })
}

fn earned(
    settings: &ShopSettings,
    entry: &Model,
    about: &About,
    points: &str,
    on: &str,
) -> Result<String, Fault> {
    let Some((line, order)) = about.line.as_ref().zip(about.order.as_ref()) else {
        let what = match (&about.rule, &entry.reason) {
            (Some(rule), Some(reason)) => format!(": {} ({reason})", rule.name),
            (Some(rule), None) => format!(": {}", rule.name),
            (None, Some(reason)) => format!(": {reason}"),
            (None, None) => String::new(),
        };
        let why = for_friend(about).map(|why| format!(" {why}")).unwrap_or_default();
        return Ok(format!("You earned {points} on {on}{why}{what}."));
    };
    let currency: Currency = order.currency.parse()?;
    let paid = Money { minor: line.line_total - line.redeemed_value, currency };
    let price = format!("{} {}", currency.code(), paid.amount());
    let unit = currency.code();
    let how = match about.rule.as_ref().map(|rule| (rule, rule.definition.effect)) {
        Some((rule, Effect::Rate(rate))) => format!("{}: {} for each {unit}", rule.name, counted(&rate)),
        Some((rule, Effect::Multiplier(times))) => {
            format!("{}: {times} times the points, of which these are the extra ones", rule.name)
        }
        Some((rule, Effect::Bonus(all))) => {
            format!("{}: {} for the order, of which this article carries its part", rule.name, counted(&all))
        }
        None if entry.rule_version.map(i64::from) == Some(settings.version) => {
            format!("{} for each {unit}", counted(&settings.programme.base_rate(currency)))
        }
        None => "the rate at the time".to_owned(),
    };
    Ok(format!(
        "You earned {points} on {on} for {} ({price}) of order {}. {}.",
        line.name,
        order.external_id,
        capital(&how)
    ))
}

fn adjusted(entry: &Model, points: &str, on: &str) -> String {
    let given = entry.to_bucket == entity::points_entry::Bucket::Available;
    let what = if given { "gave you" } else { "took back" };
    let why = entry.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("The shop {what} {points} on {on}{why}.")
}

fn of_order(about: &About) -> String {
    about.order.as_ref().map(|order| format!(" of order {}", order.external_id)).unwrap_or_default()
}

fn for_line(about: &About) -> String {
    match (&about.line, &about.order) {
        (Some(line), Some(order)) => format!(" with {} of order {}", line.name, order.external_id),
        _ => of_order(about),
    }
}

/// What a referral gave points for.
fn for_friend(about: &About) -> Option<&'static str> {
    about.lot.as_ref()?.referral_id?;
    Some(match about.rule.as_ref().map(|rule| &rule.definition.trigger) {
        Some(Trigger::Referred) => "as a friend who was invited",
        _referrer => "for inviting a friend",
    })
}

/// What a hold was for.
fn for_what(about: &About) -> String {
    let reference = about.hold.as_ref().and_then(|hold| hold.reference.as_deref());
    match (&about.order, reference) {
        (Some(order), _) => format!(" for order {}", order.external_id),
        (None, Some(reference)) => format!(" for {reference}"),
        (None, None) => String::new(),
    }
}

/// What a hold paid.
fn worth(about: &About) -> Result<String, Fault> {
    let Some(hold) = about.hold.as_ref().filter(|hold| hold.value > 0) else { return Ok(String::new()) };
    let Some(code) = &hold.currency else { return Ok(String::new()) };
    let money = Money { minor: hold.value, currency: code.parse()? };
    Ok(format!(", which paid {code} {}", money.amount()))
}

/// Since when a lot could be spent.
fn since(about: &About, day: &dyn Fn(entity::Instant) -> String) -> String {
    let opened = about.lot.as_ref().and_then(|lot| lot.opened_at);
    opened.map(|at| format!(" from {}", day(at))).unwrap_or_default()
}

/// So many points, or so many for each unit.
fn counted(points: &impl ToString) -> String {
    let points = points.to_string();
    if points == "1" { "1 point".to_owned() } else { format!("{points} points") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
