//! What the server answered, and the questions tests ask of it.

use serde_json::Value as Json;

/// The answer to one operation.
#[derive(Clone, Debug)]
pub(crate) struct Answer(Json);

impl Answer {
    pub(crate) fn of(body: Json) -> Self {
        Self(body)
    }

    /// The data; an answer with errors fails the test.
    pub(crate) fn data(&self) -> &Json {
        assert!(self.0.get("errors").is_none(), "errors instead of data: {:#}", self.0);
        &self.0["data"]
    }

    /// The data at `path`, such as `/orderPay/order/state`; a missing one fails the test.
    pub(crate) fn at(&self, path: &str) -> &Json {
        let data = self.data();
        data.pointer(path).unwrap_or_else(|| panic!("nothing at {path}: {data:#}"))
    }

    /// Codes of the errors beside the data.
    pub(crate) fn error_codes(&self) -> Vec<&str> {
        let errors = self.0["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("no code")).collect()
    }

    /// Asserts that there is one error beside the data, with this code.
    pub(crate) fn assert_error(&self, code: &str) -> &Self {
        assert_eq!(self.error_codes(), [code], "{:#}", self.0);
        self
    }

    /// Codes of the `userErrors` of the only mutation.
    pub(crate) fn user_error_codes(&self) -> Vec<&str> {
        let data = self.data().as_object().expect("an object of data");
        assert_eq!(data.len(), 1, "more than one mutation: {:#}", self.0);
        let payload = data.values().next().unwrap();
        let errors = payload["userErrors"].as_array().expect("the userErrors were not asked for");
        errors.iter().map(|error| error["code"].as_str().expect("the code was not asked for")).collect()
    }

    /// Asserts that the only mutation was refused with this code.
    pub(crate) fn assert_user_error(&self, code: &str) -> &Self {
        assert_eq!(self.user_error_codes(), [code], "{:#}", self.0);
        self
    }

    /// Asserts that the only mutation was done.
    pub(crate) fn assert_done(&self) -> &Self {
        assert!(self.user_error_codes().is_empty(), "refused: {:#}", self.0);
        self
    }
}
