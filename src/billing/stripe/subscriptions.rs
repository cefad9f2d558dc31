//! Subscriptions: beginning one, and how one is.

use std::collections::HashMap;

use entity::id::MembershipId;
use futures_util::TryStreamExt;
use stripe::StripeRequest;
use stripe_billing::subscription::{
    CreateSubscription, CreateSubscriptionItems, CreateSubscriptionPaymentBehavior,
    CreateSubscriptionPaymentSettings, CreateSubscriptionPaymentSettingsSaveDefaultPaymentMethod,
    CreateSubscriptionTrialSettings, CreateSubscriptionTrialSettingsEndBehavior,
    CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod, ListSubscription, ListSubscriptionStatus,
    RetrieveSubscription,
};
use stripe_core::customer::{RetrieveCustomer, RetrieveCustomerReturned};
use stripe_shared::{SetupIntentStatus, SubscriptionStatus as Theirs};

use super::errors::{failure, once, undecodable};
use super::{MEMBERSHIP, Stripe, instant};
use crate::billing::payments::{
    Begun, Confirmation, CustomerRef, PaymentError, PriceRef, Subscribe, Subscription, SubscriptionRef,
    SubscriptionStatus,
};

impl Stripe {
    pub(super) async fn start(&self, key: &str, wanted: &Subscribe) -> Result<Begun, PaymentError> {
        let made = beginning(wanted).customize().request_strategy(once(key, "")?).send(&self.client).await;
        let id = match made.map_err(failure) {
            Ok(made) => made.id.to_string(),
            Err(error @ PaymentError::Unavailable { .. }) => {
                let begun = self.list_of(&wanted.customer, wanted.membership).await?;
                let open = begun.into_iter().find(|begun| begun.ended_at.is_none());
                open.map(|open| open.id.to_string()).ok_or(error)?
            }
            Err(error) => return Err(error),
        };
        // Asked again with its key, it is answered as it was at first: how it is now is another question.
        let theirs = self.fetch(&id, &["latest_invoice.confirmation_secret"]).await?;
        let subscription = Box::pin(self.told(&theirs)).await?;
        let confirmation = confirmation(&theirs, subscription.status);
        Ok(Begun { subscription, confirmation })
    }

    pub(super) async fn look_up(&self, id: &SubscriptionRef) -> Result<Option<Subscription>, PaymentError> {
        match self.fetch(&id.0, &[]).await {
            Ok(theirs) => Box::pin(self.told(&theirs)).await.map(Some),
            Err(PaymentError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn begun_for(
        &self,
        customer: &CustomerRef,
        membership: MembershipId,
    ) -> Result<Vec<Subscription>, PaymentError> {
        let mut begun = Vec::new();
        for theirs in self.list_of(customer, membership).await? {
            begun.push(Box::pin(self.told(&theirs)).await?);
        }
        Ok(begun)
    }

    /// Those that carry the membership.
    async fn list_of(
        &self,
        customer: &CustomerRef,
        membership: MembershipId,
    ) -> Result<Vec<stripe_shared::Subscription>, PaymentError> {
        let all = ListSubscription::new()
            .customer(&customer.0)
            .status(ListSubscriptionStatus::All)
            .expand(expanded(&[]).map(|path| format!("data.{path}")).collect::<Vec<_>>())
            .limit(100);
        let all = all.paginate().stream(&self.client).try_collect::<Vec<_>>().await.map_err(failure)?;
        Ok(all.into_iter().filter(|theirs| membership_of(theirs) == Some(membership)).collect())
    }

    pub(super) async fn fetch(
        &self,
        id: &str,
        more: &[&str],
    ) -> Result<stripe_shared::Subscription, PaymentError> {
        let request = RetrieveSubscription::new(id).expand(expanded(more).collect::<Vec<_>>());
        request.send(&self.client).await.map_err(failure)
    }

    /// In our words, with its charges.
    pub(super) async fn told(
        &self,
        theirs: &stripe_shared::Subscription,
    ) -> Result<Subscription, PaymentError> {
        let item = theirs.items.data.first().ok_or_else(|| undecodable("a subscription to nothing"))?;
        let ends_at = theirs.cancel_at.or(theirs.cancel_at_period_end.then_some(item.current_period_end));
        let status = status(theirs)?;
        let ended_at = match status {
            SubscriptionStatus::Ended | SubscriptionStatus::IncompleteExpired => {
                theirs.ended_at.or(theirs.canceled_at).or(Some(theirs.created))
            }
            SubscriptionStatus::Incomplete
            | SubscriptionStatus::Trialing
            | SubscriptionStatus::TrialingUnconfirmed
            | SubscriptionStatus::Active
            | SubscriptionStatus::PastDue
            | SubscriptionStatus::Unpaid => None,
        };
        Ok(Subscription {
            id: SubscriptionRef(theirs.id.to_string()),
            customer: CustomerRef(theirs.customer.id().to_string()),
            membership: membership_of(theirs),
            status,
            price: PriceRef(item.price.id.to_string()),
            trial_until: theirs.trial_end.map(instant).transpose()?,
            ends_at: ends_at.map(instant).transpose()?,
            ended_at: ended_at.map(instant).transpose()?,
            is_paused: theirs.pause_collection.is_some(),
            card: self.card(theirs).await?,
            charges: Box::pin(self.charges(theirs)).await?,
        })
    }

    /// The fingerprint of the card that pays: its own, or else the customer's.
    async fn card(&self, theirs: &stripe_shared::Subscription) -> Result<Option<String>, PaymentError> {
        let fingerprint = |method: &stripe_shared::PaymentMethod| {
            method.card.as_ref().and_then(|card| card.fingerprint.clone())
        };
        if let Some(own) = &theirs.default_payment_method {
            return Ok(own.as_object().and_then(fingerprint));
        }
        let customer = RetrieveCustomer::new(theirs.customer.id().clone())
            .expand(["invoice_settings.default_payment_method".to_owned()]);
        match customer.send(&self.client).await.map_err(failure) {
            Ok(RetrieveCustomerReturned::Customer(customer)) => {
                let settings = customer.invoice_settings;
                let method = settings.and_then(|settings| settings.default_payment_method);
                Ok(method.and_then(|method| method.as_object().and_then(fingerprint)))
            }
            Ok(RetrieveCustomerReturned::DeletedCustomer(_)) | Err(PaymentError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Never the customer: one that is deleted would not be understood.
fn expanded(more: &[&str]) -> impl Iterator<Item = String> {
    ["default_payment_method", "pending_setup_intent"].iter().chain(more).map(|path| (*path).to_owned())
}

fn beginning(wanted: &Subscribe) -> CreateSubscription {
    let mut item = CreateSubscriptionItems::new();
    item.price = Some(wanted.price.0.clone());
    let mut settings = CreateSubscriptionPaymentSettings::new();
    settings.save_default_payment_method =
        Some(CreateSubscriptionPaymentSettingsSaveDefaultPaymentMethod::OnSubscription);
    let carried = HashMap::from([(MEMBERSHIP.to_owned(), wanted.membership.0.to_string())]);
    let request = CreateSubscription::new()
        .customer(&wanted.customer.0)
        .items([item])
        .metadata(carried)
        .payment_behavior(CreateSubscriptionPaymentBehavior::DefaultIncomplete)
        .payment_settings(settings);
    if wanted.trial_days == 0 {
        return request;
    }
    // A trial whose card never came ends with the trial.
    let mut at_end = CreateSubscriptionTrialSettingsEndBehavior::new();
    at_end.missing_payment_method =
        Some(CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod::Cancel);
    request.trial_period_days(wanted.trial_days).trial_settings(CreateSubscriptionTrialSettings::new(at_end))
}

fn membership_of(theirs: &stripe_shared::Subscription) -> Option<MembershipId> {
    theirs.metadata.get(MEMBERSHIP).and_then(|id| id.parse().ok()).map(MembershipId)
}

fn status(theirs: &stripe_shared::Subscription) -> Result<SubscriptionStatus, PaymentError> {
    let waits_for_card = || {
        let pending = theirs.pending_setup_intent.as_ref();
        pending.is_some_and(|pending| {
            pending.as_object().is_none_or(|pending| pending.status != SetupIntentStatus::Succeeded)
        })
    };
    Ok(match &theirs.status {
        Theirs::Incomplete => SubscriptionStatus::Incomplete,
        Theirs::IncompleteExpired => SubscriptionStatus::IncompleteExpired,
        Theirs::Trialing if waits_for_card() => SubscriptionStatus::TrialingUnconfirmed,
        Theirs::Trialing => SubscriptionStatus::Trialing,
        Theirs::Active => SubscriptionStatus::Active,
        Theirs::PastDue => SubscriptionStatus::PastDue,
        // Its trial ended without a card: nothing is tried until there is one.
        Theirs::Unpaid | Theirs::Paused => SubscriptionStatus::Unpaid,
        Theirs::Canceled => SubscriptionStatus::Ended,
        _unknown => return Err(undecodable("a status that we do not know")),
    })
}

/// What the customer's device is to confirm.
fn confirmation(theirs: &stripe_shared::Subscription, status: SubscriptionStatus) -> Option<Confirmation> {
    match status {
        SubscriptionStatus::Incomplete => {
            let invoice = theirs.latest_invoice.as_ref()?.as_object()?;
            let client_secret = invoice.confirmation_secret.as_ref()?.client_secret.clone();
            Some(Confirmation { client_secret, is_for_later: false })
        }
        SubscriptionStatus::TrialingUnconfirmed => {
            let client_secret = theirs.pending_setup_intent.as_ref()?.as_object()?.client_secret.clone()?;
            Some(Confirmation { client_secret, is_for_later: true })
        }
        SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::PastDue
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Ended => None,
    }
}
