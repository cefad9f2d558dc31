//! The catalogue: the shop's products by sku.

pub mod api;

use entity::id::ProductId;
use entity::product::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use serde::Serialize;

use crate::error::{Fault, Outcome, refuse};
use crate::orders::rules::{check_categories, visible};
use crate::tx::Tx;

/// A product as the shop states it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    /// The shop's.
    pub(crate) sku: String,
    /// Shown to customers.
    pub(crate) name: String,
    /// At most 20.
    pub(crate) categories: Vec<String>,
}

/// A value of a product is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProduct {
    /// Which.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Makes or changes the product with this sku.
pub(crate) async fn upsert(tx: &Tx, cmd: &Upsert) -> Outcome<ProductId, InvalidProduct> {
    let checks = [
        ("sku", visible(&cmd.sku)),
        ("name", visible(&cmd.name)),
        ("categories", check_categories(&cmd.categories)),
    ];
    for (field, check) in checks {
        if let Err(problem) = check {
            return refuse(InvalidProduct { field, problem });
        }
    }
    let row = entity::product::ActiveModel {
        id: Set(tx.id()),
        sku: Set(cmd.sku.clone()),
        name: Set(cmd.name.clone()),
        categories: Set(serde_json::Value::from(cmd.categories.clone())),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    let conflict = sea_orm::sea_query::OnConflict::column(Column::Sku)
        .update_columns([Column::Name, Column::Categories, Column::UpdatedAt])
        .to_owned();
    Entity::insert(row).on_conflict(conflict).exec_without_returning(tx.db()).await?;
    let id: Option<ProductId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Sku.eq(cmd.sku.as_str()))
        .into_tuple()
        .one(tx.db())
        .await?;
    Ok(id.ok_or_else(|| Fault::internal("a product that was written cannot be read back"))?)
}
