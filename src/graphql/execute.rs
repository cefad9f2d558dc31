//! One way to run an operation, whatever it came by: limits first, then a time limit, and every error with a code out of
//! [`CODES`] and the request's id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{OperationDefinition, OperationType};
use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::FutureExt;

use super::Schema;
use super::fault::{self, CODES};
use super::limits::{self, Cost, TooMuch};
use super::shape::Shape;
use crate::app::App;
use crate::audit::reads::Reads;
use crate::auth::viewer::Viewer;
use crate::caller::{self, Caller};

/// The id of a request, in its answer, its log lines and every error it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// How a request ended, from which a transport makes its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ran; single fields may have failed.
    Executed,
    /// It never ran: not to be parsed, not valid, too large or with wrong variables.
    Refused,
    /// It never ran: its transport is for queries.
    NotAQuery,
    /// It was stopped at the time limit.
    Stopped,
    /// It broke on a bug.
    Broke,
}

/// An answered request.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub ended: Ended,
    /// What kind of operation it was, if that was found out.
    pub operation: Option<OperationType>,
    /// What the client gets; `data` is part of it only if it was executed.
    pub response: Response,
}

/// Which operations a transport carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Only what changes nothing, as HTTP GET.
    Queries,
    /// All.
    Everything,
}

/// A request within the limits, ready to run.
struct Prepared {
    request: Request,
    operation: OperationType,
    cost: Cost,
    shape: Shape,
}

/// Runs `request` for `viewer`.
pub async fn execute(
    app: &App,
    schema: &Schema,
    (viewer, id): (Viewer, &RequestId),
    carries: Carries,
    request: Request,
) -> Answer {
    let mut answer = match prepare(app, carries, request) {
        Ok(prepared) => run(app, schema, (viewer, id.clone()), prepared).await,
        Err(refused) => *refused,
    };
    stamp(&mut answer.response.errors, id);
    answer
}

/// Parses the document, once it is known to be small, and checks the limits.
fn prepare(app: &App, carries: Carries, mut request: Request) -> Result<Prepared, Box<Answer>> {
    let limits = &app.config.limits;
    limits::check_source(limits, &request.query).map_err(|much| too_much(&much))?;
    let name = request.operation_name.clone();
    let variables = std::mem::take(&mut request.variables);
    let document = request.parsed_query().map_err(|error| refused(unparsed(error), None))?;
    let Some(selected) = limits::selected(document, name.as_deref()) else {
        let message = "The document has several operations or none of this operationName.";
        return Err(refused(error("BAD_USER_INPUT", message), None));
    };
    let operation = selected.ty;
    limits::check_document(limits, document, &variables).map_err(|much| too_much(&much))?;
    let cost =
        limits::check_operation(limits, document, selected, &variables).map_err(|much| too_much(&much))?;
    if carries == Carries::Queries && operation != OperationType::Query {
        let error = error("BAD_USER_INPUT", "GET carries queries only: send this with POST.");
        return Err(Box::new(Answer { ended: Ended::NotAQuery, ..*refused(error, Some(operation)) }));
    }
    let shape = Shape::of(document, &selected.selection_set.node);
    check_variables(selected, &variables).map_err(|error| refused(error, Some(operation)))?;
    request.variables = variables;
    Ok(Prepared { request, operation, cost, shape })
}

/// The parser draws a picture of the place, with the client's whole line in it; the last line says what is wrong.
fn unparsed(mut error: ServerError) -> ServerError {
    let reason = error.message.lines().last().unwrap_or_default().trim_start_matches([' ', '=']);
    error.message = format!("The document cannot be parsed: {}.", reason.trim_end_matches('.'));
    with_code(error, "GRAPHQL_PARSE_FAILED")
}

/// Refuses a variable that must not be null and is: the library looks only at those that are used.
fn check_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let variable = &definition.node;
        let missing = match variables.get(&variable.name.node) {
            Some(Value::Null) => true,
            Some(_given) => false,
            None => variable.default_value.is_none(),
        };
        if missing && !variable.var_type.node.nullable {
            let (name, of) = (&variable.name.node, &variable.var_type.node);
            let mut error =
                error("BAD_USER_INPUT", format!("Variable ${name} of type {of} must have a value."));
            error.locations.push(definition.pos);
            return Err(error);
        }
    }
    Ok(())
}

async fn run(app: &App, schema: &Schema, asker: (Viewer, RequestId), prepared: Prepared) -> Answer {
    let Prepared { request, operation, cost, shape } = prepared;
    let caller = Caller { actor: asker.0.actor(), request: Some(asker.1.0.clone()), user_agent: None };
    let reads = Arc::new(Reads::default());
    let request = super::request_data(app, request.data(asker.0).data(asker.1).data(reads.clone()));
    let limit = Duration::from_secs(app.config.limits.max_seconds.into());
    let running = AssertUnwindSafe(caller::acting(caller, told(app, schema, request, &reads))).catch_unwind();
    let (ended, mut response) = match tokio::time::timeout(limit, running).await {
        Ok(Ok(response)) => sort(response, cost),
        Ok(Err(_panic)) => {
            tracing::error!("a request panicked");
            (Ended::Broke, of_error(error("INTERNAL", "Something went wrong on our side.")))
        }
        Err(_elapsed) => {
            let message = format!("Stopped after {} seconds.", limit.as_secs());
            (Ended::Stopped, of_error(error("UNAVAILABLE", message)))
        }
    };
    response.data = shape.order(std::mem::take(&mut response.data));
    Answer { ended, operation: Some(operation), response }
}

/// Runs a request; what it tells of people to staff is written down before anybody is told.
async fn told(app: &App, schema: &Schema, request: Request, reads: &Reads) -> Response {
    let response = schema.execute(request).await;
    match reads.write(app).await {
        Ok(()) => response,
        Err(fault) => {
            let (code, message) = fault::told(&fault);
            of_error(error(code, message))
        }
    }
}

/// Tells what ran from what validation refused: the library answers both alike.
fn sort(mut response: Response, cost: Cost) -> (Ended, Response) {
    let nothing_ran = !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty());
    // An error of execution without a code is of an argument that its scalar refused: ours all have one.
    let code = if nothing_ran { "GRAPHQL_VALIDATION_FAILED" } else { "BAD_USER_INPUT" };
    for error in &mut response.errors {
        if code_of(error).is_none() {
            error.extensions.get_or_insert_default().set("code", code);
        }
    }
    if nothing_ran {
        return (Ended::Refused, response);
    }
    (Ended::Executed, response.extension("cost", cost.to_value()))
}

/// The code of an error, if it has one.
pub fn code_of(error: &ServerError) -> Option<&'static str> {
    let Value::String(code) = error.extensions.as_ref()?.get("code")? else { return None };
    CODES.into_iter().find(|known| known == code)
}

/// An error that no resolver gave.
pub fn error(code: &'static str, message: impl Into<String>) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

/// Puts the request's id into every error.
pub fn stamp(errors: &mut [ServerError], id: &RequestId) {
    for error in errors {
        error.extensions.get_or_insert_default().set("requestId", id.0.as_str());
    }
}

fn with_code(mut error: ServerError, code: &'static str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

fn of_error(error: ServerError) -> Response {
    Response::from_errors(vec![error])
}

fn refused(error: ServerError, operation: Option<OperationType>) -> Box<Answer> {
    Box::new(Answer { ended: Ended::Refused, operation, response: of_error(error) })
}

fn too_much(much: &TooMuch) -> Box<Answer> {
    refused(error("OPERATION_TOO_COMPLEX", much.message()), None)
}

#[cfg(test)]
mod tests;
