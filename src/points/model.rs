//! A plain model of the ledger, one point at a time, for the property tests: no buckets, no batches, no database.

use chrono::TimeDelta;
use chrono_tz::Tz;
use entity::Instant;

use super::programme::{Expiry, Programme, ReturnPolicy};
use super::rules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Pending,
    Open,
    Gone,
}

/// What one earn became.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) line: Option<usize>,
    pub(super) earned: i32,
    pub(super) unspent: i32,
    pub(super) stage: Stage,
    pub(super) claimed: i32,
    pub(super) lost: i32,
    pub(super) opened: Option<Instant>,
    pub(super) ends: Option<Instant>,
    /// The period of the member with which it ends, if it does without activity.
    pub(super) period: Option<u32>,
}

/// Points set aside: which parcel each single point came from.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    pub(super) points: Vec<usize>,
    pub(super) open: bool,
    pub(super) spent: bool,
    pub(super) lapses: Instant,
    /// Points, before any were given back after it was spent.
    pub(super) carried: i32,
    pub(super) refunded: i32,
}

/// One member, or one guest.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) is_guest: bool,
    pub(super) now: Instant,
    pub(super) programme: Programme,
    pub(super) zone: Tz,
    pub(super) parcels: Vec<Parcel>,
    pub(super) asides: Vec<Aside>,
    pub(super) redeemed: i64,
    pub(super) expired: i64,
    pub(super) debt: i64,
    pub(super) runs_out: Option<Instant>,
    pub(super) months: Option<u32>,
    pub(super) period: u32,
}

impl Member {
    pub(super) fn available(&self) -> i64 {
        self.sum(Stage::Open)
    }

    pub(super) fn pending(&self) -> i64 {
        self.sum(Stage::Pending) + self.sum(Stage::Waiting)
    }

    pub(super) fn held(&self) -> i64 {
        let open = self.asides.iter().filter(|aside| aside.open);
        open.map(|aside| i64::try_from(aside.points.len()).unwrap()).sum()
    }

    fn sum(&self, stage: Stage) -> i64 {
        self.parcels.iter().filter(|p| p.stage == stage).map(|p| i64::from(p.unspent)).sum()
    }

    pub(super) fn earn(&mut self, points: i32, line: Option<usize>, at_once: bool) {
        let stage = match (self.is_guest, at_once) {
            (true, _) => Stage::Waiting,
            (false, true) => Stage::Open,
            (false, false) => Stage::Pending,
        };
        let (opened, (ends, period)) = match stage {
            Stage::Waiting => (None, (Some(self.now + TimeDelta::days(180)), None)),
            Stage::Open => (Some(self.now), self.end_of_what_opens_now()),
            Stage::Pending | Stage::Gone => (None, (None, None)),
        };
        let parcel = Parcel {
            line,
            earned: points,
            unspent: points,
            stage,
            claimed: 0,
            lost: 0,
            opened,
            ends,
            period,
        };
        self.parcels.push(parcel);
        self.tidy();
    }

    /// Earned for an order: a sign of life, unlike what staff give.
    pub(super) fn buy(&mut self, points: i32, line: Option<usize>, at_once: bool) {
        self.is_alive();
        self.earn(points, line, at_once);
    }

    fn is_alive(&mut self) {
        if let Expiry::MonthsWithoutActivity(months) = self.programme.expiry
            && !self.is_guest
        {
            self.months = Some(months);
        }
        let end = self.months.and_then(|months| rules::inactive_at(months, self.zone, self.now));
        self.runs_out = self.runs_out.max(end);
    }

    pub(super) fn activate(&mut self, parcel: usize) -> bool {
        if self.parcels[parcel].stage != Stage::Pending || self.parcels[parcel].unspent == 0 {
            return false;
        }
        let (ends, period) = self.end_of_what_opens_now();
        let opened = &mut self.parcels[parcel];
        (opened.stage, opened.opened, opened.ends) = (Stage::Open, Some(self.now), ends);
        opened.period = period;
        self.tidy();
        true
    }

    /// The calendar is tested with worked examples in `rules`.
    fn end_of_what_opens_now(&mut self) -> (Option<Instant>, Option<u32>) {
        if !matches!(self.programme.expiry, Expiry::MonthsWithoutActivity(_)) {
            return (rules::expires_at(&self.programme, self.zone, self.now), None);
        }
        if self.runs_out.is_none() {
            self.is_alive();
        }
        (None, Some(self.period))
    }

    /// What ends first goes first, then what was opened first.
    fn rank(&self, parcel: usize) -> (bool, Option<Instant>, Option<Instant>, usize) {
        let of = &self.parcels[parcel];
        let ends = of.ends.or(self.runs_out.filter(|_| of.period.is_some()));
        (ends.is_none(), ends, of.opened, parcel)
    }

    /// The parcel whose point is spent next.
    fn next_to_spend(&self) -> Option<usize> {
        let open = (0..self.parcels.len()).filter(|i| self.parcels[*i].stage == Stage::Open);
        open.filter(|i| self.parcels[*i].unspent > 0).min_by_key(|i| self.rank(*i))
    }

    fn take(&mut self, points: i64) -> Vec<usize> {
        let mut taken = Vec::new();
        for _ in 0..points {
            let parcel = self.next_to_spend().unwrap();
            self.parcels[parcel].unspent -= 1;
            taken.push(parcel);
        }
        taken
    }

    fn put_back(&mut self, taken: Vec<usize>, not_before: Instant) {
        for parcel in taken {
            let is_over = self.parcels[parcel].period.is_some_and(|period| period != self.period);
            let back = &mut self.parcels[parcel];
            back.unspent += 1;
            back.stage = Stage::Open;
            back.ends = back.ends.or(is_over.then_some(not_before)).map(|end| end.max(not_before));
        }
    }

    pub(super) fn hold(&mut self, points: i64) -> bool {
        let applied = points.min(self.available());
        if self.is_guest || points == 0 || applied == 0 {
            return false;
        }
        let taken = self.take(applied);
        let lapses = self.now + TimeDelta::minutes(30);
        let carried = i32::try_from(taken.len()).unwrap();
        self.asides.push(Aside { points: taken, open: true, spent: false, lapses, carried, refunded: 0 });
        self.tidy();
        true
    }

    pub(super) fn capture(&mut self, aside: usize) -> bool {
        let now = self.now;
        let held = &mut self.asides[aside];
        if !held.open || held.lapses <= now {
            return false;
        }
        (held.open, held.spent) = (false, true);
        self.redeemed += i64::try_from(self.asides[aside].points.len()).unwrap();
        self.is_alive();
        self.tidy();
        true
    }

    pub(super) fn void(&mut self, aside: usize) -> bool {
        if !self.asides[aside].open {
            return false;
        }
        self.asides[aside].open = false;
        let taken = self.asides[aside].points.clone();
        self.put_back(taken, self.now);
        self.tidy();
        true
    }

    /// `returned` of `bought` pieces that these points paid are back in all: what was taken last goes back first.
    pub(super) fn refund(&mut self, aside: usize, returned: i32, bought: i32) {
        let of = &self.asides[aside];
        if !of.spent {
            return;
        }
        let share = of.carried * returned / bought - of.refunded;
        let mut points = of.points.clone();
        points.sort_by_key(|parcel| self.rank(*parcel));
        let back = points.split_off(points.len() - usize::try_from(share).unwrap());
        self.asides[aside].points = points;
        self.asides[aside].refunded += share;
        self.redeemed -= i64::from(share);
        self.put_back(back, self.now + TimeDelta::days(self.programme.refund_grace_days.into()));
        self.tidy();
    }

    pub(super) fn redeem(&mut self, points: i64) -> bool {
        if self.is_guest || points == 0 || points > self.available() {
            return false;
        }
        self.take(points);
        self.is_alive();
        self.redeemed += points;
        self.tidy();
        true
    }

    pub(super) fn adjust(&mut self, delta: i32) -> bool {
        if self.is_guest || delta == 0 || i64::from(-delta) > self.available() {
            return false;
        }
        if delta > 0 {
            self.earn(delta, None, true);
        } else {
            self.take(i64::from(-delta));
            self.tidy();
        }
        true
    }

    /// `returned` of `bought` pieces of a line are back in all.
    pub(super) fn give_back(&mut self, line: usize, returned: i32, bought: i32) {
        for parcel in 0..self.parcels.len() {
            if self.parcels[parcel].line != Some(line) {
                continue;
            }
            let claim = self.parcels[parcel].earned * returned / bought;
            for _ in self.parcels[parcel].claimed..claim {
                self.claim_one(parcel);
            }
            self.parcels[parcel].claimed = claim.max(self.parcels[parcel].claimed);
        }
        self.tidy();
    }

    fn claim_one(&mut self, parcel: usize) {
        let own = &mut self.parcels[parcel];
        if own.unspent > 0 {
            own.unspent -= 1;
        } else if own.lost > 0 {
            own.lost -= 1;
        } else if self.programme.return_policy != ReturnPolicy::PendingOnly && self.available() > 0 {
            self.take(1);
        } else if self.programme.return_policy == ReturnPolicy::AllowDebt {
            self.debt += 1;
        }
    }

    /// Time moves; what lapsed is swept.
    pub(super) fn wait(&mut self, by: TimeDelta) {
        self.now += by;
        self.tidy();
        for aside in 0..self.asides.len() {
            if self.asides[aside].open && self.asides[aside].lapses <= self.now {
                self.void(aside);
            }
        }
    }

    /// Another turns out to be this one; `line`s of theirs stay theirs, and this one's are returned no more.
    pub(super) fn take_over(&mut self, other: Self) {
        for parcel in &mut self.parcels {
            parcel.line = None;
        }
        let first = self.parcels.len();
        let running = |period: u32| if period == other.period { self.period } else { u32::MAX };
        self.parcels.extend(
            other.parcels.into_iter().map(|parcel| Parcel { period: parcel.period.map(running), ..parcel }),
        );
        self.runs_out = self.runs_out.max(other.runs_out);
        self.months = self.months.or(other.months);
        self.asides.extend(other.asides.into_iter().map(|aside| Aside {
            points: aside.points.into_iter().map(|parcel| parcel + first).collect(),
            ..aside
        }));
        self.redeemed += other.redeemed;
        self.expired += other.expired;
        self.debt += other.debt;
        self.tidy();
    }

    /// What is due ends, and debts are paid.
    pub(super) fn tidy(&mut self) {
        let now = self.now;
        for parcel in &mut self.parcels {
            if matches!(parcel.stage, Stage::Open | Stage::Waiting)
                && parcel.ends.is_some_and(|end| end <= now)
            {
                self.expired += i64::from(parcel.unspent);
                parcel.lost += parcel.unspent;
                parcel.unspent = 0;
                parcel.stage = Stage::Gone;
            }
        }
        if self.runs_out.is_some_and(|end| end <= now) {
            for parcel in &mut self.parcels {
                if parcel.stage == Stage::Open && parcel.period == Some(self.period) {
                    self.expired += i64::from(parcel.unspent);
                    parcel.lost += parcel.unspent;
                    parcel.unspent = 0;
                    parcel.stage = Stage::Gone;
                }
            }
            (self.runs_out, self.months) = (None, None);
            self.period += 1;
        }
        let paid = self.debt.min(self.available());
        self.take(paid);
        self.debt -= paid;
    }
}
