//! `/survey/{token}`: the page behind the link of a message that asks for feedback. Asking for it changes nothing, since mail
//! programs and scanners ask for every link; its button answers.
//!
//! Many people may come from one address: what carries a token of ours is not limited, since nobody can guess one. What
//! carries none counts as any request of nobody we know.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use entity::id::MessageId;

use super::State;
use super::answer::Refusal;
use super::endpoint::{client, read_body};
use super::page::{Shown, answered};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::caller::{Caller, acting};
use crate::error::split;
use crate::feedback::pages::{Page, STYLES};
use crate::feedback::{self, AnswerError, Given};
use crate::throttle;

/// More than every text of a survey at its longest, each character of which a form writes in up to twelve.
const LONGEST: usize = 640 * 1_024;

/// Shows what is asked.
pub(super) async fn ask(request: HttpRequest, state: Data<State>, token: Path<String>) -> HttpResponse {
    let message = match admitted(&request, &state, &token) {
        Ok(message) => message,
        Err(refusal) => return refusal.response(&request),
    };
    let app = state.app.clone();
    let shown = on_runtime(&state, async move {
        let invited = match message {
            Some(message) => feedback::invited(&app, message).await?,
            None => None,
        };
        let page = match &invited {
            Some(invited) if invited.is_answered => Page::Already(invited),
            Some(invited) => Page::Ask(invited, None),
            None => Page::Gone,
        };
        written(&app, page)
    });
    answered(&request, shown.await, STYLES)
}

/// Takes an answer.
pub(super) async fn answer(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
    token: Path<String>,
) -> HttpResponse {
    let message = match admitted(&request, &state, &token) {
        Ok(message) => message,
        Err(refusal) => return refusal.response(&request),
    };
    let given = match read_body(request.headers(), payload, LONGEST).await {
        Ok(body) => given(request.headers(), &body),
        Err(refusal) => return refusal.response(&request),
    };
    let Some(given) = given else {
        let message = "Send the form of the page, as application/x-www-form-urlencoded.";
        return Refusal::bad_request(message).response(&request);
    };
    let app = state.app.clone();
    let shown = on_runtime(&state, async move { take(&app, message, given).await });
    answered(&request, shown.await, STYLES)
}

/// Answers other methods.
pub(super) async fn not_allowed(request: HttpRequest) -> HttpResponse {
    super::method_not_allowed(&request, "GET, HEAD, POST")
}

async fn take(app: &App, message: Option<MessageId>, given: Given) -> Shown {
    let found = match message {
        Some(message) => feedback::invited(app, message).await?.map(|invited| (message, invited)),
        None => None,
    };
    let Some((message, invited)) = found else { return written(app, Page::Gone) };
    let command = (message, given);
    let page = match split(app.write(&command, feedback::answer).await)? {
        Ok(()) => Page::Thanks(&invited),
        Err(AnswerError::AlreadyAnswered) => Page::Already(&invited),
        Err(AnswerError::Invalid(_)) => Page::Ask(&invited, Some(&command.1)),
        Err(AnswerError::TokenInvalid) => Page::Gone,
    };
    written(app, page)
}

/// The message of a token; tokens that are none of ours count against who sends them.
fn admitted(request: &HttpRequest, state: &State, token: &str) -> Result<Option<MessageId>, Refusal> {
    let message = feedback::token_of_survey(&state.app, token).map_err(|fault| Refusal::of(&fault))?;
    if message.is_none() {
        let client = client(request, state);
        throttle::request(&state.app, &Viewer::Anonymous, &client).map_err(|fault| Refusal::of(&fault))?;
    }
    Ok(message)
}

/// What a form says; what is left empty is not given.
fn given(headers: &HeaderMap, body: &[u8]) -> Option<Given> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let mut given = Given::default();
    for (name, value) in url::form_urlencoded::parse(body).filter(|(_, value)| !value.trim().is_empty()) {
        match (name.as_ref(), name.strip_prefix("q.")) {
            // One that is no number is out of every scale.
            ("score", _) => given.score = Some(value.trim().parse().unwrap_or(i32::MIN)),
            ("comment", _) => given.comment = Some(value.into_owned()),
            (_, Some(code)) => given.answers.push((code.to_owned(), value.into_owned())),
            _other => {}
        }
    }
    Some(given)
}

fn written(app: &App, page: Page<'_>) -> Shown {
    let status = match page {
        Page::Ask(_, None) | Page::Thanks(_) | Page::Already(_) => StatusCode::OK,
        Page::Ask(_, Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Page::Gone => StatusCode::NOT_FOUND,
    };
    Ok((status, page.written(app)?))
}

/// On the runtime of the application: its database connections live there, and what has begun ends even if the client goes.
async fn on_runtime(state: &State, work: impl Future<Output = Shown> + Send + 'static) -> Shown {
    state.runtime.spawn(acting(Caller::SYSTEM, work)).await.unwrap_or_else(|broken| Err(broken.into()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_form_gives_what_is_filled_in() {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, form);
        let body = b"score=7&q.reason=price&q.more=&comment=+too+dear%21&other=1";
        let expected = Given {
            score: Some(7),
            answers: vec![("reason".to_owned(), "price".to_owned())],
            comment: Some(" too dear!".to_owned()),
        };
        assert_eq!(given(&headers, body), Some(expected));
        assert_eq!(given(&headers, b"score=x").and_then(|given| given.score), Some(i32::MIN));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(given(&headers, body), None);
    }
}
