//! What customers and shops state of a customer.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::payload::{self, Payload, answer};
use super::types::{CustomerAcquisitionReason, CustomerPreference};
use super::{bounded, changeable, key, today, viewer};
use crate::app::App;
use crate::customers::birthday::Birthday;
use crate::customers::email::EmailAddress;
use crate::customers::preferences::Preferences;
use crate::customers::profile::{Locale, PersonName, PhoneNumber};
use crate::customers::write::{Change, Profile};
use crate::customers::{self, Record, Update};
use crate::external_id::ExternalId;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{Date, IdempotencyKey};
use crate::tx::Tx;

/// What the shop knows of a customer; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub(super) struct CustomerRecordInput {
    /// The shop's own id, 1 to 255 characters; a new one makes a customer.
    external_id: String,
    /// 1 to 200 characters; null leaves it as it is.
    name: Option<String>,
    /// How to write to the customer. It identifies nobody; a registered customer keeps the mailbox that was proven. Null
    /// leaves it as it is.
    email: Option<EmailAddress>,
    /// BCP 47, such as `nl-BE`; null leaves it as it is.
    locale: Option<String>,
    /// From 1900-01-01 to today; null forgets it.
    birthday: MaybeUndefined<Date>,
    /// 5 to 20 digits, perhaps with spaces and a + in front; null forgets it.
    phone: MaybeUndefined<String>,
    /// All of them, at most 50, in place of those before; null forgets them.
    preferences: MaybeUndefined<Vec<CustomerPreference>>,
    /// What made the customer buy first; null forgets it.
    acquisition_reason: MaybeUndefined<CustomerAcquisitionReason>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// A change of a profile; what is left out stays as it is, what is null is forgotten.
#[derive(Debug, InputObject)]
pub(super) struct CustomerUpdateInput {
    /// Whose; customers may leave out their own.
    customer_id: Option<ID>,
    /// 1 to 200 characters; null forgets it.
    name: MaybeUndefined<String>,
    /// BCP 47, such as `nl-BE`; null forgets it.
    locale: MaybeUndefined<String>,
    /// From 1900-01-01 to today; null forgets it.
    birthday: MaybeUndefined<Date>,
    /// 5 to 20 digits, perhaps with spaces and a + in front; null forgets it.
    phone: MaybeUndefined<String>,
    /// All of them, at most 50, in place of those before; null forgets them.
    preferences: MaybeUndefined<Vec<CustomerPreference>>,
    /// What made the customer buy first; null forgets it.
    acquisition_reason: MaybeUndefined<CustomerAcquisitionReason>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// Mutations of profiles.
#[derive(Debug, Default)]
pub(super) struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Makes or updates the customer with the shop's own id.
    /// For shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the shop knows.")] input: CustomerRecordInput,
    ) -> Result<Payload<payload::Record>, ApiError> {
        let name = input.name.map(|name| bounded::<PersonName>("name", name)).transpose()?;
        let locale = input.locale.map(|locale| bounded::<Locale>("locale", locale)).transpose()?;
        let command = Record {
            external_id: bounded::<ExternalId>("externalId", input.external_id)?,
            email: input.email,
            profile: Profile {
                name: Change::to(name),
                locale: Change::to(locale),
                birthday: birthday(ctx, input.birthday)?,
                phone: text::<PhoneNumber>("phone", input.phone)?,
                preferences: preferences(input.preferences)?,
                acquisition_reason: change(input.acquisition_reason, |reason| Ok(reason.into()))?,
            },
        };
        let key = key(ctx, input.idempotency_key, "customerRecord");
        let app = ctx.data_unchecked::<App>();
        let work = async |tx: &Tx, command: &Record| Ok(customers::record(tx, command).await?);
        answer(ctx, app.write_once(&key, &command, work).await).await
    }

    /// Changes a profile. For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose profile, and what of it.")] input: CustomerUpdateInput,
    ) -> Result<Payload<payload::Update>, ApiError> {
        let command = Update {
            customer: changeable(viewer(ctx), input.customer_id.as_ref()),
            profile: Profile {
                name: text::<PersonName>("name", input.name)?,
                locale: text::<Locale>("locale", input.locale)?,
                birthday: birthday(ctx, input.birthday)?,
                phone: text::<PhoneNumber>("phone", input.phone)?,
                preferences: preferences(input.preferences)?,
                acquisition_reason: change(input.acquisition_reason, |reason| Ok(reason.into()))?,
            },
        };
        let key = key(ctx, input.idempotency_key, "customerUpdate");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, customers::update).await).await
    }
}

fn change<G, T>(
    given: MaybeUndefined<G>,
    read: impl FnOnce(G) -> Result<T, ApiError>,
) -> Result<Change<T>, ApiError> {
    Ok(match given {
        MaybeUndefined::Undefined => Change::Keep,
        MaybeUndefined::Null => Change::Clear,
        MaybeUndefined::Value(given) => Change::Set(read(given)?),
    })
}

fn text<T: TryFrom<String>>(field: &'static str, given: MaybeUndefined<String>) -> Result<Change<T>, ApiError>
where
    T::Error: std::fmt::Display,
{
    change(given, |text| bounded::<T>(field, text))
}

fn birthday(ctx: &Context<'_>, given: MaybeUndefined<Date>) -> Result<Change<Birthday>, ApiError> {
    change(given, |Date(born)| {
        Birthday::new(born, today(ctx)).map_err(|problem| ApiError::bad_input(format!("birthday {problem}")))
    })
}

fn preferences(given: MaybeUndefined<Vec<CustomerPreference>>) -> Result<Change<Preferences>, ApiError> {
    change(given, |pairs| {
        let pairs = pairs.into_iter().map(|CustomerPreference { key, value }| (key, value));
        Preferences::of(pairs).map_err(|problem| ApiError::bad_input(format!("preferences {problem}")))
    })
}
