//! The mail that asks to confirm a double opt-in. Its token is derived only now: no row and no queue holds it.

use entity::id::ConsentRequestId;

use super::mailer::Mail;
use super::template::{Language, Template};
use super::words::Values;
use crate::app::App;
use crate::consent::{self, LetterOf};
use crate::error::Fault;

/// The mail, unless there is nothing to confirm any more.
pub(crate) async fn mail(app: &App, id: ConsentRequestId) -> Result<Option<Mail>, Fault> {
    let Some(LetterOf { to, locale, link, at, expires_at }) = consent::letter(app, id).await? else {
        return Ok(None);
    };
    let settings = app.settings();
    let language = Language::of(locale.as_deref().unwrap_or(&settings.locale));
    let values = Values {
        shop: &settings.name,
        zone: settings.time_zone,
        at,
        life: expires_at - at,
        code: None,
        token: None,
        link: Some(&link),
    };
    let words = app.words.render(Template::ConsentConfirm, language, &values)?;
    Ok(Some(Mail { id: id.0.to_string(), at, to, language, words }))
}
