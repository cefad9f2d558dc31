//! Whose credentials an operation is sent with: all of them got as their owners get them.

use entity::customer;
use entity::staff::Role;
use regulars::auth::api_keys::{self, NewKey};
use regulars::auth::passwords::Password;
use regulars::auth::staff::{self, NewStaff};
use regulars::auth::viewer::Scope;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Answer, TestApp};

/// What staff and customers of tests sign in with.
pub(crate) const PASSWORD: &str = "a horse with no battery";

/// Somebody who sends operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    token: Option<String>,
    customer_id: Option<String>,
    /// Where the shop writes to a customer or member of staff.
    pub(crate) email: String,
    /// Of a customer's or member of staff's session.
    pub(crate) refresh_token: String,
}

impl Caller {
    /// Nobody we know.
    pub(crate) fn anonymous() -> Self {
        Self::default()
    }

    /// Whoever has this access token or API key.
    pub(crate) fn bearer(token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::default() }
    }

    /// The one whom `payload` of a mutation in `answer` signed in.
    pub(crate) fn signed_in(email: &str, answer: &Answer) -> Self {
        answer.assert_done();
        let payload = answer.payload();
        let text = |path: &str| payload.pointer(path).and_then(|value| value.as_str()).map(str::to_owned);
        Self {
            token: Some(text("/tokens/accessToken").expect("no access token")),
            customer_id: text("/customerId"),
            email: email.to_owned(),
            refresh_token: text("/tokens/refreshToken").expect("no refresh token"),
        }
    }

    /// The customer's global id; another caller has none and fails the test.
    pub(crate) fn customer_id(&self) -> &str {
        self.customer_id.as_deref().expect("a customer")
    }

    /// The access token or API key; a caller without one fails the test.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("credentials")
    }

    /// Adds the credentials to a request.
    pub(crate) fn sign(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

impl TestApp {
    /// A new member of staff who signed in.
    pub(crate) async fn as_staff(&self, role: Role) -> Caller {
        let email = self.fresh_address("staff");
        let new = NewStaff {
            email: email.clone().try_into().unwrap(),
            name: "Sam of the staff".to_owned(),
            role,
            password: Password::parse(PASSWORD.to_owned().into()).unwrap(),
        };
        staff::create(&self.app, new).await.unwrap();
        let mutation = "mutation ($input: StaffSignInInput!) {
            staffSignIn(input: $input) { tokens { accessToken refreshToken } staffId userErrors { code } }
        }";
        let input = json!({ "email": email, "password": PASSWORD });
        let answer = self.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await;
        Caller::signed_in(&email, &answer)
    }

    /// A server of the shop with a new API key.
    pub(crate) async fn as_shop_key(&self, scopes: &[Scope]) -> Caller {
        self.as_shop_key_for(scopes, None).await
    }

    /// A server of the shop with a new API key that ends after some days.
    pub(crate) async fn as_shop_key_for(&self, scopes: &[Scope], days: Option<u32>) -> Caller {
        let new = NewKey { name: "The shop's server".to_owned(), scopes: scopes.to_vec(), days };
        Caller::bearer(api_keys::create(&self.app, &new).await.unwrap().expose_secret())
    }

    /// A new registered customer without points, who proved the mailbox.
    pub(crate) async fn as_customer(&self) -> Caller {
        self.as_customer_at(&self.fresh_address("customer")).await
    }

    /// The same with an address of the test's choice.
    pub(crate) async fn as_customer_at(&self, email: &str) -> Caller {
        let challenge = self.register(email, None).await;
        let code = self.mailed_code(email).await;
        Caller::signed_in(email, &self.prove(&challenge, &code).await)
    }

    /// Asks for an account; answers the challenge.
    pub(crate) async fn register(&self, email: &str, password: Option<&str>) -> String {
        let mutation = "mutation ($input: CustomerRegisterInput!) {
            customerRegister(input: $input) { status challengeId userErrors { code } }
        }";
        let input = json!({ "email": email, "password": password, "name": "Joan" });
        let answer = self.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await;
        assert_eq!(answer.text("/customerRegister/status"), "CHECK_MAILBOX");
        answer.text("/customerRegister/challengeId").to_owned()
    }

    /// Lets the mails go out; answers the code of the last one to `email`.
    pub(crate) async fn mailed_code(&self, email: &str) -> String {
        self.run_jobs().await;
        let mails = self.mail.to(email);
        mails
            .iter()
            .rev()
            .find_map(super::Mail::code)
            .unwrap_or_else(|| panic!("no code for {email}: {mails:?}"))
    }

    /// Gives a code for a challenge.
    pub(crate) async fn prove(&self, challenge: &str, code: &str) -> Answer {
        let mutation = "mutation ($input: MailboxProveInput!) {
            mailboxProve(input: $input) {
                tokens { accessToken refreshToken } customerId userErrors { code field message }
            }
        }";
        let input = json!({ "challengeId": challenge, "code": code });
        self.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
    }

    /// Closes the account of a customer.
    pub(crate) async fn disable(&self, who: &Caller) {
        let update = customer::Entity::update_many()
            .col_expr(customer::Column::DisabledAt, Expr::val(self.clock.now()))
            .filter(customer::Column::EmailKey.eq(&who.email));
        assert_eq!(update.exec(&self.app.db.write).await.unwrap().rows_affected, 1);
    }

    /// An address that nobody has yet.
    pub(crate) fn fresh_address(&self, kind: &str) -> String {
        format!("{kind}-{}@example.org", self.next_number())
    }

    /// A number that was not given out before: for keys and external ids.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }
}
