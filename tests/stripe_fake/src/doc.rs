//! Reading and writing the JSON documents in which everything is kept, just as it goes over the wire.

use serde_json::{Value, json};

/// The text at `pointer`, empty if there is none.
pub(crate) fn text<'a>(doc: &'a Value, pointer: &str) -> &'a str {
    doc.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at `pointer`, if there is one.
pub(crate) fn number(doc: &Value, pointer: &str) -> Option<i64> {
    doc.pointer(pointer).and_then(Value::as_i64)
}

/// The number at `pointer`, for fields that are never null.
pub(crate) fn amount(doc: &Value, pointer: &str) -> i64 {
    number(doc, pointer).unwrap_or_default()
}

/// Writes a field that is there already, at any depth.
pub(crate) fn put(doc: &mut Value, pointer: &str, value: impl Into<Value>) {
    if let Some(slot) = doc.pointer_mut(pointer) {
        *slot = value.into();
    }
}

/// The object's own id.
pub(crate) fn id(doc: &Value) -> String {
    text(doc, "/id").to_owned()
}

/// The value, or null for an empty text: that is how a form unsets a field.
pub(crate) fn or_null(value: Option<&str>) -> Value {
    value.filter(|value| !value.is_empty()).map_or(Value::Null, Value::from)
}

/// What Stripe calls a list, whole.
pub(crate) fn list(url: &str, data: &[Value]) -> Value {
    json!({ "object": "list", "url": url, "has_more": false, "data": data })
}

/// The fields of `after` that were otherwise before, with the old values.
pub(crate) fn difference(before: &Value, after: &Value) -> Value {
    let changed =
        |(name, old): (&String, &Value)| (after.get(name) != Some(old)).then(|| (name.clone(), old.clone()));
    before.as_object().into_iter().flatten().filter_map(changed).collect::<serde_json::Map<_, _>>().into()
}
