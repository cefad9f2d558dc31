//! One way to run an operation, whatever it came by: limits first, then a time limit, and every error with a code out of
//! [`CODES`] and the request's id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{OperationDefinition, OperationType};
use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::FutureExt;

use super::Schema;
use super::documents;
use super::fault::{CODES, RATE_LIMITED, RETRY_AFTER, told};
use super::limits::{self, Checked, Cost, TooMuch};
use super::shape::Shape;
use crate::app::App;
use crate::audit::reads::Reads;
use crate::auth::viewer::Viewer;
use crate::auth::{Authenticated, Unauthenticated};
use crate::caller::{self, Caller};
use crate::client::Client;
use crate::error::{Fault, FaultKind};
use crate::throttle::{self, Attempt};

/// The id of a request, in its answer, its log lines and every error it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Whose request it is; resolvers find all three in the request's data.
#[derive(Clone, Debug)]
pub struct Asker {
    /// As the credentials proved.
    pub viewer: Authenticated,
    /// As the network tells.
    pub client: Client,
    /// Of the request.
    pub id: RequestId,
}

/// How a request ended, from which a transport makes its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ran; single fields may have failed.
    Executed,
    /// It never ran: not to be parsed, not valid, too large or with wrong variables.
    Refused,
    /// It never ran: its transport is for queries.
    NotAQuery,
    /// It came too often: nothing of it was done.
    RateLimited {
        /// When it may be sent again.
        retry_after_seconds: u32,
    },
    /// It was stopped at the time limit, or what it needs is away.
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
    attempt: Option<Attempt>,
    shape: Shape,
}

/// Runs `request` for `asker`. A query may rest on what is remembered of the asker; everything else asks the database
/// once more, and is not run for one whose credentials have ended meanwhile.
pub async fn execute(
    app: &App,
    schema: &Schema,
    asker: Asker,
    carries: Carries,
    request: Request,
) -> Result<Answer, Unauthenticated> {
    let id = asker.id.clone();
    let mut answer = match prepare(app, carries, request) {
        Ok(prepared) => match admit(app, &asker, &prepared).await {
            Ok(()) => run_for(app, schema, asker, prepared).await?,
            Err(fault) => refused_for(&fault, prepared.operation),
        },
        Err(refused) => *refused,
    };
    stamp(&mut answer.response.errors, &id);
    Ok(answer)
}

async fn run_for(
    app: &App,
    schema: &Schema,
    asker: Asker,
    prepared: Prepared,
) -> Result<Answer, Unauthenticated> {
    let viewer = match prepared.operation {
        OperationType::Query => asker.viewer.for_query(),
        OperationType::Mutation | OperationType::Subscription => asker.viewer.confirmed(app).await?,
    };
    Ok(run(app, schema, (viewer, asker.client, asker.id), prepared).await)
}

/// Parses the document, once it is known to be small, and checks the limits.
fn prepare(app: &App, carries: Carries, mut request: Request) -> Result<Prepared, Box<Answer>> {
    let limits = &app.config.limits;
    limits::check_source(limits, &request.query).map_err(|much| too_much(&much))?;
    let name = request.operation_name.clone();
    let variables = std::mem::take(&mut request.variables);
    let new = documents::recall(&mut request);
    let document = request.parsed_query().map_err(|error| refused(unparsed(error), None))?;
    let Some(selected) = limits::selected(document, name.as_deref()) else {
        let message = "The document has several operations or none of this operationName.";
        return Err(refused(error("BAD_USER_INPUT", message), None));
    };
    let operation = selected.ty;
    limits::check_document(limits, document, &variables).map_err(|much| too_much(&much))?;
    let checked =
        limits::check_operation(limits, document, selected, &variables).map_err(|much| too_much(&much))?;
    if let Some(text) = new {
        documents::keep(text, document);
    }
    if carries == Carries::Queries && operation != OperationType::Query {
        let error = error("BAD_USER_INPUT", "GET carries queries only: send this with POST.");
        return Err(Box::new(Answer { ended: Ended::NotAQuery, ..*refused(error, Some(operation)) }));
    }
    let shape = Shape::of(document, &selected.selection_set.node);
    check_variables(selected, &variables).map_err(|error| refused(error, Some(operation)))?;
    request.variables = variables;
    let Checked { cost, attempt } = checked;
    Ok(Prepared { request, operation, cost, attempt, shape })
}

/// Counts an operation that tries credentials, valid or not: validation comes later.
async fn admit(app: &App, asker: &Asker, prepared: &Prepared) -> Result<(), Fault> {
    match prepared.attempt {
        Some(attempt) => throttle::attempt(app, attempt, asker.viewer.viewer(), &asker.client).await,
        None => Ok(()),
    }
}

/// The answer to an operation that a fault kept from running.
fn refused_for(fault: &Fault, operation: OperationType) -> Answer {
    let (code, message) = told(fault);
    let mut error = error(code, message);
    let ended = match fault.kind() {
        FaultKind::RateLimited { retry_after_seconds } => {
            error.extensions.get_or_insert_default().set(RETRY_AFTER, retry_after_seconds);
            Ended::RateLimited { retry_after_seconds }
        }
        FaultKind::Unavailable => Ended::Stopped,
        FaultKind::Internal | FaultKind::KeyReused | FaultKind::KeyInProgress => Ended::Broke,
    };
    Answer { ended, operation: Some(operation), response: of_error(error) }
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

async fn run(app: &App, schema: &Schema, asker: (Viewer, Client, RequestId), prepared: Prepared) -> Answer {
    let Prepared { request, operation, cost, shape, attempt: _ } = prepared;
    let (viewer, client, id) = asker;
    let user_agent = client.user_agent.clone();
    let caller = Caller { actor: viewer.actor(), request: Some(id.0.clone()), user_agent };
    let reads = Arc::new(Reads::default());
    let request = request.data(viewer).data(client).data(id).data(reads.clone());
    let request = super::request_data(app, request);
    let limit = Duration::from_secs(app.config.limits.max_seconds.into());
    let running =
        AssertUnwindSafe(caller::acting(caller, answered(app, schema, request, &reads))).catch_unwind();
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
async fn answered(app: &App, schema: &Schema, request: Request, reads: &Reads) -> Response {
    let response = schema.execute(request).await;
    match reads.write(app).await {
        Ok(()) => response,
        Err(fault) => {
            let (code, message) = told(&fault);
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
    if let Some(retry_after_seconds) = retry_after(&response) {
        return (Ended::RateLimited { retry_after_seconds }, response);
    }
    (Ended::Executed, response.extension("cost", cost.to_value()))
}

/// How long to wait, if the answer is nothing but that: an operation that was limited left no data.
fn retry_after(response: &Response) -> Option<u32> {
    let limited = response.errors.iter().find(|error| code_of(error) == Some(RATE_LIMITED))?;
    let Value::Number(seconds) = limited.extensions.as_ref()?.get(RETRY_AFTER)? else { return None };
    seconds.as_u64().filter(|_| response.data == Value::Null).and_then(|seconds| seconds.try_into().ok())
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
