//! Eighteen months of orders of the demo shop: the same ones for the same day, as four in five buyers come once and the
//! rest come back.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::CustomerId;
use entity::order::OrderState;

use super::shop::{GOODS, Good, MEMBER, PEOPLE, POST, SHIPPING};
use crate::actor::Actor;
use crate::customers::address::Address;
use crate::customers::email::EmailAddress;
use crate::customers::owners::Named;
use crate::error::Fault;
use crate::external_id::ExternalId;
use crate::money::Currency;
use crate::orders::record::{Record, RecordLine};

/// How far back the first order lies.
const MONTHS_IN_DAYS: i64 = 548;
/// Cents of an order's goods from which shipping is free.
const FREE_FROM: i64 = 4_000;

/// Numbers that look random and are the same every time (splitmix64, Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `sides` − 1.
    fn below(&mut self, sides: i64) -> i64 {
        let sides = u64::try_from(sides).unwrap_or(1);
        i64::try_from(self.next() % sides).unwrap_or_default()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let length = i64::try_from(all.len()).unwrap_or(1);
        all.get(usize::try_from(self.below(length)).unwrap_or_default())
    }
}

/// Every order up to `now`, oldest first.
pub(super) fn orders(now: Instant) -> Result<Vec<Record>, Fault> {
    let mut dice = Dice(2_026);
    let mut placed: Vec<(Instant, &str)> = Vec::new();
    for (_, email) in PEOPLE {
        let mut days_ago = MONTHS_IN_DAYS - dice.below(MONTHS_IN_DAYS - 20);
        // Anna is a regular; of the others about one in three ever comes back.
        let regular = email == MEMBER || dice.below(3) == 0;
        if email == MEMBER {
            days_ago = MONTHS_IN_DAYS - 9;
        }
        while days_ago > 0 {
            let minutes = 8 * 60 + dice.below(14 * 60);
            placed.push((now - TimeDelta::days(days_ago) - TimeDelta::minutes(minutes), email));
            if !regular {
                break;
            }
            days_ago -= 12 + dice.below(60);
        }
    }
    placed.sort_unstable();
    placed
        .iter()
        .zip(10_001..)
        .map(|((at, email), number)| order(&mut dice, now, *at, email, number))
        .collect()
}

fn order(
    dice: &mut Dice,
    now: Instant,
    placed_at: Instant,
    email: &str,
    number: u32,
) -> Result<Record, Fault> {
    let mut lines: Vec<RecordLine> = Vec::new();
    for _ in 0..=dice.below(3) {
        let Some(good) = dice.one_of(&GOODS) else { continue };
        let quantity = 1 + dice.below(if good.tax == 900 { 3 } else { 1 });
        if lines.iter().all(|line| line.sku != good.sku) {
            lines.push(line(good, quantity)?);
        }
    }
    let goods: i64 = lines.iter().map(|line| line.line_total).sum();
    let age = now - placed_at;
    let state = match age.num_days() {
        0..=2 => OrderState::Paid,
        3..=4 => OrderState::Shipped,
        _ => OrderState::Delivered,
    };
    let email = EmailAddress::try_from(email.to_owned())?;
    Ok(Record {
        external_id: ExternalId::try_from(format!("ZW-{number}"))?,
        buyer: Named::Mailbox(email.clone()),
        email: Some(email),
        channel: "web".to_owned(),
        currency: Currency::EUR,
        lines,
        shipping: if goods >= FREE_FROM { 0 } else { SHIPPING },
        placed_at: Some(placed_at),
        coupon: None,
        hold: None,
        slot_hold: None,
        membership: None,
        shipping_method: None,
        state,
        name: None,
        shipping_address: None,
        billing_address: None,
        locale: None,
        referral_code: None,
        card: None,
        imported: true,
        by: Actor::SYSTEM,
    })
}

/// A paid order of now by post, of one piece of the first article, for which so much shipping was charged.
pub(super) fn shipped(buyer: CustomerId, shipping: i64, number: u32) -> Result<Record, Fault> {
    let [good, ..] = &GOODS;
    let address = Address {
        name: None,
        company: None,
        line1: "Oudegracht 1".to_owned(),
        line2: None,
        postal_code: Some("3511 AA".to_owned()),
        city: "Utrecht".to_owned(),
        region: None,
        country: "NL".parse()?,
        phone: None,
    };
    Ok(Record {
        external_id: ExternalId::try_from(format!("ZW-{number}"))?,
        buyer: Named::Customer(buyer),
        email: None,
        lines: vec![line(good, 1)?],
        shipping,
        placed_at: None,
        shipping_method: Some(POST.to_owned()),
        shipping_address: Some(address),
        state: OrderState::Paid,
        channel: "web".to_owned(),
        currency: Currency::EUR,
        coupon: None,
        hold: None,
        slot_hold: None,
        membership: None,
        name: None,
        billing_address: None,
        locale: None,
        referral_code: None,
        card: None,
        imported: false,
        by: Actor::SYSTEM,
    })
}

fn line(good: &Good, quantity: i64) -> Result<RecordLine, Fault> {
    Ok(RecordLine {
        sku: good.sku.to_owned(),
        name: good.name.to_owned(),
        categories: vec![good.category.to_owned()],
        quantity: i32::try_from(quantity)?,
        line_total: good.price * quantity,
        tax_rate: Some(good.tax),
        weight_grams: None,
    })
}
