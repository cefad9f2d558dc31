//! Surveys that messages ask for: what they ask, that they are answered once, and what is made of the answers.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines, uuid_of};

/// A survey as its reader sees it.
async fn asked(shop: &TestApp, token: &str) -> Json {
    let query = "query ($token: String!) { survey(token: $token) {
        code kind title answered endsAt questions { code text kind required choices { code text } } } }";
    shop.graphql(&Caller::anonymous(), query, json!({ "token": token })).await.at("/survey").clone()
}

async fn answers(shop: &TestApp, input: Json) -> Answer {
    shop.credential(&Caller::anonymous(), "surveyAnswer", input).await
}

async fn refused(shop: &TestApp, input: Json, code: &str) {
    shop.credential_refused(&Caller::anonymous(), "surveyAnswer", input, code).await;
}

/// What a customer answered, the newest first.
async fn own(shop: &TestApp, customer: &Caller) -> Json {
    let query =
        "{ me { surveyAnswers { nodes { survey score answers { question value } comment answeredAt } } } }";
    shop.graphql(customer, query, json!({})).await.at("/me/surveyAnswers/nodes").clone()
}

async fn report(shop: &TestApp, staff: &Caller, code: &str, from: &str, until: &str) -> Json {
    let query = "query ($code: String!, $from: DateTime!, $until: DateTime!) { surveyReport(code: $code, from: $from, until: $until) {
        responses mean nps promoters passives detractors scores { score count }
        questions { question choices { value count } } } }";
    let variables = json!({ "code": code, "from": from, "until": until });
    shop.graphql(staff, query, variables).await.at("/surveyReport").clone()
}

/// Sends a form to the page, as a browser does.
async fn sends(shop: &TestApp, token: &str, form: &[(&str, &str)]) -> Answer {
    let path = format!("/survey/{token}");
    Answer::of(shop.serving.request(Method::POST, &path).form(form).send().await.unwrap()).await
}

/// Asks for the page, which changes nothing.
async fn page(shop: &TestApp, token: &str) -> Answer {
    let path = format!("/survey/{token}");
    let ask = async || shop.serving.request(Method::GET, &path).send().await.unwrap();
    Answer::of(shop.unchanged_by(ask).await).await
}

fn text(answer: &Answer) -> &str {
    answer.body.as_str().expect("a page")
}

fn in_english(text: &str) -> Json {
    json!([{ "locale": "en", "text": text }])
}

/// A survey of the shop, with a question of each kind.
fn tasting() -> Json {
    let question = |code: &str, kind: &str, required: bool, choices: Json| json!({ "code": code, "kind": kind, "required": required, "text": in_english(&format!("What of <b>{code}</b>?")), "choices": choices });
    let choice =
        |code: &str| json!({ "code": code, "text": in_english(&format!("\"{code}\" & <i>more</i>")) });
    json!({ "code": "tasting", "kind": "RATING", "title": in_english("How <script>alert(1)</script> was it?"), "questions": [
        question("taste", "SCALE", false, json!([])),
        question("size", "CHOICE", true, json!([choice("small"), choice("large")])),
        question("more", "TEXT", false, json!([])),
    ] })
}

both_engines! {
    async fn a_link_answers_once_in_the_language_of_its_reader(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.done(&server, "customerUpdate", json!({ "customerId": joan.customer_id(), "locale": "nl-BE" })).await;
        let token = shop.survey_token(joan.customer_id(), "reactivation").await;
        let seen = asked(shop, &token).await;
        assert_eq!((&seen["kind"], &seen["title"], &seen["answered"]), (&json!("QUESTIONS"), &json!("Mogen we vragen waarom je een tijd niets hebt besteld?"), &json!(false)));
        assert_eq!(seen["endsAt"], "2026-04-15T12:00:00+00:00");
        assert_eq!(seen["questions"][0]["choices"][1], json!({ "code": "price", "text": "Het is me te duur" }));
        let answer = |value: &str| json!({ "token": token, "answers": [{ "code": "reason", "value": value }], "comment": "Too <b>dear</b>" });
        refused(shop, json!({ "token": token }), "INVALID").await;
        refused(shop, answer("because"), "INVALID").await;
        let mut scored = answer("price");
        scored["score"] = json!(5);
        refused(shop, scored, "INVALID").await;
        answers(shop, answer("price")).await.assert_done();
        refused(shop, answer("price"), "ALREADY_ANSWERED").await;
        refused(shop, answer("because"), "ALREADY_ANSWERED").await;
        assert_eq!(asked(shop, &token).await["answered"], true);
        let expected = json!([{ "survey": "reactivation", "score": null, "answers": [{ "question": "reason", "value": "price" }],
            "comment": "Too <b>dear</b>", "answeredAt": "2026-01-15T12:00:00+00:00" }]);
        assert_eq!(own(shop, &joan).await, expected);
        let eve = shop.as_customer().await;
        assert_eq!(own(shop, &eve).await, json!([]));
        // Another message asks again.
        let next = shop.survey_token(joan.customer_id(), "reactivation").await;
        assert_eq!(asked(shop, &next).await["answered"], false);
    }

    async fn of_two_answers_at_once_one_is_taken_and_earns_once(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_customer().await;
        let before = shop.sums(&server, joan.customer_id()).await;
        let unruled = shop.survey_token(joan.customer_id(), "nps").await;
        answers(shop, json!({ "token": unruled, "score": 0 })).await.assert_done();
        assert_eq!(shop.sums(&server, joan.customer_id()).await, before);
        shop.event_gives(&owner, "survey.answered", 15).await;
        let token = shop.survey_token(joan.customer_id(), "nps").await;
        let one = async |score: i64| answers(shop, json!({ "token": token, "score": score })).await;
        let both = join(one(9), one(10)).await;
        let codes = [&both.0, &both.1].map(|answer| answer.user_error_codes().concat());
        assert!(codes.contains(&String::new()) && codes.contains(&"ALREADY_ANSWERED".to_owned()), "{codes:?}");
        let given = [before[0] + 15, before[1], before[2], before[3]];
        assert_eq!(shop.sums(&server, joan.customer_id()).await, given);
        let told = shop.events("survey.answered").await;
        assert_eq!((told.len(), &told[0]["score"], &told[0]["survey"]), (2, &json!(0), &json!("nps")));
        assert_eq!(told[1]["personId"], json!(uuid_of(joan.customer_id())));
        assert_eq!(told[1].as_object().unwrap().len(), 4);
        // A guest answers too, and earns nothing.
        let order = shop.record(&server, json!({ "email": "anna@example.org" })).await;
        let guest = order["guestId"].as_str().unwrap();
        let token = shop.survey_token(guest, "after_sale").await;
        answers(shop, json!({ "token": token, "score": 5 })).await.assert_done();
        assert_eq!(shop.guest_sums(&server, "anna@example.org").await, [0; 4]);
        // Who proves the mailbox has answered it.
        let anna = shop.as_customer_at("anna@example.org").await;
        assert_eq!(own(shop, &anna).await[0]["score"], 5);
    }

    async fn only_its_own_token_answers_a_survey_and_not_for_ever(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_customer().await;
        let token = shop.survey_token(joan.customer_id(), "nps").await;
        let order = shop.delivered(&server, json!({ "customerId": joan.customer_id() }), "A-1").await;
        let of_review = shop.review_token(joan.customer_id(), &order).await;
        let unknown = shop.survey_token(joan.customer_id(), "nothing").await;
        let of_nobody = shop.survey_token(&regulars::graphql::global_id::global_id(
            regulars::graphql::global_id::NodeType::Customer, uuid::Uuid::from_u128(7)), "nps").await;
        for bad in ["", "x", &token[1..], &of_review, &unknown, &of_nobody] {
            assert_eq!(asked(shop, bad).await, Json::Null, "{bad}");
            refused(shop, json!({ "token": bad, "score": 9 }), "TOKEN_INVALID").await;
        }
        for bad in ["x", &of_review, &unknown] {
            assert_eq!(page(shop, bad).await.status, 404);
            let sent = shop.unchanged_by(async || sends(shop, bad, &[("score", "9")]).await).await;
            assert_eq!(sent.status, 404);
        }
        let off = json!({ "code": "nps", "kind": "NPS", "title": in_english("How likely?"), "questions": [], "active": false });
        shop.done(&owner, "surveyUpsert", off.clone()).await;
        refused(shop, json!({ "token": token, "score": 9 }), "TOKEN_INVALID").await;
        let mut on = off;
        on["active"] = json!(true);
        shop.done(&owner, "surveyUpsert", on).await;
        assert_eq!(asked(shop, &token).await["title"], "How likely?");
        shop.clock.advance(TimeDelta::days(90) - TimeDelta::seconds(1));
        assert_eq!(page(shop, &token).await.status, 200);
        shop.clock.advance(TimeDelta::seconds(1));
        assert_eq!(page(shop, &token).await.status, 404);
        refused(shop, json!({ "token": token, "score": 9 }), "TOKEN_INVALID").await;
        // Nor does it for an account that is disabled.
        let last = shop.survey_token(joan.customer_id(), "nps").await;
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "customerDisable", json!({ "customerId": joan.customer_id(), "reason": "fraud" })).await;
        refused(shop, json!({ "token": last, "score": 9 }), "TOKEN_INVALID").await;
    }

    async fn asking_for_the_page_changes_nothing_and_its_button_answers(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let token = shop.survey_token(joan.customer_id(), "nps").await;
        let shown = page(shop, &token).await;
        assert_eq!((shown.status, shown.header("content-type")), (200, "text/html; charset=utf-8"));
        assert_eq!((shown.header("cache-control"), shown.header("referrer-policy")), ("no-store", "no-referrer"));
        let policy = shown.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert!(text(&shown).contains("<html lang=\"en\" dir=\"ltr\">") && !text(&shown).contains("<script"));
        assert_eq!(text(&shown).matches("name=\"score\"").count(), 11);
        assert!(!text(&shown).contains("Joan") && !text(&shown).contains(&joan.email));
        let path = format!("/survey/{token}");
        let head = shop.unchanged_by(async || shop.serving.request(Method::HEAD, &path).send().await.unwrap()).await;
        assert_eq!(head.status(), 200);
        let put = shop.unchanged_by(async || shop.serving.request(Method::PUT, &path).send().await.unwrap()).await;
        assert_eq!((put.status().as_u16(), put.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD, POST"));
        let json = shop.unchanged_by(async || shop.serving.request(Method::POST, &path).json(&json!({ "score": 9 })).send().await.unwrap()).await;
        assert_eq!(json.status(), 400);
        for wrong in [&[][..], &[("score", "11")], &[("score", "x")], &[("score", "9"), ("q.other", "1")]] {
            let sent = shop.unchanged_by(async || sends(shop, &token, wrong).await).await;
            assert_eq!((sent.status, text(&sent).contains("role=\"alert\"")), (422, true), "{wrong:?}");
        }
        let sent = sends(shop, &token, &[("score", "9"), ("comment", "Nice\r\nshop")]).await;
        assert_eq!((sent.status, text(&sent).contains("Your answer has arrived.")), (200, true));
        let again = shop.unchanged_by(async || sends(shop, &token, &[("score", "1")]).await).await;
        assert_eq!((again.status, text(&again).contains("You have answered already")), (200, true));
        assert!(text(&page(shop, &token).await).contains("You have answered already"));
        assert_eq!((&own(shop, &joan).await[0]["score"], &own(shop, &joan).await[0]["comment"]), (&json!(9), &json!("Nice\nshop")));
        for (locale, head, button) in [("nl", "<html lang=\"nl\" dir=\"ltr\">", "Versturen"), ("he", "<html lang=\"he\" dir=\"rtl\">", "שליחה")] {
            shop.done(&server, "customerUpdate", json!({ "customerId": joan.customer_id(), "locale": locale })).await;
            let shown = page(shop, &shop.survey_token(joan.customer_id(), "after_sale").await).await;
            assert!(text(&shown).contains(head) && text(&shown).contains(button), "{}", text(&shown));
            assert_eq!(text(&shown).matches("name=\"score\"").count(), 5);
        }
    }

    async fn what_the_shop_and_its_readers_write_is_text_on_the_page(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let joan = shop.as_customer().await;
        shop.done(&owner, "surveyUpsert", tasting()).await;
        let token = shop.survey_token(joan.customer_id(), "tasting").await;
        let shown = page(shop, &token).await;
        let escaped = ["How &lt;script&gt;alert(1)&lt;&#x2f;script&gt; was it?", "What of &lt;b&gt;taste&lt;&#x2f;b&gt;?",
            "&quot;small&quot; &amp; &lt;i&gt;more&lt;&#x2f;i&gt;"];
        for escaped in escaped {
            assert!(text(&shown).contains(escaped), "{escaped}: {}", text(&shown));
        }
        let evil = "</textarea><script>alert(1)</script>\"'";
        let form = [("score", "4"), ("q.taste", "5"), ("q.more", evil), ("comment", evil)];
        let sent = shop.unchanged_by(async || sends(shop, &token, &form).await).await;
        assert_eq!(sent.status, 422);
        assert!(!text(&sent).contains("<script") && !text(&sent).contains("</textarea><"), "{}", text(&sent));
        // What was given stays.
        assert_eq!(text(&sent).matches(" checked").count(), 2);
        assert_eq!(text(&sent).matches("&lt;&#x2f;textarea&gt;&lt;script&gt;").count(), 2);
        let form = [("score", "4"), ("q.taste", "5"), ("q.more", evil), ("q.size", "small"), ("comment", evil)];
        assert_eq!(sends(shop, &token, &form).await.status, 200);
        let value = |question: &str, value: &str| json!({ "question": question, "value": value });
        assert_eq!(own(shop, &joan).await[0]["answers"], json!([value("taste", "5"), value("size", "small"), value("more", evil)]));
        assert_eq!(own(shop, &joan).await[0]["comment"], evil);
    }

    async fn a_survey_of_the_shop_takes_the_place_of_one_of_the_program(shop: &TestApp) {
        let (owner, manager) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Manager).await);
        let query = "{ surveys { code kind active builtIn } }";
        let listed = async || shop.graphql(&manager, query, json!({})).await.at("/surveys").clone();
        let one = |code: &str, kind: &str, built_in: bool| json!({ "code": code, "kind": kind, "active": true, "builtIn": built_in });
        let (sale, nps, reason) = (one("after_sale", "RATING", true), one("nps", "NPS", true), one("reactivation", "QUESTIONS", true));
        assert_eq!(listed().await, json!([sale, nps, reason]));
        let mine = json!({ "code": "nps", "kind": "NPS", "title": in_english("Would you?"), "questions": [], "idempotencyKey": "once" });
        let done = shop.done(&manager, "surveyUpsert", mine.clone()).await;
        assert_eq!((&done["survey"]["title"], &done["replayed"]), (&in_english("Would you?"), &json!(false)));
        assert_eq!(shop.unchanged_by(async || shop.done(&manager, "surveyUpsert", mine).await).await["replayed"], true);
        assert_eq!(listed().await, json!([sale, one("nps", "NPS", false), reason]));
        shop.done(&owner, "surveyUpsert", tasting()).await;
        let fixed = |code: &str| json!({ "code": code, "kind": "NPS", "title": in_english("x"), "questions": [] });
        shop.refused(&owner, "surveyUpsert", fixed("tasting"), "KIND_FIXED").await;
        shop.refused(&owner, "surveyUpsert", fixed("after_sale"), "KIND_FIXED").await;
        let twice = json!([{ "locale": "en", "text": "a" }, { "locale": "EN", "text": "b" }]);
        let cases: [(&str, Json, &[&str]); 5] = [
            ("/code", json!("No Code"), &["code"]),
            ("/title", json!([]), &["title"]),
            ("/title", twice, &["title"]),
            ("/questions/0/text", in_english(" "), &["questions", "0", "text"]),
            ("/questions/1/choices", json!([]), &["questions", "1", "choices"]),
        ];
        for (pointer, value, path) in cases {
            let mut bad = tasting();
            *bad.pointer_mut(pointer).unwrap() = value;
            let refused = shop.refused(&owner, "surveyUpsert", bad, "INVALID").await;
            let expected: Vec<&str> = std::iter::once(&"input").chain(path).copied().collect();
            assert_eq!(refused.user_errors()[0]["field"], json!(expected));
        }
    }

    async fn a_report_counts_scores_choices_and_who_recommends(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "surveyUpsert", tasting()).await;
        let joan = shop.as_customer().await;
        let gives = async |survey: &str, mut input: Json| {
            input["token"] = json!(shop.survey_token(joan.customer_id(), survey).await);
            answers(shop, input).await.assert_done();
        };
        for score in [10, 10, 9, 8, 7, 6, 0] {
            gives("nps", json!({ "score": score })).await;
        }
        let values = |taste: &str, size: &str| json!([{ "code": "taste", "value": taste }, { "code": "size", "value": size }]);
        gives("tasting", json!({ "score": 5, "answers": values("5", "small") })).await;
        gives("tasting", json!({ "score": 4, "answers": values("5", "large") })).await;
        shop.clock.advance(TimeDelta::days(1));
        gives("nps", json!({ "score": 0 })).await;
        let analyst = shop.as_staff(Role::Analyst).await;
        let (from, until, later) = ("2026-01-15T12:00:00Z", "2026-01-16T12:00:00Z", "2026-01-17T00:00:00Z");
        let first = report(shop, &analyst, "nps", from, until).await;
        let score = |score: i64, count: i64| json!({ "score": score, "count": count });
        let expected = json!({ "responses": 7, "mean": 7.14, "nps": 14.3, "promoters": 3, "passives": 2, "detractors": 2,
            "scores": [score(0, 1), score(6, 1), score(7, 1), score(8, 1), score(9, 1), score(10, 2)], "questions": [] });
        assert_eq!(first, expected);
        let both = report(shop, &analyst, "nps", from, later).await;
        assert_eq!((&both["responses"], &both["nps"], &both["mean"]), (&json!(8), &json!(0.0), &json!(6.25)));
        let count = |value: &str, count: i64| json!({ "value": value, "count": count });
        let expected = json!({ "responses": 2, "mean": 4.5, "nps": null, "promoters": null, "passives": null, "detractors": null,
            "scores": [score(4, 1), score(5, 1)], "questions": [
                { "question": "size", "choices": [count("large", 1), count("small", 1)] },
                { "question": "taste", "choices": [count("5", 2)] },
            ] });
        assert_eq!(report(shop, &analyst, "tasting", from, until).await, expected);
        let empty = report(shop, &analyst, "after_sale", from, until).await;
        assert_eq!((&empty["responses"], &empty["mean"]), (&json!(0), &Json::Null));
        assert_eq!(report(shop, &analyst, "unknown", from, until).await, Json::Null);
        let query = "{ surveyReport(code: \"nps\", from: \"2026-01-15T12:00:00Z\", until: \"2026-01-15T12:00:00Z\") { responses } }";
        shop.graphql(&analyst, query, json!({})).await.assert_error("BAD_USER_INPUT");
        // The other of two who turn out to be one answered them all.
        let into = shop.as_customer().await;
        let owner = shop.as_staff(Role::Owner).await;
        let merge = json!({ "fromId": joan.customer_id(), "intoId": into.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        assert_eq!(own(shop, &into).await.as_array().unwrap().len(), 10);
    }
}
