//! Made-up values, to try templates with.

use chrono::NaiveDate;

use super::context::{
    CartPart, CouponPart, LinePart, MembershipPart, OrderPart, Parts, PointsPart, ProductPart, ProgrammePart,
    TierPart, UpdatePart,
};
use crate::messages::template::Language;
use crate::money::{Currency, Money};

/// Where the sample's link to unsubscribe leads.
pub(crate) const UNSUBSCRIBE: &str = "https://shop.example/unsubscribe/sample";

/// With everything that there can be.
pub(crate) fn full(language: &str) -> Parts {
    let (person, tea, pot) = match Language::of(language) {
        Language::English => ("Anna", "Green tea", "Teapot"),
        Language::Dutch => ("Anna", "Groene thee", "Theepot"),
        Language::Hebrew => ("חנה", "תה ירוק", "קומקום"),
    };
    let lines = vec![line("tea", tea, 2, 1_250), line("pot", pot, 1, 3_995)];
    let product = |sku: &str, name: &str| ProductPart { sku: sku.to_owned(), name: name.to_owned() };
    Parts {
        shop: "Leaf & Cup".to_owned(),
        shop_url: Some("https://shop.example".to_owned()),
        person: Some(person.to_owned()),
        language: language.to_owned(),
        order: Some(OrderPart {
            number: "1001".to_owned(),
            placed: day(2026, 1, 15),
            delivered: Some(day(2026, 1, 17)),
            lines: lines.clone(),
            total: euros(5_245),
        }),
        cart: Some(CartPart { lines, total: euros(5_245) }),
        product: Some(product("tea", tea)),
        companions: vec![product("pot", pot)],
        update: Some(UpdatePart {
            title: tea.to_owned(),
            body: "1.2\n1.3".to_owned(),
            link: Some("https://shop.example/news".to_owned()),
        }),
        points: Some(PointsPart {
            available: 1_250,
            pending: 120,
            ending: Some(300),
            ends: Some(day(2026, 3, 31)),
        }),
        tier: Some(TierPart { name: "Gold".to_owned(), ends: Some(day(2026, 12, 31)) }),
        membership: Some(MembershipPart {
            plan: "Plus".to_owned(),
            fee: euros(999),
            paid_through: Some(day(2026, 2, 15)),
            saved: Some(euros(14_850)),
            yearly_fee: Some(euros(11_988)),
        }),
        programme: Some(ProgrammePart { available: 1_250, pending: 120, free_shipping: true }),
        coupon: Some(CouponPart {
            code: "WELCOME-BACK".to_owned(),
            name: "10%".to_owned(),
            ends: Some(day(2026, 2, 28)),
        }),
        unsubscribe_url: Some(UNSUBSCRIBE.to_owned()),
        review_url: Some("https://shop.example/review".to_owned()),
        survey_url: Some("https://shop.example/survey".to_owned()),
    }
}

/// The same without what not everybody has: a name, a storefront, points, a coupon that is still good, an end, companions. What
/// a message is about is there all the same.
pub(crate) fn sparse(language: &str) -> Parts {
    let mut parts = full(language);
    (parts.person, parts.shop_url, parts.coupon) = (None, None, None);
    (parts.review_url, parts.survey_url) = (None, None);
    parts.companions = Vec::new();
    if let Some(update) = &mut parts.update {
        update.link = None;
    }
    if let Some(order) = &mut parts.order {
        order.delivered = None;
    }
    parts.points = Some(PointsPart::default());
    if let Some(tier) = &mut parts.tier {
        tier.ends = None;
    }
    if let Some(membership) = &mut parts.membership {
        (membership.paid_through, membership.saved, membership.yearly_fee) = (None, None, None);
    }
    parts.programme = None;
    parts
}

fn line(sku: &str, name: &str, quantity: i32, minor: i64) -> LinePart {
    LinePart { sku: sku.to_owned(), name: name.to_owned(), quantity, price: euros(minor) }
}

fn euros(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}
