//! Of which product of an order a message speaks.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};

use entity::id::ProductId;
use entity::message::Channel;
use entity::product;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::definition::{Trigger, has_window};
use super::enter::Entry;
use super::live::Live;
use super::purchases;
use crate::db::dialect::is_among_texts;
use crate::error::Fault;
use crate::messages::class::Class;
use crate::messages::published_template;
use crate::messages::templates::context::Parts;
use crate::messages::templates::{Body, fill, samples};
use crate::tx::Tx;

/// These, with the product that each speaks of: the dearest of the order that the catalogue has. Those that have none do
/// not begin if they could say nothing without it.
pub(super) async fn named<'a>(tx: &Tx, mut entries: Vec<Entry<'a>>) -> Result<Vec<Entry<'a>>, Fault> {
    let orders =
        entries.iter().filter(|entry| speaks_of_one(entry.live)).filter_map(|entry| entry.facts.order);
    let lines = purchases::lines(tx.db(), orders).await?;
    let skus: BTreeSet<String> = lines.values().flatten().map(|line| line.sku.clone()).collect();
    if skus.is_empty() {
        return Ok(entries);
    }
    let rows = product::Entity::find()
        .filter(is_among_texts(tx.db().get_database_backend(), "sku", skus))
        .filter(product::Column::Archived.eq(false))
        .all(tx.db())
        .await?;
    let products: HashMap<&str, ProductId> = rows.iter().map(|row| (row.sku.as_str(), row.id)).collect();
    for entry in entries.iter_mut().filter(|entry| speaks_of_one(entry.live)) {
        let lines = entry.facts.order.and_then(|order| lines.get(&order)).into_iter().flatten();
        let known = lines.filter(|line| products.contains_key(line.sku.as_str()));
        let dearest = known.max_by_key(|line| (line.line_total, std::cmp::Reverse(line.position)));
        entry.facts.product = dearest.and_then(|line| products.get(line.sku.as_str()).copied());
    }
    let lacks_one = |entry: &Entry<'_>| speaks_of_one(entry.live) && entry.facts.product.is_none();
    let mut needing: BTreeMap<_, bool> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| lacks_one(entry)) {
        if let btree_map::Entry::Vacant(unknown) = needing.entry(entry.live.id.0) {
            unknown.insert(needs_one(tx, entry.live).await?);
        }
    }
    entries.retain(|entry| !lacks_one(entry) || needing.get(&entry.live.id.0) == Some(&false));
    Ok(entries)
}

/// Whether a journey is about what an order brought.
fn speaks_of_one(live: &Live) -> bool {
    live.definition.trigger == Trigger::OrderDelivered && has_window(live.definition.class())
}

/// Whether a message of a journey cannot be filled in without a product, which is found out by trying.
async fn needs_one(tx: &Tx, live: &Live) -> Result<bool, Fault> {
    for step in &live.definition.steps {
        let Some(template) = published_template(tx.db(), &step.template).await? else { continue };
        let (body, channels) = (template.body, step.channels.clone());
        if tokio::task::spawn_blocking(move || fails_without_one(&body, &channels)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fails_without_one(body: &Body, channels: &[Channel]) -> bool {
    let class = Class::of(body.purpose);
    body.content.iter().any(|(language, content)| {
        let without = Parts { product: None, ..samples::full(language) };
        let values = without.shown(class, class.may_promote());
        channels.iter().any(|channel| match channel {
            Channel::Email => fill::mail(content, &values, language).is_err(),
            Channel::Inbox | Channel::Sms | Channel::Push => fill::note(content, &values, language).is_err(),
        })
    })
}
