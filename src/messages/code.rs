//! The mail that answers whoever asked for proof of a mailbox. It says what is true of the mailbox, which nobody but its
//! owner reads; the code is derived only now, and nothing that the asker wrote is repeated in it.

use entity::customer;
use entity::id::ChallengeId;
use entity::mailbox_challenge::{Entity, Model, Purpose};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::mailer::Mail;
use super::template::{Language, Template};
use super::words::Values;
use crate::app::App;
use crate::auth::{code, mailbox};
use crate::customers::email::EmailAddress;
use crate::error::Fault;

/// The mail, unless the code has ended meanwhile or the mailbox has nothing to be told.
pub(crate) async fn mail(app: &App, id: ChallengeId) -> Result<Option<Mail>, Fault> {
    let Some(challenge) = Entity::find_by_id(id).one(&app.db.read).await? else {
        return Ok(None);
    };
    if !mailbox::is_open(&challenge, app.clock.now()) {
        tracing::info!(challenge.id = %id.0, "a code ended before it was mailed");
        return Ok(None);
    }
    let account = customer::Entity::find()
        .filter(customer::Column::EmailKey.eq(challenge.email_key.as_str()))
        .one(&app.db.read)
        .await?;
    let Some(template) = template(challenge.purpose, account.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(written(app, challenge, account, template)?))
}

/// What is true of the mailbox; none if that is nothing to tell.
fn template(purpose: Purpose, account: Option<&customer::Model>) -> Option<Template> {
    if account.is_some_and(|account| account.disabled_at.is_some()) {
        return Some(Template::AccountDisabled);
    }
    let registered = account.is_some_and(|account| account.registered_at.is_some());
    match (purpose, registered) {
        (Purpose::Register, false) => Some(Template::CodeNew),
        (Purpose::Register, true) => Some(Template::CodeAlreadyThere),
        (Purpose::SignIn, true) => Some(Template::CodeSignIn),
        (Purpose::SignIn, false) => None,
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
    let code = code::of(&app.keys.code()?, challenge.id);
    let values = Values {
        shop: &settings.name,
        zone: settings.time_zone,
        at: challenge.created_at,
        life: challenge.expires_at - challenge.created_at,
        code: Some(&code),
        token: None,
        link: None,
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
        assert_eq!(template(Purpose::SignIn, None), None);
        assert_eq!(template(Purpose::Register, None), Some(Template::CodeNew));
    }
}
