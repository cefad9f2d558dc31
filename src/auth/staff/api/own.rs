//! What staff do for their own account. But for the beginning of a second factor these take no idempotency key: the
//! password or code that each uses is the key.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::staff;
use sea_orm::EntityTrait;
use secrecy::{ExposeSecret, SecretString};

use super::asking;
use super::members::once;
use super::refusals::{StaffErrorCode, user_error};
use crate::app::App;
use crate::auth::api::SessionTokens;
use crate::auth::passwords::Password;
use crate::auth::staff::reauthenticate::{self, StepUp};
use crate::auth::staff::second_factor::{self, Begin};
use crate::auth::staff::{StaffError, factor, invitations, password, totp};
use crate::error::{Outcome, split};
use crate::graphql::access::{Allowed, STEP_UP};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;

/// A mailed invitation, and the password to sign in with from now on.
#[derive(InputObject)]
pub(super) struct StaffInvitationAcceptInput {
    /// As mailed.
    token: String,
    /// 8 to 128 characters.
    password: String,
}

/// A new member of staff, signed in, or why there is none.
#[derive(SimpleObject)]
pub(super) struct StaffInvitationAcceptPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    staff_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// The password, and the second factor if one is in force, once more.
#[derive(InputObject)]
pub(super) struct StaffStepUpInput {
    /// Of whoever is signed in.
    password: String,
    /// Six digits, or a recovery code: only if a second factor is in force.
    totp_code: Option<String>,
}

/// Whether the session may do what needs a step-up.
#[derive(Debug, SimpleObject)]
pub(super) struct StaffStepUpPayload {
    /// Until when: five minutes from now.
    stepped_up_until: Option<DateTime<Utc>>,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// Another password.
#[derive(InputObject)]
pub(super) struct StaffPasswordChangeInput {
    /// The one so far.
    current_password: String,
    /// 8 to 128 characters.
    new_password: String,
}

/// Whether the password was changed.
#[derive(Debug, SimpleObject)]
pub(super) struct StaffPasswordChangePayload {
    /// True if it was; every other session of the member has ended.
    changed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// A second factor to set up.
#[derive(Debug, InputObject)]
pub(super) struct StaffTotpBeginInput {
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A secret for an authenticator app, not in force until `staffTotpConfirm`.
#[derive(SimpleObject)]
pub(super) struct StaffTotpBeginPayload {
    /// Base32, to type in; null on a replay after the confirmation.
    secret: Option<String>,
    /// `otpauth://totp/…`, for a QR code; null on a replay after the confirmation.
    uri: Option<String>,
    /// Whether an earlier request with this key did it; then the secret is the newest there is.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// A code of a second factor.
#[derive(InputObject)]
pub(super) struct StaffTotpConfirmInput {
    /// Six digits.
    totp_code: String,
}

/// A code of the second factor.
#[derive(InputObject)]
pub(super) struct StaffRecoveryCodesRegenerateInput {
    /// Six digits, or a recovery code.
    totp_code: String,
}

/// Codes that stand in for a lost second factor.
#[derive(SimpleObject)]
pub(super) struct StaffRecoveryCodesPayload {
    /// Ten, each good once; they are shown this once. Null if it was refused.
    recovery_codes: Option<Vec<String>>,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// The password and a code of the second factor that is given up.
#[derive(InputObject)]
pub(super) struct StaffTotpDisableInput {
    /// Of whoever is signed in.
    password: String,
    /// Six digits, or a recovery code.
    totp_code: String,
}

/// Whether the second factor was given up.
#[derive(Debug, SimpleObject)]
pub(super) struct StaffTotpDisablePayload {
    /// True if it was; its recovery codes are gone too.
    disabled: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// What staff do for their own account.
#[derive(Debug, Default)]
pub(super) struct OwnMutation;

#[Object]
impl OwnMutation {
    /// Joins the staff with a mailed invitation, and signs in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn staff_invitation_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The mailed token and a password.")] input: StaffInvitationAcceptInput,
    ) -> Result<StaffInvitationAcceptPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let refused = |error, field| {
            let user_errors = vec![user_error(error, Some(field))];
            StaffInvitationAcceptPayload { tokens: None, staff_id: None, user_errors }
        };
        let password = match Password::parse(input.password.into()) {
            Ok(password) => password,
            Err(problem) => return Ok(refused(StaffError::Password(problem), "password")),
        };
        let token = SecretString::from(input.token);
        Ok(match split(invitations::accept(app, &token, password).await)? {
            Ok((tokens, member)) => StaffInvitationAcceptPayload {
                tokens: Some(tokens.into()),
                staff_id: Some(global_id(NodeType::Staff, member)),
                user_errors: Vec::new(),
            },
            Err(error) => refused(error, "token"),
        })
    }

    /// Lets this session do what needs a step-up, for five minutes. For staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn staff_step_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What shows that it is you.")] input: StaffStepUpInput,
    ) -> Result<StaffStepUpPayload, ApiError> {
        let (member, session) = asking(ctx)?;
        let given = StepUp { member, session, password: input.password.into(), code: input.totp_code };
        let outcome = reauthenticate::step_up(ctx.data_unchecked(), given, STEP_UP).await;
        let (stepped_up_until, user_errors) = told(outcome)?;
        Ok(StaffStepUpPayload { stepped_up_until, user_errors })
    }

    /// Sets another password, and ends every other session of the member. For staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn staff_password_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password so far and the next.")] input: StaffPasswordChangeInput,
    ) -> Result<StaffPasswordChangePayload, ApiError> {
        let next = match Password::parse(input.new_password.into()) {
            Ok(next) => next,
            Err(problem) => {
                let user_errors = vec![user_error(StaffError::Password(problem), Some("newPassword"))];
                return Ok(StaffPasswordChangePayload { changed: false, user_errors });
            }
        };
        let app = ctx.data_unchecked::<App>();
        let outcome = password::change(app, asking(ctx)?, input.current_password.into(), next).await;
        let (done, user_errors) = told(outcome)?;
        Ok(StaffPasswordChangePayload { changed: done.is_some(), user_errors })
    }

    /// Makes a secret for an authenticator app, in place of one that was not confirmed. Signing in goes on without it until
    /// `staffTotpConfirm`. For staff with `staff.self` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn staff_totp_begin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The caller's key.")] input: StaffTotpBeginInput,
    ) -> Result<StaffTotpBeginPayload, ApiError> {
        let begin = Begin::of(asking(ctx)?.0)?;
        let done = once(ctx, "staffTotpBegin", input.idempotency_key, &begin, second_factor::begin).await?;
        let once = match done {
            Ok(once) => once,
            Err(error) => {
                let user_errors = vec![user_error(error, None)];
                return Ok(StaffTotpBeginPayload { secret: None, uri: None, replayed: false, user_errors });
            }
        };
        let app = ctx.data_unchecked::<App>();
        let row = staff::Entity::find_by_id(once.value).one(&app.db.read).await?;
        let shown = match row.filter(|row| !factor::is_in_force(row)) {
            Some(staff::Model { totp_secret: Some(secret), email, .. }) => {
                Some(totp::shown(&secret, &app.settings().name, &email)?)
            }
            _ => None,
        };
        let (secret, uri) = shown.map(|shown| (shown.secret, shown.uri)).unzip();
        Ok(StaffTotpBeginPayload { secret, uri, replayed: once.replayed, user_errors: Vec::new() })
    }

    /// Puts the second factor in force with a first code of it, and shows ten recovery codes once.
    /// For staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn staff_totp_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A code of the new secret.")] input: StaffTotpConfirmInput,
    ) -> Result<StaffRecoveryCodesPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let given = (asking(ctx)?.0, input.totp_code);
        recovery_codes(app.write(&given, second_factor::confirm).await)
    }

    /// Gives ten new recovery codes in place of those before, used or not, and shows them once.
    /// For staff with `staff.self` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn staff_recovery_codes_regenerate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A code that is used up by this.")] input: StaffRecoveryCodesRegenerateInput,
    ) -> Result<StaffRecoveryCodesPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let given = (asking(ctx)?.0, input.totp_code);
        recovery_codes(app.write(&given, second_factor::regenerate).await)
    }

    /// Gives the second factor up; signing in goes on with the password alone. For staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn staff_totp_disable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What shows that it is you.")] input: StaffTotpDisableInput,
    ) -> Result<StaffTotpDisablePayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = second_factor::disable(app, asking(ctx)?, input.password.into(), input.totp_code).await;
        let (done, user_errors) = told(outcome)?;
        Ok(StaffTotpDisablePayload { disabled: done.is_some(), user_errors })
    }
}

type Told<T> = (Option<T>, Vec<UserError<StaffErrorCode>>);

/// What was done, or why it was not.
fn told<T>(outcome: Outcome<T, StaffError>) -> Result<Told<T>, ApiError> {
    Ok(match split(outcome)? {
        Ok(done) => (Some(done), Vec::new()),
        Err(error) => (None, vec![user_error(error, None)]),
    })
}

fn recovery_codes(
    outcome: Outcome<Vec<SecretString>, StaffError>,
) -> Result<StaffRecoveryCodesPayload, ApiError> {
    let (codes, user_errors) = told(outcome)?;
    let text = |codes: Vec<SecretString>| codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    Ok(StaffRecoveryCodesPayload { recovery_codes: codes.map(text), user_errors })
}
