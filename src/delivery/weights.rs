//! What lines weigh.

use std::collections::{BTreeSet, HashMap};

use entity::product::{Column, Entity};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::catalog::rules::MOST_GRAMS;
use crate::db::dialect::is_among_texts;
use crate::error::Fault;

/// A line of a cart or order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The shop's; none, if it is not told.
    pub(crate) sku: Option<&'a str>,
    /// Pieces.
    pub(crate) quantity: i32,
    /// Grams of one piece; those of the product, if none.
    pub(crate) weight: Option<i32>,
}

/// Checks what a piece weighs.
pub(crate) fn check_grams(grams: i32) -> Result<(), &'static str> {
    if (0..=MOST_GRAMS).contains(&grams) { Ok(()) } else { Err("must be 0 to 10,000,000") }
}

/// Grams of one piece of the products on lines that do not say, by sku; one statement at most.
pub(crate) async fn weights<'a>(
    db: &impl ConnectionTrait,
    lines: impl IntoIterator<Item = &'a Line<'a>>,
) -> Result<HashMap<String, i32>, Fault> {
    let silent = lines.into_iter().filter(|line| line.weight.is_none());
    let skus: BTreeSet<String> = silent.filter_map(|line| line.sku.map(str::to_owned)).collect();
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let known: Vec<(String, i32)> = Entity::find()
        .select_only()
        .columns([Column::Sku, Column::WeightGrams])
        .filter(is_among_texts(db.get_database_backend(), "sku", skus))
        .filter(Column::WeightGrams.is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(known.into_iter().collect())
}

/// Grams of all pieces; of what nobody knows the weight of, nothing.
pub(crate) fn weight(lines: &[Line<'_>], known: &HashMap<String, i32>) -> i64 {
    let grams = |line: &Line<'_>| {
        let of_product = || line.sku.and_then(|sku| known.get(sku).copied());
        i64::from(line.weight.or_else(of_product).unwrap_or(0)) * i64::from(line.quantity)
    };
    lines.iter().map(grams).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_weighs_what_it_says_or_what_its_product_does() {
        let known = HashMap::from([("tea".to_owned(), 250)]);
        let line = |sku, quantity, weight| Line { sku, quantity, weight };
        let lines = [
            line(Some("tea"), 2, None),
            line(Some("tea"), 1, Some(100)),
            line(Some("pot"), 5, None),
            line(None, 3, Some(10)),
        ];
        // 2 × 250 + 100 + nothing + 3 × 10.
        assert_eq!(weight(&lines, &known), 630);
    }
}
