//! Asking for proof of a mailbox: a code is mailed. What happens here is the same for known and unknown addresses; only
//! the mail, which the mailbox alone receives, says what is true.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::ChallengeId;
use entity::mailbox_challenge::{ActiveModel, Column, Entity, Model, Purpose};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};

use super::passwords::Password;
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::db::dialect;
use crate::error::Fault;
use crate::messages::{self, Letter};
use crate::tx::Tx;

/// How long a code is good.
const LIFE: TimeDelta = TimeDelta::minutes(10);
/// What the caps on a mailbox are counted over.
pub(crate) const DAY: TimeDelta = TimeDelta::hours(24);
/// Mails to one mailbox a day.
const MAILS_A_DAY: u64 = 10;

/// An account to be made once the mailbox is proven.
#[derive(Clone, Debug)]
pub struct Register {
    /// The mailbox.
    pub email: EmailAddress,
    /// Without one, codes are the way to sign in.
    pub password: Option<Password>,
    /// Shown to the shop.
    pub name: Option<PersonName>,
    /// For mails.
    pub locale: Option<Locale>,
}

/// What a challenge keeps until its mailbox is proven.
struct Prepared {
    purpose: Purpose,
    email: EmailAddress,
    name: Option<PersonName>,
    locale: Option<Locale>,
    password_hash: Option<String>,
}

/// Mails a code that makes the account, or signs in to the one there is.
pub async fn register(app: &App, register: Register) -> Result<ChallengeId, Fault> {
    let Register { email, password, name, locale } = register;
    let password_hash = match password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let prepared = Prepared { purpose: Purpose::Register, email, name, locale, password_hash };
    app.change(&prepared, challenge).await
}

/// Mails a code that signs in, if the mailbox has an account.
pub async fn request_code(
    app: &App,
    email: EmailAddress,
    locale: Option<Locale>,
) -> Result<ChallengeId, Fault> {
    let prepared = Prepared { purpose: Purpose::SignIn, email, name: None, locale, password_hash: None };
    app.change(&prepared, challenge).await
}

async fn challenge(tx: &Tx, prepared: &Prepared) -> Result<ChallengeId, Fault> {
    let email_key = prepared.email.key();
    lock(tx, &email_key).await?;
    let id: ChallengeId = tx.id();
    if since(&email_key, tx.now() - DAY).count(tx.db()).await? >= MAILS_A_DAY {
        tracing::info!("a mailbox was asked for proof too often today: no mail");
        return Ok(id);
    }
    let row = ActiveModel {
        id: Set(id),
        purpose: Set(prepared.purpose),
        email: Set(prepared.email.as_str().to_owned()),
        email_key: Set(email_key),
        name: Set(prepared.name.clone().map(String::from)),
        locale: Set(prepared.locale.clone().map(String::from)),
        password_hash: Set(prepared.password_hash.clone()),
        tries: Set(0),
        created_at: Set(tx.now()),
        expires_at: Set(tx.after(LIFE)),
        ended_at: Set(None),
    };
    row.insert(tx.db()).await?;
    messages::enqueue(tx, &Letter::Code { challenge_id: id }).await?;
    Ok(id)
}

/// Everything about one mailbox happens one after the other, so that its caps and its one account hold.
pub(crate) async fn lock(tx: &Tx, email_key: &str) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), &format!("mailbox\u{1f}{email_key}")).await?)
}

/// The challenges of a mailbox begun after `since`.
pub(crate) fn since(email_key: &str, since: Instant) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::EmailKey.eq(email_key)).filter(Column::CreatedAt.gt(since))
}

/// Whether a code can still be tried for it.
pub(crate) fn is_open(challenge: &Model, now: Instant) -> bool {
    challenge.ended_at.is_none() && now < challenge.expires_at
}
