//! The access layer on a database of its own.

use chrono::TimeDelta;
use entity::id::{ChallengeId, CustomerId, GuestId};
use entity::points_entry::ActorKind;
use entity::session::Audience;
use entity::staff::Role;
use entity::{customer, guest_identity, mailbox_challenge, session};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};
use secrecy::{ExposeSecret, SecretString};

use super::mailbox::Register;
use super::passwords::Password;
use super::sessions::{self, Tokens};
use super::viewer::{Scope, Viewer};
use super::{
    AuthError, Unauthenticated, api_keys, authenticate, code, mailbox, proof, prune, sign_in, staff,
};
use crate::app::App;
use crate::caller::{self, Caller};
use crate::customers::email::EmailAddress;
use crate::error::{Outcome, split};
use crate::testing::{Engine, database, instance, on_each_database};
use crate::tx::Tx;

fn email(text: &str) -> EmailAddress {
    EmailAddress::try_from(text.to_owned()).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(text.into()).unwrap()
}

fn ended<T, R>(outcome: Outcome<T, R>) -> Result<T, R> {
    split(outcome).unwrap()
}

fn code_of(app: &App, challenge: ChallengeId) -> String {
    code::of(&app.keys.code().unwrap(), challenge)
}

fn wrong_code_of(app: &App, challenge: ChallengeId) -> &'static str {
    if code_of(app, challenge) == "000000" { "000001" } else { "000000" }
}

async fn register(app: &App, address: &str, secret: Option<&str>) -> ChallengeId {
    let register =
        Register { email: email(address), password: secret.map(password), name: None, locale: None };
    mailbox::register(app, register).await.unwrap()
}

async fn join(app: &App, address: &str, secret: Option<&str>) -> (Tokens, CustomerId) {
    let challenge = register(app, address, secret).await;
    ended(proof::prove(app, challenge, &code_of(app, challenge)).await).unwrap()
}

async fn refresh(app: &App, token: &SecretString) -> Result<Tokens, AuthError> {
    ended(app.write(token, sessions::refresh).await).map(|opened| opened.tokens(app).unwrap())
}

async fn viewer(app: &App, token: &str) -> Option<Viewer> {
    match authenticate(app, Some(&format!("Bearer {token}")), Ok(())).await {
        Ok(seen) => Some(seen.for_query()),
        Err(Unauthenticated::Rejected) => None,
        Err(Unauthenticated::Fault(fault)) => panic!("{fault:?}"),
    }
}

async fn customers(app: &App) -> u64 {
    customer::Entity::find().count(&app.db.read).await.unwrap()
}

async fn tries(app: &App, challenge: ChallengeId) -> i32 {
    let row = mailbox_challenge::Entity::find_by_id(challenge).one(&app.db.read).await.unwrap();
    row.unwrap().tries
}

#[tokio::test]
async fn a_proven_mailbox_makes_one_account_and_signs_in() {
    on_each_database(async |app| {
        let challenge = register(app, "Anna@example.com", Some("correct horse")).await;
        assert_eq!(customers(app).await, 0);
        let (tokens, customer) = ended(proof::prove(app, challenge, &code_of(app, challenge)).await).unwrap();
        assert_eq!(customers(app).await, 1);
        let Some(Viewer::Customer { customer: seen, .. }) =
            viewer(app, tokens.access_token.expose_secret()).await
        else {
            panic!("the access token is not taken");
        };
        assert_eq!(seen, customer);
        let again = proof::prove(app, challenge, &code_of(app, challenge)).await;
        assert_eq!(ended(again).unwrap_err(), AuthError::CodeInvalid);
        let signed_in = sign_in::customer(app, &email("anna@EXAMPLE.com"), "correct horse".into()).await;
        assert_eq!(ended(signed_in).unwrap().1, customer);
    })
    .await;
}

#[tokio::test]
async fn nobody_prepares_a_password_for_somebody_elses_address() {
    on_each_database(async |app| {
        let theirs = register(app, "anna@example.com", Some("attacker's own")).await;
        join(app, "anna@example.com", Some("correct horse")).await;
        let prepared =
            mailbox_challenge::Entity::find_by_id(theirs).one(&app.db.read).await.unwrap().unwrap();
        assert_eq!(prepared.password_hash, None);
        let late = proof::prove(app, theirs, &code_of(app, theirs)).await;
        assert_eq!(ended(late).unwrap_err(), AuthError::CodeInvalid);
        let later = register(app, "anna@example.com", Some("attacker's own")).await;
        ended(proof::prove(app, later, &code_of(app, later)).await).unwrap();
        let signed_in = sign_in::customer(app, &email("anna@example.com"), "attacker's own".into()).await;
        assert_eq!(ended(signed_in).unwrap_err(), AuthError::InvalidCredentials);
        assert_eq!(customers(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_code_is_tried_five_times_and_each_try_counts_although_it_is_refused() {
    on_each_database(async |app| {
        let challenge = register(app, "anna@example.com", None).await;
        for count in 1..=5 {
            let refused = proof::prove(app, challenge, wrong_code_of(app, challenge)).await;
            assert_eq!(ended(refused).unwrap_err(), AuthError::CodeInvalid);
            assert_eq!(tries(app, challenge).await, count);
        }
        let right = proof::prove(app, challenge, &code_of(app, challenge)).await;
        assert_eq!(ended(right).unwrap_err(), AuthError::CodeInvalid);
        assert_eq!((tries(app, challenge).await, customers(app).await), (5, 0));
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_is_tried_twenty_times_a_day_over_all_its_codes() {
    on_each_database(async |app| {
        for _ in 0..4 {
            let challenge = register(app, "anna@example.com", None).await;
            for _ in 0..5 {
                ended(proof::prove(app, challenge, wrong_code_of(app, challenge)).await).unwrap_err();
            }
        }
        let fifth = register(app, "anna@example.com", None).await;
        let refused = proof::prove(app, fifth, &code_of(app, fifth)).await;
        assert_eq!(ended(refused).unwrap_err(), AuthError::CodeInvalid);
        app.clock.advance(TimeDelta::hours(25));
        join(app, "anna@example.com", None).await;
    })
    .await;
}

#[tokio::test]
async fn the_eleventh_challenge_of_a_day_looks_the_same_and_sends_nothing() {
    on_each_database(async |app| {
        for _ in 0..10 {
            register(app, "anna@example.com", None).await;
        }
        let eleventh = register(app, "anna@example.com", None).await;
        let jobs = entity::job::Entity::find().count(&app.db.read).await.unwrap();
        let rows = mailbox_challenge::Entity::find().count(&app.db.read).await.unwrap();
        assert_eq!((jobs, rows), (10, 10));
        let refused = proof::prove(app, eleventh, &code_of(app, eleventh)).await;
        assert_eq!(ended(refused).unwrap_err(), AuthError::CodeInvalid);
    })
    .await;
}

#[tokio::test]
async fn a_code_ends_after_ten_minutes() {
    on_each_database(async |app| {
        let challenge = register(app, "anna@example.com", None).await;
        app.clock.advance(TimeDelta::minutes(10));
        let late = proof::prove(app, challenge, &code_of(app, challenge)).await;
        assert_eq!(ended(late).unwrap_err(), AuthError::CodeInvalid);
    })
    .await;
}

#[tokio::test]
async fn a_code_to_sign_in_does_not_make_an_account() {
    on_each_database(async |app| {
        let guessed = mailbox::request_code(app, email("anna@example.com"), None).await.unwrap();
        let refused = proof::prove(app, guessed, &code_of(app, guessed)).await;
        assert_eq!(ended(refused).unwrap_err(), AuthError::CodeInvalid);
        let (_, customer) = join(app, "anna@example.com", None).await;
        let challenge = mailbox::request_code(app, email("anna@example.com"), None).await.unwrap();
        let signed_in = proof::prove(app, challenge, &code_of(app, challenge)).await;
        assert_eq!(ended(signed_in).unwrap().1, customer);
    })
    .await;
}

#[tokio::test]
async fn two_proofs_at_once_make_one_account() {
    on_each_database(async |app| {
        let first = register(app, "anna@example.com", None).await;
        let second = register(app, "anna@example.com", None).await;
        let (first_code, second_code) = (code_of(app, first), code_of(app, second));
        let both =
            tokio::join!(proof::prove(app, first, &first_code), proof::prove(app, second, &second_code));
        let done = [ended(both.0).is_ok(), ended(both.1).is_ok()];
        assert_eq!(done.iter().filter(|done| **done).count(), 1);
        assert_eq!(customers(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_imported_customer_registers_and_a_guest_joins() {
    on_each_database(async |app| {
        let imported = app.change(&(), import).await.unwrap();
        let (_, customer) = join(app, "anna@example.com", None).await;
        assert_eq!((customer, customers(app).await), (imported, 1));
        let guest = guest_identity::Entity::find()
            .filter(guest_identity::Column::EmailKey.eq("anna@example.com"))
            .one(&app.db.read)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((guest.customer_id, guest.joined_at), (Some(customer), Some(app.clock.now())));
        let topics: Vec<String> = entity::outbox::Entity::find()
            .all(&app.db.read)
            .await
            .unwrap()
            .into_iter()
            .map(|e| e.topic)
            .collect();
        assert!(topics.contains(&"customer.registered".to_owned()), "{topics:?}");
        assert!(topics.contains(&"guest.joined".to_owned()), "{topics:?}");
    })
    .await;
}

async fn import(tx: &Tx, (): &()) -> Result<CustomerId, crate::error::Fault> {
    use crate::points::orders::{Owner, open_accounts};
    let (customer, guest): (CustomerId, GuestId) = (tx.id(), tx.id());
    let row = customer::ActiveModel {
        id: Set(customer),
        email_key: Set(Some("anna@example.com".to_owned())),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    row.insert(tx.db()).await?;
    let row = guest_identity::ActiveModel {
        id: Set(guest),
        email: Set("anna@example.com".to_owned()),
        email_key: Set("anna@example.com".to_owned()),
        customer_id: Set(None),
        created_at: Set(tx.now()),
        joined_at: Set(None),
    };
    row.insert(tx.db()).await?;
    open_accounts(tx, &[Owner::Customer(customer), Owner::Guest(guest)]).await?;
    Ok(customer)
}

#[tokio::test]
async fn a_disabled_customer_is_out_at_once() {
    on_each_database(async |app| {
        let (tokens, customer) = join(app, "anna@example.com", Some("correct horse")).await;
        let row = customer::ActiveModel {
            id: Set(customer),
            disabled_at: Set(Some(app.clock.now())),
            ..Default::default()
        };
        row.update(&app.db.write).await.unwrap();
        assert_eq!(viewer(app, tokens.access_token.expose_secret()).await, None);
        assert_eq!(refresh(app, &tokens.refresh_token).await.unwrap_err(), AuthError::RefreshTokenInvalid);
        let signed_in = sign_in::customer(app, &email("anna@example.com"), "correct horse".into()).await;
        assert_eq!(ended(signed_in).unwrap_err(), AuthError::InvalidCredentials);
        let challenge = mailbox::request_code(app, email("anna@example.com"), None).await.unwrap();
        let proven = proof::prove(app, challenge, &code_of(app, challenge)).await;
        assert_eq!(ended(proven).unwrap_err(), AuthError::CodeInvalid);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    on_each_database(async |app| {
        let (first, _) = join(app, "anna@example.com", None).await;
        app.clock.advance(TimeDelta::minutes(20));
        assert_eq!(viewer(app, first.access_token.expose_secret()).await, None);
        let second = refresh(app, &first.refresh_token).await.unwrap();
        assert!(viewer(app, second.access_token.expose_secret()).await.is_some());
        app.clock.advance(TimeDelta::seconds(11));
        assert_eq!(refresh(app, &first.refresh_token).await.unwrap_err(), AuthError::RefreshTokenInvalid);
        assert_eq!(viewer(app, second.access_token.expose_secret()).await, None);
        assert_eq!(refresh(app, &second.refresh_token).await.unwrap_err(), AuthError::RefreshTokenInvalid);
    })
    .await;
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_both_stay_signed_in() {
    on_each_database(async |app| {
        let (first, _) = join(app, "anna@example.com", None).await;
        let (left, right) =
            tokio::join!(refresh(app, &first.refresh_token), refresh(app, &first.refresh_token));
        let (left, right) = (left.unwrap(), right.unwrap());
        refresh(app, &left.refresh_token).await.unwrap();
        assert!(viewer(app, right.access_token.expose_secret()).await.is_some());
        // Its successor is used by now: even within the grace this is a reuse.
        assert_eq!(refresh(app, &first.refresh_token).await.unwrap_err(), AuthError::RefreshTokenInvalid);
        assert_eq!(viewer(app, right.access_token.expose_secret()).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_session_keeps_what_its_client_called_itself() {
    on_each_database(async |app| {
        let caller = Caller { user_agent: Some("Mozilla/5.0".to_owned()), ..Caller::SYSTEM };
        caller::acting(caller, join(app, "anna@example.com", None)).await;
        let row = session::Entity::find().one(&app.db.read).await.unwrap().unwrap();
        assert_eq!(row.user_agent.as_deref(), Some("Mozilla/5.0"));
    })
    .await;
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    on_each_database(async |app| {
        let (tokens, _) = join(app, "anna@example.com", None).await;
        app.change(&tokens.refresh_token, sessions::end).await.unwrap();
        assert_eq!(viewer(app, tokens.access_token.expose_secret()).await, None);
        app.change(&SecretString::from("unknown"), sessions::end).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn staff_sign_in_with_keys_of_their_own() {
    on_each_database(async |app| {
        let new = || staff::NewStaff {
            email: email("olga@example.com"),
            name: "Olga".to_owned(),
            role: Role::Owner,
            password: password("correct horse"),
        };
        let id = ended(staff::create(app, new()).await).unwrap();
        assert_eq!(ended(staff::create(app, new()).await).unwrap_err(), staff::AddressTaken);
        let (tokens, who) =
            ended(sign_in::staff(app, &email("olga@example.com"), "correct horse".into(), None).await)
                .unwrap();
        assert_eq!(who, id);
        let seen = viewer(app, tokens.access_token.expose_secret()).await.unwrap();
        assert!(matches!(seen, Viewer::Staff { role: Role::Owner, .. }));
        let as_customer = sign_in::customer(app, &email("olga@example.com"), "correct horse".into()).await;
        assert_eq!(ended(as_customer).unwrap_err(), AuthError::InvalidCredentials);
        let audiences: Vec<Audience> = session::Entity::find()
            .all(&app.db.read)
            .await
            .unwrap()
            .into_iter()
            .map(|s| s.audience)
            .collect();
        assert_eq!(audiences, [Audience::Staff]);
    })
    .await;
}

#[tokio::test]
async fn an_api_key_does_what_its_scopes_say_until_it_ends() {
    on_each_database(async |app| {
        let new = api_keys::NewKey {
            name: "storefront".to_owned(),
            scopes: vec![Scope::OrdersWrite, Scope::CustomersRead],
            days: Some(7),
        };
        let key = api_keys::create(app, &new).await.unwrap();
        let seen = viewer(app, key.expose_secret()).await.unwrap();
        assert_eq!(seen.actor().kind, ActorKind::Shop);
        let Viewer::Shop { scopes, .. } = seen else { panic!("not a shop") };
        assert_eq!(scopes, new.scopes);
        let mut other = key.expose_secret().to_owned();
        let last = if other.ends_with('A') { 'B' } else { 'A' };
        other.pop();
        other.push(last);
        assert_eq!(viewer(app, &other).await, None);
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(viewer(app, key.expose_secret()).await, None);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_credential_is_rejected_and_no_header_is_anybody() {
    on_each_database(async |app| {
        assert_eq!(authenticate(app, None, Ok(())).await.unwrap(), Viewer::Anonymous.into());
        for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer rubbish", "Bearer a.b.c", "Bearer rg_x"]
        {
            let refused = authenticate(app, Some(header), Ok(())).await;
            assert!(matches!(refused, Err(Unauthenticated::Rejected)), "{header}");
        }
    })
    .await;
}

#[tokio::test]
async fn instances_that_start_at_once_share_one_key_for_each_purpose() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let directory = tempfile::tempdir().unwrap();
        let url = database(engine, &directory).await;
        // A SQLite file has one instance: only PostgreSQL is shared from the start.
        let (first, second) = match engine {
            Engine::Sqlite => (instance(&url).await, instance(&url).await),
            Engine::Postgres => tokio::join!(instance(&url), instance(&url)),
        };
        let keys = entity::server_key::Entity::find().count(&first.db.read).await.unwrap();
        assert_eq!(keys, 5);
        let (tokens, _) = join(&first, "anna@example.com", None).await;
        assert!(viewer(&second, tokens.access_token.expose_secret()).await.is_some());
    }
}

#[tokio::test]
async fn pruning_forgets_what_has_ended_and_nothing_else() {
    on_each_database(async |app| {
        join(app, "anna@example.com", None).await;
        prune::run(app).await.unwrap();
        let count = async |app: &App| {
            let challenges = mailbox_challenge::Entity::find().count(&app.db.read).await.unwrap();
            let tokens = entity::refresh_token::Entity::find().count(&app.db.read).await.unwrap();
            let sessions = session::Entity::find().count(&app.db.read).await.unwrap();
            (challenges, tokens, sessions)
        };
        assert_eq!(count(app).await, (1, 1, 1));
        app.clock.advance(TimeDelta::days(31));
        prune::run(app).await.unwrap();
        assert_eq!(count(app).await, (0, 0, 1));
        app.clock.advance(TimeDelta::days(60));
        prune::run(app).await.unwrap();
        assert_eq!(count(app).await, (0, 0, 0));
    })
    .await;
}
