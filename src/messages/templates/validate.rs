//! Whether a template can be published: what it is made of, what it becomes, and what its class may show.

use entity::message::Channel;
use serde_json::Value as Json;

use super::{Body, Content, Refusal, code, fill, markup, samples};
use crate::localized;
use crate::messages::class::Class;

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// A value is missing, out of its bounds or not as it can be.
    Invalid,
    /// Only promotional templates can show coupons and prices.
    PromotionNotAllowed,
    /// Whoever gets a message that is not transactional must be able to end such messages.
    UnsubscribeLinkMissing,
    /// A journey in force sends it for another purpose, or by a channel that it would not have.
    UsedByJourney,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// From the body on, such as `content`, `nl`, `mjml`.
    pub(crate) path: Vec<String>,
    /// For a person.
    pub(crate) message: String,
}

impl Problem {
    pub(super) fn new(code: Code, path: &[&str], message: impl Into<String>) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { code, path, message: message.into() }
    }

    fn field(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// Everything that is wrong with `body`; nothing, if it can be published.
pub(crate) fn problems(body: &Body) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut channels = body.channels.clone();
    channels.sort_unstable();
    channels.dedup();
    if channels.is_empty() || channels.len() < body.channels.len() {
        let message = "channels must be at least one, each once";
        found.push(Problem::new(Code::Invalid, &["channels"], message));
    }
    let tags = body.content.keys().map(|tag| (tag.clone(), tag.clone())).collect();
    if let Err(problem) = localized::check_tags(&tags) {
        found.push(Problem::new(Code::Invalid, &["content"], format!("The languages {problem}.")));
        return found;
    }
    for (language, content) in &body.content {
        let checked = Checked { body, language, content };
        checked.sources(&mut found);
        if found.is_empty() {
            checked.fill(&mut found);
        }
    }
    found
}

struct Checked<'a> {
    body: &'a Body,
    language: &'a str,
    content: &'a Content,
}

impl Checked<'_> {
    fn problem(&self, code: Code, field: &str, message: impl Into<String>) -> Problem {
        Problem::new(code, &["content", self.language, field], message)
    }

    fn class(&self) -> Class {
        Class::of(self.body.purpose)
    }

    fn is_mail(&self) -> bool {
        self.body.channels.contains(&Channel::Email)
    }

    fn is_note(&self) -> bool {
        self.body.channels.iter().any(|channel| *channel != Channel::Email)
    }

    /// What is wrong with the fields themselves.
    fn sources(&self, found: &mut Vec<Problem>) {
        let needed: &[(bool, &str)] = &[
            (self.is_mail(), "subject"),
            (self.is_mail(), "mjml"),
            (self.is_note(), "title"),
            (self.is_note(), "short"),
        ];
        for (_, field) in needed.iter().filter(|(is_needed, _)| *is_needed) {
            if self.content.fields().all(|(name, text)| name != *field || text.trim().is_empty()) {
                found.push(self.problem(Code::Invalid, field, format!("{field} is missing.")));
            }
        }
        for (field, source) in self.content.fields() {
            if let Err(Refusal(problem)) = fill::check_source(source, field == "mjml") {
                found.push(self.problem(Code::Invalid, field, format!("{field}: {problem}.")));
            } else if !self.class().may_promote() && names_coupon(source) {
                let message = format!("{field} names a coupon, which only promotional templates can show.");
                found.push(self.problem(Code::PromotionNotAllowed, field, message));
            }
        }
    }

    /// What is wrong with what it becomes: with everything that there can be, and with what everybody has.
    fn fill(&self, found: &mut Vec<Problem>) {
        let (class, full) = (self.class(), samples::full(self.language));
        let values = full.shown(class, class.may_promote());
        let problems = self.filled(&values);
        if !problems.is_empty() {
            let promoted = self.filled(&full.shown(class, true));
            found.extend(problems.into_iter().map(|problem| self.promotes(problem, &promoted)));
            return;
        }
        let sparse = samples::sparse(self.language).shown(class, class.may_promote());
        let problems = self.filled(&sparse);
        found.extend(problems.into_iter().map(|problem| self.lacks(problem, &values, &sparse)));
    }

    fn filled(&self, values: &Json) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.is_mail() {
            match fill::mail(self.content, values, self.language) {
                Err(refusal) => found.push(self.refused(&refusal)),
                Ok(mail) if self.class() != Class::Transactional => {
                    let leads = |text: &str| text.contains(samples::UNSUBSCRIBE);
                    if !leads(&markup::decoded(&mail.html)) {
                        let message = "mjml has no link to {{ unsubscribe_url }}.";
                        found.push(self.problem(Code::UnsubscribeLinkMissing, "mjml", message));
                    }
                    if !leads(&mail.text) {
                        let message = "text does not show {{ unsubscribe_url }}.";
                        found.push(self.problem(Code::UnsubscribeLinkMissing, "text", message));
                    }
                }
                Ok(_) => {}
            }
        }
        if self.is_note()
            && let Err(refusal) = fill::note(self.content, values, self.language)
        {
            found.push(self.refused(&refusal));
        }
        found
    }

    fn refused(&self, Refusal(problem): &Refusal) -> Problem {
        let field = problem.split([':', ' ']).next().unwrap_or_default();
        self.problem(Code::Invalid, field, format!("{problem}."))
    }

    /// What is fine once prices and coupons can be shown is wrong because of them.
    fn promotes(&self, problem: Problem, promoted: &[Problem]) -> Problem {
        if problem.code != Code::Invalid || promoted.iter().any(|other| other.path == problem.path) {
            return problem;
        }
        let field = problem.field();
        let message = format!("{field} shows a price or a coupon, which only promotional templates can.");
        self.problem(Code::PromotionNotAllowed, field, message)
    }

    /// Says which value it is that not everybody has.
    fn lacks(&self, problem: Problem, values: &Json, sparse: &Json) -> Problem {
        let mut differing = Vec::new();
        differences(values, sparse, String::new(), &mut differing);
        let is_cause = |at: &String| {
            let mut without = values.clone();
            if let (Some(value), Some(lacking)) = (without.pointer_mut(at), sparse.pointer(at)) {
                value.clone_from(lacking);
            }
            self.filled(&without).iter().any(|other| other.path == problem.path)
        };
        let Some(cause) = differing.iter().find(|at| is_cause(at)) else { return problem };
        let (field, name) = (problem.field(), cause.trim_start_matches('/').replace('/', "."));
        let message = match problem.code {
            Code::UnsubscribeLinkMissing => {
                format!("{field} has no link to {{{{ unsubscribe_url }}}} for whoever has no `{name}`.")
            }
            Code::Invalid | Code::PromotionNotAllowed | Code::UsedByJourney => format!(
                "{field}: `{name}` is not there for everybody; what shows it belongs in {{% if {name} %}}."
            ),
        };
        Problem { message, ..problem }
    }
}

/// Where two contexts are not the same, as JSON pointers.
fn differences(values: &Json, others: &Json, at: String, found: &mut Vec<String>) {
    match (values, others) {
        (Json::Object(members), Json::Object(_)) => {
            for (name, member) in members {
                let other = others.get(name).unwrap_or(&Json::Null);
                differences(member, other, format!("{at}/{name}"), found);
            }
        }
        _ if values != others => found.push(at),
        _ => {}
    }
}

fn names_coupon(source: &str) -> bool {
    let pieces = code::pieces(source);
    pieces.and_then(|pieces| code::check(&pieces)).is_ok_and(|names| names.contains("coupon"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use entity::consent::Purpose;

    use super::*;

    fn body(purpose: Option<Purpose>, inside: &str) -> Body {
        let mjml = format!(
            "<mjml><mj-body><mj-section><mj-column><mj-text>{inside}</mj-text></mj-column></mj-section></mj-body></mjml>"
        );
        let text = |text: &str| Some(text.to_owned());
        let content = Content {
            subject: text("Hello"),
            mjml: Some(mjml),
            title: text("Hello"),
            short: text("You"),
            ..Content::default()
        };
        let channels = vec![Channel::Email, Channel::Inbox];
        Body { purpose, channels, content: BTreeMap::from([("en".to_owned(), content)]) }
    }

    fn codes(purpose: Option<Purpose>, inside: &str) -> Vec<(Code, String)> {
        problems(&body(purpose, inside)).into_iter().map(|found| (found.code, found.path.join("."))).collect()
    }

    const LINK: &str = "<a href=\"{{ unsubscribe_url }}\">x</a>";

    #[test]
    fn only_promotional_templates_show_coupons_and_prices() {
        let at = |code| vec![(code, "content.en.mjml".to_owned())];
        for purpose in [Some(Purpose::Care), Some(Purpose::ProductUpdates), Some(Purpose::Programme), None] {
            let link = if purpose.is_some() { LINK } else { "" };
            for shown in [
                "{{ coupon.code }}",
                "{% if coupon is defined %}{% endif %}",
                "{% for line in order.lines %}{{ line.price }}{% endfor %}",
                "{{ order.total }}",
                "{{ membership.saved }}",
            ] {
                assert_eq!(
                    codes(purpose, &format!("{shown}{link}")),
                    at(Code::PromotionNotAllowed),
                    "{shown}"
                );
            }
            assert_eq!(codes(purpose, &format!("{{{{ nothing }}}}{link}")), at(Code::Invalid));
            assert_eq!(codes(purpose, link), []);
        }
        assert_eq!(
            codes(
                Some(Purpose::Offers),
                &format!("{{% if coupon %}}{{{{ coupon.code }}}}{{% endif %}}{{{{ order.total }}}}{LINK}")
            ),
            []
        );
    }

    #[test]
    fn all_but_transactional_templates_can_be_ended() {
        let html = (Code::UnsubscribeLinkMissing, "content.en.mjml".to_owned());
        let text = (Code::UnsubscribeLinkMissing, "content.en.text".to_owned());
        for purpose in [Purpose::Newsletter, Purpose::Care] {
            assert_eq!(codes(Some(purpose), "x"), [html.clone(), text.clone()]);
            let mut without = body(Some(purpose), LINK);
            without.content.get_mut("en").unwrap().text = Some("Hello".to_owned());
            assert_eq!(problems(&without).len(), 1);
        }
        // What is transactional has nothing to end.
        assert_eq!(codes(None, LINK), [(Code::Invalid, "content.en.mjml".to_owned())]);
    }

    #[test]
    fn what_not_everybody_has_belongs_in_a_condition() {
        let told = |purpose, inside: &str| {
            let found = problems(&body(purpose, inside)).into_iter();
            found.map(|found| (found.code, found.message)).collect::<Vec<_>>()
        };
        for (purpose, shown, name) in [
            (None, "{{ programme.pending }}", "programme"),
            (None, "{{ person.name }}", "person.name"),
            (None, "<a href=\"{{ shop.url }}/news\">x</a>", "shop.url"),
            (None, "{{ points.ending | number }}", "points.ending"),
            (Some(Purpose::Offers), "{{ coupon.code }}", "coupon"),
            (Some(Purpose::Offers), "{{ membership.saved }}", "membership.saved"),
        ] {
            let link = if purpose.is_some() { LINK } else { "" };
            let message = format!(
                "mjml: `{name}` is not there for everybody; what shows it belongs in {{% if {name} %}}."
            );
            assert_eq!(told(purpose, &format!("{shown}{link}")), [(Code::Invalid, message)], "{shown}");
            let asked = format!("{{% if {name} %}}{shown}{{% endif %}}{link}");
            assert_eq!(told(purpose, &asked), [], "{shown}");
        }
        assert_eq!(told(None, "{{ person.name | default('you') }}"), []);
        let hidden = told(Some(Purpose::Offers), &format!("{{% if coupon %}}{LINK}{{% endif %}}"));
        let message =
            |field| format!("{field} has no link to {{{{ unsubscribe_url }}}} for whoever has no `coupon`.");
        let expected = ["mjml", "text"].map(|field| (Code::UnsubscribeLinkMissing, message(field)));
        assert_eq!(hidden, expected);
    }

    #[test]
    fn what_a_channel_needs_must_be_there_in_every_language() {
        let mut lacks = body(None, "x");
        lacks.content.insert("nl".to_owned(), Content { title: Some(" ".to_owned()), ..Content::default() });
        let fields: Vec<String> = problems(&lacks).into_iter().map(|found| found.path.join(".")).collect();
        assert_eq!(fields, ["content.nl.subject", "content.nl.mjml", "content.nl.title", "content.nl.short"]);
        let channels = Body { channels: vec![Channel::Sms, Channel::Sms], ..body(None, "x") };
        assert_eq!(problems(&channels)[0].path, ["channels"]);
        let content = Body { content: BTreeMap::new(), ..body(None, "x") };
        assert_eq!(problems(&content)[0].path, ["content"]);
    }
}
