//! What a message says and where it goes: found when it is sent, apart from any transaction.

use entity::consent::Purpose;
use entity::message::{Channel, Model, Reason};
use entity::order;
use sea_orm::EntityTrait;
use serde_json::Value as Json;

use super::class::Class;
use super::facts::Facts;
use super::gather::{self, Wanted};
use super::published_template;
use super::recipient::Recipient;
use super::templates::fill::{self, Note};
use super::templates::{Content, Refusal};
use super::words::Rendered;
use crate::app::App;
use crate::consent::{self, suppress};
use crate::customers::email::EmailAddress;
use crate::error::Fault;

/// A message with its words, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) row: Model,
    pub(super) recipient: Recipient,
    pub(super) version: i32,
    /// A language tag.
    pub(super) language: String,
    /// Of a message that is not transactional.
    pub(super) unsubscribe_url: Option<String>,
    pub(super) way: Way,
    /// Where it goes, as the suppression list knows it; none for an inbox.
    pub(super) address_hash: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    Mail(EmailAddress, Rendered),
    Inbox(Note),
    /// Over the shop's hook, to a phone or a customer by the shop's id.
    Hook(String, Note),
}

/// Finds whom the message is for and what it says; a reason, if it cannot be sent.
pub(super) async fn prepare(app: &App, row: Model) -> Result<Result<Prepared, Reason>, Fault> {
    let db = &app.db.read;
    let Some(recipient) = Recipient::find(db, row.person_id).await? else {
        return Ok(Err(Reason::AccountClosed));
    };
    let Some(template) = published_template(db, &row.template).await? else {
        return Ok(Err(Reason::NoTemplate));
    };
    // What was published since may need another right than what was queued.
    if template.purpose != row.purpose || !template.channels.contains(&row.channel) {
        return Ok(Err(Reason::NoTemplate));
    }
    let settings = app.settings();
    let facts = Facts::read(&row.facts)?;
    let order = order_of(app, &facts, &recipient).await?;
    // As the customer says, else as the order says that the message is about.
    let locale = recipient.locale().or_else(|| order.as_ref()?.locale.as_deref());
    let Some((language, content)) = template.body.in_language(locale, &settings.locale) else {
        return Ok(Err(Reason::NoTemplate));
    };
    let Some(address) = address(app, &row, &recipient, order.as_ref()) else {
        return Ok(Err(Reason::NoAddress));
    };
    let class = Class::of(row.purpose);
    let unsubscribe_url = match class {
        Class::Transactional => None,
        Class::Service(_) | Class::Promotional => Some(consent::unsubscribe_url(app, row.id)?),
    };
    let person = recipient.person();
    let permissions = consent::permissions(db, [person]).await?;
    let offers = Purpose::Offers;
    let companions = class != Class::Transactional
        && permissions.allow(&settings.messages, person, offers, row.channel, None).is_ok();
    let wanted = Wanted {
        recipient: &recipient,
        facts: &facts,
        class,
        language,
        companions,
        unsubscribe_url: unsubscribe_url.as_deref(),
        message: Some(row.id),
    };
    let parts = match gather::parts(app, &wanted).await? {
        Ok(parts) => parts,
        Err(reason) => return Ok(Err(reason)),
    };
    let values = parts.shown(class, class.may_promote());
    let (language, content) = (language.to_owned(), content.clone());
    let address_hash = address_hash(app, row.channel, &address)?;
    match words(address, content, values, language.clone()).await? {
        Ok(way) => {
            let version = template.version;
            Ok(Ok(Prepared { row, recipient, version, language, unsubscribe_url, way, address_hash }))
        }
        Err(Refusal(problem)) => {
            tracing::warn!(message.id = %row.id.0, template = template.code, version = template.version, problem, "a template could not be filled in");
            Ok(Err(Reason::TemplateFailed))
        }
    }
}

#[derive(Clone, Debug)]
enum Address {
    Mail(EmailAddress),
    Inbox,
    Hook(String),
}

/// Where a message goes by its channel; none if nowhere. What is transactional goes to the address that is written on the
/// order it is about, if there is no other.
fn address(app: &App, row: &Model, recipient: &Recipient, order: Option<&order::Model>) -> Option<Address> {
    let customer = recipient.customer();
    let hook = |to: Option<&String>| to.filter(|_| app.hook.is_some()).cloned().map(Address::Hook);
    let on_order = || EmailAddress::try_from(order?.email.clone()?).ok();
    match row.channel {
        Channel::Email => {
            let email = recipient.email();
            email.or_else(|| on_order().filter(|_| row.purpose.is_none())).map(Address::Mail)
        }
        Channel::Inbox => customer.map(|_| Address::Inbox),
        Channel::Sms => hook(customer.and_then(|row| row.phone.as_ref())),
        Channel::Push => hook(customer.and_then(|row| row.external_id.as_ref())),
    }
}

fn address_hash(app: &App, channel: Channel, address: &Address) -> Result<Option<Vec<u8>>, Fault> {
    let plain = match address {
        Address::Mail(email) => email.key(),
        Address::Hook(to) => to.clone(),
        Address::Inbox => return Ok(None),
    };
    Ok(Some(suppress::hash(&app.keys.comparison()?, channel, &plain)))
}

/// The order that a message is about, if it may say what its recipient does not: a language or an address.
async fn order_of(app: &App, facts: &Facts, recipient: &Recipient) -> Result<Option<order::Model>, Fault> {
    let says_all = recipient.locale().is_some() && recipient.email().is_some();
    match facts.order.filter(|_| !says_all) {
        Some(order) => Ok(order::Entity::find_by_id(order).one(&app.db.read).await?),
        None => Ok(None),
    }
}

/// Fills the words in, apart from what waits for answers: it takes a processor for a while.
async fn words(
    address: Address,
    content: Content,
    values: Json,
    language: String,
) -> Result<Result<Way, Refusal>, Fault> {
    let filled = tokio::task::spawn_blocking(move || match address {
        Address::Mail(email) => Ok(Way::Mail(email, fill::mail(&content, &values, &language)?)),
        Address::Inbox => Ok(Way::Inbox(fill::note(&content, &values, &language)?)),
        Address::Hook(to) => Ok(Way::Hook(to, fill::note(&content, &values, &language)?)),
    });
    Ok(filled.await?)
}
