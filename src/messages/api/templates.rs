//! Templates: drafts, and publishing them.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use serde::Serialize;

use crate::app::App;
use crate::consent::api::{ConsentPurpose, MessageChannel};
use crate::error::{Fault, Outcome};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::once::once;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::messages::templates::store::{self, Draft, Publish, Template, TemplateError};
use crate::messages::templates::validate::{Code, Problem};
use crate::messages::templates::{Body, Content};
use crate::tx::Tx;

/// What a template says in one language.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "MessageTemplateContentInput")]
pub(super) struct MessageTemplateContent {
    /// A language tag, such as `nl` or `nl-BE`.
    locale: String,
    /// Of mail: one line.
    subject: Option<String>,
    /// Of mail: what mail programs show beside the subject; `preheader` in the MJML.
    preheader: Option<String>,
    /// Of mail: MJML, at most 64 KiB.
    mjml: Option<String>,
    /// Of mail, for readers of plain text; made of the MJML, if null.
    text: Option<String>,
    /// Of the other channels: one line.
    title: Option<String>,
    /// Of the other channels: plain text.
    short: Option<String>,
    /// Of the other channels: where it leads; nowhere, if null or filled in with nothing.
    link: Option<String>,
}

/// What a template is, whole.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct MessageTemplateBody {
    /// 0 is the one that is built in; the shop's are counted from 1.
    version: i32,
    /// What right it needs; none, if null: it is transactional.
    purpose: Option<ConsentPurpose>,
    /// By which ways it can be sent.
    channels: Vec<MessageChannel>,
    /// What it says, by language tag.
    content: Vec<MessageTemplateContent>,
}

/// What messages of a kind say.
#[derive(Debug, SimpleObject)]
pub(super) struct MessageTemplate {
    /// Journeys name it by this; unique.
    code: String,
    /// For staff.
    name: String,
    /// Whether there is one with this code that came with the program; what the shop publishes takes its place.
    built_in: bool,
    /// What is sent now; nothing, if null.
    published: Option<MessageTemplateBody>,
    /// What is to be published next; null if there is none.
    draft: Option<MessageTemplateBody>,
}

impl MessageTemplate {
    fn of(template: Template) -> Self {
        let Template { code, name, is_built_in, published, draft } = template;
        let body = |(version, body)| MessageTemplateBody::of(version, body);
        Self { code, name, built_in: is_built_in, published: published.map(body), draft: draft.map(body) }
    }
}

impl MessageTemplateBody {
    fn of(version: i32, body: Body) -> Self {
        let content = |(locale, content): (String, Content)| {
            let Content { subject, preheader, mjml, text, title, short, link } = content;
            MessageTemplateContent { locale, subject, preheader, mjml, text, title, short, link }
        };
        Self {
            version,
            purpose: body.purpose.map(Into::into),
            channels: body.channels.into_iter().map(Into::into).collect(),
            content: body.content.into_iter().map(content).collect(),
        }
    }
}

/// What a template is to be.
#[derive(Clone, Debug, InputObject)]
pub(super) struct MessageTemplateBodyInput {
    /// What right it needs; none, if left out: it is transactional.
    purpose: Option<ConsentPurpose>,
    /// By which ways it can be sent, each once.
    channels: Vec<MessageChannel>,
    /// What it says, in 1 to 20 languages, each once.
    content: Vec<MessageTemplateContent>,
}

impl MessageTemplateBodyInput {
    /// None if a language is there twice.
    pub(super) fn parse(self) -> Option<Body> {
        let mut body = Body {
            purpose: self.purpose.map(Into::into),
            channels: self.channels.into_iter().map(Into::into).collect(),
            content: std::collections::BTreeMap::new(),
        };
        for content in self.content {
            let MessageTemplateContent { locale, subject, preheader, mjml, text, title, short, link } =
                content;
            if body.content.keys().any(|known| known.eq_ignore_ascii_case(&locale)) {
                return None;
            }
            body.content.insert(locale, Content { subject, preheader, mjml, text, title, short, link });
        }
        Some(body)
    }
}

/// A draft of a template, new or not.
#[derive(Debug, InputObject)]
struct MessageTemplateDraftInput {
    /// The caller's key.
    idempotency_key: IdempotencyKey,
    /// 1 to 60 of a-z, 0-9, `-` and `_`; that of a built-in one takes its place once it is published.
    code: String,
    /// For staff, 1 to 100 characters.
    name: String,
    /// What it is to be.
    body: MessageTemplateBodyInput,
}

/// A draft to be published.
#[derive(Debug, InputObject)]
struct MessageTemplatePublishInput {
    /// The caller's key.
    idempotency_key: IdempotencyKey,
    /// Of the template.
    code: String,
}

/// Why a template was not changed, or cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum MessageTemplateErrorCode {
    /// No such template.
    NotFound,
    /// A value is missing, out of its bounds or not as it can be.
    Invalid,
    /// The template has no draft to publish.
    NoDraft,
    /// It shows a coupon or a price, which only templates for the newsletter, offers, reminders and what is back in stock can.
    PromotionNotAllowed,
    /// It has no link to `unsubscribe_url`, which every template with a purpose needs.
    UnsubscribeLinkMissing,
    /// A journey in force, paused or not, sends it for another purpose, or by a channel that it would not have any more: its messages would be dropped.
    UsedByJourney,
    /// There are 500 templates.
    TooManyTemplates,
}

/// A template that was changed, or why it was not.
#[derive(Debug, SimpleObject)]
struct MessageTemplatePayload {
    /// The template.
    template: Option<MessageTemplate>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<MessageTemplateErrorCode>>,
}

/// As a path of the input.
pub(super) fn error_of(problem: Problem, before: &[&str]) -> UserError<MessageTemplateErrorCode> {
    let code = match problem.code {
        Code::Invalid => MessageTemplateErrorCode::Invalid,
        Code::PromotionNotAllowed => MessageTemplateErrorCode::PromotionNotAllowed,
        Code::UnsubscribeLinkMissing => MessageTemplateErrorCode::UnsubscribeLinkMissing,
        Code::UsedByJourney => MessageTemplateErrorCode::UsedByJourney,
    };
    let field = before.iter().map(|part| (*part).to_owned()).chain(problem.path).collect();
    UserError { code, field: Some(field), message: problem.message }
}

pub(super) fn errors_of(error: TemplateError) -> Vec<UserError<MessageTemplateErrorCode>> {
    use MessageTemplateErrorCode as Is;
    let (code, field, message) = match error {
        TemplateError::Problems(problems) => {
            return problems.into_iter().map(|problem| error_of(problem, &["body"])).collect();
        }
        TemplateError::NotFound => (Is::NotFound, "code", "There is no such template.".to_owned()),
        TemplateError::NoDraft => (Is::NoDraft, "code", "The template has no draft.".to_owned()),
        TemplateError::Changed => {
            (Is::Invalid, "code", "The draft is being written just now; try again.".to_owned())
        }
        TemplateError::TooMany => (Is::TooManyTemplates, "code", "There are 500 templates.".to_owned()),
        TemplateError::NotMail => (Is::Invalid, "template", "It is not for mail.".to_owned()),
        TemplateError::NoCustomer => {
            let (field, message) =
                (Some(vec!["customerId".to_owned()]), "There is no such customer.".to_owned());
            return vec![UserError { code: Is::NotFound, field, message }];
        }
        TemplateError::Invalid(field, problem) => (Is::Invalid, field, format!("{field} {problem}.")),
    };
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    vec![UserError { code, field, message }]
}

/// How often a draft is looked at that is written again meanwhile.
const LOOKS: u32 = 3;

pub(super) const TWICE: TemplateError = TemplateError::Invalid("body", "must have each language once");

/// Queries about templates.
#[derive(Debug, Default)]
pub(super) struct TemplatesQuery;

#[Object]
impl TemplatesQuery {
    /// All templates by their codes: the shop's, and those that are built in. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_templates(&self, ctx: &Context<'_>) -> Result<Vec<MessageTemplate>, ApiError> {
        let all = store::all(&ctx.data_unchecked::<App>().db.read).await?;
        Ok(all.into_iter().map(MessageTemplate::of).collect())
    }

    /// The template with this code; null if there is none. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of the template.")] code: String,
    ) -> Result<Option<MessageTemplate>, ApiError> {
        Ok(store::one(&ctx.data_unchecked::<App>().db.read, &code).await?.map(MessageTemplate::of))
    }
}

/// Mutations of templates.
#[derive(Debug, Default)]
pub(super) struct TemplatesMutation;

#[Object]
impl TemplatesMutation {
    /// Writes the draft of a template, in place of the one there may be; nothing is sent with it before it is published. For staff with `messages.write`.
    #[graphql(guard = "Allowed")]
    async fn message_template_draft(
        &self,
        ctx: &Context<'_>,
        input: MessageTemplateDraftInput,
    ) -> Result<MessageTemplatePayload, ApiError> {
        let MessageTemplateDraftInput { idempotency_key, code, name, body } = input;
        let Some(body) = body.parse() else { return Ok(MessageTemplatePayload::refused(TWICE)) };
        write(ctx, "messageTemplateDraft", idempotency_key, &Draft { code, name, body }, store::draft).await
    }

    /// Publishes the draft of a template, if nothing is wrong with it: messages that are sent from now on say what it says. For staff with `messages.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn message_template_publish(
        &self,
        ctx: &Context<'_>,
        input: MessageTemplatePublishInput,
    ) -> Result<MessageTemplatePayload, ApiError> {
        let MessageTemplatePublishInput { idempotency_key, code } = input;
        let mut publish = Publish { code, checked: None };
        for _ in 0..LOOKS {
            publish.checked = store::checked(&ctx.data_unchecked::<App>().db.read, &publish.code).await?;
            let key = idempotency_key.clone();
            match once(ctx, "messageTemplatePublish", key, &publish, store::publish).await? {
                Err(TemplateError::Changed) => {}
                done => return shown(ctx, done).await,
            }
        }
        Ok(MessageTemplatePayload::refused(TemplateError::Changed))
    }
}

/// Changes a template once for the caller's key, and shows it.
async fn write<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<String, TemplateError>,
) -> Result<MessageTemplatePayload, ApiError> {
    shown(ctx, once(ctx, operation, key, command, work).await?).await
}

async fn shown(
    ctx: &Context<'_>,
    done: Result<Once<String>, TemplateError>,
) -> Result<MessageTemplatePayload, ApiError> {
    match done {
        Ok(Once { value, replayed }) => {
            let found = store::one(&ctx.data_unchecked::<App>().db.read, &value).await?;
            let template = found.ok_or_else(|| Fault::internal("what was written is gone"))?;
            let template = Some(MessageTemplate::of(template));
            Ok(MessageTemplatePayload { template, replayed, user_errors: Vec::new() })
        }
        Err(error) => Ok(MessageTemplatePayload::refused(error)),
    }
}

impl MessageTemplatePayload {
    fn refused(error: TemplateError) -> Self {
        Self { template: None, replayed: false, user_errors: errors_of(error) }
    }
}
