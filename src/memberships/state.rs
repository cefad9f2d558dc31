//! The state machine of a membership: facts in, in any order and any number of times; state and entitlement out.
//!
//! [`Facts::learn`] keeps of each fact what can only grow: the latest word of those that are numbered, the furthest that a
//! charge has come, the earliest end. So the same facts make the same [`Standing`], whichever way they came: events of
//! whoever takes the money repeat, overtake each other, tie within a second and are missed for days.
//!
//! Entitled ⇔ `now < entitled_until`, in `TRIALING`, `ACTIVE` and `PAST_DUE`. That instant is never later than what was
//! paid, granted as a trial or allowed as grace, moved by the pauses in between.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::Instant;
use entity::membership::{EndedWhy, MembershipState};
use entity::membership_charge::ChargeStatus;

/// How long a first payment may take: as long as Stripe keeps an incomplete subscription
/// (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
pub(crate) const FIRST_PAYMENT: TimeDelta = TimeDelta::hours(23);

/// How long a payment may be under way before it is late: Stripe drafts the invoice of a renewal an hour before it takes it
/// (<https://docs.stripe.com/billing/invoices/subscription#update-first-invoice>).
const SETTLING: TimeDelta = TimeDelta::hours(6);

/// What is known of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// When it was asked for.
    pub(crate) began_at: Instant,
    /// How long it goes on for while a payment is under way or late.
    pub(crate) grace: TimeDelta,
    /// Until when a trial was granted.
    pub(crate) trial_until: Option<Instant>,
    /// By the invoice.
    pub(crate) charges: BTreeMap<String, Covered>,
    /// By the number of what asked for it.
    pub(crate) pauses: BTreeMap<i64, Pause>,
    /// When it is to end, and the number of what said so last.
    pub(crate) cancels: Numbered<Option<Instant>>,
    /// When it ended for good, and why.
    pub(crate) ended: Option<(Instant, EndedWhy)>,
}

/// The last word of those that are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbered<T> {
    pub(crate) seq: i64,
    pub(crate) value: T,
}

/// The time that a charge is for, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    pub(crate) status: ChargeStatus,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) from: Instant,
    /// None while nobody knows.
    pub(crate) until: Numbered<Option<Instant>>,
}

/// Something that is learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A trial was granted.
    Trial { until: Instant },
    /// A charge is as far as that.
    Charge { invoice: String, covered: Covered },
    /// It was paused.
    Paused { seq: i64, from: Instant, until: Option<Instant> },
    /// The end of that pause is known, or is another one.
    Resumed { pause: i64, seq: i64, until: Instant },
    /// It is to end then; or is to go on, if none.
    Cancels { seq: i64, at: Option<Instant> },
    /// It ended for good.
    Ended { at: Instant, why: EndedWhy },
}

/// Where a membership stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: MembershipState,
    /// Until when its benefits are given, or were; none if they never were.
    pub(crate) entitled_until: Option<Instant>,
    /// The end of what is paid, or of the trial.
    pub(crate) paid_through: Option<Instant>,
    /// When this changes if nothing more is learnt.
    pub(crate) due_at: Option<Instant>,
}

impl Facts {
    /// Of a membership that was just asked for. Its grace is no shorter than a payment may be under way.
    pub(crate) fn new(began_at: Instant, grace: TimeDelta) -> Self {
        Self {
            began_at,
            grace: grace.max(SETTLING),
            trial_until: None,
            charges: BTreeMap::new(),
            pauses: BTreeMap::new(),
            cancels: Numbered::default(),
            ended: None,
        }
    }

    /// Takes in `fact`; again, or after later ones, it makes no difference.
    pub(crate) fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::Trial { until } => self.trial_until = self.trial_until.max(Some(*until)),
            Fact::Charge { invoice, covered } => {
                self.charges.entry(invoice.clone()).or_insert(*covered).learn(*covered);
            }
            Fact::Paused { seq, from, until } => {
                let until = Numbered { seq: *seq, value: *until };
                let pause = self.pauses.entry(*seq).or_insert(Pause { from: *from, until });
                pause.from = *from;
                pause.until.learn(until);
            }
            // Of a pause that is not known yet, its end is kept for when it is.
            Fact::Resumed { pause, seq, until } => {
                let told = Numbered { seq: *seq, value: Some(*until) };
                self.pauses.entry(*pause).or_insert(Pause { from: *until, until: told }).until.learn(told);
            }
            Fact::Cancels { seq, at } => self.cancels.learn(Numbered { seq: *seq, value: *at }),
            Fact::Ended { at, why } => {
                self.ended = Some(self.ended.map_or((*at, *why), |known| known.min((*at, *why))));
            }
        }
    }

    /// Where it stands at `now`.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let covered = self.covered_until();
        let Standing { state, entitled_until, .. } = self.judge(covered, now);
        let moments = [
            Some(self.began_at + FIRST_PAYMENT).filter(|_| covered.is_none()),
            self.trial_ends(),
            covered,
            covered.map(|paid| paid + SETTLING),
            entitled_until,
            self.cancels.value,
        ];
        let pauses = self.pauses.values().flat_map(|pause| [Some(pause.from), pause.until.value]);
        let charges = self.kept().map(|charge| Some(charge.from));
        let later =
            moments.into_iter().chain(pauses).chain(charges).flatten().filter(|moment| *moment > now).min();
        let due_at = later.filter(|_| !is_over(state));
        Standing { state, entitled_until, paid_through: covered, due_at }
    }

    fn judge(&self, covered: Option<Instant>, now: Instant) -> Standing {
        let standing =
            |state, entitled_until| Standing { state, entitled_until, paid_through: covered, due_at: None };
        if let Some((at, why)) = self.ended {
            return standing(state_after(why), self.allowed_until(covered).map(|until| until.min(at)));
        }
        let Some(paid) = covered else { return standing(self.before_any_cover(now), None) };
        if let Some(pause) = self.pause_at(now).filter(|pause| pause.from < paid) {
            return standing(MembershipState::Paused, Some(pause.from));
        }
        let allowed = self.allowed_until(covered);
        let cancelled = self.cancels.value.is_some_and(|at| at <= now);
        let state = match self.taken_back_after(paid) {
            _ if cancelled => MembershipState::Cancelled,
            _ if now < paid => self.state_of_cover(now),
            Some(ChargeStatus::Refunded) => MembershipState::Cancelled,
            Some(_) => MembershipState::PastDue,
            None if self.is_settling(paid, now) => MembershipState::Active,
            None if allowed.is_some_and(|until| now < until) => MembershipState::PastDue,
            None => MembershipState::Expired,
        };
        standing(state, allowed)
    }

    /// The state of a membership that never was paid or on trial.
    fn before_any_cover(&self, now: Instant) -> MembershipState {
        let statuses = || self.charges.values().map(|charge| charge.status);
        if statuses().any(|status| status == ChargeStatus::Refunded) {
            return MembershipState::Cancelled;
        }
        if statuses().any(|status| status == ChargeStatus::Disputed) {
            return MembershipState::PastDue;
        }
        if now < self.began_at + FIRST_PAYMENT {
            MembershipState::Incomplete
        } else {
            MembershipState::Expired
        }
    }

    fn state_of_cover(&self, now: Instant) -> MembershipState {
        let is_paid =
            self.kept().any(|charge| charge.from <= now && now < self.moved(charge.from, charge.until));
        let on_trial = self.trial_ends().is_some_and(|until| now < until);
        if on_trial && !is_paid { MembershipState::Trialing } else { MembershipState::Active }
    }

    /// Whether the payment for the time after what is paid is under way: it did not fail, and is not late yet.
    fn is_settling(&self, paid: Instant, now: Instant) -> bool {
        let failed = |charge: &Covered| charge.status == ChargeStatus::Failed && paid < charge.until;
        now < paid + SETTLING && !self.charges.values().any(failed)
    }

    /// The end of the trial, moved by pauses.
    fn trial_ends(&self) -> Option<Instant> {
        self.trial_until.map(|until| self.moved(self.began_at, until))
    }

    /// The charges that were paid and are not taken back.
    fn kept(&self) -> impl Iterator<Item = &Covered> {
        self.charges.values().filter(|charge| matches!(charge.status, ChargeStatus::Paid | ChargeStatus::Won))
    }

    /// The end of what was paid or granted, moved by pauses.
    fn covered_until(&self) -> Option<Instant> {
        self.kept().map(|charge| self.moved(charge.from, charge.until)).max().max(self.trial_ends())
    }

    /// Where the end of some time goes by the pauses that began in it: what was left when one began is left when it ends.
    pub(super) fn moved(&self, from: Instant, until: Instant) -> Instant {
        let mut pauses: Vec<&Pause> = self.pauses.values().collect();
        pauses.sort_by_key(|pause| pause.from);
        let began_in = |end: Instant, pause: &Pause| from <= pause.from && pause.from < end;
        pauses.into_iter().fold(until, |end, pause| match pause.until.value {
            Some(resumed) if began_in(end, pause) => end + (resumed - pause.from).max(TimeDelta::zero()),
            Some(_) | None => end,
        })
    }

    fn pause_at(&self, now: Instant) -> Option<&Pause> {
        let holds = |pause: &&Pause| pause.from <= now && pause.until.value.is_none_or(|until| now < until);
        self.pauses.values().find(holds)
    }

    /// What became of the last charge, if it was taken back and nothing else covers the time that it was for.
    fn taken_back_after(&self, paid: Instant) -> Option<ChargeStatus> {
        let back = |charge: &&Covered| {
            matches!(charge.status, ChargeStatus::Disputed | ChargeStatus::Refunded) && charge.until > paid
        };
        self.charges
            .values()
            .filter(back)
            .max_by_key(|charge| (charge.until, charge.status))
            .map(|charge| charge.status)
    }

    /// The end of what is paid, and of the grace after it where one more payment is expected; no later than it is to end.
    fn allowed_until(&self, covered: Option<Instant>) -> Option<Instant> {
        let paid = covered?;
        let is_expected = self.ended.is_none() && self.taken_back_after(paid).is_none();
        let graced = if is_expected { paid + self.grace } else { paid };
        Some(self.cancels.value.map_or(graced, |at| graced.min(at)))
    }
}

impl Covered {
    /// How far it has come says for which time it is; of two that are as far, both do.
    pub(super) fn learn(&mut self, told: Self) {
        match told.status.cmp(&self.status) {
            Ordering::Greater => *self = told,
            Ordering::Equal => {
                (self.from, self.until) = (self.from.min(told.from), self.until.max(told.until));
            }
            Ordering::Less => {}
        }
    }
}

impl<T> Numbered<T> {
    fn learn(&mut self, told: Self) {
        if told.seq >= self.seq {
            *self = told;
        }
    }
}

/// Whether nothing but what is learnt changes a membership in this state.
pub(crate) fn is_over(state: MembershipState) -> bool {
    match state {
        MembershipState::Cancelled | MembershipState::Expired => true,
        MembershipState::Incomplete
        | MembershipState::Trialing
        | MembershipState::Active
        | MembershipState::PastDue
        | MembershipState::Paused => false,
    }
}

fn state_after(why: EndedWhy) -> MembershipState {
    match why {
        EndedWhy::Unpaid | EndedWhy::NeverPaid => MembershipState::Expired,
        EndedWhy::Member
        | EndedWhy::Shop
        | EndedWhy::Withdrawn
        | EndedWhy::Refunded
        | EndedWhy::Disputed
        | EndedWhy::TrialUsed
        | EndedWhy::Deleted => MembershipState::Cancelled,
    }
}
