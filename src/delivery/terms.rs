//! What shipping costs members, and what is frozen of it for an order. Pure.

use std::collections::BTreeMap;

use crate::memberships::plans::Plan;
use crate::money::Currency;

/// What is shipped, as far as a plan looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shipped<'a> {
    /// The code of the method, if it is known.
    pub(crate) method: Option<&'a str>,
    /// What the value is in.
    pub(crate) currency: Currency,
    /// Minor units of the goods.
    pub(crate) value: i64,
}

/// What a member of `plan` pays for what costs others `standard`, in minor units.
pub(crate) fn member_price(plan: &Plan, shipped: &Shipped<'_>, standard: i64) -> i64 {
    let Some(free) = &plan.benefits.free_shipping else { return standard };
    let is_by = free.methods.is_empty() || shipped.method.is_some_and(|method| free.methods.contains(method));
    let reaches = |least: i64| shipped.currency == plan.price.currency && least <= shipped.value;
    if is_by && free.minimum.is_none_or(reaches) { 0 } else { standard }
}

/// What shipping cost for an order and what it would have cost, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// The code of the method, if the shop stated one.
    pub(crate) method: Option<String>,
    /// For whoever is no member.
    pub(crate) standard: i64,
    /// As the shop stated it.
    pub(crate) charged: i64,
    /// What each plan would have charged, by its code.
    pub(crate) prices: BTreeMap<String, i64>,
    /// The plan that the buyer had.
    pub(crate) plan: Option<String>,
}

impl Frozen {
    /// For an order that was charged `charged`. `offered` is what its method costs there, if that is known.
    pub(crate) fn of(
        shipped: &Shipped<'_>,
        offered: Option<i64>,
        charged: i64,
        plans: &[Plan],
        held: Option<&Plan>,
    ) -> Self {
        let standard = offered.unwrap_or(charged);
        let all = plans.iter().chain(held);
        Self {
            method: shipped.method.map(str::to_owned),
            standard,
            charged,
            prices: all.map(|plan| (plan.code.clone(), member_price(plan, shipped, standard))).collect(),
            plan: held.map(|plan| plan.code.clone()),
        }
    }

    /// What the buyer's plan saved: what shipping cost less than for others, as far as the plan makes it cost less.
    pub(crate) fn saved(&self) -> i64 {
        let price = self.plan.as_ref().and_then(|plan| self.prices.get(plan));
        price.map_or(0, |price| (self.standard - self.charged.max(*price)).max(0))
    }

    /// What a plan that the buyer did not have would have saved: of what was charged, what it would not have charged.
    pub(crate) fn would_have_saved(&self, plan: &str) -> i64 {
        let price = self.prices.get(plan).filter(|_| self.plan.is_none());
        price.map_or(0, |price| (self.charged - price).max(0))
    }
}

#[cfg(test)]
mod tests {
    use entity::membership_plan::Interval;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::memberships::plans::{Benefits, FreeShipping};
    use crate::money::Money;

    fn plan(code: &str, methods: &[&str], minimum: Option<i64>) -> Plan {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        let free_shipping = Some(FreeShipping { methods, minimum });
        Plan {
            id: Uuid::nil().into(),
            code: code.to_owned(),
            name: code.to_owned(),
            price: Money { minor: 999, currency: Currency::EUR },
            billed: Interval::Month,
            benefits: Benefits { free_shipping, ..Benefits::default() },
        }
    }

    fn by(method: Option<&str>, value: i64) -> Shipped<'_> {
        Shipped { method, currency: Currency::EUR, value }
    }

    #[test]
    fn free_shipping_is_by_its_methods_from_its_minimum_on() {
        let all = plan("all", &[], None);
        let post = plan("post", &["post"], Some(2_000));
        assert_eq!(member_price(&all, &by(None, 0), 495), 0);
        for (method, value, price) in [
            (Some("post"), 2_000, 0),
            (Some("post"), 1_999, 495),
            (Some("bike"), 2_000, 495),
            (None, 2_000, 495),
        ] {
            assert_eq!(member_price(&post, &by(method, value), 495), price, "{method:?} {value}");
        }
        let none = Plan { benefits: Benefits::default(), ..all.clone() };
        assert_eq!(member_price(&none, &by(None, 0), 495), 495);
    }

    #[test]
    fn a_minimum_is_never_reached_in_another_currency() {
        let dollars = Shipped { currency: "USD".parse().unwrap(), ..by(None, 1_000_000) };
        assert_eq!(member_price(&plan("least", &[], Some(1)), &dollars, 495), 495);
        assert_eq!(member_price(&plan("any", &[], None), &dollars, 495), 0);
    }

    #[test]
    fn what_each_plan_would_have_charged_is_frozen_beside_what_was_charged() {
        let plans = [plan("all", &[], None), plan("post", &["post"], Some(2_000))];
        let shipped = by(Some("bike"), 5_000);
        // The method costs € 4.95; a guest was charged € 3.95.
        let guest = Frozen::of(&shipped, Some(495), 395, &plans, None);
        assert_eq!((guest.standard, guest.charged, guest.saved()), (495, 395, 0));
        assert_eq!(guest.prices, [("all".to_owned(), 0), ("post".to_owned(), 495)].into());
        let member = Frozen::of(&shipped, Some(495), 0, &plans, Some(&plans[0]));
        assert_eq!((member.plan.as_deref(), member.saved()), (Some("all"), 495));
        // What a coupon took off is not what the plan saved.
        let coupon = Frozen::of(&shipped, Some(495), 0, &plans, Some(&plans[1]));
        assert_eq!(coupon.saved(), 0);
        // Nor what the shop charged in spite of the plan.
        assert_eq!(Frozen::of(&shipped, Some(495), 495, &plans, Some(&plans[0])).saved(), 0);
        // Nobody knows what it would have cost: what was charged.
        let unknown = Frozen::of(&by(None, 5_000), None, 595, &plans, None);
        assert_eq!((unknown.standard, unknown.prices["all"], unknown.prices["post"]), (595, 0, 595));
        // A plan that nobody can join any more still tells what it saved.
        let old = plan("old", &[], None);
        assert_eq!(Frozen::of(&shipped, Some(495), 0, &plans, Some(&old)).saved(), 495);
    }

    proptest! {
        #[test]
        fn nobody_saves_more_than_shipping_costs_and_members_never_pay_more(
            standard in 0_i64..10_000, charged in 0_i64..10_000, value in 0_i64..10_000,
            minimum in prop::option::of(0_i64..10_000), is_member: bool,
        ) {
            let plan = plan("plan", &[], minimum);
            let price = member_price(&plan, &by(None, value), standard);
            prop_assert!((0..=standard).contains(&price));
            let held = is_member.then_some(&plan);
            let frozen = Frozen::of(&by(None, value), Some(standard), charged, &[], held);
            prop_assert!((0..=standard - price).contains(&frozen.saved()));
        }
    }
}
