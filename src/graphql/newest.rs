//! Pages of rows whose ids rise with time, the newest first.

use async_graphql::{Context, OutputType};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::fault::ApiError;
use super::page::{Page, PageArguments, Pages};
use crate::app::App;
use crate::db::Connections;

/// A page of the newest.
pub type NewestPages<T> = Pages<Uuid, T>;

/// The page of `all` that `arguments` ask for; `id` is the column of its ids, `edge` shows a row under its id.
pub async fn newest_first<E, T>(
    ctx: &Context<'_>,
    all: Select<E>,
    id: E::Column,
    arguments: PageArguments,
    edge: impl Fn(E::Model) -> (Uuid, T),
) -> Result<NewestPages<T>, ApiError>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    T: OutputType,
    for<'db> Select<E>: PaginatorTrait<'db, Connections>,
{
    let page = Page::<Uuid>::of(arguments)?;
    let app = ctx.data_unchecked::<App>();
    // Counting costs what there is: only if somebody asks.
    let counted = ctx.look_ahead().field("totalCount").exists();
    let total = if counted { i64::try_from(all.clone().count(&app.db.read).await?)? } else { 0 };
    let mut query = all;
    if let Some(after) = page.after {
        query = query.filter(id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(id.gt(before));
    }
    let query = if page.backwards { query.order_by_asc(id) } else { query.order_by_desc(id) };
    let rows = query.limit(page.fetch()).all(&app.db.read).await?;
    Ok(page.connect(rows, total, edge))
}
