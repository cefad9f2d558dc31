//! Looks up what a message is about: a few rows by their ids, when it is sent and not before.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entity::Instant;
use entity::id::{AccountId, MembershipId, MessageId, OrderId, ProductId, ProductUpdateId};
use entity::message::Reason;
use entity::{
    cart, coupon, customer_tier, membership, membership_plan, order, order_line, order_shipping,
    points_account, product, product_update,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Deserialize;

use super::class::Class;
use super::facts::Facts;
use super::recipient::Recipient;
use super::templates::context::{
    CartPart, CouponPart, LinePart, MembershipPart, OrderPart, Parts, PointsPart, ProductPart, ProgrammePart,
    TierPart, UpdatePart,
};
use crate::app::App;
use crate::carts::CartLine;
use crate::catalog::rules::is_available;
use crate::db::Connections;
use crate::db::dialect::is_among_texts;
use crate::delivery::terms::Frozen;
use crate::error::Fault;
use crate::feedback;
use crate::localized::{Texts, in_language};
use crate::memberships::Span;
use crate::memberships::plans::Plan;
use crate::memberships::savings::would_have_saved;
use crate::money::{Currency, Money};
use crate::settings::ShopSettings;

/// Companions that a message names.
const MOST_COMPANIONS: usize = 4;

/// What is looked up, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) recipient: &'a Recipient,
    pub(crate) facts: &'a Facts,
    pub(crate) class: Class,
    /// Of the words: a language tag.
    pub(crate) language: &'a str,
    /// Whether companions may be named.
    pub(crate) companions: bool,
    pub(crate) unsubscribe_url: Option<&'a str>,
    /// Whose links lead to its review and its survey; none of a trial.
    pub(crate) message: Option<MessageId>,
}

/// What there is to show; a reason, if what the message is about is gone.
pub(crate) async fn parts(app: &App, wanted: &Wanted<'_>) -> Result<Result<Parts, Reason>, Fault> {
    let settings = app.settings();
    let look = Look { app, db: &app.db.read, settings: &settings, wanted };
    match look.parts().await {
        Ok(parts) => Ok(Ok(parts)),
        Err(Missing::Gone(reason)) => Ok(Err(reason)),
        Err(Missing::Fault(fault)) => Err(fault),
    }
}

enum Missing {
    Gone(Reason),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// What the message is about is not there any more.
const GONE: Missing = Missing::Gone(Reason::TemplateFailed);

struct Look<'a> {
    app: &'a App,
    db: &'a Connections,
    settings: &'a ShopSettings,
    wanted: &'a Wanted<'a>,
}

impl Look<'_> {
    async fn parts(&self) -> Result<Parts, Missing> {
        let Wanted { recipient, facts, class, language, .. } = *self.wanted;
        let mut parts = Parts {
            shop: self.settings.name.clone(),
            shop_url: self.settings.storefront_url.clone(),
            person: recipient.name().map(str::to_owned),
            language: language.to_owned(),
            unsubscribe_url: self.wanted.unsubscribe_url.map(str::to_owned),
            ..Parts::default()
        };
        if let Some(message) = self.wanted.message {
            (parts.review_url, parts.survey_url) = self.questions(message)?;
        }
        let mut bought = BTreeSet::new();
        if let Some(order) = facts.order {
            let (part, skus) = self.order(order).await?;
            (parts.order, bought) = (Some(part), skus);
        }
        if let Some(cart) = facts.cart {
            parts.cart = Some(self.cart(cart).await?);
        }
        if let Some(product) = facts.product {
            let row = self.product(product).await?;
            bought.insert(row.sku.clone());
            parts.product = Some(ProductPart { sku: row.sku, name: row.name });
        }
        if self.wanted.companions && !bought.is_empty() {
            parts.companions = self.companions(bought).await?;
        }
        if let Some(update) = facts.update {
            parts.update = Some(self.update(update).await?);
        }
        let account = self.account().await?;
        parts.points = Some(self.points(account.as_ref()));
        parts.tier = self.tier().await?;
        if let Some(membership) = facts.membership {
            parts.membership = Some(self.membership(membership).await?);
        } else if let Some(plan) = &facts.plan {
            parts.membership = Some(self.plan(plan).await?);
        }
        if class == Class::Transactional {
            parts.programme = self.programme(account.as_ref()).await?;
        }
        if class.may_promote()
            && let Some(code) = &facts.coupon
        {
            parts.coupon = self.coupon(code).await?;
        }
        Ok(parts)
    }

    /// Where the storefront takes a review of the order, and where the survey is answered.
    fn questions(&self, message: MessageId) -> Result<(Option<String>, Option<String>), Missing> {
        let Wanted { facts, .. } = *self.wanted;
        let storefront = self.settings.storefront_url.as_ref().filter(|_| facts.order.is_some());
        let review = match storefront {
            // Behind the #, where it is sent to no server and written into no log.
            Some(url) => Some(format!("{url}/review#token={}", feedback::review_token(self.app, message)?)),
            None => None,
        };
        let survey = facts.survey.as_ref().map(|_| feedback::survey_url(self.app, message)).transpose()?;
        Ok((review, survey))
    }

    fn day(&self, at: Instant) -> NaiveDate {
        at.with_timezone(&self.settings.time_zone).date_naive()
    }

    async fn order(&self, id: OrderId) -> Result<(OrderPart, BTreeSet<String>), Missing> {
        let row = order::Entity::find_by_id(id).one(self.db).await?.ok_or(GONE)?;
        let lines = order_line::Entity::find()
            .filter(order_line::Column::OrderId.eq(id))
            .order_by_asc(order_line::Column::Position)
            .all(self.db)
            .await?;
        let currency: Currency = row.currency.parse()?;
        let money = |minor| Money { minor, currency };
        let skus = lines.iter().map(|line| line.sku.clone()).collect();
        let line = |line: order_line::Model| {
            let order_line::Model { sku, name, quantity, line_total, .. } = line;
            LinePart { sku, name, quantity, price: money(line_total) }
        };
        let part = OrderPart {
            number: row.external_id,
            placed: self.day(row.placed_at),
            delivered: row.delivered_at.map(|at| self.day(at)),
            lines: lines.into_iter().map(line).collect(),
            total: money(row.lines_total + row.shipping),
        };
        Ok((part, skus))
    }

    async fn cart(&self, id: entity::id::CartId) -> Result<CartPart, Missing> {
        let row = cart::Entity::find_by_id(id).one(self.db).await?.ok_or(GONE)?;
        if row.closed_at.is_some() {
            return Err(Missing::Gone(Reason::ConditionNotMet));
        }
        let currency: Currency = row.currency.parse()?;
        let money = |minor| Money { minor, currency };
        let lines: Vec<CartLine> = Vec::deserialize(&row.lines)?;
        let line = |line: CartLine| {
            let CartLine { sku, name, quantity, line_total } = line;
            LinePart { sku, name, quantity, price: money(line_total) }
        };
        Ok(CartPart { lines: lines.into_iter().map(line).collect(), total: money(row.total) })
    }

    async fn product(&self, id: ProductId) -> Result<product::Model, Missing> {
        let row = product::Entity::find_by_id(id).one(self.db).await?;
        row.filter(|row| !row.archived).ok_or(GONE)
    }

    async fn with_skus(
        &self,
        skus: impl IntoIterator<Item = String>,
    ) -> Result<Vec<product::Model>, Missing> {
        let among = is_among_texts(self.db.get_database_backend(), "sku", skus);
        Ok(product::Entity::find().filter(among).order_by_asc(product::Column::Id).all(self.db).await?)
    }

    /// What goes with what was bought, and can be bought by everybody.
    async fn companions(&self, bought: BTreeSet<String>) -> Result<Vec<ProductPart>, Missing> {
        let mut skus = BTreeSet::new();
        for row in self.with_skus(bought.iter().cloned()).await? {
            skus.extend(Vec::<String>::deserialize(&row.companions)?);
        }
        let others = skus.difference(&bought).cloned().collect::<Vec<_>>();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.app.clock.now();
        let found = self.with_skus(others).await?.into_iter().filter(|row| is_available(row, now));
        Ok(found.take(MOST_COMPANIONS).map(|row| ProductPart { sku: row.sku, name: row.name }).collect())
    }

    async fn update(&self, id: ProductUpdateId) -> Result<UpdatePart, Missing> {
        let row = product_update::Entity::find_by_id(id).one(self.db).await?.ok_or(GONE)?;
        let text = |texts: serde_json::Value| -> Result<String, Missing> {
            let texts: Texts = serde_json::from_value(texts)?;
            Ok(in_language(&texts, Some(self.wanted.language), &self.settings.locale).to_owned())
        };
        Ok(UpdatePart { title: text(row.title)?, body: text(row.body)?, link: row.link })
    }

    async fn account(&self) -> Result<Option<points_account::Model>, Missing> {
        let id = AccountId(self.wanted.recipient.person().0);
        Ok(points_account::Entity::find_by_id(id).one(self.db).await?)
    }

    fn points(&self, account: Option<&points_account::Model>) -> PointsPart {
        let facts = self.wanted.facts;
        PointsPart {
            available: account.map_or(0, |account| account.available),
            pending: account.map_or(0, |account| account.pending),
            ending: facts.points,
            ends: facts.ends_at.filter(|_| facts.points.is_some()).map(|at| self.day(at)),
        }
    }

    /// The tier that the message is about, else the one that its reader has.
    async fn tier(&self) -> Result<Option<TierPart>, Missing> {
        let facts = self.wanted.facts;
        let name = |code: &str| {
            let tiers = &self.settings.tiers;
            tiers.rank(code).and_then(|rank| tiers.tiers.get(rank)).map(|tier| tier.name.clone())
        };
        if let Some(code) = &facts.tier {
            let name = name(code).ok_or(GONE)?;
            return Ok(Some(TierPart { name, ends: facts.ends_at.map(|at| self.day(at)) }));
        }
        let Some(customer) =
            self.wanted.recipient.customer().filter(|_| !self.settings.tiers.tiers.is_empty())
        else {
            return Ok(None);
        };
        let row = customer_tier::Entity::find_by_id(customer.id).one(self.db).await?;
        let held = row.and_then(|row| Some((name(row.tier.as_deref()?)?, row.until)));
        Ok(held.map(|(name, until)| TierPart { name, ends: until.map(|at| self.day(at)) }))
    }

    async fn membership(&self, id: MembershipId) -> Result<MembershipPart, Missing> {
        let row = membership::Entity::find_by_id(id).one(self.db).await?.ok_or(GONE)?;
        let plan = membership_plan::Entity::find_by_id(row.plan_id).one(self.db).await?.ok_or(GONE)?;
        let fee = Money { minor: row.price, currency: row.currency.parse()? };
        let paid_through = row.paid_through.map(|at| self.day(at));
        Ok(MembershipPart { plan: plan.name, fee, paid_through, saved: None, yearly_fee: None })
    }

    /// What a plan would have saved its reader in a year, and what it would have cost: what journeys compare too.
    async fn plan(&self, code: &str) -> Result<MembershipPart, Missing> {
        let found = membership_plan::Entity::find().filter(membership_plan::Column::Code.eq(code));
        let row = found.one(self.db).await?.filter(|row| !row.archived).ok_or(GONE)?;
        let plan = Plan::try_from(row)?;
        let savings = match self.wanted.recipient.customer() {
            Some(customer) => {
                let year = Span::year_before(self.app.clock.now());
                Some(would_have_saved(self.app, customer.id, &plan, year).await?)
            }
            None => None,
        };
        let money = |minor| Money { minor, currency: plan.price.currency };
        Ok(MembershipPart {
            fee: plan.price,
            paid_through: None,
            saved: savings.map(|savings| money(savings.saved)),
            yearly_fee: savings.map(|savings| money(savings.fee)),
            plan: plan.name,
        })
    }

    /// News of the programme beside an order: points, and shipping that a membership would have made free.
    async fn programme(
        &self,
        account: Option<&points_account::Model>,
    ) -> Result<Option<ProgrammePart>, Missing> {
        let Some(account) = account else { return Ok(None) };
        let free_shipping = match self.wanted.facts.order {
            Some(order) => {
                let row = order_shipping::Entity::find_by_id(order).one(self.db).await?;
                let frozen = row.map(Frozen::try_from).transpose()?;
                frozen.is_some_and(|frozen| {
                    frozen
                        .prices
                        .keys()
                        .any(|plan| frozen.charged > 0 && frozen.would_have_saved(plan) == frozen.charged)
                })
            }
            None => false,
        };
        let (available, pending) = (account.available, account.pending);
        Ok(Some(ProgrammePart { available, pending, free_shipping }))
    }

    /// The coupon, while it can be used by its reader.
    async fn coupon(&self, code: &str) -> Result<Option<CouponPart>, Missing> {
        let now = self.app.clock.now();
        let reader = self.wanted.recipient.customer().map(|row| row.id);
        let found = coupon::Entity::find().filter(coupon::Column::Code.eq(code)).one(self.db).await?;
        let usable = found.filter(|row| {
            row.disabled_at.is_none()
                && row.ends_at.is_none_or(|ends| ends > now)
                && row.customer_id.is_none_or(|owner| Some(owner) == reader)
        });
        let ends = |row: &coupon::Model| row.ends_at.map(|at| self.day(at));
        Ok(usable.map(|row| CouponPart { ends: ends(&row), code: row.code, name: row.name }))
    }
}
