//! The journeys that come with the program, ready to be switched on.

use chrono::NaiveTime;
use entity::consent::Purpose;
use entity::message::Channel;

use super::definition::{Condition, Definition, Step, Trigger, Wait};

/// A journey that comes with the program.
#[derive(Clone, Debug)]
pub(crate) struct BuiltIn {
    /// Also that of its template.
    pub(crate) code: &'static str,
    /// For staff.
    pub(crate) name: &'static str,
    /// What it does until the shop changes it.
    pub(crate) definition: Definition,
}

/// Hours for which most may be put off.
const PATIENT: u32 = 14 * 24;
/// Hours for which what is of the day may be put off.
const BRIEF: u32 = 48;

/// Every journey that comes with the program.
pub(crate) fn all() -> Vec<BuiltIn> {
    needed().into_iter().chain(about_what_is_there()).chain(promotional()).collect()
}

/// The codes of all of them.
pub fn codes() -> impl Iterator<Item = &'static str> {
    all().into_iter().map(|one| one.code)
}

/// That with this code.
pub(crate) fn find(code: &str) -> Option<BuiltIn> {
    all().into_iter().find(|one| one.code == code)
}

/// What is always sent.
fn needed() -> Vec<BuiltIn> {
    let needed = |code, name, trigger| built(code, name, trigger, None, 0, at_once());
    vec![
        needed("order_confirmation", "Order confirmation", Trigger::OrderPaid),
        needed("shipping_confirmation", "Shipping confirmation", Trigger::OrderShipped),
        needed("delivery_confirmation", "Delivery confirmation", Trigger::OrderDelivered),
        needed("membership_renewed", "Membership renewed", Trigger::MembershipRenewed),
        needed("membership_payment_failed", "Membership payment failed", Trigger::MembershipPastDue),
    ]
}

/// What is sent unless somebody said no.
fn about_what_is_there() -> Vec<BuiltIn> {
    use Condition::{NothingBoughtSince, OrderKept, OrderNumber};
    use Purpose::{Care, ProductUpdates, Programme};
    use Trigger::{OrderDelivered, OrderPaid, PointsExpiring, ProductUpdated, TierEnding, TierReached};

    vec![
        built("thank_you", "Thank you after the first purchase", OrderPaid, Some(Care), 400, at_ten(7))
            .when([OrderNumber(1), OrderKept]),
        built("care_tips", "Care tips", OrderDelivered, Some(Care), 350, at_ten(21)).when([OrderKept]),
        built("after_sale_question", "Question after the sale", OrderDelivered, Some(Care), 450, at_ten(14))
            .when([OrderKept])
            .asking("after_sale"),
        built("tier_reached", "Tier reached", TierReached, Some(Programme), 550, at_once()),
        built("tier_ending", "Tier ends soon", TierEnding, Some(Programme), 560, at_ten(0)),
        built("points_expiring", "Points end soon", PointsExpiring, Some(Programme), 800, at_ten(0)),
        built(
            "product_update",
            "Product update to owners",
            ProductUpdated,
            Some(ProductUpdates),
            500,
            at_ten(0),
        ),
        built(
            "inactive_notice",
            "Record to be marked inactive",
            OrderPaid,
            Some(Programme),
            220,
            at_ten(335),
        )
        .when([NothingBoughtSince]),
        built("reactivation_question", "Reactivation question", OrderPaid, Some(Programme), 210, at_ten(365))
            .when([NothingBoughtSince])
            .asking("reactivation"),
    ]
}

/// What is sent to those who said yes.
fn promotional() -> Vec<BuiltIn> {
    use Condition::{
        CartAbandoned, NoMembership, NotBoughtFor, NotSentFor, NothingBoughtSince, OrderKept, OrderNumber,
        WouldHaveSaved,
    };
    use Purpose::{BackInStock, Offers, Reminders};
    use Trigger::{Birthday, CartTouched, OrderPaid, ProductUsedUp};

    let rhythm = Wait::Rhythm { percent: 200, least: 60, most: 180 };
    vec![
        built("abandoned_cart", "Abandoned cart", CartTouched, Some(Reminders), 650, after_hours(4))
            .when([CartAbandoned, NotBoughtFor(24), NotSentFor(2)])
            .for_hours(BRIEF),
        built("birthday", "Birthday", Birthday, Some(Offers), 600, on(Wait::Days(0), 9)).for_hours(BRIEF),
        built("back_in_stock", "Back in stock", Trigger::BackInStock, Some(BackInStock), 700, at_once())
            .for_hours(BRIEF),
        built("replenishment", "Replenishment", ProductUsedUp, Some(Reminders), 340, at_ten(0)),
        built("second_purchase", "Second purchase", OrderPaid, Some(Offers), 300, at_ten(30)).when([
            OrderNumber(1),
            OrderKept,
            NothingBoughtSince,
        ]),
        built("regular_customer", "Regular customers", OrderPaid, Some(Offers), 280, at_ten(14))
            .when([OrderNumber(3), OrderKept]),
        built(
            "membership_savings",
            "What a membership would have saved",
            OrderPaid,
            Some(Offers),
            260,
            at_ten(1),
        )
        .when([NoMembership, WouldHaveSaved, NotSentFor(180)]),
        built("we_miss_you", "We miss you", OrderPaid, Some(Offers), 240, on(rhythm, 10))
            .when([NothingBoughtSince]),
    ]
}

/// A wait, and a time of the shop's clocks after it.
type Timing = (Wait, Option<NaiveTime>);

fn at_once() -> Timing {
    after_hours(0)
}

fn after_hours(hours: u32) -> Timing {
    (Wait::Minutes(hours * 60), None)
}

fn at_ten(days: u32) -> Timing {
    on(Wait::Days(days), 10)
}

fn on(wait: Wait, hour: u32) -> Timing {
    (wait, NaiveTime::from_hms_opt(hour, 0, 0))
}

fn built(
    code: &'static str,
    name: &'static str,
    trigger: Trigger,
    purpose: Option<Purpose>,
    priority: u32,
    (wait, at): Timing,
) -> BuiltIn {
    let channels = vec![Channel::Email, Channel::Inbox];
    let step = Step { wait, at, template: code.to_owned(), channels, coupon: None, survey: None };
    let definition = Definition {
        trigger,
        purpose,
        conditions: Vec::new(),
        steps: vec![step],
        priority,
        holdout_percent: 0,
        give_up_hours: PATIENT,
    };
    BuiltIn { code, name, definition }
}

impl BuiltIn {
    fn when<const N: usize>(mut self, conditions: [Condition; N]) -> Self {
        self.definition.conditions = conditions.into();
        self
    }

    /// Its message asks for this survey.
    fn asking(mut self, survey: &str) -> Self {
        for step in &mut self.definition.steps {
            step.survey = Some(survey.to_owned());
        }
        self
    }

    fn for_hours(mut self, hours: u32) -> Self {
        self.definition.give_up_hours = hours;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_built_in_journey_can_be_published_and_has_a_code_of_its_own() {
        let all = all();
        assert_eq!(all.len(), 22);
        assert_eq!(all.iter().map(|one| one.code).collect::<BTreeSet<_>>().len(), all.len());
        for one in all {
            assert_eq!(one.definition.check(), Ok(()), "{}", one.code);
            let written = serde_json::to_value(&one.definition).unwrap();
            assert_eq!(serde_json::from_value::<Definition>(written).unwrap(), one.definition);
        }
    }
}
