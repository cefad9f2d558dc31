//! Changes of a subscription, what they would cost, and money that goes back.

use std::collections::HashMap;

use stripe::StripeRequest;
use stripe_billing::invoice::{
    CreatePreviewInvoice, CreatePreviewInvoiceSubscriptionDetails,
    CreatePreviewInvoiceSubscriptionDetailsItems, CreatePreviewInvoiceSubscriptionDetailsProrationBehavior,
};
use stripe_billing::invoice_payment::{ListInvoicePayment, ListInvoicePaymentStatus};
use stripe_billing::subscription::{
    CancelSubscription, UpdateSubscription, UpdateSubscriptionBillingCycleAnchor,
    UpdateSubscriptionBillingCycleAnchorType, UpdateSubscriptionCancelAt, UpdateSubscriptionItems,
    UpdateSubscriptionPauseCollection, UpdateSubscriptionPauseCollectionBehavior,
    UpdateSubscriptionPaymentBehavior, UpdateSubscriptionProrationBehavior, UpdateSubscriptionTrialEnd,
};
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_shared::SubscriptionStatus as Theirs;

use super::errors::{failure, is_about, once, undecodable};
use super::{CALL, Stripe, amounts, instant, seconds};
use crate::billing::payments::{
    Change, CustomerRef, PaymentError, Preview, PriceRef, Subscription, SubscriptionRef,
};

/// Parameters are taken back by giving them nothing, which the library's builder cannot say.
const NO_PAUSE: &str = "pause_collection=";
const NO_END: &str = "cancel_at=";

impl Stripe {
    pub(super) async fn make_change(
        &self,
        key: &str,
        id: &SubscriptionRef,
        change: &Change,
    ) -> Result<Subscription, PaymentError> {
        let asked = Box::pin(self.ask_change(key, id, change)).await;
        let found = match &asked {
            Ok(()) | Err(PaymentError::Unavailable { .. }) => Box::pin(self.look_up(id)).await?,
            Err(_) => None,
        };
        match (asked, found) {
            (Ok(()), found) => found.ok_or(PaymentError::NotFound),
            (Err(PaymentError::Unavailable { .. }), Some(found)) if is_made(change, &found) => Ok(found),
            (Err(error), _) => Err(error),
        }
    }

    async fn ask_change(&self, key: &str, id: &SubscriptionRef, change: &Change) -> Result<(), PaymentError> {
        let update = || UpdateSubscription::new(id.0.as_str());
        let unprorated = || update().proration_behavior(UpdateSubscriptionProrationBehavior::None);
        match change {
            Change::EndAt(Some(at)) => {
                let at = UpdateSubscriptionCancelAt::Timestamp(seconds(*at));
                let asked = self.update(key, "", &unprorated().cancel_at(at), "").await;
                match asked {
                    // It is past by now.
                    Err(error) if is_about(&error, "cancel_at") => Box::pin(self.end(id)).await,
                    asked => asked,
                }
            }
            Change::EndAt(None) => {
                self.update(key, "", &update(), NO_END).await?;
                self.update(key, "period", &update().cancel_at_period_end(false), "").await
            }
            Change::EndNow => Box::pin(self.end(id)).await,
            Change::PriceNow(price) => {
                let request = update()
                    .items([self.item(id, price).await?])
                    .proration_behavior(UpdateSubscriptionProrationBehavior::AlwaysInvoice)
                    .payment_behavior(UpdateSubscriptionPaymentBehavior::ErrorIfIncomplete);
                self.update(key, "", &request, "").await
            }
            Change::PriceAtRenewal { price, renews_at } => {
                let request = unprorated().items([self.item(id, price).await?]);
                let at = UpdateSubscriptionTrialEnd::Timestamp(seconds(*renews_at));
                match self.update(key, "", &request.clone().trial_end(at), "").await {
                    // That payment is past by now, the next one is by the new price.
                    Err(error) if is_about(&error, "trial_end") => {
                        self.update(key, "now", &request, "").await
                    }
                    asked => asked,
                }
            }
            Change::Pause => {
                let pause =
                    UpdateSubscriptionPauseCollection::new(UpdateSubscriptionPauseCollectionBehavior::Void);
                self.update(key, "", &update().pause_collection(pause), "").await
            }
            Change::Resume { renews_at } => {
                let at = UpdateSubscriptionTrialEnd::Timestamp(seconds(*renews_at));
                match self.update(key, "", &unprorated().trial_end(at), NO_PAUSE).await {
                    // The next payment is due at once.
                    Err(error) if is_about(&error, "trial_end") => {
                        let now =
                            unprorated().billing_cycle_anchor(UpdateSubscriptionBillingCycleAnchor::new(
                                UpdateSubscriptionBillingCycleAnchorType::Now,
                            ));
                        self.update(key, "now", &now, NO_PAUSE).await
                    }
                    asked => asked,
                }
            }
        }
    }

    async fn update(
        &self,
        key: &str,
        part: &str,
        request: &UpdateSubscription,
        more: &str,
    ) -> Result<(), PaymentError> {
        let mut request = request.build();
        let body = request.body.take().unwrap_or_default();
        let parts: Vec<&str> = [body.as_str(), more].into_iter().filter(|part| !part.is_empty()).collect();
        request.body = Some(parts.join("&"));
        let request = request.customize::<stripe_shared::Subscription>().request_strategy(once(key, part)?);
        request.send(&self.client).await.map(drop).map_err(failure)
    }

    /// Ends it now; one that has ended is what was asked for.
    async fn end(&self, id: &SubscriptionRef) -> Result<(), PaymentError> {
        match CancelSubscription::new(id.0.as_str()).send(&self.client).await.map_err(failure) {
            Ok(_) => Ok(()),
            Err(error @ (PaymentError::NotFound | PaymentError::Rejected(_))) => {
                let known = Box::pin(self.look_up(id)).await?;
                if known.is_some_and(|known| known.ended_at.is_some()) { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    async fn item(
        &self,
        id: &SubscriptionRef,
        price: &PriceRef,
    ) -> Result<UpdateSubscriptionItems, PaymentError> {
        let theirs = self.fetch(&id.0, &[]).await?;
        let item = theirs.items.data.first().ok_or_else(|| undecodable("a subscription to nothing"))?;
        let mut changed = UpdateSubscriptionItems::new();
        changed.id = Some(item.id.to_string());
        changed.price = Some(price.0.clone());
        Ok(changed)
    }

    pub(super) async fn try_price(
        &self,
        id: &SubscriptionRef,
        price: &PriceRef,
    ) -> Result<Preview, PaymentError> {
        let theirs = self.fetch(&id.0, &[]).await?;
        let item = theirs.items.data.first().ok_or_else(|| undecodable("a subscription to nothing"))?;
        let mut changed = CreatePreviewInvoiceSubscriptionDetailsItems::new();
        changed.id = Some(item.id.to_string());
        changed.price = Some(price.0.clone());
        let mut details = CreatePreviewInvoiceSubscriptionDetails::new();
        details.items = Some(vec![changed]);
        details.proration_behavior =
            Some(CreatePreviewInvoiceSubscriptionDetailsProrationBehavior::AlwaysInvoice);
        let request = CreatePreviewInvoice::new().subscription(id.0.as_str()).subscription_details(details);
        let invoice = request.send(&self.client).await.map_err(failure)?;
        let currency = amounts::known(&invoice.currency)?;
        // Else it is the invoice of the next renewal that is shown: nothing is due before.
        let is_due_now = theirs.status != Theirs::Trialing && item.price.id.as_str() != price.0;
        if !is_due_now {
            return Ok(Preview { due_now: 0, currency, renews_at: instant(item.current_period_end)? });
        }
        let to_pay = invoice.lines.data.iter().filter(|line| line.amount > 0);
        let renews_at = to_pay.map(|line| line.period.end).max().unwrap_or(item.current_period_end);
        let due_now = amounts::ours(invoice.amount_due, currency).minor;
        Ok(Preview { due_now, currency, renews_at: instant(renews_at)? })
    }

    pub(super) async fn give_back(&self, key: &str, invoice: &str, amount: i64) -> Result<(), PaymentError> {
        let paid = ListInvoicePayment::new().invoice(invoice).status(ListInvoicePaymentStatus::Paid);
        let paid = paid.limit(100).send(&self.client).await.map_err(failure)?;
        let by_intent =
            paid.data.iter().find_map(|paid| Some((paid, paid.payment.payment_intent.as_ref()?.id())));
        let nothing = || PaymentError::Rejected("an invoice for which nothing was taken".to_owned());
        let (paid, intent) = by_intent.ok_or_else(nothing)?;
        // Stripe knows a key for a day, and a refund by what it carries for ever.
        if self.is_given_back(key, intent.as_str()).await? {
            return Ok(());
        }
        let request = CreateRefund::new()
            .payment_intent(intent.as_str())
            .amount(amounts::theirs(amount, amounts::known(&paid.currency)?)?)
            .metadata(HashMap::from([(CALL.to_owned(), key.to_owned())]));
        let given = request.customize().request_strategy(once(key, "")?).send(&self.client).await;
        match given.map_err(failure) {
            Ok(_) => Ok(()),
            Err(error @ PaymentError::Unavailable { .. }) => {
                if self.is_given_back(key, intent.as_str()).await? { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn payer_of(&self, payment: &str) -> Result<Option<CustomerRef>, PaymentError> {
        let found = RetrievePaymentIntent::new(payment).send(&self.client).await.map_err(failure)?;
        Ok(found.customer.map(|customer| CustomerRef(customer.id().to_string())))
    }

    async fn is_given_back(&self, key: &str, intent: &str) -> Result<bool, PaymentError> {
        let known =
            ListRefund::new().payment_intent(intent).limit(100).send(&self.client).await.map_err(failure)?;
        let ours = |refund: &stripe_shared::Refund| {
            refund.metadata.as_ref().and_then(|metadata| metadata.get(CALL)).is_some_and(|call| call == key)
        };
        Ok(known.data.iter().any(ours))
    }
}

/// Whether a subscription is as `change` makes it.
fn is_made(change: &Change, found: &Subscription) -> bool {
    let at = |wanted, found: Option<_>| found.map(seconds) == Some(seconds(wanted));
    match change {
        Change::EndAt(wanted) => found.ends_at.map(seconds) == wanted.map(seconds),
        Change::EndNow => found.ended_at.is_some(),
        Change::PriceNow(price) => found.price == *price,
        Change::PriceAtRenewal { price, renews_at } => {
            found.price == *price && at(*renews_at, found.trial_until)
        }
        Change::Pause => found.is_paused,
        Change::Resume { renews_at } => !found.is_paused && at(*renews_at, found.trial_until),
    }
}
