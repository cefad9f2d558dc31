//! Gives new orders the instructions whose conditions they meet.

use std::collections::BTreeMap;

use entity::id::OrderId;
use entity::order;
use entity::packing_rule::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::earning::{Conditions, PlacedOrder, matching};
use crate::error::Fault;
use crate::tx::Tx;

/// What is to be packed with an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Instruction {
    /// The code of the rule.
    pub(super) rule: String,
    pub(super) text: String,
}

/// Gives each of these orders, which are new, what it is to be packed with, in the language of the order or the shop's.
pub(crate) async fn attach(
    tx: &Tx,
    orders: &[(OrderId, Option<&str>, PlacedOrder<'_>)],
) -> Result<(), Fault> {
    let instants = || orders.iter().map(|(.., order)| order.placed_at);
    let (Some(first), Some(last)) = (instants().min(), instants().max()) else { return Ok(()) };
    let rules = Entity::find()
        .filter(Column::Active.eq(true))
        .filter(Column::StartsAt.is_null().or(Column::StartsAt.lte(last)))
        .filter(Column::EndsAt.is_null().or(Column::EndsAt.gt(first)))
        .order_by_asc(Column::Code)
        .all(tx.db())
        .await?;
    if rules.is_empty() {
        return Ok(());
    }
    let conditions: Vec<Conditions> =
        rules.iter().map(|rule| serde_json::from_value(rule.conditions.clone())).collect::<Result<_, _>>()?;
    let placed: Vec<&PlacedOrder<'_>> = orders.iter().map(|(.., order)| order).collect();
    let met = matching(tx, &placed, &conditions).await?;
    for ((id, locale, order), met) in orders.iter().zip(met) {
        let mut instructions = Vec::new();
        for rule in met.into_iter().map(|index| &rules[index]).filter(|rule| is_for(rule, order)) {
            let texts: BTreeMap<String, String> = serde_json::from_value(rule.texts.clone())?;
            let text = in_language(&texts, *locale, &tx.settings().locale).to_owned();
            instructions.push(Instruction { rule: rule.code.clone(), text });
        }
        if !instructions.is_empty() {
            order::Entity::update_many()
                .col_expr(order::Column::Packing, Expr::val(serde_json::to_value(&instructions)?))
                .filter(order::Column::Id.eq(*id))
                .exec(tx.db())
                .await?;
        }
    }
    Ok(())
}

fn is_for(rule: &Model, order: &PlacedOrder<'_>) -> bool {
    rule.starts_at.is_none_or(|starts| starts <= order.placed_at)
        && rule.ends_at.is_none_or(|ends| order.placed_at < ends)
}

/// The text in the order's language tag, else in its language, else in the shop's, else the first by tag.
fn in_language<'a>(texts: &'a BTreeMap<String, String>, order: Option<&str>, shop: &str) -> &'a str {
    let tagged = |tag: &str| texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
    let language = |tag: &str| tag.split('-').next().and_then(tagged);
    let found = order.into_iter().chain([shop]).find_map(|tag| tagged(tag).or_else(|| language(tag)));
    found.or_else(|| texts.iter().next()).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_the_orders_language_or_the_shops_or_the_first() {
        let texts = |tags: &[&str]| tags.iter().map(|tag| ((*tag).to_owned(), (*tag).to_owned())).collect();
        let all = texts(&["de", "en", "nl", "nl-BE"]);
        for (order, expected) in
            [(Some("nl-be"), "nl-BE"), (Some("nl-NL"), "nl"), (Some("fr"), "en"), (None, "en")]
        {
            assert_eq!(in_language(&all, order, "en-GB"), expected, "{order:?}");
        }
        assert_eq!(in_language(&texts(&["nl", "de"]), Some("fr"), "en"), "de");
    }
}
