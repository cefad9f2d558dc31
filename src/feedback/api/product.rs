//! Reviews of a product and of a customer, and how a product is rated.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, SimpleObject};
use entity::id::{CustomerId, PersonId, ProductId};
use entity::review::{Column, Entity, ReviewState};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use super::loaders::{FeedbackLoader, RatingsOf};
use super::types::Review;
use crate::error::Fault;
use crate::feedback::ratings;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;

/// How published reviews rate a product.
#[derive(Clone, Debug, SimpleObject)]
pub struct ProductRating {
    /// The mean of 1 to 5, rounded to hundredths; null if there are none.
    average: Option<f64>,
    /// How many there are.
    count: i32,
    /// How many give which rating, from 5 down to 1.
    distribution: Vec<RatingCount>,
}

/// How many published reviews give a rating.
#[derive(Clone, Debug, SimpleObject)]
struct RatingCount {
    /// 1 to 5.
    rating: i32,
    /// How many.
    count: i32,
}

impl ProductRating {
    fn of(counts: &[(i32, i32)]) -> Self {
        let of =
            |rating: i32| counts.iter().find(|(known, _)| *known == rating).map_or(0, |(_, count)| *count);
        let distribution: Vec<RatingCount> =
            ratings::SCALE.rev().map(|rating| RatingCount { rating, count: of(rating) }).collect();
        let count: i32 = distribution.iter().map(|of| of.count).sum();
        let sum: f64 = distribution.iter().map(|of| f64::from(of.rating) * f64::from(of.count)).sum();
        let average = (count > 0).then(|| (sum / f64::from(count) * 100.0).round() / 100.0);
        Self { average, count, distribution }
    }
}

/// How published reviews rate a product.
pub async fn rating_of(ctx: &Context<'_>, product: ProductId) -> Result<ProductRating, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<FeedbackLoader>>();
    let counts = loader.load_one(RatingsOf(product)).await.map_err(Fault::of)?;
    Ok(ProductRating::of(&counts.unwrap_or_default()))
}

/// Published reviews of a product, the newest first.
pub(crate) async fn published_of(
    ctx: &Context<'_>,
    product: ProductId,
    arguments: PageArguments,
) -> Result<NewestPages<Review>, ApiError> {
    let published = Column::ProductId.eq(product).and(Column::State.eq(ReviewState::Published));
    let all = Entity::find().filter(published);
    newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Review(row))).await
}

/// Reviews of a customer, the newest first.
pub(crate) async fn reviews_of(
    ctx: &Context<'_>,
    customer: CustomerId,
    arguments: PageArguments,
) -> Result<NewestPages<Review>, ApiError> {
    let all = Entity::find().filter(Column::PersonId.eq(PersonId::from(customer)));
    newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Review(row))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_of_all_ratings() {
        let told = |counts: &[(i32, i32)]| {
            let rating = ProductRating::of(counts);
            let counts: Vec<i32> = rating.distribution.iter().map(|of| of.count).collect();
            (rating.average.map(|average| average.to_string()), rating.count, counts)
        };
        assert_eq!(told(&[]), (None, 0, vec![0; 5]));
        assert_eq!(told(&[(5, 0)]), (None, 0, vec![0; 5]));
        assert_eq!(told(&[(5, 2), (4, 1)]), (Some("4.67".to_owned()), 3, vec![2, 1, 0, 0, 0]));
        assert_eq!(told(&[(1, 7)]), (Some("1".to_owned()), 7, vec![0, 0, 0, 0, 7]));
    }
}
