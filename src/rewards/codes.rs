//! Codes of others, such as of vouchers: staff add them to a reward, and each claim of it hands out another one.
//!
//! The stock of such a reward is how many of its codes are free. Whoever adds codes or takes one has locked the reward. A
//! code that was handed out has been seen: it never becomes free again, whatever becomes of the claim.

use std::collections::HashSet;

use entity::id::{RewardCodeId, RewardId};
use entity::reward::{self, Column as Reward};
use entity::reward_code::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::claims::{Gives, RewardError};
use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among_texts;
use crate::error::{Fault, Outcome, refuse};
use crate::orders::rules::visible;
use crate::tx::Tx;

/// Codes of one call.
const MOST_CODES: usize = 1_000;

/// Codes to add to a reward.
#[derive(Clone, Serialize)]
pub(crate) struct Add {
    /// None if the id that was given is no reward's.
    pub(crate) reward: Option<RewardId>,
    pub(crate) codes: Vec<String>,
}

/// What became of them. It is kept for whoever asks again with the same key, so no code is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Added {
    pub(crate) reward: RewardId,
    /// How many are new.
    pub(crate) new: usize,
    /// Places, from 0, of those that the reward has or had already, or that came before.
    pub(crate) duplicates: Vec<usize>,
}

/// Adds codes to a reward that hands out such; one that it has or had is left as it is.
pub(crate) async fn add(tx: &Tx, Add { reward, codes }: &Add) -> Outcome<Added, RewardError> {
    let Some(id) = *reward else { return refuse(RewardError::NotFound) };
    if codes.is_empty() || codes.len() > MOST_CODES {
        return refuse(RewardError::Invalid { field: "codes", problem: "must be 1 to 1,000" });
    }
    if codes.iter().any(|code| visible(code).is_err()) {
        let problem = "must each be 1 to 255 characters on one line";
        return refuse(RewardError::Invalid { field: "codes", problem });
    }
    let found = reward::Entity::find_by_id(id).lock_exclusive().one(tx.db()).await?;
    let Some(row) = found else { return refuse(RewardError::NotFound) };
    if serde_json::from_value::<Gives>(row.gives)? != Gives::ExternalCode {
        let problem = "must be of a reward that hands out codes";
        return refuse(RewardError::Invalid { field: "rewardId", problem });
    }
    let mut known = known(tx, id, codes).await?;
    let mut rows = Rows::new("reward_codes", &["id", "reward_id", "code", "added_at"]);
    let mut duplicates = Vec::new();
    for (place, code) in codes.iter().enumerate() {
        if known.insert(code.clone()) {
            let new: RewardCodeId = tx.id();
            rows.push([new.0.into(), id.0.into(), code.as_str().into(), tx.now().into()]);
        } else {
            duplicates.push(place);
        }
    }
    rows.insert(tx.db()).await?;
    let added = codes.len() - duplicates.len();
    reward::Entity::update_many()
        .col_expr(Reward::Stock, Expr::col(Reward::Stock).add(i32::try_from(added)?))
        .filter(Reward::Id.eq(id))
        .exec(tx.db())
        .await?;
    let detail = json!({ "added": added, "duplicates": duplicates.len() });
    audit::record(tx, [Entry::of("reward.codes.add", "Reward", id.0, detail)]).await?;
    Ok(Added { reward: id, new: added, duplicates })
}

/// Those of `codes` that the reward has or had.
async fn known(tx: &Tx, reward: RewardId, codes: &[String]) -> Result<HashSet<String>, Fault> {
    let among = is_among_texts(tx.db().get_database_backend(), "code", codes.iter().cloned());
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Code)
        .filter(Column::RewardId.eq(reward))
        .filter(among)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(found.into_iter().collect())
}

/// Takes a code of a reward, which the caller has locked.
pub(super) async fn take(tx: &Tx, reward: RewardId) -> Outcome<RewardCodeId, RewardError> {
    let is_free = || Column::RewardId.eq(reward).and(Column::TakenAt.is_null());
    let free = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(is_free())
        .order_by_asc(Column::Id)
        .limit(1)
        .into_tuple::<RewardCodeId>()
        .one(tx.db())
        .await?;
    let Some(id) = free else { return refuse(RewardError::OutOfStock) };
    let taken = Entity::update_many()
        .col_expr(Column::TakenAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id).and(is_free()))
        .exec(tx.db())
        .await?;
    if taken.rows_affected == 1 {
        Ok(id)
    } else {
        Err(Fault::internal("a code was taken without the lock on its reward").into())
    }
}
