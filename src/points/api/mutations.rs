//! Mutations of points: parse, submit one command to the ledger, wrap.

use async_graphql::{ComplexObject, Context, Enum, ID, Object, SimpleObject};
use entity::id::{AccountId, HoldId, LotId};
use entity::{points_hold, points_lot};
use sea_orm::EntityTrait;

use super::account::{PointsAccount, posted_account};
use super::adjustments::PointsAdjustment;
use super::inputs::{
    PointsActivateInput, PointsEarnInput, PointsHoldEndInput, PointsHoldInput, PointsRedeemInput,
};
use super::types::PointsHold;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::earning::{self, EventError, Stated};
use crate::error::split;
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::money::Money;
use crate::points::amount::Points;
use crate::points::command::{Act, Command, Earn, Hold, PointsError, Posting, Release, When};
use crate::points::ledger::{Submission, submit};

/// Mutations of points.
#[derive(Debug, Default)]
pub struct PointsMutation;

/// Why a mutation of points was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PointsErrorCode {
    /// No such customer, hold or earn that the caller may touch.
    NotFound,
    /// More than is available.
    InsufficientPoints,
    /// What could be applied is under the programme's minimum.
    BelowMinimum,
    /// The hold was captured, voided or has lapsed.
    HoldNotHeld,
    /// An order has the hold: pay or cancel the order.
    HoldPinnedToOrder,
    /// The programme takes no points in this currency.
    CurrencyNotAccepted,
    /// The hold is worth another currency.
    CurrencyMismatch,
    /// Nothing of this earn is pending.
    NotPending,
    /// The account would hold more than 2147483647 points.
    BalanceLimit,
    /// Zero, where something must move.
    ZeroAmount,
    /// Nobody approves an adjustment that they asked for.
    OwnAdjustment,
    /// The adjustment was approved, refused or withdrawn before.
    AdjustmentDecided,
    /// A text or amount out of its bounds.
    Invalid,
    /// No rule in force is for this event.
    EventUnknown,
    /// The customer had this event as often as its rules allow.
    LimitReached,
}

/// What a mutation of points did.
#[derive(Debug, Default, SimpleObject)]
#[graphql(complex)]
pub(super) struct PointsPayload {
    /// Points that moved; below 0 if they were taken; null if none did.
    pub(super) points: Option<i32>,
    #[graphql(skip)]
    pub(super) hold: Option<HoldId>,
    /// The adjustment that waits for a second person, or was decided.
    pub(super) adjustment: Option<PointsAdjustment>,
    #[graphql(skip)]
    pub(super) account: Option<AccountId>,
    /// Whether an earlier request with this key did it.
    pub(super) replayed: bool,
    /// Why nothing was done.
    pub(super) user_errors: Vec<UserError<PointsErrorCode>>,
}

#[ComplexObject]
impl PointsPayload {
    /// The hold it made or changed.
    async fn hold(&self, ctx: &Context<'_>) -> Result<Option<PointsHold>, ApiError> {
        let Some(hold) = self.hold else { return Ok(None) };
        let found = points_hold::Entity::find_by_id(hold).one(&ctx.data_unchecked::<App>().db.read).await?;
        Ok(found.map(PointsHold))
    }

    /// The account as it is now; needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn account(&self, ctx: &Context<'_>) -> Result<Option<PointsAccount>, ApiError> {
        let Some(account) = self.account else { return Ok(None) };
        posted_account(ctx, account).await
    }
}

impl PointsPayload {
    /// Nothing was done.
    pub(super) fn refused(code: PointsErrorCode, field: Option<&str>, message: impl Into<String>) -> Self {
        let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
        let user_errors = vec![UserError { code, field, message: message.into() }];
        Self { user_errors, ..Self::default() }
    }

    /// Points moved.
    pub(super) fn moved(account: AccountId, once: &Once<Posting>) -> Self {
        let Posting { points, hold, .. } = once.value;
        Self {
            points: Some(points),
            hold,
            account: Some(account),
            replayed: once.replayed,
            ..Self::default()
        }
    }

    /// The same for every id that names nothing of the caller's.
    pub(super) fn not_found(field: &str) -> Self {
        Self::refused(PointsErrorCode::NotFound, Some(field), "There is no such thing.")
    }
}

/// `named` is the field whose id the command was made of.
pub(super) fn refusal(reason: PointsError, named: &str) -> PointsPayload {
    use PointsErrorCode as Code;
    let (code, message) = match reason {
        // The same as for an id that is none: neither tells whether the thing is somebody else's.
        // A guest's account is no customer's: it is not to be found here.
        PointsError::NotFound | PointsError::GuestAccount => return PointsPayload::not_found(named),
        PointsError::Insufficient { available } => {
            (Code::InsufficientPoints, format!("Only {available} points are available."))
        }
        PointsError::BelowMinimum { applied, minimum } => {
            (Code::BelowMinimum, format!("Only {applied} points could be applied; the least is {minimum}."))
        }
        PointsError::NotHeld { state } => (Code::HoldNotHeld, format!("The hold is {state:?} already.")),
        PointsError::PinnedToOrder => (Code::HoldPinnedToOrder, "An order has this hold.".to_owned()),
        PointsError::CurrencyNotAccepted => {
            (Code::CurrencyNotAccepted, "Points are not taken in this currency.".to_owned())
        }
        PointsError::CurrencyMismatch => {
            (Code::CurrencyMismatch, "The hold is worth another currency.".to_owned())
        }
        PointsError::NotPending => (Code::NotPending, "Nothing of this earn is pending.".to_owned()),
        PointsError::BalanceLimit => {
            (Code::BalanceLimit, format!("An account holds at most {} points.", Points::MAX.get()))
        }
        PointsError::ZeroAmount => (Code::ZeroAmount, "The amount must not be 0.".to_owned()),
    };
    PointsPayload::refused(code, None, message)
}

/// Submits one command and tells what became of it.
async fn run(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    account: AccountId,
    act: Act,
) -> Result<PointsPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let viewer = ctx.data_unchecked::<Viewer>();
    let key = Key { scope: viewer.key_scope(), key: key.0, operation };
    let named = match &act {
        Act::Activate(_) => "lotId",
        Act::Capture { .. } | Act::Void { .. } => "holdId",
        _of_an_account => "customerId",
    };
    let command = Command { account, act, by: viewer.actor(), effective_at: None, imported: false };
    match split(submit(app, Submission { key, command }).await)? {
        Ok(once) => Ok(PointsPayload::moved(account, &once)),
        Err(reason) => Ok(refusal(reason, named)),
    }
}

/// Gives what the rules give for an event, once for the caller's key.
async fn state(ctx: &Context<'_>, key: IdempotencyKey, stated: Stated) -> Result<PointsPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let scope = ctx.data_unchecked::<Viewer>().key_scope();
    let key = Key { scope, key: key.0, operation: "pointsEarn" };
    match split(app.write_once(&key, &stated, earning::event).await)? {
        Ok(once) => Ok(PointsPayload::moved(stated.account, &once)),
        Err(EventError::Unknown) => {
            let message = "No rule in force is for this event.";
            Ok(PointsPayload::refused(PointsErrorCode::EventUnknown, Some("event"), message))
        }
        Err(EventError::LimitReached) => {
            let message = "The customer had this event as often as its rules allow.";
            Ok(PointsPayload::refused(PointsErrorCode::LimitReached, Some("event"), message))
        }
        Err(EventError::Points(reason)) => Ok(refusal(reason, "customerId")),
    }
}

/// The account that the caller means: a customer's own, or the named one for a server of the shop or staff.
fn meant(viewer: &Viewer, customer_id: Option<&ID>) -> Option<AccountId> {
    match (viewer, customer_id) {
        (Viewer::Customer { customer, .. }, None) => Some(AccountId(customer.0)),
        (Viewer::Customer { customer, .. }, Some(id)) => {
            local_id(id, NodeType::Customer).filter(|account: &AccountId| account.0 == customer.0)
        }
        (Viewer::Shop { .. } | Viewer::Staff { .. }, Some(id)) => local_id(id, NodeType::Customer),
        (Viewer::Shop { .. } | Viewer::Staff { .. }, None) | (Viewer::Anonymous, _) => None,
    }
}

/// The account of a hold that the caller may touch.
async fn posted_account_hold(
    app: &App,
    viewer: &Viewer,
    hold: HoldId,
) -> Result<Option<AccountId>, ApiError> {
    if let Viewer::Customer { customer, .. } = viewer {
        return Ok(Some(AccountId(customer.0)));
    }
    let hold = points_hold::Entity::find_by_id(hold).one(&app.db.read).await?;
    Ok(hold.map(|hold| hold.account_id))
}

/// A text for people, 1 to 500 characters, not blank.
pub(super) fn readable(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= 500 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// [`readable`] refused the text of this field.
pub(super) fn unreadable(field: &str) -> PointsPayload {
    PointsPayload::refused(PointsErrorCode::Invalid, Some(field), "Give 1 to 500 characters in one line.")
}

#[Object]
impl PointsMutation {
    /// Grants points for something that is no order, active at once: so many, or what the rules in force give for an event.
    /// For shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn points_earn(
        &self,
        ctx: &Context<'_>,
        input: PointsEarnInput,
    ) -> Result<PointsPayload, ApiError> {
        let Some(account) = meant(ctx.data_unchecked::<Viewer>(), Some(&input.customer_id)) else {
            return Ok(PointsPayload::not_found("customerId"));
        };
        let reason = input.reason.as_deref().map(readable);
        if reason == Some(None) {
            return Ok(unreadable("reason"));
        }
        let reason = reason.flatten();
        match (input.points, input.event) {
            (Some(amount), None) => {
                if reason.is_none() {
                    return Ok(unreadable("reason"));
                }
                let earn = Earn {
                    source: points_lot::LotSource::Grant,
                    amount,
                    activation: When::Now,
                    order: None,
                    line: None,
                    rule: None,
                    reason,
                    referral: None,
                };
                run(ctx, "pointsEarn", input.idempotency_key, account, Act::Earn(earn)).await
            }
            (None, Some(event)) => {
                let by = ctx.data_unchecked::<Viewer>().actor();
                state(ctx, input.idempotency_key, Stated { account, event, reason, by }).await
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "Give either points or an event.";
                Ok(PointsPayload::refused(PointsErrorCode::Invalid, Some("points"), message))
            }
        }
    }

    /// Sets points aside for an order: as many as are wanted, available and allowed by the programme's cap, floored to
    /// its multiple. They come back after the programme's `holdMinutes` unless an order takes the hold. For the customer, shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn points_hold(
        &self,
        ctx: &Context<'_>,
        input: PointsHoldInput,
    ) -> Result<PointsPayload, ApiError> {
        let viewer = ctx.data_unchecked::<Viewer>();
        let Some(account) = meant(viewer, input.customer_id.as_ref()) else {
            return Ok(PointsPayload::not_found("customerId"));
        };
        let currency = input.currency.unwrap_or_else(|| ctx.data_unchecked::<App>().settings().currency);
        let order_value = match input.order_value {
            None => None,
            Some(_) if !matches!(viewer, Viewer::Shop { .. }) => {
                let message = "Only the shop says what an order is worth.";
                return Ok(PointsPayload::refused(PointsErrorCode::Invalid, Some("orderValue"), message));
            }
            Some(value) => match Money::parse_unsigned(&value.0, currency) {
                Ok(money) => Some(money.minor),
                Err(problem) => {
                    let message = format!("The value {problem}.");
                    return Ok(PointsPayload::refused(PointsErrorCode::Invalid, Some("orderValue"), message));
                }
            },
        };
        let hold = Hold { requested: input.points, currency, order_value };
        run(ctx, "pointsHold", input.idempotency_key, account, Act::Hold(hold)).await
    }

    /// Gives back a hold that no order has; the shop also one that an order has. For the customer, shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn points_void(
        &self,
        ctx: &Context<'_>,
        input: PointsHoldEndInput,
    ) -> Result<PointsPayload, ApiError> {
        let viewer = ctx.data_unchecked::<Viewer>();
        let Some(hold) = local_id(&input.hold_id, NodeType::PointsHold) else {
            return Ok(PointsPayload::not_found("holdId"));
        };
        let Some(account) = posted_account_hold(ctx.data_unchecked::<App>(), viewer, hold).await? else {
            return Ok(PointsPayload::not_found("holdId"));
        };
        let by_customer = matches!(viewer, Viewer::Customer { .. });
        let why = if by_customer { Release::ByCustomer } else { Release::ByShop };
        run(ctx, "pointsVoid", input.idempotency_key, account, Act::Void { hold, why }).await
    }

    /// Spends a hold that no order has; an order captures its own when it is paid. For shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn points_capture(
        &self,
        ctx: &Context<'_>,
        input: PointsHoldEndInput,
    ) -> Result<PointsPayload, ApiError> {
        let viewer = ctx.data_unchecked::<Viewer>();
        let Some(hold) = local_id(&input.hold_id, NodeType::PointsHold) else {
            return Ok(PointsPayload::not_found("holdId"));
        };
        let Some(account) = posted_account_hold(ctx.data_unchecked::<App>(), viewer, hold).await? else {
            return Ok(PointsPayload::not_found("holdId"));
        };
        run(ctx, "pointsCapture", input.idempotency_key, account, Act::Capture { hold, order: None }).await
    }

    /// Spends points at once, all or none. For the customer, shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn points_redeem(
        &self,
        ctx: &Context<'_>,
        input: PointsRedeemInput,
    ) -> Result<PointsPayload, ApiError> {
        let Some(account) = meant(ctx.data_unchecked::<Viewer>(), input.customer_id.as_ref()) else {
            return Ok(PointsPayload::not_found("customerId"));
        };
        let Some(reference) = readable(&input.reference) else { return Ok(unreadable("reference")) };
        let act = Act::Redeem(input.points, Some(reference));
        run(ctx, "pointsRedeem", input.idempotency_key, account, act).await
    }

    /// Makes a pending earn spendable now. For shop keys with `points:write`, staff with `points.activate`.
    #[graphql(guard = "Allowed")]
    async fn points_activate(
        &self,
        ctx: &Context<'_>,
        input: PointsActivateInput,
    ) -> Result<PointsPayload, ApiError> {
        let Some(lot) = local_id::<LotId>(&input.lot_id, NodeType::PointsLot) else {
            return Ok(PointsPayload::not_found("lotId"));
        };
        let found = points_lot::Entity::find_by_id(lot).one(&ctx.data_unchecked::<App>().db.read).await?;
        let Some(row) = found else { return Ok(PointsPayload::not_found("lotId")) };
        run(ctx, "pointsActivate", input.idempotency_key, row.account_id, Act::Activate(lot)).await
    }
}
