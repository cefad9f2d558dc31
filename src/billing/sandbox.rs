//! Payments in which no money moves: for demos and tests, on the shop's clock. What it has is in the database, so that
//! every instance sees the same; each change is one guarded update.

mod life;

use async_trait::async_trait;
use chrono::TimeDelta;
use entity::Instant;
use entity::id::MembershipId;
use entity::membership_charge::ChargeStatus;
use entity::sandbox_object::{Column, Entity, Model};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use self::life::Card;
use self::life::Sub;
use super::payments::{
    Begun, Change, Checkout, CheckoutOutcome, CheckoutPage, Confirmation, CustomerRef, NewCustomer, NewPrice,
    PaymentError, Payments, Preview, PriceRef, Subscribe, Subscription, SubscriptionRef,
};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::Fault;
use crate::money::Money;

/// How long a page to pay on is open.
const PAGE_LIFE: TimeDelta = TimeDelta::hours(24);
/// Subscriptions of one look at the clock.
const BATCH: u64 = 200;

/// The sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    db: Db,
    clock: Clock,
    public_url: String,
}

/// A page to pay on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    wanted: Checkout,
    opened_at: Instant,
    closed: bool,
    subscription: Option<String>,
}

/// What is kept as rows, each of its kind.
trait Object: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

impl Object for Page {
    const KIND: &'static str = "page";
}

impl Object for NewPrice {
    const KIND: &'static str = "price";
}

impl Object for Sub {
    const KIND: &'static str = "subscription";
}

/// What somebody is asked to pay.
#[derive(Debug)]
pub(crate) struct ToPay {
    pub(crate) name: String,
    pub(crate) amount: Money,
    pub(crate) trial_days: u32,
    pub(crate) success_url: String,
    pub(crate) cancel_url: String,
}

impl Sandbox {
    pub(crate) fn new(db: Db, clock: Clock, public_url: String) -> Self {
        Self { db, clock, public_url }
    }

    async fn read<T: Object>(&self, id: &str) -> Result<Option<(Model, T)>, Fault> {
        let found = Entity::find_by_id(id.to_owned()).filter(Column::Kind.eq(T::KIND));
        let Some(row) = found.one(&self.db.write).await? else { return Ok(None) };
        let body = serde_json::from_value(row.body.clone())?;
        Ok(Some((row, body)))
    }

    /// Makes it, unless it is there.
    async fn make<T: Object>(&self, id: &str, body: &T, due: Option<Instant>) -> Result<(), Fault> {
        let (kind, body) = (T::KIND.to_owned(), serde_json::to_value(body)?);
        let row = Model { id: id.to_owned(), kind, body, version: 0, due_at: due };
        let made = Entity::insert(row.into_active_model())
            .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
            .exec_without_returning(&self.db.write)
            .await?;
        tracing::debug!(made, kind = T::KIND, "the sandbox was asked for something");
        Ok(())
    }

    /// Changes what is there; again, if somebody else did meanwhile.
    async fn change_object<T: Object>(
        &self,
        id: &str,
        due: impl Fn(&T) -> Option<Instant>,
        change: impl Fn(&mut T) -> Result<(), PaymentError>,
    ) -> Result<T, PaymentError> {
        loop {
            let Some((row, mut body)) = self.read::<T>(id).await? else { return Err(PaymentError::NotFound) };
            change(&mut body)?;
            let written = Entity::update_many()
                .col_expr(Column::Body, Expr::val(serde_json::to_value(&body).map_err(Fault::from)?))
                .col_expr(Column::DueAt, Expr::val(due(&body)))
                .col_expr(Column::Version, Expr::val(row.version + 1))
                .filter(Column::Id.eq(id))
                .filter(Column::Version.eq(row.version))
                .exec(&self.db.write)
                .await
                .map_err(Fault::from)?;
            if written.rows_affected == 1 {
                return Ok(body);
            }
        }
    }

    async fn change_sub(
        &self,
        id: &str,
        change: impl Fn(&mut Sub) -> Result<(), PaymentError>,
    ) -> Result<Sub, PaymentError> {
        let now = self.clock.now();
        let advanced = |sub: &mut Sub| {
            sub.advance(now);
            change(sub)
        };
        self.change_object(id, Sub::due_at, advanced).await
    }

    async fn start(&self, id: &str, wanted: Subscribe, card: Option<Card>) -> Result<Sub, PaymentError> {
        let Some((_, price)) = self.read::<NewPrice>(&wanted.price.0).await? else {
            return Err(PaymentError::NotFound);
        };
        let now = self.clock.now();
        let trial = (wanted.trial_days > 0).then(|| now + TimeDelta::days(wanted.trial_days.into()));
        let mut sub = Sub {
            id: id.to_owned(),
            customer: wanted.customer,
            membership: wanted.membership,
            price: wanted.price,
            amount: price.amount,
            billed: price.billed,
            began_at: now,
            trial_until: trial,
            anchor: trial.unwrap_or(now),
            periods: 0,
            card,
            paused: false,
            ends_at: None,
            ended_at: None,
            bills: Vec::new(),
            done: Vec::new(),
        };
        if trial.is_none() {
            sub.bill(now, now);
        }
        self.make(id, &sub, sub.due_at()).await?;
        // Of two that began it at once, one did.
        self.read(id).await?.map(|(_, sub)| sub).ok_or(PaymentError::NotFound)
    }

    /// What a page asks for, as long as it is open.
    pub(crate) async fn to_pay(&self, page: &str) -> Result<Option<ToPay>, PaymentError> {
        let Some((_, page)) = self.read::<Page>(page).await? else { return Ok(None) };
        let Some((_, price)) = self.read::<NewPrice>(&page.wanted.price.0).await? else { return Ok(None) };
        let is_over = page.closed || page.opened_at + PAGE_LIFE <= self.clock.now();
        if is_over || page.subscription.is_some() {
            return Ok(None);
        }
        let Checkout { trial_days, success_url, cancel_url, .. } = page.wanted;
        Ok(Some(ToPay { name: price.name, amount: price.amount, trial_days, success_url, cancel_url }))
    }

    /// The customer pays on a page; answers whose membership to look up.
    pub(crate) async fn pay(&self, page: &str, card: Card) -> Result<MembershipId, PaymentError> {
        if self.to_pay(page).await?.is_none() {
            return Err(PaymentError::NotFound);
        }
        if card == Card::Declined {
            return Err(PaymentError::Declined);
        }
        let Some((_, found)) = self.read::<Page>(page).await? else { return Err(PaymentError::NotFound) };
        let Checkout { membership, customer, price, trial_days, .. } = found.wanted;
        let id = format!("sub_{page}");
        self.start(&id, Subscribe { membership, customer, price, trial_days }, Some(card)).await?;
        let led_to = |page: &mut Page| {
            page.subscription = Some(id.clone());
            Ok(())
        };
        self.change_object(page, |_: &Page| None, led_to).await?;
        Ok(membership)
    }

    /// The customer's device confirms what is to be paid, or gives another card; answers whose membership to look up.
    pub(crate) async fn confirm(&self, secret: &str, card: Card) -> Result<MembershipId, PaymentError> {
        let id = secret.strip_suffix("_secret").ok_or(PaymentError::NotFound)?;
        let now = self.clock.now();
        let confirmed = |sub: &mut Sub| {
            if sub.ended_at.is_some() {
                return Err(PaymentError::NotFound);
            }
            let before = sub.card.replace(card);
            if card == Card::Declined && before.is_none() {
                sub.card = None;
                return Err(PaymentError::Declined);
            }
            if sub.try_last(now) { Ok(()) } else { Err(PaymentError::Declined) }
        };
        Ok(self.change_sub(id, confirmed).await?.membership)
    }

    /// Does what is due; answers whose memberships to look up.
    pub(crate) async fn advance(&self) -> Result<Vec<MembershipId>, PaymentError> {
        let due = Entity::find()
            .filter(Column::DueAt.lte(self.clock.now()))
            .order_by_asc(Column::DueAt)
            .limit(BATCH)
            .all(&self.db.read)
            .await
            .map_err(Fault::from)?;
        let mut moved = Vec::with_capacity(due.len());
        for row in due {
            moved.push(self.change_sub(&row.id, |_| Ok(())).await?.membership);
        }
        Ok(moved)
    }
}

#[async_trait]
impl Payments for Sandbox {
    fn account(&self) -> &'static str {
        "sandbox"
    }

    async fn create_customer(&self, _key: &str, wanted: &NewCustomer) -> Result<CustomerRef, PaymentError> {
        Ok(CustomerRef(format!("cus_{}", wanted.customer.0.simple())))
    }

    async fn create_price(&self, key: &str, wanted: &NewPrice) -> Result<PriceRef, PaymentError> {
        self.make(key, wanted, None).await?;
        Ok(PriceRef(key.to_owned()))
    }

    async fn open_checkout(&self, key: &str, wanted: &Checkout) -> Result<CheckoutPage, PaymentError> {
        let id = format!("page_{key}");
        let page =
            Page { wanted: wanted.clone(), opened_at: self.clock.now(), closed: false, subscription: None };
        self.make(&id, &page, None).await?;
        let url = format!("{}/sandbox/{id}", self.public_url);
        Ok(CheckoutPage { id, url })
    }

    async fn checkout_outcome(&self, page: &str) -> Result<CheckoutOutcome, PaymentError> {
        let Some((_, found)) = self.read::<Page>(page).await? else { return Err(PaymentError::NotFound) };
        Ok(match found.subscription {
            Some(id) => CheckoutOutcome::Subscribed(SubscriptionRef(id)),
            None if self.to_pay(page).await?.is_some() => CheckoutOutcome::Open,
            None => CheckoutOutcome::Expired,
        })
    }

    async fn close_checkout(&self, page: &str) -> Result<(), PaymentError> {
        let close = |page: &mut Page| {
            page.closed = true;
            Ok(())
        };
        self.change_object(page, |_: &Page| None, close).await.map(drop)
    }

    async fn subscribe(&self, key: &str, wanted: &Subscribe) -> Result<Begun, PaymentError> {
        let sub = self.start(&format!("sub_{key}"), wanted.clone(), None).await?;
        let secret = || Confirmation {
            client_secret: format!("{}_secret", sub.id),
            is_for_later: sub.trial_until.is_some(),
        };
        let confirmation = sub.is_unconfirmed().then(secret);
        Ok(Begun { subscription: sub.told(self.clock.now()), confirmation })
    }

    async fn subscription(&self, id: &SubscriptionRef) -> Result<Option<Subscription>, PaymentError> {
        let Some((_, mut sub)) = self.read::<Sub>(&id.0).await? else { return Ok(None) };
        let now = self.clock.now();
        if sub.due_at().is_some_and(|due| due <= now) {
            sub = self.change_sub(&id.0, |_| Ok(())).await?;
        }
        Ok(Some(sub.told(now)))
    }

    async fn subscriptions_of(
        &self,
        _customer: &CustomerRef,
        _membership: MembershipId,
    ) -> Result<Vec<Subscription>, PaymentError> {
        // What it begins is named after the call: an answer that never came is asked for again.
        Ok(Vec::new())
    }

    async fn change(
        &self,
        key: &str,
        id: &SubscriptionRef,
        change: &Change,
    ) -> Result<Subscription, PaymentError> {
        let now = self.clock.now();
        let price = match change {
            Change::PriceNow(price) | Change::PriceAtRenewal { price, .. } => {
                let found = self.read::<NewPrice>(&price.0).await?;
                Some(found.ok_or(PaymentError::NotFound)?.1)
            }
            Change::EndAt(_) | Change::EndNow | Change::Pause | Change::Resume { .. } => None,
        };
        let once = |sub: &mut Sub| {
            if sub.done.iter().any(|done| done == key) {
                return Ok(());
            }
            made(sub, change, price.as_ref(), now)?;
            sub.done.push(key.to_owned());
            Ok(())
        };
        Ok(self.change_sub(&id.0, once).await?.told(now))
    }

    async fn preview(&self, id: &SubscriptionRef, price: &PriceRef) -> Result<Preview, PaymentError> {
        let Some((_, sub)) = self.read::<Sub>(&id.0).await? else { return Err(PaymentError::NotFound) };
        let Some((_, price)) = self.read::<NewPrice>(&price.0).await? else {
            return Err(PaymentError::NotFound);
        };
        let mut then = Sub { bills: Vec::new(), ..sub.clone() };
        let due_now = switched(&mut then, &sub, &price, self.clock.now());
        Ok(Preview { due_now, currency: price.amount.currency, renews_at: then.renews_at() })
    }

    async fn refund(&self, key: &str, invoice: &str, amount: i64) -> Result<(), PaymentError> {
        let id = invoice.strip_prefix("in_").and_then(|rest| rest.rsplit_once('_'));
        let (id, _number) = id.ok_or(PaymentError::NotFound)?;
        let now = self.clock.now();
        let back = |sub: &mut Sub| {
            if sub.done.iter().any(|done| done == key) {
                return Ok(());
            }
            sub.done.push(key.to_owned());
            let bill = sub.bills.iter_mut().find(|bill| bill.id == invoice).ok_or(PaymentError::NotFound)?;
            if bill.status < ChargeStatus::Paid || bill.refunded + amount > bill.amount.minor {
                return Err(PaymentError::Rejected("more than was paid".to_owned()));
            }
            bill.refunded += amount;
            if bill.refunded == bill.amount.minor {
                (bill.status, bill.back_at) = (ChargeStatus::Refunded, Some(now));
            }
            Ok(())
        };
        self.change_sub(id, back).await.map(drop)
    }

    async fn payer(&self, _payment: &str) -> Result<Option<CustomerRef>, PaymentError> {
        // It tells whose membership to look up, not which payment.
        Ok(None)
    }

    async fn portal(&self, _customer: &CustomerRef, back_to: &str) -> Result<String, PaymentError> {
        Ok(back_to.to_owned())
    }
}

fn made(sub: &mut Sub, change: &Change, price: Option<&NewPrice>, now: Instant) -> Result<(), PaymentError> {
    match (change, price) {
        (Change::EndNow, _) => sub.end(now),
        _ if sub.ended_at.is_some() => return Err(PaymentError::Rejected("it has ended".to_owned())),
        (Change::EndAt(at), _) => sub.ends_at = *at,
        (Change::Pause, _) => sub.paused = true,
        (Change::Resume { renews_at }, _) => {
            sub.paused = false;
            sub.renew_at(*renews_at);
        }
        (Change::PriceNow(to), Some(price)) => {
            let before = sub.clone();
            switched(sub, &before, price, now);
            sub.price = to.clone();
            if !sub.try_last(now) {
                *sub = before;
                return Err(PaymentError::Declined);
            }
        }
        (Change::PriceAtRenewal { price: to, renews_at }, Some(price)) => {
            (sub.price, sub.amount, sub.billed) = (to.clone(), price.amount, price.billed);
            sub.renew_at(*renews_at);
        }
        (Change::PriceNow(_) | Change::PriceAtRenewal { .. }, None) => return Err(PaymentError::NotFound),
    }
    Ok(())
}

/// Changes to another price now and bills the difference: what is left of the period, by time; a new period, if it is paid
/// in other intervals. Answers what is billed.
fn switched(sub: &mut Sub, before: &Sub, price: &NewPrice, now: Instant) -> i64 {
    let renews_at = before.renews_at();
    let last = before.bills.iter().rev().find(|bill| bill.until == renews_at);
    let (from, until) = last.map_or((now, renews_at), |bill| (bill.from, bill.until));
    let share = |amount: i64| {
        let left = i128::from((until - now).num_seconds().max(0));
        let whole = i128::from((until - from).num_seconds().max(1));
        i64::try_from(i128::from(amount) * left / whole).unwrap_or_default()
    };
    let unused =
        if before.trial_until.is_some_and(|trial| now < trial) { 0 } else { share(before.amount.minor) };
    let same_interval = before.billed == price.billed;
    (sub.amount, sub.billed) = (price.amount, price.billed);
    if same_interval && unused == 0 {
        return 0;
    }
    if !same_interval {
        sub.renew_at(now);
        sub.periods = 1;
    }
    let due = if same_interval { share(price.amount.minor) } else { price.amount.minor } - unused;
    let due = due.max(0);
    if due > 0 {
        let until = sub.renews_at();
        sub.bill_for(Money { minor: due, currency: price.amount.currency }, now, until, now);
    }
    due
}
