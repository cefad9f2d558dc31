//! Adding codes to rewards.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::reward;

use super::rewards::{Reward, RewardErrorCode, told};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::rewards::codes::{self, Add};

/// Codes to add to a reward.
#[derive(InputObject)]
pub(super) struct RewardCodesAddInput {
    /// One with `externalCode`.
    reward_id: ID,
    /// 1 to 1000, each 1 to 255 characters on one line; blanks around a code do not count.
    codes: Vec<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Codes that were added, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct RewardCodesPayload {
    /// The reward, with what can be claimed of it now.
    reward: Option<Reward>,
    /// How many codes are new.
    added: i32,
    /// Places among `codes`, from 0, of those that were left out: the reward has or had them already, or they came before.
    duplicates: Vec<i32>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<RewardErrorCode>>,
}

/// Mutations of the codes of rewards.
#[derive(Debug, Default)]
pub struct RewardCodesMutation;

#[Object]
impl RewardCodesMutation {
    /// Adds codes to a reward that hands out codes of others; each claim gets one that nobody else got. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn reward_codes_add(
        &self,
        ctx: &Context<'_>,
        input: RewardCodesAddInput,
    ) -> Result<RewardCodesPayload, ApiError> {
        // Files that codes are copied from leave blanks: two that differ by those are one.
        let codes = input.codes.iter().map(|code| code.trim().to_owned()).collect();
        let add = Add { reward: local_id(&input.reward_id, NodeType::Reward), codes };
        Ok(match once(ctx, "rewardCodesAdd", input.idempotency_key, &add, codes::add).await? {
            Ok(Once { value, replayed }) => {
                let reward = Some(Reward(written::<reward::Entity>(ctx, value.reward).await?));
                let duplicates = value.duplicates.into_iter().map(i32::try_from).collect::<Result<_, _>>()?;
                let added = i32::try_from(value.new)?;
                RewardCodesPayload { reward, added, duplicates, replayed, user_errors: Vec::new() }
            }
            Err(error) => RewardCodesPayload {
                reward: None,
                added: 0,
                duplicates: Vec::new(),
                replayed: false,
                user_errors: vec![told(error, "rewardId")],
            },
        })
    }
}
