//! A new password for whoever proves the mailbox. A mailbox without an account gets one this way, while the shop lets
//! people register: its owner learns so from the mail, and nobody else learns anything.

use entity::customer;
use entity::id::{ChallengeId, CustomerId};
use entity::mailbox_challenge::{Model, Purpose};
use entity::session::Audience;
use serde_json::json;

use super::mailbox::{self, Prepared};
use super::passwords::Password;
use super::proof::{self, Answer, Proven};
use super::sessions::{self, Opened, Tokens};
use super::{AuthError, password_change};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::policy::RegistrationPolicy;
use crate::customers::email::EmailAddress;
use crate::customers::profile::Locale;
use crate::error::{Fault, Outcome};
use crate::throttle;
use crate::tx::Tx;

/// Mails a code that sets a password.
pub(crate) async fn request(
    app: &App,
    email: EmailAddress,
    locale: Option<Locale>,
) -> Result<ChallengeId, Fault> {
    throttle::credential(app, throttle::Tried::Mail, &email.key()).await?;
    let prepared = Prepared { locale, ..Prepared::new(Purpose::PasswordReset, email) };
    app.change(&prepared, mailbox::challenge).await
}

struct Reset {
    answer: Answer,
    hash: String,
}

/// Sets the password with a mailed code, ends every session there was, and signs in.
///
/// Hashes before anything is looked up: otherwise the time, or being told to come again in a flood, would say that the
/// code was right, and would use it up for nothing.
pub(crate) async fn reset(
    app: &App,
    challenge: ChallengeId,
    given: &str,
    password: Password,
) -> Outcome<(Tokens, CustomerId), AuthError> {
    let hash = app.passwords.hash(password).await?;
    let reset = Reset { answer: Answer::code(&app.keys.code()?, challenge, given), hash };
    let (opened, customer) = app.write(&reset, reset_in).await?;
    Ok((opened.tokens(app)?, customer))
}

async fn reset_in(tx: &Tx, reset: &Reset) -> Outcome<(Opened, CustomerId), AuthError> {
    let policy = tx.settings().registration;
    let may = |challenge: &Model, account: Option<&customer::Model>| {
        challenge.purpose == Purpose::PasswordReset && may_reset(account, policy)
    };
    let Proven { challenge, account } = proof::try_code(tx, &reset.answer, may).await?;
    let customer = match account {
        Some(account) if account.registered_at.is_some() => {
            password_change::replace(tx, &account, &reset.hash, "customer.password_reset", None).await?;
            account.id
        }
        _ => {
            let new = Model { password_hash: Some(reset.hash.clone()), ..challenge.clone() };
            let customer = proof::make_account(tx, &new).await?;
            audit::record(tx, [Entry::of_customer("customer.password_set", customer, json!({}))]).await?;
            customer
        }
    };
    proof::drop_prepared(tx, &challenge.email_key).await?;
    proof::attach_guest(tx, &challenge, customer).await?;
    Ok((sessions::open(tx, Audience::Customer, customer.0).await?, customer))
}

/// Whether a code that was mailed to reset the password of this mailbox does anything; the mail says the same.
pub(crate) fn may_reset(account: Option<&customer::Model>, policy: RegistrationPolicy) -> bool {
    match account {
        Some(account) if account.disabled_at.is_some() => false,
        Some(account) if account.registered_at.is_some() => true,
        Some(_) | None => policy.is_open(),
    }
}
