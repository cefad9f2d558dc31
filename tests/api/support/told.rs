//! The schema as the server tells it: what its operations take and answer.

use serde_json::{Value as Json, json};

use super::{Caller, TestApp};

/// The schema as the server tells it.
#[derive(Debug)]
pub(crate) struct Told(Json);

impl Told {
    /// Asks the server for it.
    pub(crate) async fn by(shop: &TestApp) -> Self {
        let query = "{ __schema { queryType { fields { ...F } } mutationType { fields { ...F } }
            types { name kind fields { name type { ...T } } enumValues { name } inputFields { name defaultValue type { ...T } } } } }
            fragment F on __Field { name type { ...T } args { name defaultValue type { ...T } } }
            fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
        let answer = shop.graphql(&Caller::anonymous(), query, json!({})).await;
        Self(answer.at("/__schema").clone())
    }

    /// The least that calls `field`; none if the schema has no such field.
    pub(crate) fn call(&self, field: &str) -> Option<String> {
        for (root, word) in [("queryType", "query"), ("mutationType", "mutation")] {
            let fields = self.0[root]["fields"].as_array().unwrap();
            if let Some(found) = fields.iter().find(|candidate| candidate["name"] == field) {
                let arguments = self.required(&found["args"]);
                let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
                let is_object =
                    !["SCALAR", "ENUM"].contains(&innermost(&found["type"])["kind"].as_str().unwrap());
                let selection = if is_object { " { __typename }" } else { "" };
                return Some(format!("{word} {{ {field}{arguments}{selection} }}"));
            }
        }
        None
    }

    /// Values for what must be given.
    fn required(&self, inputs: &Json) -> String {
        let must = |input: &&Json| input["type"]["kind"] == "NON_NULL" && input["defaultValue"].is_null();
        let given = inputs.as_array().unwrap().iter().filter(must);
        let given = given.map(|input| format!("{}: {}", text(&input["name"]), self.value(&input["type"])));
        given.collect::<Vec<_>>().join(", ")
    }

    fn value(&self, of: &Json) -> String {
        match text(&of["kind"]) {
            "NON_NULL" => self.value(&of["ofType"]),
            "LIST" => format!("[{}]", self.value(&of["ofType"])),
            "SCALAR" => match text(&of["name"]) {
                "Int" | "Float" | "Points" | "PointsDelta" => "1".to_owned(),
                "Boolean" => "true".to_owned(),
                "EmailAddress" => "\"nobody@example.org\"".to_owned(),
                "CurrencyCode" => "\"EUR\"".to_owned(),
                "CountryCode" => "\"NL\"".to_owned(),
                "DateTime" => "\"2026-01-15T12:00:00Z\"".to_owned(),
                _text => "\"1\"".to_owned(),
            },
            kind => {
                let found = self.found(text(&of["name"]));
                match kind {
                    "ENUM" => text(&found["enumValues"][0]["name"]).to_owned(),
                    _input => format!("{{ {} }}", self.required(&found["inputFields"])),
                }
            }
        }
    }

    /// Every field of `Query` and `Mutation` with the word before it.
    pub(crate) fn root_fields(&self) -> Vec<(&'static str, &Json)> {
        let of = |root: &str, word| {
            self.0[root]["fields"].as_array().unwrap().iter().map(move |field| (word, field))
        };
        of("queryType", "query").chain(of("mutationType", "mutation")).collect()
    }

    /// Where `inputs` take an id: names from the outside in, joined by dots. A type is not looked for inside itself.
    pub(crate) fn id_paths(&self, inputs: &Json, inside: &[&str]) -> Vec<String> {
        let mut paths = Vec::new();
        for input in inputs.as_array().unwrap() {
            let (name, of) = (text(&input["name"]), innermost(&input["type"]));
            let type_name = text(&of["name"]);
            if type_name == "ID" {
                paths.push(name.to_owned());
            } else if of["kind"] == "INPUT_OBJECT" && !inside.contains(&type_name) {
                let fields = &self.found(type_name)["inputFields"];
                let within = self.id_paths(fields, &[inside, &[type_name]].concat());
                paths.extend(within.into_iter().map(|path| format!("{name}.{path}")));
            }
        }
        paths
    }

    /// A call of a root field that takes its arguments from variables, and shows whether it found or did something.
    pub(crate) fn call_with_variables(&self, word: &str, field: &Json) -> String {
        let arguments = field["args"].as_array().unwrap();
        let declared: Vec<_> =
            arguments.iter().map(|of| format!("${}: {}", text(&of["name"]), written(&of["type"]))).collect();
        let passed: Vec<_> = arguments.iter().map(|of| format!("{0}: ${0}", text(&of["name"]))).collect();
        let name = text(&field["name"]);
        let shown = self.shown(&field["type"]);
        format!("{word} ({}) {{ {name}({}) {shown} }}", declared.join(", "), passed.join(", "))
    }

    /// Whether the input type of the argument `input` of a root field takes an idempotency key.
    pub(crate) fn takes_idempotency_key(&self, field: &Json) -> bool {
        field["args"].as_array().unwrap().iter().any(|input| {
            let fields = self.found(text(&innermost(&input["type"])["name"]))["inputFields"].as_array();
            fields.is_some_and(|fields| fields.iter().any(|field| field["name"] == "idempotencyKey"))
        })
    }

    fn shown(&self, of: &Json) -> String {
        let fields = self.found(text(&innermost(of)["name"]))["fields"].as_array();
        let Some(fields) = fields else { return String::new() };
        let has = |name: &str| fields.iter().any(|field| field["name"] == name);
        if has("nodes") {
            let total = if has("totalCount") { "totalCount" } else { "" };
            return format!("{{ {total} nodes {{ __typename }} }}");
        }
        if !has("userErrors") {
            return "{ __typename }".to_owned();
        }
        let shown = fields.iter().map(|field| match text(&field["name"]) {
            "userErrors" => "userErrors { code field message }".to_owned(),
            name if ["SCALAR", "ENUM"].contains(&text(&innermost(&field["type"])["kind"])) => name.to_owned(),
            name => format!("{name} {{ __typename }}"),
        });
        format!("{{ {} }}", shown.collect::<Vec<_>>().join(" "))
    }

    fn found(&self, name: &str) -> &Json {
        let types = self.0["types"].as_array().unwrap();
        types.iter().find(|candidate| candidate["name"] == name).unwrap()
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap()
}

fn innermost(of: &Json) -> &Json {
    if of["ofType"].is_null() { of } else { innermost(&of["ofType"]) }
}

/// A type as a document writes it.
fn written(of: &Json) -> String {
    match text(&of["kind"]) {
        "NON_NULL" => format!("{}!", written(&of["ofType"])),
        "LIST" => format!("[{}]", written(&of["ofType"])),
        _named => text(&of["name"]).to_owned(),
    }
}
