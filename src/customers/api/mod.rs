//! Customers and guest identities over GraphQL.

pub mod address;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::id::CustomerId;
use entity::{customer, guest_identity};

use crate::app::App;
use crate::audit::reads::{Person, Reads};
use crate::auth::viewer::Viewer;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::customers::{CustomerBy, CustomerError, GuestBy, Record, Update};
use crate::error::{Fault, Outcome, split};
use crate::external_id::ExternalId;
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::orders::api::{OrderPages, orders_of};
use crate::points::api::{PointsAccount, account_of};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// A person known to the shop.
#[derive(Clone, Debug)]
pub struct Customer(customer::Model);

impl Customer {
    /// To be shown in answer to this request; that staff read it is written down.
    pub(crate) fn shown(ctx: &Context<'_>, row: customer::Model) -> Self {
        read(ctx, Person::Customer(row.id));
        Self(row)
    }
}

#[Object]
impl Customer {
    /// Opaque; carries its type.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Customer, self.0.id)
    }

    /// The shop's own id.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// How the shop writes to the customer.
    async fn email(&self) -> Option<EmailAddress> {
        self.0.email.clone().and_then(|email| EmailAddress::try_from(email).ok())
    }

    /// As the customer or the shop wrote it.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// BCP 47, such as `nl-BE`.
    async fn locale(&self) -> Option<&str> {
        self.0.locale.as_deref()
    }

    /// Since when there is an account with a proven mailbox.
    async fn registered(&self) -> Option<DateTime<Utc>> {
        self.0.registered_at
    }

    /// Since when in the points programme.
    async fn enrolled(&self) -> Option<DateTime<Utc>> {
        self.0.enrolled_at
    }

    /// Since when sign-in is refused.
    async fn disabled(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// When first heard of.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The points account; needs what `customer` needs; null only for somebody who takes no part in the programme.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn points(&self, ctx: &Context<'_>) -> Result<Option<PointsAccount>, ApiError> {
        account_of(ctx.data_unchecked::<App>(), Owner::Customer(self.0.id).account()).await
    }

    /// Orders, those placed last first; needs what `orders` needs.
    #[graphql(guard = "AllowedAs(\"orders\")")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the last placed, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the first placed, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<OrderPages, ApiError> {
        orders_of(ctx, Owner::Customer(self.0.id), PageArguments { first, after, last, before }).await
    }
}

/// An address that ordered and is not proven.
#[derive(Clone, Debug)]
pub struct Guest(guest_identity::Model);

impl Guest {
    /// To be shown in answer to this request; that staff read it is written down.
    pub(crate) fn shown(ctx: &Context<'_>, row: guest_identity::Model) -> Self {
        read(ctx, Person::Guest(row.id));
        Self(row)
    }
}

fn read(ctx: &Context<'_>, person: Person) {
    if matches!(viewer(ctx), Viewer::Staff { .. })
        && let Some(reads) = ctx.data_opt::<Arc<Reads>>()
    {
        reads.note(person);
    }
}

#[Object]
impl Guest {
    /// Opaque; carries its type.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Guest, self.0.id)
    }

    /// As first written.
    async fn email(&self) -> Option<EmailAddress> {
        EmailAddress::try_from(self.0.email.clone()).ok()
    }

    /// Whom the address proved to be.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        let Some(customer) = self.0.customer_id else { return Ok(None) };
        found(ctx, &CustomerBy::Id(customer)).await
    }

    /// When the address was proven.
    async fn joined(&self) -> Option<DateTime<Utc>> {
        self.0.joined_at
    }

    /// When it first ordered.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The points account; needs what `customer` needs; null only for somebody who takes no part in the programme.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn points(&self, ctx: &Context<'_>) -> Result<Option<PointsAccount>, ApiError> {
        account_of(ctx.data_unchecked::<App>(), Owner::Guest(self.0.id).account()).await
    }

    /// Orders, those placed last first; needs what `orders` needs.
    #[graphql(guard = "AllowedAs(\"orders\")")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the last placed, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the first placed, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<OrderPages, ApiError> {
        orders_of(ctx, Owner::Guest(self.0.id), PageArguments { first, after, last, before }).await
    }
}

/// Why a customer was not changed, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CustomerErrorCode {
    /// No such customer, or not yours.
    NotFound,
}

/// What the shop knows of a customer; what is left out or null stays as it is.
#[derive(Debug, InputObject)]
pub struct CustomerRecordInput {
    /// The shop's own id, 1 to 255 characters; a new one makes a customer.
    external_id: String,
    /// 1 to 200 characters.
    name: Option<String>,
    /// How to write to the customer. It identifies nobody; a registered customer keeps the mailbox that was proven.
    email: Option<EmailAddress>,
    /// BCP 47, such as `nl-BE`.
    locale: Option<String>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// A change of a profile; what is left out or null stays as it is.
#[derive(Debug, InputObject)]
pub struct CustomerUpdateInput {
    /// Whose; customers may leave out their own.
    customer_id: Option<ID>,
    /// 1 to 200 characters.
    name: Option<String>,
    /// BCP 47, such as `nl-BE`.
    locale: Option<String>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// A customer after the change, or why there was none.
#[derive(Debug, SimpleObject)]
pub struct CustomerRecordPayload {
    /// As it is now.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<CustomerErrorCode>>,
}

/// A customer after the change, or why there was none.
#[derive(Debug, SimpleObject)]
pub struct CustomerUpdatePayload {
    /// As it is now.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<CustomerErrorCode>>,
}

/// Queries about customers.
#[derive(Debug, Default)]
pub struct CustomersQuery;

#[Object]
impl CustomersQuery {
    /// The customer who is signed in. For the customer.
    #[graphql(guard = "Allowed")]
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        match viewer(ctx) {
            Viewer::Customer { customer, .. } => found(ctx, &CustomerBy::Id(*customer)).await,
            Viewer::Anonymous | Viewer::Shop { .. } | Viewer::Staff { .. } => Ok(None),
        }
    }

    /// A customer by exactly one of our id, the shop's id, or the mailbox that is the customer's; null if there is none.
    /// For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The shop's own id.")] external_id: Option<String>,
        #[graphql(desc = "A proven mailbox, or one that an import named as the customer's.")] email: Option<
            EmailAddress,
        >,
    ) -> Result<Option<Customer>, ApiError> {
        let by = match (id, external_id, email) {
            (Some(id), None, None) => match local_id(&id, NodeType::Customer) {
                Some(id) => CustomerBy::Id(id),
                None => return Ok(None),
            },
            (None, Some(external_id), None) => match ExternalId::try_from(external_id) {
                Ok(external_id) => CustomerBy::ExternalId(external_id),
                Err(_) => return Ok(None),
            },
            (None, None, Some(email)) => CustomerBy::Mailbox(email),
            _ => return Err(ApiError::bad_input("give exactly one of id, externalId and email")),
        };
        found(ctx, &by).await
    }

    /// A guest identity by exactly one of our id or its address; null if there is none.
    /// For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn guest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The address that ordered.")] email: Option<EmailAddress>,
    ) -> Result<Option<Guest>, ApiError> {
        let by = match (id, email) {
            (Some(id), None) => match local_id(&id, NodeType::Guest) {
                Some(id) => GuestBy::Id(id),
                None => return Ok(None),
            },
            (None, Some(email)) => GuestBy::Mailbox(email),
            _ => return Err(ApiError::bad_input("give exactly one of id and email")),
        };
        let app = ctx.data_unchecked::<App>();
        Ok(crate::customers::find_guest(&app.db.read, &by).await?.map(|row| Guest::shown(ctx, row)))
    }
}

/// Changes of customers.
#[derive(Debug, Default)]
pub struct CustomersMutation;

#[Object]
impl CustomersMutation {
    /// Makes or updates the customer with the shop's own id.
    /// For shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_record(
        &self,
        ctx: &Context<'_>,
        input: CustomerRecordInput,
    ) -> Result<CustomerRecordPayload, ApiError> {
        let command = Record {
            external_id: bounded::<ExternalId>("externalId", input.external_id)?,
            name: input.name.map(|name| bounded::<PersonName>("name", name)).transpose()?,
            email: input.email,
            locale: input.locale.map(|locale| bounded::<Locale>("locale", locale)).transpose()?,
        };
        let key = key(ctx, input.idempotency_key, "customerRecord");
        let app = ctx.data_unchecked::<App>();
        let work = async |tx: &Tx, command: &Record| Ok(crate::customers::record(tx, command).await?);
        let (customer, replayed, user_errors) =
            answer(ctx, app.write_once(&key, &command, work).await).await?;
        Ok(CustomerRecordPayload { customer, replayed, user_errors })
    }

    /// Changes a profile. For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_update(
        &self,
        ctx: &Context<'_>,
        input: CustomerUpdateInput,
    ) -> Result<CustomerUpdatePayload, ApiError> {
        let command = Update {
            customer: changeable(viewer(ctx), input.customer_id.as_ref()),
            name: input.name.map(|name| bounded::<PersonName>("name", name)).transpose()?,
            locale: input.locale.map(|locale| bounded::<Locale>("locale", locale)).transpose()?,
        };
        let key = key(ctx, input.idempotency_key, "customerUpdate");
        let app = ctx.data_unchecked::<App>();
        let (customer, replayed, user_errors) =
            answer(ctx, app.write_once(&key, &command, crate::customers::update).await).await?;
        Ok(CustomerUpdatePayload { customer, replayed, user_errors })
    }
}

/// Whose profile the viewer may change; `given` is what the input names, if it names any.
fn changeable(viewer: &Viewer, given: Option<&ID>) -> Option<CustomerId> {
    let named = given.and_then(|id| local_id(id, NodeType::Customer));
    match viewer {
        Viewer::Customer { customer, .. } if given.is_none() => Some(*customer),
        Viewer::Customer { customer, .. } => named.filter(|id| id == customer),
        Viewer::Shop { .. } | Viewer::Staff { .. } => named,
        Viewer::Anonymous => None,
    }
}

fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous)
}

fn key(ctx: &Context<'_>, key: IdempotencyKey, operation: &'static str) -> Key {
    Key { scope: viewer(ctx).key_scope(), key: key.0, operation }
}

/// Reads a bounded text; `BAD_USER_INPUT` tells which field is out of bounds.
fn bounded<T: TryFrom<String>>(field: &'static str, text: String) -> Result<T, ApiError>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(|problem| ApiError::bad_input(format!("{field} {problem}")))
}

/// A customer who was changed, to be shown in answer to this request.
pub(crate) async fn shown(ctx: &Context<'_>, customer: CustomerId) -> Result<Option<Customer>, ApiError> {
    found(ctx, &CustomerBy::Id(customer)).await
}

async fn found(ctx: &Context<'_>, by: &CustomerBy) -> Result<Option<Customer>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    Ok(crate::customers::find(&app.db.read, by).await?.map(|row| Customer::shown(ctx, row)))
}

type Answer = (Option<Customer>, bool, Vec<UserError<CustomerErrorCode>>);

async fn answer(
    ctx: &Context<'_>,
    outcome: Outcome<Once<CustomerId>, CustomerError>,
) -> Result<Answer, ApiError> {
    match split(outcome)? {
        Ok(once) => match found(ctx, &CustomerBy::Id(once.value)).await? {
            Some(customer) => Ok((Some(customer), once.replayed, Vec::new())),
            None => Err(Fault::internal("a customer that was changed is gone").into()),
        },
        Err(CustomerError::NotFound) => {
            let error = UserError {
                code: CustomerErrorCode::NotFound,
                field: Some(vec!["input".to_owned(), "customerId".to_owned()]),
                message: "There is no such customer.".to_owned(),
            };
            Ok((None, false, vec![error]))
        }
    }
}
