//! The mail that answers whoever asked for proof of a mailbox. It says what is true of the mailbox, which nobody but its
//! owner reads; the code is derived only now, and nothing that the asker wrote is repeated in it.

use entity::customer;
use entity::id::ChallengeId;
use entity::mailbox_challenge::{Entity, Model, Purpose};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::mailer::Mail;
use super::template::{Language, Shows, Template};
use super::words::Values;
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::auth::policy::RegistrationPolicy;
use crate::auth::{code, email_change, mailbox, password_reset};
use crate::customers;
use crate::customers::email::EmailAddress;
use crate::error::Fault;

/// The mail, unless the code has ended meanwhile or the mailbox has nothing to be told.
pub(crate) async fn mail(app: &App, id: ChallengeId) -> Result<Option<Mail>, Fault> {
    let Some(challenge) = Entity::find_by_id(id).one(&app.db.read).await? else {
        return Ok(None);
    };
    if !mailbox::is_open(&challenge, app.clock.now()) {
        tracing::debug!(challenge.id = %id.0, "a code ended before it was mailed");
        return Ok(None);
    }
    let account = customer::Entity::find()
        .filter(customer::Column::EmailKey.eq(challenge.email_key.as_str()))
        .one(&app.db.read)
        .await?
        .filter(customers::holds_mailbox);
    let Some(template) = template(&challenge, account.as_ref(), app.settings().registration) else {
        return Ok(None);
    };
    Ok(Some(written(app, challenge, account, template)?))
}

/// What is true of the mailbox; none if that is nothing to tell.
fn template(
    challenge: &Model,
    account: Option<&customer::Model>,
    policy: RegistrationPolicy,
) -> Option<Template> {
    if challenge.purpose == Purpose::EmailChange {
        let taken = challenge.customer_id.is_none_or(|asker| email_change::is_taken(asker, account));
        return Some(if taken { Template::EmailChangeTaken } else { Template::CodeEmailChange });
    }
    if account.is_some_and(|account| account.disabled_at.is_some()) {
        return Some(Template::AccountDisabled);
    }
    let registered = account.is_some_and(|account| account.registered_at.is_some());
    match (challenge.purpose, registered) {
        (Purpose::Register, false) => Some(Template::CodeNew),
        (Purpose::Register, true) => Some(Template::CodeAlreadyThere),
        (Purpose::SignIn, true) => Some(Template::CodeSignIn),
        (Purpose::PasswordReset, true) => Some(Template::CodePasswordReset),
        (Purpose::PasswordReset, false) => {
            password_reset::may_reset(account, policy).then_some(Template::CodeNew)
        }
        (Purpose::Welcome, false) => Some(Template::WelcomeSignIn),
        (Purpose::Invitation, false) => Some(Template::AccountInvitation),
        (Purpose::SignIn, false)
        | (Purpose::Welcome | Purpose::Invitation, true)
        | (Purpose::EmailChange, _) => None,
    }
}

fn written(
    app: &App,
    challenge: Model,
    account: Option<customer::Model>,
    template: Template,
) -> Result<Mail, Fault> {
    let settings = app.settings();
    let own = account.and_then(|account| account.locale);
    let locale = own.or(challenge.locale).unwrap_or_else(|| settings.locale.clone());
    let language = Language::of(&locale);
    let (code, token) = match template.shows() {
        Shows::Nothing => (None, None),
        Shows::Code => (Some(code::of(&app.keys.code()?, challenge.id)), None),
        Shows::Token => (None, Some(link::token(&app.keys.link()?, Link::SignIn, challenge.id.0))),
    };
    let link = token.as_ref().zip(settings.storefront_url.as_ref());
    // Behind the #, where it is sent to no server and written into no log.
    let link = link.map(|(token, url)| format!("{url}/sign-in#token={token}"));
    let values = Values {
        shop: &settings.name,
        zone: settings.time_zone,
        at: challenge.created_at,
        life: challenge.expires_at - challenge.created_at,
        code: code.as_deref(),
        token: token.as_deref(),
        link: link.as_deref(),
    };
    let words = app.words.render(template, language, &values)?;
    let to = EmailAddress::try_from(challenge.email)?;
    Ok(Mail { id: challenge.id.0.to_string(), at: challenge.created_at, to, language, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_without_an_account_gets_no_code_to_sign_in() {
        let of = |purpose, policy| template(&challenge(purpose), None, policy);
        let (open, closed) = (RegistrationPolicy::Optional, RegistrationPolicy::Closed);
        assert_eq!(of(Purpose::SignIn, open), None);
        assert_eq!(of(Purpose::Register, open), Some(Template::CodeNew));
        assert_eq!(of(Purpose::PasswordReset, open), Some(Template::CodeNew));
        assert_eq!(of(Purpose::PasswordReset, closed), None);
    }

    fn challenge(purpose: Purpose) -> Model {
        let at = entity::Instant::from_timestamp(1_800_000_000, 0).unwrap();
        Model {
            id: ChallengeId(uuid::Uuid::from_u128(7)),
            purpose,
            email: "anna@example.com".to_owned(),
            email_key: "anna@example.com".to_owned(),
            name: None,
            locale: None,
            password_hash: None,
            tries: 0,
            created_at: at,
            expires_at: at,
            ended_at: None,
            customer_id: None,
            order_id: None,
        }
    }
}
