//! Stripe's minor units are those of ISO 4217, but for a few currencies (<https://docs.stripe.com/currencies#special-cases>).

use crate::billing::payments::PaymentError;
use crate::money::{Currency, Money};

/// How many of Stripe's minor units one of ours is.
fn factor(currency: Currency) -> i64 {
    match currency.code() {
        // Without decimals, but told with two.
        "ISK" | "UGX" => 100,
        _ => 1,
    }
}

/// In Stripe's minor units.
pub(super) fn theirs(amount: i64, currency: Currency) -> Result<i64, PaymentError> {
    let too_large = || PaymentError::Rejected("an amount that is too large".to_owned());
    amount.checked_mul(factor(currency)).ok_or_else(too_large)
}

/// In our minor units, rounded down.
pub(super) fn ours(amount: i64, currency: Currency) -> Money {
    Money { minor: amount.div_euclid(factor(currency)), currency }
}

/// What we call a currency of Stripe's.
pub(super) fn known(currency: &stripe_types::Currency) -> Result<Currency, PaymentError> {
    let code = currency.to_string().to_uppercase();
    code.parse().map_err(|_unknown| super::undecodable("a currency that we do not know"))
}

/// What Stripe calls a currency.
pub(super) fn named(currency: Currency) -> Result<stripe_types::Currency, PaymentError> {
    let unknown = |_| PaymentError::Rejected("a currency that Stripe does not know".to_owned());
    currency.code().to_lowercase().parse().map_err(unknown)
}
