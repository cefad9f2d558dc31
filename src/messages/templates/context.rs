//! What a template can show: the same shape whether it is of a sample or of a person. What its class may not show is not
//! there, so that no template can.

use chrono::NaiveDate;
use serde_json::{Map, Value as Json, json};

use super::formats;
use crate::messages::class::Class;
use crate::messages::template::Language;
use crate::messages::words::{plain, plain_lines};
use crate::money::Money;

/// What there is to show of what a message is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) shop: String,
    /// The storefront, without a slash at the end.
    pub(crate) shop_url: Option<String>,
    pub(crate) person: Option<String>,
    /// A language tag.
    pub(crate) language: String,
    pub(crate) order: Option<OrderPart>,
    pub(crate) cart: Option<CartPart>,
    pub(crate) product: Option<ProductPart>,
    /// Empty for whoever did not consent to offers.
    pub(crate) companions: Vec<ProductPart>,
    pub(crate) update: Option<UpdatePart>,
    pub(crate) points: Option<PointsPart>,
    pub(crate) tier: Option<TierPart>,
    pub(crate) membership: Option<MembershipPart>,
    pub(crate) programme: Option<ProgrammePart>,
    pub(crate) coupon: Option<CouponPart>,
    pub(crate) unsubscribe_url: Option<String>,
    pub(crate) review_url: Option<String>,
    pub(crate) survey_url: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct OrderPart {
    /// The shop's.
    pub(crate) number: String,
    pub(crate) placed: NaiveDate,
    pub(crate) delivered: Option<NaiveDate>,
    pub(crate) lines: Vec<LinePart>,
    pub(crate) total: Money,
}

#[derive(Clone, Debug)]
pub(crate) struct CartPart {
    pub(crate) lines: Vec<LinePart>,
    pub(crate) total: Money,
}

#[derive(Clone, Debug)]
pub(crate) struct LinePart {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: i32,
    pub(crate) price: Money,
}

#[derive(Clone, Debug)]
pub(crate) struct ProductPart {
    pub(crate) sku: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug)]
pub(crate) struct UpdatePart {
    pub(crate) title: String,
    /// Lines.
    pub(crate) body: String,
    pub(crate) link: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PointsPart {
    pub(crate) available: i64,
    pub(crate) pending: i64,
    /// Those that the message is about.
    pub(crate) ending: Option<i64>,
    pub(crate) ends: Option<NaiveDate>,
}

#[derive(Clone, Debug)]
pub(crate) struct TierPart {
    pub(crate) name: String,
    pub(crate) ends: Option<NaiveDate>,
}

#[derive(Clone, Debug)]
pub(crate) struct MembershipPart {
    pub(crate) plan: String,
    /// For each interval.
    pub(crate) fee: Money,
    pub(crate) paid_through: Option<NaiveDate>,
    /// What it would have saved in the last 365 days; of a plan that its reader does not have.
    pub(crate) saved: Option<Money>,
    /// What it would have cost in them.
    pub(crate) yearly_fee: Option<Money>,
}

/// What a transactional message may tell of the programme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgrammePart {
    pub(crate) available: i64,
    pub(crate) pending: i64,
    /// Whether a membership would have made shipping free.
    pub(crate) free_shipping: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct CouponPart {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) ends: Option<NaiveDate>,
}

impl Parts {
    /// What a template of `class` can show; with `promotes` also what only promotional ones can.
    pub(crate) fn shown(&self, class: Class, promotes: bool) -> Json {
        let write = Writing { language: Language::of(&self.language), promotes, parts: self };
        let mut shown = Map::new();
        let mut show = |name: &str, value: Json| shown.insert(name.to_owned(), value);
        show("shop", json!({ "name": plain(&self.shop), "url": self.shop_url }));
        show("person", write.person());
        show("order", write.order());
        show("cart", write.cart());
        show("product", json!(self.product.as_ref().map(|product| write.product(product))));
        show("companions", self.companions.iter().map(|product| write.product(product)).collect());
        show("update", write.update());
        show("points", write.points());
        show("tier", write.tier());
        show("membership", write.membership(class));
        show("review_url", json!(self.review_url));
        show("survey_url", json!(self.survey_url));
        if class == Class::Transactional {
            show("programme", write.programme());
        } else {
            show("unsubscribe_url", json!(self.unsubscribe_url));
        }
        if promotes {
            show("coupon", write.coupon());
        }
        Json::Object(shown)
    }
}

struct Writing<'a> {
    language: Language,
    promotes: bool,
    parts: &'a Parts,
}

impl Writing<'_> {
    fn day(&self, day: Option<NaiveDate>) -> Json {
        json!(day.map(|day| formats::day(self.language, day)))
    }

    fn money(&self, money: Money) -> Json {
        json!(formats::money(self.language, money))
    }

    fn person(&self) -> Json {
        let is_right_to_left = self.language.is_right_to_left();
        json!({
            "name": self.parts.person.as_deref().map(plain),
            "language": self.parts.language,
            "direction": if is_right_to_left { "rtl" } else { "ltr" },
            "side": if is_right_to_left { "right" } else { "left" },
        })
    }

    fn lines(&self, lines: &[LinePart]) -> Json {
        let line = |line: &LinePart| {
            let (name, sku, quantity) = (plain(&line.name), plain(&line.sku), line.quantity);
            let mut shown = json!({ "name": name, "sku": sku, "quantity": quantity });
            if self.promotes {
                shown["price"] = self.money(line.price);
            }
            shown
        };
        lines.iter().map(line).collect()
    }

    fn order(&self) -> Json {
        let Some(order) = &self.parts.order else { return Json::Null };
        let mut shown = json!({
            "number": plain(&order.number),
            "date": self.day(Some(order.placed)),
            "delivered_on": self.day(order.delivered),
            "lines": self.lines(&order.lines),
        });
        if self.promotes {
            shown["total"] = self.money(order.total);
        }
        shown
    }

    fn cart(&self) -> Json {
        let Some(cart) = &self.parts.cart else { return Json::Null };
        let url = self.parts.shop_url.as_ref().map(|url| format!("{url}/cart"));
        let mut shown = json!({ "lines": self.lines(&cart.lines), "url": url });
        if self.promotes {
            shown["total"] = self.money(cart.total);
        }
        shown
    }

    fn product(&self, product: &ProductPart) -> Json {
        let url = self.parts.shop_url.as_deref().and_then(|shop| product_url(shop, &product.sku));
        json!({ "name": plain(&product.name), "sku": plain(&product.sku), "url": url })
    }

    fn update(&self) -> Json {
        let Some(update) = &self.parts.update else { return Json::Null };
        let body = plain_lines(&update.body);
        json!({ "title": plain(&update.title), "body": body, "link": update.link })
    }

    fn points(&self) -> Json {
        let Some(points) = &self.parts.points else { return Json::Null };
        let PointsPart { available, pending, ending, ends } = points;
        json!({ "available": available, "pending": pending, "ending": ending, "ends_on": self.day(*ends) })
    }

    fn tier(&self) -> Json {
        let Some(tier) = &self.parts.tier else { return Json::Null };
        json!({ "name": plain(&tier.name), "ends_on": self.day(tier.ends) })
    }

    /// What was or is to be paid for a membership is news of it to its member, and a price to anybody else.
    fn membership(&self, class: Class) -> Json {
        let Some(membership) = &self.parts.membership else { return Json::Null };
        let paid_through = self.day(membership.paid_through);
        let mut shown = json!({ "plan": plain(&membership.plan), "paid_through": paid_through });
        if self.promotes || class == Class::Transactional {
            shown["fee"] = self.money(membership.fee);
        }
        if self.promotes {
            shown["saved"] = json!(membership.saved.map(|saved| formats::money(self.language, saved)));
            shown["yearly_fee"] = json!(membership.yearly_fee.map(|fee| formats::money(self.language, fee)));
        }
        shown
    }

    fn programme(&self) -> Json {
        let Some(programme) = self.parts.programme else { return Json::Null };
        let ProgrammePart { available, pending, free_shipping } = programme;
        json!({ "available": available, "pending": pending, "free_shipping": free_shipping })
    }

    fn coupon(&self) -> Json {
        let Some(coupon) = &self.parts.coupon else { return Json::Null };
        let (code, name) = (plain(&coupon.code), plain(&coupon.name));
        json!({ "code": code, "name": name, "ends_on": self.day(coupon.ends) })
    }
}

/// Where the storefront shows a product.
fn product_url(shop: &str, sku: &str) -> Option<String> {
    let mut url = url::Url::parse(shop).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("products").push(sku);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use entity::consent::Purpose;

    use super::*;
    use crate::messages::templates::samples;

    /// Every name in a context, at any depth.
    fn names(shown: &Json, found: &mut Vec<String>) {
        match shown {
            Json::Object(members) => {
                for (name, member) in members {
                    found.push(name.clone());
                    names(member, found);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }

    #[test]
    fn only_promotional_messages_have_coupons_and_prices() {
        for (purpose, has) in [(Some(Purpose::Offers), true), (Some(Purpose::Care), false), (None, false)] {
            let class = Class::of(purpose);
            let mut found = Vec::new();
            names(&samples::full("en").shown(class, class.may_promote()), &mut found);
            for name in ["coupon", "price", "total", "saved", "yearly_fee"] {
                assert_eq!(found.iter().any(|found| found == name), has, "{name} {purpose:?}");
            }
            assert_eq!(found.iter().any(|name| name == "programme"), purpose.is_none());
            assert_eq!(found.iter().any(|name| name == "unsubscribe_url"), purpose.is_some());
        }
    }

    #[test]
    fn a_sku_is_one_part_of_the_address_of_its_product() {
        let url = product_url("https://shop.example", "a/../b?c#d").unwrap();
        assert_eq!(url, "https://shop.example/products/a%2F..%2Fb%3Fc%23d");
    }
}
