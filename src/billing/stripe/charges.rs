//! What was asked and paid for a subscription: its invoices, with what became of the money.

use std::collections::HashMap;

use entity::membership_charge::ChargeStatus;
use futures_util::TryStreamExt;
use stripe_billing::invoice::ListInvoice;
use stripe_core::charge::ListCharge;
use stripe_core::dispute::ListDispute;
use stripe_shared::{DisputeStatus, Invoice, InvoiceStatus};
use stripe_types::{RangeQueryTs, Timestamp};

use super::errors::{failure, undecodable};
use super::{Stripe, amounts, instant};
use crate::billing::payments::{Charge, PaymentError};

/// What became of the money of one payment.
#[derive(Clone, Debug, Default)]
struct Money {
    refunded: i64,
    /// When some of it was given or taken back last.
    back_at: Option<Timestamp>,
    /// When a try to take it failed last.
    failed_at: Option<Timestamp>,
    dispute: Option<ChargeStatus>,
}

impl Stripe {
    /// The invoices of a subscription that were to be paid, the oldest first. Asked for in pages of a hundred, with all that
    /// was taken for them, so that the number of requests does not grow with every month.
    pub(super) async fn charges(
        &self,
        of: &stripe_shared::Subscription,
    ) -> Result<Vec<Charge>, PaymentError> {
        let invoices = ListInvoice::new()
            .subscription(of.id.as_str())
            .expand(["data.payments".to_owned()])
            .limit(100)
            .paginate();
        let mut invoices: Vec<Invoice> =
            invoices.stream(&self.client).try_collect().await.map_err(failure)?;
        invoices.retain(|invoice| invoice.total > 0 && invoice.status != Some(InvoiceStatus::Draft));
        invoices.sort_by_key(|invoice| invoice.created);
        if invoices.is_empty() {
            return Ok(Vec::new());
        }
        let taken = Box::pin(self.taken(of)).await?;
        invoices.iter().map(|invoice| charge(invoice, &money(invoice, &taken))).collect()
    }

    /// What was taken from the customer since, by what it was taken by.
    async fn taken(
        &self,
        since: &stripe_shared::Subscription,
    ) -> Result<HashMap<String, Vec<Money>>, PaymentError> {
        let taken = ListCharge::new()
            .customer(since.customer.id().as_str())
            .created(RangeQueryTs::gte(since.created))
            .expand(["data.refunds".to_owned()])
            .limit(100)
            .paginate();
        let taken: Vec<stripe_shared::Charge> =
            taken.stream(&self.client).try_collect().await.map_err(failure)?;
        let mut by_payment: HashMap<String, Vec<Money>> = HashMap::new();
        for taken in taken {
            let payment = match &taken.payment_intent {
                Some(intent) => intent.id().to_string(),
                None => taken.id.to_string(),
            };
            by_payment.entry(payment).or_default().push(self.became_of(&taken).await?);
        }
        Ok(by_payment)
    }

    async fn became_of(&self, taken: &stripe_shared::Charge) -> Result<Money, PaymentError> {
        let refunds = taken.refunds.as_ref().map_or(&[][..], |refunds| &refunds.data);
        let mut money = Money {
            refunded: taken.amount_refunded,
            back_at: refunds.iter().map(|refund| refund.created).max(),
            failed_at: (taken.status == stripe_shared::ChargeStatus::Failed).then_some(taken.created),
            dispute: None,
        };
        if !taken.disputed {
            return Ok(money);
        }
        let disputes = ListDispute::new().charge(taken.id.as_str()).limit(100);
        for dispute in disputes.send(&self.client).await.map_err(failure)?.data {
            let status = match dispute.status {
                DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => ChargeStatus::Disputed,
                DisputeStatus::Won => ChargeStatus::Won,
                DisputeStatus::Lost => ChargeStatus::Refunded,
                // A question of the bank: no money has moved.
                _ => continue,
            };
            money.dispute = money.dispute.max(Some(status));
            money.back_at = money.back_at.max(Some(dispute.created));
        }
        Ok(money)
    }
}

/// What became of the money of all payments of an invoice.
fn money(invoice: &Invoice, taken: &HashMap<String, Vec<Money>>) -> Money {
    let payments = invoice.payments.as_ref().map_or(&[][..], |payments| &payments.data);
    let name = |payment: &stripe_shared::InvoicePayment| {
        let intent = payment.payment.payment_intent.as_ref().map(|intent| intent.id().to_string());
        intent.or_else(|| payment.payment.charge.as_ref().map(|charge| charge.id().to_string()))
    };
    let of_payment = |name: String| taken.get(&name).into_iter().flatten();
    payments.iter().filter_map(name).flat_map(of_payment).fold(Money::default(), |all, one| Money {
        refunded: all.refunded + one.refunded,
        back_at: all.back_at.max(one.back_at),
        failed_at: all.failed_at.max(one.failed_at),
        dispute: all.dispute.max(one.dispute),
    })
}

fn charge(invoice: &Invoice, money: &Money) -> Result<Charge, PaymentError> {
    let is_paid = invoice.status == Some(InvoiceStatus::Paid);
    let amount = if is_paid { invoice.amount_paid } else { invoice.amount_due };
    let was_tried = invoice.status == Some(InvoiceStatus::Open) && invoice.attempted;
    let asked_at = invoice.status_transitions.finalized_at.unwrap_or(invoice.created);
    let failed_at = money.failed_at.or(was_tried.then_some(asked_at));
    let unpaid = if failed_at.is_some() { ChargeStatus::Failed } else { ChargeStatus::Open };
    let is_back = money.refunded > 0 && money.refunded >= amount;
    let status = match &invoice.status {
        Some(InvoiceStatus::Paid) if is_back => ChargeStatus::Refunded,
        Some(InvoiceStatus::Paid) => money.dispute.unwrap_or(ChargeStatus::Paid),
        Some(InvoiceStatus::Open) => unpaid,
        Some(InvoiceStatus::Void | InvoiceStatus::Uncollectible) => ChargeStatus::Void,
        _ => return Err(undecodable("a status of an invoice that we do not know")),
    };
    let id = invoice.id.as_ref().ok_or_else(|| undecodable("an invoice without an id"))?;
    let charged = || invoice.lines.data.iter().filter(|line| line.amount > 0);
    let from = charged().map(|line| line.period.start).min().unwrap_or(invoice.period_start);
    let until = charged().map(|line| line.period.end).max().unwrap_or(invoice.period_end);
    let currency = amounts::known(&invoice.currency)?;
    Ok(Charge {
        invoice: id.to_string(),
        from: instant(from)?,
        until: instant(until)?,
        amount: amounts::ours(amount, currency),
        refunded: amounts::ours(money.refunded.min(amount), currency).minor,
        status,
        asked_at: instant(asked_at)?,
        paid_at: invoice.status_transitions.paid_at.filter(|_| is_paid).map(instant).transpose()?,
        failed_at: failed_at.map(instant).transpose()?,
        back_at: money.back_at.filter(|_| status == ChargeStatus::Refunded).map(instant).transpose()?,
    })
}
