//! Plans over GraphQL.

use std::collections::BTreeSet;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::membership_plan::{Column, Entity, Interval, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::payload::MembershipErrorCode;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{Decimal, IdempotencyKey, MoneyValue};
use crate::idempotency::Once;
use crate::memberships::MembershipError;
use crate::memberships::plans::{self, Benefits, FreeShipping, Upsert};
use crate::money::{Currency, Money};

/// How often a membership is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Interval")]
pub(crate) enum MembershipInterval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

/// A plan of paid memberships.
#[derive(Clone, Debug)]
pub(crate) struct MembershipPlan(pub(super) Model);

#[Object]
impl MembershipPlan {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::MembershipPlan, self.0.id)
    }

    /// The shop's.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// As customers read it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// As customers read it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// What whoever joins now pays per interval, tax included.
    async fn price(&self) -> Result<MoneyValue, ApiError> {
        let currency = self.0.currency.parse()?;
        Ok(Money { minor: self.0.price, currency }.into())
    }

    /// How often that is paid.
    async fn billed(&self) -> MembershipInterval {
        self.0.billed.into()
    }

    /// Days before the first payment, for whoever had no trial before.
    async fn trial_days(&self) -> i32 {
        self.0.trial_days
    }

    /// Months that it lasts at least.
    async fn minimum_months(&self) -> i32 {
        self.0.minimum_months
    }

    /// Days that it goes on for while a payment is late.
    async fn grace_days(&self) -> i32 {
        self.0.grace_days
    }

    /// What it gives.
    async fn benefits(&self) -> Result<MembershipBenefits, ApiError> {
        let benefits: Benefits = serde_json::from_value(self.0.benefits.clone())?;
        Ok(MembershipBenefits { benefits, currency: self.0.currency.parse()? })
    }

    /// Whether nobody can join it any more.
    async fn archived(&self) -> bool {
        self.0.archived
    }
}

/// What a plan gives its members. More points are given by earning rules that ask for the plan.
#[derive(Clone, Debug)]
pub(crate) struct MembershipBenefits {
    benefits: Benefits,
    currency: Currency,
}

#[Object]
impl MembershipBenefits {
    /// Shipping that costs nothing; null if it costs what it costs others.
    async fn free_shipping(&self) -> Option<MembershipFreeShipping> {
        let FreeShipping { methods, minimum } = self.benefits.free_shipping.clone()?;
        let minimum = minimum.map(|minor| Money { minor, currency: self.currency }.into());
        Some(MembershipFreeShipping { methods: methods.into_iter().collect(), minimum })
    }

    /// Delivery slots that are for members only.
    async fn delivery_slots(&self) -> bool {
        self.benefits.slots
    }

    /// Products before they are public.
    async fn early_access(&self) -> bool {
        self.benefits.early_access
    }

    /// Support answers members first.
    async fn priority_support(&self) -> bool {
        self.benefits.priority_support
    }
}

/// Shipping that costs members nothing.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MembershipFreeShipping {
    /// Codes of the shipping methods; all, if empty.
    methods: Vec<String>,
    /// The least that the goods are to cost; any, if null.
    minimum: Option<MoneyValue>,
}

/// Shipping that is to cost members nothing.
#[derive(Debug, InputObject)]
struct MembershipFreeShippingInput {
    /// Codes of shipping methods, 100 at most; all, if left out.
    #[graphql(default)]
    methods: Vec<String>,
    /// The least that the goods are to cost, in the currency of the plan; any, if left out. Orders in other currencies do
    /// not reach it.
    minimum: Option<Decimal>,
}

/// What a plan is to give its members.
#[derive(Debug, Default, InputObject)]
struct MembershipBenefitsInput {
    /// Shipping that costs nothing; left out, it costs what it costs others.
    free_shipping: Option<MembershipFreeShippingInput>,
    /// Delivery slots that are for members only.
    #[graphql(default)]
    delivery_slots: bool,
    /// Products before they are public.
    #[graphql(default)]
    early_access: bool,
    /// Support answers members first.
    #[graphql(default)]
    priority_support: bool,
}

/// A plan to make or change, by its code.
#[derive(Debug, InputObject)]
struct MembershipPlanUpsertInput {
    /// The shop's, 1 to 60 of a-z, 0-9 and `-`.
    code: String,
    /// As customers read it, also on their bills; 1 to 100 characters.
    name: String,
    /// As customers read it, at most 2000 characters.
    #[graphql(default)]
    description: String,
    /// Per interval, tax included; above 0. Who has joined goes on paying what was agreed.
    price: Decimal,
    /// Of the price; the shop's if left out. Stays as it was first stated.
    currency: Option<Currency>,
    /// How often it is paid. Stays as it was first stated.
    billed: MembershipInterval,
    /// Days before the first payment, 0 to 365.
    #[graphql(default)]
    trial_days: i32,
    /// Months that it lasts at least, 0 to 36.
    #[graphql(default)]
    minimum_months: i32,
    /// Days that it goes on for while a payment is late, 0 to 30.
    #[graphql(default = 7)]
    grace_days: i32,
    /// What it gives, to all its members from now on; nothing, if left out.
    #[graphql(default)]
    benefits: MembershipBenefitsInput,
    /// Whether nobody can join it any more.
    #[graphql(default)]
    archived: bool,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A plan that was stated, or why not.
#[derive(Debug, SimpleObject)]
struct MembershipPlanPayload {
    /// The plan.
    plan: Option<MembershipPlan>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<MembershipErrorCode>>,
}

/// Queries about plans.
#[derive(Debug, Default)]
pub(super) struct PlansQuery;

/// Mutations of plans.
#[derive(Debug, Default)]
pub(super) struct PlansMutation;

#[Object]
impl PlansQuery {
    /// The plans that can be joined, the first made first, 20 at most; staff and servers of the shop see those that are
    /// archived too. For everyone.
    #[graphql(guard = "Allowed")]
    async fn membership_plans(&self, ctx: &Context<'_>) -> Result<Vec<MembershipPlan>, ApiError> {
        let mut plans = Entity::find().order_by_asc(Column::Id);
        if !matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. })) {
            plans = plans.filter(Column::Archived.eq(false));
        }
        let rows = plans.all(&ctx.data_unchecked::<App>().db.read).await?;
        Ok(rows.into_iter().map(MembershipPlan).collect())
    }
}

#[Object]
impl PlansMutation {
    /// Makes or changes a plan; 20 at most. For staff with `plans.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_plan_upsert(
        &self,
        ctx: &Context<'_>,
        input: MembershipPlanUpsertInput,
    ) -> Result<MembershipPlanPayload, ApiError> {
        let key = input.idempotency_key.clone();
        let upsert = match input.parse(ctx.data_unchecked::<App>().settings().currency) {
            Ok(upsert) => upsert,
            Err(error) => return Ok(MembershipPlanPayload::refused(error)),
        };
        match once(ctx, "membershipPlanUpsert", key, &upsert, plans::upsert).await? {
            Ok(Once { value, replayed }) => {
                let plan = Some(MembershipPlan(written::<Entity>(ctx, value).await?));
                Ok(MembershipPlanPayload { plan, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(MembershipPlanPayload::refused(error)),
        }
    }
}

impl MembershipPlanUpsertInput {
    fn parse(self, shops: Currency) -> Result<Upsert, MembershipError> {
        let currency = self.currency.unwrap_or(shops);
        let money = |field: &'static str, amount: &Decimal| {
            let problem = "is not an amount of the currency";
            Money::parse_unsigned(&amount.0, currency)
                .map_err(|_problem| MembershipError::Invalid { field, problem })
        };
        let MembershipBenefitsInput { free_shipping, delivery_slots, early_access, priority_support } =
            self.benefits;
        let free_shipping = free_shipping
            .map(|free| {
                let minimum = free.minimum.as_ref().map(|amount| money("minimum", amount)).transpose()?;
                let methods: BTreeSet<String> = free.methods.into_iter().collect();
                Ok(FreeShipping { methods, minimum: minimum.map(|money| money.minor) })
            })
            .transpose()?;
        Ok(Upsert {
            price: money("price", &self.price)?,
            code: self.code,
            name: self.name,
            description: self.description,
            billed: self.billed.into(),
            trial_days: self.trial_days,
            minimum_months: self.minimum_months,
            grace_days: self.grace_days,
            benefits: Benefits { free_shipping, slots: delivery_slots, early_access, priority_support },
            archived: self.archived,
        })
    }
}

impl MembershipPlanPayload {
    fn refused(error: MembershipError) -> Self {
        Self { plan: None, replayed: false, user_errors: vec![super::payload::told(error, "code")] }
    }
}
