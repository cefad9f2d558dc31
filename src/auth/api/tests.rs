//! The way of an address over GraphQL.

use async_graphql::ID;

use crate::auth::viewer::Viewer;
use crate::auth::{authenticate, code};
use crate::graphql::global_id::{NodeType, local_id};
use crate::testing::on_each_database;

#[tokio::test]
async fn over_graphql_an_address_registers_proves_and_sees_itself() {
    on_each_database(async |app| {
    let schema = crate::graphql::schema(Some(app.clone()));
    let run = async |query: String, viewer: Viewer| {
        let response = schema.execute(async_graphql::Request::new(query).data(viewer)).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.into_json().unwrap()
    };
    let register = r#"mutation { customerRegister(input: { email: "anna@example.com", password: "short" }) {
    status challengeId userErrors { code field } } }"#;
    let refused = run(register.to_owned(), Viewer::Anonymous).await;
    let expected = serde_json::json!({ "status": null, "challengeId": null,
        "userErrors": [{ "code": "PASSWORD_TOO_SHORT", "field": ["input", "password"] }] });
    assert_eq!(refused["customerRegister"], expected);
    let taken = run(register.replace("short", "correct horse"), Viewer::Anonymous).await;
    assert_eq!(taken["customerRegister"]["status"], "CHECK_MAILBOX");
    let id = taken["customerRegister"]["challengeId"].as_str().unwrap().to_owned();
    let challenge = local_id(&ID(id.clone()), NodeType::MailboxChallenge).unwrap();
    let code = code::of(&app.keys.code().unwrap(), challenge);
    let prove = format!(
        r#"mutation {{ mailboxProve(input: {{ challengeId: "{id}", code: "{code}" }}) {{
            tokens {{ accessToken refreshToken }} customerId userErrors {{ code }} }} }}"#
    );
    let proven = run(prove.clone(), Viewer::Anonymous).await["mailboxProve"].clone();
    let access = proven["tokens"]["accessToken"].as_str().unwrap();
    let seen = authenticate(app, Some(&format!("Bearer {access}")), Ok(())).await.unwrap();
    let me = run("{ me { id email registered enrolled } }".to_owned(), seen.for_query()).await["me"].clone();
    assert_eq!((&me["id"], &me["email"]), (&proven["customerId"], &"anna@example.com".into()));
    assert!(me["registered"].is_string() && me["enrolled"].is_string());
    let again = run(prove, Viewer::Anonymous).await["mailboxProve"].clone();
    assert_eq!(again["userErrors"][0]["code"], "CODE_INVALID");
    })
    .await;
}
