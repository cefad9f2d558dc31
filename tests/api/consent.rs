//! What people want to be sent: asked for in a form, said in the preference centre, told by the shop, and confirmed in the
//! mailbox.

use chrono::TimeDelta;
use entity::consent::{ConsentSource, ConsentState, OptIn};
use entity::message::Channel;
use entity::staff::Role;
use entity::{consent, consent_request, consent_state, guest_identity};
use futures_util::future::join;
use regulars::auth::viewer::Scope;
use reqwest::Method;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines};

pub(crate) const ANNA: &str = "anna@example.org";

/// Asks for the newsletter, as anybody may.
pub(crate) async fn ask(shop: &TestApp, email: &str) -> Answer {
    let mutation = "mutation ($input: ConsentRequestInput!) {
        consentRequest(input: $input) { status userErrors { code } } }";
    let proof = json!([{ "key": "form", "value": "footer" }]);
    let input =
        json!({ "email": email, "purposes": ["NEWSLETTER", "OFFERS"], "locale": "nl", "proof": proof });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

/// The token in the last mail to `email`.
pub(crate) async fn token(shop: &TestApp, email: &str) -> String {
    shop.run_jobs().await;
    let mails = shop.mail.to(email);
    mails.last().and_then(crate::support::Mail::token).unwrap_or_else(|| panic!("no token: {mails:?}"))
}

async fn page(shop: &TestApp, method: Method, token: &str) -> Answer {
    let request = shop.serving.request(method, &format!("/consent/{token}"));
    Answer::of(request.send().await.unwrap()).await
}

pub(crate) async fn confirm(shop: &TestApp, token: &str) -> Answer {
    let mutation = "mutation ($input: ConsentConfirmInput!) {
        consentConfirm(input: $input) { purposes userErrors { code } } }";
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": { "token": token } })).await
}

/// A yes or a no to the newsletter by mail.
pub(crate) fn newsletter(granted: bool) -> Json {
    json!([{ "purpose": "NEWSLETTER", "channel": "EMAIL", "granted": granted }])
}

/// What stands for the newsletter by mail: state, opt-in, source and whether it may be sent.
pub(crate) fn stands(consents: &Json) -> (Json, Json, Json, Json) {
    let found = consents
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["purpose"] == "NEWSLETTER" && one["channel"] == "EMAIL");
    let found = found.unwrap();
    let of = |name: &str| found[name].clone();
    (of("state"), of("optIn"), of("source"), of("allowed"))
}

pub(crate) fn granted(opt_in: &str, source: &str, allowed: bool) -> (Json, Json, Json, Json) {
    (json!("GRANTED"), json!(opt_in), json!(source), json!(allowed))
}

pub(crate) async fn mine(shop: &TestApp, caller: &Caller) -> (Json, Json, Json, Json) {
    let query = "{ me { consents { purpose channel state optIn source allowed } } }";
    stands(shop.graphql(caller, query, json!({})).await.at("/me/consents"))
}

/// What was said, the first first.
async fn said(shop: &TestApp) -> Vec<(ConsentState, Option<OptIn>, ConsentSource)> {
    let rows =
        consent::Entity::find().order_by_asc(consent::Column::Id).all(&shop.app.db.read).await.unwrap();
    rows.into_iter().map(|row| (row.state, row.opt_in, row.source)).collect()
}

async fn standing(shop: &TestApp) -> Vec<consent_state::Model> {
    consent_state::Entity::find().all(&shop.app.db.read).await.unwrap()
}

both_engines! {
    async fn a_form_mails_a_link_and_only_its_button_confirms(shop: &TestApp) {
        let answer = ask(shop, ANNA).await;
        assert_eq!(answer.data(), &json!({ "consentRequest": { "status": "CHECK_MAILBOX", "userErrors": [] } }));
        assert!(said(shop).await.is_empty(), "a form made somebody say something");
        assert!(guest_identity::Entity::find().one(&shop.app.db.read).await.unwrap().is_none());
        let token = token(shop, ANNA).await;
        let mail = &shop.mail.to(ANNA)[0];
        assert_eq!(mail.subject(), "Bevestig wat Regulars shop je mag sturen");
        assert_eq!(mail.link().unwrap(), format!("http://127.0.0.1:8080/consent/{token}"));
        let shown = shop.unchanged_by(async || {
            page(shop, Method::HEAD, &token).await;
            page(shop, Method::GET, &token).await
        })
        .await;
        assert_eq!(shown.status, 200);
        let html = shown.body.as_str().unwrap();
        for expected in ["lang=\"nl\" dir=\"ltr\"", "de nieuwsbrief", "aanbiedingen", "<form method=\"post\">", "noindex"] {
            assert!(html.contains(expected), "{expected}: {html}");
        }
        for hidden in ["anna", "<script", "http"] {
            assert!(!html.contains(hidden), "{hidden}: {html}");
        }
        assert_eq!(shown.header("cache-control"), "no-store");
        assert_eq!(shown.header("x-robots-tag"), "noindex, nofollow");
        assert!(shown.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        let done = page(shop, Method::POST, &token).await;
        assert_eq!(done.status, 200);
        assert!(done.body.as_str().unwrap().contains("Bedankt, het is bevestigd"));
        let double = (ConsentState::Granted, Some(OptIn::Double), ConsentSource::Confirmation);
        assert_eq!(said(shop).await, [double, double]);
        let server = shop.as_server().await;
        let query = "query ($email: EmailAddress!) { guest(email: $email) {
            consents { purpose channel state optIn source allowed }
            consentHistory { totalCount nodes { purpose toldBy at proof { key value } } } } }";
        let guest = shop.graphql(&server, query, json!({ "email": ANNA })).await;
        assert_eq!(stands(guest.at("/guest/consents")), granted("DOUBLE", "CONFIRMATION", true));
        assert_eq!(guest.at("/guest/consentHistory/totalCount"), 2);
        let proof = guest.at("/guest/consentHistory/nodes/0/proof");
        let expected = json!([{ "key": "form", "value": "footer" }, { "key": "request.at", "value": "2026-01-15T12:00:00+00:00" },
            { "key": "request.source", "value": "SIGN_UP" }]);
        assert_eq!(proof, &expected);
        let again = shop.unchanged_by(async || page(shop, Method::POST, &token).await).await;
        assert_eq!(again.status, 200);
        shop.unchanged_by(async || confirm(shop, &token).await).await.assert_done();
    }

    async fn a_link_confirms_once_and_nothing_that_was_said_since(shop: &TestApp) {
        ask(shop, ANNA).await;
        let token = token(shop, ANNA).await;
        let both = join(confirm(shop, &token), page(shop, Method::POST, &token)).await;
        assert_eq!((both.0.assert_done().status, both.1.status), (200, 200));
        assert_eq!(both.0.payload()["purposes"], json!(["NEWSLETTER", "OFFERS"]));
        assert_eq!(said(shop).await.len(), 2);
        let server = shop.as_server().await;
        shop.clock.advance(TimeDelta::minutes(1));
        let no = json!({ "email": ANNA, "consents": newsletter(false), "source": "PREFERENCES" });
        shop.done(&server, "consentUpdate", no).await;
        shop.unchanged_by(async || confirm(shop, &token).await).await.assert_done();
        let shown = page(shop, Method::GET, &token).await;
        let html = shown.body.as_str().unwrap();
        assert!(html.contains("aanbiedingen") && !html.contains("de nieuwsbrief"), "{html}");
        shop.unchanged_by(async || page(shop, Method::POST, &token).await).await;
    }

    async fn a_link_that_is_wrong_or_old_changes_nothing(shop: &TestApp) {
        ask(shop, ANNA).await;
        let token = token(shop, ANNA).await;
        ask(shop, "eve@example.org").await;
        let other = self::token(shop, "eve@example.org").await;
        let mixed = format!("{}{}", &token[..22], &other[22..]);
        shop.clock.advance(TimeDelta::days(7));
        for wrong in ["x", &mixed, &token[..63], &token, "%00"] {
            let shown = shop.unchanged_by(async || {
                page(shop, Method::GET, wrong).await;
                confirm(shop, wrong).await.assert_user_error("LINK_INVALID");
                page(shop, Method::POST, wrong).await
            })
            .await;
            assert_eq!(shown.status, 404, "{wrong}");
            assert!(shown.body.as_str().unwrap().contains("This link is no longer good"), "{wrong}");
        }
        let refused = page(shop, Method::PUT, &token).await;
        assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, POST"));
    }

    async fn a_mailbox_is_mailed_once_in_ten_minutes_and_five_times_a_day(shop: &TestApp) {
        let mails = async || {
            let answer = ask(shop, "Anna@example.org").await;
            assert_eq!(answer.text("/consentRequest/status"), "CHECK_MAILBOX");
            shop.run_jobs().await;
            shop.mail.count()
        };
        join(ask(shop, ANNA), ask(shop, "ANNA@example.org")).await;
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 1);
        shop.clock.advance(TimeDelta::minutes(9));
        assert_eq!(mails().await, 1);
        for expected in [2, 3, 4, 5, 5] {
            shop.clock.advance(TimeDelta::minutes(11));
            assert_eq!(mails().await, expected);
        }
        shop.clock.advance(TimeDelta::hours(24));
        assert_eq!(mails().await, 6);
    }

    async fn who_is_signed_in_confirms_the_own_mailbox_by_saying_so(shop: &TestApp) {
        let joan = shop.as_customer().await;
        assert_eq!(mine(shop, &joan).await, (Json::Null, Json::Null, Json::Null, json!(false)));
        let mails = shop.mail.count();
        let done = shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(true), "source": "CHECKOUT" })).await;
        assert_eq!(stands(&done["consents"]), granted("DOUBLE", "PREFERENCES", true));
        assert_eq!(done["consents"].as_array().unwrap().len(), 28);
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), mails);
        for (field, value) in [("email", json!(ANNA)), ("optIn", json!("DOUBLE")), ("at", json!("2020-01-01T00:00:00Z"))] {
            let mut input = json!({ "consents": newsletter(true) });
            input[field] = value;
            let answer = shop.unchanged_by(async || shop.mutate(&joan, "consentUpdate", input).await).await;
            answer.assert_error("BAD_USER_INPUT");
        }
        shop.clock.advance(TimeDelta::minutes(1));
        shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(false) })).await;
        assert_eq!(mine(shop, &joan).await, (json!("WITHDRAWN"), Json::Null, json!("PREFERENCES"), json!(false)));
        let history = "{ me { consentHistory(first: 1) { totalCount nodes { state toldBy } } } }";
        let history = shop.graphql(&joan, history, json!({})).await;
        let expected = json!({ "totalCount": 2, "nodes": [{ "state": "WITHDRAWN", "toldBy": "CUSTOMER" }] });
        assert_eq!(history.at("/me/consentHistory"), &expected);
    }

    async fn subscribing_again_does_not_weaken_a_confirmed_consent(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(true) })).await;
        let mails = shop.mail.count();
        for source in ["CHECKOUT", "IMPORT"] {
            shop.clock.advance(TimeDelta::minutes(5));
            let again = json!({ "customerId": joan.customer_id(), "consents": newsletter(true), "source": source });
            shop.done(&server, "consentUpdate", again).await;
            assert_eq!(mine(shop, &joan).await, granted("DOUBLE", "PREFERENCES", true));
        }
        ask(shop, &joan.email).await;
        assert_eq!(mine(shop, &joan).await, granted("DOUBLE", "PREFERENCES", true));
        shop.run_jobs().await;
        // The form cannot know whom it asks; the shop's server can, and mails nothing.
        assert_eq!(shop.mail.count(), mails + 1);
    }

    async fn what_the_shop_says_of_a_mailbox_counts_once_it_is_confirmed(shop: &TestApp) {
        let server = shop.as_server().await;
        let yes = json!({ "email": ANNA, "consents": newsletter(true), "source": "CHECKOUT" });
        let done = shop.done(&server, "consentUpdate", yes).await;
        let asked = (json!("REQUESTED"), Json::Null, json!("CHECKOUT"), json!(false));
        assert_eq!(stands(&done["consents"]), asked);
        let token = token(shop, ANNA).await;
        confirm(shop, &token).await.assert_done();
        let query = "query ($email: EmailAddress!) { guest(email: $email) { id consents { purpose channel state optIn source allowed } } }";
        let guest = shop.graphql(&server, query, json!({ "email": ANNA })).await;
        assert_eq!(stands(guest.at("/guest/consents")), granted("DOUBLE", "CONFIRMATION", true));
        // By other ways, and for what needs none, nothing is to be confirmed.
        let others = json!([{ "purpose": "NEWSLETTER", "channel": "SMS", "granted": true }, { "purpose": "CARE", "channel": "EMAIL", "granted": true }]);
        let mails = shop.mail.count();
        shop.clock.advance(TimeDelta::hours(1));
        shop.done(&server, "consentUpdate", json!({ "email": ANNA, "consents": others, "source": "CHECKOUT" })).await;
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), mails);
        let single = (ConsentState::Granted, Some(OptIn::Single), ConsentSource::Checkout);
        assert_eq!(said(shop).await[2..], [single, single]);
    }

    async fn who_said_no_is_asked_again_and_stays_unsent_to_until_that_is_confirmed(shop: &TestApp) {
        let server = shop.as_server().await;
        let say = async |yes: bool| {
            let input = json!({ "email": ANNA, "consents": newsletter(yes), "source": "CHECKOUT" });
            stands(&shop.done(&server, "consentUpdate", input).await["consents"])
        };
        let no = (json!("WITHDRAWN"), Json::Null, json!("CHECKOUT"), json!(false));
        assert_eq!(say(false).await, no);
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 0);
        shop.clock.advance(TimeDelta::minutes(1));
        assert_eq!(say(true).await, no);
        let token = token(shop, ANNA).await;
        confirm(shop, &token).await.assert_done();
        assert_eq!(standing(shop).await[0].opt_in, Some(OptIn::Double));
    }

    async fn a_consent_that_was_confirmed_elsewhere_needs_its_proof(shop: &TestApp) {
        let server = shop.as_server().await;
        let bare = json!({ "email": ANNA, "consents": newsletter(true), "source": "IMPORT", "optIn": "DOUBLE" });
        shop.refused(&server, "consentUpdate", bare.clone(), "PROOF_REQUIRED").await;
        let mut shown = bare;
        shown["proof"] = json!([{ "key": "confirmed.at", "value": "2024-05-01" }]);
        shown["at"] = json!("2024-05-01T10:00:00Z");
        let done = shop.done(&server, "consentUpdate", shown).await;
        assert_eq!(stands(&done["consents"]), granted("DOUBLE", "IMPORT", true));
        assert_eq!(standing(shop).await[0].at.to_rfc3339(), "2024-05-01T10:00:00+00:00");
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 0);
    }

    async fn the_latest_word_stands_whenever_it_is_told(shop: &TestApp) {
        let server = shop.as_server().await;
        let say = async |at: &str, yes: bool| {
            let input = json!({ "email": ANNA, "consents": newsletter(yes), "source": "IMPORT", "optIn": "DOUBLE",
                "proof": [{ "key": "list", "value": "old" }], "at": at });
            stands(&shop.done(&server, "consentUpdate", input).await["consents"])
        };
        let confirmed = granted("DOUBLE", "IMPORT", true);
        let no = (json!("WITHDRAWN"), Json::Null, json!("IMPORT"), json!(false));
        assert_eq!(say("2025-03-01T00:00:00Z", true).await, confirmed);
        // Told late, and before what stands.
        assert_eq!(say("2025-02-01T00:00:00Z", false).await, confirmed);
        assert_eq!(say("2025-04-01T00:00:00Z", false).await, no);
        assert_eq!(say("2025-03-15T00:00:00Z", true).await, no);
        // At one instant the no stands.
        assert_eq!(say("2025-04-01T00:00:00Z", true).await, no);
        assert_eq!(say("2025-04-01T00:00:01Z", true).await, confirmed);
        assert_eq!(standing(shop).await.len(), 1);
    }

    async fn a_yes_and_a_no_at_once_leave_one_of_them_standing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let (other, server) = (shop.another_instance().await, shop.as_server().await);
        let there = crate::support::Serving::begin(other.clone());
        let mutation = "mutation ($input: ConsentUpdateInput!) { consentUpdate(input: $input) { userErrors { code } } }";
        let no = json!({ "input": { "customerId": joan.customer_id(), "consents": newsletter(false), "source": "CHECKOUT", "idempotencyKey": "no" } });
        let yes = shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(true) }));
        let (_, answer) = join(yes, there.post(&server, mutation, no)).await;
        answer.assert_done();
        assert_eq!(said(shop).await.len(), 2);
        let stand = standing(shop).await;
        assert_eq!(stand.len(), 1);
        // The clock stands: of the two the no goes before.
        assert_eq!((stand[0].state, stand[0].channel), (ConsentState::Withdrawn, Channel::Email));
        there.end().await;
        other.db.clone().close().await.unwrap();
    }

    async fn what_is_done_twice_with_one_key_is_done_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let input = json!({ "email": ANNA, "consents": newsletter(true), "source": "SIGN_UP", "idempotencyKey": "one" });
        let first = shop.done(&server, "consentUpdate", input.clone()).await;
        let replay = shop.unchanged_by(async || shop.done(&server, "consentUpdate", input).await).await;
        assert_eq!((&first["replayed"], &replay["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["consents"], replay["consents"]);
    }

    async fn who_proves_the_mailbox_has_what_was_said_with_it(shop: &TestApp) {
        let server = shop.as_server().await;
        ask(shop, ANNA).await;
        let token = token(shop, ANNA).await;
        let yes = json!({ "email": "new@example.org", "consents": newsletter(true), "source": "CHECKOUT" });
        shop.done(&server, "consentUpdate", yes).await;
        let open = self::token(shop, "new@example.org").await;
        confirm(shop, &token).await.assert_done();
        let anna = shop.as_customer_at(ANNA).await;
        assert_eq!(mine(shop, &anna).await, granted("DOUBLE", "CONFIRMATION", true));
        // What is confirmed after somebody became a customer is the customer's.
        let new = shop.as_customer_at("new@example.org").await;
        assert_eq!(mine(shop, &new).await.0, json!("REQUESTED"));
        confirm(shop, &open).await.assert_done();
        assert_eq!(mine(shop, &new).await, granted("DOUBLE", "CONFIRMATION", true));
        assert!(standing(shop).await.iter().all(|row| row.person_id.0 != uuid::Uuid::nil()));
        assert_eq!(said(shop).await.len(), 4);
    }

    async fn of_two_customers_who_are_one_the_latest_word_stands(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let (joan, piet) = (shop.as_customer().await, shop.as_customer().await);
        shop.done(&piet, "consentUpdate", json!({ "consents": newsletter(true) })).await;
        shop.clock.advance(TimeDelta::minutes(1));
        shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(false) })).await;
        let merge = json!({ "fromId": joan.customer_id(), "intoId": piet.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        assert_eq!(mine(shop, &piet).await.0, json!("WITHDRAWN"));
        assert_eq!(standing(shop).await.len(), 1);
        shop.clock.advance(TimeDelta::minutes(1));
        let server = shop.as_server().await;
        let yes = json!({ "customerId": joan.customer_id(), "consents": newsletter(true), "source": "IMPORT" });
        shop.done(&server, "consentUpdate", yes).await;
        assert_eq!(mine(shop, &piet).await, granted("SINGLE", "IMPORT", false));
    }

    async fn whoever_is_written_to_elsewhere_by_now_confirms_nothing(shop: &TestApp) {
        let server = shop.as_server().await;
        let record = json!({ "externalId": "c-1", "email": "old@example.org" });
        let customer = shop.done(&server, "customerRecord", record).await["customer"]["id"].clone();
        let yes = json!({ "customerId": customer, "consents": newsletter(true), "source": "CHECKOUT" });
        shop.done(&server, "consentUpdate", yes).await;
        let token = token(shop, "old@example.org").await;
        shop.done(&server, "customerRecord", json!({ "externalId": "c-1", "email": "other@example.org" })).await;
        shop.unchanged_by(async || confirm(shop, &token).await).await.assert_user_error("LINK_INVALID");
    }

    async fn what_staff_write_down_is_in_the_audit_log(shop: &TestApp) {
        let support = shop.as_staff(Role::Support).await;
        let joan = shop.as_customer().await;
        let no = json!({ "customerId": joan.customer_id(), "consents": newsletter(false) });
        shop.done(&support, "consentUpdate", no).await;
        assert_eq!(said(shop).await, [(ConsentState::Withdrawn, None, ConsentSource::Staff)]);
        let entries = shop.audited(joan.customer_id()).await;
        let (_, actor, detail) = entries.iter().find(|(act, ..)| act == "customer.consent").unwrap();
        assert_eq!((actor.as_str(), &detail["after"]), ("STAFF", &newsletter(false)));
    }

    async fn input_that_says_nothing_or_too_much_is_refused(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let whole = json!({ "email": ANNA, "consents": newsletter(true), "source": "CHECKOUT" });
        let twice = [newsletter(true)[0].clone(), newsletter(false)[0].clone()];
        for (field, value) in [
            ("consents", json!([])),
            ("consents", json!(twice)),
            ("customerId", json!(joan.customer_id())),
            ("email", Json::Null),
            ("source", Json::Null),
            ("source", json!("ONE_CLICK")),
            ("at", json!("2026-01-15T12:00:01Z")),
            ("locale", json!("dutch!")),
            ("proof", json!([{ "key": "a b", "value": "x" }])),
            ("proof", json!([{ "key": "a", "value": "nul\u{0}" }])),
            ("proof", json!([{ "key": "a", "value": "x" }, { "key": "a", "value": "y" }])),
        ] {
            let mut input = whole.clone();
            input[field] = value;
            let answer = shop.unchanged_by(async || shop.mutate(&server, "consentUpdate", input.clone()).await).await;
            assert_eq!(answer.error_codes(), ["BAD_USER_INPUT"], "{input}: {:#}", answer.body);
        }
        let reader = shop.as_shop_key(&[Scope::CustomersRead]).await;
        shop.unchanged_by(async || shop.mutate(&reader, "consentUpdate", whole).await).await.assert_error("FORBIDDEN");
        let mutation = "mutation { consentRequest(input: { email: \"a@example.org\", purposes: [BACK_IN_STOCK] }) { status } }";
        shop.graphql(&Caller::anonymous(), mutation, json!({})).await.assert_error("BAD_USER_INPUT");
    }

    async fn old_links_are_forgotten_and_what_was_confirmed_is_not(shop: &TestApp) {
        ask(shop, ANNA).await;
        let token = token(shop, ANNA).await;
        confirm(shop, &token).await.assert_done();
        let requests = async || consent_request::Entity::find().all(&shop.app.db.read).await.unwrap().len();
        for (days, left) in [(36, 1), (2, 0)] {
            regulars::worker::arm_recurring(&shop.app).await.unwrap();
            shop.clock.advance(TimeDelta::days(days));
            shop.run_jobs().await;
            assert_eq!(requests().await, left, "{days}");
        }
        assert_eq!(standing(shop).await.len(), 2);
    }

    async fn the_opt_in_rate_is_of_those_who_can_be_reached(shop: &TestApp) {
        let analyst = shop.as_staff(Role::Analyst).await;
        let server = shop.as_server().await;
        let query = "{ optInReport { definition rates { purpose channel reachable granted confirmed rate } } }";
        let rates = async || {
            let answer = shop.graphql(&analyst, query, json!({})).await;
            assert!(answer.text("/optInReport/definition").contains("Denominator"));
            let rates = answer.at("/optInReport/rates").as_array().unwrap().clone();
            assert_eq!(rates.len(), 12);
            let of = |channel: &str| rates.iter().find(|rate| rate["purpose"] == "NEWSLETTER" && rate["channel"] == channel).unwrap().clone();
            [of("EMAIL"), of("SMS")]
        };
        assert_eq!(rates().await[0]["rate"], Json::Null);
        let joan = shop.as_customer().await;
        let (piet, gone) = (shop.as_customer().await, shop.as_customer().await);
        shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(true) })).await;
        shop.done(&gone, "consentUpdate", json!({ "consents": newsletter(true) })).await;
        shop.done(&server, "customerUpdate", json!({ "customerId": piet.customer_id(), "phone": "+31 20 123 4567" })).await;
        let by_text = json!([{ "purpose": "NEWSLETTER", "channel": "SMS", "granted": true }]);
        shop.done(&piet, "consentUpdate", json!({ "consents": by_text })).await;
        let old = json!({ "email": ANNA, "consents": newsletter(true), "source": "IMPORT" });
        shop.done(&server, "consentUpdate", old).await;
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "customerDisable", json!({ "customerId": gone.customer_id(), "reason": "fraud" })).await;
        let [mail, text] = rates().await;
        let expected = json!({ "purpose": "NEWSLETTER", "channel": "EMAIL", "reachable": 3, "granted": 2, "confirmed": 1, "rate": "0.3333" });
        assert_eq!(mail, expected);
        assert_eq!((&text["reachable"], &text["granted"], &text["rate"]), (&json!(1), &json!(1), &json!("1")));
    }
}
