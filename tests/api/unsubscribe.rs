//! The link in every message that is not transactional: asking for it changes nothing, and one click is enough.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::consent::{ConsentSource, ConsentState, Purpose};
use entity::id::{MessageId, PersonId};
use entity::message::{Channel, MessageState};
use entity::server_key::KeyPurpose;
use entity::{consent, message, server_key};
use futures_util::future::join;
use regulars::graphql::global_id::read;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Caller, Serving, TestApp, both_engines};

/// A message that was sent to a customer.
pub(crate) async fn sent(
    shop: &TestApp,
    to: &Caller,
    purpose: Option<Purpose>,
    channel: Channel,
) -> MessageId {
    let (_, person) = read(&to.customer_id().to_owned().into()).unwrap();
    let id = MessageId(Uuid::from_u128(
        0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(shop.next_number()),
    ));
    let now = shop.clock.now();
    let row = message::ActiveModel {
        id: Set(id),
        person_id: Set(PersonId(person)),
        journey_id: Set(None),
        run_id: Set(None),
        template: Set("news".to_owned()),
        template_version: Set(Some(0)),
        purpose: Set(purpose),
        channel: Set(channel),
        state: Set(MessageState::Sent),
        reason: Set(None),
        facts: Set(json!({})),
        attempts: Set(1),
        queued_at: Set(now),
        started_at: Set(Some(now)),
        ended_at: Set(Some(now)),
        address_hash: Set(Some(address_hash(shop, &to.email).await)),
        bounced_at: Set(None),
        complained_at: Set(None),
    };
    row.insert(&shop.app.db.write).await.unwrap();
    id
}

/// The one key of the server for this.
async fn key(shop: &TestApp, purpose: KeyPurpose) -> hmac::Key {
    let keys = server_key::Entity::find().filter(server_key::Column::Purpose.eq(purpose));
    let key = keys.one(&shop.app.db.read).await.unwrap().unwrap();
    hmac::Key::new(hmac::HMAC_SHA256, &key.material)
}

/// What suppressions know an address by.
async fn address_hash(shop: &TestApp, email: &str) -> Vec<u8> {
    let key = key(shop, KeyPurpose::Comparison).await;
    hmac::sign(&key, format!("suppression\u{1f}EMAIL\u{1f}{}", email.to_lowercase()).as_bytes())
        .as_ref()
        .to_vec()
}

/// The token of its link, made as the server makes it.
async fn token(shop: &TestApp, message: MessageId) -> String {
    let key = key(shop, KeyPurpose::LinkToken).await;
    let id = message.0.as_bytes().as_slice();
    let tag = hmac::sign(&key, &[b"unsubscribe\x1f", id].concat());
    URL_SAFE_NO_PAD.encode([id, tag.as_ref()].concat())
}

async fn page(shop: &TestApp, method: Method, token: &str) -> Answer {
    let request = shop.serving.request(method, &format!("/unsubscribe/{token}"));
    Answer::of(request.send().await.unwrap()).await
}

/// Posts a form; `kind` is its content type.
async fn post(shop: &TestApp, token: &str, kind: &str, body: &str) -> Answer {
    let request = shop.serving.request(Method::POST, &format!("/unsubscribe/{token}"));
    Answer::of(request.header("content-type", kind).body(body.to_owned()).send().await.unwrap()).await
}

const FORM: &str = "application/x-www-form-urlencoded";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// What was said no to: purpose, channel and where.
async fn refused(shop: &TestApp) -> Vec<(Purpose, Channel, ConsentSource)> {
    let said = consent::Column::State.eq(ConsentState::Withdrawn);
    let rows = consent::Entity::find().filter(said).order_by_asc(consent::Column::Id);
    let rows = rows.all(&shop.app.db.read).await.unwrap();
    rows.into_iter().map(|row| (row.purpose, row.channel, row.source)).collect()
}

both_engines! {
    async fn asking_for_the_page_changes_nothing_and_one_click_is_enough(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Care), Channel::Email).await).await;
        let shown = shop.unchanged_by(async || {
            page(shop, Method::HEAD, &token).await;
            page(shop, Method::GET, &token).await
        })
        .await;
        assert_eq!(shown.status, 200);
        let html = shown.body.as_str().unwrap();
        for expected in ["Stop messages about what you bought by e-mail", "Stop all marketing by e-mail", "noindex"] {
            assert!(html.contains(expected), "{expected}: {html}");
        }
        assert!(!html.contains(&joan.email) && !html.contains("<script"), "{html}");
        let done = post(shop, &token, FORM, ONE_CLICK).await;
        assert_eq!((done.status, done.header("set-cookie"), done.header("location")), (200, "", ""));
        let expected = [(Purpose::Care, Channel::Email, ConsentSource::OneClick)];
        assert_eq!(refused(shop).await, expected);
        // For ever, and again and again.
        shop.clock.advance(TimeDelta::days(3_650));
        let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let again = shop.unchanged_by(async || {
            post(shop, &token, "multipart/form-data; boundary=b", parts).await;
            post(shop, &token, FORM, ONE_CLICK).await
        })
        .await;
        assert_eq!(again.status, 200);
    }

    async fn one_click_of_two_at_once_is_written_down_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Offers), Channel::Email).await).await;
        let (one, other) = join(post(shop, &token, FORM, ONE_CLICK), post(shop, &token, FORM, ONE_CLICK)).await;
        assert_eq!((one.status, other.status), (200, 200));
        assert_eq!(refused(shop).await.len(), 1);
    }

    async fn a_button_ends_one_kind_or_all_marketing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Newsletter), Channel::Sms).await).await;
        post(shop, &token, FORM, "choice=this").await;
        let link = ConsentSource::UnsubscribeLink;
        assert_eq!(refused(shop).await, [(Purpose::Newsletter, Channel::Sms, link)]);
        let done = post(shop, &token, FORM, "choice=all").await;
        assert!(done.body.as_str().unwrap().contains("nor any other marketing"));
        let others = [Purpose::Offers, Purpose::Reminders, Purpose::BackInStock];
        let expected: Vec<_> = others.map(|purpose| (purpose, Channel::Sms, link)).into();
        assert_eq!(refused(shop).await[1..], expected);
        // What an order needs is sent still; so is what comes by another way.
        let by_mail = "{ me { consents { channel purpose allowed state } } }";
        let consents = shop.graphql(&joan, by_mail, json!({})).await;
        let nos = consents.at("/me/consents").as_array().unwrap().iter().filter(|one| one["state"] == "WITHDRAWN").count();
        assert_eq!(nos, 4);
    }

    async fn what_is_no_link_or_no_form_changes_nothing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let order = token(shop, sent(shop, &joan, None, Channel::Email).await).await;
        let good = token(shop, sent(shop, &joan, Some(Purpose::Offers), Channel::Email).await).await;
        let gone = token(shop, MessageId(Uuid::from_u128(9))).await;
        let mixed = format!("{}{}", &good[..22], &order[22..]);
        for wrong in ["x", &mixed, &good[..63], &order, &gone] {
            let shown = shop.unchanged_by(async || {
                let asked = page(shop, Method::GET, wrong).await;
                assert_eq!(asked.status, 404, "{wrong}");
                post(shop, wrong, FORM, ONE_CLICK).await
            })
            .await;
            assert_eq!(shown.status, 404, "{wrong}");
        }
        let long = "x".repeat(20_000);
        for (kind, body, status) in [
            (FORM, "", 400),
            (FORM, "List-Unsubscribe=No", 400),
            ("application/json", ONE_CLICK, 400),
            ("multipart/form-data; boundary=b", ONE_CLICK, 400),
            (FORM, long.as_str(), 413),
        ] {
            let answer = shop.unchanged_by(async || post(shop, &good, kind, body).await).await;
            assert_eq!(answer.status, status, "{kind}");
        }
    }

    async fn a_page_is_in_the_language_of_its_reader(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Newsletter), Channel::Email).await).await;
        for (locale, expected) in [
            ("nl-BE", "<html lang=\"nl\" dir=\"ltr\">"),
            ("he", "<html lang=\"he\" dir=\"rtl\">"),
            ("fr", "<html lang=\"en\" dir=\"ltr\">"),
        ] {
            shop.done(&joan, "customerUpdate", json!({ "locale": locale })).await;
            let shown = page(shop, Method::GET, &token).await;
            assert!(shown.body.as_str().unwrap().contains(expected), "{locale}");
        }
    }

    async fn a_name_of_a_shop_is_text_on_its_pages(shop: &TestApp) {
        shop.set(json!({ "name": "<b>Tea</b> & \"Co\"" })).await;
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Newsletter), Channel::Email).await).await;
        let html = page(shop, Method::GET, &token).await.body.as_str().unwrap().to_owned();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;Tea"), "{html}");
    }

    async fn a_storefront_has_a_page_of_its_own(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Newsletter), Channel::Email).await).await;
        let query = "query ($token: String!) { unsubscribeInfo(token: $token) { shop purpose channel } }";
        let nobody = Caller::anonymous();
        let told = shop.unchanged_by(async || shop.graphql(&nobody, query, json!({ "token": token })).await).await;
        let expected = json!({ "shop": "Regulars shop", "purpose": "NEWSLETTER", "channel": "EMAIL" });
        assert_eq!(told.at("/unsubscribeInfo"), &expected);
        let wrong = shop.graphql(&nobody, query, json!({ "token": "x" })).await;
        assert_eq!(wrong.data(), &json!({ "unsubscribeInfo": null }));
        let mutation = "mutation ($input: UnsubscribeInput!) { unsubscribe(input: $input) {
            unsubscribed { shop purpose channel } userErrors { code field } } }";
        let act = async |token: &str| shop.graphql(&nobody, mutation, json!({ "input": { "token": token } })).await;
        shop.unchanged_by(async || act("x").await).await.assert_user_error("LINK_INVALID");
        assert_eq!(act(&token).await.assert_done().payload()["unsubscribed"], expected);
        shop.unchanged_by(async || act(&token).await).await.assert_done();
        assert_eq!(refused(shop).await, [(Purpose::Newsletter, Channel::Email, ConsentSource::UnsubscribeLink)]);
    }

    async fn a_mail_provider_sends_the_clicks_of_many_from_one_address(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let token = token(shop, sent(shop, &joan, Some(Purpose::Care), Channel::Email).await).await;
        let app = shop.another_instance_with(&["--max-requests-per-address", "2"]).await;
        let serving = Serving::begin(app.clone());
        let click = async |token: &str| {
            let request = serving.request(Method::POST, &format!("/unsubscribe/{token}"));
            let answer = request.header("content-type", FORM).body(ONE_CLICK).send().await.unwrap();
            answer.status().as_u16()
        };
        for expected in [404, 404, 429, 429] {
            assert_eq!(click("x").await, expected);
        }
        for _ in 0..10 {
            assert_eq!(click(&token).await, 200);
        }
        serving.end().await;
        app.db.clone().close().await.unwrap();
    }

    async fn a_link_says_no_for_everybody_who_is_written_to_there(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let record = json!({ "externalId": "c-1", "email": joan.email.to_uppercase() });
        let contact = shop.done(&server, "customerRecord", record).await["customer"]["id"].clone();
        let others = json!({ "externalId": "c-2", "email": format!("other-{}", joan.email) });
        shop.done(&server, "customerRecord", others).await;
        let mail = token(shop, sent(shop, &joan, Some(Purpose::Offers), Channel::Email).await).await;
        assert_eq!(post(shop, &mail, FORM, ONE_CLICK).await.status, 200);
        let rows = consent::Entity::find().all(&shop.app.db.read).await.unwrap();
        let mut of: Vec<_> = rows.iter().map(|row| row.person_id.0).collect();
        of.sort_unstable();
        let mut expected = [joan.customer_id(), contact.as_str().unwrap()].map(|id| read(&id.to_owned().into()).unwrap().1);
        expected.sort_unstable();
        assert_eq!(of, expected);
        // What came to a device is the word of who has it.
        let push = token(shop, sent(shop, &joan, Some(Purpose::Offers), Channel::Push).await).await;
        post(shop, &push, FORM, ONE_CLICK).await;
        assert_eq!(consent::Entity::find().all(&shop.app.db.read).await.unwrap().len(), 3);
    }

    async fn a_link_says_no_for_whom_its_reader_turned_out_to_be(shop: &TestApp) {
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        let (joan, piet) = (shop.as_customer().await, shop.as_customer().await);
        let token = token(shop, sent(shop, &joan, Some(Purpose::Care), Channel::Email).await).await;
        let merge = json!({ "fromId": joan.customer_id(), "intoId": piet.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        post(shop, &token, FORM, ONE_CLICK).await;
        let row = consent::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
        assert_eq!(Some(row.person_id.0), read(&piet.customer_id().to_owned().into()).map(|(_, id)| id));
    }
}
