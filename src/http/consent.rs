//! `/consent/{token}` and `/unsubscribe/{token}`: the pages behind the links of mails. Asking for one changes nothing, since
//! mail programs and scanners ask for every link; its buttons do, and so does the one click of RFC 8058, which comes without
//! cookies and for as long as there is the mail.
//!
//! A mail provider sends the clicks of many people from one address: what carries a token of ours is not limited, since nobody
//! can guess one. What carries none counts as any request of nobody we know.

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use entity::consent::ConsentSource;
use mail_parser::{MessageParser, MimeHeaders};

use super::State;
use super::answer::Refusal;
use super::endpoint::{client, read_body};
use super::page::{Shown, answered};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::consent::{self, Page, STYLES};
use crate::error::{Fault, split};
use crate::throttle;

/// Far more than the buttons and mail programs send.
const LONGEST: usize = 16 * 1_024;

/// The page that confirms a double opt-in.
pub(super) async fn confirm(request: HttpRequest, state: Data<State>, token: Path<String>) -> HttpResponse {
    let is_ours = consent::is_request_token(&state.app, &token);
    if let Err(refusal) = admitted(&request, &state, is_ours) {
        return refusal.response(&request);
    }
    let (app, token) = (state.app.clone(), token.into_inner());
    let is_post = request.method() == Method::POST;
    let shown = on_runtime(&state, async move {
        let found = if is_post {
            split(consent::confirm(&app, &token).await)?.ok()
        } else {
            consent::find_request(&app, &token).await?
        };
        let Some(request) = found else { return page(&app, None) };
        if !request.is_confirmed {
            return page(&app, Some(Page::Confirm(&request)));
        }
        let stands = Page::stands(&app, &token, &request).await?;
        page(&app, Some(Page::Confirmed(&request, &stands)))
    });
    answered(&request, shown.await, STYLES)
}

/// The page that says no to what a message was for: shows it.
pub(super) async fn ask(request: HttpRequest, state: Data<State>, token: Path<String>) -> HttpResponse {
    let is_ours = consent::is_unsubscribe_token(&state.app, &token);
    if let Err(refusal) = admitted(&request, &state, is_ours) {
        return refusal.response(&request);
    }
    let (app, token) = (state.app.clone(), token.into_inner());
    let shown = on_runtime(&state, async move {
        let found = consent::subject(&app, &token).await?;
        page(&app, found.as_ref().map(Page::Stop))
    });
    answered(&request, shown.await, STYLES)
}

/// The same: does it.
pub(super) async fn unsubscribe(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
    token: Path<String>,
) -> HttpResponse {
    let is_ours = consent::is_unsubscribe_token(&state.app, &token);
    if let Err(refusal) = admitted(&request, &state, is_ours) {
        return refusal.response(&request);
    }
    let chosen = match read_body(request.headers(), payload, LONGEST).await {
        Ok(body) => chosen(request.headers(), &body),
        Err(refusal) => return refusal.response(&request),
    };
    let Some(chosen) = chosen else {
        let message = "Send List-Unsubscribe=One-Click as a form, or press a button of the page.";
        return Refusal::bad_request(message).response(&request);
    };
    let (app, token) = (state.app.clone(), token.into_inner());
    let shown = on_runtime(&state, async move {
        let (all, source) = match chosen {
            Chosen::OneClick => (false, ConsentSource::OneClick),
            Chosen::This => (false, ConsentSource::UnsubscribeLink),
            Chosen::All => (true, ConsentSource::UnsubscribeLink),
        };
        let found = consent::unsubscribe(&app, &token, all, source).await?;
        let done = if all { Page::StoppedAll } else { Page::Stopped };
        page(&app, found.as_ref().map(done))
    });
    answered(&request, shown.await, STYLES)
}

/// Tokens that are none of ours count against who sends them.
fn admitted(request: &HttpRequest, state: &State, is_ours: Result<bool, Fault>) -> Result<(), Refusal> {
    let of_nobody = || throttle::request(&state.app, &Viewer::Anonymous, &client(request, state));
    is_ours.and_then(|ours| if ours { Ok(()) } else { of_nobody() }).map_err(|fault| Refusal::of(&fault))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    OneClick,
    This,
    All,
}

/// What a form chooses, in either of the two forms that RFC 8058 allows.
fn chosen(headers: &HeaderMap, body: &[u8]) -> Option<Chosen> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fields: Vec<(String, String)> = match kind.as_str() {
        "application/x-www-form-urlencoded" => {
            url::form_urlencoded::parse(body).map(|(name, value)| (name.into(), value.into())).collect()
        }
        "multipart/form-data" => parts(content_type, body)?,
        _other => return None,
    };
    fields.iter().find_map(|(name, value)| match (name.as_str(), value.trim()) {
        ("List-Unsubscribe", "One-Click") => Some(Chosen::OneClick),
        ("choice", "this") => Some(Chosen::This),
        ("choice", "all") => Some(Chosen::All),
        _other => None,
    })
}

/// The fields of a form in parts, which is written as a mail in parts is.
fn parts(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let head = format!("MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n");
    let whole = [head.as_bytes(), body].concat();
    let message = MessageParser::default().parse(&whole)?;
    let field = |part: &mail_parser::MessagePart<'_>| {
        let name = part.content_disposition()?.attribute("name")?.to_owned();
        Some((name, String::from_utf8_lossy(part.contents()).into_owned()))
    };
    Some(message.parts.iter().filter_map(field).collect())
}

fn page(app: &App, page: Option<Page<'_>>) -> Shown {
    let status = if page.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok((status, page.unwrap_or(Page::Gone).written(app)?))
}

/// On the runtime of the application: its database connections live there, and what has begun ends even if the client goes.
async fn on_runtime(state: &State, work: impl Future<Output = Shown> + Send + 'static) -> Shown {
    state.runtime.spawn(work).await.unwrap_or_else(|broken| Err(broken.into()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(content_type: &'static str, body: &str) -> Option<Chosen> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        chosen(&headers, body.as_bytes())
    }

    #[test]
    fn one_click_is_read_from_both_kinds_of_form() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(of(form, "List-Unsubscribe=One-Click"), Some(Chosen::OneClick));
        assert_eq!(of(form, "choice=all"), Some(Chosen::All));
        assert_eq!(of("application/x-www-form-urlencoded; charset=utf-8", "choice=this"), Some(Chosen::This));
        let parts =
            "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        assert_eq!(of("multipart/form-data; boundary=b", parts), Some(Chosen::OneClick));
        assert_eq!(of("multipart/form-data; boundary=\"b\"", parts), Some(Chosen::OneClick));
    }

    #[test]
    fn anything_else_chooses_nothing() {
        let form = "application/x-www-form-urlencoded";
        for body in ["", "List-Unsubscribe=Yes", "choice=", "x=One-Click", "%%%"] {
            assert_eq!(of(form, body), None, "{body}");
        }
        assert_eq!(of("application/json", "List-Unsubscribe=One-Click"), None);
        assert_eq!(of("multipart/form-data; boundary=c", "--b\r\n\r\nOne-Click\r\n--b--"), None);
        assert_eq!(of("multipart/form-data", "List-Unsubscribe=One-Click"), None);
    }
}
