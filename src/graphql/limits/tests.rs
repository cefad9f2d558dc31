use std::fmt::Write;

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use proptest::prelude::*;
use serde_json::json;

use super::{TooMuch, check_document, check_operation, check_source, selected};
use crate::config::Limits;
use crate::throttle::Attempt;

const LIMITS: Limits = Limits {
    max_body_bytes: 262_144,
    max_tokens: 2_000,
    max_depth: 12,
    max_aliases: 30,
    max_root_fields: 10,
    max_directives: 50,
    max_cost: 5_000,
    max_seconds: 10,
};

fn check(source: &str) -> Result<u32, TooMuch> {
    check_with(source, &json!({}))
}

fn check_with(source: &str, variables: &serde_json::Value) -> Result<u32, TooMuch> {
    check_source(&LIMITS, source)?;
    let document = parse_query(source).unwrap();
    let variables = Variables::from_json(variables.clone());
    check_document(&LIMITS, &document, &variables)?;
    let operation = selected(&document, None).unwrap();
    check_operation(&LIMITS, &document, operation, &variables).map(|checked| checked.cost.requested)
}

fn refused(what: &'static str, found: u64, limit: u32) -> Result<u32, TooMuch> {
    Err(TooMuch { what, found, limit })
}

#[test]
fn cost_follows_the_published_rule() {
    assert_eq!(check("{ __typename }"), Ok(0));
    assert_eq!(check("{ shop { name currency } }"), Ok(1));
    assert_eq!(check("{ orders { edges { node { id } } } }"), Ok(1 + 20 * 2));
    assert_eq!(check("{ orders(first: 5) { nodes { id } totalCount } }"), Ok(1 + 5 * 2));
    assert_eq!(
        check("{ orders(last: 3) { ...P } } fragment P on X { nodes { lines { sku } } }"),
        Ok(1 + 3 * 2)
    );
    assert_eq!(check("mutation { a { ok } b { ok } }"), Ok(2 * (10 + 1)));
    assert_eq!(check("{ __schema { types { name } } }"), Ok(100));
}

#[test]
fn page_sizes_come_from_variables_and_their_defaults() {
    let source = "query($n: Int = 7) { orders(first: $n) { nodes { id } } }";
    assert_eq!(check(source), Ok(8));
    assert_eq!(check_with(source, &json!({ "n": 50 })), Ok(51));
    assert_eq!(check_with(source, &json!({ "n": null })), Ok(21));
    assert_eq!(check_with(source, &json!({ "n": -5 })), Ok(2));
    let nested = "{ a(first: 100) { nodes { b(first: 100) { nodes { id } } } } }";
    assert_eq!(check(nested), refused("cost", 10_201, 5_000));
    let most =
        "{ a(first: 9223372036854775807) { nodes { b(first: 9223372036854775807) { nodes { id } } } } }";
    assert_eq!(check(most), refused("cost", u64::MAX, 5_000));
}

#[test]
fn each_limit_holds_at_its_number_and_not_beyond() {
    let deep = |levels: usize| format!("{}x{}", "{a".repeat(levels - 1) + "{", "}".repeat(levels));
    assert_eq!(check(&deep(12)), Ok(11));
    assert_eq!(check(&deep(13)), refused("depth", 13, 12));
    let aliased = |n: u32| (0..n).fold("{ a { ".to_owned(), |text, i| text + &format!("f{i}: f ")) + "} }";
    assert_eq!(check(&aliased(30)), Ok(1));
    assert_eq!(check(&aliased(31)), refused("aliases", 31, 30));
    assert_eq!(check("{ a b c d e f g h i j }"), Ok(0));
    assert_eq!(check("{ a b c d e f g h i j k }"), refused("root fields", 11, 10));
    let directed = |n| format!("{{ a {} }}", "@d ".repeat(n));
    assert_eq!(check(&directed(50)), Ok(0));
    assert_eq!(check(&directed(51)), refused("directives", 51, 50));
    let long = |n| format!("{{ a {{ {} }} }}", "b ".repeat(n));
    assert_eq!(check(&long(1_995)), Ok(1));
    assert_eq!(check(&long(1_996)), refused("tokens", 2_001, 2_000));
    assert_eq!(check(&format!("{{ a(b: {} }}", "[".repeat(63))), refused("nesting", 65, 64));
}

#[test]
fn fragments_hide_nothing() {
    let aliases = "{ ...F ...F ...F ...F } fragment F on Q { a { b: c d: e f: g h: i j: k l: m n: o p: q } }";
    assert_eq!(check(aliases), refused("aliases", 32, 30));
    let fields = "{ ...F ... { ...F } ...F } fragment F on Q { a b c d }";
    assert_eq!(check(fields), refused("root fields", 12, 10));
    let unselected = "query A { x } query B { a b c d e f g h i j k }";
    let document = parse_query(unselected).unwrap();
    let told = check_document(&LIMITS, &document, &Variables::default());
    assert_eq!(told, Err(TooMuch { what: "root fields", found: 11, limit: 10 }));
}

#[test]
fn an_operation_holds_one_credential_mutation_however_it_is_written() {
    let what = "sign-ins, registrations and codes";
    assert_eq!(check("mutation { signInWithPassword { ok } }"), Ok(11));
    assert_eq!(check("mutation { a: staffSignIn { ok } b: staffSignIn { ok } }"), refused(what, 2, 1));
    let hidden =
        "mutation { ...F ... on Mutation { ...F } } fragment F on Mutation { sessionRefresh { ok } }";
    assert_eq!(check(hidden), refused(what, 2, 1));
    assert_eq!(check("mutation { mailboxProve { ok } customerRegister { ok } }"), refused(what, 2, 1));
    assert_eq!(check("{ a { staffSignIn sessionRefresh } }"), Ok(1));
}

#[test]
fn an_operation_tells_what_it_tries() {
    let tries = |source: &str| {
        let document = parse_query(source).unwrap();
        let operation = selected(&document, None).unwrap();
        check_operation(&LIMITS, &document, operation, &Variables::default()).unwrap().attempt
    };
    assert_eq!(tries("mutation { mine: staffSignIn { ok } }"), Some(Attempt::Guess));
    let hidden = "mutation { a { ok } ...F } fragment F on Mutation { ... { sessionRefresh { ok } } }";
    assert_eq!(tries(hidden), Some(Attempt::Refresh));
    assert_eq!(tries("mutation { sessionEnd { ok } }"), None);
    assert_eq!(tries("{ staffSignIn { ok } }"), None);
}

#[test]
fn fragments_that_double_are_measured_at_once_and_refused() {
    let mut source = "{ a { ...F0 } } fragment F60 on T { x } ".to_owned();
    for i in 0..60 {
        write!(source, "fragment F{i} on T {{ ...F{0} ...F{0} }} ", i + 1).unwrap();
    }
    let Err(TooMuch { what: "selections", found, limit: 10_000 }) = check(&source) else {
        panic!("not refused")
    };
    assert!(found > 1 << 60, "{found}");
}

#[test]
fn cycles_of_fragments_end_and_are_left_to_validation() {
    assert_eq!(check("{ ...A } fragment A on Q { a { ...B } } fragment B on Q { b { ...A } }"), Ok(2));
    assert_eq!(check("{ ...A } fragment A on Q { ...A ...A }"), Ok(0));
}

#[test]
fn what_tools_ask_of_the_schema_is_allowed_and_what_grows_is_not() {
    let type_ref = "kind name ofType { ".repeat(9) + "kind name" + &" }".repeat(9);
    let tool = format!(
        "{{ __schema {{ queryType {{ name }} types {{ fields(includeDeprecated: true) {{ args {{ type {{ {type_ref} }} }} }} \
         possibleTypes {{ name }} }} directives {{ args {{ name }} }} }} }}"
    );
    assert_eq!(check(&tool), Ok(100));
    let growing = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert_eq!(check(growing), refused("nested lists of introspection", 3, 2));
    let deep = format!("{{ __type(name: \"A\") {{ {}name{} }} }}", "ofType { ".repeat(19), " }".repeat(19));
    assert_eq!(check(&deep), refused("introspection depth", 21, 20));
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(source in "[{}() a-c.:@$\"\n!=]{0,300}|\\{(([a-c]|\\.\\.\\.[A-C]|@d) ){0,40}\\} (fragment [A-C] on T \\{ (a |\\.\\.\\.[A-C] ){1,6}\\} ){0,4}") {
        if check_source(&LIMITS, &source).is_ok() && let Ok(document) = parse_query(&source) {
            let _ = check_document(&LIMITS, &document, &Variables::default());
        }
    }
}
