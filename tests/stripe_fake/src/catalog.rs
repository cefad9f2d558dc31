//! Products and prices.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

pub(crate) fn create_product(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "id",
        "name",
        "active",
        "description",
        "metadata",
        "tax_code",
        "url",
        "statement_descriptor",
    ])?;
    let id = form.text("id").map_or_else(|| state.id("prod"), str::to_owned);
    if state.find(&id).is_some() {
        let message = format!("Product already exists with id: {id}");
        return Err(Refusal::parameter("id", "resource_already_exists", &message));
    }
    let doc = json!({
        "id": id, "object": "product", "active": form.flag("active")?.unwrap_or(true), "created": state.now,
        "default_price": null, "description": doc::or_null(form.text("description")), "images": [],
        "livemode": false, "marketing_features": [], "metadata": form.merge("metadata", &json!({})),
        "name": form.need("name")?, "package_dimensions": null, "shippable": null,
        "statement_descriptor": doc::or_null(form.text("statement_descriptor")),
        "tax_code": doc::or_null(form.text("tax_code")), "type": "service", "unit_label": null,
        "updated": state.now, "url": doc::or_null(form.text("url")),
    });
    Ok(state.add(doc))
}

pub(crate) fn update_product(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["name", "active", "description", "metadata", "tax_code", "url", "statement_descriptor"])?;
    let mut doc = state.get("product", id)?;
    for name in ["name", "description", "tax_code", "url", "statement_descriptor"] {
        if let Some(value) = form.text(name) {
            doc[name] = doc::or_null(Some(value));
        }
    }
    if let Some(active) = form.flag("active")? {
        doc["active"] = active.into();
    }
    doc["metadata"] = form.merge("metadata", &doc["metadata"]);
    doc["updated"] = state.now.into();
    state.change(id, |stored| *stored = doc.clone());
    Ok(doc)
}

pub(crate) fn list_products(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["active", "ids", "limit", "starting_after", "ending_before"])?;
    let (active, ids) = (form.flag("active")?, form.list("ids"));
    let mut all = state.all("product");
    all.retain(|doc| active.is_none_or(|active| doc["active"] == active));
    all.retain(|doc| ids.is_empty() || ids.contains(&doc::text(doc, "/id")));
    form.page("/v1/products", &all)
}

pub(crate) fn create_price(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "product",
        "currency",
        "unit_amount",
        "recurring",
        "lookup_key",
        "transfer_lookup_key",
        "nickname",
        "metadata",
        "tax_behavior",
        "active",
        "billing_scheme",
    ])?;
    let product = form.need("product")?;
    state.named("product", "product", product)?;
    form.one_of("billing_scheme", &["per_unit"])?;
    let amount = form.int("unit_amount")?.filter(|amount| *amount >= 0).ok_or_else(|| {
        Refusal::parameter("unit_amount", "parameter_missing", "Missing required param: unit_amount.")
    })?;
    let recurring = if form.has("recurring") {
        form.need("recurring[interval]")?;
        json!({
            "interval": form.one_of("recurring[interval]", &["month", "year", "week", "day"])?,
            "interval_count": form.int("recurring[interval_count]")?.unwrap_or(1),
            "meter": null, "trial_period_days": null, "usage_type": "licensed",
        })
    } else {
        Value::Null
    };
    let kind = if recurring.is_null() { "one_time" } else { "recurring" };
    let doc = json!({
        "id": state.id("price"), "object": "price", "active": form.flag("active")?.unwrap_or(true),
        "billing_scheme": "per_unit", "created": state.now, "currency": form.need("currency")?.to_lowercase(),
        "custom_unit_amount": null, "livemode": false, "lookup_key": null,
        "metadata": form.merge("metadata", &json!({})), "nickname": doc::or_null(form.text("nickname")),
        "product": product, "recurring": recurring,
        "tax_behavior": form.one_of("tax_behavior", &["unspecified", "inclusive", "exclusive"])?,
        "tiers_mode": null, "transform_quantity": null, "type": kind,
        "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    });
    let id = doc::id(&doc);
    let key = claim_lookup_key(state, &id, form)?;
    state.add(doc);
    state.change(&id, |doc| doc["lookup_key"] = key);
    state.get("price", &id)
}

/// A lookup key belongs to one price; it moves only if the call says so.
fn claim_lookup_key(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    let key = doc::or_null(form.text("lookup_key"));
    let holder = state
        .all("price")
        .into_iter()
        .find(|price| !key.is_null() && price["lookup_key"] == key && price["id"] != id);
    let Some(holder) = holder else { return Ok(key) };
    if form.flag("transfer_lookup_key")? != Some(true) {
        return Err(Refusal::invalid("A price already uses that lookup key.").with("param", "lookup_key"));
    }
    state.change(&doc::id(&holder), |doc| doc["lookup_key"] = Value::Null);
    Ok(key)
}

pub(crate) fn update_price(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["active", "lookup_key", "transfer_lookup_key", "metadata", "nickname"])?;
    let mut doc = state.get("price", id)?;
    if let Some(active) = form.flag("active")? {
        doc["active"] = active.into();
    }
    if let Some(nickname) = form.text("nickname") {
        doc["nickname"] = doc::or_null(Some(nickname));
    }
    if form.has("lookup_key") {
        doc["lookup_key"] = claim_lookup_key(state, id, form)?;
    }
    doc["metadata"] = form.merge("metadata", &doc["metadata"]);
    state.change(id, |stored| *stored = doc.clone());
    Ok(doc)
}

pub(crate) fn list_prices(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "active",
        "lookup_keys",
        "product",
        "currency",
        "type",
        "limit",
        "starting_after",
        "ending_before",
    ])?;
    let (active, keys) = (form.flag("active")?, form.list("lookup_keys"));
    let mut all = state.all("price");
    all.retain(|doc| active.is_none_or(|active| doc["active"] == active));
    all.retain(|doc| keys.is_empty() || keys.contains(&doc::text(doc, "/lookup_key")));
    for field in ["product", "currency", "type"] {
        all.retain(|doc| form.text(field).is_none_or(|value| doc[field] == value));
    }
    form.page("/v1/prices", &all)
}
