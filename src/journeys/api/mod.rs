//! Journeys over GraphQL.

mod definition;
mod loaders;
mod types;
mod updates;

use async_graphql::{Context, Enum, ID, InputObject, MergedObject, Object, SimpleObject};
use entity::id::{JourneyId, StaffId};
use entity::journey;

use definition::JourneyDefinition;
pub use loaders::loader;
use types::{Journey, JourneyPreview, JourneyRun, NotSentExplanation};

use super::definition::Invalid;
use super::manage::{self, Act, Draft, JourneyError};
use super::{builtin, explain, live};
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::customers::api::{meant, note_read};
use crate::error::Outcome;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::tx::Tx;

/// Queries about journeys.
#[derive(Debug, Default)]
pub struct JourneysQuery;

/// Mutations of journeys.
#[derive(Debug, Default, MergedObject)]
pub struct JourneysMutation(OfJourneys, updates::OfUpdates);

/// Mutations of journeys themselves.
#[derive(Debug, Default)]
struct OfJourneys;

/// A draft of a journey.
#[derive(Debug, InputObject)]
struct JourneyDraftInput {
    /// The shop's code for it, 1 to 64 of a-z, 0-9 and underscore; that of one that comes with the program changes that one.
    code: String,
    /// For staff, 1 to 100 characters; stays as it is, if left out.
    name: Option<String>,
    /// What it is to do, whole.
    definition: JourneyDefinition,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A journey to act on.
#[derive(Debug, InputObject)]
struct JourneyInput {
    /// Its code.
    code: String,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a journey stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum JourneyErrorCode {
    /// There is no such journey.
    NotFound,
    /// It is not where it would have to be for that, or there is nothing to publish.
    WrongState,
    /// A value is out of its bounds, or values do not go together.
    Invalid,
    /// A step names a template that is not published, is for another purpose, or has no words for a channel.
    TemplateNotUsable,
    /// A step names a coupon that there is not, that staff withdrew or that is one customer's own.
    CouponNotUsable,
    /// A step names a survey that there is not, or that is not active.
    SurveyNotUsable,
    /// There are 200 journeys.
    Limit,
}

/// A journey after a change, or why there was none.
#[derive(Debug, SimpleObject)]
struct JourneyPayload {
    /// The journey.
    journey: Option<Journey>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<JourneyErrorCode>>,
}

#[Object]
impl JourneysQuery {
    /// All journeys: those the shop has, the first made first, then those that come with the program and were never touched. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journeys(&self, ctx: &Context<'_>) -> Result<Vec<Journey>, ApiError> {
        Ok(types::all(ctx.data_unchecked::<App>()).await?)
    }

    /// The journey with this code. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its code.")] code: String,
    ) -> Result<Option<Journey>, ApiError> {
        if let Some(row) = live::by_code(&ctx.data_unchecked::<App>().db.read, &code).await? {
            return Ok(Some(Journey::Kept(row)));
        }
        Ok(builtin::find(&code).map(|one| Journey::BuiltIn(Box::new(one))))
    }

    /// What a journey would do for one customer now: its draft if it has one, else what is in force. Nothing is sent. Null if
    /// there is no such journey or customer. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journey_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Code of the journey.")] code: String,
        #[graphql(desc = "For whom.")] customer_id: ID,
    ) -> Result<Option<JourneyPreview>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let Some(customer) = meant(ctx, Some(&customer_id)).await? else { return Ok(None) };
        note_read(ctx, Person::Customer(customer));
        let Some((journey, definition)) = explain::definition_of(&app.db.read, &code).await? else {
            return Ok(None);
        };
        let preview = explain::preview(app, journey, &definition, customer).await?;
        Ok(preview.map(|preview| JourneyPreview::of(preview, &definition)))
    }

    /// Why a customer was not sent what a journey sends: the last 20 ways through it that began for the customer, and where
    /// each is or ended. Null if there is no such journey or customer. For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn explain_not_sent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Code of the journey.")] journey: String,
        #[graphql(desc = "To whom.")] customer_id: ID,
    ) -> Result<Option<NotSentExplanation>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let Some(customer) = meant(ctx, Some(&customer_id)).await? else { return Ok(None) };
        note_read(ctx, Person::Customer(customer));
        let Some(found) = explain::explain(&app.db.read, &journey, customer).await? else { return Ok(None) };
        let text = found
            .ways
            .first()
            .map_or_else(|| explain::of_nothing(found.state).to_owned(), |way| explain::in_words(&way.run));
        let runs = found.ways.into_iter().map(JourneyRun).collect();
        Ok(Some(NotSentExplanation { state: found.state.into(), runs, text }))
    }
}

#[Object]
impl OfJourneys {
    /// Keeps a draft of a journey; what is published stays in force. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journey_draft(
        &self,
        ctx: &Context<'_>,
        input: JourneyDraftInput,
    ) -> Result<JourneyPayload, ApiError> {
        let JourneyDraftInput { code, name, definition, idempotency_key } = input;
        let definition = match definition.parse() {
            Ok(definition) => definition,
            Err(invalid) => return Ok(JourneyPayload::refused(JourneyError::Invalid(invalid))),
        };
        let draft = Draft { code, name, definition };
        answered(ctx, once(ctx, "journeyDraft", idempotency_key, &draft, manage::draft).await?).await
    }

    /// Puts the draft of a journey in force, or, of one that comes with the program and was never published, what it comes
    /// with. It takes people in from now on; who is on the way goes on in the version in which it began. For staff with `journeys.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn journey_publish(
        &self,
        ctx: &Context<'_>,
        input: JourneyInput,
    ) -> Result<JourneyPayload, ApiError> {
        acted(ctx, "journeyPublish", input, manage::publish).await
    }

    /// Pauses a journey: it goes on taking people in, and what is due waits. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journey_pause(
        &self,
        ctx: &Context<'_>,
        input: JourneyInput,
    ) -> Result<JourneyPayload, ApiError> {
        acted(ctx, "journeyPause", input, manage::pause).await
    }

    /// Resumes a paused journey: what waited goes on, unless it was put off for longer than `giveUpHours`; what is transactional
    /// always does. For staff with `journeys.write`.
    #[graphql(guard = "Allowed")]
    async fn journey_resume(
        &self,
        ctx: &Context<'_>,
        input: JourneyInput,
    ) -> Result<JourneyPayload, ApiError> {
        acted(ctx, "journeyResume", input, manage::resume).await
    }

    /// Ends a journey for good, for those who are on the way too. For staff with `journeys.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn journey_retire(
        &self,
        ctx: &Context<'_>,
        input: JourneyInput,
    ) -> Result<JourneyPayload, ApiError> {
        acted(ctx, "journeyRetire", input, manage::retire).await
    }
}

/// The member of staff who asks.
fn staff(ctx: &Context<'_>) -> Option<StaffId> {
    match ctx.data_unchecked::<Viewer>() {
        Viewer::Staff { staff, .. } => Some(*staff),
        Viewer::Anonymous | Viewer::Customer { .. } | Viewer::Shop { .. } => None,
    }
}

async fn acted(
    ctx: &Context<'_>,
    operation: &'static str,
    input: JourneyInput,
    work: impl AsyncFn(&Tx, &Act) -> Outcome<JourneyId, JourneyError>,
) -> Result<JourneyPayload, ApiError> {
    let act = Act { code: input.code, by: staff(ctx) };
    answered(ctx, once(ctx, operation, input.idempotency_key, &act, work).await?).await
}

async fn answered(
    ctx: &Context<'_>,
    done: Result<Once<JourneyId>, JourneyError>,
) -> Result<JourneyPayload, ApiError> {
    match done {
        Ok(Once { value, replayed }) => {
            let row = written::<journey::Entity>(ctx, value).await?;
            Ok(JourneyPayload { journey: Some(Journey::Kept(row)), replayed, user_errors: Vec::new() })
        }
        Err(error) => Ok(JourneyPayload::refused(error)),
    }
}

impl JourneyPayload {
    fn refused(error: JourneyError) -> Self {
        use JourneyErrorCode as Code;
        let of_step = |step: usize, field: &str| {
            vec!["definition".to_owned(), "steps".to_owned(), step.to_string(), field.to_owned()]
        };
        let (code, path, message) = match error {
            JourneyError::NotFound => {
                (Code::NotFound, vec!["code".to_owned()], "There is no such journey.".to_owned())
            }
            JourneyError::WrongState(state) => {
                let message =
                    format!("The journey is {}; this needs another state, or a draft.", word(state));
                (Code::WrongState, vec!["code".to_owned()], message)
            }
            JourneyError::Invalid(Invalid { path, problem }) => {
                let message = format!("{} {problem}.", path.join("."));
                let is_own = matches!(path.first().map(String::as_str), Some("code" | "name"));
                let inside = if is_own { None } else { Some("definition".to_owned()) };
                (Code::Invalid, inside.into_iter().chain(path).collect(), message)
            }
            JourneyError::Template { step, problem } => {
                (Code::TemplateNotUsable, of_step(step, "template"), format!("The template {problem}."))
            }
            JourneyError::Coupon { step } => {
                let message = "There is no such coupon, or not for everybody.".to_owned();
                (Code::CouponNotUsable, of_step(step, "coupon"), message)
            }
            JourneyError::Survey { step } => {
                let message = "There is no such survey, or it is not active.".to_owned();
                (Code::SurveyNotUsable, of_step(step, "survey"), message)
            }
            JourneyError::Limit => {
                (Code::Limit, vec!["code".to_owned()], "There are 200 journeys already.".to_owned())
            }
        };
        let field = Some(["input".to_owned()].into_iter().chain(path).collect());
        Self { journey: None, replayed: false, user_errors: vec![UserError { code, field, message }] }
    }
}

fn word(state: journey::JourneyState) -> &'static str {
    use journey::JourneyState::{Active, Draft, Paused, Retired};
    match state {
        Draft => "a draft",
        Active => "active",
        Paused => "paused",
        Retired => "retired",
    }
}
