//! A membership's rows: read under the lock of the membership, written back as what is known now makes them.

use std::cmp::{max, min};

use chrono::{Months, TimeDelta};
use entity::id::MembershipId;
use entity::membership::{Column, EndedWhy, Entity, MembershipState, Model};
use entity::membership_charge::ChargeStatus;
use entity::{Instant, membership_charge, membership_pause};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::calls::{self, Asked, Call};
use super::events;
use super::state::{Covered, Fact, Facts, Numbered, Pause, Standing, is_over};
use crate::billing::payments::{Change, Charge, NewPrice};
use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::tx::Tx;

/// A membership that this transaction has to itself.
#[derive(Debug)]
pub(super) struct Locked {
    /// As it was read.
    before: Model,
    pub(super) row: Model,
    pub(super) charges: Vec<membership_charge::Model>,
    /// Invoices of which it is news that they were paid.
    news: Vec<String>,
    facts: Facts,
}

/// The membership, locked until the transaction ends.
pub(super) async fn locked(tx: &Tx, id: MembershipId) -> Result<Option<Locked>, Fault> {
    let Some(row) = Entity::find_by_id(id).lock_exclusive().one(tx.db()).await? else { return Ok(None) };
    Ok(Some(Locked::read(tx, row).await?))
}

impl Locked {
    async fn read(tx: &Tx, row: Model) -> Result<Self, Fault> {
        let charges = membership_charge::Entity::find()
            .filter(membership_charge::Column::MembershipId.eq(row.id))
            .order_by_asc(membership_charge::Column::CoversFrom)
            .all(tx.db())
            .await?;
        let pauses = membership_pause::Entity::find()
            .filter(membership_pause::Column::MembershipId.eq(row.id))
            .all(tx.db())
            .await?;
        let facts = facts(&row, &charges, pauses);
        Ok(Self { before: row.clone(), row, charges, news: Vec::new(), facts })
    }

    /// Whether it has ended for good.
    pub(super) fn has_ended(&self) -> bool {
        self.facts.ended.is_some()
    }

    /// The number of what is asked for now: the next in this membership.
    pub(super) fn next_seq(&mut self) -> i64 {
        self.row.seq += 1;
        self.row.seq
    }

    /// Where it stands by what is known.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        self.facts.standing(now)
    }

    /// What is left of each charge that was paid, for the time after `at`: its invoice and minor units, rounded down.
    pub(super) fn unused(&self, at: Instant) -> Vec<(String, i64)> {
        let of_charge = |charge| (charge, self.unused_of(charge, at));
        let some = self.charges.iter().map(of_charge).filter(|(_, left)| *left > 0);
        some.map(|(charge, left)| (charge.invoice.clone(), left)).collect()
    }

    /// The same of one charge.
    fn unused_of(&self, charge: &membership_charge::Model, at: Instant) -> i64 {
        let at = self.pause_at(at).map_or(at, |(_, pause)| min(pause.from, at));
        let (from, until) = (charge.covers_from, charge.covers_until);
        let left = self.facts.moved(from, until) - max(at, from);
        share(left_of(charge), left, until - from)
    }

    /// The pause that has not ended at `now`.
    pub(super) fn pause_at(&self, now: Instant) -> Option<(i64, Pause)> {
        let open = |pause: &Pause| pause.until.value.is_none_or(|until| now < until);
        self.facts.pauses.iter().find(|(_, pause)| open(pause)).map(|(seq, pause)| (*seq, *pause))
    }

    /// It is of this plan now.
    pub(super) fn become_of(&mut self, price: &NewPrice) {
        let is_next = self.row.next_plan_id == Some(price.plan);
        (self.row.plan_id, self.row.price, self.row.billed) = (price.plan, price.amount.minor, price.billed);
        if is_next {
            self.drop_next_plan();
        }
    }

    /// It does not become of this plan.
    pub(super) fn stay_from(&mut self, price: &NewPrice) {
        if self.row.next_plan_id == Some(price.plan) {
            self.drop_next_plan();
        }
    }

    /// It is the plan now that it was to become.
    fn take_next_plan(&mut self) {
        if let Some((plan, price)) = self.row.next_plan_id.zip(self.row.next_price) {
            (self.row.plan_id, self.row.price) = (plan, price);
            if let Some(billed) = self.row.next_billed {
                self.row.billed = billed;
            }
        }
        self.drop_next_plan();
    }

    /// It was not paused after all: the pause that was asked for right before the call numbered `seq` is none.
    pub(super) fn drop_pause(&mut self, seq: i64, now: Instant) {
        let asked = self.facts.pauses.range(..seq).next_back().map(|(pause, known)| (*pause, known.from));
        if let Some((pause, from)) = asked {
            let seq = self.next_seq();
            self.facts.learn(&Fact::Resumed { pause, seq, until: from });
            self.move_next_plan(now);
        }
    }

    /// It becomes the plan that it is to become when what is paid ends, which a pause has moved.
    pub(super) fn move_next_plan(&mut self, now: Instant) {
        if self.row.next_at.is_some() {
            self.row.next_at = self.standing(now).paid_through;
        }
    }

    /// It stays the plan that it is.
    pub(super) fn drop_next_plan(&mut self) {
        (self.row.next_plan_id, self.row.next_price, self.row.next_billed) = (None, None, None);
        self.row.next_at = None;
    }

    /// Takes in what is learnt; [`Self::settle`] writes it.
    pub(super) fn learn(&mut self, fact: &Fact) {
        self.facts.learn(fact);
    }

    /// Takes in a charge as whoever takes the money has it.
    pub(super) async fn charge(&mut self, tx: &Tx, told: &Charge) -> Result<(), Fault> {
        self.facts.learn(&Fact::Charge { invoice: told.invoice.clone(), covered: covered_by(told) });
        let known = self.charges.iter().find(|known| known.invoice == told.invoice);
        let row = merged(self.row.id, known, told);
        if known == Some(&row) {
            return Ok(());
        }
        if row.paid_at.is_some() && known.is_none_or(|known| known.paid_at.is_none()) {
            self.news.push(row.invoice.clone());
        }
        write_charge(tx, &row).await?;
        self.charges.retain(|known| known.invoice != row.invoice);
        self.charges.push(row);
        Ok(())
    }

    /// What is owed of payments of which nothing was known before, now that it has ended: what was taken for the time after
    /// the end, and all of it, if it was taken after the end or the membership came to nothing.
    fn owed(&mut self) -> Vec<Call> {
        let news = std::mem::take(&mut self.news);
        let Some((ended_at, why)) = self.facts.ended else { return Vec::new() };
        let owed = |charge: &membership_charge::Model| match why {
            EndedWhy::NeverPaid | EndedWhy::Withdrawn | EndedWhy::TrialUsed => left_of(charge),
            _ if charge.paid_at.is_some_and(|paid| ended_at < paid) => left_of(charge),
            EndedWhy::Member | EndedWhy::Shop | EndedWhy::Unpaid => self.unused_of(charge, ended_at),
            // The bank has it, or whoever ended it where it is billed has decided.
            EndedWhy::Refunded | EndedWhy::Disputed | EndedWhy::Deleted => 0,
        };
        let refund = |charge: &membership_charge::Model| Call::Refund {
            invoice: charge.invoice.clone(),
            amount: owed(charge),
        };
        let some = self.charges.iter().filter(|charge| news.contains(&charge.invoice) && owed(charge) > 0);
        some.map(refund).collect()
    }

    /// Writes the membership as what is known makes it, and tells what changed. `is_sure` if whoever takes the money was just
    /// asked: only then is it over because nobody paid.
    pub(super) async fn settle(mut self, tx: &Tx, is_sure: bool) -> Result<Model, Fault> {
        if let Some(end) = self.end_due(tx.now(), is_sure) {
            self.facts.learn(&end);
            if self.row.subscription.is_some() || self.row.checkout.is_some() {
                calls::enqueue(tx, &mut self, &Call::Change(Change::EndNow), Asked::ByJob).await?;
            }
        }
        for refund in self.owed() {
            tracing::warn!(membership.id = %self.row.id.0, "a payment for the time after a membership is given back");
            calls::enqueue(tx, &mut self, &refund, Asked::ByJob).await?;
        }
        if self.row.next_at.is_some_and(|at| at <= tx.now()) {
            self.take_next_plan();
        }
        let standing = self.facts.standing(tx.now());
        self.take_over(&standing, tx.now());
        write(tx, &self.row, self.before.seq).await?;
        write_pauses(tx, self.row.id, &self.facts).await?;
        events::tell(tx, &self.before, &self.row).await?;
        Ok(self.row)
    }

    /// The end that time has brought, if it is not written down yet.
    fn end_due(&self, now: Instant, is_sure: bool) -> Option<Fact> {
        let standing = self.facts.standing(now);
        if self.facts.ended.is_some() || !is_over(standing.state) {
            return None;
        }
        let is_wanted = self.facts.cancels.value.is_some_and(|at| at <= now);
        if !is_wanted && !is_sure {
            return None;
        }
        let why = match standing.state {
            MembershipState::Expired if standing.paid_through.is_none() => EndedWhy::NeverPaid,
            MembershipState::Expired => EndedWhy::Unpaid,
            _ if is_wanted => self.row.cancel_why.unwrap_or(EndedWhy::Member),
            // Nothing else ends one that nobody wanted to end.
            _ => EndedWhy::Refunded,
        };
        let at = if is_wanted { self.facts.cancels.value } else { standing.entitled_until };
        Some(Fact::Ended { at: min(at.unwrap_or(now), now), why })
    }

    fn take_over(&mut self, standing: &Standing, now: Instant) {
        let (row, facts) = (&mut self.row, &self.facts);
        row.state = standing.state;
        row.entitled_until = standing.entitled_until;
        row.paid_through = standing.paid_through;
        row.due_at = standing.due_at;
        row.trial_until = facts.trial_until;
        row.cancels_at = facts.cancels.value;
        row.cancel_seq = facts.cancels.seq;
        (row.ended_at, row.ended_why) = facts.ended.unzip();
        if facts.ended.is_some() {
            row.open_for = None;
        } else if is_over(standing.state) {
            // Not for good before whoever takes the money was asked.
            row.due_at = Some(now);
        }
        if row.joined_at.is_none() && standing.paid_through.is_some() {
            row.joined_at = Some(now);
            row.minimum_until = months_after(now, row.minimum_months);
        }
        row.updated_at = now;
    }
}

fn facts(row: &Model, charges: &[membership_charge::Model], pauses: Vec<membership_pause::Model>) -> Facts {
    let mut facts = Facts::new(row.began_at, TimeDelta::days(row.grace_days.into()));
    facts.trial_until = row.trial_until;
    facts.cancels = Numbered { seq: row.cancel_seq, value: row.cancels_at };
    facts.ended = row.ended_at.zip(row.ended_why);
    for charge in charges {
        facts.learn(&Fact::Charge { invoice: charge.invoice.clone(), covered: covered(charge) });
    }
    for pause in pauses {
        let until = Numbered { seq: pause.until_seq, value: pause.until_at };
        facts.pauses.insert(pause.seq, Pause { from: pause.from_at, until });
    }
    facts
}

fn covered(row: &membership_charge::Model) -> Covered {
    Covered { from: row.covers_from, until: row.covers_until, status: row.status }
}

fn covered_by(told: &Charge) -> Covered {
    Covered { from: told.from, until: told.until, status: told.status }
}

/// A charge as it is known by now: of what can only grow, the furthest.
fn merged(
    membership: MembershipId,
    known: Option<&membership_charge::Model>,
    told: &Charge,
) -> membership_charge::Model {
    let mut covered = known.map_or(covered_by(told), covered);
    covered.learn(covered_by(told));
    let Covered { from, until, status } = covered;
    membership_charge::Model {
        invoice: told.invoice.clone(),
        membership_id: membership,
        covers_from: from,
        covers_until: until,
        currency: told.amount.currency.code().to_owned(),
        amount: told.amount.minor,
        refunded: max(known.map_or(0, |known| known.refunded), told.refunded),
        status,
        asked_at: told.asked_at,
        paid_at: known.and_then(|known| known.paid_at).or(told.paid_at),
        failed_at: max(known.and_then(|known| known.failed_at), told.failed_at),
        back_at: known.and_then(|known| known.back_at).or(told.back_at),
    }
}

async fn write_charge(tx: &Tx, row: &membership_charge::Model) -> Result<(), Fault> {
    let mut rows = Rows::new(
        "membership_charges",
        &[
            "invoice",
            "membership_id",
            "covers_from",
            "covers_until",
            "currency",
            "amount",
            "refunded",
            "status",
            "asked_at",
            "paid_at",
            "failed_at",
            "back_at",
        ],
    );
    rows.push([
        row.invoice.as_str().into(),
        row.membership_id.0.into(),
        row.covers_from.into(),
        row.covers_until.into(),
        row.currency.as_str().into(),
        row.amount.into(),
        row.refunded.into(),
        row.status.to_value().into(),
        row.asked_at.into(),
        row.paid_at.into(),
        row.failed_at.into(),
        row.back_at.into(),
    ]);
    rows.insert_or_replace(tx.db()).await
}

async fn write_pauses(tx: &Tx, membership: MembershipId, facts: &Facts) -> Result<(), Fault> {
    use membership_pause::Column as Pauses;
    if facts.pauses.is_empty() {
        return Ok(());
    }
    membership_pause::Entity::delete_many().filter(Pauses::MembershipId.eq(membership)).exec(tx.db()).await?;
    let columns = &["membership_id", "seq", "from_at", "until_at", "until_seq"];
    let mut rows = Rows::new("membership_pauses", columns);
    for (seq, pause) in &facts.pauses {
        let Pause { from, until } = *pause;
        rows.push([membership.0.into(), (*seq).into(), from.into(), until.value.into(), until.seq.into()]);
    }
    rows.insert(tx.db()).await
}

/// Writes what may have changed of the row. The lock holds it still, the guard stands behind that.
async fn write(tx: &Tx, row: &Model, before: i64) -> Result<(), Fault> {
    let text = |why: Option<EndedWhy>| why.map(|why| why.to_value());
    let written = Entity::update_many()
        .col_expr(Column::OpenFor, Expr::val(row.open_for))
        .col_expr(Column::PlanId, Expr::val(row.plan_id))
        .col_expr(Column::NextPlanId, Expr::val(row.next_plan_id))
        .col_expr(Column::NextPrice, Expr::val(row.next_price))
        .col_expr(Column::NextBilled, Expr::val(row.next_billed.map(|billed| billed.to_value())))
        .col_expr(Column::NextAt, Expr::val(row.next_at))
        .col_expr(Column::Price, Expr::val(row.price))
        .col_expr(Column::Billed, Expr::val(row.billed.to_value()))
        .col_expr(Column::GraceDays, Expr::val(row.grace_days))
        .col_expr(Column::State, Expr::val(row.state.to_value()))
        .col_expr(Column::EntitledUntil, Expr::val(row.entitled_until))
        .col_expr(Column::PaidThrough, Expr::val(row.paid_through))
        .col_expr(Column::DueAt, Expr::val(row.due_at))
        .col_expr(Column::TrialUntil, Expr::val(row.trial_until))
        .col_expr(Column::MinimumUntil, Expr::val(row.minimum_until))
        .col_expr(Column::CancelsAt, Expr::val(row.cancels_at))
        .col_expr(Column::CancelSeq, Expr::val(row.cancel_seq))
        .col_expr(Column::CancelWhy, Expr::val(text(row.cancel_why)))
        .col_expr(Column::CancelReason, Expr::val(row.cancel_reason.clone()))
        .col_expr(Column::EndedAt, Expr::val(row.ended_at))
        .col_expr(Column::EndedWhy, Expr::val(text(row.ended_why)))
        .col_expr(Column::Seq, Expr::val(row.seq))
        .col_expr(Column::SyncedSeq, Expr::val(row.synced_seq))
        .col_expr(Column::SyncedAt, Expr::val(row.synced_at))
        .col_expr(Column::Account, Expr::val(row.account.clone()))
        .col_expr(Column::Subscription, Expr::val(row.subscription.clone()))
        .col_expr(Column::Checkout, Expr::val(row.checkout.clone()))
        .col_expr(Column::OrderId, Expr::val(row.order_id))
        .col_expr(Column::JoinedAt, Expr::val(row.joined_at))
        .col_expr(Column::UpdatedAt, Expr::val(row.updated_at))
        .filter(Column::Id.eq(row.id).and(Column::Seq.eq(before)))
        .exec(tx.db())
        .await?;
    if written.rows_affected == 1 { Ok(()) } else { Err(Fault::internal("a locked membership changed")) }
}

/// The part of `amount` that `left` is of `whole`, rounded down; never more than all of it.
fn share(amount: i64, left: TimeDelta, whole: TimeDelta) -> i64 {
    let (left, whole) = (max(left.num_seconds(), 0), max(whole.num_seconds(), 1));
    let part = i128::from(amount) * i128::from(min(left, whole)) / i128::from(whole);
    i64::try_from(part).unwrap_or(amount)
}

/// So many months after `at`; none if that is none.
fn months_after(at: Instant, months: i32) -> Option<Instant> {
    let months = u32::try_from(months).ok().filter(|months| *months > 0)?;
    at.checked_add_months(Months::new(months))
}

/// What was paid of a charge and is not given back.
pub(super) fn left_of(charge: &membership_charge::Model) -> i64 {
    match charge.status {
        ChargeStatus::Paid | ChargeStatus::Won => charge.amount - charge.refunded,
        ChargeStatus::Open
        | ChargeStatus::Failed
        | ChargeStatus::Void
        | ChargeStatus::Disputed
        | ChargeStatus::Refunded => 0,
    }
}
