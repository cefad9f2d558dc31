//! How a buyer becomes a customer with an account, over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::order_line;

use super::{Claim, ClaimedOrder as Claimed, Invite, InviteError, OnboardingError};
use crate::app::App;
use crate::auth::api::{MailboxStatus, SessionTokens};
use crate::auth::passwords::{Password, PasswordProblem};
use crate::auth::viewer::Viewer;
use crate::auth::{AuthError, proof};
use crate::customers::api::{Customer, bounded};
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::customers::{CustomerBy, find};
use crate::error::split;
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{IdempotencyKey, MoneyValue};
use crate::idempotency::Key;
use crate::money::{Currency, Money};
use crate::orders::api::OrderState;
use crate::points::amount::Points;
use crate::settings::api::accounts::RegistrationPolicy;

/// What a storefront shows at checkout, by the policy in force.
#[derive(Debug, SimpleObject)]
pub struct CheckoutPolicy {
    /// Who gets an account, and how.
    registration: RegistrationPolicy,
    /// Whether to offer registration: `customerRegister` takes anybody.
    can_register: bool,
    /// Whether to offer checkout without an account; an order that comes without one all the same is recorded and flagged
    /// `GUEST_NOT_ALLOWED`.
    guest_checkout: bool,
    /// Whether an order of a guest has a claim token, to offer an account on the thank-you page.
    account_after_order: bool,
}

/// An order as its claim token shows it: nothing else of its address.
#[derive(Debug)]
pub struct ClaimedOrder(Claimed);

/// A line of it.
#[derive(Debug, SimpleObject)]
pub struct ClaimedOrderLine {
    /// As sold.
    name: String,
    /// The shop's.
    sku: String,
    /// Pieces.
    quantity: i32,
    /// For all pieces, after discount.
    line_total: MoneyValue,
}

#[Object]
impl ClaimedOrder {
    /// The shop's id of the order.
    async fn external_id(&self) -> &str {
        &self.0.order.external_id
    }

    /// When it was placed.
    async fn placed_at(&self) -> DateTime<Utc> {
        self.0.order.placed_at
    }

    /// Where it is.
    async fn state(&self) -> OrderState {
        self.0.order.state.into()
    }

    /// What was bought.
    async fn lines(&self) -> Result<Vec<ClaimedOrderLine>, ApiError> {
        self.0.lines.iter().map(|line| self.line(line)).collect()
    }

    /// Cost of shipping.
    async fn shipping(&self) -> Result<MoneyValue, ApiError> {
        self.money(self.0.order.shipping)
    }

    /// Lines and shipping; what points pay of it is not taken off.
    async fn total(&self) -> Result<MoneyValue, ApiError> {
        self.money(self.0.order.lines_total + self.0.order.shipping)
    }

    /// Points that it earned so far; they wait for a proof of its mailbox. An order earns once it is paid.
    async fn points(&self) -> Result<Points, ApiError> {
        Ok(Points::try_from(self.0.points)?)
    }

    /// When the token ends: 24 hours after the order was recorded.
    async fn claimable_until(&self) -> Option<DateTime<Utc>> {
        self.0.order.claim_until
    }
}

impl ClaimedOrder {
    fn money(&self, minor: i64) -> Result<MoneyValue, ApiError> {
        let currency: Currency = self.0.order.currency.parse()?;
        Ok(Money { minor, currency }.into())
    }

    fn line(&self, line: &order_line::Model) -> Result<ClaimedOrderLine, ApiError> {
        Ok(ClaimedOrderLine {
            name: line.name.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            line_total: self.money(line.line_total)?,
        })
    }
}

/// Why no account is on its way, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OnboardingErrorCode {
    /// The claim token is unknown, used or has ended.
    ClaimInvalid,
    /// The token is unknown, used or has ended.
    TokenInvalid,
    /// Only staff make accounts.
    RegistrationClosed,
    /// The address is the proven one of an account.
    AlreadyRegistered,
    /// The password has fewer than 8 characters.
    PasswordTooShort,
    /// The password has more than 128 characters.
    PasswordTooLong,
    /// The password is among the first that anybody would try.
    PasswordTooCommon,
}

/// An account to be made from an order.
#[derive(InputObject)]
pub struct AccountCreateFromOrderInput {
    /// The claim token of the order; used up by this.
    token: String,
    /// 8 to 128 characters; without one, mailed codes are the way to sign in.
    password: Option<String>,
    /// For mails: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same whether the order's address is known or not.
#[derive(Debug, SimpleObject)]
pub struct AccountCreateFromOrderPayload {
    /// What comes next; null if the token or the password is no good.
    status: Option<MailboxStatus>,
    /// For `mailboxProve`, with the mailed code.
    challenge_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<OnboardingErrorCode>>,
}

/// A token out of a mail.
#[derive(InputObject)]
pub struct SignInWithTokenInput {
    /// Used up by this.
    token: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct SignInWithTokenPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<OnboardingErrorCode>>,
}

/// Somebody for whom staff make an account.
#[derive(Debug, InputObject)]
pub struct CustomerInviteInput {
    /// Where the one-time sign-in is mailed; the account's once it is used.
    email: EmailAddress,
    /// 1 to 200 characters.
    name: Option<String>,
    /// For mails: BCP 47, such as `nl-BE`.
    locale: Option<String>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// The customer, whose account waits for a proof of the mailbox.
#[derive(Debug, SimpleObject)]
pub struct CustomerInvitePayload {
    /// As prepared.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<OnboardingErrorCode>>,
}

/// Queries of buyers without an account.
#[derive(Debug, Default)]
pub struct OnboardingQuery;

#[Object]
impl OnboardingQuery {
    /// What to show at checkout. For everyone.
    #[graphql(guard = "Allowed")]
    async fn checkout_policy(&self, ctx: &Context<'_>) -> CheckoutPolicy {
        let settings = ctx.data_unchecked::<App>().settings();
        let given = settings.registration.guest_order(settings.guest_checkout);
        CheckoutPolicy {
            registration: settings.registration.into(),
            can_register: settings.registration.is_open(),
            guest_checkout: !given.flagged,
            account_after_order: given.claimable,
        }
    }

    /// The one order of a claim token; null if the token is unknown, used or has ended. For everyone.
    #[graphql(guard = "Allowed")]
    async fn claimed_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "As `orderRecord` gave it: `order { claimToken }`.")] token: String,
    ) -> Result<Option<ClaimedOrder>, ApiError> {
        Ok(super::claimed(ctx.data_unchecked::<App>(), &token).await?.map(ClaimedOrder))
    }
}

/// Accounts on their way.
#[derive(Debug, Default)]
pub struct OnboardingMutation;

#[Object]
impl OnboardingMutation {
    /// Uses up a claim token and mails a code to the order's address; `mailboxProve` then makes the account, with the
    /// order's name and addresses. For everyone.
    #[graphql(guard = "Allowed")]
    async fn account_create_from_order(
        &self,
        ctx: &Context<'_>,
        input: AccountCreateFromOrderInput,
    ) -> Result<AccountCreateFromOrderPayload, ApiError> {
        let password = input.password.map(|text| Password::parse(text.into())).transpose();
        let locale = input.locale.map(|text| bounded::<Locale>("locale", text)).transpose()?;
        let begun = match password {
            Ok(password) => {
                let claim = Claim { token: input.token, password, locale };
                split(super::claim(ctx.data_unchecked::<App>(), claim).await)?
            }
            Err(problem) => Err(OnboardingError::Password(problem)),
        };
        Ok(match begun {
            Ok(challenge) => AccountCreateFromOrderPayload {
                status: Some(MailboxStatus::CheckMailbox),
                challenge_id: Some(global_id(NodeType::MailboxChallenge, challenge)),
                user_errors: Vec::new(),
            },
            Err(reason) => AccountCreateFromOrderPayload {
                status: None,
                challenge_id: None,
                user_errors: vec![user_error(reason)],
            },
        })
    }

    /// Proves a mailbox with the token that was mailed after a first order or by staff, makes the account if there is
    /// none, and signs in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn sign_in_with_token(
        &self,
        ctx: &Context<'_>,
        input: SignInWithTokenInput,
    ) -> Result<SignInWithTokenPayload, ApiError> {
        let outcome = proof::prove_by_link(ctx.data_unchecked::<App>(), &input.token).await;
        Ok(match split::<_, AuthError>(outcome)? {
            Ok((tokens, customer)) => SignInWithTokenPayload {
                tokens: Some(tokens.into()),
                customer_id: Some(global_id(NodeType::Customer, customer)),
                user_errors: Vec::new(),
            },
            Err(_one_and_the_same) => {
                let message = "This token is wrong or no longer good; sign in with a code instead.";
                let error = told(OnboardingErrorCode::TokenInvalid, "token", message);
                SignInWithTokenPayload { tokens: None, customer_id: None, user_errors: vec![error] }
            }
        })
    }

    /// Prepares an account and mails a one-time sign-in, good for seven days; asked again, another one for the same
    /// customer. For staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_invite(
        &self,
        ctx: &Context<'_>,
        input: CustomerInviteInput,
    ) -> Result<CustomerInvitePayload, ApiError> {
        let (app, viewer) = (ctx.data_unchecked::<App>(), ctx.data_unchecked::<Viewer>());
        let command = Invite {
            email: input.email,
            name: input.name.map(|name| bounded::<PersonName>("name", name)).transpose()?,
            locale: input.locale.map(|locale| bounded::<Locale>("locale", locale)).transpose()?,
        };
        let key =
            Key { scope: viewer.key_scope(), key: input.idempotency_key.0, operation: "customerInvite" };
        Ok(match split(app.write_once(&key, &command, super::invite).await)? {
            Ok(once) => {
                let row = find(&app.db.read, &CustomerBy::Id(once.value)).await?;
                let customer = row.map(|row| Customer::shown(ctx, row));
                CustomerInvitePayload { customer, replayed: once.replayed, user_errors: Vec::new() }
            }
            Err(InviteError::AlreadyRegistered) => {
                let message = "There is an account with this address.";
                let error = told(OnboardingErrorCode::AlreadyRegistered, "email", message);
                CustomerInvitePayload { customer: None, replayed: false, user_errors: vec![error] }
            }
        })
    }
}

fn told(code: OnboardingErrorCode, field: &str, message: &str) -> UserError<OnboardingErrorCode> {
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}

fn user_error(reason: OnboardingError) -> UserError<OnboardingErrorCode> {
    use OnboardingErrorCode as Code;
    match reason {
        OnboardingError::ClaimInvalid => {
            told(Code::ClaimInvalid, "token", "This token is wrong or no longer good.")
        }
        OnboardingError::RegistrationClosed => {
            told(Code::RegistrationClosed, "token", "This shop takes no registrations.")
        }
        OnboardingError::Password(problem) => {
            let (code, message) = match problem {
                PasswordProblem::TooShort => {
                    (Code::PasswordTooShort, "A password has at least 8 characters.")
                }
                PasswordProblem::TooLong => (Code::PasswordTooLong, "A password has at most 128 characters."),
                PasswordProblem::Common => {
                    (Code::PasswordTooCommon, "This password is among the first that anybody would try.")
                }
            };
            told(code, "password", message)
        }
    }
}
