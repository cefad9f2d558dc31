//! Customers, products and prices. A product has our name for its id, and a price has one for its look-up key: there is one
//! of each, whatever became of the answers.

use std::collections::HashMap;

use sea_orm::ActiveEnum;
use stripe::StripeRequest;
use stripe_core::customer::{CreateCustomer, ListCustomer};
use stripe_product::price::{CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, ListPrice};
use stripe_product::product::{CreateProduct, RetrieveProduct, UpdateProduct};

use super::errors::{failure, once};
use super::{Stripe, amounts};
use crate::billing::payments::{CustomerRef, NewCustomer, NewPrice, PaymentError, PriceRef};
use entity::membership_plan::Interval;

/// Whom a customer of Stripe's is here.
const CUSTOMER: &str = "customer_id";

impl Stripe {
    pub(super) async fn customer(
        &self,
        key: &str,
        wanted: &NewCustomer,
    ) -> Result<CustomerRef, PaymentError> {
        let id = wanted.customer.0.to_string();
        let mut request = CreateCustomer::new().metadata(HashMap::from([(CUSTOMER.to_owned(), id.clone())]));
        if let Some(email) = &wanted.email {
            request = request.email(email);
        }
        if let Some(name) = &wanted.name {
            request = request.name(name);
        }
        let made = request.customize().request_strategy(once(key, "")?).send(&self.client).await;
        match (made.map_err(failure), &wanted.email) {
            (Ok(made), _) => Ok(CustomerRef(made.id.to_string())),
            (Err(error @ PaymentError::Unavailable { .. }), Some(email)) => {
                let known = ListCustomer::new().email(email).limit(100).send(&self.client).await;
                let of_theirs = |known: &stripe_shared::Customer| {
                    known.metadata.as_ref().and_then(|metadata| metadata.get(CUSTOMER)) == Some(&id)
                };
                let known = known.map_err(failure)?.data.into_iter().find(of_theirs);
                known.map(|known| CustomerRef(known.id.to_string())).ok_or(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    pub(super) async fn price(&self, key: &str, wanted: &NewPrice) -> Result<PriceRef, PaymentError> {
        let product = self.product(key, wanted).await?;
        let lookup_key = format!(
            "{product}-{}-{}-{}",
            wanted.amount.currency,
            wanted.amount.minor,
            wanted.billed.to_value()
        )
        .to_lowercase();
        if let Some(known) = self.known_price(&lookup_key).await? {
            return Ok(known);
        }
        let interval = match wanted.billed {
            Interval::Month => CreatePriceRecurringInterval::Month,
            Interval::Year => CreatePriceRecurringInterval::Year,
        };
        let request = CreatePrice::new(amounts::named(wanted.amount.currency)?)
            .product(product)
            .unit_amount(amounts::theirs(wanted.amount.minor, wanted.amount.currency)?)
            .recurring(CreatePriceRecurring::new(interval))
            .lookup_key(&lookup_key);
        let made = request.customize().request_strategy(once(key, "price")?).send(&self.client).await;
        match made.map_err(failure) {
            Ok(made) => Ok(PriceRef(made.id.to_string())),
            // Of two that are made at once, the other one has the key.
            Err(error) => self.known_price(&lookup_key).await?.ok_or(error),
        }
    }

    async fn known_price(&self, lookup_key: &str) -> Result<Option<PriceRef>, PaymentError> {
        let listed = ListPrice::new().lookup_keys([lookup_key.to_owned()]).active(true);
        let listed = listed.send(&self.client).await.map_err(failure)?;
        Ok(listed.data.first().map(|price| PriceRef(price.id.to_string())))
    }

    /// The product of a plan, called what the plan is called.
    async fn product(&self, key: &str, wanted: &NewPrice) -> Result<String, PaymentError> {
        let id = format!("regulars-{}", wanted.plan.0);
        match RetrieveProduct::new(id.clone()).send(&self.client).await.map_err(failure) {
            Ok(known) if known.name == wanted.name => {}
            Ok(_) => {
                let renamed = UpdateProduct::new(id.clone()).name(&wanted.name);
                renamed.send(&self.client).await.map_err(failure)?;
            }
            Err(PaymentError::NotFound) => {
                let request = CreateProduct::new(&wanted.name).id(&id);
                let made =
                    request.customize().request_strategy(once(key, "product")?).send(&self.client).await;
                if let Err(error) = made.map_err(failure) {
                    let known = RetrieveProduct::new(id.clone()).send(&self.client).await;
                    known.map_err(|_absent| error)?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(id)
    }
}
