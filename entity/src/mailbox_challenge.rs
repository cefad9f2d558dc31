//! A proof of a mailbox under way: a six-digit code was mailed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{ChallengeId, CustomerId, OrderId};
/// What a proof of a mailbox is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// To make an account.
    #[sea_orm(string_value = "REGISTER")]
    Register,
    /// To sign in without a password.
    #[sea_orm(string_value = "SIGN_IN")]
    SignIn,
    /// To set another password.
    #[sea_orm(string_value = "PASSWORD_RESET")]
    PasswordReset,
    /// To make it the address of an account that has another.
    #[sea_orm(string_value = "EMAIL_CHANGE")]
    EmailChange,
    /// To sign in for the first time after the first order: with a long token that was mailed.
    #[sea_orm(string_value = "WELCOME")]
    Welcome,
    /// To sign in for the first time to an account that staff prepared: with a long token that was mailed.
    #[sea_orm(string_value = "INVITATION")]
    Invitation,
}

/// A proof of a mailbox under way: a six-digit code was mailed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mailbox_challenges")]
pub struct Model {
    /// The code is derived from it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ChallengeId,
    /// What the proof is for.
    pub purpose: Purpose,
    /// Where the code went.
    pub email: String,
    /// Normalised.
    pub email_key: String,
    /// Prepared for the account.
    pub name: Option<String>,
    /// Prepared for the account.
    pub locale: Option<String>,
    /// Prepared for the account.
    pub password_hash: Option<String>,
    /// Codes tried, 0 to 5.
    pub tries: i32,
    /// Start.
    pub created_at: Instant,
    /// Ten minutes later; seven days for a token.
    pub expires_at: Instant,
    /// Proven, or dropped because somebody proved the mailbox.
    pub ended_at: Option<Instant>,
    /// Whose new address it is, or whose account staff prepared.
    pub customer_id: Option<CustomerId>,
    /// The order that the account is made from.
    pub order_id: Option<OrderId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
