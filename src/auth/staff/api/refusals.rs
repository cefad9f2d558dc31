//! How a refusal about staff is told.

use async_graphql::Enum;

use crate::auth::passwords::PasswordProblem;
use crate::auth::staff::StaffError;
use crate::graphql::payload::UserError;

/// Why something about staff was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum StaffErrorCode {
    /// No such member or invitation.
    NotFound,
    /// There is a member of staff with this address already.
    AddressTaken,
    /// Nobody changes their own role, disables themselves or resets their own second factor.
    OwnAccount,
    /// The last enabled owner stays one.
    LastOwner,
    /// The token is wrong, used, replaced, withdrawn or more than seven days old.
    InvitationInvalid,
    /// The invitation was accepted, replaced or withdrawn.
    InvitationEnded,
    /// The password or the code is wrong, or the code was used before.
    InvalidCredentials,
    /// A second factor is in force and has to be given.
    TotpRequired,
    /// Five codes in a row were wrong; none is looked at for 15 minutes.
    TooManyAttempts,
    /// There is a second factor in force already.
    TotpInForce,
    /// There is no second factor in force.
    TotpNotInForce,
    /// `staffTotpBegin` comes first.
    TotpNotBegun,
    /// The password has fewer than 8 characters.
    PasswordTooShort,
    /// The password has more than 128 characters.
    PasswordTooLong,
    /// The password is among the first that anybody would try.
    PasswordTooCommon,
    /// A text out of its bounds.
    Invalid,
}

/// `field` is the input field at fault, if the refusal is about one.
pub(super) fn user_error(error: StaffError, field: Option<&str>) -> UserError<StaffErrorCode> {
    use StaffErrorCode as Code;
    let (code, message) = match error {
        StaffError::NotFound => (Code::NotFound, "There is no such member or invitation."),
        StaffError::AddressTaken => (Code::AddressTaken, "There is a member of staff with this address."),
        StaffError::OwnAccount => (Code::OwnAccount, "Somebody else has to do this to your account."),
        StaffError::LastOwner => (Code::LastOwner, "The shop needs an enabled owner; this is the last one."),
        StaffError::InvitationInvalid => {
            (Code::InvitationInvalid, "This invitation is wrong or no longer good; ask for a new one.")
        }
        StaffError::InvitationEnded => {
            (Code::InvitationEnded, "This invitation was accepted, replaced or withdrawn before.")
        }
        StaffError::InvalidCredentials => {
            (Code::InvalidCredentials, "The password or the code is wrong, or the code was used before.")
        }
        StaffError::TotpRequired => {
            (Code::TotpRequired, "Give the six digits of your second factor, or a recovery code.")
        }
        StaffError::TooManyAttempts => {
            (Code::TooManyAttempts, "Too many wrong codes; try again in 15 minutes.")
        }
        StaffError::TotpInForce => (Code::TotpInForce, "There is a second factor in force already."),
        StaffError::TotpNotInForce => (Code::TotpNotInForce, "There is no second factor in force."),
        StaffError::TotpNotBegun => (Code::TotpNotBegun, "Ask for a secret with staffTotpBegin first."),
        StaffError::Password(PasswordProblem::TooShort) => {
            (Code::PasswordTooShort, "A password has at least 8 characters.")
        }
        StaffError::Password(PasswordProblem::TooLong) => {
            (Code::PasswordTooLong, "A password has at most 128 characters.")
        }
        StaffError::Password(PasswordProblem::Common) => {
            (Code::PasswordTooCommon, "This password is among the first that anybody would try.")
        }
    };
    UserError { code, field: field.map(path), message: message.to_owned() }
}

/// A name that is none.
pub(super) fn no_name() -> UserError<StaffErrorCode> {
    let message = "Give a name of 1 to 200 characters in one line.".to_owned();
    UserError { code: StaffErrorCode::Invalid, field: Some(path("name")), message }
}

fn path(field: &str) -> Vec<String> {
    vec!["input".to_owned(), field.to_owned()]
}
