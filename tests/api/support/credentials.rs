//! What people do about their credentials in many tests.

use serde_json::{Value as Json, json};

use super::{Answer, Caller, PASSWORD, TestApp};

/// What a mutation is asked for besides its `userErrors`.
fn selection(mutation: &str) -> &'static str {
    match mutation {
        "signInRequestCode" | "passwordResetRequest" | "emailChangeRequest" | "customerRegister" => {
            "status challengeId"
        }
        "signInWithPassword" | "passwordReset" | "mailboxProve" => {
            "tokens { accessToken refreshToken } customerId"
        }
        "passwordChange" => "changed",
        "emailChangeConfirm" => "customer { id email }",
        "sessionReauthenticate" => "authenticatedAt",
        "sessionRefresh" => "tokens { accessToken refreshToken }",
        "surveyAnswer" => "answered",
        "sessionRevoke" => "session { id endedAt current } replayed",
        "sessionsRevokeOthers" => "ended replayed",
        other => panic!("what does {other} answer?"),
    }
}

impl TestApp {
    /// Sends one mutation about credentials.
    pub(crate) async fn credential(&self, caller: &Caller, mutation: &str, input: Json) -> Answer {
        let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let asked = selection(mutation);
        let query = format!(
            "mutation ($input: {of}!) {{ {mutation}(input: $input) {{ {asked} userErrors {{ code field message }} }} }}"
        );
        self.graphql(caller, &query, json!({ "input": input })).await
    }

    /// The same for a mutation that must be refused and leave every table as it was.
    pub(crate) async fn credential_refused(&self, caller: &Caller, mutation: &str, input: Json, code: &str) {
        let answer = self.unchanged_by(async || self.credential(caller, mutation, input).await).await;
        answer.assert_user_error(code);
    }

    /// Asks for a code; answers the challenge.
    pub(crate) async fn challenge(&self, caller: &Caller, mutation: &str, input: Json) -> String {
        let answer = self.credential(caller, mutation, input).await;
        answer.assert_done();
        assert_eq!(answer.payload()["status"], "CHECK_MAILBOX");
        answer.payload()["challengeId"].as_str().unwrap().to_owned()
    }

    /// Asks for a code and reads it; answers the input that gives it back.
    pub(crate) async fn mailed(&self, caller: &Caller, mutation: &str, input: Json, to: &str) -> Json {
        let challenge = self.challenge(caller, mutation, input).await;
        json!({ "challengeId": challenge, "code": self.mailed_code(to).await })
    }

    /// A code to sign in at `email`, read there.
    pub(crate) async fn sign_in_code(&self, email: &str) -> Json {
        self.mailed(&Caller::anonymous(), "signInRequestCode", json!({ "email": email }), email).await
    }

    /// A code that sets a password, read at `email`.
    pub(crate) async fn reset_code(&self, email: &str) -> Json {
        self.mailed(&Caller::anonymous(), "passwordResetRequest", json!({ "email": email }), email).await
    }

    /// A code for another address of `caller`, read at that.
    pub(crate) async fn email_change_code(&self, caller: &Caller, new: &str) -> Json {
        self.mailed(caller, "emailChangeRequest", json!({ "newEmail": new }), new).await
    }

    /// Signs in with a password, whatever comes of it.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        let input = json!({ "email": email, "password": password });
        self.credential(&Caller::anonymous(), "signInWithPassword", input).await
    }

    /// Another session of somebody who signs in with [`PASSWORD`].
    pub(crate) async fn another_session(&self, email: &str) -> Caller {
        Caller::signed_in(email, &self.sign_in(email, PASSWORD).await)
    }

    /// A new registered customer who signs in with [`PASSWORD`].
    pub(crate) async fn as_customer_with_password(&self) -> Caller {
        let email = self.fresh_address("customer");
        let challenge = self.register(&email, Some(PASSWORD)).await;
        let code = self.mailed_code(&email).await;
        Caller::signed_in(&email, &self.prove(&challenge, &code).await)
    }

    /// Whether the access token of a customer is taken.
    pub(crate) async fn is_in(&self, caller: &Caller) -> bool {
        let answer = self.graphql(caller, "{ me { id } }", json!({})).await;
        match answer.status {
            200 => answer.at("/me/id") == caller.customer_id(),
            401 => false,
            other => panic!("{other}: {:#}", answer.body),
        }
    }

    /// The subjects of the mails to `email`, without the digits in them.
    pub(crate) fn subjects(&self, email: &str) -> Vec<String> {
        let without_digits = |subject: &str| -> String {
            subject.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>().trim().to_owned()
        };
        self.mail.to(email).iter().map(|mail| without_digits(&mail.subject())).collect()
    }

    /// Entries of the audit log about a customer, the newest first: act, actor and detail.
    pub(crate) async fn audited(&self, customer_id: &str) -> Vec<(String, String, Json)> {
        let owner = self.as_staff(entity::staff::Role::Owner).await;
        let query = "query ($filter: AuditFilter) { auditEntries(first: 100, filter: $filter) {
            nodes { act actorKind detail } } }";
        let filter = json!({ "filter": { "customerId": customer_id } });
        let answer = self.graphql(&owner, query, filter).await;
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let told = |entry: &Json| (text(&entry["act"]), text(&entry["actorKind"]), entry["detail"].clone());
        answer.at("/auditEntries/nodes").as_array().unwrap().iter().map(told).collect()
    }
}

/// A code that is not this one.
pub(crate) fn wrong(given: &Json) -> Json {
    let number: u32 = given["code"].as_str().unwrap().parse().unwrap();
    json!({ "challengeId": given["challengeId"], "code": format!("{:06}", (number + 1) % 1_000_000) })
}

/// `input` with one more field.
pub(crate) fn with(input: &Json, field: &str, value: &str) -> Json {
    let mut input = input.clone();
    input[field] = json!(value);
    input
}
