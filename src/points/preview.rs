//! What points would pay of a cart, computed as an order would be, without writing. Pure.

use super::programme::Programme;
use super::rules::{floor_to_multiple, most_points_for, value_of};
use crate::money::{Currency, spread};

/// What points would pay of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Points that would be taken.
    pub points: i64,
    /// Minor units that they pay.
    pub value: i64,
    /// Minor units of it on each line.
    pub by_line: Vec<i64>,
}

/// Previews a cart of lines with these totals on which up to `wanted` of `available` points are to be redeemed; who is
/// unknown is taken to have as many as they want.
pub fn redeemed(
    programme: &Programme,
    currency: Currency,
    totals: &[i64],
    wanted: i64,
    available: Option<i64>,
) -> Redeemed {
    let (points, value) = match programme.redemption_rate(currency) {
        Some(per_unit) => {
            let most = most_points_for(programme, totals.iter().sum(), currency, per_unit);
            let applied = floor_to_multiple(wanted.min(most).min(available.unwrap_or(i64::MAX)), programme);
            let taken = if applied < i64::from(programme.redemption_minimum) { 0 } else { applied };
            (taken, value_of(taken, currency, per_unit))
        }
        None => (0, 0),
    };
    Redeemed { points, value, by_line: spread(value, totals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: [i64; 2] = [6_000, 4_000];

    #[test]
    fn points_pay_up_to_the_cap_over_the_lines_in_proportion() {
        let half = Programme { redemption_cap_percent: 50, ..Programme::default() };
        // Half of € 100 is € 50, at 100 points a euro 5,000 points; € 30 of line 1 and € 20 of line 2.
        let found = redeemed(&half, Currency::EUR, &CART, 9_999, Some(8_000));
        assert_eq!(found, Redeemed { points: 5_000, value: 5_000, by_line: vec![3_000, 2_000] });
    }

    #[test]
    fn less_than_the_minimum_redeems_nothing() {
        let least = Programme { redemption_minimum: 500, ..Programme::default() };
        let found = redeemed(&least, Currency::EUR, &CART, 9_999, Some(499));
        assert_eq!(found, Redeemed { points: 0, value: 0, by_line: vec![0, 0] });
    }

    #[test]
    fn a_currency_without_a_rate_takes_no_points() {
        let yen: Currency = "JPY".parse().unwrap();
        let found = redeemed(&Programme::default(), yen, &CART, 100, None);
        assert_eq!(found, Redeemed { points: 0, value: 0, by_line: vec![0, 0] });
    }
}
