//! What mutations with a key have in common: done once, then shown as it was written.

use async_graphql::Context;
use sea_orm::{EntityTrait, PrimaryKeyTrait};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::{Fault, Outcome, split};
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::tx::Tx;

/// Does `work` once for the caller's key of this operation.
pub(crate) async fn once<C, T, R>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<T, R>,
) -> Result<Result<Once<T>, R>, Fault>
where
    C: Serialize,
    T: Serialize + DeserializeOwned,
{
    let key = Key { scope: ctx.data_unchecked::<Viewer>().key_scope(), key: key.0, operation };
    split(ctx.data_unchecked::<App>().write_once(&key, command, work).await)
}

/// What was written, as it is now.
pub(crate) async fn written<E>(
    ctx: &Context<'_>,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
) -> Result<E::Model, Fault>
where
    E: EntityTrait,
{
    let row = E::find_by_id(id).one(&ctx.data_unchecked::<App>().db.read).await?;
    row.ok_or_else(|| Fault::internal("what was written is gone"))
}
