//! Trying templates: what is wrong with them, what they look like, and a mail of them to whoever asks.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::CustomerId;
use entity::message::Channel;

use super::templates::{MessageTemplateBodyInput, MessageTemplateErrorCode, TWICE, error_of, errors_of};
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::customers::api::note_read;
use crate::error::{Fault, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::once::once;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::messages::templates::store::TemplateError;
use crate::messages::templates::{Body, validate};
use crate::messages::trial::{self, Trial};

/// A template to try: one there is, or one that is being written.
#[derive(Debug, InputObject)]
struct MessageTemplateTrialInput {
    /// Of a template: its draft, else what is published. Either this or `body`.
    code: Option<String>,
    /// As it is being written.
    body: Option<MessageTemplateBodyInput>,
    /// The language tag of the words; the shop's own, if left out.
    locale: Option<String>,
}

impl MessageTemplateTrialInput {
    fn parse(self) -> Result<Trial, TemplateError> {
        let body = self.body.map(|body| body.parse().ok_or(TWICE)).transpose()?;
        if self.code.is_some() == body.is_some() {
            return Err(TemplateError::Invalid("code", "or body must be given, not both"));
        }
        Ok(Trial { code: self.code, body, locale: self.locale })
    }
}

/// What a template looks like, as far as it can be filled in.
#[derive(Debug, SimpleObject)]
struct MessageTemplatePreview {
    /// The language tag of the words.
    locale: Option<String>,
    /// Of the mail.
    subject: Option<String>,
    /// Of the mail: a whole document. Show it in a frame of its own, without scripts.
    html: Option<String>,
    /// Of the mail, for readers of plain text.
    text: Option<String>,
    /// Of the other channels.
    title: Option<String>,
    /// Of the other channels.
    short: Option<String>,
    /// Of the other channels.
    link: Option<String>,
    /// Why it cannot be filled in; empty if it can.
    user_errors: Vec<UserError<MessageTemplateErrorCode>>,
}

/// What is wrong with a template.
#[derive(Debug, SimpleObject)]
struct MessageTemplateValidation {
    /// Whether it could be published.
    valid: bool,
    /// All that is wrong with it.
    user_errors: Vec<UserError<MessageTemplateErrorCode>>,
}

/// A template to be sent to whoever asks.
#[derive(Debug, InputObject)]
struct MessageTemplateTestSendInput {
    /// The caller's key.
    idempotency_key: IdempotencyKey,
    /// What is sent, filled in with made-up values.
    template: MessageTemplateTrialInput,
}

/// Whether a mail is on its way, or why not.
#[derive(Debug, SimpleObject)]
struct MessageTemplateTestSendPayload {
    /// Whether a mail to the caller's own address was queued.
    queued: bool,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<MessageTemplateErrorCode>>,
}

/// Queries that try templates.
#[derive(Debug, Default)]
pub(super) struct PreviewQuery;

#[Object]
impl PreviewQuery {
    /// What is wrong with a template as it is being written; changes nothing. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_template_validate(
        &self,
        #[graphql(desc = "As it is being written.")] body: MessageTemplateBodyInput,
    ) -> Result<MessageTemplateValidation, ApiError> {
        let user_errors = match body.parse() {
            None => errors_of(TWICE),
            Some(body) => {
                let problems = tokio::task::spawn_blocking(move || validate::problems(&body)).await;
                problems?.into_iter().map(|problem| error_of(problem, &["body"])).collect()
            }
        };
        Ok(MessageTemplateValidation { valid: user_errors.is_empty(), user_errors })
    }

    /// What a template looks like with made-up values, or with the name, points and tier of a customer; sends nothing. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_template_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be shown.")] template: MessageTemplateTrialInput,
        #[graphql(desc = "With this customer's name, points and tier.")] customer_id: Option<ID>,
    ) -> Result<MessageTemplatePreview, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let trial = match template.parse() {
            Ok(trial) => trial,
            Err(error) => return Ok(MessageTemplatePreview::refused(errors_of(error))),
        };
        let customer: Option<CustomerId> = match &customer_id {
            None => None,
            Some(id) => match local_id(id, NodeType::Customer) {
                Some(customer) => Some(customer),
                None => return Ok(MessageTemplatePreview::refused(errors_of(TemplateError::NoCustomer))),
            },
        };
        let Some(body) = trial::body(&app.db.read, &trial).await? else {
            return Ok(MessageTemplatePreview::refused(errors_of(TemplateError::NotFound)));
        };
        let shown = shown(app, &trial, body, customer).await?;
        if let Some(customer) = customer.filter(|_| shown.locale.is_some()) {
            note_read(ctx, Person::Customer(customer));
        }
        Ok(shown)
    }
}

async fn shown(
    app: &App,
    trial: &Trial,
    body: Body,
    customer: Option<CustomerId>,
) -> Result<MessageTemplatePreview, ApiError> {
    let (mails, notes) =
        (body.channels.contains(&Channel::Email), body.channels.iter().any(|one| *one != Channel::Email));
    let filled = match split(trial::fill(app, trial, body, customer).await)? {
        Ok(filled) => filled,
        Err(error) => return Ok(MessageTemplatePreview::refused(errors_of(error))),
    };
    let mut preview = MessageTemplatePreview::refused(Vec::new());
    preview.locale = Some(filled.language.clone());
    let error = |problem: String| {
        let (code, path) = (validate::Code::Invalid, vec!["content".to_owned(), filled.language.clone()]);
        error_of(validate::Problem { code, path, message: problem }, &["body"])
    };
    match filled.mail {
        Ok(mail) => {
            (preview.subject, preview.html, preview.text) =
                (Some(mail.subject), Some(mail.html), Some(mail.text));
        }
        Err(refusal) if mails => preview.user_errors.push(error(refusal.0)),
        Err(_) => {}
    }
    match filled.note {
        Ok(note) => {
            (preview.title, preview.short, preview.link) = (Some(note.title), Some(note.body), note.link);
        }
        Err(refusal) if notes => preview.user_errors.push(error(refusal.0)),
        Err(_) => {}
    }
    Ok(preview)
}

impl MessageTemplatePreview {
    fn refused(user_errors: Vec<UserError<MessageTemplateErrorCode>>) -> Self {
        let (locale, subject, html, text) = (None, None, None, None);
        Self { locale, subject, html, text, title: None, short: None, link: None, user_errors }
    }
}

/// Mutations that try templates.
#[derive(Debug, Default)]
pub(super) struct PreviewMutation;

#[Object]
impl PreviewMutation {
    /// Sends a template, filled in with made-up values, to the caller's own address and to no other. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_template_test_send(
        &self,
        ctx: &Context<'_>,
        input: MessageTemplateTestSendInput,
    ) -> Result<MessageTemplateTestSendPayload, ApiError> {
        let refused = |error| MessageTemplateTestSendPayload {
            queued: false,
            replayed: false,
            user_errors: errors_of(error),
        };
        let Viewer::Staff { staff, .. } = ctx.data_unchecked::<Viewer>() else {
            return Err(Fault::internal("only staff may send tests").into());
        };
        let trial = match input.template.parse() {
            Ok(trial) => trial,
            Err(error) => return Ok(refused(error)),
        };
        let send = trial::Send { staff: *staff, trial };
        match once(ctx, "messageTemplateTestSend", input.idempotency_key, &send, trial::queue).await? {
            Ok(Once { replayed, .. }) => {
                Ok(MessageTemplateTestSendPayload { queued: true, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(refused(error)),
        }
    }
}
