//! Templates: written by staff, tried, and published only if nothing is wrong with them.

use chrono::TimeDelta;
use entity::consent::Purpose;
use entity::message::MessageState;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, Fresh, TestApp, both_engines};

fn mjml(inside: &str) -> String {
    format!(
        "<mjml><mj-body><mj-section><mj-column><mj-text>{inside}</mj-text></mj-column></mj-section></mj-body></mjml>"
    )
}

fn body(purpose: Option<&str>, inside: &str) -> Json {
    let content = json!([{ "locale": "en", "subject": "Hello{% if person.name %} {{ person.name }}{% endif %}", "mjml": mjml(inside),
        "title": "Hello", "short": "You have {{ points.available | number }} points" }]);
    json!({ "purpose": purpose, "channels": ["EMAIL", "INBOX"], "content": content })
}

const LINK: &str = "<a href=\"{{ unsubscribe_url }}\">Stop</a>";

fn draft(code: &str, purpose: Option<&str>, inside: &str) -> Json {
    json!({ "code": code, "name": "Ours", "body": body(purpose, inside) })
}

async fn preview(shop: &TestApp, who: &Caller, template: Json, customer: Option<&str>) -> Json {
    let query = "query ($template: MessageTemplateTrialInput!, $customer: ID) {
        messageTemplatePreview(template: $template, customerId: $customer) {
            locale subject html text title short link userErrors { code field message } } }";
    let variables = json!({ "template": template, "customer": customer });
    shop.graphql(who, query, variables).await.at("/messageTemplatePreview").clone()
}

both_engines! {
    async fn what_the_shop_publishes_takes_the_place_of_what_is_built_in(shop: &TestApp) {
        let manager = shop.as_staff(Role::Manager).await;
        let joan = shop.as_customer().await;
        let query = "{ messageTemplates { code builtIn published { version purpose channels content { locale } } draft { version } } }";
        let all = shop.graphql(&manager, query, json!({})).await;
        assert_eq!(all.at("/messageTemplates").as_array().unwrap().len(), 22);
        let written = shop.done(&manager, "messageTemplateDraft", draft("points_expiring", Some("PROGRAMME"), LINK)).await;
        let expected = json!({ "code": "points_expiring", "name": "Ours", "builtIn": true,
            "published": { "version": 0 }, "draft": { "version": 1 } });
        assert_eq!(written["template"], expected);
        // Nothing is sent with a draft.
        let fresh = Fresh::to(&joan, "points_expiring", Some(Purpose::Programme));
        let before = shop.queue(fresh.clone()).await;
        shop.run_jobs().await;
        assert_eq!(shop.message(before).await.template_version, Some(0));
        let published = shop.done(&manager, "messageTemplatePublish", json!({ "code": "points_expiring" })).await;
        assert_eq!((&published["template"]["published"]["version"], &published["template"]["draft"]), (&json!(1), &Json::Null));
        let after = shop.queue(fresh).await;
        shop.run_jobs().await;
        let row = shop.message(after).await;
        assert_eq!((row.state, row.template_version), (MessageState::Sent, Some(1)));
        assert_eq!(shop.mail.to(&joan.email).last().unwrap().subject(), "Hello Joan");
        shop.refused(&manager, "messageTemplatePublish", json!({ "code": "points_expiring" }), "NO_DRAFT").await;
        shop.refused(&manager, "messageTemplatePublish", json!({ "code": "birthday" }), "NO_DRAFT").await;
        shop.refused(&manager, "messageTemplatePublish", json!({ "code": "nothing" }), "NOT_FOUND").await;
        let next = shop.done(&manager, "messageTemplateDraft", draft("points_expiring", Some("PROGRAMME"), LINK)).await;
        assert_eq!((&next["template"]["published"]["version"], &next["template"]["draft"]["version"]), (&json!(1), &json!(2)));
    }

    async fn a_service_template_with_a_coupon_or_price_cannot_be_published(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        for (purpose, inside, code) in [
            (Some("CARE"), "{{ coupon.code }}", "PROMOTION_NOT_ALLOWED"),
            (Some("PROGRAMME"), "{% for line in order.lines %}{{ line.price }}{% endfor %}", "PROMOTION_NOT_ALLOWED"),
            (None, "{{ order.total }}", "PROMOTION_NOT_ALLOWED"),
            (Some("OFFERS"), "", "UNSUBSCRIBE_LINK_MISSING"),
            (Some("CARE"), "{{ nothing }}", "INVALID"),
            (Some("CARE"), "{% include 'x' %}", "INVALID"),
            (Some("CARE"), "<mj-include path='/etc/passwd'/>", "INVALID"),
            (Some("CARE"), "<script>x</script>", "INVALID"),
        ] {
            let link = if purpose.is_none() || code == "UNSUBSCRIBE_LINK_MISSING" { "" } else { LINK };
            shop.done(&owner, "messageTemplateDraft", draft("ours", purpose, &format!("{inside}{link}"))).await;
            let answer = shop.unchanged_by(async || {
                shop.mutate(&owner, "messageTemplatePublish", json!({ "code": "ours" })).await
            }).await;
            assert_eq!(answer.user_error_codes()[0], code, "{inside}");
            assert_eq!(answer.user_errors()[0]["field"], json!(["body", "content", "en", "mjml"]));
        }
        let promotion = format!("{{% if coupon %}}{{{{ coupon.code }}}}{{% endif %}}{{{{ order.total }}}}{LINK}");
        shop.done(&owner, "messageTemplateDraft", draft("ours", Some("OFFERS"), &promotion)).await;
        shop.done(&owner, "messageTemplatePublish", json!({ "code": "ours" })).await;
    }

    async fn what_not_everybody_has_is_published_within_a_condition_only(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        for (purpose, inside, code, name) in [
            (None, "{{ programme.pending | number }} points".to_owned(), "INVALID", "programme"),
            (Some("CARE"), format!("{{{{ person.name }}}}{LINK}"), "INVALID", "person.name"),
            (Some("OFFERS"), format!("{{% if coupon %}}{LINK}{{% endif %}}"), "UNSUBSCRIBE_LINK_MISSING", "coupon"),
        ] {
            shop.done(&owner, "messageTemplateDraft", draft("ours", purpose, &inside)).await;
            let answer = shop.unchanged_by(async || {
                shop.mutate(&owner, "messageTemplatePublish", json!({ "code": "ours" })).await
            }).await;
            assert_eq!(answer.user_error_codes()[0], code, "{inside}");
            let message = answer.user_errors()[0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(&format!("`{name}`")), "{message}");
        }
        let asked = "{% if programme %}{{ programme.pending | number }} points{% endif %}";
        shop.done(&owner, "messageTemplateDraft", draft("ours", None, asked)).await;
        shop.done(&owner, "messageTemplatePublish", json!({ "code": "ours" })).await;
    }

    async fn a_template_that_a_journey_sends_keeps_its_purpose_and_channels(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let publish = json!({ "code": "points_expiring" });
        shop.done(&owner, "journeyPublish", publish.clone()).await;
        let another = draft("points_expiring", Some("OFFERS"), LINK);
        let mut fewer = draft("points_expiring", Some("PROGRAMME"), LINK);
        fewer["body"]["channels"] = json!(["EMAIL"]);
        for act in ["journeyPause", "journeyResume"] {
            shop.done(&owner, act, publish.clone()).await;
            for (body, field) in [(&another, "purpose"), (&fewer, "channels")] {
                shop.done(&owner, "messageTemplateDraft", body.clone()).await;
                let refused = shop.refused(&owner, "messageTemplatePublish", publish.clone(), "USED_BY_JOURNEY").await;
                assert_eq!(refused.user_errors()[0]["field"], json!(["body", field]));
            }
        }
        shop.done(&owner, "messageTemplateDraft", draft("points_expiring", Some("PROGRAMME"), LINK)).await;
        shop.done(&owner, "messageTemplatePublish", publish.clone()).await;
        shop.done(&owner, "journeyRetire", publish.clone()).await;
        shop.done(&owner, "messageTemplateDraft", another).await;
        shop.done(&owner, "messageTemplatePublish", publish).await;
    }

    async fn a_draft_that_is_written_while_it_is_published_is_looked_at_too(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let query = "{ messageTemplate(code: \"ours\") { published { content { mjml } } } }";
        for round in 0..5 {
            shop.done(&owner, "messageTemplateDraft", draft("ours", None, &format!("Fine {round}"))).await;
            let publishing = shop.mutate(&owner, "messageTemplatePublish", json!({ "code": "ours" }));
            let writing = shop.mutate(&owner, "messageTemplateDraft", draft("ours", None, "{{ nothing }}"));
            let answers = join_all([publishing, writing]).await;
            let codes = answers[0].user_error_codes();
            assert!(codes.iter().all(|code| *code == "INVALID"), "{codes:?}");
            let now = shop.graphql(&owner, query, json!({})).await;
            let mjml = now.at("/messageTemplate/published").to_string();
            assert!(!mjml.contains("nothing"), "{mjml}");
        }
    }

    async fn a_template_is_tried_before_it_is_published(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_234).await;
        let query = "query ($body: MessageTemplateBodyInput!) { messageTemplateValidate(body: $body) {
            valid userErrors { code field message } } }";
        for (written, valid) in [(body(Some("CARE"), LINK), true), (body(Some("CARE"), "{{ coupon }}"), false)] {
            let answer = shop.graphql(&owner, query, json!({ "body": written })).await;
            assert_eq!(answer.at("/messageTemplateValidate/valid"), valid, "{written}");
        }
        let seen = preview(shop, &owner, json!({ "body": body(None, "Bye") }), Some(joan.customer_id())).await;
        assert_eq!((&seen["subject"], &seen["short"], &seen["text"]), (&json!("Hello Joan"), &json!("You have 1,234 points"), &json!("Bye")));
        let hebrew = preview(shop, &owner, json!({ "code": "order_confirmation", "locale": "he-IL" }), None).await;
        assert_eq!((&hebrew["locale"], &hebrew["userErrors"]), (&json!("he"), &json!([])));
        assert!(hebrew["html"].as_str().unwrap().contains("dir=\"rtl\""));
        let wrong = preview(shop, &owner, json!({ "body": body(None, "{{ nothing }}") }), None).await;
        assert_eq!((&wrong["html"], &wrong["userErrors"][0]["code"]), (&Json::Null, &json!("INVALID")));
        for nothing in [json!({}), json!({ "code": "nothing" }), json!({ "code": "birthday", "body": body(None, "") })] {
            let refused = preview(shop, &owner, nothing, None).await;
            assert_eq!(refused["userErrors"].as_array().unwrap().len(), 1);
        }
    }

    async fn a_test_goes_to_who_asks_for_it_and_to_nobody_else(shop: &TestApp) {
        let manager = shop.as_staff(Role::Manager).await;
        let input = json!({ "template": { "code": "order_confirmation", "locale": "nl" }, "idempotencyKey": "once" });
        for replayed in [false, true] {
            let sent = shop.done(&manager, "messageTemplateTestSend", input.clone()).await;
            assert_eq!((&sent["queued"], &sent["replayed"]), (&json!(true), &json!(replayed)));
        }
        shop.run_jobs().await;
        let mails = shop.mail.to(&manager.email);
        assert_eq!((mails.len(), shop.mail.count()), (1, 1));
        assert_eq!(mails[0].subject(), "We hebben je bestelling 1001 ontvangen");
        shop.refused(&manager, "messageTemplateTestSend", json!({ "template": { "code": "nothing" } }), "NOT_FOUND").await;
    }

    async fn only_managers_and_owners_write_templates_and_publish_after_a_step_up(shop: &TestApp) {
        for role in [Role::Support, Role::Analyst] {
            let caller = shop.as_staff(role).await;
            shop.graphql(&caller, "{ messageTemplates { code } }", json!({})).await.assert_error("FORBIDDEN");
        }
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "messageTemplateDraft", draft("ours", None, "Hello")).await;
        shop.clock.advance(TimeDelta::minutes(6));
        let late = shop.mutate(&owner, "messageTemplatePublish", json!({ "code": "ours" })).await;
        late.assert_error("FORBIDDEN");
        for (input, field) in [("Ours", "code"), ("", "code")] {
            let answer = shop.refused(&owner, "messageTemplateDraft", draft(input, None, ""), "INVALID").await;
            assert_eq!(answer.user_errors()[0]["field"], json!(["input", field]));
        }
    }

    async fn drafts_that_several_write_at_once_are_one(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let drafts = (0..6).map(|number| {
            let inside = format!("Hello {number}");
            shop.mutate(&owner, "messageTemplateDraft", draft("ours", None, &inside))
        });
        let drafts = join_all(drafts.collect::<Vec<_>>()).await;
        assert!(drafts.iter().all(|answer| answer.payload()["template"]["draft"]["version"] == 1));
        let both = join_all((0..2).map(|_| shop.mutate(&owner, "messageTemplatePublish", json!({ "code": "ours" })))).await;
        let mut codes: Vec<_> = both.iter().flat_map(|answer| answer.user_error_codes()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["NO_DRAFT"]);
    }
}
