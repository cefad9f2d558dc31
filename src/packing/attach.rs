//! Gives new orders the instructions whose conditions they meet.

use entity::id::OrderId;
use entity::order;
use entity::packing_rule::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::earning::{Conditions, PlacedOrder, matching};
use crate::error::Fault;
use crate::localized::{Texts, in_language};
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
            let texts: Texts = serde_json::from_value(rule.texts.clone())?;
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
