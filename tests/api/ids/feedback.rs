//! Places of reviews.

use regulars::graphql::global_id::NodeType;
use serde_json::{Value as Json, json};

use super::{Existing, HiddenFrom, Place, place};
use crate::support::{Caller, TestApp};

/// Has Joan review what she had delivered; answers a token with which she may review it.
pub(super) async fn made(shop: &TestApp, server: &Caller, there: &mut Existing) -> String {
    let id = there.joan.customer_id().to_owned();
    let product = shop.product(server, "R-1").await;
    let order = shop.delivered(server, json!({ "customerId": id }), "R-1").await;
    let review = json!({ "productId": product, "rating": 5 });
    let review = shop.done(&there.joan, "reviewSubmit", review).await;
    there.things.push((NodeType::Review, review["review"]["id"].as_str().unwrap().to_owned()));
    shop.review_token(&id, &order).await
}

/// Whoever has Joan's token is Joan, who was not brought the product of the table.
pub(super) fn places(token: &str) -> [Place; 4] {
    use HiddenFrom::{All, Nobody};
    use NodeType::{Product, Review};
    let of_one =
        |operation, rest: Json| place(operation, "input.id", Review, Nobody, json!({ "input": rest }));
    let submit = json!({ "input": { "rating": 5, "token": token } });
    [
        Place { code: "NOT_BOUGHT", ..place("reviewSubmit", "input.productId", Product, All, submit) },
        of_one("reviewModerate", json!({ "revision": 1, "decision": "PUBLISH" })),
        of_one("reviewAnswer", json!({ "answer": "Thank you." })),
        place("reviews", "filter.productId", Product, Nobody, json!({ "filter": {} })),
    ]
}
