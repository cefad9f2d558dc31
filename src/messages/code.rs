//! The mail with a six-digit code. It says what is true of the mailbox, which nobody but its owner reads; the code is
//! derived only now, and nothing that the asker wrote is repeated in it.

use entity::customer;
use entity::id::ChallengeId;
use entity::mailbox_challenge::{Entity, Model, Purpose};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value as Json, json};

use super::mailer::{Mail, Sent};
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::auth::policy::RegistrationPolicy;
use crate::auth::{code, email_change, mailbox, password_reset};
use crate::customers::email::EmailAddress;
use crate::error::Fault;
use crate::jobs::{self, Job};
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "mail.code";
/// With the back-off of jobs that is about as long as a code is good.
const ATTEMPTS: i64 = 8;

/// What is true of a mailbox that asked for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    /// The code makes an account.
    New,
    /// There is an account: the code signs in.
    SignIn,
    /// There is an account although one was to be made: the code signs in.
    AlreadyThere,
    /// There is an account, and it is disabled.
    Disabled,
    /// A long token makes the account.
    FirstSignIn,
    /// There is an account: the code sets its password.
    Reset,
    /// The code makes it the address of the account that asked.
    NewAddress,
    /// It was to become the address of an account, and is that of another.
    AddressTaken,
}

/// Queues the mail with the change of this transaction.
pub(crate) async fn enqueue(tx: &Tx, challenge: ChallengeId) -> Result<(), Fault> {
    let payload = json!({ "challenge_id": challenge });
    jobs::enqueue(tx, Job { kind: KIND, payload, due: None, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// Sends the mail, unless the code has ended meanwhile or the mailbox has no account to sign in to.
pub(crate) async fn send(app: &App, payload: &Json) -> Result<(), Fault> {
    let id: ChallengeId = serde_json::from_value(payload["challenge_id"].clone())?;
    let Some(challenge) = Entity::find_by_id(id).one(&app.db.read).await? else {
        return Ok(());
    };
    if !mailbox::is_open(&challenge, app.clock.now()) {
        return Ok(());
    }
    let account = customer::Entity::find()
        .filter(customer::Column::EmailKey.eq(challenge.email_key.as_str()))
        .one(&app.db.read)
        .await?;
    let Some(truth) = truth(&challenge, account.as_ref(), app.settings().registration) else {
        return Ok(());
    };
    let mail = mail(app, &challenge, account, truth)?;
    match app.mailer.send(mail).await? {
        Sent::Yes | Sent::Refused => Ok(()),
    }
}

fn truth(challenge: &Model, account: Option<&customer::Model>, policy: RegistrationPolicy) -> Option<Truth> {
    if challenge.purpose == Purpose::EmailChange {
        let taken = challenge.customer_id.is_none_or(|asker| email_change::is_taken(asker, account));
        return Some(if taken { Truth::AddressTaken } else { Truth::NewAddress });
    }
    if account.is_some_and(|account| account.disabled_at.is_some()) {
        return Some(Truth::Disabled);
    }
    let registered = account.is_some_and(|account| account.registered_at.is_some());
    match (challenge.purpose, registered) {
        (Purpose::Register, false) => Some(Truth::New),
        (Purpose::Register, true) => Some(Truth::AlreadyThere),
        (Purpose::SignIn, true) => Some(Truth::SignIn),
        (Purpose::PasswordReset, true) => Some(Truth::Reset),
        (Purpose::PasswordReset, false) => password_reset::may_reset(account, policy).then_some(Truth::New),
        (Purpose::Welcome | Purpose::Invitation, false) => Some(Truth::FirstSignIn),
        (Purpose::SignIn, false)
        | (Purpose::Welcome | Purpose::Invitation, true)
        | (Purpose::EmailChange, _) => None,
    }
}

fn mail(app: &App, challenge: &Model, account: Option<customer::Model>, truth: Truth) -> Result<Mail, Fault> {
    let settings = app.settings();
    let own = account.and_then(|account| account.locale);
    let locale = own.or_else(|| challenge.locale.clone()).unwrap_or_else(|| settings.locale.clone());
    let code = if mailbox::is_link(challenge.purpose) {
        link::token(&app.keys.link()?, Link::SignIn, challenge.id.0)
    } else {
        code::of(&app.keys.code()?, challenge.id)
    };
    let (subject, text) = words(truth, is_dutch(&locale), &settings.name, &code);
    let to = EmailAddress::try_from(challenge.email.clone())?;
    Ok(Mail { cause: challenge.id.0, at: challenge.created_at, to, subject, text })
}

pub(super) fn is_dutch(locale: &str) -> bool {
    locale.split(['-', '_']).next().is_some_and(|language| language.eq_ignore_ascii_case("nl"))
}

fn words(truth: Truth, dutch: bool, shop: &str, code: &str) -> (String, String) {
    if dutch { dutch_words(truth, shop, code) } else { english_words(truth, shop, code) }
}

fn english_words(truth: Truth, shop: &str, code: &str) -> (String, String) {
    let (subject, first) = match truth {
        Truth::New => (
            format!("{code} is your code for {shop}"),
            format!("Welcome! With this code you make your account at {shop}:"),
        ),
        Truth::SignIn => {
            (format!("{code} is your code for {shop}"), format!("With this code you sign in at {shop}:"))
        }
        Truth::AlreadyThere => (
            format!("You already have an account at {shop}"),
            format!(
                "Somebody, probably you, asked for a new account at {shop}. You already have one, and nothing was \
                 changed. With this code you sign in to it:"
            ),
        ),
        Truth::FirstSignIn => (
            format!("Your account at {shop}"),
            format!("An account is ready for you at {shop}. With this you sign in:"),
        ),
        Truth::Reset => (
            format!("{code} is your code for {shop}"),
            format!("With this code you set a new password at {shop}:"),
        ),
        Truth::NewAddress => (
            format!("{code} is your code for {shop}"),
            format!("With this code you make this the e-mail address of your account at {shop}:"),
        ),
        Truth::AddressTaken => {
            let text = format!(
                "Hello,\n\nSomebody wanted to make this the e-mail address of another account at {shop}. It is the \
                 address of your account, and nothing was changed: there is nothing to do.\n\n{shop}\n"
            );
            return (format!("You already have an account at {shop}"), text);
        }
        Truth::Disabled => {
            let text = format!(
                "Hello,\n\nSomebody, probably you, asked for a code to sign in at {shop}. This account is \
                 disabled. Please get in touch with the shop.\n\n{shop}\n"
            );
            return (format!("Your account at {shop}"), text);
        }
    };
    let text = format!(
        "Hello,\n\n{first}\n\n    {code}\n\nThe code is good for 10 minutes. Never give it to anybody else; the shop \
         will not ask you for it.\n\nWas it not you who asked? Then there is nothing to do: without the code nothing \
         happens.\n\n{shop}\n"
    );
    (subject, text)
}

fn dutch_words(truth: Truth, shop: &str, code: &str) -> (String, String) {
    let (subject, first) = match truth {
        Truth::New => (
            format!("{code} is je code voor {shop}"),
            format!("Welkom! Met deze code maak je je account bij {shop}:"),
        ),
        Truth::SignIn => {
            (format!("{code} is je code voor {shop}"), format!("Met deze code log je in bij {shop}:"))
        }
        Truth::AlreadyThere => (
            format!("Je hebt al een account bij {shop}"),
            format!(
                "Iemand, waarschijnlijk jijzelf, vroeg om een nieuw account bij {shop}. Je hebt er al een, en er is \
                 niets veranderd. Met deze code log je in:"
            ),
        ),
        Truth::FirstSignIn => (
            format!("Je account bij {shop}"),
            format!("Er staat een account voor je klaar bij {shop}. Hiermee log je in:"),
        ),
        Truth::Reset => (
            format!("{code} is je code voor {shop}"),
            format!("Met deze code stel je een nieuw wachtwoord in bij {shop}:"),
        ),
        Truth::NewAddress => (
            format!("{code} is je code voor {shop}"),
            format!("Met deze code maak je dit het e-mailadres van je account bij {shop}:"),
        ),
        Truth::AddressTaken => {
            let text = format!(
                "Hallo,\n\nIemand wilde dit het e-mailadres van een ander account bij {shop} maken. Het is het adres \
                 van jouw account, en er is niets veranderd: je hoeft niets te doen.\n\n{shop}\n"
            );
            return (format!("Je hebt al een account bij {shop}"), text);
        }
        Truth::Disabled => {
            let text = format!(
                "Hallo,\n\nIemand, waarschijnlijk jijzelf, vroeg om een code om in te loggen bij {shop}. Dit account \
                 is geblokkeerd. Neem contact op met de winkel.\n\n{shop}\n"
            );
            return (format!("Je account bij {shop}"), text);
        }
    };
    let text = format!(
        "Hallo,\n\n{first}\n\n    {code}\n\nDe code is 10 minuten geldig. Geef hem nooit aan iemand anders; de winkel \
         vraagt er niet om.\n\nHeb jij hier niet om gevraagd? Dan hoef je niets te doen: zonder de code gebeurt er \
         niets.\n\n{shop}\n"
    );
    (subject, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_chooses_the_language() {
        for dutch in ["nl", "nl-BE", "NL_nl"] {
            assert!(is_dutch(dutch), "{dutch}");
        }
        for other in ["", "en", "nlx", "de-NL"] {
            assert!(!is_dutch(other), "{other}");
        }
    }

    #[test]
    fn every_mail_names_the_shop_and_shows_a_code_only_if_it_does_something() {
        use Truth::{AddressTaken, AlreadyThere, Disabled, New, NewAddress, Reset, SignIn};
        for dutch in [false, true] {
            for truth in [New, SignIn, AlreadyThere, Reset, NewAddress, AddressTaken, Disabled] {
                let (subject, text) = words(truth, dutch, "Fietsenhuis", "012345");
                assert!(subject.contains("Fietsenhuis") && text.contains("Fietsenhuis"));
                let shows = !matches!(truth, AddressTaken | Disabled);
                assert_eq!(
                    (text.contains("012345"), subject.contains("012345")),
                    (shows, shows && truth != AlreadyThere)
                );
            }
        }
    }

    #[test]
    fn a_mailbox_without_an_account_gets_no_code_to_sign_in() {
        let of = |purpose, policy| truth(&challenge(purpose), None, policy);
        let (open, closed) = (RegistrationPolicy::Optional, RegistrationPolicy::Closed);
        assert_eq!(of(Purpose::SignIn, open), None);
        assert_eq!(of(Purpose::Register, open), Some(Truth::New));
        assert_eq!(of(Purpose::PasswordReset, open), Some(Truth::New));
        assert_eq!(of(Purpose::PasswordReset, closed), None);
    }

    fn challenge(purpose: Purpose) -> Model {
        let at = entity::Instant::from_timestamp(1_800_000_000, 0).unwrap();
        Model {
            order_id: None,
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
        }
    }
}
