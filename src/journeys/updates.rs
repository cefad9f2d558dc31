//! News of a product, for those who own it.

use std::collections::BTreeMap;

use entity::id::{ProductId, ProductUpdateId, StaffId};
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::error::{Outcome, refuse};
use crate::localized::{self, Texts};
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// Characters of a title.
const LONGEST_TITLE: usize = 200;
/// Characters of a text.
const LONGEST_BODY: usize = 5_000;

/// News of a product.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Announce {
    /// None if the id that was given is no product's.
    pub(crate) product: Option<ProductId>,
    /// By language tag.
    pub(crate) title: Vec<(String, String)>,
    /// By language tag.
    pub(crate) body: Vec<(String, String)>,
    /// `https://…`
    pub(crate) link: Option<String>,
    /// Who tells it.
    #[serde(skip)]
    pub(crate) by: Option<StaffId>,
}

/// Why nothing was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpdateError {
    /// There is no such product.
    NotFound,
    /// A value is out of its bounds.
    Invalid(&'static str, &'static str),
}

/// Tells news of a product to those who own it: journeys that it begins do.
pub(crate) async fn announce(tx: &Tx, announce: &Announce) -> Outcome<ProductUpdateId, UpdateError> {
    use sea_orm::EntityTrait;

    let title = match texts("title", &announce.title, LONGEST_TITLE, false) {
        Ok(texts) => texts,
        Err(invalid) => return refuse(invalid),
    };
    let body = match texts("body", &announce.body, LONGEST_BODY, true) {
        Ok(texts) => texts,
        Err(invalid) => return refuse(invalid),
    };
    if !title.keys().eq(body.keys()) {
        return refuse(UpdateError::Invalid("body", "must be in the languages of the title"));
    }
    if announce.link.as_deref().is_some_and(|link| !is_link(link)) {
        return refuse(UpdateError::Invalid(
            "link",
            "must begin with https:// and have 500 characters at most",
        ));
    }
    let Some(product) = announce.product else { return refuse(UpdateError::NotFound) };
    if entity::product::Entity::find_by_id(product).one(tx.db()).await?.is_none() {
        return refuse(UpdateError::NotFound);
    }
    let id: ProductUpdateId = tx.id();
    let columns = &["id", "product_id", "title", "body", "link", "staff_id", "created_at"];
    let mut rows = Rows::new("product_updates", columns);
    rows.push([
        id.0.into(),
        product.0.into(),
        serde_json::to_value(&title)?.into(),
        serde_json::to_value(&body)?.into(),
        announce.link.clone().into(),
        announce.by.map(|staff| staff.0).into(),
        tx.now().into(),
    ]);
    rows.insert(tx.db()).await?;
    let detail = json!({ "productId": product, "title": title, "link": announce.link });
    audit::record(tx, [Entry::of("product.update_announce", "Product", product.0, detail)]).await?;
    let (payload, occurred_at) = (json!({ "productId": product }), tx.now());
    emit(tx, [Event { topic: "product.updated", aggregate_id: id.0, payload, imported: false, occurred_at }])
        .await?;
    Ok(id)
}

fn texts(
    field: &'static str,
    given: &[(String, String)],
    longest: usize,
    lines: bool,
) -> Result<BTreeMap<String, String>, UpdateError> {
    let invalid = |problem| UpdateError::Invalid(field, problem);
    let texts: Texts =
        localized::by_tag(given.iter().cloned()).ok_or_else(|| invalid("has a language twice"))?;
    localized::check_tags(&texts).map_err(invalid)?;
    let fits = |text: &String| {
        let is_plain = |c: char| !c.is_control() || (lines && c == '\n');
        (1..=longest).contains(&text.chars().count()) && text.chars().all(is_plain)
    };
    if texts.values().all(fits) {
        Ok(texts)
    } else {
        Err(invalid("is empty, too long or has control characters"))
    }
}

fn is_link(link: &str) -> bool {
    link.len() <= 500
        && link.starts_with("https://")
        && url::Url::parse(link).is_ok_and(|url| url.has_host() && url.username().is_empty())
}
