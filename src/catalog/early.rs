//! Who has early access to what: members of some tiers and plans to every product, and whoever claimed a reward for it to those that
//! it names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::Instant;
use entity::id::CustomerId;
use entity::product::Model;
use sea_orm::ConnectionTrait;

use super::list;
use super::rules::{Visibility, visibility};
use crate::error::Fault;
use crate::settings::ShopSettings;
use crate::{memberships, rewards, tiers};

/// What somebody has early access to, once it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EarlyAccess {
    /// Every product.
    pub(super) everything: bool,
    /// Else these.
    pub(super) skus: BTreeSet<String>,
}

impl EarlyAccess {
    /// Whether it is for the product with this sku.
    pub(crate) fn covers(&self, sku: &str) -> bool {
        self.everything || self.skus.contains(sku)
    }

    /// As what somebody with it sees `product`.
    pub(crate) fn visibility(&self, product: &Model, now: Instant) -> Visibility {
        visibility(product, now, self.covers(&product.sku))
    }
}

/// What each of these customers has early access to. Whatever else is to give it is asked for here.
pub(crate) async fn entitled(
    db: &impl ConnectionTrait,
    settings: &ShopSettings,
    now: Instant,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, EarlyAccess>, Fault> {
    let customers: BTreeSet<CustomerId> = customers.into_iter().collect();
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut entitled: BTreeMap<CustomerId, EarlyAccess> = BTreeMap::new();
    for (customer, skus) in rewards::early_access(db, customers.iter().copied()).await? {
        entitled.entry(customer).or_default().skus = skus;
    }
    let early = |code: &str| settings.tiers.tiers.iter().any(|tier| tier.early_access && tier.code == code);
    if settings.tiers.tiers.iter().any(|tier| tier.early_access) {
        for (customer, tier) in tiers::held(db, customers.iter().copied()).await? {
            if early(&tier) {
                entitled.entry(customer).or_default().everything = true;
            }
        }
    }
    for (customer, held) in memberships::held(db, customers, now).await? {
        if held.plan.benefits.early_access {
            entitled.entry(customer).or_default().everything = true;
        }
    }
    Ok(entitled)
}

/// What somebody ordered, or would.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<'a> {
    /// None is nobody known.
    pub(crate) customer: Option<CustomerId>,
    /// When.
    pub(crate) at: Instant,
    pub(crate) skus: Vec<&'a str>,
}

/// For each of `orders`, those of its skus that its buyer could not order yet. What the catalogue does not know can be
/// ordered, and so could what was archived since.
pub(crate) async fn not_yet(
    db: &impl ConnectionTrait,
    settings: &ShopSettings,
    orders: &[Ordered<'_>],
) -> Result<Vec<BTreeSet<String>>, Fault> {
    let times = || orders.iter().map(|order| order.at);
    let Some((first, last)) = times().min().zip(times().max()) else { return Ok(Vec::new()) };
    let skus: BTreeSet<&str> = orders.iter().flat_map(|order| order.skus.iter().copied()).collect();
    let secret = list::not_public_at(db, first, skus.into_iter().map(str::to_owned)).await?;
    if secret.is_empty() {
        return Ok(vec![BTreeSet::new(); orders.len()]);
    }
    let secret: HashMap<&str, &Model> = secret.iter().map(|row| (row.sku.as_str(), row)).collect();
    let entitled = entitled(db, settings, last, orders.iter().filter_map(|order| order.customer)).await?;
    let nothing = EarlyAccess::default();
    let of_order = |order: &Ordered<'_>| {
        let early = order.customer.and_then(|customer| entitled.get(&customer)).unwrap_or(&nothing);
        let is_early = |sku: &&&str| {
            secret.get(**sku).is_some_and(|row| {
                let sold = Model { archived: false, ..(*row).clone() };
                early.visibility(&sold, order.at) == Visibility::Hidden
            })
        };
        order.skus.iter().filter(is_early).map(|sku| (*sku).to_owned()).collect()
    };
    Ok(orders.iter().map(of_order).collect())
}
