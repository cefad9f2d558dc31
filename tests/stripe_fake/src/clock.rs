//! The clock: it stands still until it is moved, and then everything happens at its own time.

use serde_json::Value;

use crate::doc;
use crate::invoices::Attempt;
use crate::period::next_boundary;
use crate::state::{Origin, State};
use crate::subscriptions::{fee, period, set_period};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What falls due by itself; of things at the same second, the earlier kind goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    AnnounceTrialEnd,
    Cancel,
    ExpireIncomplete,
    EndPause,
    EndTrial,
    Renew,
    Finalize,
    Retry,
    ExpireSession,
}

impl State {
    /// Lets time pass, and what falls due happen in its order.
    pub(crate) fn advance(&mut self, seconds: i64) {
        let end = self.now + seconds;
        while let Some((at, due, id)) = self.next_due().filter(|(at, _, _)| *at <= end) {
            self.now = self.now.max(at);
            self.begin(Origin::default());
            self.happen(due, &id);
        }
        self.now = end;
        self.begin(Origin::default());
    }

    fn next_due(&self) -> Option<(i64, Due, String)> {
        let mut found = Vec::new();
        for doc in self.all("subscription") {
            found.extend(self.due_of_subscription(&doc).map(|(at, due)| (at, due, doc::id(&doc))));
        }
        for doc in self.all("invoice") {
            let (finalize, retry) = (
                doc::number(&doc, "/automatically_finalizes_at"),
                doc::number(&doc, "/next_payment_attempt"),
            );
            let due = match doc::text(&doc, "/status") {
                "draft" => finalize.map(|at| (at, Due::Finalize)),
                "open" => retry.map(|at| (at, Due::Retry)),
                _ => None,
            };
            found.extend(due.map(|(at, due)| (at, due, doc::id(&doc))));
        }
        for doc in self.all("checkout.session") {
            if doc["status"] == "open" {
                found.push((doc::amount(&doc, "/expires_at"), Due::ExpireSession, doc::id(&doc)));
            }
        }
        // Of several objects the oldest goes first: the lists above begin with the newest.
        found.into_iter().rev().min_by_key(|(at, due, _)| (*at, *due))
    }

    fn due_of_subscription(&self, doc: &Value) -> Option<(i64, Due)> {
        let end = period(doc).1;
        let at = |pointer: &str, due: Due| doc::number(doc, pointer).map(|at| (at, due));
        let mut found = vec![at("/pause_collection/resumes_at", Due::EndPause)];
        match doc::text(doc, "/status") {
            "incomplete" => {
                found.clear();
                found.push(Some((doc::amount(doc, "/created") + 23 * HOUR, Due::ExpireIncomplete)));
            }
            "trialing" => {
                let notice = at("/trial_end", Due::AnnounceTrialEnd).map(|(at, due)| (at - 3 * DAY, due));
                let told = self.announced.contains(doc::text(doc, "/id"));
                found.extend([
                    notice.filter(|_| !told),
                    at("/cancel_at", Due::Cancel),
                    at("/trial_end", Due::EndTrial),
                ]);
            }
            "active" | "past_due" => found.extend([at("/cancel_at", Due::Cancel), Some((end, Due::Renew))]),
            "paused" => found.push(at("/cancel_at", Due::Cancel)),
            _ => return None,
        }
        found.into_iter().flatten().min()
    }

    fn happen(&mut self, due: Due, id: &str) {
        match due {
            Due::AnnounceTrialEnd => {
                self.announced.insert(id.to_owned());
                self.tell("customer.subscription.trial_will_end", id, None);
            }
            Due::Cancel => self.cancel(id, "cancellation_requested"),
            Due::ExpireIncomplete => self.expire_incomplete(id),
            Due::EndPause => self.update(id, "customer.subscription.updated", |doc| {
                doc["pause_collection"] = Value::Null;
            }),
            Due::EndTrial => self.end_trial(id),
            Due::Renew => {
                self.renew(id);
            }
            Due::Finalize => self.finalize_in_time(id),
            Due::Retry => self.retry(id),
            Due::ExpireSession => self.expire_session(id),
        }
    }

    fn expire_incomplete(&mut self, id: &str) {
        let invoice =
            self.find(id).map(|doc| doc::text(doc, "/latest_invoice").to_owned()).unwrap_or_default();
        self.void(&invoice);
    }

    fn end_trial(&mut self, id: &str) {
        let Some(doc) = self.find(id).cloned() else { return };
        let customer = self.find(doc::text(&doc, "/customer")).cloned().unwrap_or_default();
        let method = !doc["default_payment_method"].is_null()
            || !customer["invoice_settings"]["default_payment_method"].is_null();
        match doc::text(&doc, "/trial_settings/end_behavior/missing_payment_method") {
            "cancel" if !method => self.cancel(id, "payment_failed"),
            "pause" if !method => {
                self.change(id, |doc| doc["status"] = "paused".into());
                self.tell("customer.subscription.paused", id, None);
            }
            _ => {
                self.change(id, |doc| doc["status"] = "active".into());
                self.renew(id);
            }
        }
    }

    /// Begins the next period: its invoice is a draft for an hour, then it is collected.
    pub(crate) fn renew(&mut self, id: &str) -> String {
        let Some(mut doc) = self.find(id).cloned() else { return String::new() };
        let (start, end) = period(&doc);
        let price = doc["items"]["data"][0]["price"].clone();
        let next = next_boundary(doc::amount(&doc, "/billing_cycle_anchor"), &price, end);
        set_period(&mut doc, end, next);
        let line = self.line(&doc, &price, fee(&doc, &price), (end, next));
        let invoice = self.draft(id, "subscription_cycle", vec![line], (start, end));
        let finalizes = (doc["pause_collection"]["behavior"] != "keep_as_draft").then_some(self.now + HOUR);
        self.change(&invoice, |doc| {
            doc["auto_advance"] = finalizes.is_some().into();
            doc["automatically_finalizes_at"] = finalizes.into();
        });
        self.change_period(id, end, next);
        invoice
    }

    fn change_period(&mut self, id: &str, start: i64, end: i64) {
        self.update(id, "customer.subscription.updated", |doc| set_period(doc, start, end));
    }

    fn finalize_in_time(&mut self, id: &str) {
        let Some(invoice) = self.find(id).cloned() else { return };
        let subscription = self.find(crate::invoices::subscription_of(&invoice)).cloned().unwrap_or_default();
        self.finalize(id);
        let now = self.now;
        match doc::text(&subscription, "/pause_collection/behavior") {
            "void" => self.void(id),
            "mark_uncollectible" => {
                self.change(id, |doc| {
                    doc["status"] = "uncollectible".into();
                    doc::put(doc, "/status_transitions/marked_uncollectible_at", now);
                });
            }
            _ => self.retry(id),
        }
    }

    /// An automatic attempt; when the last one has failed, the subscription ends.
    fn retry(&mut self, id: &str) {
        let failed = self.collect(id, None, Attempt::Automatic).is_err();
        let Some(invoice) = self.find(id).cloned() else { return };
        let subscription = crate::invoices::subscription_of(&invoice);
        if failed && invoice["next_payment_attempt"].is_null() && invoice["status"] == "open" {
            self.cancel(subscription, "payment_failed");
        }
    }
}
