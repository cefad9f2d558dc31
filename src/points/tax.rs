//! The tax inside the prices of goods, per rate, where points pay part of them. Pure.
//!
//! As a discount, what points pay lowers the price on which tax is due: of each line by its share. As a tender it is paid
//! like money, and tax is due on the whole price. The tax of a rate is computed once from all that has that rate, and
//! rounded half up; what is taxable is the rest: so they add up to what is paid.

use std::collections::BTreeMap;

use entity::order::RedemptionTax;

use crate::money::Rate;

/// A line with tax inside its total.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaxedLine {
    /// Minor units after discount.
    pub(crate) line_total: i64,
    /// Minor units of it that points pay.
    pub(crate) redeemed_value: i64,
    /// Ten-thousandths; none if the shop did not say.
    pub(crate) tax_rate: Option<i32>,
}

/// What is due at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateTax {
    /// Ten-thousandths; none for lines of which the shop did not say.
    pub(crate) rate: Option<i32>,
    /// Minor units without the tax.
    pub(crate) taxable: i64,
    /// Minor units.
    pub(crate) tax: i64,
}

/// The tax of `lines` by rate, lowest first; lines without a rate come before, with no tax.
pub(crate) fn taxes(lines: impl IntoIterator<Item = TaxedLine>, how: RedemptionTax) -> Vec<RateTax> {
    let mut prices: BTreeMap<Option<i32>, i64> = BTreeMap::new();
    for line in lines {
        let discount = match how {
            RedemptionTax::Discount => line.redeemed_value,
            RedemptionTax::Tender => 0,
        };
        *prices.entry(line.tax_rate).or_default() += line.line_total - discount;
    }
    let of_rate = |(rate, price): (Option<i32>, i64)| {
        let tax = rate.map_or(0, |rate| tax_inside(price, rate));
        RateTax { rate, taxable: price - tax, tax }
    };
    prices.into_iter().map(of_rate).collect()
}

/// The tax inside `price`, rounded half up: price × rate ÷ (1 + rate).
fn tax_inside(price: i64, rate: i32) -> i64 {
    let (price, rate) = (i128::from(price), i128::from(rate));
    let whole = i128::from(Rate::SCALE) + rate;
    let tax = (2 * price * rate + whole) / (2 * whole);
    i64::try_from(tax).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::{Money, spread};

    /// Lines of these totals and rates, of which points pay `value` in proportion.
    fn paid(lines: &[(i64, i32)], value: i64) -> Vec<TaxedLine> {
        let totals: Vec<i64> = lines.iter().map(|(total, _)| *total).collect();
        let line = |(&(line_total, rate), redeemed_value): (&(i64, i32), i64)| TaxedLine {
            line_total,
            redeemed_value,
            tax_rate: Some(rate),
        };
        lines.iter().zip(spread(value, &totals)).map(line).collect()
    }

    /// Rate, taxable and tax.
    fn told(lines: &[(i64, i32)], value: i64, how: RedemptionTax) -> Vec<(i32, i64, i64)> {
        let taxes = taxes(paid(lines, value), how);
        taxes.into_iter().map(|of| (of.rate.unwrap(), of.taxable, of.tax)).collect()
    }

    #[test]
    fn a_discount_lowers_what_is_taxable_at_each_rate_in_proportion() {
        // € 121.00 with 21 % and € 109.00 with 9 % inside; points pay € 46.00 of € 230.00, a fifth of each:
        // € 96.80 = 80.00 + 16.80 and € 87.20 = 80.00 + 7.20.
        let goods = [(12_100, 2_100), (10_900, 900)];
        let discount = told(&goods, 4_600, RedemptionTax::Discount);
        assert_eq!(discount, [(900, 8_000, 720), (2_100, 8_000, 1_680)]);
        assert_eq!(discount.iter().map(|(_, taxable, tax)| taxable + tax).sum::<i64>(), 23_000 - 4_600);
        let tender = told(&goods, 4_600, RedemptionTax::Tender);
        assert_eq!(tender, [(900, 10_000, 900), (2_100, 10_000, 2_100)]);
    }

    #[test]
    fn tax_is_rounded_half_up_once_for_all_lines_of_a_rate() {
        // Three times € 0.10 with 21 % inside: 30 × 21 ÷ 121 = 5.21, and not three times 1.74 rounded to 2.
        assert_eq!(
            told(&[(10, 2_100), (10, 2_100), (10, 2_100)], 0, RedemptionTax::Discount),
            [(2_100, 25, 5)]
        );
        // 4 × 0.6 ÷ 1.6 = 1.5.
        assert_eq!(told(&[(4, 6_000)], 0, RedemptionTax::Tender), [(6_000, 2, 2)]);
    }

    #[test]
    fn yen_have_no_and_dinars_three_decimals() {
        // ¥ 1100 with 10 % and ¥ 1080 with 8 %; ¥ 100 of 2180 are 50.46 and 49.54, the larger remainder gets the odd one:
        // 1050 × 10 ÷ 110 = 95.45 and 1030 × 8 ÷ 108 = 76.30.
        let yen = told(&[(1_100, 1_000), (1_080, 800)], 100, RedemptionTax::Discount);
        assert_eq!(yen, [(800, 954, 76), (1_000, 955, 95)]);
        // 10.001 dinars with 10 %, 1.000 paid with points: 9.001 × 10 ÷ 110 = 0.81827.
        assert_eq!(told(&[(10_001, 1_000)], 1_000, RedemptionTax::Discount), [(1_000, 8_183, 818)]);
    }

    #[test]
    fn lines_without_a_rate_are_told_without_tax() {
        let line = TaxedLine { line_total: 500, redeemed_value: 100, tax_rate: None };
        let taxes = taxes([line], RedemptionTax::Discount);
        assert_eq!(taxes, [RateTax { rate: None, taxable: 400, tax: 0 }]);
    }

    proptest! {
        #[test]
        fn what_is_told_per_rate_adds_up_to_what_is_paid(
            lines in proptest::collection::vec((0..=Money::MAX_MINOR, 0..=10_000_i32), 1..30),
            percent in 0..=100_i64,
        ) {
            let total: i64 = lines.iter().map(|(total, _)| total).sum();
            let value = total / 100 * percent;
            for (how, due) in [(RedemptionTax::Discount, total - value), (RedemptionTax::Tender, total)] {
                let told = told(&lines, value, how);
                prop_assert_eq!(told.iter().map(|(_, taxable, tax)| taxable + tax).sum::<i64>(), due);
                prop_assert!(told.iter().all(|(_, taxable, tax)| *taxable >= 0 && *tax >= 0));
            }
        }
    }
}
