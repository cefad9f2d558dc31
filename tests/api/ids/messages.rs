//! Places of messages and of the journeys that send them.

use regulars::graphql::global_id::NodeType;
use serde_json::json;

use super::{HiddenFrom, Place, place};

/// Those of both.
pub(super) fn places() -> [Place; 5] {
    use HiddenFrom::{Nobody, Strangers};
    use NodeType::{Customer, Message, Product};
    let text = |text: &str| json!([{ "locale": "en", "text": text }]);
    let news = json!({ "input": { "title": text("New lids"), "body": text("They fit.") } });
    let template = json!({ "template": { "code": "thank_you" } });
    [
        place("journeyPreview", "customerId", Customer, Nobody, json!({ "code": "thank_you" })),
        place("explainNotSent", "customerId", Customer, Nobody, json!({ "journey": "thank_you" })),
        place("productUpdateAnnounce", "input.productId", Product, Nobody, news),
        place("messageTemplatePreview", "customerId", Customer, Nobody, template),
        place("inboxMarkRead", "input.ids", Message, Strangers, json!({ "input": {} })),
    ]
}
