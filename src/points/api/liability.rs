//! `liabilityReport`: what the shop owes its members.

use async_graphql::{Context, Object, SimpleObject};
use entity::Instant;

use crate::app::App;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{MoneyValue, PointsTotal};
use crate::money::Money;
use crate::points::liability::report;
use crate::points::programme::Programme;
use crate::points::rules::total_value;

/// Queries about what is owed.
#[derive(Debug, Default)]
pub struct LiabilityQuery;

/// What the shop owes its members as of one moment, computed from every account and lot.
#[derive(Debug, SimpleObject)]
pub(super) struct LiabilityReport {
    /// Of which moment.
    at: Instant,
    /// Points to be spent. Points past their end are among them until they are taken out, within a minute.
    outstanding: LiabilityFigure,
    /// Points earned and not active yet.
    pending: LiabilityFigure,
    /// Points set aside for orders.
    held: LiabilityFigure,
    /// Points that members owe after returns.
    debt: LiabilityFigure,
    /// Of the outstanding points, those that end in each of 24 calendar months in the shop's time zone, this month first.
    /// Points that end without activity are in the month in which they will, unless an activity comes before.
    expiring: Vec<LiabilityMonth>,
    /// Of the outstanding points, those that end after these months.
    later: LiabilityFigure,
    /// Of the outstanding points, those that never end.
    never: LiabilityFigure,
    /// Whether lots, holds and accounts add up to the same; if not, run `regulars ledger verify`.
    balanced: bool,
}

/// A number of points with its worth.
#[derive(Debug, SimpleObject)]
pub(super) struct LiabilityFigure {
    /// How many.
    points: PointsTotal,
    /// What they would pay in each currency with a rate of redemption, each of them by itself, rounded down once.
    values: Vec<MoneyValue>,
}

/// Points that end in one month.
#[derive(Debug, SimpleObject)]
pub(super) struct LiabilityMonth {
    /// Such as `2026-11`.
    month: String,
    /// The points.
    ending: LiabilityFigure,
}

#[Object]
impl LiabilityQuery {
    /// What the shop owes its members in points, now: outstanding, pending, held and owed, and when what is outstanding
    /// ends. For staff with `reports.read`.
    #[graphql(guard = "Allowed")]
    async fn liability_report(&self, ctx: &Context<'_>) -> Result<LiabilityReport, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let found = report(app).await?;
        let settings = app.settings();
        let figure = |points: i64| figure(points, &settings.programme);
        let month = |(first, points): (chrono::NaiveDate, i64)| {
            Ok::<_, ApiError>(LiabilityMonth {
                month: first.format("%Y-%m").to_string(),
                ending: figure(points)?,
            })
        };
        Ok(LiabilityReport {
            at: found.at,
            outstanding: figure(found.outstanding)?,
            pending: figure(found.pending)?,
            held: figure(found.held)?,
            debt: figure(found.debt)?,
            expiring: found.months.into_iter().map(month).collect::<Result<_, _>>()?,
            later: figure(found.later)?,
            never: figure(found.never)?,
            balanced: found.balanced,
        })
    }
}

fn figure(points: i64, programme: &Programme) -> Result<LiabilityFigure, ApiError> {
    let value = |(code, rate): (&String, &u32)| {
        let currency = code.parse()?;
        Ok::<_, ApiError>(Money { minor: total_value(points, currency, *rate), currency }.into())
    };
    let values = programme.redemption_rates.iter().map(value).collect::<Result<_, _>>()?;
    Ok(LiabilityFigure { points: PointsTotal(points), values })
}
