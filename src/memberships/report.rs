//! How memberships go: what comes in by the month, who left, and whose payment is late.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::Instant;
use entity::membership::{Column, Entity, MembershipState};
use entity::membership_charge;
use entity::membership_plan::Interval;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, PaginatorTrait, QueryFilter, QuerySelect,
};

use crate::app::App;
use crate::db::Connections;
use crate::error::Fault;
use crate::money::{Currency, Money};

/// How long ago an end still counts as churn.
pub(super) const CHURN: TimeDelta = TimeDelta::days(30);

/// How memberships go, as of one moment.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many there are in each state.
    pub(crate) by_state: Vec<(MembershipState, i64)>,
    /// What those that are paid bring in a month, by currency: a year's price counts for a twelfth, rounded down.
    pub(crate) monthly: Vec<Money>,
    /// Those that were paid and ended in the last 30 days.
    pub(crate) ended: i64,
    /// Those that were paid at some time of the last 30 days.
    pub(crate) before: i64,
    /// Payments that failed in the last 30 days, and are not made.
    pub(crate) failed: i64,
}

#[derive(Debug, FromQueryResult)]
struct InState {
    state: MembershipState,
    count: i64,
}

#[derive(Debug, FromQueryResult)]
struct Paying {
    currency: String,
    billed: Interval,
    total: i64,
}

/// Reads the report, in five statements.
pub(super) async fn report(app: &App) -> Result<Report, Fault> {
    let (db, now) = (&app.db.read, app.clock.now());
    let since = now - CHURN;
    let joined = || Entity::find().filter(Column::JoinedAt.is_not_null());
    let there = joined().filter(Column::EndedAt.is_null().or(Column::EndedAt.gt(since)));
    let failed = membership_charge::Entity::find()
        .filter(membership_charge::Column::FailedAt.gt(since))
        .filter(membership_charge::Column::PaidAt.is_null());
    Ok(Report {
        by_state: by_state(db).await?,
        monthly: monthly(db, now).await?,
        ended: i64::try_from(joined().filter(Column::EndedAt.gt(since)).count(db).await?)?,
        before: i64::try_from(there.count(db).await?)?,
        failed: i64::try_from(failed.count(db).await?)?,
    })
}

async fn by_state(db: &Connections) -> Result<Vec<(MembershipState, i64)>, Fault> {
    let counted = Entity::find()
        .select_only()
        .column(Column::State)
        .column_as(Column::Id.count(), "count")
        .group_by(Column::State);
    let rows = counted.into_model::<InState>().all(db).await?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}

/// Of those whose next payment is expected.
async fn monthly(db: &Connections, now: Instant) -> Result<Vec<Money>, Fault> {
    let paying = [MembershipState::Active, MembershipState::PastDue];
    let rows = Entity::find()
        .select_only()
        .columns([Column::Currency, Column::Billed])
        .column_as(Column::Price.sum().cast_as("bigint"), "total")
        .filter(Column::State.is_in(paying))
        .filter(Column::EntitledUntil.gt(now))
        .filter(Column::CancelsAt.is_null())
        .group_by(Column::Currency)
        .group_by(Column::Billed)
        .into_model::<Paying>()
        .all(db)
        .await?;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let part = match row.billed {
            Interval::Month => row.total,
            Interval::Year => row.total / 12,
        };
        *sums.entry(row.currency).or_default() += part;
    }
    let money = |(code, minor): (String, i64)| -> Result<Money, Fault> {
        let currency: Currency = code.parse()?;
        Ok(Money { minor, currency })
    };
    sums.into_iter().map(money).collect()
}
