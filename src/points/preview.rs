//! What a cart would earn and what points would pay of it, computed as an order would be, without writing. Pure.

use super::programme::Programme;
use super::rules::{floor_to_multiple, line_points, most_points_for, value_of};
use crate::money::{Currency, spread};

/// A line of a cart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CartLine {
    /// Minor units after discount.
    pub(crate) total: i64,
    /// Ten-thousandths of tax inside the total.
    pub(crate) tax_rate: Option<i32>,
}

/// What an order of the cart would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preview {
    /// What each line would earn.
    pub(crate) earned: Vec<i32>,
    /// Points that would be taken.
    pub(crate) redeemed: i64,
    /// Minor units that they pay.
    pub(crate) value: i64,
}

/// Previews a cart on which up to `wanted` of `available` points are to be redeemed; who is unknown is taken to have as
/// many as they want.
pub(crate) fn preview(
    programme: &Programme,
    currency: Currency,
    lines: &[CartLine],
    wanted: i64,
    available: Option<i64>,
) -> Preview {
    let totals: Vec<i64> = lines.iter().map(|line| line.total).collect();
    let (redeemed, value) = match programme.redemption_rate(currency) {
        Some(per_unit) => {
            let most = most_points_for(programme, totals.iter().sum(), currency, per_unit);
            let applied = floor_to_multiple(wanted.min(most).min(available.unwrap_or(i64::MAX)), programme);
            let taken = if applied < i64::from(programme.redemption_minimum) { 0 } else { applied };
            (taken, value_of(taken, currency, per_unit))
        }
        None => (0, 0),
    };
    let shares = spread(value, &totals);
    let earned = lines
        .iter()
        .zip(shares)
        .map(|(line, share)| line_points(programme, currency, line.total, share, line.tax_rate))
        .collect();
    Preview { earned, redeemed, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: [CartLine; 2] =
        [CartLine { total: 6_000, tax_rate: Some(900) }, CartLine { total: 4_000, tax_rate: None }];

    #[test]
    fn points_pay_up_to_the_cap_and_what_they_pay_earns_nothing() {
        let half = Programme { redemption_cap_percent: 50, ..Programme::default() };
        // Half of € 100 is € 50, at 100 points a euro 5,000 points; € 30 of line 1 and € 20 of line 2.
        let found = preview(&half, Currency::EUR, &CART, 9_999, Some(8_000));
        assert_eq!(found, Preview { earned: vec![30, 20], redeemed: 5_000, value: 5_000 });
    }

    #[test]
    fn less_than_the_minimum_redeems_nothing() {
        let least = Programme { redemption_minimum: 500, ..Programme::default() };
        let found = preview(&least, Currency::EUR, &CART, 9_999, Some(499));
        assert_eq!(found, Preview { earned: vec![60, 40], redeemed: 0, value: 0 });
    }

    #[test]
    fn a_currency_without_a_rate_takes_no_points_and_still_earns() {
        let yen: Currency = "JPY".parse().unwrap();
        let found = preview(&Programme::default(), yen, &CART, 100, None);
        assert_eq!(found, Preview { earned: vec![6_000, 4_000], redeemed: 0, value: 0 });
    }
}
