//! Limits on what one request may ask for, checked before anything is validated or run.
//!
//! **The cost of an operation** is what it may read: a field with a selection costs 1 and what is selected in it, a
//! field without one costs nothing, `totalCount` 1. A connection (a field with `first` or `last`, or with `edges` or
//! `nodes` selected) costs 1 and its selection as many times as it has rows: `first` or `last`, 20 if neither says. A
//! root field of a mutation costs 10 more. `__schema` and `__type` cost 100 each, whatever is selected in them. Fragments
//! count wherever they are spread; `@skip` and `@include` take nothing off.
//!
//! The answer tells it in `extensions.cost`: `requested` by this rule, `actual`, which is the same because pages are
//! priced as they were asked for, and `remaining`, what the operation could have cost more.

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition};
use async_graphql::{Value, Variables, value};

use super::lexer::Tokens;
use super::measure::Measure;
use crate::config::Limits;
use crate::throttle::Attempt;

/// How deep brackets may nest; the parser goes no deeper either.
const MAX_NESTING: u32 = 64;
/// Fields, spreads and inline fragments of an operation once its fragments are in place.
const MAX_SELECTIONS: u32 = 10_000;
/// How deep a question about the schema may go; tools ask 14 levels deep.
const MAX_INTROSPECTION_DEPTH: u32 = 20;
/// How many of the growing lists of introspection may nest; tools nest one.
const MAX_INTROSPECTION_LISTS: u32 = 2;
/// Sign-ins, registrations and codes in one operation.
const MAX_CREDENTIALS: u32 = 1;

/// A request asks for more than one may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMuch {
    what: &'static str,
    found: u64,
    limit: u32,
}

impl TooMuch {
    /// For the developer of the client: what there is too much of, how much, and how much may be.
    pub fn message(&self) -> String {
        let Self { what, found, limit } = self;
        format!("Too large a request: {what} {found}, the limit is {limit}.")
    }
}

/// What an operation costs, by the rule of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    requested: u32,
    limit: u32,
}

impl Cost {
    /// As `extensions.cost` of the answer.
    pub fn to_value(self) -> Value {
        let Self { requested, limit } = self;
        value!({ "requested": requested, "actual": requested, "remaining": limit.saturating_sub(requested) })
    }
}

/// Checks a document before it is parsed.
pub fn check_source(limits: &Limits, source: &str) -> Result<(), TooMuch> {
    let tokens = Tokens::of(source);
    at_most("tokens", tokens.count.into(), limits.max_tokens)?;
    at_most("nesting", tokens.nesting.into(), MAX_NESTING)
}

/// Checks every operation of a document, those that will not run too: validation reads them all.
pub fn check_document(
    limits: &Limits,
    document: &ExecutableDocument,
    variables: &Variables,
) -> Result<(), TooMuch> {
    for (_name, operation) in document.operations.iter() {
        check_operation(limits, document, &operation.node, variables)?;
    }
    Ok(())
}

/// What is known of an operation within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What it costs.
    pub cost: Cost,
    /// What it tries, if it tries credentials.
    pub attempt: Option<Attempt>,
}

/// Checks one operation and tells what it costs and tries.
pub fn check_operation(
    limits: &Limits,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<Checked, TooMuch> {
    let size = Measure::of(document, operation, variables);
    at_most("selections", size.selections, MAX_SELECTIONS)?;
    at_most("depth", size.depth, limits.max_depth)?;
    at_most("introspection depth", size.introspection_depth, MAX_INTROSPECTION_DEPTH)?;
    at_most("nested lists of introspection", size.introspection_lists, MAX_INTROSPECTION_LISTS)?;
    at_most("aliases", size.aliases, limits.max_aliases)?;
    at_most("root fields", size.root_fields, limits.max_root_fields)?;
    at_most("directives", size.directives, limits.max_directives)?;
    at_most("sign-ins, registrations and codes", size.credentials, MAX_CREDENTIALS)?;
    at_most("cost", size.cost, limits.max_cost)?;
    let requested = u32::try_from(size.cost).unwrap_or(u32::MAX);
    Ok(Checked { cost: Cost { requested, limit: limits.max_cost }, attempt: size.attempt })
}

/// The operation that a request with this `operationName` runs; none if that is not clear.
pub fn selected<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).map(|operation| &operation.node)
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().map(|operation| &operation.node)
        }
        (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
    }
}

fn at_most(what: &'static str, found: u64, limit: u32) -> Result<(), TooMuch> {
    if found <= limit.into() { Ok(()) } else { Err(TooMuch { what, found, limit }) }
}

#[cfg(test)]
mod tests;
