//! Asking for proof of a mailbox: a code is mailed. What happens here is the same for known and unknown addresses; only
//! the mail, which the mailbox alone receives, says what is true.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{ChallengeId, CustomerId, OrderId};
use entity::mailbox_challenge::{ActiveModel, Column, Entity, Model, Purpose};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};

use super::AuthError;
use super::passwords::Password;
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse};
use crate::messages::{self, Letter};
use crate::throttle;
use crate::tx::Tx;

/// How long a code is good.
const LIFE: TimeDelta = TimeDelta::minutes(10);
/// How long a token is good: nobody can guess it, and a first mail is read at leisure.
const LINK_LIFE: TimeDelta = TimeDelta::days(7);
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
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) purpose: Purpose,
    pub(crate) email: EmailAddress,
    pub(crate) name: Option<PersonName>,
    pub(crate) locale: Option<Locale>,
    pub(crate) password_hash: Option<String>,
    /// Whose account it is to become.
    pub(crate) customer: Option<CustomerId>,
    /// Whose name and addresses the account is to have.
    pub(crate) order: Option<OrderId>,
}

impl Prepared {
    /// Nothing but the proof itself.
    pub(crate) fn new(purpose: Purpose, email: EmailAddress) -> Self {
        Self { purpose, email, name: None, locale: None, password_hash: None, customer: None, order: None }
    }
}

/// Mails a code that makes the account, or signs in to the one there is.
pub async fn register(app: &App, register: Register) -> Outcome<ChallengeId, AuthError> {
    if !app.settings().registration.is_open() {
        return refuse(AuthError::RegistrationClosed);
    }
    let Register { email, password, name, locale } = register;
    throttle::credential(app, throttle::Tried::Mail, &email.key()).await?;
    let password_hash = match password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let prepared = Prepared { name, locale, password_hash, ..Prepared::new(Purpose::Register, email) };
    Ok(app.change(&prepared, challenge).await?)
}

/// Mails a code that signs in, if the mailbox has an account.
pub async fn request_code(
    app: &App,
    email: EmailAddress,
    locale: Option<Locale>,
) -> Result<ChallengeId, Fault> {
    throttle::credential(app, throttle::Tried::Mail, &email.key()).await?;
    let prepared = Prepared { locale, ..Prepared::new(Purpose::SignIn, email) };
    app.change(&prepared, challenge).await
}

/// Begins a proof and mails its code, unless the mailbox got too many today: the answer is the same.
pub(crate) async fn challenge(tx: &Tx, prepared: &Prepared) -> Result<ChallengeId, Fault> {
    let email_key = prepared.email.key();
    lock(tx, &email_key).await?;
    if since(&email_key, tx.now() - DAY).count(tx.db()).await? >= MAILS_A_DAY {
        tracing::info!("a mailbox was asked for proof too often today: no mail");
        return Ok(tx.id());
    }
    begin(tx, prepared).await
}

/// The same however many there were, for what nobody but the shop can cause.
pub(crate) async fn begin(tx: &Tx, prepared: &Prepared) -> Result<ChallengeId, Fault> {
    let row = ActiveModel {
        id: Set(tx.id()),
        purpose: Set(prepared.purpose),
        email: Set(prepared.email.as_str().to_owned()),
        email_key: Set(prepared.email.key()),
        name: Set(prepared.name.clone().map(String::from)),
        locale: Set(prepared.locale.clone().map(String::from)),
        password_hash: Set(prepared.password_hash.clone()),
        tries: Set(0),
        created_at: Set(tx.now()),
        expires_at: Set(tx.after(life(prepared.purpose))),
        ended_at: Set(None),
        customer_id: Set(prepared.customer),
        order_id: Set(prepared.order),
    };
    let id = row.insert(tx.db()).await?.id;
    messages::enqueue(tx, &Letter::Code { challenge_id: id }).await?;
    Ok(id)
}

/// Whether what is mailed is a long token, not six digits.
pub(crate) fn is_link(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Welcome | Purpose::Invitation => true,
        Purpose::Register | Purpose::SignIn | Purpose::PasswordReset | Purpose::EmailChange => false,
    }
}

fn life(purpose: Purpose) -> TimeDelta {
    if is_link(purpose) { LINK_LIFE } else { LIFE }
}

/// Everything about one mailbox happens one after the other, so that its caps and its one account hold.
pub(crate) async fn lock(tx: &Tx, email_key: &str) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), &format!("mailbox\u{1f}{email_key}")).await?)
}

/// Ends every proof that is under way for a customer.
pub(crate) async fn end_all_of(tx: &Tx, customer: CustomerId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::CustomerId.eq(customer))
        .filter(Column::EndedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The challenges of a mailbox begun after `since`.
pub(crate) fn since(email_key: &str, since: Instant) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::EmailKey.eq(email_key)).filter(Column::CreatedAt.gt(since))
}

/// Whether a code can still be tried for it.
pub(crate) fn is_open(challenge: &Model, now: Instant) -> bool {
    challenge.ended_at.is_none() && now < challenge.expires_at
}
