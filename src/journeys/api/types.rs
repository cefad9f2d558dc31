//! Journeys, what came of them and for whom, over GraphQL.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, Object, SimpleObject};
use entity::Instant;
use entity::journey::{self, JourneyState as StoredState};
use entity::journey_run::RunState as StoredRunState;
use entity::message::{self, Reason};
use sea_orm::{EntityTrait, QueryOrder};

use super::definition::{JourneyCondition, JourneyDefinition};
use super::loaders::{JourneyLoader, StatisticsOf};
use crate::app::App;
use crate::consent::api::MessageChannel;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::journeys::builtin::{self, BuiltIn};
use crate::journeys::definition::Definition;
use crate::journeys::explain::{self, Preview, Way};
use crate::journeys::statistics::{Span, Statistics};
use crate::messages::api::MessageReason;

/// Where a journey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredState", name = "JourneyState")]
pub(super) enum StateName {
    /// Never published.
    Draft,
    /// It takes people in and sends.
    Active,
    /// It takes people in; what is due waits.
    Paused,
    /// It is over, for good.
    Retired,
}

/// Where somebody is on the way through a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredRunState", name = "JourneyRunState")]
pub(super) enum RunStateName {
    /// For its next step.
    Waiting,
    /// Due, while its journey is paused.
    Parked,
    /// Every step was queued, or it ended after at least one was.
    Done,
    /// It ended before its first message was queued.
    Dropped,
    /// Among those who get nothing, to measure by.
    HeldOut,
}

/// A journey: what is sent to whom when something happens.
#[derive(Debug)]
pub(super) enum Journey {
    /// The shop has it.
    Kept(journey::Model),
    /// It comes with the program, and the shop never touched it.
    BuiltIn(Box<BuiltIn>),
}

impl Journey {
    fn code(&self) -> &str {
        match self {
            Self::Kept(row) => &row.code,
            Self::BuiltIn(one) => one.code,
        }
    }
}

#[Object]
impl Journey {
    /// Its code: the shop's, or that of one that comes with the program.
    #[graphql(name = "code")]
    async fn shown_code(&self) -> &str {
        self.code()
    }

    /// For staff.
    async fn name(&self) -> &str {
        match self {
            Self::Kept(row) => &row.name,
            Self::BuiltIn(one) => one.name,
        }
    }

    /// Where it is.
    async fn state(&self) -> StateName {
        match self {
            Self::Kept(row) => row.state.into(),
            Self::BuiltIn(_) => StateName::Draft,
        }
    }

    /// Whether it comes with the program.
    async fn built_in(&self) -> bool {
        builtin::find(self.code()).is_some()
    }

    /// The version in force, from 1; null if it was never published.
    async fn version(&self) -> Option<i32> {
        match self {
            Self::Kept(row) => row.version,
            Self::BuiltIn(_) => None,
        }
    }

    /// What is in force; null if it was never published.
    async fn definition(&self, ctx: &Context<'_>) -> Result<Option<JourneyDefinition>, ApiError> {
        let Self::Kept(row) = self else { return Ok(None) };
        let found = explain::in_force(&ctx.data_unchecked::<App>().db.read, row).await?;
        Ok(found.map(Into::into))
    }

    /// What `journeyPublish` would put in force: the draft or, of one that comes with the program and was never published,
    /// what it comes with; null if there is nothing new.
    async fn draft(&self) -> Result<Option<JourneyDefinition>, ApiError> {
        let built_in = || builtin::find(self.code()).map(|one| one.definition);
        let draft: Option<Definition> = match self {
            Self::Kept(journey::Model { draft: Some(draft), .. }) => {
                Some(serde_json::from_value(draft.clone()).map_err(Fault::from)?)
            }
            Self::Kept(journey::Model { version: Some(_), .. }) => None,
            Self::Kept(_) | Self::BuiltIn(_) => built_in(),
        };
        Ok(draft.map(Into::into))
    }

    /// What came of those who began it from `from` on, before `until`, which comes after. It counts rows of all of them, for
    /// all journeys that are asked for at once.
    async fn statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Those who began it from then on.")] from: Instant,
        #[graphql(desc = "Those who began it before.")] until: Instant,
    ) -> Result<JourneyStatistics, ApiError> {
        if until <= from {
            return Err(ApiError::bad_input("until must be later than from"));
        }
        let Self::Kept(row) = self else { return Ok(JourneyStatistics(Statistics::default())) };
        let loader = ctx.data_unchecked::<DataLoader<JourneyLoader>>();
        let found = loader.load_one(StatisticsOf(row.id, Span { from, until })).await.map_err(Fault::of)?;
        Ok(JourneyStatistics(found.unwrap_or_default()))
    }
}

/// How often something was so for a reason.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub(super) struct MessageReasonCount {
    /// Why.
    reason: MessageReason,
    /// How often.
    count: i64,
}

fn counted(counts: &BTreeMap<Reason, i64>) -> Vec<MessageReasonCount> {
    let one =
        |(reason, count): (&Reason, &i64)| MessageReasonCount { reason: (*reason).into(), count: *count };
    counts.iter().map(one).collect()
}

/// What came of those who began a journey in some time.
#[derive(Debug)]
pub(super) struct JourneyStatistics(Statistics);

#[Object]
impl JourneyStatistics {
    /// How often it began for somebody.
    async fn entered(&self) -> i64 {
        self.0.entered
    }

    /// Of those, how many wait for a message.
    async fn waiting(&self) -> i64 {
        self.0.waiting
    }

    /// Of those that wait, how many were put off, by why.
    async fn deferred(&self) -> Vec<MessageReasonCount> {
        counted(&self.0.deferred)
    }

    /// How many ended before a message was queued, by why; those that are held out to measure by are not among them.
    async fn dropped(&self) -> Vec<MessageReasonCount> {
        counted(&self.0.dropped)
    }

    /// Messages of the journey that were queued in the time and sent.
    async fn sent(&self) -> i64 {
        self.0.sent
    }

    /// Messages of the journey that were queued in the time and not sent, by why.
    async fn unsent(&self) -> Vec<MessageReasonCount> {
        counted(&self.0.unsent)
    }

    /// Of those that began, for how many a message was queued.
    async fn reached(&self) -> i64 {
        self.0.reached
    }

    /// After how many of those a paid order was placed within the `conversionDays` of the shop's settings after the first
    /// message.
    async fn reached_converted(&self) -> i64 {
        self.0.reached_converted
    }

    /// Of those that began, how many would have had a message queued, but for being held out to measure by: every condition
    /// held, the person could be reached, and neither night nor the budget stood in the way.
    async fn held_out(&self) -> i64 {
        self.0.held_out
    }

    /// After how many of those a paid order was placed within as many days after the message that was not sent.
    async fn held_out_converted(&self) -> i64 {
        self.0.held_out_converted
    }

    /// The share of those reached who bought less the share of those held out who did, at most four decimals, rounded down;
    /// null if either is nobody.
    async fn lift(&self) -> Result<Option<String>, ApiError> {
        let share = |converted: i64, of: i64| (of > 0).then(|| converted * 10_000 / of);
        let reached = share(self.0.reached_converted, self.0.reached);
        let held_out = share(self.0.held_out_converted, self.0.held_out);
        Ok(reached.zip(held_out).map(|(reached, held_out)| signed(reached - held_out)))
    }
}

/// Ten-thousandths as a decimal.
fn signed(ten_thousandths: i64) -> String {
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let size = ten_thousandths.abs();
    format!("{sign}{}.{:04}", size / 10_000, size % 10_000)
}

/// Somebody's way through a journey.
#[derive(Debug)]
pub(super) struct JourneyRun(pub(super) Way);

#[Object]
impl JourneyRun {
    /// Where it is.
    async fn state(&self) -> RunStateName {
        self.0.run.state.into()
    }

    /// Why its next message was put off, or why it ended; null if there is no other reason than that it waits, or that all
    /// was sent.
    async fn reason(&self) -> Option<MessageReason> {
        self.0.run.reason.map(Into::into)
    }

    /// The same for people, in English.
    async fn text(&self) -> String {
        explain::in_words(&self.0.run)
    }

    /// What began it, as the server names causes.
    async fn cause(&self) -> &str {
        &self.0.run.cause
    }

    /// When what began it happened.
    async fn happened_at(&self) -> Instant {
        self.0.run.happened_at
    }

    /// When its next message is due; null if it is over.
    async fn due_at(&self) -> Option<Instant> {
        self.0.run.ended_at.is_none().then_some(self.0.run.due_at)
    }

    /// How often that was put off.
    async fn deferrals(&self) -> i32 {
        self.0.run.deferrals
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<Instant> {
        self.0.run.ended_at
    }

    /// The version of the journey that it is in.
    async fn version(&self) -> i32 {
        self.0.run.version
    }

    /// When the customer bought within the time in which that counts.
    async fn converted_at(&self) -> Option<Instant> {
        self.0.run.converted_at
    }

    /// Its messages that were queued and not sent, and why, the first first.
    async fn unsent(&self) -> Vec<UnsentMessage> {
        self.0.messages.iter().filter_map(UnsentMessage::of).collect()
    }
}

/// A message that was queued and not sent.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct UnsentMessage {
    /// By which way it would have gone.
    channel: MessageChannel,
    /// When it was queued.
    queued_at: Instant,
    /// Why it was not sent.
    reason: MessageReason,
    /// The same for people, in English.
    text: String,
}

impl UnsentMessage {
    fn of(row: &message::Model) -> Option<Self> {
        let reason = row.reason?;
        let text = format!("Not sent: {}.", explain::words(reason));
        Some(Self { channel: row.channel.into(), queued_at: row.queued_at, reason: reason.into(), text })
    }
}

/// Why somebody was not sent what a journey sends.
#[derive(Debug, SimpleObject)]
pub(super) struct NotSentExplanation {
    /// Where the journey is.
    pub(super) state: StateName,
    /// The last 20 ways of the customer through it, under whatever name, the last first; empty if nothing that begins it
    /// happened since it was published, or a condition did not hold then that cannot change.
    pub(super) runs: Vec<JourneyRun>,
    /// The last of them for people, in English.
    pub(super) text: String,
}

/// A condition, and whether it holds.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct JourneyConditionCheck {
    /// Which.
    condition: JourneyCondition,
    /// Whether it holds now.
    holds: bool,
}

/// What a journey would do for a customer.
#[derive(Debug, SimpleObject)]
pub(super) struct JourneyPreview {
    /// When what would begin it last happened; now, if that never happened or is not kept.
    happened_at: Instant,
    /// When the first message would be due.
    due_at: Instant,
    /// Its conditions.
    conditions: Vec<JourneyConditionCheck>,
    /// By which way the first message would go now; null if by none.
    channel: Option<MessageChannel>,
    /// Why by none.
    reason: Option<MessageReason>,
    /// The code of the template of the first message: `messageTemplatePreview` shows it for the customer.
    template: String,
}

impl JourneyPreview {
    pub(super) fn of(preview: Preview, definition: &Definition) -> Self {
        let check = |(condition, holds): (_, bool)| JourneyConditionCheck {
            condition: JourneyCondition::from(condition),
            holds,
        };
        Self {
            happened_at: preview.happened_at,
            due_at: preview.due_at,
            conditions: preview.conditions.into_iter().map(check).collect(),
            channel: preview.channel.ok().map(Into::into),
            reason: preview.channel.err().map(Into::into),
            template: definition.steps.first().map(|step| step.template.clone()).unwrap_or_default(),
        }
    }
}

/// All journeys: those the shop has, the first made first, then those that come with the program and were not touched.
pub(super) async fn all(app: &App) -> Result<Vec<Journey>, Fault> {
    let kept = journey::Entity::find()
        .order_by_asc(journey::Column::CreatedAt)
        .order_by_asc(journey::Column::Id)
        .all(&app.db.read)
        .await?;
    let touched: BTreeSet<String> = kept.iter().map(|row| row.code.clone()).collect();
    let untouched = builtin::all().into_iter().filter(|one| !touched.contains(one.code));
    let untouched = untouched.map(|one| Journey::BuiltIn(Box::new(one)));
    Ok(kept.into_iter().map(Journey::Kept).chain(untouched).collect())
}
