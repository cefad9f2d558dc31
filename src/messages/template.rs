//! Which mails there are, what each shows, and in which languages.

use serde::{Deserialize, Serialize};

/// What a mail says. Its words are in `words/`, one file a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The code makes an account.
    CodeNew,
    /// The code signs in.
    CodeSignIn,
    /// An account was asked for and there is one: the code signs in to it.
    CodeAlreadyThere,
    /// A code was asked for, and the account is disabled.
    AccountDisabled,
    /// The code sets a new password.
    CodePasswordReset,
    /// To a new address: the code makes it the address of the account.
    CodeEmailChange,
    /// To a new address that has an account of its own: nothing was changed.
    EmailChangeTaken,
    /// To the old address: the account has another now, and when that happened; not which.
    EmailChanged,
    /// The password was changed, and when.
    PasswordChanged,
    /// After a first order: an account is ready, with a way to sign in once.
    WelcomeSignIn,
    /// The shop's staff made an account, with a way to sign in once.
    AccountInvitation,
    /// To a new member of staff: a way to set a password.
    StaffInvitation,
    /// A way to confirm what somebody wants to be sent.
    ConsentConfirm,
}

/// What a mail gives its reader besides words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    Nothing,
    /// Six digits to type.
    Code,
    /// A link, or the token itself where there is none.
    Token,
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 13] = [
        Self::CodeNew,
        Self::CodeSignIn,
        Self::CodeAlreadyThere,
        Self::AccountDisabled,
        Self::CodePasswordReset,
        Self::CodeEmailChange,
        Self::EmailChangeTaken,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::WelcomeSignIn,
        Self::AccountInvitation,
        Self::StaffInvitation,
        Self::ConsentConfirm,
    ];

    /// What it gives its reader, in every language.
    pub fn shows(self) -> Shows {
        match self {
            Self::CodeNew
            | Self::CodeSignIn
            | Self::CodeAlreadyThere
            | Self::CodePasswordReset
            | Self::CodeEmailChange => Shows::Code,
            Self::WelcomeSignIn | Self::AccountInvitation | Self::StaffInvitation | Self::ConsentConfirm => {
                Shows::Token
            }
            Self::AccountDisabled | Self::EmailChangeTaken | Self::EmailChanged | Self::PasswordChanged => {
                Shows::Nothing
            }
        }
    }

    /// Its name in `words/` and in a `Message-ID`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CodeNew => "code_new",
            Self::CodeSignIn => "code_sign_in",
            Self::CodeAlreadyThere => "code_already_there",
            Self::AccountDisabled => "account_disabled",
            Self::CodePasswordReset => "code_password_reset",
            Self::CodeEmailChange => "code_email_change",
            Self::EmailChangeTaken => "email_change_taken",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::WelcomeSignIn => "welcome_sign_in",
            Self::AccountInvitation => "account_invitation",
            Self::StaffInvitation => "staff_invitation",
            Self::ConsentConfirm => "consent_confirm",
        }
    }
}

/// A language that mails are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// For every locale without words of its own.
    English,
    /// Dutch.
    Dutch,
    /// Hebrew, which is read from right to left.
    Hebrew,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::English, Self::Dutch, Self::Hebrew];

    /// Of a BCP 47 locale: `nl-BE` is Dutch, `he` and its older name `iw` are Hebrew, all others are read as English.
    pub fn of(locale: &str) -> Self {
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        match language.as_str() {
            "nl" => Self::Dutch,
            "he" | "iw" => Self::Hebrew,
            _ => Self::English,
        }
    }

    /// Its BCP 47 tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Dutch => "nl",
            Self::Hebrew => "he",
        }
    }

    /// Whether it is read from right to left.
    pub(crate) fn is_right_to_left(self) -> bool {
        match self {
            Self::English | Self::Dutch => false,
            Self::Hebrew => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_chooses_the_language() {
        for (locale, language) in [
            ("nl", Language::Dutch),
            ("nl-BE", Language::Dutch),
            ("NL_nl", Language::Dutch),
            ("he", Language::Hebrew),
            ("he-IL", Language::Hebrew),
            ("iw", Language::Hebrew),
            ("en", Language::English),
            ("", Language::English),
            ("nlx", Language::English),
            ("de-NL", Language::English),
        ] {
            assert_eq!(Language::of(locale), language, "{locale}");
        }
    }

    #[test]
    fn a_template_has_one_name_everywhere() {
        for template in Template::ALL {
            assert_eq!(serde_json::to_value(template).unwrap(), template.name());
        }
    }
}
