//! A points account: its balances, and the lots, holds and entries they are made of.

use std::collections::BTreeMap;

use async_graphql::{Context, Lookahead, Object, Value};
use entity::id::AccountId;
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_entry, points_hold, points_lot};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::types::{PointsEntry, PointsExpiry, PointsHold, PointsLot, shown};
use crate::app::App;
use crate::graphql::fault::ApiError;
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::scalars::PointsTotal;
use crate::points::amount::Points;
use crate::points::lookups::{AccountRows, Span, WithNewest};
use crate::rounds::{Ahead, AskedFor};

/// A points account, with the newest of its entries as far as the request asks for them, the newest last.
#[derive(Debug)]
pub struct PointsAccount {
    row: points_account::Model,
    newest: Vec<points_entry::Model>,
}

impl From<points_account::Model> for PointsAccount {
    fn from(row: points_account::Model) -> Self {
        Self { row, newest: Vec::new() }
    }
}

/// The account of an owner.
pub async fn account_of(ctx: &Context<'_>, account: AccountId) -> Result<Option<PointsAccount>, ApiError> {
    let asked = WithNewest { account, newest: newest_asked(&ctx.look_ahead()) };
    let asked = ctx.data_unchecked::<AccountsAhead>().take(&asked).unwrap_or_else(|| ask(ctx, asked));
    Ok(asked.answer().await?.map(|(row, newest)| PointsAccount { row, newest }))
}

/// Accounts that a request looks up before their fields do.
pub(crate) type AccountsAhead = Ahead<WithNewest, AccountRows>;

/// Looks up an account that the field `points`, of which this is the selection, will ask for.
pub(crate) fn account_ahead(ctx: &Context<'_>, points: &Lookahead<'_>, account: AccountId) {
    if points.exists() {
        let asked = WithNewest { account, newest: newest_asked(points) };
        ctx.data_unchecked::<AccountsAhead>().keep(ask(ctx, asked));
    }
}

fn ask(ctx: &Context<'_>, asked: WithNewest) -> AskedFor<WithNewest, AccountRows> {
    let app = ctx.data_unchecked::<App>();
    app.shared.accounts.ask(app, asked)
}

/// How many of the newest entries the selection of an account asks for, and the one behind them.
fn newest_asked(account: &Lookahead<'_>) -> i64 {
    let entries = account.field("entries").selection_fields();
    let asked = entries.iter().filter_map(|field| {
        let given: BTreeMap<_, _> = field.arguments().ok()?.into_iter().collect();
        let first = match given.get("first") {
            Some(Value::Number(first)) => i32::try_from(first.as_i64()?).ok(),
            _ => None,
        };
        let is_given = |name: &str| given.get(name).is_some_and(|value| *value != Value::Null);
        let is_newest = !["after", "last", "before"].into_iter().any(is_given);
        let page = Page::<i64>::of(PageArguments { first, ..PageArguments::default() }).ok()?;
        is_newest.then(|| i64::try_from(page.fetch()).ok()).flatten()
    });
    asked.max().unwrap_or_default()
}

/// The account that commands on this one are posted to: another, if it was merged.
pub(super) async fn posted_account(
    ctx: &Context<'_>,
    account: AccountId,
) -> Result<Option<PointsAccount>, ApiError> {
    let mut found = account_of(ctx, account).await?;
    while let Some(heir) = found.as_ref().and_then(|account| account.row.merged_into) {
        found = account_of(ctx, heir).await?;
    }
    Ok(found)
}

#[Object]
impl PointsAccount {
    /// Points to spend. Points past their end are taken out within a minute, and are never spent.
    async fn available(&self) -> Points {
        shown(self.row.available)
    }

    /// Points earned and not active yet.
    async fn pending(&self) -> Points {
        shown(self.row.pending)
    }

    /// Points set aside for orders.
    async fn held(&self) -> Points {
        shown(self.row.held)
    }

    /// Points owed after a return: repaid first from later credits.
    async fn debt(&self) -> Points {
        shown(self.row.debt)
    }

    /// All points ever spent and not given back.
    async fn redeemed(&self) -> PointsTotal {
        PointsTotal(self.row.redeemed)
    }

    /// All points lost by time.
    async fn expired(&self) -> PointsTotal {
        PointsTotal(self.row.expired)
    }

    /// The earns of which something is pending or left, those that end first first; at most 100.
    async fn lots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many, 1 to 100.", default = 20)] first: i32,
    ) -> Result<Vec<PointsLot>, ApiError> {
        use points_lot::Column;
        let limit = bounded(first)?;
        let lots = points_lot::Entity::find()
            .filter(Column::AccountId.eq(self.row.id))
            .filter(Column::State.is_in([LotState::Open, LotState::Pending, LotState::Waiting]))
            .order_by_asc(Column::ExpiresAt.is_null())
            .order_by_asc(Column::ExpiresAt)
            .order_by_asc(Column::OpenedAt)
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(&ctx.data_unchecked::<App>().db.read)
            .await?;
        Ok(lots.into_iter().map(PointsLot).collect())
    }

    /// What ends next: at most 20 instants with the points that end then. What ends without activity is told with the
    /// instant when that will be, unless an activity comes before.
    async fn next_expiries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many, 1 to 20.", default = 3)] first: i32,
    ) -> Result<Vec<PointsExpiry>, ApiError> {
        use points_lot::Column;
        let limit = bounded(first)?.min(20);
        let db = &ctx.data_unchecked::<App>().db.read;
        let rows: Vec<(Instant, i64)> = points_lot::Entity::find()
            .select_only()
            .column(Column::ExpiresAt)
            .expr(Column::Remaining.sum())
            .filter(Column::AccountId.eq(self.row.id))
            .filter(Column::State.eq(LotState::Open))
            .filter(Column::ExpiresAt.is_not_null())
            .group_by(Column::ExpiresAt)
            .order_by_asc(Column::ExpiresAt)
            .limit(limit)
            .into_tuple()
            .all(db)
            .await?;
        let mut ends: BTreeMap<Instant, i64> = rows.into_iter().collect();
        if let Some(at) = self.row.inactive_at {
            let idle: Option<Option<i64>> = points_lot::Entity::find()
                .select_only()
                .expr(Column::Remaining.sum())
                .filter(Column::AccountId.eq(self.row.id))
                .filter(Column::State.eq(LotState::Open))
                .filter(Column::ActivityPeriod.eq(self.row.activity_period))
                .into_tuple()
                .one(db)
                .await?;
            if let Some(points) = idle.flatten() {
                *ends.entry(at).or_default() += points;
            }
        }
        let ends = ends.into_iter().take(usize::try_from(limit)?);
        Ok(ends.map(|(at, points)| PointsExpiry { at, points: shown(points) }).collect())
    }

    /// The holds that are open.
    async fn holds(&self, ctx: &Context<'_>) -> Result<Vec<PointsHold>, ApiError> {
        use points_hold::Column;
        let holds = points_hold::Entity::find()
            .filter(Column::AccountId.eq(self.row.id))
            .filter(Column::State.eq(HoldState::Held))
            .order_by_asc(Column::CreatedAt)
            .limit(100)
            .all(&ctx.data_unchecked::<App>().db.read)
            .await?;
        Ok(holds.into_iter().map(PointsHold).collect())
    }

    /// The ledger of this account, newest first.
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<i64, PointsEntry>, ApiError> {
        let page = Page::<i64>::of(PageArguments { first, after, last, before })?;
        // The sequence has no gaps: the last number is the count, and a page is a span of numbers.
        let span = span(&self.row, &page);
        let mut rows: Vec<_> = self.newest.iter().filter(|entry| span.has(entry.seq)).cloned().collect();
        if rows.len() < span.len() {
            let app = ctx.data_unchecked::<App>();
            rows = app.shared.entries.one(app, span).await?.unwrap_or_default();
        }
        if !page.backwards {
            rows.reverse();
        }
        Ok(page.connect(rows, self.row.seq, |row| (row.seq, PointsEntry(row))))
    }
}

/// The entries of a page, and the one behind it.
fn span(account: &points_account::Model, page: &Page<i64>) -> Span {
    let more = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let from = page.before.map_or(1, |before| before.saturating_add(1)).max(1);
    let until = page.after.map_or(account.seq, |after| after.saturating_sub(1)).min(account.seq);
    let account = account.id;
    if page.backwards {
        Span { account, from, until: until.min(from.saturating_add(more)) }
    } else {
        Span { account, from: from.max(until.saturating_sub(more)), until }
    }
}

fn bounded(first: i32) -> Result<u64, ApiError> {
    match u64::try_from(first) {
        Ok(first @ 1..=100) => Ok(first),
        _ => Err(ApiError::bad_input("first must be 1 to 100")),
    }
}
