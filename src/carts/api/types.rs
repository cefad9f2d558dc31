//! Carts as callers see them.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::Instant;
use entity::cart::Model;

use crate::app::App;
use crate::audit::reads::Person;
use crate::carts::CartLine as Stored;
use crate::customers::api::{Customer, note_read};
use crate::customers::email::EmailAddress;
use crate::graphql::access::AllowedAs;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::scalars::MoneyValue;
use crate::money::{Currency, Money};

/// Whether a cart waits to be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum CartState {
    /// It does.
    Open,
    /// Whoever filled it ordered since.
    Closed,
}

/// A line of a cart.
#[derive(Debug, SimpleObject)]
pub(super) struct CartLine {
    /// The shop's.
    sku: String,
    /// As shown.
    name: String,
    /// Pieces.
    quantity: i32,
    /// For all pieces, after discount.
    line_total: MoneyValue,
}

/// A cart that the shop told of.
#[derive(Clone, Debug)]
pub(super) struct Cart(Model);

impl Cart {
    /// To be shown in answer to this request; that staff read of a customer is written down.
    pub(super) fn shown(ctx: &Context<'_>, row: Model) -> Self {
        if let Some(customer) = row.customer_id {
            note_read(ctx, Person::Customer(customer));
        }
        Self(row)
    }

    fn currency(&self) -> Result<Currency, ApiError> {
        Ok(self.0.currency.parse()?)
    }
}

#[Object]
impl Cart {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Cart, self.0.id)
    }

    /// The shop's; unique.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// Whose it is; null if all that is known is an address. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        let Some(customer) = self.0.customer_id else { return Ok(None) };
        let app = ctx.data_unchecked::<App>();
        let found = app.shared.customers.one(app, customer).await?;
        Ok(found.map(|row| Customer::shown(ctx, row)))
    }

    /// Whose it is, if all that is known is an address.
    async fn email(&self) -> Option<EmailAddress> {
        self.0.email.clone().and_then(|email| EmailAddress::try_from(email).ok())
    }

    /// Whether it waits to be ordered.
    async fn state(&self) -> CartState {
        if self.0.closed_at.is_none() { CartState::Open } else { CartState::Closed }
    }

    /// In the order of the shop.
    async fn lines(&self) -> Result<Vec<CartLine>, ApiError> {
        let currency = self.currency()?;
        let lines: Vec<Stored> = serde_json::from_value(self.0.lines.clone())?;
        let shown = |Stored { sku, name, quantity, line_total }: Stored| {
            let line_total = Money { minor: line_total, currency }.into();
            CartLine { sku, name, quantity, line_total }
        };
        Ok(lines.into_iter().map(shown).collect())
    }

    /// What the lines add up to.
    async fn total(&self) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor: self.0.total, currency: self.currency()? }.into())
    }

    /// When somebody last put something in or took something out.
    async fn touched_at(&self) -> Instant {
        self.0.touched_at
    }

    /// When the order was placed that closed it; null while it is open.
    async fn closed_at(&self) -> Option<Instant> {
        self.0.closed_at
    }

    /// When it was first told of.
    async fn created_at(&self) -> Instant {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at
    }
}
