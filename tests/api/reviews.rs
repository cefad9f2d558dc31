//! Reviews of what was bought: who may write one, what staff make of it, and how it counts.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, uuid_of};

/// A review that a customer writes.
async fn writes(shop: &TestApp, customer: &Caller, product: &str, rating: i64) -> Json {
    let written =
        json!({ "productId": product, "rating": rating, "title": "Good", "body": "It pours well." });
    shop.done(customer, "reviewSubmit", written).await["review"].clone()
}

fn moderation(review: &Json, decision: &str) -> Json {
    json!({ "id": review["id"], "revision": review["revision"], "decision": decision })
}

async fn publishes(shop: &TestApp, staff: &Caller, review: &Json) -> Json {
    shop.done(staff, "reviewModerate", moderation(review, "PUBLISH")).await["review"].clone()
}

/// Average, number and numbers from 5 stars down to 1, as everybody sees them.
async fn rated(shop: &TestApp, sku: &str) -> (Json, i64, Vec<i64>) {
    let query = "query ($sku: String!) { product(sku: $sku) { rating { average count distribution { rating count } } } }";
    let answer = shop.graphql(&Caller::anonymous(), query, json!({ "sku": sku })).await;
    let rating = answer.at("/product/rating");
    let distribution = rating["distribution"].as_array().unwrap();
    let stars: Vec<i64> = distribution.iter().map(|of| of["rating"].as_i64().unwrap()).collect();
    assert_eq!(stars, [5, 4, 3, 2, 1]);
    let counts = distribution.iter().map(|of| of["count"].as_i64().unwrap()).collect();
    (rating["average"].clone(), rating["count"].as_i64().unwrap(), counts)
}

/// The published reviews of a product, as everybody sees them.
async fn shown(shop: &TestApp, sku: &str) -> Vec<Json> {
    let query = "query ($sku: String!) { product(sku: $sku) { reviews(first: 10) {
        totalCount nodes { rating title body author answer state customerId } } } }";
    let answer = shop.graphql(&Caller::anonymous(), query, json!({ "sku": sku })).await;
    let nodes = answer.at("/product/reviews/nodes").as_array().unwrap().clone();
    assert_eq!(answer.at("/product/reviews/totalCount"), nodes.len());
    nodes
}

/// Ratings and states of one's own reviews, the newest first.
async fn own(shop: &TestApp, customer: &Caller) -> Vec<(i64, String)> {
    let answer = shop.graphql(customer, "{ me { reviews { nodes { rating state } } } }", json!({})).await;
    let nodes = answer.at("/me/reviews/nodes").as_array().unwrap();
    let told = |node: &Json| (node["rating"].as_i64().unwrap(), node["state"].as_str().unwrap().to_owned());
    nodes.iter().map(told).collect()
}

fn id(customer: &Caller) -> Json {
    json!({ "customerId": customer.customer_id() })
}

both_engines! {
    async fn a_review_is_seen_by_everybody_once_staff_published_it(shop: &TestApp) {
        let (server, support) = (shop.as_server().await, shop.as_staff(Role::Support).await);
        let joan = shop.as_customer().await;
        let product = shop.product(&server, "A-1").await;
        shop.done(&joan, "customerUpdate", json!({ "name": "Joan <script>d'Arc</script>" })).await;
        shop.delivered(&server, id(&joan), "A-1").await;
        let first = writes(shop, &joan, &product, 2).await;
        assert_eq!((&first["state"], &first["revision"], &first["author"]), (&json!("PENDING"), &json!(1), &json!("Joan")));
        assert!(shown(shop, "A-1").await.is_empty());
        // Written again before staff looked: it is the same review, and what they read of it before is not what they publish.
        let title = "<img src=x onerror=alert(1)>";
        let again = json!({ "productId": product, "rating": 4, "title": title, "body": "Two\r\nlines & more" });
        let again = shop.done(&joan, "reviewSubmit", again).await["review"].clone();
        assert_eq!((&again["id"], &again["revision"]), (&first["id"], &json!(2)));
        shop.refused(&support, "reviewModerate", moderation(&first, "PUBLISH"), "CHANGED").await;
        publishes(shop, &support, &again).await;
        shop.done(&support, "reviewAnswer", json!({ "id": again["id"], "answer": "Thanks <b>Joan</b>" })).await;
        let expected = json!([{ "rating": 4, "title": title, "body": "Two\nlines & more", "author": "Joan",
            "answer": "Thanks <b>Joan</b>", "state": "PUBLISHED", "customerId": null }]);
        assert_eq!(json!(shown(shop, "A-1").await), expected);
        assert_eq!(rated(shop, "A-1").await, (json!(4.0), 1, vec![0, 1, 0, 0, 0]));
        let answered = shop.done(&support, "reviewAnswer", json!({ "id": again["id"], "answer": "Thank you." })).await;
        assert_eq!((&answered["review"]["answer"], &answered["review"]["customerId"]), (&json!("Thank you."), &json!(joan.customer_id())));
        let silent = shop.done(&support, "reviewAnswer", json!({ "id": again["id"], "answer": null })).await;
        assert_eq!((&silent["review"]["answer"], &silent["review"]["answeredAt"]), (&Json::Null, &Json::Null));
        shop.refused(&joan, "reviewSubmit", json!({ "productId": product, "rating": 5 }), "ALREADY_REVIEWED").await;
        assert_eq!(own(shop, &joan).await, [(4, "PUBLISHED".to_owned())]);
        let query = "query ($state: ReviewState) { reviews(filter: { state: $state }) { nodes { id product { sku } customerId } } }";
        let found = shop.graphql(&support, query, json!({ "state": "PUBLISHED" })).await;
        let expected = json!([{ "id": first["id"], "product": { "sku": "A-1" }, "customerId": joan.customer_id() }]);
        assert_eq!(found.at("/reviews/nodes"), &expected);
        assert_eq!(shop.graphql(&support, query, json!({ "state": "PENDING" })).await.at("/reviews/nodes"), &json!([]));
        let rows = shop.snapshot().await;
        let acts = |act: &str| rows.rows("audit_entries").iter().filter(|row| row.contains(act)).count();
        assert_eq!((acts("review.moderate"), acts("review.answer")), (1, 3));
    }

    async fn only_who_had_a_product_delivered_and_kept_some_reviews_it(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let (product, other) = (shop.product(&server, "A-1").await, shop.product(&server, "B-1").await);
        let review = |of: &str| json!({ "productId": of, "rating": 5 });
        let order = shop.place(&server, joan.customer_id(), "20.00", 2).await;
        for step in ["orderPay", "orderShip", "orderDeliver"] {
            shop.refused(&joan, "reviewSubmit", review(&product), "NOT_BOUGHT").await;
            shop.step(&server, step, &order).await;
        }
        shop.give_back(&server, &order, 1).await;
        shop.refused(&eve, "reviewSubmit", review(&product), "NOT_BOUGHT").await;
        shop.refused(&joan, "reviewSubmit", review(&other), "NOT_BOUGHT").await;
        for caller in [&Caller::anonymous(), &server] {
            shop.refused(caller, "reviewSubmit", review(&product), "SIGN_IN_REQUIRED").await;
        }
        for (field, value) in [("rating", json!(0)), ("rating", json!(6)), ("title", json!("two\nlines")), ("title", json!("")),
            ("title", json!("x".repeat(101))), ("body", json!(" ")), ("body", json!("nul\u{0}")), ("body", json!("x".repeat(5_001)))] {
            let mut bad = review(&product);
            bad[field] = value;
            let refused = shop.refused(&joan, "reviewSubmit", bad, "INVALID").await;
            assert_eq!(refused.user_errors()[0]["field"], json!(["input", field]));
        }
        shop.done(&joan, "reviewSubmit", review(&product)).await;
        shop.give_back(&server, &order, 1).await;
        shop.refused(&joan, "reviewSubmit", review(&product), "NOT_BOUGHT").await;
        // What was sent back once and bought again is theirs.
        shop.delivered(&server, id(&joan), "A-1").await;
        shop.done(&joan, "reviewSubmit", review(&product)).await;
    }

    async fn the_token_of_a_message_reviews_what_its_order_brought_and_nothing_else(shop: &TestApp) {
        let server = shop.as_server().await;
        let nobody = Caller::anonymous();
        let (product, other) = (shop.product(&server, "A-1").await, shop.product(&server, "B-1").await);
        let whose = json!({ "email": "anna@example.org" });
        let order = shop.delivered(&server, whose.clone(), "A-1").await;
        let elsewhere = shop.delivered(&server, whose, "B-1").await;
        let guest = order["guestId"].as_str().unwrap().to_owned();
        let token = shop.review_token(&guest, &order).await;
        let review = |of: &str, token: &str| json!({ "productId": of, "rating": 3, "token": token });
        shop.refused(&nobody, "reviewSubmit", review(&other, &token), "NOT_BOUGHT").await;
        let of_survey = shop.survey_token(&guest, "nps").await;
        let about_nothing = regulars::feedback::review_token(&shop.app, shop.message_to(&guest, json!({})).await).unwrap();
        let of_none = regulars::feedback::review_token(&shop.app, entity::id::MessageId(uuid::Uuid::from_u128(7))).unwrap();
        for bad in ["", "x", &token[1..], &of_survey, &about_nothing, &of_none] {
            shop.refused(&nobody, "reviewSubmit", review(&product, bad), "TOKEN_INVALID").await;
        }
        // The order of another person, whoever the message went to.
        let joan = shop.as_customer().await;
        let misled = shop.review_token(joan.customer_id(), &elsewhere).await;
        shop.refused(&nobody, "reviewSubmit", review(&other, &misled), "NOT_BOUGHT").await;
        let mut keyed = review(&product, &token);
        keyed["idempotencyKey"] = json!("same");
        let done = shop.done(&nobody, "reviewSubmit", keyed.clone()).await;
        assert_eq!((&done["review"]["author"], &done["review"]["customerId"], &done["replayed"]), (&json!("Customer"), &Json::Null, &json!(false)));
        let replayed = shop.unchanged_by(async || shop.done(&nobody, "reviewSubmit", keyed).await).await;
        assert_eq!((&replayed["review"]["id"], &replayed["replayed"]), (&done["review"]["id"], &json!(true)));
        // Another reader's key of the same name is another key.
        let theirs = shop.review_token(&guest, &elsewhere).await;
        let mut same = review(&other, &theirs);
        same["idempotencyKey"] = json!("same");
        assert_eq!(shop.done(&nobody, "reviewSubmit", same).await["replayed"], false);
        // Who proves the mailbox has written them.
        let anna = shop.as_customer_at("anna@example.org").await;
        assert_eq!(own(shop, &anna).await.len(), 2);
        shop.done(&nobody, "reviewSubmit", review(&product, &token)).await;
        assert_eq!(own(shop, &anna).await.len(), 2);
        shop.clock.advance(TimeDelta::days(90));
        shop.refused(&nobody, "reviewSubmit", review(&product, &token), "TOKEN_INVALID").await;
    }

    async fn counters_are_right_whatever_staff_do_at_once(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let product = shop.product(&server, "A-1").await;
        let mut reviews = Vec::new();
        for rating in [5, 5, 1] {
            let customer = shop.as_customer().await;
            shop.delivered(&server, id(&customer), "A-1").await;
            reviews.push(writes(shop, &customer, &product, rating).await);
        }
        assert_eq!(rated(shop, "A-1").await, (Json::Null, 0, vec![0; 5]));
        let act = async |review: &Json, decision: &str| {
            shop.mutate(&owner, "reviewModerate", moderation(review, decision)).await.user_error_codes().len()
        };
        // Of two who publish one review, one does; two reviews at once both count.
        let refused = join(act(&reviews[0], "PUBLISH"), act(&reviews[0], "PUBLISH")).await;
        assert_eq!(refused.0 + refused.1, 1);
        join(act(&reviews[1], "PUBLISH"), act(&reviews[2], "PUBLISH")).await;
        assert_eq!(rated(shop, "A-1").await, (json!(3.67), 3, vec![2, 0, 0, 0, 1]));
        let refused = join(act(&reviews[1], "REJECT"), act(&reviews[1], "REJECT")).await;
        assert_eq!(refused.0 + refused.1, 1);
        assert_eq!(rated(shop, "A-1").await, (json!(3.0), 2, vec![1, 0, 0, 0, 1]));
        for _ in 0..3 {
            join(act(&reviews[2], "REJECT"), act(&reviews[2], "PUBLISH")).await;
            let published = shown(shop, "A-1").await.len();
            assert_eq!(rated(shop, "A-1").await.1, i64::try_from(published).unwrap());
        }
    }

    async fn publishing_a_review_gives_points_once(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        let product = shop.product(&server, "A-1").await;
        for customer in [&joan, &sam] {
            shop.delivered(&server, id(customer), "A-1").await;
        }
        // Without a rule it is published all the same.
        let before = shop.sums(&server, sam.customer_id()).await;
        let of_sam = writes(shop, &sam, &product, 5).await;
        publishes(shop, &owner, &of_sam).await;
        assert_eq!(shop.sums(&server, sam.customer_id()).await, before);
        shop.event_gives(&owner, "review.published", 25).await;
        let review = writes(shop, &joan, &product, 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, before);
        let given = [before[0] + 25, before[1], before[2], before[3]];
        let one = async || shop.mutate(&owner, "reviewModerate", moderation(&review, "PUBLISH")).await;
        join(one(), one()).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, given);
        for decision in ["REJECT", "PUBLISH"] {
            shop.done(&owner, "reviewModerate", moderation(&review, decision)).await;
            assert_eq!(shop.sums(&server, joan.customer_id()).await, given);
        }
        shop.refused(&owner, "reviewModerate", moderation(&review, "PUBLISH"), "WRONG_STATE").await;
        let told = shop.events("review.published").await;
        assert_eq!(told.len(), 3);
        assert_eq!(told[1]["personId"], json!(uuid_of(joan.customer_id())));
        assert_eq!((&told[1]["rating"], told[1].as_object().unwrap().len()), (&json!(1), 5));
        assert_eq!(shop.events("review.submitted").await.len(), 2);
    }

    async fn of_two_reviews_of_one_person_the_published_stays_else_the_newer(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (from, into) = (shop.as_customer().await, shop.as_customer().await);
        let mut products = Vec::new();
        for sku in ["A-1", "B-1", "C-1", "D-1"] {
            products.push(shop.product(&server, sku).await);
            for customer in [&from, &into] {
                shop.delivered(&server, id(customer), sku).await;
            }
        }
        // Older and published; newer and pending; both published; only of the one who goes.
        let kept = writes(shop, &from, &products[0], 5).await;
        publishes(shop, &owner, &kept).await;
        writes(shop, &into, &products[1], 1).await;
        let both = writes(shop, &from, &products[2], 2).await;
        publishes(shop, &owner, &both).await;
        writes(shop, &from, &products[3], 3).await;
        shop.clock.advance(TimeDelta::minutes(1));
        writes(shop, &into, &products[0], 1).await;
        writes(shop, &from, &products[1], 4).await;
        let newer = writes(shop, &into, &products[2], 4).await;
        publishes(shop, &owner, &newer).await;
        assert_eq!(rated(shop, "C-1").await.1, 2);
        let merge = json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        let mut told = own(shop, &into).await;
        told.sort();
        let state = |state: &str| state.to_owned();
        assert_eq!(told, [(3, state("PENDING")), (4, state("PENDING")), (4, state("PUBLISHED")), (5, state("PUBLISHED"))]);
        assert_eq!(rated(shop, "A-1").await, (json!(5.0), 1, vec![1, 0, 0, 0, 0]));
        assert_eq!(rated(shop, "C-1").await, (json!(4.0), 1, vec![0, 1, 0, 0, 0]));
        assert_eq!((rated(shop, "B-1").await.1, rated(shop, "D-1").await.1), (0, 0));
    }
}
