//! Replacing the keys that sign access tokens. The key that derives mailed codes stays: a code is derived again when it is
//! given, so with another key every open one would fail.

use chrono::TimeDelta;
use entity::id::ServerKeyId;
use entity::server_key::{Column, Entity, KeyPurpose};
use entity::session::Audience;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::keys;
use crate::app::App;
use crate::error::Fault;
use crate::notices::Notice;
use crate::tx::Tx;

/// A retired key is kept so long, many times as long as the tokens live that it signed.
const KEPT: TimeDelta = TimeDelta::days(1);

/// Which keys to replace.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Whose tokens they sign.
    pub audiences: Vec<Audience>,
    /// Whether tokens that older keys signed end at once, rather than at their time.
    pub revoke: bool,
}

/// A new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Whose tokens it signs.
    pub audience: Audience,
    /// The `kid` of those tokens.
    pub key: ServerKeyId,
    /// How many older keys it retired, or deleted if they were to be revoked.
    pub older: u64,
}

/// Makes new keys, which every instance signs with from then on, and retires the older ones: they verify until the
/// tokens that they signed have ended. To revoke deletes them instead; sessions go on with their refresh tokens.
pub async fn rotate(app: &App, rotate: &Rotate) -> Result<Vec<Rotated>, Fault> {
    let rotated = app.change(rotate, rotate_in).await?;
    keys::refresh(app).await?;
    Ok(rotated)
}

async fn rotate_in(tx: &Tx, rotate: &Rotate) -> Result<Vec<Rotated>, Fault> {
    keys::lock(tx).await?;
    let mut rotated = Vec::new();
    for audience in rotate.audiences.iter().copied() {
        let purpose = match audience {
            Audience::Customer => KeyPurpose::CustomerToken,
            Audience::Staff => KeyPurpose::StaffToken,
        };
        let older = end(tx, purpose, rotate.revoke).await?;
        let key = keys::make(tx, purpose).await?.id;
        rotated.push(Rotated { audience, key, older });
    }
    Ok(rotated)
}

/// Ends the keys that there are; answers how many.
async fn end(tx: &Tx, purpose: KeyPurpose, revoke: bool) -> Result<u64, Fault> {
    let these = Column::Purpose.eq(purpose);
    if revoke {
        return Ok(Entity::delete_many().filter(these).exec(tx.db()).await?.rows_affected);
    }
    let retired = Entity::update_many()
        .col_expr(Column::RetiredAt, Expr::val(tx.now()))
        .filter(these)
        .filter(Column::RetiredAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(retired.rows_affected)
}

/// Deletes the keys that were retired more than a day ago.
pub(super) async fn forget_retired(tx: &Tx, (): &()) -> Result<(), Fault> {
    let deleted = Entity::delete_many().filter(Column::RetiredAt.lt(tx.now() - KEPT)).exec(tx.db()).await?;
    if deleted.rows_affected > 0 {
        tx.tell(Notice::KeysChanged);
    }
    Ok(())
}
