//! What a coupon gives and for which carts, and why it cannot be used. Pure.

use std::collections::BTreeSet;

use entity::{Instant, coupon};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::memberships::plans::Plan;
use crate::money::{Currency, Rate, spread};

/// Categories or skus of one coupon.
const MOST_VALUES: usize = 500;

/// What a coupon gives, and for which carts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    pub(crate) discount: Discount,
    /// Lines of any of these categories; of all, if empty.
    #[serde(default)]
    pub(crate) categories: BTreeSet<String>,
    /// Lines with any of these skus; with any, if empty.
    #[serde(default)]
    pub(crate) skus: BTreeSet<String>,
    /// The lines must add up to so much; minor units and currency.
    #[serde(default)]
    pub(crate) minimum: Option<(i64, String)>,
    /// Codes of plans: for whoever has any of them; for everybody, if empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) plans: BTreeSet<String>,
    /// Whether points may pay part of the same order.
    pub(crate) with_points: bool,
    /// Whether a cancelled order gives it back.
    pub(crate) back_on_cancel: bool,
}

/// What a coupon takes off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Discount {
    /// This share of the lines it is for, up to one.
    Percent(Rate),
    /// So much of the lines it is for; minor units and currency.
    Amount(i64, String),
    /// The shipping.
    FreeShipping,
}

/// Why a coupon cannot be used: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Refusal {
    NotFound,
    NotStarted,
    Expired,
    LimitReached,
    CustomerLimitReached,
    MinimumNotMet,
    WrongCustomer,
    NotCombinable,
    CartDoesNotMatch,
    MembersOnly,
}

/// A cart or an order, as coupons look at it.
#[derive(Clone, Debug)]
pub(crate) struct Cart {
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<CartLine>,
    /// Minor units.
    pub(crate) shipping: i64,
    /// Whether points pay part of it.
    pub(crate) with_points: bool,
}

/// A line of it.
#[derive(Clone, Debug)]
pub(crate) struct CartLine {
    pub(crate) sku: String,
    pub(crate) categories: Vec<String>,
    /// Minor units.
    pub(crate) total: i64,
}

/// What a coupon takes off a cart, in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) by_line: Vec<i64>,
    pub(crate) of_shipping: i64,
}

impl Taken {
    pub(crate) fn sum(&self) -> i64 {
        self.by_line.iter().sum::<i64>() + self.of_shipping
    }
}

impl Refusal {
    /// As the database and clients have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::NotStarted => "NOT_STARTED",
            Self::Expired => "EXPIRED",
            Self::LimitReached => "LIMIT_REACHED",
            Self::CustomerLimitReached => "CUSTOMER_LIMIT_REACHED",
            Self::MinimumNotMet => "MINIMUM_NOT_MET",
            Self::WrongCustomer => "WRONG_CUSTOMER",
            Self::NotCombinable => "NOT_COMBINABLE",
            Self::CartDoesNotMatch => "CART_DOES_NOT_MATCH",
            Self::MembersOnly => "MEMBERS_ONLY",
        }
    }

    /// For whoever tried it.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "There is no such coupon.",
            Self::NotStarted => "The coupon cannot be used yet.",
            Self::Expired => "The coupon has expired.",
            Self::LimitReached => "The coupon has been used as often as it may be.",
            Self::CustomerLimitReached => "You have used the coupon as often as you may.",
            Self::MinimumNotMet => "The cart does not cost enough for the coupon.",
            Self::WrongCustomer => "The coupon is somebody else's.",
            Self::NotCombinable => "The coupon cannot be used together with points.",
            Self::CartDoesNotMatch => "Nothing in the cart is what the coupon is for.",
            Self::MembersOnly => "The coupon is for members of a plan that you do not have.",
        }
    }
}

/// Whether `owner`, if it is known, may use the coupon at `now`, as far as time and person go.
pub(crate) fn may_use(coupon: &coupon::Model, owner: Option<Uuid>, now: Instant) -> Result<(), Refusal> {
    if coupon.customer_id.is_some_and(|customer| Some(customer.0) != owner) {
        return Err(Refusal::WrongCustomer);
    }
    if coupon.starts_at.is_some_and(|starts| now < starts) {
        return Err(Refusal::NotStarted);
    }
    if coupon.disabled_at.is_some() || coupon.ends_at.is_some_and(|ends| ends <= now) {
        return Err(Refusal::Expired);
    }
    Ok(())
}

impl Terms {
    /// What it takes off `cart`: a share is rounded down, and what it comes to is spread over the lines by what they cost.
    pub(crate) fn apply(&self, cart: &Cart) -> Result<Taken, Refusal> {
        if cart.with_points && !self.with_points {
            return Err(Refusal::NotCombinable);
        }
        let code = cart.currency.code();
        let total: i64 = cart.lines.iter().map(|line| line.total).sum();
        if self.minimum.as_ref().is_some_and(|(least, currency)| currency != code || total < *least) {
            return Err(Refusal::MinimumNotMet);
        }
        let of_line = |line: &CartLine| if self.is_for(line) { line.total } else { 0 };
        let weights: Vec<i64> = cart.lines.iter().map(of_line).collect();
        let whole: i64 = weights.iter().sum();
        if !cart.lines.iter().any(|line| self.is_for(line)) {
            return Err(Refusal::CartDoesNotMatch);
        }
        let off = match &self.discount {
            Discount::FreeShipping => {
                return Ok(Taken { by_line: vec![0; cart.lines.len()], of_shipping: cart.shipping });
            }
            Discount::Percent(share) => {
                let off = i128::from(whole) * i128::from(share.ten_thousandths()) / i128::from(Rate::SCALE);
                i64::try_from(off).unwrap_or(whole)
            }
            Discount::Amount(_, currency) if currency != code => return Err(Refusal::CartDoesNotMatch),
            Discount::Amount(minor, _) => (*minor).min(whole),
        };
        let by_line = if whole == 0 { vec![0; cart.lines.len()] } else { spread(off, &weights) };
        Ok(Taken { by_line, of_shipping: 0 })
    }

    /// Whether it is for whoever has some plan.
    pub(crate) fn is_for_members(&self) -> bool {
        !self.plans.is_empty()
    }

    /// Whether somebody who has `plan` may use it.
    pub(crate) fn is_open_to(&self, plan: Option<&Plan>) -> bool {
        !self.is_for_members() || plan.is_some_and(|plan| self.plans.contains(&plan.code))
    }

    fn is_for(&self, line: &CartLine) -> bool {
        (self.categories.is_empty() || line.categories.iter().any(|name| self.categories.contains(name)))
            && (self.skus.is_empty() || self.skus.contains(&line.sku))
    }

    /// Checks every bound; a mistake is a field and what is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        match &self.discount {
            Discount::Percent(share) if !(1..=Rate::SCALE).contains(&share.ten_thousandths()) => {
                return Err(("percent", "must be above 0 and at most 1"));
            }
            Discount::Amount(minor, _) if *minor <= 0 => return Err(("amount", "must be above 0")),
            Discount::Percent(_) | Discount::Amount(..) | Discount::FreeShipping => {}
        }
        for (field, values) in
            [("categories", &self.categories), ("skus", &self.skus), ("plans", &self.plans)]
        {
            if values.len() > MOST_VALUES || values.iter().any(|value| value.is_empty() || value.len() > 255)
            {
                return Err((field, "must be 500 at most, each of 1 to 255 characters"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(discount: Discount) -> Terms {
        Terms {
            discount,
            categories: BTreeSet::new(),
            skus: BTreeSet::new(),
            minimum: None,
            plans: BTreeSet::new(),
            with_points: true,
            back_on_cancel: true,
        }
    }

    fn percent(share: &str) -> Terms {
        terms(Discount::Percent(share.parse().unwrap()))
    }

    fn cart(lines: &[(&str, i64)]) -> Cart {
        let line = |(category, total): &(&str, i64)| CartLine {
            sku: "A-1".to_owned(),
            categories: vec![(*category).to_owned()],
            total: *total,
        };
        let lines = lines.iter().map(line).collect();
        Cart { currency: Currency::EUR, lines, shipping: 495, with_points: false }
    }

    #[test]
    fn a_share_is_taken_of_the_lines_it_is_for_and_rounded_down_once() {
        let tea = Terms { categories: ["tea".to_owned()].into(), ..percent("0.15") };
        // 15 % of € 9.99 + € 5.01 = € 2.25, spread 1.4985 : 0.7515; nothing of the coffee.
        let taken = tea.apply(&cart(&[("tea", 999), ("coffee", 5_000), ("tea", 501)])).unwrap();
        assert_eq!(taken, Taken { by_line: vec![150, 0, 75], of_shipping: 0 });
    }

    #[test]
    fn an_amount_takes_no_more_than_there_is_and_shipping_is_shipping() {
        let five = terms(Discount::Amount(500, "EUR".to_owned()));
        assert_eq!(five.apply(&cart(&[("tea", 300)])).unwrap().by_line, [300]);
        assert_eq!(five.apply(&cart(&[("tea", 300), ("tea", 700)])).unwrap().by_line, [150, 350]);
        let free = terms(Discount::FreeShipping).apply(&cart(&[("tea", 300)])).unwrap();
        assert_eq!(free, Taken { by_line: vec![0], of_shipping: 495 });
    }

    #[test]
    fn a_cart_that_does_not_fit_is_refused_with_its_reason() {
        let least = |minor, code: &str| Terms { minimum: Some((minor, code.to_owned())), ..percent("0.1") };
        let ten = cart(&[("tea", 1_000)]);
        assert_eq!(least(1_000, "EUR").apply(&ten).unwrap().sum(), 100);
        assert_eq!(least(1_001, "EUR").apply(&ten), Err(Refusal::MinimumNotMet));
        assert_eq!(least(1, "USD").apply(&ten), Err(Refusal::MinimumNotMet));
        let coffee = Terms { categories: ["coffee".to_owned()].into(), ..percent("0.1") };
        assert_eq!(coffee.apply(&ten), Err(Refusal::CartDoesNotMatch));
        let dollars = terms(Discount::Amount(100, "USD".to_owned()));
        assert_eq!(dollars.apply(&ten), Err(Refusal::CartDoesNotMatch));
        let alone = Terms { with_points: false, ..percent("0.1") };
        assert_eq!(alone.apply(&Cart { with_points: true, ..ten }), Err(Refusal::NotCombinable));
    }
}
