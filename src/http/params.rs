//! Reads a GraphQL request out of a JSON body or a query string.

use async_graphql::{Extensions, Request, Variables};
use serde_json::{Map, Value};

/// Reads the body of a POST; the error says what is wrong with it.
pub(super) fn from_body(body: &[u8]) -> Result<Request, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(params)) => from_object(params),
        Ok(Value::Array(_)) => Err("Batches are not taken: send one request at a time.".to_owned()),
        Ok(_) => Err("The body must be a JSON object with a query.".to_owned()),
        Err(error) => Err(format!("The body is not JSON: line {}, column {}.", error.line(), error.column())),
    }
}

/// Reads the query string of a GET, in which `variables` and `extensions` are JSON.
pub(super) fn from_query(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Request, String> {
    let mut params = Map::new();
    for (name, value) in pairs {
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(value),
            "variables" | "extensions" => {
                serde_json::from_str(&value).map_err(|_error| format!("{name} is not JSON."))?
            }
            _other => continue,
        };
        if params.insert(name.clone(), value).is_some() {
            return Err(format!("{name} is there twice."));
        }
    }
    from_object(params)
}

fn from_object(mut params: Map<String, Value>) -> Result<Request, String> {
    let Some(Value::String(query)) = params.remove("query") else {
        return Err("query must be a string.".to_owned());
    };
    let mut request = Request::new(query);
    request.operation_name = match params.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err("operationName must be a string.".to_owned()),
    };
    request.variables = Variables::from_json(Value::Object(object(&mut params, "variables")?));
    let extensions = Value::Object(object(&mut params, "extensions")?);
    request.extensions = serde_json::from_value::<Extensions>(extensions)
        .map_err(|_error| "extensions must be an object.".to_owned())?;
    Ok(request)
}

fn object(params: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, String> {
    match params.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(format!("{name} must be an object.")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{from_body, from_query};

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn bodies_are_read_whole() {
        let body =
            br#"{"query":"q","operationName":"O","variables":{"a":[1]},"extensions":{"x":1},"more":0}"#;
        let request = from_body(body).unwrap();
        assert_eq!((request.query.as_str(), request.operation_name.as_deref()), ("q", Some("O")));
        assert_eq!(request.variables.len(), 1);
        let nulls = br#"{"query":"q","operationName":null,"variables":null,"extensions":null}"#;
        assert_eq!(from_body(nulls).unwrap().operation_name, None);
    }

    #[test]
    fn each_wrong_body_is_told_apart() {
        let told = |body: &str| from_body(body.as_bytes()).unwrap_err();
        assert_eq!(told("[]"), "Batches are not taken: send one request at a time.");
        assert_eq!(told("7"), "The body must be a JSON object with a query.");
        assert_eq!(told("{\n\"q"), "The body is not JSON: line 2, column 2.");
        assert_eq!(told("{}"), "query must be a string.");
        assert_eq!(told(r#"{"query":"q","operationName":0}"#), "operationName must be a string.");
        assert_eq!(told(r#"{"query":"q","variables":[]}"#), "variables must be an object.");
        assert_eq!(told(r#"{"query":"q","extensions":"x"}"#), "extensions must be an object.");
    }

    #[test]
    fn query_strings_carry_json_in_their_values() {
        let request = from_query([pair("query", "q"), pair("variables", r#"{"a":1}"#)]).unwrap();
        assert_eq!(request.variables.len(), 1);
        assert_eq!(
            from_query([pair("query", "q"), pair("variables", "{")]).unwrap_err(),
            "variables is not JSON."
        );
        assert_eq!(
            from_query([pair("query", "a"), pair("query", "b")]).unwrap_err(),
            "query is there twice."
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_body(&body);
        }
    }
}
