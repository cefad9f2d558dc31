//! A mailbox that was somebody's becomes anybody's: its owner left it for another, or was merged into somebody else.

use entity::customer::{self, Column};
use entity::guest_identity::{self, Column as Guest};
use entity::id::{CustomerId, GuestId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use crate::error::Fault;
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;

/// Takes a mailbox, which is being proven anew, from the locked customer who was merged away: until now it meant the one
/// who stays.
pub(super) async fn of_merged(tx: &Tx, gone: &customer::Model) -> Result<(), Fault> {
    let (Some(email_key), Some(stays)) = (gone.email_key.as_deref(), gone.merged_into) else {
        return Ok(());
    };
    customer::Entity::update_many()
        .col_expr(Column::EmailKey, Expr::val(None::<String>))
        .filter(Column::Id.eq(gone.id))
        .exec(tx.db())
        .await?;
    guest(tx, email_key, stays).await
}

/// Whoever orders with the address from now on is not `owner`, but a guest; what was ordered stays the owner's.
pub(super) async fn guest(tx: &Tx, email_key: &str, owner: CustomerId) -> Result<(), Fault> {
    let freed: Option<GuestId> = guest_identity::Entity::find()
        .select_only()
        .column(Guest::Id)
        .filter(Guest::EmailKey.eq(email_key).and(Guest::CustomerId.eq(owner)))
        .lock_exclusive()
        .into_tuple()
        .one(tx.db())
        .await?;
    let Some(guest) = freed else { return Ok(()) };
    guest_identity::Entity::update_many()
        .col_expr(Guest::CustomerId, Expr::val(None::<CustomerId>))
        .col_expr(Guest::JoinedAt, Expr::val(None::<entity::Instant>))
        .filter(Guest::Id.eq(guest))
        .exec(tx.db())
        .await?;
    // The proof may have made the row, without an account for points that nobody could earn.
    points::open_accounts(tx, &[Owner::Guest(guest)]).await
}
