//! Carts over GraphQL.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

mod types;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::cart::{Column, Entity};
use entity::id::CustomerId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use self::types::{Cart, CartState};
use super::{CartError, CartLine, Upsert, Whose, delete, upsert};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::email::EmailAddress;
use crate::error::{Fault, split};
use crate::external_id::ExternalId;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::idempotency::{Key, Once};
use crate::money::{Currency, Money};
use crate::orders::rules::{comparable, cut};

/// What carts are paged by.
type Place = (Instant, Uuid);

/// Which carts.
#[derive(Debug, Default, InputObject)]
pub(super) struct CartsFilter {
    /// In this state.
    state: Option<CartState>,
    /// Last touched at or before this instant.
    untouched_since: Option<Instant>,
}

impl CartsFilter {
    fn condition(self) -> Condition {
        let state = self.state.map(|state| match state {
            CartState::Open => Column::ClosedAt.is_null(),
            CartState::Closed => Column::ClosedAt.is_not_null(),
        });
        let untouched = self.untouched_since.map(|at| Column::TouchedAt.lte(comparable(at)));
        Condition::all().add_option(state).add_option(untouched)
    }
}

/// Queries about carts.
#[derive(Debug, Default)]
pub struct CartsQuery;

#[Object]
impl CartsQuery {
    /// Carts, those touched last first. For staff with `carts.read`.
    #[graphql(guard = "Allowed")]
    async fn carts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only carts that match all of it.")] filter: Option<CartsFilter>,
        #[graphql(desc = "This many from the one touched last, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the one touched first, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<Place, Cart>, ApiError> {
        let page = Page::<Place>::of(PageArguments { first, after, last, before })?;
        let all = Entity::find().filter(filter.unwrap_or_default().condition());
        let db = &ctx.data_unchecked::<App>().db.read;
        // Counting costs what there is: only if somebody asks.
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(all.clone().count(db).await?)? } else { 0 };
        let place = || Expr::tuple([Expr::col(Column::TouchedAt), Expr::col(Column::Id)]);
        let at = |(touched_at, id): Place| Expr::tuple([Expr::val(comparable(touched_at)), Expr::val(id)]);
        let mut query = all;
        if let Some(after) = page.after {
            query = query.filter(place().lt(at(after)));
        }
        if let Some(before) = page.before {
            query = query.filter(place().gt(at(before)));
        }
        let query = if page.backwards {
            query.order_by_asc(Column::TouchedAt).order_by_asc(Column::Id)
        } else {
            query.order_by_desc(Column::TouchedAt).order_by_desc(Column::Id)
        };
        let rows = query.limit(page.fetch()).all(db).await?;
        Ok(page.connect(rows, total, |row| ((row.touched_at, row.id.0), Cart::shown(ctx, row))))
    }
}

/// A cart as it is now.
#[derive(Debug, InputObject)]
pub(super) struct CartUpsertInput {
    /// Yours, for this change; 1 to 255 visible characters.
    idempotency_key: IdempotencyKey,
    /// The shop's id of the cart, 1 to 255 visible characters; a new one makes a cart.
    external_id: String,
    /// Whose it is, by our id. Exactly one of this, `externalCustomerId` and `email`.
    customer_id: Option<ID>,
    /// Whose it is, by the shop's id; made if unknown.
    external_customer_id: Option<String>,
    /// Whose it is: the customer who proved this address, else the address itself until somebody proves it.
    email: Option<EmailAddress>,
    /// What the amounts are in.
    currency: Currency,
    /// All of them, at most 500, in place of those before.
    lines: Vec<CartLineInput>,
    /// When somebody last put something in or took something out: since 1970 and not in the future; now if not given.
    touched_at: Option<Instant>,
}

/// A line of a cart.
#[derive(Debug, InputObject)]
pub(super) struct CartLineInput {
    /// The shop's, 1 to 255 characters.
    sku: String,
    /// As shown, 1 to 255 characters.
    name: String,
    /// 1 to 1,000,000.
    quantity: i32,
    /// For all pieces, after discount, in whole units.
    line_total: Decimal,
}

impl CartUpsertInput {
    fn command(self) -> Result<Upsert, CartError> {
        let currency = self.currency;
        let lines = self.lines.into_iter().enumerate();
        Ok(Upsert {
            external_id: external("externalId", self.external_id)?,
            whose: whose(self.customer_id.as_ref(), self.external_customer_id, self.email)?,
            currency,
            lines: lines.map(|(index, line)| line.command(index, currency)).collect::<Result<_, _>>()?,
            touched_at: self.touched_at.map(cut),
        })
    }
}

fn external(field: &'static str, id: String) -> Result<ExternalId, CartError> {
    ExternalId::try_from(id).map_err(|error| CartError::invalid(field, error.to_string()))
}

fn whose(
    customer: Option<&ID>,
    external_customer: Option<String>,
    email: Option<EmailAddress>,
) -> Result<Whose, CartError> {
    match (customer, external_customer, email) {
        (Some(id), None, None) => local_id::<CustomerId>(id, NodeType::Customer)
            .map(Whose::Customer)
            .ok_or(CartError::UnknownCustomer),
        (None, Some(id), None) => external("externalCustomerId", id).map(Whose::External),
        (None, None, Some(email)) => Ok(Whose::Email(email)),
        (None, None, None) => Err(CartError::invalid("email", "is needed when no customer is given")),
        _ => Err(CartError::invalid(
            "customerId",
            "is one of customerId, externalCustomerId and email: give one",
        )),
    }
}

impl CartLineInput {
    fn command(self, index: usize, currency: Currency) -> Result<CartLine, CartError> {
        let Decimal(amount) = self.line_total;
        let total = Money::parse_unsigned(&amount, currency)
            .map_err(|error| CartError::line(index, "lineTotal", error.to_string()))?;
        Ok(CartLine { sku: self.sku, name: self.name, quantity: self.quantity, line_total: total.minor })
    }
}

/// A cart to forget.
#[derive(Debug, InputObject)]
pub(super) struct CartDeleteInput {
    /// Yours, for this change; 1 to 255 visible characters.
    idempotency_key: IdempotencyKey,
    /// The shop's id of the cart.
    external_id: String,
}

/// Why a cart stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum CartErrorCode {
    /// No such cart or customer; `field` says which.
    NotFound,
    /// A value is out of its bounds.
    Invalid,
}

/// What became of the cart.
#[derive(Debug, SimpleObject)]
pub(super) struct CartUpsertPayload {
    /// The cart as it is now; null if nothing was done.
    cart: Option<Cart>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<CartErrorCode>>,
}

/// Whether the cart was forgotten.
#[derive(Debug, SimpleObject)]
pub(super) struct CartDeletePayload {
    /// The shop's id of the cart that is forgotten; null if nothing was done.
    external_id: Option<String>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<CartErrorCode>>,
}

/// Mutations of carts.
#[derive(Debug, Default)]
pub struct CartsMutation;

#[Object]
impl CartsMutation {
    /// Makes or changes the cart with this external id. What was touched before the last touch that is known changes
    /// nothing. An order of the same customer or address that was placed at or after the last touch closes the cart; a
    /// later touch opens it again. For shop keys with `carts:write`.
    #[graphql(guard = "Allowed")]
    async fn cart_upsert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cart.")] input: CartUpsertInput,
    ) -> Result<CartUpsertPayload, ApiError> {
        let refused = |reason: CartError| {
            Ok(CartUpsertPayload { cart: None, replayed: false, user_errors: vec![user_error(reason)] })
        };
        let key = key(ctx, input.idempotency_key.clone(), "cartUpsert");
        let command = match input.command() {
            Ok(command) => command,
            Err(reason) => return refused(reason),
        };
        let app = ctx.data_unchecked::<App>();
        match split(app.write_once(&key, &command, upsert).await)? {
            Err(reason) => refused(reason),
            Ok(Once { value, replayed }) => {
                let row = Entity::find_by_id(value).one(&app.db.read).await?;
                if row.is_none() && !replayed {
                    return Err(Fault::internal("a cart that was written is gone").into());
                }
                let cart = row.map(|row| Cart::shown(ctx, row));
                Ok(CartUpsertPayload { cart, replayed, user_errors: Vec::new() })
            }
        }
    }

    /// Forgets a cart. For shop keys with `carts:write`.
    #[graphql(guard = "Allowed")]
    async fn cart_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which cart.")] input: CartDeleteInput,
    ) -> Result<CartDeletePayload, ApiError> {
        let refused = || {
            let user_errors = vec![user_error(CartError::NotFound)];
            Ok(CartDeletePayload { external_id: None, replayed: false, user_errors })
        };
        let key = key(ctx, input.idempotency_key, "cartDelete");
        let Ok(external_id) = ExternalId::try_from(input.external_id) else { return refused() };
        let app = ctx.data_unchecked::<App>();
        match split(app.write_once(&key, &external_id, delete).await)? {
            Err(_not_found) => refused(),
            Ok(Once { replayed, .. }) => {
                let external_id = Some(external_id.into());
                Ok(CartDeletePayload { external_id, replayed, user_errors: Vec::new() })
            }
        }
    }
}

fn key(ctx: &Context<'_>, key: IdempotencyKey, operation: &'static str) -> Key {
    let viewer = ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous);
    Key { scope: viewer.key_scope(), key: key.0, operation }
}

fn user_error(reason: CartError) -> UserError<CartErrorCode> {
    let (code, path, message) = match reason {
        CartError::NotFound => {
            (CartErrorCode::NotFound, vec!["externalId".to_owned()], "There is no such cart.".to_owned())
        }
        CartError::UnknownCustomer => {
            (CartErrorCode::NotFound, vec!["customerId".to_owned()], "There is no such customer.".to_owned())
        }
        CartError::Invalid(path, problem) => {
            let field = path.last().cloned().unwrap_or_default();
            (CartErrorCode::Invalid, path, format!("{field} {problem}."))
        }
    };
    let field = Some(std::iter::once("input".to_owned()).chain(path).collect());
    UserError { code, field, message }
}
