//! Reviews as callers see them.

use async_graphql::{Context, Enum, ID, Object};
use entity::Instant;
use entity::customer;
use entity::id::CustomerId;
use entity::review::{Model, ReviewState as StoredState};

use super::viewer;
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::catalog::api::{Product, product_of};
use crate::customers::api::note_read;
use crate::feedback::reviews::author;
use crate::graphql::access::Operation;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};

/// Where a review is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredState", name = "ReviewState")]
pub(super) enum StateName {
    /// Staff have not looked at it.
    Pending,
    /// Everybody sees it.
    Published,
    /// Nobody but the shop and its writer sees it.
    Rejected,
}

/// What somebody who bought a product says of it.
#[derive(Clone, Debug)]
pub struct Review(pub(super) Model);

#[Object]
impl Review {
    /// Ours.
    async fn id(&self) -> ID {
        global_id(NodeType::Review, self.0.id)
    }

    /// Of what; null while you may not see it.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        product_of(ctx, self.0.product_id).await
    }

    /// 1 to 5.
    async fn rating(&self) -> i32 {
        self.0.rating
    }

    /// 1 to 100 characters on one line. Text, not HTML: to be escaped where it is shown.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    /// 1 to 5,000 characters; line breaks may be in it. Text, not HTML: to be escaped where it is shown.
    async fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// The first name of whoever wrote it, or `Customer`.
    async fn author(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let customer = self.writer(ctx).await?;
        Ok(author(customer.as_ref().and_then(|row| row.name.as_deref())).to_owned())
    }

    /// Who wrote it, for those who may call `customer`; null for others, and if a guest did.
    async fn customer_id(&self, ctx: &Context<'_>) -> Result<Option<ID>, ApiError> {
        let may_read = match viewer(ctx) {
            Viewer::Anonymous | Viewer::Customer { .. } => false,
            asker => Operation::of("customer").is_some_and(|operation| operation.allows(asker)),
        };
        if !may_read {
            return Ok(None);
        }
        let found = self.writer(ctx).await?;
        Ok(found.map(|row| {
            note_read(ctx, Person::Customer(row.id));
            global_id(NodeType::Customer, row.id)
        }))
    }

    /// Where it is.
    async fn state(&self) -> StateName {
        self.0.state.into()
    }

    /// How often it was written, from 1.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was last written.
    async fn submitted_at(&self) -> Instant {
        self.0.submitted_at
    }

    /// When it was first published.
    async fn published_at(&self) -> Option<Instant> {
        self.0.published_at
    }

    /// What the shop says to it, 1 to 2,000 characters. Text, not HTML.
    async fn answer(&self) -> Option<&str> {
        self.0.answer.as_deref()
    }

    /// When the shop said that.
    async fn answered_at(&self) -> Option<Instant> {
        self.0.answered_at
    }
}

impl Review {
    async fn writer(&self, ctx: &Context<'_>) -> Result<Option<customer::Model>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        Ok(app.shared.customers.one(app, CustomerId(self.0.person_id.0)).await?)
    }
}
