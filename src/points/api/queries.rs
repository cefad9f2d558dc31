//! `pointsPreview`: what a cart would earn, told to everybody.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::id::AccountId;
use entity::points_account;
use sea_orm::EntityTrait;

use super::types::shown;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{Decimal, MoneyValue};
use crate::money::{Currency, Money, Rate};
use crate::orders::rules::MOST_LINES;
use crate::points::amount::Points;
use crate::points::preview::{CartLine, preview};

/// Queries about points.
#[derive(Debug, Default)]
pub struct PointsQuery;

/// A cart to look at.
#[derive(Debug, InputObject)]
pub(super) struct PointsPreviewInput {
    /// What its amounts are in; the shop's currency if left out.
    currency: Option<Currency>,
    /// 1 to 500 lines.
    lines: Vec<PointsPreviewLineInput>,
    /// Points that are to pay part of it; none if left out.
    redeem: Option<Points>,
}

/// A line of a cart.
#[derive(Debug, InputObject)]
pub(super) struct PointsPreviewLineInput {
    /// For all pieces, after discount.
    line_total: Decimal,
    /// Share of tax inside the total, such as `"0.21"`.
    tax_rate: Option<Rate>,
}

/// What an order of the cart would come to.
#[derive(Debug, SimpleObject)]
pub(super) struct PointsPreview {
    /// Points it would earn in all.
    earned: Points,
    /// Points each line would earn, in the order of the lines.
    earned_by_line: Vec<Points>,
    /// Points that would be taken: what is wanted, as far as there are so many, the cap allows it, and the minimum is met.
    redeemed: Points,
    /// What they would pay.
    redeemed_value: MoneyValue,
}

#[Object]
impl PointsQuery {
    /// What a cart would earn and what points would pay of it; writes nothing. For a customer who is signed in, no more
    /// points are taken than the customer has.
    /// For everyone.
    #[graphql(guard = "Allowed")]
    async fn points_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cart.")] cart: PointsPreviewInput,
    ) -> Result<PointsPreview, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let settings = app.settings();
        let currency = cart.currency.unwrap_or(settings.currency);
        let lines = lines(cart.lines, currency)?;
        let available = match ctx.data_opt::<Viewer>() {
            Some(Viewer::Customer { customer, .. }) => {
                let account =
                    points_account::Entity::find_by_id(AccountId(customer.0)).one(&app.db.read).await?;
                Some(account.map_or(0, |account| account.available))
            }
            _ => None,
        };
        let wanted = cart.redeem.unwrap_or_default().into();
        let found = preview(&settings.programme, currency, &lines, wanted, available);
        Ok(PointsPreview {
            earned: shown(found.earned.iter().copied().map(i64::from).sum()),
            earned_by_line: found.earned.into_iter().map(|points| shown(points.into())).collect(),
            redeemed: shown(found.redeemed),
            redeemed_value: Money { minor: found.value, currency }.into(),
        })
    }
}

fn lines(given: Vec<PointsPreviewLineInput>, currency: Currency) -> Result<Vec<CartLine>, ApiError> {
    if given.is_empty() || given.len() > MOST_LINES {
        return Err(ApiError::bad_input("a cart has 1 to 500 lines"));
    }
    let line = |(index, line): (usize, PointsPreviewLineInput)| {
        let wrong = |problem| ApiError::bad_input(format!("lines.{index}.lineTotal {problem}"));
        let total = Money::parse_unsigned(&line.line_total.0, currency).map_err(wrong)?.minor;
        let tax_rate = line.tax_rate.map(|rate| i32::try_from(rate.ten_thousandths())).transpose()?;
        if tax_rate.is_some_and(|rate| rate > 10_000) {
            return Err(ApiError::bad_input(format!("lines.{index}.taxRate must be 0 to 1")));
        }
        Ok(CartLine { total, tax_rate })
    };
    given.into_iter().enumerate().map(line).collect()
}
