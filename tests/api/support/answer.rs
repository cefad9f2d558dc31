//! What the server answered, and the questions tests ask of it.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

/// The answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Of HTTP.
    pub(crate) status: u16,
    /// Of HTTP.
    pub(crate) headers: HeaderMap,
    /// JSON, or the text as a JSON string if it is none.
    pub(crate) body: Json,
}

impl Answer {
    /// Reads the whole answer.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Json::String(text));
        Self { status, headers, body }
    }

    /// The data; an answer with errors fails the test.
    pub(crate) fn data(&self) -> &Json {
        assert!(self.body.get("errors").is_none(), "errors instead of data: {:#}", self.body);
        assert_eq!(self.status, 200);
        &self.body["data"]
    }

    /// The data at `path`, such as `/orderPay/order/state`; a missing one fails the test.
    pub(crate) fn at(&self, path: &str) -> &Json {
        let data = self.data();
        data.pointer(path).unwrap_or_else(|| panic!("nothing at {path}: {data:#}"))
    }

    /// The text at `path`.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_else(|| panic!("no text at {path}: {:#}", self.body))
    }

    /// A header's text, empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Codes of the errors beside the data.
    pub(crate) fn error_codes(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("no code")).collect()
    }

    /// Asserts that there is one error beside the data, with this code.
    pub(crate) fn assert_error(&self, code: &str) -> &Self {
        assert_eq!(self.error_codes(), [code], "{:#}", self.body);
        self
    }

    /// Asserts that nothing ran, in the shape that GraphQL over HTTP gives that: errors, no data, and this status.
    pub(crate) fn assert_refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.error_codes()), (status, vec![code]), "{:#}", self.body);
        assert!(self.body.get("data").is_none(), "data although nothing ran: {:#}", self.body);
        let error = &self.body["errors"][0];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{:#}", self.body);
        assert_eq!(error["extensions"]["requestId"].as_str(), Some(self.header("x-request-id")));
        self
    }

    /// Asserts that the credentials were not taken, as HTTP and GraphQL over HTTP say that.
    pub(crate) fn assert_rejected(&self) -> &Self {
        assert_eq!(self.header("www-authenticate"), "Bearer");
        self.assert_refused(401, "UNAUTHENTICATED")
    }

    /// The payload of the only mutation.
    pub(crate) fn payload(&self) -> &Json {
        let data = self.data().as_object().expect("an object of data");
        assert_eq!(data.len(), 1, "more than one mutation: {:#}", self.body);
        data.values().next().unwrap()
    }

    /// The `userErrors` of the only mutation.
    pub(crate) fn user_errors(&self) -> &[Json] {
        self.payload()["userErrors"].as_array().expect("the userErrors were not asked for")
    }

    /// Codes of the `userErrors` of the only mutation.
    pub(crate) fn user_error_codes(&self) -> Vec<&str> {
        let errors = self.user_errors();
        errors.iter().map(|error| error["code"].as_str().expect("the code was not asked for")).collect()
    }

    /// Asserts that the only mutation was refused with this code.
    pub(crate) fn assert_user_error(&self, code: &str) -> &Self {
        assert_eq!(self.user_error_codes(), [code], "{:#}", self.body);
        self
    }

    /// Asserts that the only mutation was done.
    pub(crate) fn assert_done(&self) -> &Self {
        assert!(self.user_error_codes().is_empty(), "refused: {:#}", self.body);
        self
    }
}
