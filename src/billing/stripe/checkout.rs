//! The pages that Stripe shows itself: to pay on, and to change cards on.

use std::collections::HashMap;

use stripe::StripeRequest;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionSubscriptionData,
    ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession,
};
use stripe_shared::{CheckoutSession, CheckoutSessionMode, CheckoutSessionStatus};

use super::errors::{failure, once, undecodable};
use super::{CALL, MEMBERSHIP, Stripe};
use crate::billing::payments::{
    Checkout, CheckoutOutcome, CheckoutPage, CustomerRef, PaymentError, SubscriptionRef,
};

impl Stripe {
    pub(super) async fn open_page(&self, key: &str, wanted: &Checkout) -> Result<CheckoutPage, PaymentError> {
        let membership = wanted.membership.0.to_string();
        let mut item = CreateCheckoutSessionLineItems::new();
        item.price = Some(wanted.price.0.clone());
        item.quantity = Some(1);
        let mut begun = CreateCheckoutSessionSubscriptionData::new();
        begun.metadata = Some(HashMap::from([(MEMBERSHIP.to_owned(), membership.clone())]));
        begun.trial_period_days = Some(wanted.trial_days).filter(|days| *days > 0);
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Subscription)
            .customer(&wanted.customer.0)
            .client_reference_id(membership)
            .line_items([item])
            .subscription_data(begun)
            .success_url(&wanted.success_url)
            .cancel_url(&wanted.cancel_url)
            .metadata(HashMap::from([(CALL.to_owned(), key.to_owned())]));
        let opened = request.customize().request_strategy(once(key, "")?).send(&self.client).await;
        match opened.map_err(failure) {
            Ok(opened) => page(&opened),
            Err(error @ PaymentError::Unavailable { .. }) => {
                let open = ListCheckoutSession::new()
                    .customer(&wanted.customer.0)
                    .status(CheckoutSessionStatus::Open)
                    .limit(100);
                let open = open.send(&self.client).await.map_err(failure)?;
                let ours = |open: &&CheckoutSession| {
                    open.metadata
                        .as_ref()
                        .and_then(|metadata| metadata.get(CALL))
                        .is_some_and(|call| call == key)
                };
                open.data.iter().find(ours).map_or(Err(error), page)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn outcome_of_page(&self, page: &str) -> Result<CheckoutOutcome, PaymentError> {
        let found = RetrieveCheckoutSession::new(page).send(&self.client).await.map_err(failure)?;
        match (found.status, found.subscription) {
            (_, Some(begun)) => Ok(CheckoutOutcome::Subscribed(SubscriptionRef(begun.into_id().to_string()))),
            (Some(CheckoutSessionStatus::Expired), None) => Ok(CheckoutOutcome::Expired),
            (_, None) => Ok(CheckoutOutcome::Open),
        }
    }

    pub(super) async fn close_page(&self, page: &str) -> Result<(), PaymentError> {
        match ExpireCheckoutSession::new(page).send(&self.client).await.map_err(failure) {
            Ok(_) => Ok(()),
            // What is not open cannot be closed, and need not be.
            Err(error @ PaymentError::Rejected(_)) => match self.outcome_of_page(page).await? {
                CheckoutOutcome::Open => Err(error),
                CheckoutOutcome::Subscribed(_) | CheckoutOutcome::Expired => Ok(()),
            },
            Err(error) => Err(error),
        }
    }

    pub(super) async fn portal_page(
        &self,
        customer: &CustomerRef,
        back_to: &str,
    ) -> Result<String, PaymentError> {
        let request = CreateBillingPortalSession::new().customer(&customer.0).return_url(back_to);
        Ok(request.send(&self.client).await.map_err(failure)?.url)
    }
}

fn page(opened: &CheckoutSession) -> Result<CheckoutPage, PaymentError> {
    let url = opened.url.clone().ok_or_else(|| undecodable("a page without an address"))?;
    Ok(CheckoutPage { id: opened.id.to_string(), url })
}
