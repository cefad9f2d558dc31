//! The rules of carts, without a database.

use chrono::DateTime;
use entity::Instant;

use super::{CartError, CartLine, Upsert};
use crate::money::Money;
use crate::orders::rules::{MOST_LINES, MOST_PIECES, visible};

/// Checks a cart; answers what its lines add up to.
pub(super) fn check(cart: &Upsert, now: Instant) -> Result<i64, CartError> {
    if cart.lines.len() > MOST_LINES {
        return Err(CartError::invalid("lines", "must be 500 at most"));
    }
    for (index, line) in cart.lines.iter().enumerate() {
        check_line(line).map_err(|(field, problem)| CartError::line(index, field, problem))?;
    }
    match cart.touched_at {
        Some(at) if at > now => return Err(CartError::invalid("touchedAt", "is in the future")),
        Some(at) if at < DateTime::UNIX_EPOCH => {
            return Err(CartError::invalid("touchedAt", "is before 1970"));
        }
        Some(_) | None => {}
    }
    let total = cart.lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.line_total));
    let total = total.filter(|total| *total <= Money::MAX_MINOR);
    total.ok_or_else(|| CartError::invalid("lines", "add up to too much"))
}

fn check_line(line: &CartLine) -> Result<(), (&'static str, &'static str)> {
    visible(&line.sku).map_err(|problem| ("sku", problem))?;
    visible(&line.name).map_err(|problem| ("name", problem))?;
    if !(1..=MOST_PIECES).contains(&line.quantity) {
        return Err(("quantity", "must be 1 to 1,000,000"));
    }
    if !(0..=Money::MAX_MINOR).contains(&line.line_total) {
        return Err(("lineTotal", "is negative or too large"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::Whose;
    use super::*;
    use crate::money::Currency;

    fn line(sku: &str, quantity: i32, line_total: i64) -> CartLine {
        CartLine { sku: sku.to_owned(), name: "Tea".to_owned(), quantity, line_total }
    }

    fn cart(lines: Vec<CartLine>, touched_at: Option<Instant>) -> Upsert {
        let id = || "c-1".to_owned().try_into().unwrap();
        Upsert { external_id: id(), whose: Whose::External(id()), currency: Currency::EUR, lines, touched_at }
    }

    #[test]
    fn a_cart_has_five_hundred_lines_at_most_within_bounds() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        assert_eq!(check(&cart(vec![line("a", 2, 250), line("b", 1, 1)], None), now), Ok(251));
        assert_eq!(check(&cart(Vec::new(), None), now), Ok(0));
        assert_eq!(check(&cart(vec![line("a", 1, 1); 500], None), now), Ok(500));
        let many = CartError::invalid("lines", "must be 500 at most");
        assert_eq!(check(&cart(vec![line("a", 1, 1); 501], None), now), Err(many));
        for (wrong, field) in
            [(line("", 1, 1), "sku"), (line("a", 0, 1), "quantity"), (line("a", 1, -1), "lineTotal")]
        {
            let found = check(&cart(vec![line("a", 1, 1), wrong], None), now);
            let Err(CartError::Invalid(path, _)) = found else { panic!("{found:?}") };
            assert_eq!(path, ["lines", "1", field]);
        }
        let much = cart(vec![line("a", 1, Money::MAX_MINOR), line("b", 1, 1)], None);
        assert_eq!(check(&much, now), Err(CartError::invalid("lines", "add up to too much")));
    }

    #[test]
    fn nobody_touches_a_cart_in_the_future() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let moment = TimeDelta::microseconds(1);
        for (at, fits) in [(now, true), (now + moment, false), (DateTime::UNIX_EPOCH - moment, false)] {
            assert_eq!(check(&cart(Vec::new(), Some(at)), now).is_ok(), fits, "{at}");
        }
    }
}
