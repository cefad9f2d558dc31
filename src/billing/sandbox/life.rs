//! What a subscription of the sandbox does by itself as its clock goes: it renews, fails, is tried again and ends, as one
//! at Stripe does with its default settings.

use chrono::{Months, TimeDelta};
use entity::Instant;
use entity::id::MembershipId;
use entity::membership_charge::ChargeStatus;
use entity::membership_plan::Interval;
use serde::{Deserialize, Serialize};

use crate::billing::payments::{
    Charge, CustomerRef, PriceRef, Subscription, SubscriptionRef, SubscriptionStatus,
};
use crate::money::Money;

/// How long a first payment may take.
const FIRST_PAYMENT: TimeDelta = TimeDelta::hours(23);
/// When a payment that failed is tried again, in days after it was first tried; then the subscription ends.
const RETRIES: [i64; 4] = [3, 5, 7, 14];

/// A card of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Card {
    /// Pays.
    Pays,
    /// Is declined at once.
    Declined,
    /// Pays once; declined after that.
    FailsLater,
}

/// A subscription of the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sub {
    pub(super) id: String,
    pub(super) customer: CustomerRef,
    pub(super) membership: MembershipId,
    pub(super) price: PriceRef,
    pub(super) amount: Money,
    pub(super) billed: Interval,
    pub(super) began_at: Instant,
    pub(super) trial_until: Option<Instant>,
    /// The instant from which periods are counted, and how many of them are behind.
    pub(super) anchor: Instant,
    pub(super) periods: u32,
    pub(super) card: Option<Card>,
    pub(super) paused: bool,
    pub(super) ends_at: Option<Instant>,
    pub(super) ended_at: Option<Instant>,
    pub(super) bills: Vec<Bill>,
    /// The keys of the changes that were made.
    pub(super) done: Vec<String>,
}

/// An invoice of the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bill {
    pub(super) id: String,
    pub(super) from: Instant,
    pub(super) until: Instant,
    pub(super) amount: Money,
    pub(super) refunded: i64,
    pub(super) status: ChargeStatus,
    pub(super) asked_at: Instant,
    pub(super) paid_at: Option<Instant>,
    pub(super) failed_at: Option<Instant>,
    pub(super) back_at: Option<Instant>,
    pub(super) tries: usize,
}

impl Sub {
    /// The beginning of the period after the first `periods`.
    fn boundary(&self, periods: u32) -> Instant {
        let months = match self.billed {
            Interval::Month => periods,
            Interval::Year => periods.saturating_mul(12),
        };
        self.anchor.checked_add_months(Months::new(months)).unwrap_or(Instant::MAX_UTC)
    }

    /// When the next payment is.
    pub(super) fn renews_at(&self) -> Instant {
        self.boundary(self.periods)
    }

    /// Counts periods from `at` on.
    pub(super) fn renew_at(&mut self, at: Instant) {
        (self.anchor, self.periods) = (at, 0);
    }

    /// Asks for the period that begins at `from`.
    pub(super) fn bill(&mut self, from: Instant, now: Instant) {
        let until = self.boundary(self.periods + 1);
        self.periods += 1;
        self.bill_for(self.amount, from, until, now);
    }

    pub(super) fn bill_for(&mut self, amount: Money, from: Instant, until: Instant, now: Instant) {
        let id = format!("in_{}_{}", self.id, self.bills.len() + 1);
        self.bills.push(Bill {
            id,
            from,
            until,
            amount,
            refunded: 0,
            status: ChargeStatus::Open,
            asked_at: now,
            paid_at: None,
            failed_at: None,
            back_at: None,
            tries: 0,
        });
        if self.card.is_some() {
            self.try_last(now);
        }
    }

    /// Tries to take what was asked for last; whether that went well.
    pub(super) fn try_last(&mut self, now: Instant) -> bool {
        let paid_before = self.bills.iter().any(|bill| bill.paid_at.is_some());
        let pays = match self.card {
            Some(Card::Pays) => true,
            Some(Card::FailsLater) => !paid_before,
            Some(Card::Declined) | None => false,
        };
        let Some(bill) = self.bills.last_mut().filter(|bill| bill.status < ChargeStatus::Void) else {
            return true;
        };
        bill.tries += 1;
        if pays {
            (bill.status, bill.paid_at) = (ChargeStatus::Paid, Some(now));
        } else {
            (bill.status, bill.failed_at) = (ChargeStatus::Failed, Some(now));
        }
        pays
    }

    /// Ends it; what is not paid is not asked for any more.
    pub(super) fn end(&mut self, at: Instant) {
        self.ended_at.get_or_insert(at);
        for bill in self.bills.iter_mut().filter(|bill| bill.status < ChargeStatus::Void) {
            bill.status = ChargeStatus::Void;
        }
    }

    fn unpaid(&self) -> Option<&Bill> {
        self.bills.last().filter(|bill| bill.status < ChargeStatus::Void)
    }

    /// Whether the customer still has to confirm something.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.card.is_none()
    }

    fn retry_at(&self) -> Option<Instant> {
        let bill = self.unpaid()?;
        let day = RETRIES.get(bill.tries.checked_sub(1)?)?;
        Some(bill.asked_at + TimeDelta::days(*day))
    }

    /// When it does something by itself.
    pub(super) fn due_at(&self) -> Option<Instant> {
        if self.ended_at.is_some() {
            return None;
        }
        if self.is_unconfirmed() {
            return Some(self.began_at + FIRST_PAYMENT);
        }
        let renews = (!self.paused && self.unpaid().is_none()).then(|| self.renews_at());
        [self.ends_at, renews, self.retry_at()].into_iter().flatten().min()
    }

    /// Does what is due by `now`, in the order of time.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(at) = self.due_at().filter(|at| *at <= now) {
            if self.is_unconfirmed() || self.ends_at.is_some_and(|ends| ends <= at) {
                self.end(at);
            } else if self.retry_at() == Some(at) {
                let is_last = self.bills.last().is_some_and(|bill| bill.tries >= RETRIES.len());
                if !self.try_last(at) && is_last {
                    self.end(at);
                }
            } else {
                self.bill(at, at);
            }
        }
    }

    pub(super) fn status(&self, now: Instant) -> SubscriptionStatus {
        let paid = self.bills.iter().any(|bill| bill.status >= ChargeStatus::Paid);
        let on_trial = self.trial_until.is_some_and(|until| now < until);
        match self.ended_at {
            Some(_) if !paid && self.is_unconfirmed() => SubscriptionStatus::IncompleteExpired,
            Some(_) => SubscriptionStatus::Ended,
            None if on_trial && self.is_unconfirmed() => SubscriptionStatus::TrialingUnconfirmed,
            None if on_trial => SubscriptionStatus::Trialing,
            None if !paid && self.unpaid().is_some() && self.trial_until.is_none() => {
                SubscriptionStatus::Incomplete
            }
            None if self.unpaid().is_some() => SubscriptionStatus::PastDue,
            None => SubscriptionStatus::Active,
        }
    }

    pub(super) fn told(&self, now: Instant) -> Subscription {
        let charge = |bill: &Bill| Charge {
            invoice: bill.id.clone(),
            from: bill.from,
            until: bill.until,
            amount: bill.amount,
            refunded: bill.refunded,
            status: bill.status,
            asked_at: bill.asked_at,
            paid_at: bill.paid_at,
            failed_at: bill.failed_at,
            back_at: bill.back_at,
        };
        Subscription {
            id: SubscriptionRef(self.id.clone()),
            customer: self.customer.clone(),
            membership: Some(self.membership),
            status: self.status(now),
            price: self.price.clone(),
            trial_until: self.trial_until,
            ends_at: self.ends_at,
            ended_at: self.ended_at,
            is_paused: self.paused,
            // Each customer of the sandbox has a card of its own.
            card: self.card.map(|_| format!("sandbox:{}", self.customer.0)),
            charges: self.bills.iter().map(charge).collect(),
        }
    }
}
