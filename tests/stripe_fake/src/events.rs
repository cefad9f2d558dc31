//! Events, and how they are signed.

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

/// The API version in which events are written.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Such as `invoice.paid`.
    pub kind: String,
    /// The id of the object that it happened to.
    pub object_id: String,
    /// The JSON that is posted, as it was when the event happened.
    pub body: String,
}

impl State {
    /// Notes that something happened to an object, which is told as it is now.
    pub(crate) fn tell(&mut self, kind: &str, object: &str, previous: Option<Value>) {
        let Some(object) = self.find(object).cloned() else { return };
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        let id = self.id("evt");
        let body = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now, "data": data,
            "livemode": false, "pending_webhooks": self.webhooks,
            "request": { "id": self.origin.request, "idempotency_key": self.origin.key }, "type": kind,
        });
        let text = body.to_string();
        self.add(body);
        self.events.push(Arc::new(Event {
            id,
            kind: kind.to_owned(),
            object_id: doc::id(&object),
            body: text,
        }));
    }
}

pub(crate) fn list(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["type", "types", "created", "limit", "starting_after", "ending_before"])?;
    let (from, to) = (form.int("created[gte]")?, form.int("created[lt]")?);
    let kinds = form.list("types");
    let mut all = state.all("event");
    all.retain(|doc| form.text("type").is_none_or(|kind| doc["type"] == kind));
    all.retain(|doc| kinds.is_empty() || kinds.contains(&doc::text(doc, "/type")));
    all.retain(|doc| from.is_none_or(|from| doc::amount(doc, "/created") >= from));
    all.retain(|doc| to.is_none_or(|to| doc::amount(doc, "/created") < to));
    form.page("/v1/events", &all)
}

/// The header `Stripe-Signature`: one `v1` for each secret, as while a secret is being replaced.
pub fn signature(body: &str, secrets: &[String], at: i64) -> String {
    let sign = |secret: &String| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
        tag.as_ref().iter().fold(String::from(",v1="), |hex, byte| hex + &format!("{byte:02x}"))
    };
    format!("t={at}{}", secrets.iter().map(sign).collect::<String>())
}
