//! Coupons over GraphQL.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::coupon::{Column, Entity, Model};
use entity::id::{CouponId, CouponUseId};
use entity::{Instant, coupon_use};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;

use super::CouponUseErrorCode;
use super::coupon_inputs::{
    CouponCartInput, CouponCreateInput, CouponDisableInput, CouponReleaseInput, CouponReserveInput,
};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::client::Client;
use crate::customers::api::meant;
use crate::error::{Fault, Outcome};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{IdempotencyKey, MoneyValue};
use crate::idempotency::Once;
use crate::money::{Currency, Money, Rate};
use crate::rewards::coupons::{self, CouponError, Disable};
use crate::rewards::terms::{Discount, Refusal, Taken, Terms};
use crate::rewards::uses::{self, Release, Reserve};
use crate::throttle;
use crate::tx::Tx;

/// Where a use of a coupon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "coupon_use::CouponUseState")]
pub(super) enum CouponUseState {
    /// Set aside for a cart, or by an order that is not paid.
    Reserved,
    /// By an order that is paid.
    Redeemed,
    /// Given back: by the customer, by time, or because the order was cancelled.
    Released,
}

/// A discount on an order for whoever has its code.
#[derive(Debug)]
pub(super) struct Coupon(Model);

impl Coupon {
    fn terms(&self) -> Result<Terms, ApiError> {
        Ok(serde_json::from_value(self.0.terms.clone())?)
    }
}

#[Object]
impl Coupon {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Coupon, self.0.id)
    }

    /// What people type, in upper case.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// As customers read it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The share it takes off, such as `"0.15"`.
    async fn percent(&self) -> Result<Option<Rate>, ApiError> {
        match self.terms()?.discount {
            Discount::Percent(share) => Ok(Some(share)),
            Discount::Amount(..) | Discount::FreeShipping => Ok(None),
        }
    }

    /// The amount it takes off.
    async fn amount(&self) -> Result<Option<MoneyValue>, ApiError> {
        match self.terms()?.discount {
            Discount::Amount(minor, code) => Ok(Some(Money { minor, currency: code.parse()? }.into())),
            Discount::Percent(_) | Discount::FreeShipping => Ok(None),
        }
    }

    /// Whether it takes off the shipping.
    async fn free_shipping(&self) -> Result<bool, ApiError> {
        Ok(self.terms()?.discount == Discount::FreeShipping)
    }

    /// From when on it can be used.
    async fn starts_at(&self) -> Option<Instant> {
        self.0.starts_at
    }

    /// Until when it can be used.
    async fn ends_at(&self) -> Option<Instant> {
        self.0.ends_at
    }

    /// How often it can be used by all; without end, if null.
    async fn total_limit(&self) -> Option<i32> {
        self.0.total_limit
    }

    /// How often one customer can use it; without end, if null.
    async fn customer_limit(&self) -> Option<i32> {
        self.0.customer_limit
    }

    /// How often it was used or is reserved.
    async fn used(&self) -> i32 {
        self.0.used
    }

    /// Whose it is; anybody's, if null.
    async fn customer_id(&self) -> Option<ID> {
        self.0.customer_id.map(|customer| global_id(NodeType::Customer, customer))
    }

    /// The codes of the plans whose members can use it; everybody can, if empty.
    async fn plans(&self) -> Result<Vec<String>, ApiError> {
        Ok(self.terms()?.plans.into_iter().collect())
    }

    /// When staff withdrew it.
    async fn disabled_at(&self) -> Option<Instant> {
        self.0.disabled_at
    }
}

/// A use of a coupon, from when it is reserved.
#[derive(Debug)]
pub(super) struct CouponUse(coupon_use::Model);

#[Object]
impl CouponUse {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::CouponUse, self.0.id)
    }

    /// Where it is.
    async fn state(&self) -> CouponUseState {
        self.0.state.into()
    }

    /// What it takes off.
    async fn discount(&self) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor: self.0.discount, currency: self.0.currency.parse()? }.into())
    }

    /// When it is given back: what a cart has, unless an order takes it; what an order has, unless it is paid by then.
    async fn reserved_until(&self) -> Instant {
        self.0.reserved_until
    }
}

/// What a coupon would do for a cart.
#[derive(Debug, SimpleObject)]
pub(super) struct CouponExplanation {
    /// Whether it can be used now.
    applies: bool,
    /// Why not.
    refusal: Option<CouponUseErrorCode>,
    /// The same for people, in English.
    message: Option<String>,
    /// What it would take off in all.
    discount: Option<MoneyValue>,
    /// What it would take off each line, in the order of the lines; rounded down once in all and spread by what they cost.
    discount_by_line: Vec<MoneyValue>,
    /// What it would take off the shipping.
    discount_of_shipping: Option<MoneyValue>,
}

/// Why a coupon was not made or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CouponErrorCode {
    /// No such coupon or customer.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// Another coupon has this code.
    CodeTaken,
}

/// A coupon that was made or withdrawn, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct CouponPayload {
    /// The coupon.
    coupon: Option<Coupon>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<CouponErrorCode>>,
}

/// A use that was set aside or given back, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct CouponUsePayload {
    /// The use.
    coupon_use: Option<CouponUse>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<CouponUseErrorCode>>,
}

/// Queries about coupons.
#[derive(Debug, Default)]
pub struct CouponsQuery;

/// Mutations of coupons.
#[derive(Debug, Default)]
pub struct CouponsMutation;

#[Object]
impl CouponsQuery {
    /// The coupons of the shop, the newest first. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only with this code.")] code: Option<String>,
    ) -> Result<NewestPages<Coupon>, ApiError> {
        let mut all = Entity::find();
        if let Some(code) = code {
            all = all.filter(Column::Code.eq(coupons::normal(&code)));
        }
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Coupon(row))).await
    }

    /// What a coupon would take off a cart, or why it cannot be used; null for a customer whom the caller may not name.
    /// Writes nothing. Whoever tries many codes that are no coupon's has to wait (`RATE_LIMITED`). For everyone.
    #[graphql(guard = "Allowed")]
    async fn explain_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "As the customer typed it.")] code: String,
        #[graphql(desc = "What it is to be used for.")] cart: CouponCartInput,
        #[graphql(desc = "Who is to use it; for servers of the shop and staff.")] customer_id: Option<ID>,
    ) -> Result<Option<CouponExplanation>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let cart = cart.parse(app)?;
        let owner = meant(ctx, customer_id.as_ref()).await?;
        if customer_id.is_some() && owner.is_none() {
            return Ok(None);
        }
        may_guess(ctx)?;
        let found = uses::explain(app, &code, owner.map(|customer| customer.0), &cart).await?;
        note_guess(ctx, found.as_ref().err().copied()).await?;
        Ok(Some(match found {
            Ok((_, taken)) => CouponExplanation::of(&taken, cart.currency),
            Err(refusal) => CouponExplanation::refused(refusal),
        }))
    }
}

#[Object]
impl CouponsMutation {
    /// Makes a coupon. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn coupon_create(
        &self,
        ctx: &Context<'_>,
        input: CouponCreateInput,
    ) -> Result<CouponPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let customer = match &input.customer_id {
            Some(id) => match meant(ctx, Some(id)).await? {
                Some(customer) => Some(customer),
                None => return Ok(CouponPayload::refused(CouponError::CustomerNotFound)),
            },
            None => None,
        };
        let idempotency_key = input.idempotency_key.clone();
        let create = match input.parse(app, customer) {
            Ok(create) => create,
            Err(error) => return Ok(CouponPayload::refused(error)),
        };
        write(ctx, "couponCreate", idempotency_key, &create, coupons::create).await
    }

    /// Withdraws a coupon: nobody can use it any more, and what is reserved stays good. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn coupon_disable(
        &self,
        ctx: &Context<'_>,
        input: CouponDisableInput,
    ) -> Result<CouponPayload, ApiError> {
        let disable = Disable { coupon: local_id(&input.id, NodeType::Coupon) };
        write(ctx, "couponDisable", input.idempotency_key, &disable, coupons::disable).await
    }

    /// Sets one use of a coupon aside for a cart, for 30 minutes: the order of the same customer that names its code takes
    /// it. Whoever has one reserved gets that one. Codes that are no coupon's are limited as in `explainCoupon`.
    /// For the customer, shop keys with `orders:write`.
    #[graphql(guard = "Allowed")]
    async fn coupon_reserve(
        &self,
        ctx: &Context<'_>,
        input: CouponReserveInput,
    ) -> Result<CouponUsePayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let Some(customer) = meant(ctx, input.customer_id.as_ref()).await? else {
            return Ok(CouponUsePayload::refused(Refusal::NotFound, "customerId"));
        };
        let reserve = Reserve { code: input.code, owner: customer.0, cart: input.cart.parse(app)? };
        may_guess(ctx)?;
        let named = "code";
        let payload =
            take(ctx, "couponReserve", input.idempotency_key, &reserve, named, uses::reserve).await?;
        let is_guess = payload.user_errors.iter().any(|error| error.code == CouponUseErrorCode::NotFound);
        note_guess(ctx, is_guess.then_some(Refusal::NotFound)).await?;
        Ok(payload)
    }

    /// Gives back what was reserved for a cart; what an order has goes back when the order is cancelled.
    /// For the customer, shop keys with `orders:write`.
    #[graphql(guard = "Allowed")]
    async fn coupon_release(
        &self,
        ctx: &Context<'_>,
        input: CouponReleaseInput,
    ) -> Result<CouponUsePayload, ApiError> {
        let owner = match ctx.data_unchecked::<Viewer>() {
            Viewer::Customer { customer, .. } => Some(customer.0),
            Viewer::Shop { .. } | Viewer::Staff { .. } | Viewer::Anonymous => None,
        };
        let release = Release { id: local_id(&input.id, NodeType::CouponUse), owner };
        take(ctx, "couponRelease", input.idempotency_key, &release, "id", uses::release).await
    }
}

async fn write<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<CouponId, CouponError>,
) -> Result<CouponPayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let coupon = Some(Coupon(written::<Entity>(ctx, value).await?));
            Ok(CouponPayload { coupon, replayed, user_errors: Vec::new() })
        }
        Err(error) => Ok(CouponPayload::refused(error)),
    }
}

async fn take<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    named: &str,
    work: impl AsyncFn(&Tx, &C) -> Outcome<CouponUseId, Refusal>,
) -> Result<CouponUsePayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let coupon_use = Some(CouponUse(written::<coupon_use::Entity>(ctx, value).await?));
            Ok(CouponUsePayload { coupon_use, replayed, user_errors: Vec::new() })
        }
        Err(refusal) => Ok(CouponUsePayload::refused(refusal, named)),
    }
}

/// Counts a code that is no coupon's; whoever tries many of them is told to wait.
async fn note_guess(ctx: &Context<'_>, refusal: Option<Refusal>) -> Result<(), Fault> {
    if refusal != Some(Refusal::NotFound) {
        return Ok(());
    }
    let (viewer, client) = (ctx.data_unchecked::<Viewer>(), ctx.data_unchecked::<Client>());
    throttle::after_wrong_code(ctx.data_unchecked::<App>(), viewer, client).await
}

/// Whether the caller may still try codes.
fn may_guess(ctx: &Context<'_>) -> Result<(), Fault> {
    let (viewer, client) = (ctx.data_unchecked::<Viewer>(), ctx.data_unchecked::<Client>());
    throttle::before_code(ctx.data_unchecked::<App>(), viewer, client)
}

impl CouponExplanation {
    fn of(taken: &Taken, currency: Currency) -> Self {
        let money = |minor: i64| Money { minor, currency }.into();
        Self {
            applies: true,
            refusal: None,
            message: None,
            discount: Some(money(taken.sum())),
            discount_by_line: taken.by_line.iter().copied().map(money).collect(),
            discount_of_shipping: Some(money(taken.of_shipping)),
        }
    }

    fn refused(refusal: Refusal) -> Self {
        Self {
            applies: false,
            refusal: Some(refusal.into()),
            message: Some(refusal.message().to_owned()),
            discount: None,
            discount_by_line: Vec::new(),
            discount_of_shipping: None,
        }
    }
}

impl CouponPayload {
    fn refused(error: CouponError) -> Self {
        use CouponErrorCode as Code;
        let (code, field, message) = match error {
            CouponError::NotFound => (Code::NotFound, "id", "There is no such coupon.".to_owned()),
            CouponError::CustomerNotFound => {
                (Code::NotFound, "customerId", "There is no such customer.".to_owned())
            }
            CouponError::Invalid { field, problem } => (Code::Invalid, field, format!("{field} {problem}.")),
            CouponError::CodeTaken => (Code::CodeTaken, "code", "Another coupon has this code.".to_owned()),
        };
        let field = Some(vec!["input".to_owned(), field.to_owned()]);
        Self { coupon: None, replayed: false, user_errors: vec![UserError { code, field, message }] }
    }
}

impl CouponUsePayload {
    fn refused(refusal: Refusal, named: &str) -> Self {
        let field = Some(vec!["input".to_owned(), named.to_owned()]);
        let message = refusal.message().to_owned();
        let user_errors = vec![UserError { code: refusal.into(), field, message }];
        Self { coupon_use: None, replayed: false, user_errors }
    }
}
