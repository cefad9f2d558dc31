//! What is asked of whoever takes the money, free of whose shapes it is asked in.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use entity::Instant;
use entity::id::{CustomerId, MembershipId, PlanId};
use entity::membership_charge::ChargeStatus;
use entity::membership_plan::Interval;
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::money::{Currency, Money};

/// Whoever takes the money. Every method that changes something has a key: asked again with it, the same is answered and
/// nothing is done twice. None waits longer than the time limit that it was made with, and none tries again by itself.
#[async_trait]
pub(crate) trait Payments: fmt::Debug + Send + Sync {
    /// Which account of whom: `sandbox`, `stripe:test` or `stripe:live`.
    fn account(&self) -> &'static str;

    /// Makes the customer.
    async fn create_customer(&self, key: &str, customer: &NewCustomer) -> Result<CustomerRef, PaymentError>;

    /// Makes the price, and the product that it is of.
    async fn create_price(&self, key: &str, price: &NewPrice) -> Result<PriceRef, PaymentError>;

    /// A hosted page on which the customer pays: the subscription begins when that is done.
    async fn open_checkout(&self, key: &str, wanted: &Checkout) -> Result<CheckoutPage, PaymentError>;

    /// The subscription that a hosted page led to; none as long as it was not paid.
    async fn checkout_outcome(&self, page: &str) -> Result<CheckoutOutcome, PaymentError>;

    /// Has the page closed, if it is open: nobody pays on it any more.
    async fn close_checkout(&self, page: &str) -> Result<(), PaymentError>;

    /// Begins a subscription whose first payment, or card for later ones, the customer's own device confirms.
    async fn subscribe(&self, key: &str, wanted: &Subscribe) -> Result<Begun, PaymentError>;

    /// How a subscription is now, with its invoices; none if there is no such subscription.
    async fn subscription(&self, id: &SubscriptionRef) -> Result<Option<Subscription>, PaymentError>;

    /// The subscriptions that were begun for this membership, found by what they carry: of a call whose answer never came.
    async fn subscriptions_of(
        &self,
        customer: &CustomerRef,
        membership: MembershipId,
    ) -> Result<Vec<Subscription>, PaymentError>;

    /// Changes a subscription; answers how it is then.
    async fn change(
        &self,
        key: &str,
        id: &SubscriptionRef,
        change: &Change,
    ) -> Result<Subscription, PaymentError>;

    /// What changing to this price now would cost at once.
    async fn preview(&self, id: &SubscriptionRef, price: &PriceRef) -> Result<Preview, PaymentError>;

    /// Gives back so much of what an invoice was paid with; never more than is left of it.
    async fn refund(&self, key: &str, invoice: &str, amount: i64) -> Result<(), PaymentError>;

    /// Who made a payment; none if nobody did.
    async fn payer(&self, payment: &str) -> Result<Option<CustomerRef>, PaymentError>;

    /// A page on which the customer changes cards and reads invoices; good for minutes.
    async fn portal(&self, customer: &CustomerRef, back_to: &str) -> Result<String, PaymentError>;
}

/// What a customer is called there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CustomerRef(pub(crate) String);

/// What a price is called there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PriceRef(pub(crate) String);

/// What a subscription is called there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SubscriptionRef(pub(crate) String);

/// Somebody who is to pay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewCustomer {
    pub(crate) customer: CustomerId,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

/// The price of a plan. One of the same plan, amount, currency and interval is the same price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewPrice {
    pub(crate) plan: PlanId,
    /// As customers read it on their bills.
    pub(crate) name: String,
    pub(crate) amount: Money,
    pub(crate) billed: Interval,
}

/// A subscription that the customer is to pay on a hosted page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkout {
    pub(crate) membership: MembershipId,
    pub(crate) customer: CustomerRef,
    pub(crate) price: PriceRef,
    /// 0 is none.
    pub(crate) trial_days: u32,
    /// Where the page leads when it is done; that somebody comes back says nothing.
    pub(crate) success_url: String,
    /// Where it leads when it is given up.
    pub(crate) cancel_url: String,
}

/// A hosted page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckoutPage {
    pub(crate) id: String,
    pub(crate) url: String,
}

/// What became of a hosted page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckoutOutcome {
    /// Still open.
    Open,
    /// It led to this subscription.
    Subscribed(SubscriptionRef),
    /// It is over, and led to nothing.
    Expired,
}

/// A subscription that begins at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscribe {
    pub(crate) membership: MembershipId,
    pub(crate) customer: CustomerRef,
    pub(crate) price: PriceRef,
    /// 0 is none.
    pub(crate) trial_days: u32,
}

/// A subscription that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) subscription: Subscription,
    /// With it, and only it, the customer's device confirms the payment, or the card where there is a trial.
    pub(crate) confirmation: Option<Confirmation>,
}

/// What the customer's device confirms. Secret, and only for that customer: it is asked for again rather than stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) client_secret: String,
    /// A card for later, where nothing is due yet.
    pub(crate) is_for_later: bool,
}

/// What is changed of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// Ends then; goes on, if none.
    EndAt(Option<Instant>),
    /// Ends now.
    EndNow,
    /// Another price now: what is left of the old one counts towards the new one, and the difference is taken at once. If
    /// it cannot be taken, nothing changes.
    PriceNow(PriceRef),
    /// Another price from the next payment on, which stays when it was.
    PriceAtRenewal {
        price: PriceRef,
        /// When that payment is.
        renews_at: Instant,
    },
    /// Nothing is taken until it is resumed.
    Pause,
    /// Payments go on, the next one then.
    Resume { renews_at: Instant },
}

/// What changing now would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preview {
    /// Minor units that would be taken at once.
    pub(crate) due_now: i64,
    pub(crate) currency: Currency,
    /// When the next payment would be.
    pub(crate) renews_at: Instant,
}

/// How a subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionRef,
    pub(crate) customer: CustomerRef,
    /// For which it was begun; none if somebody else began it.
    pub(crate) membership: Option<MembershipId>,
    pub(crate) status: SubscriptionStatus,
    pub(crate) price: PriceRef,
    /// The end of the trial that it has, or had; what [`Change::Resume`] and [`Change::PriceAtRenewal`] set may be told too.
    pub(crate) trial_until: Option<Instant>,
    /// When it is to end.
    pub(crate) ends_at: Option<Instant>,
    /// When it ended.
    pub(crate) ended_at: Option<Instant>,
    /// Whether nothing is taken for now.
    pub(crate) is_paused: bool,
    /// What is known of the card that pays it: the same for the same card, whoever has it.
    pub(crate) card: Option<String>,
    /// Every invoice that was to be paid, the oldest first; those over nothing are left out.
    pub(crate) charges: Vec<Charge>,
}

/// What whoever takes the money calls the state of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionStatus {
    /// Its first payment is not there yet.
    Incomplete,
    /// Its first payment never came.
    IncompleteExpired,
    /// On trial, with a card for later.
    Trialing,
    /// On trial, but its card was never confirmed.
    TrialingUnconfirmed,
    /// Paid.
    Active,
    /// A payment is late.
    PastDue,
    /// A payment is late and is not tried any more.
    Unpaid,
    /// Over.
    Ended,
}

/// An invoice, as far as a membership needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) invoice: String,
    /// The time that it is for.
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// Minor units, and what they are in.
    pub(crate) amount: Money,
    /// Minor units of it that were given back.
    pub(crate) refunded: i64,
    pub(crate) status: ChargeStatus,
    pub(crate) asked_at: Instant,
    pub(crate) paid_at: Option<Instant>,
    /// When a try to take it failed last.
    pub(crate) failed_at: Option<Instant>,
    /// When all of it was given or taken back.
    pub(crate) back_at: Option<Instant>,
}

/// Why something that was asked is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaymentError {
    /// The card was declined: its holder is to use another.
    #[error("declined")]
    Declined,
    /// There is no such thing there.
    #[error("no such thing")]
    NotFound,
    /// It cannot be done as it was asked; asked again, it is refused again. For the log.
    #[error("rejected: {0}")]
    Rejected(String),
    /// Nobody knows whether it was done: asked again with the same key, it is done once.
    #[error("unavailable: {problem}")]
    Unavailable {
        /// For the log.
        problem: String,
        /// Not before.
        retry_after: Option<Duration>,
    },
}

impl From<Fault> for PaymentError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable { problem: format!("{fault:?}"), retry_after: None }
    }
}
