//! A customer's tier as clients see it.

use std::collections::HashMap;

use async_graphql::{ComplexObject, Context, Enum, Lookahead, SimpleObject};
use chrono::{DateTime, Utc};
use entity::customer_tier;
use entity::id::CustomerId;
use entity::tier_change::{Column, Entity, Model, TierCause};
use sea_orm::sea_query::{Expr, ExprTrait, JoinType};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, RelationDef};

use super::loaders::changes_of;
use super::programme::{Tier, amount};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{Date, Decimal};
use crate::rounds::Ahead;
use crate::tiers::programme::{TierProgramme, Window};
use crate::tiers::settle::{TierOf, TierRows, standing, untouched};
use crate::tiers::standing::{Calendar, Counted, missing_to_keep, sum, window_start, with_grace};

/// Changes that a customer's tier tells of.
const MOST_CHANGES: i32 = 50;

/// The tier of a customer, what keeps it and what leads to the next.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct CustomerTier {
    #[graphql(skip)]
    customer: CustomerId,
    /// What the customer has; null below the first.
    tier: Option<Tier>,
    /// Since when; null for somebody who never had one.
    since: Option<DateTime<Utc>>,
    /// When it ends if nothing more counts; null if it does not.
    until: Option<DateTime<Utc>>,
    /// When it is lost then: its end and the days of grace.
    lost_at: Option<DateTime<Utc>>,
    /// The tier that staff gave the customer at least; null if they gave none.
    given: Option<Tier>,
    /// When that ends; null if it does not.
    given_until: Option<DateTime<Utc>>,
    /// What counts now: points, or whole units of the programme's currency.
    counted: Decimal,
    /// The first day of what counts now; null if everything ever does.
    counted_since: Option<Date>,
    /// The next higher tier; null for who has the highest.
    next: Option<Tier>,
    /// What is still to come until then.
    missing: Option<Decimal>,
    /// What is still to come for the tier not to end at `until`; null if it has no end or nothing can move it.
    missing_to_keep: Option<Decimal>,
}

/// What changed a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "TierCause")]
pub enum TierChangeCause {
    /// Points that were earned, or what was spent.
    Reached,
    /// A return or a cancelled order.
    Returned,
    /// Time: the tier ended.
    PeriodEnded,
    /// The shop changed its tiers.
    ProgrammeChanged,
    /// Staff gave it or took it back.
    Staff,
    /// A guest or another customer turned out to be this one.
    Merged,
}

/// A change of a customer's tier.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct TierChange {
    /// From 1 without gaps.
    number: i32,
    /// The code of the tier before; null below the first.
    from: Option<String>,
    /// The code of the tier after; null below the first.
    to: Option<String>,
    /// What did it.
    cause: TierChangeCause,
    #[graphql(skip)]
    reason: Option<String>,
    /// When.
    at: DateTime<Utc>,
}

#[ComplexObject]
impl TierChange {
    /// As staff wrote it, for shop and staff; null for the customer.
    async fn reason(&self, ctx: &Context<'_>) -> Option<&str> {
        let is_shop = matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. }));
        self.reason.as_deref().filter(|_| is_shop)
    }
}

#[ComplexObject]
impl CustomerTier {
    /// How it came to be, the last change first; 50 at most.
    async fn changes(&self, ctx: &Context<'_>) -> Result<Vec<TierChange>, ApiError> {
        changes_of(ctx, self.customer).await
    }
}

fn change(row: Model) -> TierChange {
    let Model { number, from_tier: from, to_tier: to, cause, reason, at, .. } = row;
    TierChange { number, from, to, cause: cause.into(), reason, at }
}

/// The last changes of the tiers of these customers, the last first.
pub(super) async fn changes_of_all(
    app: &App,
    customers: impl Iterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, Vec<TierChange>>, Fault> {
    let db = &app.db.read;
    let among =
        is_among(db.get_database_backend(), "tier_changes.customer_id", customers.map(|customer| customer.0));
    let tier: RelationDef = Entity::belongs_to(customer_tier::Entity)
        .from(Column::CustomerId)
        .to(customer_tier::Column::CustomerId)
        .into();
    let last = Expr::col((customer_tier::Entity, customer_tier::Column::Changes)).sub(MOST_CHANGES);
    let rows = Entity::find()
        .join(JoinType::InnerJoin, tier)
        .filter(among)
        .filter(Expr::col((Entity, Column::Number)).gt(last))
        .order_by_desc(Column::Number)
        .all(db)
        .await?;
    let mut changes: HashMap<CustomerId, Vec<TierChange>> = HashMap::new();
    for row in rows {
        changes.entry(row.customer_id).or_default().push(change(row));
    }
    Ok(changes)
}

/// The fields of a tier that need what counts.
const COUNTED: [&str; 3] = ["counted", "missing", "missingToKeep"];

/// The tier of a customer as far as it is asked for; none if the shop has no tiers.
pub(crate) async fn tier_of(
    ctx: &Context<'_>,
    customer: CustomerId,
) -> Result<Option<CustomerTier>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let settings = app.settings();
    if settings.tiers.tiers.is_empty() {
        return Ok(None);
    }
    let asked = asked(&ctx.look_ahead(), customer);
    let asked =
        ctx.data_unchecked::<TiersAhead>().take(&asked).unwrap_or_else(|| app.shared.tiers.ask(app, asked));
    let (row, counted) = asked.answer().await?.unwrap_or_default();
    let calendar = Calendar { now: app.clock.now(), zone: settings.time_zone };
    let row = row.unwrap_or_else(|| untouched(customer, calendar.now));
    Ok(Some(shown(&settings.tiers, &row, &counted, calendar)))
}

/// Tiers that a request looks up before their fields do.
pub(crate) type TiersAhead = Ahead<TierOf, TierRows>;

/// Looks up a tier that the field `tier`, of which this is the selection, will ask for.
pub(crate) fn tier_ahead(ctx: &Context<'_>, tier: &Lookahead<'_>, customer: CustomerId) {
    let app = ctx.data_unchecked::<App>();
    if tier.exists() && !app.settings().tiers.tiers.is_empty() {
        ctx.data_unchecked::<TiersAhead>().keep(app.shared.tiers.ask(app, asked(tier, customer)));
    }
}

fn asked(tier: &Lookahead<'_>, customer: CustomerId) -> TierOf {
    TierOf { customer, counted: COUNTED.iter().any(|field| tier.field(field).exists()) }
}

fn shown(
    programme: &TierProgramme,
    row: &customer_tier::Model,
    counted: &Counted,
    calendar: Calendar,
) -> CustomerTier {
    let (basis, today) = (programme.basis, calendar.today());
    let standing = standing(programme, row);
    let tier = |rank: usize| programme.tiers.get(rank).map(|tier| Tier::of(basis, tier));
    let sum = sum(programme.window, counted, today);
    let next = programme.tiers.get(standing.tier.map_or(0, |term| term.rank + 1));
    let to_keep = standing.tier.and_then(|held| missing_to_keep(programme, counted, held, calendar.zone));
    let start = (programme.window != Window::Lifetime).then(|| window_start(programme.window, today));
    CustomerTier {
        customer: row.customer_id,
        tier: standing.tier.and_then(|term| tier(term.rank)),
        since: (row.changes > 0).then_some(row.since),
        until: row.until,
        lost_at: row.until.and_then(|until| with_grace(programme, until)),
        given: standing.kept.and_then(|term| tier(term.rank)),
        given_until: row.kept_until,
        counted: amount(basis, sum),
        counted_since: start.map(Date),
        missing: next.map(|next| amount(basis, Ord::max(next.threshold - sum, 0))),
        next: next.map(|next| Tier::of(basis, next)),
        missing_to_keep: to_keep.map(|missing| amount(basis, missing)),
    }
}
