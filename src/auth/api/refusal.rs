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
}

/// A refusal with the field that it is about.
pub(super) fn user_error(error: AuthError) -> UserError<AuthErrorCode> {
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
    };
    let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}
