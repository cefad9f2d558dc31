//! `pointsPreview`: what a cart would earn, told to everybody.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::id::AccountId;
use entity::points_account;
use sea_orm::EntityTrait;

use super::tax::TaxOfRate;
use super::types::shown;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::earning::Gain;
use crate::earning::carts::{self, CartLine};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{Decimal, MoneyValue};
use crate::money::{Currency, Money, Rate};
use crate::orders::rules::{MOST_LINES, check_categories};
use crate::points::amount::Points;
use crate::points::preview::redeemed;
use crate::points::rules::Basis;
use crate::points::tax::{TaxedLine, taxes};

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
    /// The shop's; rules for certain articles look at it.
    #[graphql(default)]
    sku: String,
    /// Categories of the article; rules for certain categories look at them.
    #[graphql(default)]
    categories: Vec<String>,
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
    /// What each rule would give for each line: first every line's rate, then what comes on top.
    parts: Vec<PointsPreviewPart>,
    /// Points that would be taken: what is wanted, as far as there are so many, the cap allows it, and the minimum is met.
    redeemed: Points,
    /// What they would pay.
    redeemed_value: MoneyValue,
    /// The tax inside the prices, by rate, the lowest first, as it would be with what points pay.
    taxes: Vec<TaxOfRate>,
}

/// What one rule would give for one line.
#[derive(Debug, SimpleObject)]
pub(super) struct PointsPreviewPart {
    /// The line, by its place in the cart from 0.
    line: i32,
    /// The code of the rule, or such as `base:EUR` for the programme's rate.
    rule: String,
    /// The version of the rule.
    rule_version: i32,
    /// How many.
    points: Points,
}

#[Object]
impl PointsQuery {
    /// What a cart would earn and what points would pay of it; writes nothing. For a customer who is signed in, no more
    /// points are taken than the customer has, and rules look at the customer's earlier orders and birthday.
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
        let mut lines = lines(cart.lines, currency)?;
        let customer = match ctx.data_opt::<Viewer>() {
            Some(Viewer::Customer { customer, .. }) => Some(*customer),
            _ => None,
        };
        let available = match customer {
            Some(customer) => {
                let account =
                    points_account::Entity::find_by_id(AccountId(customer.0)).one(&app.db.read).await?;
                Some(account.map_or(0, |account| account.available))
            }
            None => None,
        };
        let wanted = cart.redeem.unwrap_or_default().into();
        let totals: Vec<i64> = lines.iter().map(|line| line.basis.line_total).collect();
        let redeemed = redeemed(&settings.programme, currency, &totals, wanted, available);
        for (line, value) in lines.iter_mut().zip(&redeemed.by_line) {
            line.basis.redeemed_value = *value;
        }
        let paid_lines = lines.iter().map(|line| TaxedLine {
            line_total: line.basis.line_total,
            redeemed_value: line.basis.redeemed_value,
            tax_rate: line.basis.tax_rate,
        });
        let taxes = taxes(paid_lines, settings.programme.redemption_tax);
        let gains = carts::earned(app, currency, &lines, customer).await?;
        let mut by_line = vec![0_i64; lines.len()];
        for gain in &gains {
            by_line[gain.line] += i64::from(gain.points);
        }
        Ok(PointsPreview {
            earned: shown(by_line.iter().sum()),
            earned_by_line: by_line.into_iter().map(shown).collect(),
            parts: gains.into_iter().map(part).collect::<Result<_, _>>()?,
            redeemed: shown(redeemed.points),
            redeemed_value: Money { minor: redeemed.value, currency }.into(),
            taxes: taxes.into_iter().map(|tax| TaxOfRate::of(tax, currency)).collect::<Result<_, _>>()?,
        })
    }
}

fn part(gain: Gain) -> Result<PointsPreviewPart, ApiError> {
    let Gain { line, points, rule, version } = gain;
    Ok(PointsPreviewPart {
        line: i32::try_from(line)?,
        rule,
        rule_version: version,
        points: shown(points.into()),
    })
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
        check_categories(&line.categories)
            .map_err(|problem| ApiError::bad_input(format!("lines.{index}.categories {problem}")))?;
        let basis = Basis { currency, line_total: total, redeemed_value: 0, tax_rate };
        Ok(CartLine { sku: line.sku, categories: line.categories, basis })
    };
    given.into_iter().enumerate().map(line).collect()
}
