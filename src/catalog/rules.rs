//! The rules of products, without a database: what a product may be, and who can see it when.

use chrono::DateTime;
use entity::Instant;
use entity::product::Model;

use super::upsert::Upsert;
use crate::orders::rules::{check_categories, comparable, visible};

/// Products of one call.
pub(crate) const MOST_PRODUCTS: usize = 250;
/// Grams of one piece: ten tonnes.
pub(crate) const MOST_GRAMS: i32 = 10_000_000;
/// Companions of one product.
const MOST_COMPANIONS: usize = 20;

/// A value of a product is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProduct {
    /// Which, as the API names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Who can see a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nobody but the shop: it is archived, or its time has not come.
    Hidden,
    /// Those with early access.
    Early,
    /// Everybody.
    Public,
}

/// As what somebody sees `product`, who has early access to it if `entitled`.
pub(crate) fn visibility(product: &Model, now: Instant, entitled: bool) -> Visibility {
    let has_come = |from: Instant| from <= now;
    if product.archived {
        Visibility::Hidden
    } else if product.public_from.is_none_or(has_come) {
        Visibility::Public
    } else if entitled && product.early_access_from.is_some_and(has_come) {
        Visibility::Early
    } else {
        Visibility::Hidden
    }
}

/// Whether there is any of it, or nobody counts.
pub(crate) fn in_stock(product: &Model) -> bool {
    product.stock.is_none_or(|stock| stock > 0)
}

/// Whether everybody can buy it now: nobody has to wait for it.
pub(crate) fn is_available(product: &Model, now: Instant) -> bool {
    visibility(product, now, false) == Visibility::Public && in_stock(product)
}

/// Checks what is stated of a product, whatever is known of it.
pub(crate) fn check(stated: &Upsert) -> Result<(), InvalidProduct> {
    is(visible(&stated.sku), "sku")?;
    if let Some(name) = &stated.name {
        is(visible(name), "name")?;
    }
    if let Some(categories) = stated.categories.stated() {
        is(check_categories(categories), "categories")?;
    }
    if let Some(companions) = stated.companions.stated() {
        is(check_companions(companions, &stated.sku), "companions")?;
    }
    within(stated.replenish_after_days.stated(), 1, 3650, "replenishAfterDays", "must be 1 to 3650")?;
    within(stated.care_window_days.stated(), 90, 180, "careWindowDays", "must be 90 to 180")?;
    within(stated.stock.stated(), 0, i32::MAX, "stock", "is negative")?;
    within(stated.weight_grams.stated(), 0, MOST_GRAMS, "weightGrams", "must be 0 to 10,000,000")?;
    for (field, at) in [("publicFrom", &stated.public_from), ("earlyAccessFrom", &stated.early_access_from)] {
        if at.stated().is_some_and(|at| comparable(*at) != *at) {
            return Err(InvalidProduct { field, problem: "must be in the years 1970 to 9999" });
        }
    }
    Ok(())
}

/// Checks a product as it is to be.
pub(crate) fn check_whole(product: &Model) -> Result<(), InvalidProduct> {
    let public = product.public_from.unwrap_or(DateTime::UNIX_EPOCH);
    let is_late =
        product.public_from.is_some() && product.early_access_from.is_some_and(|early| early > public);
    if is_late {
        return Err(InvalidProduct { field: "earlyAccessFrom", problem: "is after publicFrom" });
    }
    Ok(())
}

fn check_companions(companions: &[String], sku: &str) -> Result<(), &'static str> {
    if companions.len() > MOST_COMPANIONS {
        return Err("must be 20 at most");
    }
    for (place, companion) in companions.iter().enumerate() {
        visible(companion)?;
        if companion == sku {
            return Err("name the product itself");
        }
        if companions[..place].contains(companion) {
            return Err("name a product twice");
        }
    }
    Ok(())
}

fn is(checked: Result<(), &'static str>, field: &'static str) -> Result<(), InvalidProduct> {
    checked.map_err(|problem| InvalidProduct { field, problem })
}

fn within(
    stated: Option<&i32>,
    least: i32,
    most: i32,
    field: &'static str,
    problem: &'static str,
) -> Result<(), InvalidProduct> {
    let fits = stated.is_none_or(|value| (least..=most).contains(value));
    if fits { Ok(()) } else { Err(InvalidProduct { field, problem }) }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::customers::write::Change;

    fn product() -> Model {
        Model {
            id: Uuid::nil().into(),
            sku: "tea".to_owned(),
            name: "Tea".to_owned(),
            categories: json!([]),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            public_from: None,
            early_access_from: None,
            replenish_after_days: None,
            care_window_days: None,
            stock: None,
            companions: json!([]),
            archived: false,
            restocks: 0,
            weight_grams: None,
            releases_at: None,
        }
    }

    fn stated(change: impl FnOnce(&mut Upsert)) -> Result<(), (&'static str, &'static str)> {
        let mut upsert = Upsert::of("tea");
        change(&mut upsert);
        check(&upsert).map_err(|InvalidProduct { field, problem }| (field, problem))
    }

    #[test]
    fn a_product_is_hidden_then_early_for_some_then_public() {
        let (early, public) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(7));
        let dated = Model { early_access_from: Some(early), public_from: Some(public), ..product() };
        let moment = TimeDelta::microseconds(1);
        let cases = [
            (early - moment, Visibility::Hidden, Visibility::Hidden),
            (early, Visibility::Early, Visibility::Hidden),
            (public - moment, Visibility::Early, Visibility::Hidden),
            (public, Visibility::Public, Visibility::Public),
        ];
        for (now, entitled, others) in cases {
            assert_eq!(
                (visibility(&dated, now, true), visibility(&dated, now, false)),
                (entitled, others),
                "{now}"
            );
        }
        assert_eq!(visibility(&product(), early, false), Visibility::Public);
        let archived = Model { archived: true, ..product() };
        assert_eq!(visibility(&archived, early, true), Visibility::Hidden);
        let secret = Model { early_access_from: None, ..dated };
        assert_eq!(visibility(&secret, public - moment, true), Visibility::Hidden);
    }

    #[test]
    fn what_is_public_and_not_sold_out_can_be_bought() {
        let now = DateTime::UNIX_EPOCH;
        let with = |stock: Option<i32>| is_available(&Model { stock, ..product() }, now);
        assert_eq!([with(None), with(Some(1)), with(Some(0))], [true, true, false]);
        let later = Some(now + TimeDelta::days(1));
        assert!(!is_available(&Model { public_from: later, early_access_from: Some(now), ..product() }, now));
        assert!(!is_available(&Model { archived: true, ..product() }, now));
    }

    #[test]
    fn a_value_out_of_bounds_is_named() {
        assert_eq!(stated(|_| {}), Ok(()));
        for (days, fits) in [(0, false), (1, true), (3650, true), (3651, false)] {
            assert_eq!(stated(|of| of.replenish_after_days = Change::Set(days)).is_ok(), fits, "{days}");
        }
        for (days, fits) in [(89, false), (90, true), (180, true), (181, false)] {
            assert_eq!(stated(|of| of.care_window_days = Change::Set(days)).is_ok(), fits, "{days}");
        }
        assert_eq!(stated(|of| of.stock = Change::Set(-1)), Err(("stock", "is negative")));
        let skus = |count: usize| (0..count).map(|number| format!("s{number}")).collect::<Vec<_>>();
        assert_eq!(stated(|of| of.companions = Change::Set(skus(20))), Ok(()));
        assert_eq!(
            stated(|of| of.companions = Change::Set(skus(21))),
            Err(("companions", "must be 20 at most"))
        );
        let twice = Change::Set(vec!["a".to_owned(), "a".to_owned()]);
        assert_eq!(stated(|of| of.companions = twice), Err(("companions", "name a product twice")));
        let itself = Change::Set(vec!["tea".to_owned()]);
        assert_eq!(stated(|of| of.companions = itself), Err(("companions", "name the product itself")));
        let never = Change::Set(Instant::MAX_UTC);
        assert_eq!(
            stated(|of| of.public_from = never),
            Err(("publicFrom", "must be in the years 1970 to 9999"))
        );
    }

    #[test]
    fn early_access_is_not_later_than_everybodys() {
        let at = Some(DateTime::UNIX_EPOCH);
        let later = at.map(|at| at + TimeDelta::microseconds(1));
        let whole = |public_from, early_access_from| {
            check_whole(&Model { public_from, early_access_from, ..product() }).is_ok()
        };
        assert_eq!(
            [whole(at, at), whole(later, at), whole(None, later), whole(at, later)],
            [true, true, true, false]
        );
    }
}
