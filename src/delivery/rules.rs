//! What shipping costs, and where postal codes are. Pure.

use entity::shipping_method::ShippingBasis;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::customers::country::CountryCode;
use crate::money::Currency;

/// A step of what a method costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rate {
    /// Where it is for; for all countries that no other rate in its currency names, if empty.
    pub(crate) countries: Vec<CountryCode>,
    /// What its amounts are in.
    pub(crate) currency: Currency,
    /// From so many grams, or minor units of the goods, on.
    pub(crate) from: i64,
    /// Minor units.
    pub(crate) price: i64,
    /// Costs nothing from so many minor units of the goods on.
    pub(crate) free_from: Option<i64>,
}

/// What a method costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tariff {
    pub(crate) basis: ShippingBasis,
    pub(crate) rates: Vec<Rate>,
}

/// What is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) country: CountryCode,
    /// What its value is in.
    pub(crate) currency: Currency,
    /// Grams.
    pub(crate) weight: i64,
    /// Minor units of the goods.
    pub(crate) value: i64,
}

impl Tariff {
    /// What it costs to deliver `parcel`, in minor units; none if that is not offered there.
    pub(crate) fn price(&self, parcel: &Parcel) -> Option<i64> {
        let amount = match self.basis {
            ShippingBasis::Flat => 0,
            ShippingBasis::Weight => parcel.weight,
            ShippingBasis::Value => parcel.value,
        };
        let in_currency = || self.rates.iter().filter(|rate| rate.currency == parcel.currency);
        let is_named = in_currency().any(|rate| rate.countries.contains(&parcel.country));
        let is_for = |rate: &&Rate| {
            if is_named { rate.countries.contains(&parcel.country) } else { rate.countries.is_empty() }
        };
        let step =
            in_currency().filter(is_for).filter(|rate| rate.from <= amount).max_by_key(|rate| rate.from)?;
        let is_free = step.free_from.is_some_and(|least| least <= parcel.value);
        Some(if is_free { 0 } else { step.price })
    }
}

/// Somewhere in a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Area {
    #[serde(deserialize_with = "read_country")]
    pub(crate) country: CountryCode,
    /// What the postal codes there begin with, as [`postal`] writes them; the whole country, if none.
    pub(crate) prefixes: Vec<String>,
}

fn read_country<'de, D: Deserializer<'de>>(from: D) -> Result<CountryCode, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// A postal code, or how some begin, without blanks and in capitals: `1012 ab` is `1012AB`.
pub(crate) fn postal(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect()
}

/// All that areas can say of how this postal code begins, from nothing to the whole of it.
pub(crate) fn beginnings(code: Option<&str>) -> Vec<String> {
    let code = postal(code.unwrap_or_default());
    let ends = code.char_indices().map(|(at, _)| at).chain([code.len()]);
    ends.map(|end| code[..end].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn country(code: &str) -> CountryCode {
        code.parse().unwrap()
    }

    fn rate(countries: &[&str], from: i64, price: i64) -> Rate {
        let countries = countries.iter().map(|code| country(code)).collect();
        Rate { countries, currency: Currency::EUR, from, price, free_from: None }
    }

    fn parcel(code: &str, weight: i64, value: i64) -> Parcel {
        Parcel { country: country(code), currency: Currency::EUR, weight, value }
    }

    fn tariff(basis: ShippingBasis, rates: Vec<Rate>) -> Tariff {
        Tariff { basis, rates }
    }

    #[test]
    fn a_step_begins_with_its_own_weight_or_value() {
        let rates = vec![rate(&["NL"], 0, 495), rate(&["NL"], 2_000, 695), rate(&["NL"], 10_000, 1_295)];
        let by_weight = tariff(ShippingBasis::Weight, rates.clone());
        let by_value = tariff(ShippingBasis::Value, rates.clone());
        let flat = tariff(ShippingBasis::Flat, rates[..1].to_vec());
        for (amount, price) in [(0, 495), (1_999, 495), (2_000, 695), (9_999, 695), (10_000, 1_295)] {
            assert_eq!(by_weight.price(&parcel("NL", amount, 5)), Some(price), "{amount} g");
            assert_eq!(by_value.price(&parcel("NL", 5, amount)), Some(price), "{amount} cents");
            assert_eq!(flat.price(&parcel("NL", amount, amount)), Some(495));
        }
    }

    #[test]
    fn a_country_that_is_named_has_its_own_rates_only_and_the_others_those_of_the_rest() {
        let rates = vec![rate(&["NL", "BE"], 1_000, 495), rate(&[], 0, 1_495)];
        let method = tariff(ShippingBasis::Weight, rates);
        assert_eq!(method.price(&parcel("BE", 1_000, 0)), Some(495));
        // Too light for the rates of the Netherlands: what the rest pays is not for them.
        assert_eq!(method.price(&parcel("NL", 999, 0)), None);
        assert_eq!(method.price(&parcel("GB", 999, 0)), Some(1_495));
        let at_home = tariff(ShippingBasis::Flat, vec![rate(&["NL"], 0, 495)]);
        assert_eq!(at_home.price(&parcel("GB", 0, 0)), None);
        let dollars = Parcel { currency: "USD".parse().unwrap(), ..parcel("NL", 0, 0) };
        assert_eq!(at_home.price(&dollars), None);
    }

    #[test]
    fn it_costs_nothing_from_the_value_that_the_step_names() {
        let free = Rate { free_from: Some(5_000), ..rate(&["NL"], 0, 495) };
        let heavy = rate(&["NL"], 10_000, 1_295);
        let method = tariff(ShippingBasis::Weight, vec![free, heavy]);
        assert_eq!(method.price(&parcel("NL", 0, 4_999)), Some(495));
        assert_eq!(method.price(&parcel("NL", 0, 5_000)), Some(0));
        assert_eq!(method.price(&parcel("NL", 10_000, 5_000)), Some(1_295));
    }

    #[test]
    fn postal_codes_are_told_without_blanks_and_in_capitals() {
        assert_eq!([postal(" 1012 ab"), postal("1000"), postal("sw1a 1aa")], ["1012AB", "1000", "SW1A1AA"]);
        assert_eq!(beginnings(Some("10 é")), ["", "1", "10", "10É"]);
        assert_eq!(beginnings(None), [""]);
        assert_eq!(beginnings(Some(" ")), [""]);
    }

    proptest! {
        #[test]
        fn what_is_heavier_never_costs_less_if_the_steps_rise(
            steps in prop::collection::btree_map(0_i64..20_000, 0_i64..500, 1..20),
            weights in (0_i64..25_000, 0_i64..25_000),
        ) {
            let mut price = 0;
            let rates: Vec<Rate> = steps
                .iter()
                .map(|(from, more)| {
                    price += more;
                    rate(&["NL"], *from, price)
                })
                .collect();
            let method = tariff(ShippingBasis::Weight, rates.iter().rev().cloned().collect());
            let (light, heavy) = (weights.0.min(weights.1), weights.0.max(weights.1));
            let of = |weight| method.price(&parcel("NL", weight, 0));
            prop_assert!(of(light) <= of(heavy));
            // Offered from the first step on, and each step includes where it begins.
            prop_assert_eq!(of(light).is_some(), rates[0].from <= light);
            for rate in &rates {
                prop_assert_eq!(of(rate.from), Some(rate.price));
            }
        }
    }
}
