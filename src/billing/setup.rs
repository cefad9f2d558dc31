//! Who takes the money, as a process is told at its start.

use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::payments::Payments;
use super::sandbox::Sandbox;
use super::stripe::Stripe;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::db::Db;

/// Who takes payments for memberships.
#[derive(Clone, Debug, Args)]
pub struct PaymentArgs {
    /// Who takes payments for memberships; by default Stripe if there is a key for it, else the sandbox in development and
    /// nobody in production
    #[arg(long, env = "REGULARS_PAYMENTS", value_enum)]
    pub payments: Option<PaidThrough>,
    /// Secret key of the shop's Stripe account, `sk_live_…` or `sk_test_…`; restricted keys, `rk_…`, do as well
    #[arg(long, env = "REGULARS_STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<SecretString>,
    /// Signing secrets of Stripe's webhook endpoint, which is /webhooks/stripe here; two while one replaces the other
    #[arg(long, env = "REGULARS_STRIPE_WEBHOOK_SECRETS", value_delimiter = ',', hide_env_values = true)]
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// Where Stripe's API is; another place than its own in development only
    #[arg(long, env = "REGULARS_STRIPE_URL", default_value = "https://api.stripe.com/")]
    pub stripe_url: Url,
}

/// Who takes payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaidThrough {
    /// Stripe.
    Stripe,
    /// Nobody: no money moves.
    Sandbox,
    /// Nobody: memberships cannot be joined.
    Nobody,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub enum PaymentConfig {
    /// Through Stripe.
    Stripe(StripeConfig),
    /// In a sandbox.
    Sandbox,
    /// Not at all.
    Nobody,
}

/// How Stripe is reached, and how it is known.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// Of the shop's account.
    pub secret_key: SecretString,
    /// Of the webhook endpoint: any of them will do.
    pub webhook_secrets: Vec<SecretString>,
    /// Of its API.
    pub url: Url,
    /// Whether money moves.
    pub is_live: bool,
}

impl PaymentArgs {
    /// Checks that the parts go together.
    pub(crate) fn check(self, mode: Mode) -> anyhow::Result<PaymentConfig> {
        let by_default = match (self.stripe_secret_key.is_some(), mode) {
            (true, _) => PaidThrough::Stripe,
            (false, Mode::Development) => PaidThrough::Sandbox,
            (false, Mode::Production) => PaidThrough::Nobody,
        };
        match self.payments.unwrap_or(by_default) {
            PaidThrough::Nobody => Ok(PaymentConfig::Nobody),
            PaidThrough::Sandbox => {
                if mode == Mode::Production {
                    tracing::warn!("payments go to the sandbox: memberships are given away");
                }
                Ok(PaymentConfig::Sandbox)
            }
            PaidThrough::Stripe => self.stripe(mode).map(PaymentConfig::Stripe),
        }
    }

    fn stripe(self, mode: Mode) -> anyhow::Result<StripeConfig> {
        let secret_key =
            self.stripe_secret_key.context("payments through Stripe need REGULARS_STRIPE_SECRET_KEY")?;
        let key = secret_key.expose_secret();
        let is =
            |kind: &str| key.starts_with(&format!("sk_{kind}_")) || key.starts_with(&format!("rk_{kind}_"));
        let is_live = is("live");
        ensure!(
            is_live || is("test"),
            "REGULARS_STRIPE_SECRET_KEY is to begin with sk_live_, sk_test_ or rk_"
        );
        ensure!(
            !self.stripe_webhook_secrets.is_empty(),
            "payments through Stripe need REGULARS_STRIPE_WEBHOOK_SECRETS: without its events nothing is known in time"
        );
        let is_its_own = self.stripe_url.as_str() == "https://api.stripe.com/";
        ensure!(is_its_own || mode == Mode::Development, "production reaches Stripe where it is");
        ensure!(is_its_own || !is_live, "a live key is shown to Stripe only");
        if !is_live && mode == Mode::Production {
            tracing::warn!("payments are made with a test key: memberships are given away");
        }
        let (webhook_secrets, url) = (self.stripe_webhook_secrets, self.stripe_url);
        Ok(StripeConfig { secret_key, webhook_secrets, url, is_live })
    }
}

/// Who takes the money.
#[derive(Clone, Debug, Default)]
pub(crate) struct Till {
    /// None, if nobody does.
    pub(crate) payments: Option<Arc<dyn Payments>>,
    /// The same, if it is the sandbox.
    pub(crate) sandbox: Option<Sandbox>,
}

/// Whom the configuration names.
pub(crate) fn till(config: &Config, db: &Db, clock: &Clock) -> anyhow::Result<Till> {
    match &config.payments {
        PaymentConfig::Nobody => Ok(Till::default()),
        PaymentConfig::Sandbox => {
            let sandbox = Sandbox::new(db.clone(), clock.clone(), config.public_url.clone());
            Ok(Till { payments: Some(Arc::new(sandbox.clone())), sandbox: Some(sandbox) })
        }
        PaymentConfig::Stripe(config) => {
            Ok(Till { payments: Some(Arc::new(Stripe::new(config)?)), sandbox: None })
        }
    }
}
