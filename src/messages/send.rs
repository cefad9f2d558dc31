//! Sends one message, as the job of it.
//!
//! Invariant: whoever sends a message has first written that it is on its way, where its rights were read again. Of two who
//! try that, one does; a message that is on its way when its worker ends is sent again if it is transactional, and otherwise
//! never. What reaches an inbox is written with the state that says so.

use chrono::TimeDelta;
use entity::consent::Purpose;
use entity::id::MessageId;
use entity::journey::{self, JourneyState};
use entity::message::{Column, Entity, MessageState, Model, Reason};
use entity::suppression::SuppressionReason;
use entity::{Instant, job, waitlist_entry};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::hook::Called;
use super::inbox;
use super::mailer::{Listed, Mail, Sent};
use super::prepare::{Prepared, Way, prepare};
use super::recipient::Recipient;
use super::template::Language;
use crate::app::App;
use crate::consent::{self, suppress};
use crate::error::{Fault, FaultKind};
use crate::jobs::Ended;
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "message";
/// With the back-off of jobs that is a day.
pub(crate) const ATTEMPTS: i64 = 36;
/// What is not transactional is of no use any more so long after it was queued.
const OF_USE: TimeDelta = TimeDelta::hours(24);
/// How soon what waits for a paused journey is looked at again.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(5);
/// What broke off on its way is sent again unless it was begun as often.
const MOST_BEGUN: i32 = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    message: MessageId,
}

/// Sends the message of `job`, unless it was dealt with.
pub(crate) async fn run(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    let Payload { message } = serde_json::from_value(job.payload.clone())?;
    let Some(row) = Entity::find_by_id(message).one(&app.db.read).await? else { return Ok(Ended::Done) };
    let waits = if row.state == MessageState::Queued { not_now(app, &row).await? } else { None };
    match waits {
        Some(NotNow::Until(at)) => return Ok(Ended::Again(at)),
        Some(NotNow::Never(reason)) => {
            app.change(&End::of(&row, MessageState::Dropped, Some(reason)), end).await?;
            return Ok(Ended::Done);
        }
        None => {}
    }
    let gone_on = go_on(app, job, row).await;
    if gone_on.is_err() && job.attempts >= job.max_attempts {
        app.change(&message, give_up).await?;
    }
    gone_on.map(|()| Ended::Done)
}

/// Why a message that is queued is not sent now.
enum NotNow {
    Until(Instant),
    Never(Reason),
}

async fn not_now(app: &App, row: &Model) -> Result<Option<NotNow>, Fault> {
    let (now, settings) = (app.clock.now(), app.settings());
    if row.purpose.is_some() && now > row.queued_at + OF_USE {
        return Ok(Some(NotNow::Never(Reason::TooLate)));
    }
    let state = match row.journey_id {
        Some(journey) => journey::Entity::find_by_id(journey).one(&app.db.read).await?.map(|row| row.state),
        None => None,
    };
    Ok(match state {
        Some(JourneyState::Paused) => Some(NotNow::Until(now + LOOK_AGAIN)),
        Some(JourneyState::Retired) if row.purpose.is_some() => Some(NotNow::Never(Reason::JourneyRetired)),
        // It was queued by day, and night fell while it waited for whoever delivers it.
        _ if row.purpose.is_some() => {
            settings.messages.night_ends(now, settings.time_zone).map(NotNow::Until)
        }
        _ => None,
    })
}

/// Ends a message whose job will not be run again.
async fn give_up(tx: &Tx, message: &MessageId) -> Result<(), Fault> {
    let Some(row) = Entity::find_by_id(*message).one(tx.db()).await? else { return Ok(()) };
    match row.state {
        MessageState::Queued | MessageState::Sending => {
            end(tx, &End::of(&row, MessageState::Failed, Some(Reason::Refused))).await
        }
        MessageState::Sent | MessageState::Dropped | MessageState::Failed | MessageState::Unknown => Ok(()),
    }
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

async fn deliver(app: &App, job: &job::Model, prepared: Prepared) -> Result<(), Fault> {
    let begun = begun(app, &prepared);
    if !app.change(&(prepared.clone(), begun.clone()), begin).await? {
        return Ok(());
    }
    let sent = outside(app, prepared).await;
    let is_last = job.attempts >= job.max_attempts;
    let (outcome, state, reason) = match &sent {
        Ok(Sent::Yes) => ("sent", MessageState::Sent, None),
        Ok(Sent::Refused | Sent::NoMailbox(_)) => ("refused", MessageState::Failed, Some(Reason::Refused)),
        // Sent again, it would be there twice: what is not needed stays as it is, and what is needed at last too.
        Ok(Sent::Unknown) if begun.purpose.is_some() || begun.attempts >= MOST_BEGUN => {
            ("unknown", MessageState::Unknown, Some(Reason::UnknownOutcome))
        }
        Ok(Sent::Unknown) | Err(_) if is_last => ("failed", MessageState::Failed, Some(Reason::Refused)),
        Ok(Sent::Unknown) | Err(_) => ("failed", MessageState::Queued, None),
    };
    metrics::counter!("regulars_messages_total", "outcome" => outcome).increment(1);
    let mut ended = End::of(&begun, state, reason);
    if let Ok(Sent::NoMailbox(status)) = &sent {
        ended.no_mailbox = Some(status.clone());
    }
    app.change(&ended, end).await?;
    sent?;
    if state == MessageState::Queued { Err(Fault::of(FaultKind::Unavailable)) } else { Ok(()) }
}

/// The message as it is once it is on its way. What reaches an inbox is there with that.
fn begun(app: &App, prepared: &Prepared) -> Model {
    let now = app.clock.now();
    let (state, ended_at) = match prepared.way {
        Way::Inbox(_) => (MessageState::Sent, Some(now)),
        Way::Mail(..) | Way::Hook(..) => (MessageState::Sending, None),
    };
    Model {
        state,
        attempts: prepared.row.attempts + 1,
        started_at: Some(now),
        ended_at,
        template_version: Some(prepared.version),
        address_hash: prepared.address_hash.clone(),
        ..prepared.row.clone()
    }
}

/// Writes that the message is on its way, if it still may be sent and nobody else sends it; whether it is to be sent now. The
/// message is held first: who is merged meanwhile, or says no, comes before that or after it.
async fn begin(tx: &Tx, (prepared, begun): &(Prepared, Model)) -> Result<bool, Fault> {
    let row = &prepared.row;
    let written = Entity::update_many()
        .col_expr(Column::State, Expr::val(begun.state.to_value()))
        .col_expr(Column::Attempts, Expr::val(begun.attempts))
        .col_expr(Column::StartedAt, Expr::val(begun.started_at))
        .col_expr(Column::EndedAt, Expr::val(begun.ended_at))
        .col_expr(Column::TemplateVersion, Expr::val(begun.template_version))
        .col_expr(Column::AddressHash, Expr::val(begun.address_hash.clone()))
        .filter(as_it_was(row).and(Column::PersonId.eq(row.person_id)))
        .exec(tx.db())
        .await?;
    if written.rows_affected == 0 {
        let moved = Entity::find().filter(as_it_was(row)).one(tx.db()).await?.is_some();
        // It is somebody else's by now: the next run writes it anew. Else somebody else sends it.
        return if moved { Err(Fault::of(FaultKind::Unavailable)) } else { Ok(false) };
    }
    if let Err(reason) = allowed(tx, prepared).await? {
        return take_back(tx, row, begun, reason).await.map(|()| false);
    }
    let Way::Inbox(note) = &prepared.way else { return Ok(true) };
    if let Some(customer) = prepared.recipient.customer() {
        inbox::put(tx, row, customer.id, note).await?;
    }
    Ok(false)
}

/// A message that was held to be sent may not be: it was not begun.
async fn take_back(tx: &Tx, row: &Model, begun: &Model, reason: Reason) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::State, Expr::val(MessageState::Dropped.to_value()))
        .col_expr(Column::Reason, Expr::val(reason.to_value()))
        .col_expr(Column::Attempts, Expr::val(row.attempts))
        .col_expr(Column::StartedAt, Expr::val(row.started_at))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .col_expr(Column::TemplateVersion, Expr::val(row.template_version))
        .col_expr(Column::AddressHash, Expr::val(row.address_hash.clone()))
        .filter(as_it_was(begun))
        .exec(tx.db())
        .await?;
    Ok(())
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
        let asked_at = asked_at(db, &now, row).await?;
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

/// When somebody asked to be told that a product is back; none if they do not wait for it any more, or it is about something
/// else.
async fn asked_at(
    db: &impl ConnectionTrait,
    recipient: &Recipient,
    row: &Model,
) -> Result<Option<Instant>, Fault> {
    if row.purpose != Some(Purpose::BackInStock) {
        return Ok(None);
    }
    let (Some(customer), Some(product)) = (recipient.customer(), Facts::read(&row.facts)?.product) else {
        return Ok(None);
    };
    let theirs = waitlist_entry::Column::CustomerId.eq(customer.id);
    let waits = theirs.and(waitlist_entry::Column::ProductId.eq(product));
    let found = waitlist_entry::Entity::find().filter(waits).one(db).await?;
    Ok(found.map(|entry| entry.joined_at))
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
            let called = Called {
                id: row.id,
                channel: row.channel,
                to: &to,
                locale: &language,
                note: &note,
                purpose: row.purpose,
                unsubscribe_url: unsubscribe_url.as_deref(),
            };
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
    /// There is no mailbox where it went, by this status.
    no_mailbox: Option<String>,
}

impl End {
    fn of(row: &Model, state: MessageState, reason: Option<Reason>) -> Self {
        Self { row: row.clone(), state, reason, no_mailbox: None }
    }
}

async fn end(tx: &Tx, end: &End) -> Result<(), Fault> {
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
    match (&end.no_mailbox, &end.row.address_hash) {
        (Some(status), Some(hash)) => suppress::no_mailbox(tx, hash, Some(end.row.id), status).await,
        _ => Ok(()),
    }
}

/// In the same state, begun as often: nobody else has it.
fn as_it_was(row: &Model) -> sea_orm::sea_query::SimpleExpr {
    Column::Id.eq(row.id).and(Column::State.eq(row.state)).and(Column::Attempts.eq(row.attempts))
}
