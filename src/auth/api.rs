//! Registering, signing in and out over GraphQL. These mutations take no idempotency key: the credential that each uses
//! up is the key.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::id::{ChallengeId, CustomerId, StaffId};
use secrecy::{ExposeSecret, SecretString};

use super::mailbox::{self, Register};
use super::passwords::{Password, PasswordProblem};
use super::sessions::{self, Tokens};
use super::{AuthError, proof, sign_in};
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::error::{Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::payload::UserError;

/// Why credentials were not given or not taken, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum AuthErrorCode {
    /// The address and the password do not sign in.
    InvalidCredentials,
    /// The code is wrong or no longer good.
    CodeInvalid,
    /// The refresh token is not good, or no longer.
    RefreshTokenInvalid,
    /// The password has fewer than 8 characters.
    PasswordTooShort,
    /// The password has more than 128 characters.
    PasswordTooLong,
    /// The password is among the first that anybody would try.
    PasswordTooCommon,
    /// The password is right; a second factor is in force and has to be given too.
    TotpRequired,
    /// Five second factors in a row were wrong; none is looked at for 15 minutes.
    TooManyAttempts,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum MailboxStatus {
    /// Whatever there is to know was mailed.
    CheckMailbox,
}

/// What a client signs in with from now on.
#[derive(SimpleObject)]
pub struct SessionTokens {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    /// When the access token ends.
    access_token_expires_at: DateTime<Utc>,
    /// For `sessionRefresh`; good once, but for ten seconds in which a second tab may use it too.
    refresh_token: String,
}

impl From<Tokens> for SessionTokens {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
        }
    }
}

/// Who wants an account.
#[derive(InputObject)]
pub struct CustomerRegisterInput {
    /// The mailbox to prove.
    email: EmailAddress,
    /// 8 to 128 characters; without one, mailed codes are the way to sign in.
    password: Option<String>,
    /// 1 to 200 characters.
    name: Option<String>,
    /// For mails: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same for known and unknown addresses.
#[derive(Debug, SimpleObject)]
pub struct CustomerRegisterPayload {
    /// What comes next; null if the password cannot be set.
    status: Option<MailboxStatus>,
    /// For `mailboxProve`, with the mailed code.
    challenge_id: Option<ID>,
    /// Why it was refused: only what is wrong with the password.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Where a code is to be mailed.
#[derive(InputObject)]
pub struct SignInRequestCodeInput {
    /// The mailbox of the account.
    email: EmailAddress,
    /// For the mail: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same for known and unknown addresses.
#[derive(Debug, SimpleObject)]
pub struct SignInRequestCodePayload {
    /// What comes next.
    status: MailboxStatus,
    /// For `mailboxProve`, with the mailed code.
    challenge_id: ID,
    /// None so far.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A code that was mailed.
#[derive(InputObject)]
pub struct MailboxProveInput {
    /// As `customerRegister` or `signInRequestCode` answered.
    challenge_id: ID,
    /// Six digits.
    code: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct MailboxProvePayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// An address and its password.
#[derive(InputObject)]
pub struct SignInWithPasswordInput {
    /// The mailbox of the account.
    email: EmailAddress,
    /// Its password.
    password: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct SignInWithPasswordPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A staff address and its password.
#[derive(InputObject)]
pub struct StaffSignInInput {
    /// Of the member of staff.
    email: EmailAddress,
    /// Its password.
    password: String,
    /// Six digits, or a recovery code: only for a member whose second factor is in force.
    totp_code: Option<String>,
}

/// A new session of a member of staff, or why there is none.
#[derive(SimpleObject)]
pub struct StaffSignInPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    staff_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// The newest refresh token of a session.
#[derive(InputObject)]
pub struct SessionRefreshInput {
    /// Used up by this.
    refresh_token: String,
}

/// The next tokens of a session, or why there are none.
#[derive(SimpleObject)]
pub struct SessionRefreshPayload {
    /// The next ones.
    tokens: Option<SessionTokens>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A refresh token of a session.
#[derive(InputObject)]
pub struct SessionEndInput {
    /// Of the session to end.
    refresh_token: String,
}

/// The session is over.
#[derive(Debug, SimpleObject)]
pub struct SessionEndPayload {
    /// Always: a token that is unknown or used has no session to end.
    ended: bool,
    /// None so far.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Registering, signing in and out.
#[derive(Debug, Default)]
pub struct AuthMutation;

#[Object]
impl AuthMutation {
    /// Mails a code that makes the account, or that signs in if there is one. For everyone.
    #[graphql(guard = "Allowed")]
    async fn customer_register(
        &self,
        ctx: &Context<'_>,
        input: CustomerRegisterInput,
    ) -> Result<CustomerRegisterPayload, ApiError> {
        let (name, locale) = (person_name(input.name)?, locale(input.locale)?);
        let password = input.password.map(|text| Password::parse(text.into())).transpose();
        let password = match password {
            Ok(password) => password,
            Err(problem) => {
                let user_errors = vec![user_error(AuthError::Password(problem))];
                return Ok(CustomerRegisterPayload { status: None, challenge_id: None, user_errors });
            }
        };
        let register = Register { email: input.email, password, name, locale };
        let challenge = mailbox::register(ctx.data_unchecked::<App>(), register).await?;
        Ok(CustomerRegisterPayload {
            status: Some(MailboxStatus::CheckMailbox),
            challenge_id: Some(global_id(NodeType::MailboxChallenge, challenge)),
            user_errors: Vec::new(),
        })
    }

    /// Mails a code that signs in, if the address has an account. For everyone.
    #[graphql(guard = "Allowed")]
    async fn sign_in_request_code(
        &self,
        ctx: &Context<'_>,
        input: SignInRequestCodeInput,
    ) -> Result<SignInRequestCodePayload, ApiError> {
        let locale = locale(input.locale)?;
        let challenge = mailbox::request_code(ctx.data_unchecked::<App>(), input.email, locale).await?;
        Ok(SignInRequestCodePayload {
            status: MailboxStatus::CheckMailbox,
            challenge_id: global_id(NodeType::MailboxChallenge, challenge),
            user_errors: Vec::new(),
        })
    }

    /// Proves a mailbox with the mailed code, makes the account if there is none, and signs in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn mailbox_prove(
        &self,
        ctx: &Context<'_>,
        input: MailboxProveInput,
    ) -> Result<MailboxProvePayload, ApiError> {
        let outcome = match local_id::<ChallengeId>(&input.challenge_id, NodeType::MailboxChallenge) {
            Some(challenge) => proof::prove(ctx.data_unchecked::<App>(), challenge, &input.code).await,
            None => crate::error::refuse(AuthError::CodeInvalid),
        };
        let (tokens, customer_id, user_errors) = signed_in(outcome, customer_id)?;
        Ok(MailboxProvePayload { tokens, customer_id, user_errors })
    }

    /// Signs a customer in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn sign_in_with_password(
        &self,
        ctx: &Context<'_>,
        input: SignInWithPasswordInput,
    ) -> Result<SignInWithPasswordPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = sign_in::customer(app, &input.email, input.password.into()).await;
        let (tokens, customer_id, user_errors) = signed_in(outcome, customer_id)?;
        Ok(SignInWithPasswordPayload { tokens, customer_id, user_errors })
    }

    /// Signs a member of staff in. A second factor that is in force is asked for only after the right password, and its
    /// code is good once. For everyone.
    #[graphql(guard = "Allowed")]
    async fn staff_sign_in(
        &self,
        ctx: &Context<'_>,
        input: StaffSignInInput,
    ) -> Result<StaffSignInPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = sign_in::staff(app, &input.email, input.password.into(), input.totp_code).await;
        let id = |staff: StaffId| global_id(NodeType::Staff, staff);
        let (tokens, staff_id, user_errors) = signed_in(outcome, id)?;
        Ok(StaffSignInPayload { tokens, staff_id, user_errors })
    }

    /// Exchanges a refresh token for the next tokens. A used one that comes back more than ten seconds later ends the session.
    /// For everyone.
    #[graphql(guard = "Allowed")]
    async fn session_refresh(
        &self,
        ctx: &Context<'_>,
        input: SessionRefreshInput,
    ) -> Result<SessionRefreshPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let token = SecretString::from(input.refresh_token);
        match split(app.write(&token, sessions::refresh).await)? {
            Ok(opened) => {
                let tokens = Some(opened.tokens(app)?.into());
                Ok(SessionRefreshPayload { tokens, user_errors: Vec::new() })
            }
            Err(error) => Ok(SessionRefreshPayload { tokens: None, user_errors: vec![user_error(error)] }),
        }
    }

    /// Signs out: ends the session of a refresh token. For everyone.
    #[graphql(guard = "Allowed")]
    async fn session_end(
        &self,
        ctx: &Context<'_>,
        input: SessionEndInput,
    ) -> Result<SessionEndPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let token = SecretString::from(input.refresh_token);
        app.change(&token, sessions::end).await?;
        Ok(SessionEndPayload { ended: true, user_errors: Vec::new() })
    }
}

fn customer_id(customer: CustomerId) -> ID {
    global_id(NodeType::Customer, customer)
}

type SignedIn = (Option<SessionTokens>, Option<ID>, Vec<UserError<AuthErrorCode>>);

fn signed_in<T>(
    outcome: Outcome<(Tokens, T), AuthError>,
    id: impl FnOnce(T) -> ID,
) -> Result<SignedIn, ApiError> {
    Ok(match split(outcome)? {
        Ok((tokens, who)) => (Some(tokens.into()), Some(id(who)), Vec::new()),
        Err(error) => (None, None, vec![user_error(error)]),
    })
}

fn person_name(text: Option<String>) -> Result<Option<PersonName>, ApiError> {
    let name = text.map(PersonName::try_from).transpose();
    name.map_err(|problem| ApiError::bad_input(format!("name {problem}")))
}

fn locale(text: Option<String>) -> Result<Option<Locale>, ApiError> {
    let locale = text.map(Locale::try_from).transpose();
    locale.map_err(|problem| ApiError::bad_input(format!("locale {problem}")))
}

fn user_error(error: AuthError) -> UserError<AuthErrorCode> {
    let (code, field, message) = match error {
        AuthError::InvalidCredentials => {
            (AuthErrorCode::InvalidCredentials, None, "This address and password do not sign in.")
        }
        AuthError::CodeInvalid => (
            AuthErrorCode::CodeInvalid,
            Some("code"),
            "This code is wrong or no longer good; ask for a new one.",
        ),
        AuthError::RefreshTokenInvalid => {
            (AuthErrorCode::RefreshTokenInvalid, Some("refreshToken"), "This session is over; sign in again.")
        }
        AuthError::Password(PasswordProblem::TooShort) => {
            (AuthErrorCode::PasswordTooShort, Some("password"), "A password has at least 8 characters.")
        }
        AuthError::Password(PasswordProblem::TooLong) => {
            (AuthErrorCode::PasswordTooLong, Some("password"), "A password has at most 128 characters.")
        }
        AuthError::Password(PasswordProblem::Common) => (
            AuthErrorCode::PasswordTooCommon,
            Some("password"),
            "This password is among the first that anybody would try.",
        ),
        AuthError::TotpRequired => (
            AuthErrorCode::TotpRequired,
            Some("totpCode"),
            "Give the six digits of your second factor, or a recovery code.",
        ),
        AuthError::TooManyAttempts => (
            AuthErrorCode::TooManyAttempts,
            Some("totpCode"),
            "Too many wrong codes; try again in 15 minutes.",
        ),
    };
    let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use async_graphql::ID;

    use crate::auth::viewer::Viewer;
    use crate::auth::{authenticate, code};
    use crate::graphql::global_id::{NodeType, local_id};
    use crate::testing::on_each_database;

    #[tokio::test]
    async fn over_graphql_an_address_registers_proves_and_sees_itself() {
        on_each_database(async |app| {
        let schema = crate::graphql::schema(Some(app.clone()));
        let run = async |query: String, viewer: Viewer| {
            let response = schema.execute(async_graphql::Request::new(query).data(viewer)).await;
            assert!(response.errors.is_empty(), "{:?}", response.errors);
            response.data.into_json().unwrap()
        };
        let register = r#"mutation { customerRegister(input: { email: "anna@example.com", password: "short" }) {
        status challengeId userErrors { code field } } }"#;
        let refused = run(register.to_owned(), Viewer::Anonymous).await;
        let expected = serde_json::json!({ "status": null, "challengeId": null,
            "userErrors": [{ "code": "PASSWORD_TOO_SHORT", "field": ["input", "password"] }] });
        assert_eq!(refused["customerRegister"], expected);
        let taken = run(register.replace("short", "correct horse"), Viewer::Anonymous).await;
        assert_eq!(taken["customerRegister"]["status"], "CHECK_MAILBOX");
        let id = taken["customerRegister"]["challengeId"].as_str().unwrap().to_owned();
        let challenge = local_id(&ID(id.clone()), NodeType::MailboxChallenge).unwrap();
        let code = code::of(&app.keys.code().unwrap(), challenge);
        let prove = format!(
            r#"mutation {{ mailboxProve(input: {{ challengeId: "{id}", code: "{code}" }}) {{
                tokens {{ accessToken refreshToken }} customerId userErrors {{ code }} }} }}"#
        );
        let proven = run(prove.clone(), Viewer::Anonymous).await["mailboxProve"].clone();
        let access = proven["tokens"]["accessToken"].as_str().unwrap();
        let seen = authenticate(app, Some(&format!("Bearer {access}"))).await.unwrap();
        let me = run("{ me { id email registered enrolled } }".to_owned(), seen).await["me"].clone();
        assert_eq!((&me["id"], &me["email"]), (&proven["customerId"], &"anna@example.com".into()));
        assert!(me["registered"].is_string() && me["enrolled"].is_string());
        let again = run(prove, Viewer::Anonymous).await["mailboxProve"].clone();
        assert_eq!(again["userErrors"][0]["code"], "CODE_INVALID");
        })
        .await;
    }
}
