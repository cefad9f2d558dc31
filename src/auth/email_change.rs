//! Another address for an account. The customer has just shown who it is, the new mailbox is proven, the old one is told and
//! is free again. Until the proof nothing changes, and whether the new address is somebody's is told to its mailbox only.

use std::collections::BTreeSet;

use entity::customer::{self, Column};
use entity::id::{ChallengeId, CustomerId};
use entity::mailbox_challenge::{self, Model, Purpose};
use entity::session::Audience;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect, SqlErr};
use secrecy::SecretString;
use serde_json::json;

use super::mailbox::{self, Prepared};
use super::proof::{self, Answer, Proven};
use super::reauthenticate::{self, SignedIn};
use super::{AuthError, release, sessions};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::consent;
use crate::customers::email::EmailAddress;
use crate::customers::profile::Locale;
use crate::customers::words;
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse};
use crate::messages::template::Template;
use crate::messages::{self, Letter};
use crate::outbox::{self, Event};
use crate::tx::Tx;

/// Mails a customer may cause to new addresses a day, whatever their caps: they are other people's mailboxes until proven.
const MAILS_A_DAY: u64 = 10;

/// Mails a code to the new address. Needs the password, or one or a code that was given within five minutes.
pub(crate) async fn request(
    app: &App,
    me: SignedIn,
    new: EmailAddress,
    password: Option<SecretString>,
) -> Outcome<ChallengeId, AuthError> {
    match password {
        Some(password) => reauthenticate::verify_own(app, me, password).await?,
        None if me.is_fresh(app.clock.now()) => {}
        None => return refuse(AuthError::Reauthenticate),
    }
    Ok(app.change(&(me.customer, new), request_in).await?)
}

async fn request_in(tx: &Tx, (customer, new): &(CustomerId, EmailAddress)) -> Result<ChallengeId, Fault> {
    use mailbox_challenge::Column;
    dialect::lock(tx.db(), &format!("email-change\u{1f}{}", customer.0)).await?;
    let today = mailbox_challenge::Entity::find()
        .filter(Column::CustomerId.eq(*customer).and(Column::Purpose.eq(Purpose::EmailChange)))
        .filter(Column::CreatedAt.gt(tx.now() - mailbox::DAY));
    if today.count(tx.db()).await? >= MAILS_A_DAY {
        tracing::info!(customer.id = %customer.0, "a customer asked for another address too often today: no mail");
        return Ok(tx.id());
    }
    let row = customer::Entity::find_by_id(*customer).one(tx.db()).await?;
    let locale = row.and_then(|row| row.locale).and_then(|text| Locale::try_from(text).ok());
    let prepared =
        Prepared { locale, customer: Some(*customer), ..Prepared::new(Purpose::EmailChange, new.clone()) };
    mailbox::challenge(tx, &prepared).await
}

/// Makes the proven address the one of the account that asked for it.
pub(crate) async fn confirm(
    app: &App,
    me: SignedIn,
    challenge: ChallengeId,
    given: &str,
) -> Outcome<CustomerId, AuthError> {
    let answer = Answer::code(&app.keys.code()?, challenge, given);
    app.write(&(me, answer), confirm_in).await
}

async fn confirm_in(tx: &Tx, (me, answer): &(SignedIn, Answer)) -> Outcome<CustomerId, AuthError> {
    let asked = mailbox_challenge::Entity::find_by_id(answer.challenge).one(tx.db()).await?;
    let before = customer::Entity::find_by_id(me.customer).one(tx.db()).await?;
    let own = asked.filter(|asked| asked.customer_id == Some(me.customer));
    let (Some(asked), Some(before)) = (own, before) else {
        return refuse(AuthError::CodeInvalid);
    };
    // Both mailboxes in one order, whichever is the old one: two customers may be taking over each other's.
    for key in BTreeSet::from([Some(&asked.email_key), before.email_key.as_ref()]).into_iter().flatten() {
        mailbox::lock(tx, key).await?;
    }
    let for_me =
        |challenge: &Model, account: Option<&customer::Model>| is_for(me.customer, challenge, account);
    let Proven { challenge, account } = proof::try_code(tx, answer, for_me).await?;
    let row = customer::Entity::find_by_id(me.customer).lock_exclusive().one(tx.db()).await?;
    let unchanged = |row: &customer::Model| row.email_key == before.email_key && row.disabled_at.is_none();
    let Some(row) = row.filter(unchanged) else {
        return refuse(AuthError::CodeInvalid);
    };
    if !sessions::is_open(tx, me.session).await? {
        return refuse(AuthError::Reauthenticate);
    }
    if account.is_some_and(|account| account.id != me.customer) || !set(tx, &row, &challenge).await? {
        return refuse(AuthError::EmailTaken);
    }
    if row.email_key.as_ref() != Some(&challenge.email_key) {
        leave(tx, &row).await?;
    }
    arrive(tx, me, &row, &challenge).await?;
    Ok(me.customer)
}

/// Whether the code was mailed for this customer, to a mailbox that is nobody else's account. Of a customer who has no
/// account, such as an import's, the proof says that it is the same person: then the refusal says so.
fn is_for(customer: CustomerId, challenge: &Model, account: Option<&customer::Model>) -> bool {
    challenge.purpose == Purpose::EmailChange
        && challenge.customer_id == Some(customer)
        && !is_taken(customer, account)
}

/// Whether the mailbox is the account of somebody else than `customer`; the mail to it says so instead of a code.
pub(crate) fn is_taken(customer: CustomerId, account: Option<&customer::Model>) -> bool {
    account.is_some_and(|account| account.id != customer && account.registered_at.is_some())
}

/// Sets the address; false if an import has just given it to another customer.
async fn set(tx: &Tx, row: &customer::Model, proven: &Model) -> Result<bool, Fault> {
    let set = customer::Entity::update_many()
        .col_expr(Column::Email, Expr::val(proven.email.as_str()))
        .col_expr(Column::EmailKey, Expr::val(proven.email_key.as_str()))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await;
    match set {
        Ok(_) => {
            words::refresh(tx, &[row.id]).await?;
            Ok(true)
        }
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives up the old address: what was begun on it ends, it is told, and who orders with it from now on is somebody else.
async fn leave(tx: &Tx, row: &customer::Model) -> Result<(), Fault> {
    let (Some(old), Some(old_key)) = (row.email.clone(), row.email_key.as_deref()) else {
        return Ok(());
    };
    proof::drop_prepared(tx, old_key).await?;
    release::guest(tx, old_key, row.id).await?;
    let to = EmailAddress::try_from(old)?;
    let (locale, cause, at) = (row.locale.clone(), tx.id(), tx.now());
    messages::enqueue(tx, &Letter::Notice { template: Template::EmailChanged, to, locale, cause, at }).await
}

/// Takes over the new address with all that follows from it; only the session it was proven in goes on.
async fn arrive(tx: &Tx, me: &SignedIn, row: &customer::Model, proven: &Model) -> Result<(), Fault> {
    proof::drop_prepared(tx, &proven.email_key).await?;
    drop_pending(tx, row.id).await?;
    consent::moved(tx, row.id.into()).await?;
    proof::attach_guest(tx, proven, row.id).await?;
    let ended = sessions::end_all(tx, Audience::Customer, row.id.0, Some(me.session)).await?;
    let detail = json!({ "before": { "email": row.email }, "after": { "email": proven.email }, "sessionsEnded": ended });
    audit::record(tx, [Entry::of_customer("customer.email_change", row.id, detail)]).await?;
    outbox::emit(
        tx,
        [Event {
            topic: "customer.email_changed",
            aggregate_id: row.id.0,
            payload: json!({ "customerId": row.id }),
            imported: false,
            occurred_at: tx.now(),
        }],
    )
    .await
}

/// Ends what this customer has under way towards other addresses.
pub(super) async fn drop_pending(tx: &Tx, customer: CustomerId) -> Result<(), Fault> {
    use mailbox_challenge::Column;
    let pending = Column::CustomerId.eq(customer).and(Column::Purpose.eq(Purpose::EmailChange));
    mailbox_challenge::Entity::update_many()
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(pending.and(Column::EndedAt.is_null()))
        .exec(tx.db())
        .await?;
    Ok(())
}
