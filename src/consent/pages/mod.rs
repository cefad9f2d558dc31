//! The pages behind the links of mails: they say what a button does, and do nothing themselves. Nothing on them tells who the
//! reader is.

mod stands;
mod texts;

use std::collections::BTreeSet;

use entity::consent::Purpose;
use minijinja::{AutoEscape, Environment, context};

use self::texts::Texts;
use super::request::Request;
use super::unsubscribe::Subject;
use crate::app::App;
use crate::error::Fault;
use crate::messages::template::Language;

/// What they look like: the only thing that a page may load, and it is in the page.
pub(crate) const STYLES: &str = include_str!("page.css");

/// A page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Page<'a> {
    /// Asks what is not wanted any more.
    Stop(&'a Subject),
    /// Nothing of this kind is sent any more.
    Stopped(&'a Subject),
    /// No marketing is sent any more.
    StoppedAll(&'a Subject),
    /// Asks for a confirmation.
    Confirm(&'a Request),
    /// Tells what stands of a confirmation that was given.
    Confirmed(&'a Request, &'a BTreeSet<Purpose>),
    /// The link is none of ours, or not any more.
    Gone,
}

struct Parts {
    title: String,
    paragraphs: Vec<String>,
    items: Vec<&'static str>,
    buttons: Vec<(&'static str, String)>,
    /// Below the buttons.
    note: &'static str,
}

impl Page<'_> {
    /// As a whole document, in the language of its reader.
    pub(crate) fn written(self, app: &App) -> Result<String, Fault> {
        let settings = app.settings();
        let language = Language::of(self.locale().unwrap_or(&settings.locale));
        // A name may be read in the other direction than the words around it.
        let shop = format!("\u{2068}{}\u{2069}", settings.name);
        let Parts { title, paragraphs, items, buttons, note } = self.parts(Texts::of(language), &shop);
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.add_template("page", include_str!("page.html"))?;
        let context = context! {
            language => language.tag(),
            direction => if language.is_right_to_left() { "rtl" } else { "ltr" },
            styles => STYLES,
            shop => settings.name.as_str(),
            title, paragraphs, items, buttons, note,
        };
        Ok(templates.get_template("page")?.render(context)?)
    }

    fn locale(&self) -> Option<&str> {
        match self {
            Self::Stop(subject) | Self::Stopped(subject) | Self::StoppedAll(subject) => {
                subject.locale.as_deref()
            }
            Self::Confirm(request) | Self::Confirmed(request, _) => request.locale.as_deref(),
            Self::Gone => None,
        }
    }

    fn parts(self, texts: &'static Texts, shop: &str) -> Parts {
        let about = |text: &str, subject: &Subject| {
            text.replace("{what}", texts.purpose(subject.purpose))
                .replace("{way}", texts.channel(subject.channel))
                .replace("{shop}", shop)
        };
        let said = |title: &str, text: String| Parts {
            title: title.to_owned(),
            paragraphs: vec![text],
            items: Vec::new(),
            buttons: Vec::new(),
            note: "",
        };
        let named = |purposes: &BTreeSet<Purpose>| {
            purposes.iter().map(|purpose| texts.purpose(*purpose)).collect::<Vec<_>>()
        };
        match self {
            Self::Stop(subject) => Parts {
                buttons: vec![
                    ("this", about(texts.stop_this, subject)),
                    ("all", about(texts.stop_all, subject)),
                ],
                ..said(texts.stop_title, about(texts.stop, subject))
            },
            Self::Stopped(subject) => said(texts.stopped_title, about(texts.stopped, subject)),
            Self::StoppedAll(subject) => said(texts.stopped_title, about(texts.stopped_all, subject)),
            Self::Confirm(request) => {
                let items = named(&request.purposes);
                let title = texts.confirm_title.replace("{shop}", shop);
                let paragraphs = vec![texts.confirm.to_owned()];
                let buttons = vec![("confirm", texts.confirm_button.to_owned())];
                Parts { title, paragraphs, items, buttons, note: texts.confirm_nothing }
            }
            Self::Confirmed(request, stands) => {
                let (title, text, items) = if stands.is_empty() {
                    (texts.ended_title, texts.ended, &request.purposes)
                } else {
                    (texts.confirmed_title, texts.confirmed, stands)
                };
                Parts { items: named(items), ..said(title, text.replace("{shop}", shop)) }
            }
            Self::Gone => said(texts.gone_title, texts.gone.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_since_is_not_said_to_be_sent() {
        let both = BTreeSet::from([Purpose::Newsletter, Purpose::Offers]);
        let request = Request { purposes: both.clone(), locale: None, is_confirmed: true };
        let shown = |stands: &BTreeSet<Purpose>| {
            let Parts { title, paragraphs, items, buttons, .. } =
                Page::Confirmed(&request, stands).parts(Texts::of(Language::English), "Leaf");
            assert!(buttons.is_empty());
            (title, paragraphs.concat(), items)
        };
        let confirmed = (
            "Thank you, it is confirmed".to_owned(),
            "Leaf sends you by e-mail, until you stop it:".to_owned(),
        );
        assert_eq!(
            shown(&both),
            (confirmed.0.clone(), confirmed.1.clone(), vec!["the newsletter", "offers"])
        );
        let one = BTreeSet::from([Purpose::Offers]);
        assert_eq!(shown(&one), (confirmed.0, confirmed.1, vec!["offers"]));
        let ended = ("You have stopped this".to_owned(), "Leaf no longer sends you by e-mail:".to_owned());
        assert_eq!(shown(&BTreeSet::new()), (ended.0, ended.1, vec!["the newsletter", "offers"]));
    }
}
