//! What becomes of steps that were due, written together.

use entity::Instant;
use entity::id::MessageId;
use entity::journey_run::{Model, RunState};
use entity::message::Reason;
use sea_orm::ActiveEnum;

use super::schedule;
use super::tick::Due;
use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::messages::facts::Facts;
use crate::messages::{NewMessage, queue};
use crate::tx::Tx;

/// What becomes of steps, to be written.
pub(super) struct Outcomes<'a> {
    tx: &'a Tx,
    runs: Rows,
    messages: Vec<NewMessage>,
}

/// A run as it is to be.
struct After {
    step: i32,
    state: RunState,
    reason: Option<Reason>,
    deferrals: i32,
    sent: i32,
    due_at: Instant,
    first_due_at: Instant,
    measured_from: Option<Instant>,
}

impl After {
    fn of(run: &Model) -> Self {
        Self {
            step: run.step,
            state: run.state,
            reason: run.reason,
            deferrals: run.deferrals,
            sent: run.sent,
            due_at: run.due_at,
            first_due_at: run.first_due_at,
            measured_from: run.measured_from,
        }
    }
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(tx: &'a Tx) -> Self {
        let columns = &[
            "id",
            "step",
            "state",
            "reason",
            "deferrals",
            "sent",
            "due_at",
            "first_due_at",
            "measured_from",
            "ended_at",
        ];
        Self { tx, runs: Rows::new("journey_runs", columns), messages: Vec::new() }
    }

    fn push(&mut self, run: &Model, after: &After) {
        let is_over = !matches!(after.state, RunState::Waiting | RunState::Parked);
        self.runs.push([
            run.id.0.into(),
            after.step.into(),
            after.state.to_value().into(),
            after.reason.map(|reason| reason.to_value()).into(),
            after.deferrals.into(),
            after.sent.into(),
            after.due_at.into(),
            after.first_due_at.into(),
            after.measured_from.into(),
            is_over.then(|| self.tx.now()).into(),
        ]);
    }

    /// It waits until its journey goes on.
    pub(super) fn park(&mut self, run: &Model) {
        let reason = Some(Reason::JourneyPaused);
        self.push(run, &After { state: RunState::Parked, reason, ..After::of(run) });
    }

    /// It is over, and why.
    pub(super) fn end(&mut self, run: &Model, reason: Reason) {
        let state = if run.sent == 0 { RunState::Dropped } else { RunState::Done };
        self.push(run, &After { state, reason: Some(reason), ..After::of(run) });
    }

    /// It is put off.
    pub(super) fn defer(&mut self, run: &Model, until: Instant, reason: Reason) {
        let deferrals = run.deferrals.saturating_add(1);
        self.push(run, &After { due_at: until, reason: Some(reason), deferrals, ..After::of(run) });
    }

    /// It would go now, but to somebody who gets nothing, to measure by.
    pub(super) fn hold_out(&mut self, step: &Due<'_>) {
        let (reason, measured_from) = (Some(Reason::Holdout), Some(self.tx.now()));
        self.push(
            step.run,
            &After { state: RunState::HeldOut, reason, measured_from, ..After::of(step.run) },
        );
    }

    /// It goes now; the next step waits from now on.
    pub(super) fn send(&mut self, step: &Due<'_>) -> Result<(), Fault> {
        let (run, now) = (step.run, self.tx.now());
        let channel = step.channel.ok_or_else(|| Fault::internal("a step to be sent without a channel"))?;
        let facts = step.facts.clone();
        self.messages.push(NewMessage {
            id: self.tx.id::<MessageId>(),
            person: step.person.id,
            journey: Some(run.journey_id),
            run: Some(run.id),
            template: step.step.template.clone(),
            purpose: step.version.definition.purpose,
            channel,
            facts: Facts {
                plan: step.plan.clone().or(facts.plan),
                coupon: step.step.coupon.clone().or(facts.coupon),
                survey: step.step.survey.clone(),
                ..facts
            },
        });
        let following = usize::try_from(run.step)? + 1;
        let due = step
            .version
            .definition
            .steps
            .get(following)
            .map(|next| schedule::due(now, next, None, self.tx.settings().time_zone));
        let sent = run.sent.saturating_add(1);
        let measured_from = run.measured_from.or(Some(now));
        let after = After { step: run.step + 1, reason: None, sent, measured_from, ..After::of(run) };
        let after = match due {
            Some(due) => After { due_at: due, first_due_at: due, deferrals: 0, ..after },
            None => After { state: RunState::Done, ..after },
        };
        self.push(run, &after);
        Ok(())
    }

    pub(super) async fn write(self, tx: &Tx) -> Result<(), Fault> {
        self.runs.update(tx.db(), "").await?;
        if self.messages.is_empty() { Ok(()) } else { queue(tx, self.messages).await }
    }
}
