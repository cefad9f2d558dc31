//! Mails: in the language of their reader, in two parts that say the same, never lost, and told apart when sent twice.

use chrono::TimeDelta;
use entity::{job, mailbox_challenge};
use regulars::jobs::{self, Free};
use regulars::messages::template::Template;
use regulars::messages::{self, Letter};
use regulars::tx::Tx;
use reqwest::Method;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Caller, Mail, TestApp, both_engines};

const NAME: &str = "Anna <b>https://evil.example</b>";

/// Asks for an account for `anna@example.org` in `locale`, and lets the mail go out.
async fn mailed(shop: &TestApp, locale: &str) -> Mail {
    register(shop, locale).await;
    shop.run_jobs().await;
    only(shop, "anna@example.org")
}

async fn register(shop: &TestApp, locale: &str) {
    let mutation = "mutation ($input: CustomerRegisterInput!) {
        customerRegister(input: $input) { status userErrors { code } }
    }";
    let input = json!({ "email": "anna@example.org", "name": NAME, "locale": locale });
    let answer = shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await;
    assert_eq!(answer.text("/customerRegister/status"), "CHECK_MAILBOX");
}

fn only(shop: &TestApp, address: &str) -> Mail {
    let mut mails = shop.mail.to(address);
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

async fn challenge(shop: &TestApp) -> Uuid {
    mailbox_challenge::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap().id.0
}

async fn queued(shop: &TestApp) -> Vec<job::Model> {
    job::Entity::find().all(&shop.app.db.read).await.unwrap()
}

fn notice(shop: &TestApp, template: Template) -> Letter {
    Letter::Notice {
        template,
        to: "anna@example.org".to_owned().try_into().unwrap(),
        locale: Some("nl-BE".to_owned()),
        cause: Uuid::from_u128(7),
        at: shop.clock.now(),
    }
}

/// What `/metrics` says of a counter of this process; 0 before its first.
async fn counted(shop: &TestApp, counter: &str) -> u64 {
    let answer = shop.serving.request(Method::GET, "/metrics").send().await.unwrap();
    let text = answer.text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(counter)?.trim().parse().ok()).unwrap_or_default()
}

both_engines! {
    async fn a_mail_is_in_the_language_of_its_reader(shop: &TestApp) {
        let mail = mailed(shop, "he-IL").await;
        let code = mail.code().expect("no code");
        assert_eq!(mail.subject(), format!("{code} הוא הקוד שלך ב־Regulars shop"));
        assert_eq!(mail.header("Content-Language").as_deref(), Some("he"));
        assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(mail.id(), format!("{}@localhost", challenge(shop).await));
        assert!(mail.text().contains("הקוד תקף ל־10 דקות"), "{}", mail.text());
        assert!(mail.html().contains("<html lang=\"he\" dir=\"rtl\">"), "{}", mail.html());
        assert_eq!((mail.link(), mail.token()), (None, None));
    }

    async fn nothing_that_the_asker_wrote_is_repeated(shop: &TestApp) {
        for locale in ["en", "nl", "he"] {
            register(shop, locale).await;
        }
        shop.run_jobs().await;
        let mails = shop.mail.to("anna@example.org");
        assert_eq!(mails.len(), 3);
        for mail in mails {
            let whole = [mail.subject(), mail.text(), mail.html()].concat();
            for written in ["Anna", "anna", "evil", "<b>", "&lt;b&gt;"] {
                assert!(!whole.contains(written), "{written} in {whole}");
            }
        }
    }

    async fn a_queued_code_holds_nothing_but_its_challenge(shop: &TestApp) {
        register(shop, "en").await;
        let expected = json!({ "letter": "code", "challenge_id": challenge(shop).await });
        let jobs = queued(shop).await;
        let found: Vec<_> = jobs.into_iter().map(|job| (job.kind, job.payload)).collect();
        assert_eq!(found, [("mail".to_owned(), expected)]);
    }

    async fn a_code_that_ended_is_not_mailed(shop: &TestApp) {
        register(shop, "en").await;
        shop.clock.advance(TimeDelta::minutes(10));
        assert_eq!(shop.run_jobs().await, 1);
        assert_eq!((shop.mail.count(), queued(shop).await), (0, Vec::new()));
    }

    async fn a_notice_says_what_happened_and_when(shop: &TestApp) {
        let letter = notice(shop, Template::EmailChanged);
        shop.clock.advance(TimeDelta::hours(1));
        shop.change(async |tx: &Tx| messages::enqueue(tx, &letter).await).await;
        shop.run_jobs().await;
        let mail = only(shop, "anna@example.org");
        assert_eq!(mail.subject(), "Het e-mailadres van je account bij Regulars shop is gewijzigd");
        assert!(mail.text().contains("op 15 januari 2026 om 13:00 uur (CET)"), "{}", mail.text());
        assert_eq!(mail.id(), "00000000-0000-0000-0000-000000000007.email_changed@localhost");
        assert_eq!((mail.code(), mail.link(), mail.token()), (None, None, None));
    }

    async fn one_cause_may_be_told_by_several_templates(shop: &TestApp) {
        for template in [Template::EmailChanged, Template::PasswordChanged] {
            let letter = notice(shop, template);
            shop.change(async |tx: &Tx| messages::enqueue(tx, &letter).await).await;
        }
        shop.run_jobs().await;
        let mut ids: Vec<String> = shop.mail.to("anna@example.org").iter().map(Mail::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2, "{ids:?}");
    }

    async fn a_notice_cannot_be_of_a_template_that_shows_a_secret(shop: &TestApp) {
        for template in [Template::CodeSignIn, Template::StaffInvitation] {
            let letter = notice(shop, template);
            shop.unchanged_by(async || {
                let work = async |tx: &Tx, letter: &Letter| messages::enqueue(tx, letter).await;
                shop.app.change(&letter, work).await.unwrap_err();
            })
            .await;
        }
    }

    async fn a_mail_whose_worker_ended_is_counted_and_sent_again_as_the_same(shop: &TestApp) {
        const UNKNOWN: &str = "regulars_mails_unknown_outcome_total";
        const SENT: &str = "regulars_mails_total{outcome=\"sent\"}";
        let (unknown, sent) = (counted(shop, UNKNOWN).await, counted(shop, SENT).await);
        register(shop, "en").await;
        // A worker that took it and ended before it told anything.
        assert_eq!(jobs::lease(&shop.app, Free { urgent: 8, bulk: 8 }).await.unwrap().len(), 1);
        shop.app.db.write.execute_unprepared("UPDATE jobs SET leased_until_ms = 1").await.unwrap();
        shop.run_jobs().await;
        assert_eq!(only(shop, "anna@example.org").id(), format!("{}@localhost", challenge(shop).await));
        assert!(counted(shop, UNKNOWN).await > unknown);
        assert!(counted(shop, SENT).await > sent);
        assert_eq!(queued(shop).await, []);
    }
}
