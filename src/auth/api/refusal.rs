//! Why credentials were not given or not taken, in the words of the API.

use async_graphql::Enum;

use crate::auth::AuthError;
use crate::auth::passwords::PasswordProblem;
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
    /// It is not the account's own password.
    PasswordWrong,
    /// Give the password, or a mailed code, with `sessionReauthenticate` first: the last one was five minutes ago.
    Reauthenticate,
    /// The shop knows the address as that of another customer, who has no account: it can make the two one.
    EmailTaken,
    /// There is no such session, or it is not yours.
    NotFound,
    /// Only staff make accounts.
    RegistrationClosed,
    /// The password is right; a second factor is in force and has to be given too.
    TotpRequired,
    /// Five second factors in a row were wrong; none is looked at for 15 minutes.
    TooManyAttempts,
}

/// A refusal with the field that it is about.
pub(super) fn user_error(error: AuthError) -> UserError<AuthErrorCode> {
    let (_, field, _) = words(error);
    refused(error, field)
}

/// The same about another field of the input.
pub(super) fn in_field(error: AuthError, field: &'static str) -> UserError<AuthErrorCode> {
    refused(error, Some(field))
}

fn refused(error: AuthError, field: Option<&'static str>) -> UserError<AuthErrorCode> {
    let (code, _, message) = words(error);
    let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}

fn words(error: AuthError) -> (AuthErrorCode, Option<&'static str>, &'static str) {
    match error {
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
        AuthError::PasswordWrong => {
            (AuthErrorCode::PasswordWrong, Some("password"), "This is not the password of this account.")
        }
        AuthError::Reauthenticate => {
            (AuthErrorCode::Reauthenticate, None, "Give your password or a mailed code again to do this.")
        }
        AuthError::EmailTaken => (
            AuthErrorCode::EmailTaken,
            None,
            "The shop knows this address as that of another customer; it can make the two one.",
        ),
        AuthError::RegistrationClosed => {
            (AuthErrorCode::RegistrationClosed, None, "This shop takes no registrations.")
        }
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
        AuthError::SessionNotFound => {
            (AuthErrorCode::NotFound, Some("sessionId"), "There is no such session.")
        }
    }
}
