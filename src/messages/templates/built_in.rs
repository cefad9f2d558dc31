//! The templates that come with the program: their words are in `words/`, one file a language, around one layout.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use entity::consent::Purpose;
use entity::message::Channel;
use serde::Deserialize;

use super::{Body, Content};

/// What a mail shows between its paragraphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Nothing,
    OrderLines,
    CartLines,
    Companions,
    Coupon,
    Update,
}

/// A template that is built in.
#[derive(Clone, Copy, Debug)]
struct BuiltIn {
    code: &'static str,
    /// For staff.
    name: &'static str,
    purpose: Option<Purpose>,
    block: Block,
    /// The value that the button leads to, and an inbox message.
    leads_to: Option<&'static str>,
}

const fn of(
    code: &'static str,
    name: &'static str,
    purpose: Option<Purpose>,
    block: Block,
    leads_to: Option<&'static str>,
) -> BuiltIn {
    BuiltIn { code, name, purpose, block, leads_to }
}

const SHOP: Option<&str> = Some("shop.url");

const ALL: [BuiltIn; 22] = [
    of(
        "thank_you",
        "Thank you for the first order",
        Some(Purpose::Care),
        Block::Companions,
        Some("review_url"),
    ),
    of("abandoned_cart", "Abandoned cart", Some(Purpose::Reminders), Block::CartLines, Some("cart.url")),
    of("birthday", "Birthday", Some(Purpose::Offers), Block::Coupon, SHOP),
    of("tier_reached", "A tier reached", Some(Purpose::Programme), Block::Nothing, SHOP),
    of("tier_ending", "A tier that ends", Some(Purpose::Programme), Block::Nothing, SHOP),
    of("points_expiring", "Points that end", Some(Purpose::Programme), Block::Nothing, SHOP),
    of("we_miss_you", "We miss you", Some(Purpose::Offers), Block::Coupon, SHOP),
    of(
        "product_update",
        "Update of a product",
        Some(Purpose::ProductUpdates),
        Block::Update,
        Some("update.link"),
    ),
    of("regular_customer", "For regular customers", Some(Purpose::Offers), Block::Coupon, SHOP),
    of("replenishment", "Time for more", Some(Purpose::Reminders), Block::Nothing, Some("product.url")),
    of("back_in_stock", "Back in stock", Some(Purpose::BackInStock), Block::Nothing, Some("product.url")),
    of("care_tips", "Care tips", Some(Purpose::Care), Block::Nothing, Some("product.url")),
    of(
        "after_sale_question",
        "Question after delivery",
        Some(Purpose::Care),
        Block::Nothing,
        Some("survey_url"),
    ),
    of("inactive_notice", "Marked inactive soon", Some(Purpose::Programme), Block::Nothing, SHOP),
    of(
        "reactivation_question",
        "Question to who stays away",
        Some(Purpose::Programme),
        Block::Nothing,
        Some("survey_url"),
    ),
    of("second_purchase", "Second purchase", Some(Purpose::Offers), Block::Coupon, SHOP),
    of("membership_savings", "What a membership saves", Some(Purpose::Offers), Block::Nothing, SHOP),
    of("order_confirmation", "Order confirmed", None, Block::OrderLines, SHOP),
    of("shipping_confirmation", "Order on its way", None, Block::OrderLines, SHOP),
    of("delivery_confirmation", "Order delivered", None, Block::OrderLines, SHOP),
    of("membership_renewed", "Membership renewed", None, Block::Nothing, SHOP),
    of("membership_payment_failed", "Membership not paid", None, Block::Nothing, SHOP),
];

const LANGUAGES: [(&str, &str); 3] = [
    ("en", include_str!("words/en.toml")),
    ("he", include_str!("words/he.toml")),
    ("nl", include_str!("words/nl.toml")),
];
const LAYOUT: &str = include_str!("words/layout.mjml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    greeting: String,
    regards: String,
    unsubscribe: String,
    coupon: String,
    coupon_ends: String,
    companions: String,
    points_waiting: String,
    free_shipping: String,
    /// Why somebody gets this, by purpose; `none` for what is transactional.
    why: BTreeMap<String, String>,
    templates: BTreeMap<String, Phrases>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrases {
    subject: String,
    preheader: String,
    opening: Vec<String>,
    #[serde(default)]
    closing: Vec<String>,
    #[serde(default)]
    button: String,
    title: String,
    short: String,
}

static BODIES: LazyLock<Result<BTreeMap<&'static str, Body>, String>> = LazyLock::new(bodies);

/// Codes of all built-in templates with their names for staff.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|template| (template.code, template.name))
}

/// The built-in template with this code.
pub(crate) fn body(code: &str) -> Option<&'static Body> {
    BODIES.as_ref().ok()?.get(code)
}

/// Refuses to start with words that are not whole.
pub(crate) fn check() -> anyhow::Result<()> {
    BODIES.as_ref().map(|_| ()).map_err(|problem| anyhow::anyhow!("{problem}"))
}

fn bodies() -> Result<BTreeMap<&'static str, Body>, String> {
    let mut bodies: BTreeMap<&'static str, Body> = BTreeMap::new();
    for (language, text) in LANGUAGES {
        let words: Catalogue = toml::from_str(text).map_err(|error| format!("{language}: {error}"))?;
        for template in ALL {
            let missing = || format!("{} has no words in {language}", template.code);
            let phrases = words.templates.get(template.code).ok_or_else(missing)?;
            let why = words.why.get(&purpose_name(template.purpose)).ok_or_else(missing)?;
            let body = bodies.entry(template.code).or_insert_with(|| Body {
                purpose: template.purpose,
                channels: vec![Channel::Email, Channel::Inbox],
                content: BTreeMap::new(),
            });
            body.content.insert(language.to_owned(), content(template, &words, phrases, why));
        }
    }
    Ok(bodies)
}

fn purpose_name(purpose: Option<Purpose>) -> String {
    use sea_orm::ActiveEnum;
    purpose.map_or_else(|| "none".to_owned(), |purpose| purpose.to_value().to_ascii_lowercase())
}

fn content(template: BuiltIn, words: &Catalogue, phrases: &Phrases, why: &str) -> Content {
    let some = |text: &str| Some(text.to_owned());
    Content {
        subject: some(&phrases.subject),
        preheader: some(&phrases.preheader),
        mjml: Some(mjml(template, words, phrases, why)),
        text: None,
        title: some(&phrases.title),
        short: some(&phrases.short),
        link: template.leads_to.map(|value| format!("{{% if {value} %}}{{{{ {value} }}}}{{% endif %}}")),
    }
}

fn mjml(template: BuiltIn, words: &Catalogue, phrases: &Phrases, why: &str) -> String {
    let mut inside = paragraph(&words.greeting);
    inside.extend(phrases.opening.iter().map(|text| paragraph(text)));
    inside.push_str(&block(template.block, words));
    if let Some(value) = template.leads_to.filter(|_| !phrases.button.is_empty()) {
        let button = &phrases.button;
        let open = format!("{{% if {value} %}}<mj-button href=\"{{{{ {value} }}}}\">");
        inside.extend([open.as_str(), button, "</mj-button>{% endif %}\n"]);
    }
    inside.extend(phrases.closing.iter().map(|text| paragraph(text)));
    inside.push_str(&paragraph(&words.regards));
    let unsubscribe = match template.purpose {
        Some(_) => format!(
            "<br/><a href=\"{{{{ unsubscribe_url }}}}\" style=\"color:#4b5563\">{}</a>",
            words.unsubscribe
        ),
        None => String::new(),
    };
    LAYOUT.replace("%INSIDE%", &inside).replace("%WHY%", &format!("{why}{unsubscribe}"))
}

fn paragraph(text: &str) -> String {
    format!("<mj-text>{text}</mj-text>\n")
}

fn block(block: Block, words: &Catalogue) -> String {
    match block {
        Block::Nothing => String::new(),
        Block::OrderLines => lines("order.lines") + &programme(words),
        Block::CartLines => lines("cart.lines"),
        Block::Companions => {
            let product = "<li>{% if product.url %}<a href=\"{{ product.url }}\">{{ product.name }}</a>\
                {% else %}{{ product.name }}{% endif %}</li>";
            let list = format!(
                "{}<ul>{{% for product in companions %}}{product}{{% endfor %}}</ul>",
                words.companions
            );
            format!("{{% if companions %}}{}{{% endif %}}", paragraph(&list))
        }
        Block::Coupon => {
            let code = "<mj-text align=\"center\" font-size=\"24px\" font-weight=\"bold\" \
                container-background-color=\"#f3f4f6\"><bdi>{{ coupon.code }}</bdi></mj-text>\n";
            let ends = format!("{{% if coupon.ends_on %}}{}{{% endif %}}", paragraph(&words.coupon_ends));
            format!("{{% if coupon %}}{}{code}{ends}{{% endif %}}", paragraph(&words.coupon))
        }
        Block::Update => {
            let body = "<span style=\"white-space:pre-line\">{{ update.body }}</span>";
            paragraph("<strong>{{ update.title }}</strong>") + &paragraph(body)
        }
    }
}

fn lines(of: &str) -> String {
    let row = "<tr><td>{{ line.name }}</td><td width=\"60\">{{ line.quantity | number }} ×</td></tr>";
    format!("<mj-table>{{% for line in {of} %}}{row}{{% endfor %}}</mj-table>\n")
}

/// News of the programme, which a transactional message may tell.
fn programme(words: &Catalogue) -> String {
    let waiting = format!("{{% if programme.pending %}}{}{{% endif %}}", paragraph(&words.points_waiting));
    let shipping =
        format!("{{% if programme.free_shipping %}}{}{{% endif %}}", paragraph(&words.free_shipping));
    format!("{{% if programme %}}{waiting}{shipping}{{% endif %}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::class::Class;
    use crate::messages::templates::{fill, samples, validate};

    #[test]
    fn every_built_in_template_can_be_published() {
        check().unwrap();
        for template in ALL {
            assert_eq!(validate::problems(body(template.code).unwrap()), [], "{}", template.code);
        }
    }

    #[test]
    fn every_built_in_template_can_be_filled_in_with_whatever_may_be_missing() {
        for template in ALL {
            let body = body(template.code).unwrap();
            let class = Class::of(template.purpose);
            for (language, content) in &body.content {
                for parts in [samples::full(language), samples::sparse(language)] {
                    let context = parts.shown(class, class.may_promote());
                    let mail = fill::mail(content, &context, language)
                        .unwrap_or_else(|refusal| panic!("{} {language}: {refusal:?}", template.code));
                    let note = fill::note(content, &context, language)
                        .unwrap_or_else(|refusal| panic!("{} {language}: {refusal:?}", template.code));
                    let whole =
                        [&mail.subject, &mail.text, &note.title, &note.body].map(String::as_str).concat();
                    for odd in ["{{", "}}", "{%", "none", "None", "  ,", " ."] {
                        assert!(!whole.contains(odd), "{odd:?} in {} {language}: {whole}", template.code);
                    }
                    let direction = if language == "he" { "dir=\"rtl\"" } else { "dir=\"ltr\"" };
                    assert!(mail.html.contains(direction), "{} {language}", template.code);
                    let turned = ["direction:ltr", "direction: ltr"];
                    let is_turned =
                        language == "he" && turned.iter().any(|turned| mail.html.contains(turned));
                    assert!(!is_turned, "{}: {}", template.code, mail.html);
                }
            }
        }
    }

    #[test]
    fn what_a_plan_saves_in_a_year_stands_beside_what_it_costs_in_a_year() {
        for (language, content) in &body("membership_savings").unwrap().content {
            let class = Class::of(Some(Purpose::Offers));
            let context = samples::full(language).shown(class, class.may_promote());
            let mail = fill::mail(content, &context, language).unwrap();
            let note = fill::note(content, &context, language).unwrap();
            for text in [mail.text, note.body] {
                let amounts = ["148", "119"].map(|amount| text.matches(amount).count());
                assert_eq!(amounts, [1, 1], "{language}: {text}");
            }
        }
    }
}
