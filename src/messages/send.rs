//! Sends one message, as the job of it.
//!
//! Invariant: whoever sends a message has first written that it is on its way, where its rights were read again. Of two who
//! try that, one does; a message that is on its way when its worker ends is sent again if it is transactional, and otherwise
//! never. What reaches an inbox is written with the state that says so.

use entity::id::MessageId;
use entity::job;
use entity::message::{Channel, Column, Entity, MessageState, Model, Reason};
use entity::suppression::SuppressionReason;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::class::Class;
use super::facts::Facts;
use super::gather::{self, Wanted};
use super::hook::Called;
use super::inbox;
use super::mailer::{Listed, Mail, Sent};
use super::published_template;
use super::recipient::Recipient;
use super::template::Language;
use super::templates::fill::{self, Note};
use super::templates::{Content, Refusal};
use super::words::Rendered;
use crate::app::App;
use crate::consent;
use crate::customers::email::EmailAddress;
use crate::error::{Fault, FaultKind};
use crate::jobs::Ended;
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "message";
/// With the back-off of jobs that is a day.
pub(crate) const ATTEMPTS: i64 = 36;

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    message: MessageId,
}

/// A message with its words, and where it goes.
#[derive(Clone, Debug)]
struct Prepared {
    row: Model,
    recipient: Recipient,
    version: i32,
    /// A language tag.
    language: String,
    /// Of a message that is not transactional.
    unsubscribe_url: Option<String>,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Mail(EmailAddress, Rendered),
    Inbox(Note),
    /// Over the shop's hook, to a phone or a customer by the shop's id.
    Hook(String, Note),
}

/// Sends the message of `job`, unless it was dealt with.
pub(crate) async fn run(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    let Payload { message } = serde_json::from_value(job.payload.clone())?;
    let Some(row) = Entity::find_by_id(message).one(&app.db.read).await? else { return Ok(Ended::Done) };
    if row.state == MessageState::Queued && row.purpose.is_some() {
        let settings = app.settings();
        // It was queued by day, and night fell while it waited for whoever delivers it.
        if let Some(morning) = settings.messages.night_ends(app.clock.now(), settings.time_zone) {
            return Ok(Ended::Again(morning));
        }
    }
    go_on(app, job, row).await.map(|()| Ended::Done)
}

async fn go_on(app: &App, job: &job::Model, row: Model) -> Result<(), Fault> {
    match row.state {
        MessageState::Queued => {}
        MessageState::Sending => {
            metrics::counter!("regulars_mails_unknown_outcome_total").increment(1);
            tracing::warn!(message.id = %row.id.0, "a worker ended while it sent this message, which may have arrived");
            if row.purpose.is_some() {
                let unknown = End::of(&row, MessageState::Unknown, Some(Reason::UnknownOutcome));
                return app.change(&unknown, end).await;
            }
        }
        MessageState::Sent | MessageState::Dropped | MessageState::Failed | MessageState::Unknown => {
            return Ok(());
        }
    }
    match prepare(app, row.clone()).await? {
        Ok(prepared) => deliver(app, job, prepared).await,
        Err(reason) => app.change(&End::of(&row, MessageState::Dropped, Some(reason)), end).await,
    }
}

/// Finds whom the message is for and what it says; a reason, if it cannot be sent.
async fn prepare(app: &App, row: Model) -> Result<Result<Prepared, Reason>, Fault> {
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
    let Some((language, content)) = template.body.in_language(recipient.locale(), &settings.locale) else {
        return Ok(Err(Reason::NoTemplate));
    };
    let Some(address) = address(app, &row, &recipient).await? else { return Ok(Err(Reason::NoAddress)) };
    let class = Class::of(row.purpose);
    let facts = Facts::read(&row.facts)?;
    let unsubscribe_url = match class {
        Class::Transactional => None,
        Class::Service(_) | Class::Promotional => Some(consent::unsubscribe_url(app, row.id)?),
    };
    let person = recipient.person();
    let permissions = consent::permissions(db, [person]).await?;
    let offers = entity::consent::Purpose::Offers;
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
    match words(address, content, values, language.clone()).await? {
        Ok(way) => {
            Ok(Ok(Prepared { row, recipient, version: template.version, language, unsubscribe_url, way }))
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

/// Where a message goes by its channel; none if nowhere.
async fn address(app: &App, row: &Model, recipient: &Recipient) -> Result<Option<Address>, Fault> {
    let customer = recipient.customer();
    let hook = |to: Option<&String>| to.filter(|_| app.hook.is_some()).cloned().map(Address::Hook);
    Ok(match row.channel {
        Channel::Email => match recipient.email() {
            Some(email) => Some(Address::Mail(email)),
            None if row.purpose.is_none() => on_order(app, row).await?.map(Address::Mail),
            None => None,
        },
        Channel::Inbox => customer.map(|_| Address::Inbox),
        Channel::Sms => hook(customer.and_then(|row| row.phone.as_ref())),
        Channel::Push => hook(customer.and_then(|row| row.external_id.as_ref())),
    })
}

/// The address that is written on the order that the message is about.
async fn on_order(app: &App, row: &Model) -> Result<Option<EmailAddress>, Fault> {
    let Some(order) = Facts::read(&row.facts)?.order else { return Ok(None) };
    let found = entity::order::Entity::find_by_id(order).one(&app.db.read).await?;
    Ok(found.and_then(|order| order.email).and_then(|email| EmailAddress::try_from(email).ok()))
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

async fn deliver(app: &App, job: &job::Model, prepared: Prepared) -> Result<(), Fault> {
    if !app.change(&prepared, begin).await? {
        return Ok(());
    }
    let begun =
        Model { state: MessageState::Sending, attempts: prepared.row.attempts + 1, ..prepared.row.clone() };
    let sent = outside(app, prepared).await;
    let (outcome, state, reason) = match &sent {
        Ok(Sent::Yes) => ("sent", MessageState::Sent, None),
        Ok(Sent::Refused) => ("refused", MessageState::Failed, Some(Reason::Refused)),
        // Sent again, it would be there twice: what is not needed stays as it is.
        Ok(Sent::Unknown) if begun.purpose.is_some() => {
            ("unknown", MessageState::Unknown, Some(Reason::UnknownOutcome))
        }
        Ok(Sent::Unknown) | Err(_) if job.attempts >= job.max_attempts => {
            ("failed", MessageState::Failed, Some(Reason::Refused))
        }
        Ok(Sent::Unknown) | Err(_) => ("failed", MessageState::Queued, None),
    };
    metrics::counter!("regulars_messages_total", "outcome" => outcome).increment(1);
    app.change(&End::of(&begun, state, reason), end).await?;
    sent?;
    if state == MessageState::Queued { Err(Fault::of(FaultKind::Unavailable)) } else { Ok(()) }
}

/// Writes that the message is on its way, if it still may be sent and nobody else sends it; whether it is to be sent now.
async fn begin(tx: &Tx, prepared: &Prepared) -> Result<bool, Fault> {
    let row = &prepared.row;
    if let Err(reason) = allowed(tx, prepared).await? {
        end(tx, &End::of(row, MessageState::Dropped, Some(reason))).await?;
        return Ok(false);
    }
    let (state, ended) = match prepared.way {
        Way::Inbox(_) => (MessageState::Sent, Some(tx.now())),
        Way::Mail(..) | Way::Hook(..) => (MessageState::Sending, None),
    };
    let begun = Entity::update_many()
        .col_expr(Column::State, Expr::val(sea_orm::ActiveEnum::to_value(&state)))
        .col_expr(Column::Attempts, Expr::val(row.attempts + 1))
        .col_expr(Column::StartedAt, Expr::val(tx.now()))
        .col_expr(Column::EndedAt, Expr::val(ended))
        .col_expr(Column::TemplateVersion, Expr::val(prepared.version))
        .filter(as_it_was(row))
        .exec(tx.db())
        .await?;
    if begun.rows_affected == 0 {
        return Ok(false);
    }
    let Way::Inbox(note) = &prepared.way else { return Ok(true) };
    if let Some(customer) = prepared.recipient.customer() {
        inbox::put(tx, row, customer.id, note).await?;
    }
    Ok(false)
}

/// Whether the message still may be sent, as of this transaction.
async fn allowed(tx: &Tx, prepared: &Prepared) -> Result<Result<(), Reason>, Fault> {
    let (row, db) = (&prepared.row, tx.db());
    let Some(now) = Recipient::find(db, row.person_id).await? else { return Ok(Err(Reason::AccountClosed)) };
    // Whom the words were written for was merged meanwhile: the next run writes them anew.
    if now.person() != prepared.recipient.person() {
        return Err(Fault::of(FaultKind::Unavailable));
    }
    if let Some(purpose) = row.purpose {
        if now.is_closed() {
            return Ok(Err(Reason::AccountClosed));
        }
        let permissions = consent::permissions(db, [now.person()]).await?;
        let asked_at = Facts::read(&row.facts)?.since;
        let terms = &tx.settings().messages;
        if let Err(reason) = permissions.allow(terms, now.person(), purpose, row.channel, asked_at) {
            return Ok(Err(reason));
        }
    }
    let address = match &prepared.way {
        Way::Mail(email, _) => email.key(),
        Way::Hook(to, _) => to.clone(),
        Way::Inbox(_) => return Ok(Ok(())),
    };
    let listed = consent::suppressed(db, tx.keys(), row.channel, std::slice::from_ref(&address)).await?;
    Ok(match listed.get(&address) {
        Some(SuppressionReason::Bounced) => Err(Reason::Suppressed),
        Some(SuppressionReason::Complained | SuppressionReason::Staff) if row.purpose.is_some() => {
            Err(Reason::Suppressed)
        }
        Some(SuppressionReason::Complained | SuppressionReason::Staff) | None => Ok(()),
    })
}

/// Hands the message to whoever delivers it.
async fn outside(app: &App, prepared: Prepared) -> Result<Sent, Fault> {
    let Prepared { row, language, unsubscribe_url, way, .. } = prepared;
    match way {
        Way::Inbox(_) => Ok(Sent::Yes),
        Way::Mail(to, words) => {
            let mail = Mail {
                id: row.id.0.to_string(),
                at: row.queued_at,
                to,
                language: Language::of(&language),
                words,
            };
            app.mailer.send_listed(mail, Listed { language, unsubscribe_url }).await
        }
        Way::Hook(to, note) => {
            let Some(hook) = &app.hook else { return Ok(Sent::Refused) };
            let called = Called { id: row.id, channel: row.channel, to: &to, locale: &language, note: &note };
            hook.call(&called, app.clock.now()).await
        }
    }
}

/// How a message ends, or goes back into the queue.
#[derive(Clone, Debug)]
struct End {
    /// As it was read, or begun.
    row: Model,
    state: MessageState,
    reason: Option<Reason>,
}

impl End {
    fn of(row: &Model, state: MessageState, reason: Option<Reason>) -> Self {
        Self { row: row.clone(), state, reason }
    }
}

async fn end(tx: &Tx, end: &End) -> Result<(), Fault> {
    use sea_orm::ActiveEnum;
    let ended = (end.state != MessageState::Queued).then(|| tx.now());
    let written = Entity::update_many()
        .col_expr(Column::State, Expr::val(end.state.to_value()))
        .col_expr(Column::Reason, Expr::val(end.reason.map(|reason| reason.to_value())))
        .col_expr(Column::EndedAt, Expr::val(ended))
        .filter(as_it_was(&end.row))
        .exec(tx.db())
        .await?;
    if written.rows_affected == 0 {
        tracing::warn!(message.id = %end.row.id.0, "another worker took this message over");
    }
    Ok(())
}

/// In the same state, begun as often: nobody else has it.
fn as_it_was(row: &Model) -> sea_orm::sea_query::SimpleExpr {
    Column::Id.eq(row.id).and(Column::State.eq(row.state)).and(Column::Attempts.eq(row.attempts))
}
