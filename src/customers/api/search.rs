//! Looking for customers over GraphQL.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::customer::Model;
use serde_json::json;

use super::types::{Customer, CustomerAcquisitionReason};
use super::viewer;
use crate::app::App;
use crate::audit::reads::Reads;
use crate::auth::viewer::Viewer;
use crate::customers::search::{self, CustomerCondition, Part, Place};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::orders::rules::comparable;

/// A page of customers.
pub(super) type CustomerPages = Pages<Place, Customer>;

/// Which customers; those who turned out to be others are left out unless `merged` says otherwise.
#[derive(Debug, Default, InputObject)]
pub(super) struct CustomersFilter {
    /// Each word of it is the beginning of a word of the name or e-mail address, in any case; or the whole is exactly the
    /// shop's id of an order. 1 to 200 characters.
    query: Option<String>,
    /// Whether they have an account with a proven mailbox.
    registered: Option<bool>,
    /// Whether they take part in the points programme.
    enrolled: Option<bool>,
    /// Whether they may not sign in.
    disabled: Option<bool>,
    /// Whether they turned out to be another customer; `false` if left out.
    merged: Option<bool>,
    /// First heard of at or after this instant.
    created_from: Option<DateTime<Utc>>,
    /// First heard of before this instant.
    created_to: Option<DateTime<Utc>>,
    /// With an order placed at or after this instant.
    ordered_from: Option<DateTime<Utc>>,
    /// With an order placed before this instant; with `orderedFrom`, one order in between.
    ordered_to: Option<DateTime<Utc>>,
    /// With exactly this id of the shop.
    external_id: Option<String>,
    /// Who placed the order with exactly this id of the shop.
    order_external_id: Option<String>,
    /// Written to in exactly this language.
    locale: Option<String>,
    /// Who bought first for this reason.
    acquisition_reason: Option<CustomerAcquisitionReason>,
}

impl CustomersFilter {
    /// What is asked for, `query` apart: that one has to be looked up.
    fn conditions(self) -> Vec<CustomerCondition> {
        use CustomerCondition as Is;

        let either = |wanted: Option<bool>, is: Is| match wanted {
            Some(true) => Some(is),
            Some(false) => Some(Is::Not(Box::new(is))),
            None => None,
        };
        let instant = |at: Option<DateTime<Utc>>| at.map(comparable);
        let (from, to) = (instant(self.created_from), instant(self.created_to));
        let created = (from.is_some() || to.is_some()).then_some(Is::Created { from, to });
        let (from, to) = (instant(self.ordered_from), instant(self.ordered_to));
        let ordered = (from.is_some() || to.is_some()).then_some(Is::Ordered { from, to });
        [
            either(self.registered, Is::Registered),
            either(self.enrolled, Is::Enrolled),
            either(self.disabled, Is::Disabled),
            either(Some(self.merged.unwrap_or(false)), Is::Merged),
            created,
            ordered,
            self.external_id.map(Is::ExternalId),
            self.order_external_id.map(Is::OrderExternalId),
            self.locale.map(Is::Locale),
            self.acquisition_reason.map(|reason| Is::Acquired(reason.into())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Texts that no stored one can be equal to, and that a database may not take, are no texts to look for.
    fn check(&self) -> Result<(), ApiError> {
        let query = ("query", &self.query, 200);
        let others = [&self.external_id, &self.order_external_id, &self.locale];
        let others = ["externalId", "orderExternalId", "locale"].into_iter().zip(others);
        for (field, text, most) in
            std::iter::once(query).chain(others.map(|(field, text)| (field, text, 255)))
        {
            let Some(text) = text else { continue };
            let length = text.trim().chars().count();
            if length == 0 || length > most || text.chars().any(char::is_control) {
                let message = format!("{field} must be 1 to {most} characters on one line");
                return Err(ApiError::bad_input(message));
            }
        }
        Ok(())
    }
}

/// Looking for customers.
#[derive(Debug, Default)]
pub(super) struct SearchQuery;

#[Object]
impl SearchQuery {
    /// Customers, those heard of last first. For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the one heard of last, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the one heard of first, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only customers who match all of it.")] filter: Option<CustomersFilter>,
    ) -> Result<CustomerPages, ApiError> {
        let page = Page::<Place>::of(PageArguments { first, after, last, before })?;
        let filter = filter.unwrap_or_default();
        filter.check()?;
        let db = &ctx.data_unchecked::<App>().db.read;
        let query = filter.query.clone();
        let mut conditions = filter.conditions();
        note(ctx, query.as_deref());
        if let Some(query) = query {
            conditions.push(search::matching(db, &query).await?);
        }
        let condition = CustomerCondition::All(conditions);
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(search::count(db, &condition).await?)? } else { 0 };
        let Page { after, before, backwards, .. } = page;
        let part = Part { after, before, backwards, limit: page.fetch() };
        let rows = search::find(db, &condition, &part).await?;
        // Only those whom the page shows are read: not the one behind it, that tells of a next page.
        let shown = |row: Model| ((row.created_at, row.id.0), Customer::shown(ctx, row));
        Ok(page.connect(rows, total, shown))
    }
}

/// What staff look for is written down, whether they find it or not.
fn note(ctx: &Context<'_>, query: Option<&str>) {
    if matches!(viewer(ctx), Viewer::Staff { .. })
        && let Some(reads) = ctx.data_opt::<Arc<Reads>>()
    {
        // What is looked for may be somebody's name: only by what is kept, so that no erasure has to reach it.
        reads.note_search(json!({ "query": query.is_some() }));
    }
}
