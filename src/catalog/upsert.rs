//! Making and changing products: one path for the API's one, its many and an import's hundreds, in a handful of
//! statements.

use std::collections::{HashMap, HashSet};

use entity::Instant;
use entity::id::ProductId;
use entity::points_entry::ActorKind;
use entity::product::{Column, Entity, Model};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::release::announce;
use super::rules::{InvalidProduct, check, check_whole};
use super::terms;
use crate::audit::{self, Entry};
use crate::customers::write::{Change, differing};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among_texts;
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// A product as the shop states it; what is kept stays as it is, and is nothing for a new product.
#[derive(Clone, Debug, Serialize)]
pub struct Upsert {
    /// The shop's.
    pub sku: String,
    /// Shown to customers; a new product needs one.
    pub name: Option<String>,
    /// At most 20.
    pub categories: Change<Vec<String>>,
    /// When everybody sees it; always, if cleared.
    pub public_from: Change<Instant>,
    /// When customers with early access see it.
    pub early_access_from: Change<Instant>,
    /// 1 to 3650.
    pub replenish_after_days: Change<i32>,
    /// 90 to 180.
    pub care_window_days: Change<i32>,
    /// Not kept, if cleared.
    pub stock: Change<i32>,
    /// Grams of one piece, 0 to 10,000,000; not known, if cleared.
    #[serde(skip_serializing_if = "Change::is_kept")]
    pub weight_grams: Change<i32>,
    /// At most 20 skus.
    pub companions: Change<Vec<String>>,
    /// Whether it is no longer sold.
    pub archived: Option<bool>,
}

impl Upsert {
    /// Nothing but which product.
    pub(crate) fn of(sku: impl Into<String>) -> Self {
        Self {
            sku: sku.into(),
            name: None,
            categories: Change::Keep,
            public_from: Change::Keep,
            early_access_from: Change::Keep,
            replenish_after_days: Change::Keep,
            care_window_days: Change::Keep,
            stock: Change::Keep,
            weight_grams: Change::Keep,
            companions: Change::Keep,
            archived: None,
        }
    }

    /// The product as it is to be.
    fn onto(&self, mut product: Model, now: Instant) -> Model {
        let texts = |texts: &Vec<String>| Json::from(texts.clone());
        if let Some(name) = &self.name {
            product.name.clone_from(name);
        }
        self.categories.onto_or(&mut product.categories, texts, || json!([]));
        self.companions.onto_or(&mut product.companions, texts, || json!([]));
        let public_from = product.public_from;
        self.public_from.onto(&mut product.public_from, |at| *at);
        self.early_access_from.onto(&mut product.early_access_from, |at| *at);
        self.replenish_after_days.onto(&mut product.replenish_after_days, |days| *days);
        self.care_window_days.onto(&mut product.care_window_days, |days| *days);
        self.stock.onto(&mut product.stock, |stock| *stock);
        self.weight_grams.onto(&mut product.weight_grams, |grams| *grams);
        product.archived = self.archived.unwrap_or(product.archived);
        if product.public_from != public_from {
            product.releases_at = product.public_from.filter(|at| *at > now);
        }
        product
    }
}

/// Many products as the shop states them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UpsertAll(pub(crate) Vec<Upsert>);

/// What became of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upserted {
    /// It is new.
    New(ProductId),
    /// It differs from what it was.
    Changed(ProductId),
    /// It is as it was.
    Unchanged(ProductId),
}

impl Upserted {
    /// Which product.
    pub(crate) fn id(self) -> ProductId {
        match self {
            Self::New(id) | Self::Changed(id) | Self::Unchanged(id) => id,
        }
    }
}

/// A product of many that cannot be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidRow {
    /// Its place among them, from 0.
    pub(crate) row: usize,
    /// What is wrong with it.
    pub(crate) what: InvalidProduct,
}

/// Makes or changes the product with this sku.
pub(crate) async fn upsert(tx: &Tx, stated: &Upsert) -> Outcome<ProductId, InvalidProduct> {
    match upsert_batch(tx, std::slice::from_ref(stated)).await?.pop() {
        Some(Ok(done)) => Ok(done.id()),
        Some(Err(reason)) => refuse(reason),
        None => Err(Fault::internal("a batch without its result").into()),
    }
}

/// Makes or changes all of these products, or none.
pub(crate) async fn upsert_all(
    tx: &Tx,
    UpsertAll(stated): &UpsertAll,
) -> Outcome<Vec<ProductId>, Vec<InvalidRow>> {
    let results = upsert_batch(tx, stated).await?;
    let (mut done, mut invalid) = (Vec::new(), Vec::new());
    for (row, result) in results.into_iter().enumerate() {
        match result {
            Ok(product) => done.push(product.id()),
            Err(what) => invalid.push(InvalidRow { row, what }),
        }
    }
    if invalid.is_empty() { Ok(done) } else { refuse(invalid) }
}

/// Makes or changes products; one that is refused does not disturb the others.
pub(crate) async fn upsert_batch(
    tx: &Tx,
    stated: &[Upsert],
) -> Result<Vec<Result<Upserted, InvalidProduct>>, Fault> {
    let mut sorting = Sorting::of(stated);
    let skus: Vec<&str> = sorting.open.iter().map(|index| stated[*index].sku.as_str()).collect();
    let known = locked(tx, &skus).await?;
    let (there, missing): (Vec<usize>, Vec<usize>) =
        sorting.open.iter().partition(|index| known.contains_key(&stated[**index].sku));
    let new = sorting.made(tx, missing);
    let raced = insert(tx, &new).await?;
    let new: Vec<Draft> = new.into_iter().filter(|draft| !raced.contains_key(&draft.after.sku)).collect();
    let known = |sku: &str| known.get(sku).or_else(|| raced.get(sku)).cloned();
    let there = there.into_iter().chain(sorting.skus_of(&raced));
    let changed = sorting.changed(tx, there.collect(), known);
    update(tx, &changed).await?;
    let written: Vec<Draft> = new.into_iter().chain(changed).collect();
    terms::refresh(tx, written.iter().filter(|draft| draft.is_renamed()).map(|draft| &draft.after)).await?;
    announce(tx, written.iter().map(|draft| &draft.after)).await?;
    audited(tx, &written).await?;
    sorting.finish(written)
}

/// A product that is about to be written.
struct Draft {
    index: usize,
    before: Option<Model>,
    after: Model,
}

impl Draft {
    fn is_renamed(&self) -> bool {
        let after = &self.after;
        self.before
            .as_ref()
            .is_none_or(|before| (&before.name, &before.categories) != (&after.name, &after.categories))
    }
}

/// A batch on its way.
struct Sorting<'a> {
    stated: &'a [Upsert],
    results: Vec<Option<Result<Upserted, InvalidProduct>>>,
    /// Places of those that may be written.
    open: Vec<usize>,
}

impl<'a> Sorting<'a> {
    fn of(stated: &'a [Upsert]) -> Self {
        let mut seen = HashSet::new();
        let results: Vec<_> = stated
            .iter()
            .map(|upsert| match check(upsert) {
                Ok(()) if seen.insert(upsert.sku.as_str()) => None,
                Ok(()) => Some(Err(InvalidProduct { field: "sku", problem: "came before" })),
                Err(reason) => Some(Err(reason)),
            })
            .collect();
        let mut open: Vec<usize> = (0..stated.len()).filter(|index| results[*index].is_none()).collect();
        // Two batches that share products wait for each other in one direction only.
        open.sort_by_key(|index| &stated[*index].sku);
        Self { stated, results, open }
    }

    /// The places of these products.
    fn skus_of(&self, among: &HashMap<String, Model>) -> Vec<usize> {
        self.open.iter().copied().filter(|index| among.contains_key(&self.stated[*index].sku)).collect()
    }

    fn made(&mut self, tx: &Tx, indexes: Vec<usize>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for index in indexes {
            let stated = &self.stated[index];
            let after = stated.onto(blank(tx, &stated.sku), tx.now());
            let checked = if stated.name.is_none() {
                Err(InvalidProduct { field: "name", problem: "is needed for a new product" })
            } else {
                check_whole(&after)
            };
            match checked {
                Ok(()) => drafts.push(Draft { index, before: None, after }),
                Err(reason) => self.results[index] = Some(Err(reason)),
            }
        }
        drafts
    }

    /// Those that differ from what they were.
    fn changed(&mut self, tx: &Tx, indexes: Vec<usize>, known: impl Fn(&str) -> Option<Model>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for index in indexes {
            let stated = &self.stated[index];
            let Some(before) = known(&stated.sku) else { continue };
            let after = stated.onto(before.clone(), tx.now());
            if let Err(reason) = check_whole(&after) {
                self.results[index] = Some(Err(reason));
            } else if after == before {
                self.results[index] = Some(Ok(Upserted::Unchanged(before.id)));
            } else {
                let after = Model { updated_at: tx.now(), ..after };
                drafts.push(Draft { index, before: Some(before), after });
            }
        }
        drafts
    }

    fn finish(mut self, written: Vec<Draft>) -> Result<Vec<Result<Upserted, InvalidProduct>>, Fault> {
        for Draft { index, before, after } in written {
            let is_new = before.is_none();
            let done = if is_new { Upserted::New(after.id) } else { Upserted::Changed(after.id) };
            self.results[index] = Some(Ok(done));
        }
        let settled: Option<Vec<_>> = self.results.into_iter().collect();
        settled.ok_or_else(|| Fault::internal("a product was left unsettled"))
    }
}

fn blank(tx: &Tx, sku: &str) -> Model {
    Model {
        id: tx.id(),
        sku: sku.to_owned(),
        name: String::new(),
        categories: json!([]),
        created_at: tx.now(),
        updated_at: tx.now(),
        public_from: None,
        early_access_from: None,
        replenish_after_days: None,
        care_window_days: None,
        stock: None,
        companions: json!([]),
        archived: false,
        restocks: 0,
        weight_grams: None,
        releases_at: None,
    }
}

/// The products with these skus, locked until the transaction ends.
async fn locked(tx: &Tx, skus: &[&str]) -> Result<HashMap<String, Model>, Fault> {
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let skus = skus.iter().map(|sku| (*sku).to_owned());
    let among = is_among_texts(tx.db().get_database_backend(), "sku", skus);
    let rows = Entity::find().filter(among).order_by_asc(Column::Sku).lock_exclusive().all(tx.db()).await?;
    Ok(rows.into_iter().map(|row| (row.sku.clone(), row)).collect())
}

/// Inserts products; answers, locked, those that another transaction made meanwhile.
async fn insert(tx: &Tx, drafts: &[Draft]) -> Result<HashMap<String, Model>, Fault> {
    const COLUMNS: &[&str] = &[
        "id",
        "sku",
        "name",
        "categories",
        "created_at",
        "updated_at",
        "public_from",
        "early_access_from",
        "replenish_after_days",
        "care_window_days",
        "stock",
        "weight_grams",
        "companions",
        "archived",
        "restocks",
        "releases_at",
    ];
    let mut rows = Rows::new("products", COLUMNS);
    for Draft { after: product, .. } in drafts {
        rows.push([
            product.id.0.into(),
            product.sku.as_str().into(),
            product.name.as_str().into(),
            product.categories.clone().into(),
            product.created_at.into(),
            product.updated_at.into(),
            product.public_from.into(),
            product.early_access_from.into(),
            product.replenish_after_days.into(),
            product.care_window_days.into(),
            product.stock.into(),
            product.weight_grams.into(),
            product.companions.clone().into(),
            product.archived.into(),
            product.restocks.into(),
            product.releases_at.into(),
        ]);
    }
    if rows.insert_missing(tx.db()).await? == drafts.len() {
        return Ok(HashMap::new());
    }
    let skus: Vec<&str> = drafts.iter().map(|draft| draft.after.sku.as_str()).collect();
    let mut there = locked(tx, &skus).await?;
    there.retain(|_, row| drafts.iter().all(|draft| draft.after.id != row.id));
    Ok(there)
}

async fn update(tx: &Tx, drafts: &[Draft]) -> Result<(), Fault> {
    const COLUMNS: &[&str] = &[
        "id",
        "name",
        "categories",
        "updated_at",
        "public_from",
        "early_access_from",
        "replenish_after_days",
        "care_window_days",
        "stock",
        "weight_grams",
        "companions",
        "archived",
        "releases_at",
    ];
    let mut rows = Rows::new("products", COLUMNS);
    for Draft { after: product, .. } in drafts {
        rows.push([
            product.id.0.into(),
            product.name.as_str().into(),
            product.categories.clone().into(),
            product.updated_at.into(),
            product.public_from.into(),
            product.early_access_from.into(),
            product.replenish_after_days.into(),
            product.care_window_days.into(),
            product.stock.into(),
            product.weight_grams.into(),
            product.companions.clone().into(),
            product.archived.into(),
            product.releases_at.into(),
        ]);
    }
    rows.update(tx.db(), "").await
}

/// Leaves an entry for each product with what differs, if staff did it.
async fn audited(tx: &Tx, written: &[Draft]) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let entry = |draft: &Draft| {
        let (before, after) = (draft.before.as_ref().map_or(Json::Null, told), told(&draft.after));
        let detail = json!({ "before": differing(&before, &after), "after": differing(&after, &before) });
        Entry::of("product.upsert", "Product", draft.after.id.0, detail)
    };
    audit::record(tx, written.iter().map(entry)).await
}

/// A product as the audit log tells it.
fn told(product: &Model) -> Json {
    json!({
        "sku": product.sku,
        "name": product.name,
        "categories": product.categories,
        "publicFrom": product.public_from,
        "earlyAccessFrom": product.early_access_from,
        "replenishAfterDays": product.replenish_after_days,
        "careWindowDays": product.care_window_days,
        "stock": product.stock,
        "weightGrams": product.weight_grams,
        "companions": product.companions,
        "archived": product.archived,
    })
}
