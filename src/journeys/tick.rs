//! What is due: who may be sent what now, in batches whose statements do not grow with them.
//!
//! All that is due for the people of a batch is judged together, so that of two journeys that are due for one person in one
//! minute the more important one goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use entity::id::{JourneyId, PersonId, RunId};
use entity::journey::JourneyState;
use entity::journey_run::{Column, Entity, Model, RunState};
use entity::message::{self, Channel, MessageState, Reason};
use entity::{Instant, consent::Purpose};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::approach::{Approach, Suppressed};
use super::arbitrate::{Candidate, Judge, Sent, Verdict};
use super::intake::take_in;
use super::live::{self, Version};
use super::look::{Case, Look, When};
use super::outcome::Outcomes;
use super::people::{self, Person};
use super::{lock, unreadable};
use crate::app::App;
use crate::consent::{permissions, suppressed};
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::jobs::Ended;
use crate::jobs::sweep::sweep;
use crate::messages::class::Class;
use crate::messages::facts::Facts;
use crate::tx::Tx;

/// The recurring job; what just happened is taken in before it is due.
pub(crate) const KIND: &str = "journeys.tick";
/// Steps of one transaction, but for what else is due for the same people.
const BATCH: u64 = 500;

/// Takes in what happened and does what is due.
pub(crate) async fn run(app: &App) -> Result<Ended, Fault> {
    take_in(app).await?;
    sweep(app, async |app: &App, _now| do_due(app).await).await
}

/// Does some of what is due; answers whether there was any.
pub(super) async fn do_due(app: &App) -> Result<bool, Fault> {
    let waiting = Entity::find()
        .filter(Column::State.eq(RunState::Waiting).and(Column::DueAt.lte(app.clock.now())))
        .limit(1)
        .one(&app.db.read)
        .await?;
    if waiting.is_none() {
        return Ok(false);
    }
    let has_hook = app.hook.is_some();
    app.change(&has_hook, async |tx: &Tx, has_hook| Box::pin(batch(tx, *has_hook)).await).await
}

async fn batch(tx: &Tx, has_hook: bool) -> Result<bool, Fault> {
    lock(tx).await?;
    let runs = due(tx).await?;
    if runs.is_empty() {
        return Ok(false);
    }
    let versions =
        live::versions(tx.db(), runs.iter().map(|run| run.journey_id).collect::<BTreeSet<_>>()).await?;
    let people = people::load(tx.db(), runs.iter().map(|run| run.person_id)).await?;
    let mut outcomes = Outcomes::new(tx);
    let mut readable = Vec::with_capacity(runs.len());
    for run in &runs {
        if let Ok(facts) = Facts::read(&run.facts) {
            readable.push((run, facts));
        } else {
            unreadable("run", run.id.0);
            outcomes.end(run, Reason::TemplateFailed);
        }
    }
    let mut steps = Vec::new();
    for (run, facts) in &readable {
        match Due::of(run, facts, &versions, &people) {
            Ok(step) => steps.push(step),
            Err(Aside::Park) => outcomes.park(run),
            Err(Aside::Drop(reason)) => outcomes.end(run, reason),
        }
    }
    let steps = sendable(tx, steps, has_hook, &mut outcomes).await?;
    judge(tx, steps, &mut outcomes).await?;
    outcomes.write(tx).await?;
    Ok(true)
}

/// What is due, the longest waiting first, with all else that is due for the same people.
async fn due(tx: &Tx) -> Result<Vec<Model>, Fault> {
    let waits =
        || Entity::find().filter(Column::State.eq(RunState::Waiting)).filter(Column::DueAt.lte(tx.now()));
    let first: Vec<PersonId> = waits()
        .select_only()
        .column(Column::PersonId)
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .into_tuple()
        .all(tx.db())
        .await?;
    let people: BTreeSet<_> = first.into_iter().map(|person| person.0).collect();
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let among = is_among(tx.db().get_database_backend(), "person_id", people);
    Ok(waits().filter(among).order_by_asc(Column::Id).all(tx.db()).await?)
}

/// A step that is due.
pub(super) struct Due<'a> {
    pub(super) run: &'a Model,
    pub(super) version: &'a Version,
    pub(super) step: &'a super::definition::Step,
    pub(super) person: &'a Person,
    pub(super) facts: &'a Facts,
    /// By which it would reach the person.
    pub(super) channel: Option<Channel>,
    /// The code of the plan that would have saved most.
    pub(super) plan: Option<String>,
}

/// Why a step is not looked at any further.
enum Aside {
    /// It waits until its journey goes on.
    Park,
    /// It is over.
    Drop(Reason),
}

impl<'a> Due<'a> {
    fn of(
        run: &'a Model,
        facts: &'a Facts,
        versions: &'a HashMap<(JourneyId, i32), Version>,
        people: &'a HashMap<PersonId, Person>,
    ) -> Result<Self, Aside> {
        // It cannot be read: nothing is lost until somebody sees to it.
        let Some(version) = versions.get(&(run.journey_id, run.version)) else { return Err(Aside::Park) };
        match version.state {
            JourneyState::Active => {}
            JourneyState::Paused => return Err(Aside::Park),
            JourneyState::Retired | JourneyState::Draft => return Err(Aside::Drop(Reason::JourneyRetired)),
        }
        let step = usize::try_from(run.step).ok().and_then(|step| version.definition.steps.get(step));
        let step = step.ok_or(Aside::Drop(Reason::NoTemplate))?;
        let person = people.get(&run.person_id);
        // Somebody whose account was closed is still told of what they bought.
        let person = person.filter(|person| !person.is_disabled() || version.definition.purpose.is_none());
        let person = person.ok_or(Aside::Drop(Reason::AccountClosed))?;
        Ok(Self { run, version, step, person, facts, channel: None, plan: None })
    }

    fn case(&self) -> Case<'_> {
        Case {
            journey: self.run.journey_id,
            definition: &self.version.definition,
            person: self.person,
            facts: self.facts,
            happened_at: self.run.happened_at,
        }
    }
}

/// Those whose conditions hold and who may be and can be reached; the others end.
async fn sendable<'a>(
    tx: &Tx,
    steps: Vec<Due<'a>>,
    has_hook: bool,
    outcomes: &mut Outcomes<'_>,
) -> Result<Vec<Due<'a>>, Fault> {
    let cases: Vec<Case<'_>> = steps.iter().map(Due::case).collect();
    let look = Look::load(tx.db(), &cases, When::Sending, tx.now()).await?;
    let permissions = permissions(tx.db(), steps.iter().map(|step| step.person.id)).await?;
    let suppressed = suppressed_of(tx, &steps).await?;
    let judged: Vec<_> = steps
        .iter()
        .zip(&cases)
        .map(|(step, case)| {
            if let Some(reason) = look.objection(case, When::Sending) {
                return Err(reason);
            }
            if look.is_window_closed(case, &tx.settings().messages) {
                return Err(Reason::ServiceWindowClosed);
            }
            let approach = Approach {
                person: step.person,
                channels: &step.step.channels,
                has_hook,
                purpose: step.version.definition.purpose,
                asked_at: step.facts.since,
                on_order: look.address_on_order(case),
            };
            let channel = approach.channel(&tx.settings().messages, &permissions, &suppressed)?;
            Ok((channel, look.plan_of(case).cloned()))
        })
        .collect();
    let mut left = Vec::new();
    for (step, judged) in steps.into_iter().zip(judged) {
        match judged {
            Ok((channel, plan)) => left.push(Due { channel: Some(channel), plan, ..step }),
            Err(reason) => outcomes.end(step.run, reason),
        }
    }
    Ok(left)
}

async fn suppressed_of(tx: &Tx, steps: &[Due<'_>]) -> Result<Suppressed, Fault> {
    let mut found = Suppressed::new();
    for channel in [Channel::Email, Channel::Sms] {
        let of_channel = steps.iter().filter(|step| step.step.channels.contains(&channel));
        let addresses: BTreeSet<String> =
            of_channel.filter_map(|step| step.person.address(channel)).collect();
        if !addresses.is_empty() {
            let addresses: Vec<String> = addresses.into_iter().collect();
            let known = suppressed(tx.db(), tx.keys(), channel, &addresses).await?;
            found.extend(known.into_iter().map(|(address, reason)| ((channel, address), reason)));
        }
    }
    Ok(found)
}

/// Decides who goes first, and what is put off.
async fn judge(tx: &Tx, steps: Vec<Due<'_>>, outcomes: &mut Outcomes<'_>) -> Result<(), Fault> {
    let settings = tx.settings();
    let judge = Judge { terms: &settings.messages, zone: settings.time_zone, now: tx.now() };
    let mut sent = sent_to(tx, &steps).await?;
    let mut by_person: BTreeMap<PersonId, Vec<Due<'_>>> = BTreeMap::new();
    for step in steps {
        by_person.entry(step.person.id).or_default().push(step);
    }
    for (person, steps) in by_person {
        let verdicts = judged(&judge, &sent.remove(&person).unwrap_or_default(), &steps);
        for step in steps {
            match verdicts.get(&step.run.id) {
                Some(Verdict::Send) if step.run.held_out => outcomes.hold_out(&step),
                Some(Verdict::Send) => outcomes.send(&step)?,
                Some(Verdict::Defer(until, reason)) => outcomes.defer(step.run, *until, *reason),
                Some(Verdict::Drop(reason)) => outcomes.end(step.run, *reason),
                None => return Err(Fault::internal("a step that was not judged")),
            }
        }
    }
    Ok(())
}

/// Judges all that is due for one person. What is held out is judged as if it were sent, each beside what truly may go: it
/// is held out when it would have gone, and takes nobody's place.
fn judged(judge: &Judge<'_>, sent: &[Sent], steps: &[Due<'_>]) -> HashMap<RunId, Verdict> {
    let (held_out, real): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.run.held_out);
    let candidates: Vec<Candidate> = real.into_iter().map(Due::candidate).collect();
    let mut verdicts: HashMap<_, _> = judge.judge(sent.to_vec(), candidates.clone()).into_iter().collect();
    for step in held_out {
        let beside = candidates.iter().copied().chain([step.candidate()]).collect();
        let all = judge.judge(sent.to_vec(), beside);
        verdicts.extend(all.into_iter().find(|(run, _)| *run == step.run.id));
    }
    verdicts
}

impl Due<'_> {
    fn candidate(&self) -> Candidate {
        let definition = &self.version.definition;
        Candidate {
            run: self.run.id,
            purpose: definition.purpose,
            priority: definition.priority,
            first_due_at: self.run.first_due_at,
            give_up: TimeDelta::hours(definition.give_up_hours.into()),
        }
    }
}

/// Days for which a message may wait for whoever delivers it, and is still seen here once it has left.
const MOST_LATE: i64 = 2;

/// What left for these people lately, other than what is always sent, and what is to leave, as if it left now; one
/// statement.
async fn sent_to(tx: &Tx, steps: &[Due<'_>]) -> Result<HashMap<PersonId, Vec<Sent>>, Fault> {
    use message::Column as Message;
    let people: BTreeSet<_> = steps
        .iter()
        .filter(|step| step.version.definition.class() != Class::Transactional)
        .map(|step| step.person.id.0)
        .collect();
    let mut sent: HashMap<PersonId, Vec<Sent>> = HashMap::new();
    if people.is_empty() {
        return Ok(sent);
    }
    let days = std::cmp::max(7, tx.settings().messages.care_spacing_days);
    let since: Instant = tx.now() - TimeDelta::days(MOST_LATE + i64::from(days));
    let rows: Vec<(PersonId, Option<Instant>, Purpose)> = message::Entity::find()
        .select_only()
        .columns([Message::PersonId, Message::EndedAt, Message::Purpose])
        .filter(is_among(tx.db().get_database_backend(), "person_id", people))
        .filter(Message::QueuedAt.gt(since).and(Message::Purpose.is_not_null()))
        .filter(Message::JourneyId.is_not_null())
        .filter(Message::State.is_not_in([MessageState::Dropped, MessageState::Failed]))
        .into_tuple()
        .all(tx.db())
        .await?;
    for (person, left_at, purpose) in rows {
        sent.entry(person).or_default().push(Sent { at: left_at.unwrap_or(tx.now()), purpose });
    }
    Ok(sent)
}

/// Those of a paused journey that were parked are due again; the caller holds the lock.
pub(super) async fn unpark(tx: &Tx, journey: JourneyId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::State, Expr::val(RunState::Waiting.to_value()))
        .col_expr(Column::Reason, Expr::val(None::<String>))
        .filter(Column::JourneyId.eq(journey).and(Column::State.eq(RunState::Parked)))
        .exec(tx.db())
        .await?;
    Ok(())
}
