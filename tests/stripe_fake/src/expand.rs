//! `expand[]`: ids become the objects they name.

use serde_json::{Value, json};

use crate::doc;
use crate::refusal::Refusal;
use crate::state::State;

pub(crate) fn expand(state: &State, mut doc: Value, paths: &[&str]) -> Result<Value, Refusal> {
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        // `data` of a list counts, as it does at Stripe.
        if steps.len() > 4 {
            return Err(Refusal::invalid("You cannot expand more than 4 levels of a property."));
        }
        walk(state, &mut doc, &steps, path)?;
    }
    Ok(doc)
}

fn walk(state: &State, doc: &mut Value, path: &[&str], whole: &str) -> Result<(), Refusal> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    include(state, doc, first);
    let Some(field) = doc.get_mut(*first) else {
        let message = format!("This property cannot be expanded ({whole}).");
        return Err(Refusal::invalid(&message).with("param", "expand"));
    };
    if let Some(found) = field.as_str().and_then(|id| state.find(id)) {
        *field = found.clone();
    }
    match field {
        Value::Null => Ok(()),
        Value::Array(elements) => {
            elements.iter_mut().try_for_each(|element| walk(state, element, rest, whole))
        }
        field => walk(state, field, rest, whole),
    }
}

/// Fields that are left out unless they are asked for.
fn include(state: &State, doc: &mut Value, field: &str) {
    let id = doc::id(doc);
    let found = match (doc::text(doc, "/object"), field) {
        ("invoice", "confirmation_secret") => {
            let intent = state.intent_of(&id).and_then(|intent| state.find(&intent));
            intent.map_or(
                Value::Null,
                |intent| json!({ "type": "payment_intent", "client_secret": intent["client_secret"] }),
            )
        }
        ("invoice", "payments") => doc::list("/v1/invoice_payments", &state.payments_of(&id)),
        ("charge", "refunds") => {
            let mut refunds = state.all("refund");
            refunds.retain(|refund| refund["charge"] == id.as_str());
            doc::list(&format!("/v1/charges/{id}/refunds"), &refunds)
        }
        _ => return,
    };
    doc[field] = found;
}
