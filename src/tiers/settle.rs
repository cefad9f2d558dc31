//! Gives customers the tiers that are theirs now, and tells of every change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Days, TimeDelta};
use entity::customer_tier::{Column, Entity, Model};
use entity::id::{AccountId, CustomerId};
use entity::tier_change::TierCause;
use entity::{Instant, customer_tier};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::counted::{Added, counted, move_days};
use super::programme::TierProgramme;
use super::standing::{Calendar, Counted, Standing, Term, with_grace};
use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::outbox::{self, Event};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// What makes tiers change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    cause: TierCause,
    /// As staff wrote it.
    reason: Option<String>,
    /// History: triggers nothing.
    imported: bool,
}

impl Why {
    pub(super) const REACHED: Self = Self::because(TierCause::Reached);
    pub(super) const RETURNED: Self = Self::because(TierCause::Returned);
    pub(super) const TIME: Self = Self::because(TierCause::PeriodEnded);
    pub(super) const PROGRAMME: Self = Self::because(TierCause::ProgrammeChanged);
    pub(super) const MERGED: Self = Self::because(TierCause::Merged);

    const fn because(cause: TierCause) -> Self {
        Self { cause, reason: None, imported: false }
    }

    pub(super) const fn by_staff(reason: String) -> Self {
        Self { cause: TierCause::Staff, reason: Some(reason), imported: false }
    }

    pub(super) const REACHED_BEFORE: Self = Self { cause: TierCause::Reached, reason: None, imported: true };

    /// What an amount that counts, or is taken back, is.
    pub(super) const fn of(amount: i64, imported: bool) -> Self {
        match (amount >= 0, imported) {
            (true, false) => Self::REACHED,
            (true, true) => Self::REACHED_BEFORE,
            (false, _) => Self::RETURNED,
        }
    }

    /// Of two reasons that [`Why::of`] gave, whether this one is told: what was reached before what was returned.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        let order = |why: &Self| (why.cause == TierCause::Returned, why.imported);
        order(self) < order(other)
    }
}

/// Gives these customers, whose accounts are locked, the tiers that are theirs now.
pub(super) async fn settle(
    tx: &Tx,
    customers: impl IntoIterator<Item = CustomerId>,
    why: &Why,
) -> Result<(), Fault> {
    let whys = customers.into_iter().map(|customer| (customer, why.clone())).collect();
    settled(tx, whys, &Added::default()).await?.write(tx).await
}

/// What gives each of these customers, whose accounts are locked, the tier that is theirs once `added` counts too.
pub(super) async fn settled(
    tx: &Tx,
    mut whys: BTreeMap<CustomerId, Why>,
    added: &Added,
) -> Result<Written, Fault> {
    let mut written = Written::new();
    let programme = &tx.settings().tiers;
    // A shop that has no tiers takes them away once, when it gives them up.
    whys.retain(|_, why| !programme.tiers.is_empty() || why.cause == TierCause::ProgrammeChanged);
    if whys.is_empty() {
        return Ok(written);
    }
    let calendar = Calendar { now: tx.now(), zone: tx.settings().time_zone };
    let accounts = whys.keys().map(|customer| account(*customer));
    let mut counted = counted(tx.db(), programme, accounts, calendar.today()).await?;
    added.add_to(&mut counted, programme, calendar.today());
    let mut rows = stored(tx.db(), &whys.keys().copied().collect()).await?;
    for (customer, why) in whys {
        let before = rows.remove(&customer).unwrap_or_else(|| untouched(customer, tx.now()));
        let counted = counted.remove(&account(customer)).unwrap_or_default();
        let standing = standing(programme, &before).next(programme, &counted, calendar);
        written.add(tx, &before, &standing, &why);
    }
    Ok(written)
}

/// Two customers, whose accounts are locked, turn out to be one: what counted for the first counts for the second, and
/// what staff gave the first, or it had on the way down, is the second's, if it is better.
pub(crate) async fn merge(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    move_days(tx, Owner::Customer(from).account(), Owner::Customer(into).account()).await?;
    let mut rows = stored(tx.db(), &BTreeSet::from([from, into])).await?;
    if let Some(gone) = rows.remove(&from) {
        Entity::delete_many().filter(Column::CustomerId.eq(from)).exec(tx.db()).await?;
        let programme = &tx.settings().tiers;
        let own = rows.remove(&into).unwrap_or_else(|| untouched(into, tx.now()));
        let now = tx.now();
        let (theirs, ours) = (standing(programme, &gone).alive(now), standing(programme, &own).alive(now));
        let mut row = own.clone();
        if Term::better(theirs.kept, ours.kept) != ours.kept {
            (row.kept, row.kept_until) = (gone.kept, gone.kept_until);
        }
        if Term::better(theirs.step, ours.step) != ours.step {
            (row.step, row.step_until) = (gone.step, gone.step_until);
        }
        if row != own {
            save(tx, [row]).await?;
        }
    }
    settle(tx, [into], &Why::MERGED).await
}

/// The codes of the tiers that these customers have.
pub(crate) async fn held(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, String>, Fault> {
    let rows = stored(db, &customers.into_iter().collect()).await?;
    Ok(rows.into_values().filter_map(|row| Some((row.customer_id, row.tier?))).collect())
}

pub(super) async fn stored(
    db: &impl ConnectionTrait,
    customers: &BTreeSet<CustomerId>,
) -> Result<BTreeMap<CustomerId, Model>, Fault> {
    let among = is_among(db.get_database_backend(), "customer_id", customers.iter().map(|id| id.0));
    let rows = Entity::find().filter(among).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.customer_id, row)).collect())
}

/// The tier of a customer, with what counts for it or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TierOf {
    pub(crate) customer: CustomerId,
    pub(crate) counted: bool,
}

/// What a customer's tier is made of, as it is stored.
pub(crate) type TierRows = (Option<Model>, Counted);

/// What the tiers of these customers are made of, in the programme in force.
pub(crate) async fn tier_rows(app: App, asked: Vec<TierOf>) -> Result<HashMap<TierOf, TierRows>, Fault> {
    let (db, settings) = (&app.db.lookups, app.settings());
    let customers: BTreeSet<CustomerId> = asked.iter().map(|one| one.customer).collect();
    let stored = stored(db, &customers).await?;
    let accounts: BTreeSet<_> =
        asked.iter().filter(|one| one.counted).map(|one| account(one.customer)).collect();
    let mut counts = BTreeMap::new();
    if !accounts.is_empty() {
        let today = Calendar { now: app.clock.now(), zone: settings.time_zone }.today();
        counts = counted(db, &settings.tiers, accounts, today).await?;
    }
    let rows = |one: TierOf| {
        let counted = counts.get(&account(one.customer)).filter(|_| one.counted).cloned().unwrap_or_default();
        (one, (stored.get(&one.customer).cloned(), counted))
    };
    Ok(asked.into_iter().map(rows).collect())
}

fn account(customer: CustomerId) -> AccountId {
    Owner::Customer(customer).account()
}

/// Somebody who never had a tier.
pub(super) fn untouched(customer: CustomerId, now: Instant) -> Model {
    customer_tier::Model {
        customer_id: customer,
        tier: None,
        since: now,
        until: None,
        kept: None,
        kept_until: None,
        step: None,
        step_until: None,
        noticed: None,
        changes: 0,
        due_at: None,
    }
}

/// As the rules look at it; a tier that the shop has no more is none.
pub(super) fn standing(programme: &TierProgramme, row: &Model) -> Standing {
    let term = |code: Option<&str>, until| Some(Term { rank: programme.rank(code?)?, until });
    Standing {
        tier: term(row.tier.as_deref(), row.until),
        kept: term(row.kept.as_deref(), row.kept_until),
        step: term(row.step.as_deref(), row.step_until),
    }
}

/// What is to be written and told.
pub(super) struct Written {
    rows: Vec<Model>,
    changes: Rows,
    events: Vec<Event>,
}

impl Written {
    fn new() -> Self {
        let columns = &["id", "customer_id", "number", "from_tier", "to_tier", "cause", "reason", "at"];
        Self { rows: Vec::new(), changes: Rows::new("tier_changes", columns), events: Vec::new() }
    }

    fn add(&mut self, tx: &Tx, before: &Model, standing: &Standing, why: &Why) {
        let programme = &tx.settings().tiers;
        let code = |term: Option<Term>| Some(programme.tiers.get(term?.rank)?.code.clone());
        let mut row = Model {
            tier: code(standing.tier),
            until: standing.tier.and_then(|term| term.until),
            kept: code(standing.kept),
            kept_until: standing.kept.and_then(|term| term.until),
            step: code(standing.step),
            step_until: standing.step.and_then(|term| term.until),
            ..before.clone()
        };
        // What staff gave outlives a change of the programme: the tier may come back.
        if before.kept.as_deref().is_some_and(|code| programme.rank(code).is_none()) {
            (row.kept, row.kept_until) = (before.kept.clone(), before.kept_until);
        }
        if row.tier != before.tier {
            row.since = tx.now();
            row.changes += 1;
            self.tell_change(tx, before, &row, why);
        }
        self.tell_end(tx, &mut row, why);
        if row != *before {
            self.rows.push(row);
        }
    }

    fn tell_change(&mut self, tx: &Tx, before: &Model, row: &Model, why: &Why) {
        let programme = &tx.settings().tiers;
        let rank = |code: &Option<String>| programme.rank(code.as_deref()?);
        let ran_out = before.until.is_some_and(|until| until <= tx.now());
        let is_up = rank(&row.tier) > rank(&before.tier);
        let cause = if ran_out && !is_up { TierCause::PeriodEnded } else { why.cause };
        self.changes.push([
            tx.id::<Uuid>().into(),
            row.customer_id.0.into(),
            row.changes.into(),
            before.tier.clone().into(),
            row.tier.clone().into(),
            cause.to_value().into(),
            why.reason.clone().into(),
            tx.now().into(),
        ]);
        self.events.push(Event {
            topic: if is_up { "tier.upgraded" } else { "tier.downgraded" },
            aggregate_id: row.customer_id.0,
            payload: json!({ "from": before.tier, "to": row.tier, "cause": cause, "until": row.until }),
            imported: why.imported,
            occurred_at: tx.now(),
        });
    }

    /// Tells of an end that is near, once, and finds out when to look again.
    fn tell_end(&mut self, tx: &Tx, row: &mut Model, why: &Why) {
        let programme = &tx.settings().tiers;
        let Some((until, lost)) = row.until.and_then(|until| Some((until, with_grace(programme, until)?)))
        else {
            (row.noticed, row.due_at) = (None, None);
            return;
        };
        let notice = lost.checked_sub_days(Days::new(programme.notice_days.into()));
        let notice = notice.filter(|_| programme.notice_days > 0 && row.noticed != Some(until));
        match notice {
            Some(notice) if tx.now() < notice => row.due_at = Some(notice),
            // History tells nobody anything; the sweep does, once all of it is in.
            Some(_) if why.imported => row.due_at = Some(lost.min(tx.after(TimeDelta::days(1)))),
            Some(_) if tx.now() < lost => {
                (row.noticed, row.due_at) = (Some(until), Some(lost));
                self.events.push(Event {
                    topic: "tier.ending",
                    aggregate_id: row.customer_id.0,
                    payload: json!({ "tier": row.tier, "until": until, "lostAt": lost }),
                    imported: false,
                    occurred_at: tx.now(),
                });
            }
            Some(_) | None => row.due_at = Some(lost),
        }
    }

    pub(super) async fn write(self, tx: &Tx) -> Result<(), Fault> {
        save(tx, self.rows).await?;
        self.changes.insert(tx.db()).await?;
        if self.events.is_empty() { Ok(()) } else { outbox::emit(tx, self.events).await }
    }
}

/// Writes rows of customers whose accounts are locked.
pub(super) async fn save(tx: &Tx, rows: impl IntoIterator<Item = Model>) -> Result<(), Fault> {
    let columns = &[
        "customer_id",
        "tier",
        "since",
        "until",
        "kept",
        "kept_until",
        "step",
        "step_until",
        "noticed",
        "changes",
        "due_at",
    ];
    let mut written = Rows::new("customer_tiers", columns);
    for row in rows {
        written.push([
            row.customer_id.0.into(),
            row.tier.into(),
            row.since.into(),
            row.until.into(),
            row.kept.into(),
            row.kept_until.into(),
            row.step.into(),
            row.step_until.into(),
            row.noticed.into(),
            row.changes.into(),
            row.due_at.into(),
        ]);
    }
    written.insert_or_replace(tx.db()).await
}
