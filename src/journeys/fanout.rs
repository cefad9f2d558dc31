//! What concerns many at once: those who wait for a product, and those who own one. A job goes through them, so many at a
//! time.

use entity::id::{JourneyId, LineId, PersonId, ProductId, ProductUpdateId, WaitlistEntryId};
use entity::job::Model;
use entity::waitlist_entry::{Column, Entity};
use entity::{Instant, product};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::enter::{Entry, enter};
use super::live::{Journeys, Live};
use super::{lock, purchases, tick};
use crate::app::App;
use crate::error::Fault;
use crate::jobs::{self, Ended, Job};
use crate::messages::facts::Facts;
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "journeys.fan_out";
/// People of one transaction.
const BATCH: u64 = 500;
/// With the back-off of jobs that is a day.
const ATTEMPTS: i64 = 36;

/// Whom something concerns, and what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Audience {
    /// Who waited for a product in a round.
    Waiting {
        product: ProductId,
        round: i32,
        /// When the product was back.
        at: Instant,
    },
    /// Who owns a product of which there is news.
    Owners {
        update: ProductUpdateId,
        product: ProductId,
        /// When it was told.
        at: Instant,
    },
}

/// How far a fan-out is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    journey: JourneyId,
    audience: Audience,
    /// The last row that was looked at.
    after: Uuid,
}

/// Begins a journey for everybody of an audience.
pub(super) async fn enqueue(tx: &Tx, live: &Live, audience: &Audience) -> Result<(), Fault> {
    let progress = Progress { journey: live.id, audience: audience.clone(), after: Uuid::nil() };
    next(tx, &progress).await
}

impl Progress {
    /// One for each batch: a batch that is run again enqueues no second job for those after it.
    fn key(&self) -> String {
        let of = match self.audience {
            Audience::Waiting { product, round, .. } => format!("stock:{}:{round}", product.0.simple()),
            Audience::Owners { update, .. } => format!("update:{}", update.0.simple()),
        };
        format!("{KIND}:{}:{of}:{}", self.journey.0.simple(), self.after.simple())
    }
}

async fn next(tx: &Tx, progress: &Progress) -> Result<(), Fault> {
    let payload = serde_json::to_value(progress)?;
    let dedup_key = Some(progress.key());
    jobs::enqueue(tx, Job { kind: KIND, payload, due: None, dedup_key, max_attempts: ATTEMPTS }).await
}

/// Goes on with a fan-out: the next people, and a job for those after them.
pub(crate) async fn run(app: &App, job: &Model) -> Result<Ended, Fault> {
    let progress: Progress = serde_json::from_value(job.payload.clone())?;
    let goes_on =
        app.change(&progress, async |tx: &Tx, progress| Box::pin(batch(tx, progress)).await).await?;
    if !goes_on {
        // Of a few people, what does not wait goes at once; of many, the recurring job does the rest within a minute.
        tick::do_due(app).await?;
    }
    Ok(Ended::Done)
}

/// Answers whether there are more. A batch that is run again, since its worker ended before it could say that it was done,
/// begins nothing twice: a cause begins a journey once.
async fn batch(tx: &Tx, progress: &Progress) -> Result<bool, Fault> {
    lock(tx).await?;
    let journeys = Journeys::load(tx.db()).await?;
    let Some(live) = journeys.iter().find(|live| live.id == progress.journey) else { return Ok(false) };
    let (last, entries) = match progress.audience {
        Audience::Waiting { product, round, at } => {
            waiting(tx, live, (product, round, at), progress.after).await?
        }
        Audience::Owners { update, product, at } => {
            owners(tx, live, (update, product, at), progress.after).await?
        }
    };
    enter(tx, entries).await?;
    let Some(after) = last else { return Ok(false) };
    next(tx, &Progress { after, ..progress.clone() }).await?;
    Ok(true)
}

async fn waiting<'a>(
    tx: &Tx,
    live: &'a Live,
    (product, round, at): (ProductId, i32, Instant),
    after: Uuid,
) -> Result<(Option<Uuid>, Vec<Entry<'a>>), Fault> {
    let rows = Entity::find()
        .filter(Column::ProductId.eq(product).and(Column::Round.eq(round)))
        .filter(Column::Id.gt(WaitlistEntryId(after)))
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .all(tx.db())
        .await?;
    let entries = rows.iter().map(|row| {
        let facts = Facts { product: Some(product), since: Some(row.joined_at), ..Facts::default() };
        let cause = format!("stock:{}:{round}", product.0.simple());
        Entry::new(live, row.customer_id.into(), cause, facts, at)
    });
    let is_last = rows.len() < usize::try_from(BATCH)?;
    let last = rows.last().map(|row| row.id.0).filter(|_| !is_last);
    Ok((last, entries.collect()))
}

async fn owners<'a>(
    tx: &Tx,
    live: &'a Live,
    (update, product, at): (ProductUpdateId, ProductId, Instant),
    after: Uuid,
) -> Result<(Option<Uuid>, Vec<Entry<'a>>), Fault> {
    let Some(sold) = product::Entity::find_by_id(product).one(tx.db()).await? else {
        return Ok((None, Vec::new()));
    };
    let rows = purchases::owners_of(tx.db(), &sold.sku, LineId(after), BATCH).await?;
    let entries = rows.iter().map(|(_, person): &(LineId, PersonId)| {
        let facts = Facts { product: Some(product), update: Some(update), ..Facts::default() };
        Entry::new(live, *person, format!("update:{}", update.0.simple()), facts, at)
    });
    let is_last = rows.len() < usize::try_from(BATCH)?;
    let last = rows.last().map(|(line, _)| line.0).filter(|_| !is_last);
    Ok((last, entries.collect()))
}
