use serde_json::json;

use super::*;

fn mjml(inside: &str) -> String {
    format!(
        "<mjml lang=\"{{{{ person.language }}}}\" dir=\"{{{{ person.direction }}}}\"><mj-body><mj-section><mj-column>\
         <mj-text>{inside}</mj-text></mj-column></mj-section></mj-body></mjml>"
    )
}

fn content(inside: &str) -> Content {
    Content { subject: Some("Hi {{ person.name }}".into()), mjml: Some(mjml(inside)), ..Content::default() }
}

fn context(name: &str) -> Json {
    let person = json!({ "name": name, "language": "en", "direction": "ltr", "side": "left" });
    json!({ "person": person, "many": vec!["x"; 100], "url": "https://shop.example/a?b=1&c=2", "points": 1234 })
}

fn refusal(inside: &str) -> String {
    mail(&content(inside), &context("Anna"), "en").unwrap_err().0
}

#[test]
fn a_name_is_text_wherever_it_stands() {
    let name = "<script>alert(1)</script>\"'\r\nBcc: eve@evil.example {{ url }} \u{202e}";
    let inside = "{{ person.name }} <a href=\"https://shop.example\" title=\"{{ person.name }}\">x</a>";
    let filled = mail(&content(inside), &context(name), "en").unwrap();
    assert_eq!(filled.subject, "Hi <script>alert(1)</script>\"' Bcc: eve@evil.example {{ url }}");
    assert!(!filled.html.contains("<script"), "{}", filled.html);
    assert!(
        filled.html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&#x27;"),
        "{}",
        filled.html
    );
    assert!(filled.text.contains("<script>alert(1)</script>"), "{}", filled.text);
}

#[test]
fn a_link_is_kept_in_html_and_text() {
    let filled = mail(&content("<a href=\"{{ url }}\">Look</a>"), &context("Anna"), "en").unwrap();
    assert!(
        markup::decoded(&filled.html).contains("href=\"https://shop.example/a?b=1&c=2\""),
        "{}",
        filled.html
    );
    assert!(filled.text.contains("https://shop.example/a?b=1&c=2"), "{}", filled.text);
}

#[test]
fn a_link_that_a_value_leads_elsewhere_is_refused() {
    for url in ["javascript:alert(1)", "//evil.example", "", "data:text/html,x"] {
        let mut context = context("Anna");
        context["url"] = json!(url);
        mail(&content("<a href=\"{{ url }}\">Look</a>"), &context, "en").unwrap_err();
    }
}

#[test]
fn what_does_not_end_or_grows_is_stopped() {
    let loops = "{% for a in many %}{% for b in many %}{{ person.name }}{% endfor %}{% endfor %}";
    assert!(refusal(&loops.repeat(3)).starts_with("mjml: "), "fuel");
    let huge = format!("{{% for a in many %}}{}{{% endfor %}}", "x".repeat(4_000));
    assert_eq!(refusal(&huge), "mjml: becomes more than 262144 bytes");
    assert_eq!(refusal(&"x".repeat(LONGEST_SOURCE)), "mjml: is longer than 64 KiB");
    let deep = format!("{}{}", "<div>".repeat(5_000), "</div>".repeat(5_000));
    assert_eq!(refusal(&deep), "mjml: elements are nested too deep");
    let subject = Some(
        "{% for a in many %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}".into(),
    );
    let long = Content { subject, ..content("x") };
    assert_eq!(mail(&long, &context("Anna"), "en").unwrap_err().0, "subject: becomes more than 4096 bytes");
}

#[test]
fn what_the_context_does_not_have_is_refused() {
    assert_eq!(refusal("{{ coupon }}"), "mjml: undefined value (line 1)");
    assert!(refusal("{% if coupon %}{% endif %}").starts_with("mjml: undefined value"));
    assert!(refusal("{{ person.coupon }}").starts_with("mjml: undefined value"));
}

#[test]
fn what_is_null_is_no_word() {
    let mut nameless = context("Anna");
    nameless["person"]["name"] = Json::Null;
    let refused = |inside: &str| {
        let content = Content { subject: Some("Hi".into()), ..content(inside) };
        mail(&content, &nameless, "en").map(|mail| mail.text).map_err(|refusal| refusal.0)
    };
    let null = "mjml: undefined value: it is null where it is shown, and belongs in {% if … %} (line 1)";
    for shown in ["{{ person.name }}", "{{ person.name | upper }}", "{{ person.name | trim }}"] {
        assert_eq!(refused(shown).unwrap_err(), null, "{shown}");
    }
    assert_eq!(refused("Hi {{ person.name | default('you') | upper }}").unwrap(), "Hi YOU");
    assert_eq!(refused("Hi{% if person.name %} {{ person.name }}{% endif %}").unwrap(), "Hi");
}

#[test]
fn an_attribute_says_what_its_value_says() {
    let name = "\u{20ac}\u{a0}5 \u{5d0}\u{5b0}\u{200f} \"a\\b\"";
    let inside =
        "<img src=\"https://shop.example/a.png\" alt=\"{{ person.name }}\" title='{{ person.name }}'/>";
    let html = mail(&content(inside), &context(name), "en").unwrap().html;
    let written = "\u{20ac}&#xa0;5 \u{5d0}&#x5b0;&#x200f; &quot;a&#x5c;b&quot;";
    assert!(html.contains(&format!("alt=\"{written}\"")), "{html}");
    assert!(html.contains(&format!("title=\"{written}\"")), "{html}");
    assert!(!html.contains("\\u{") && !html.contains("\\\""), "{html}");
}

#[test]
fn a_quote_within_quotes_begins_no_attribute() {
    let inside = "<p title='x\" onclick=alert(1) y=\"'>x</p>";
    let html = mail(&content(inside), &context("Anna"), "en").unwrap().html;
    assert!(html.contains("title=\"x&#x22; onclick=alert(1) y=&#x22;\""), "{html}");
    let title = mjml("x")
        .replace("<mj-body>", "<mj-head><mj-title>x\" onclick=alert(1) y=\"</mj-title></mj-head><mj-body>");
    let titled = Content { mjml: Some(title), ..content("x") };
    let html = mail(&titled, &context("Anna"), "en").unwrap().html;
    assert!(!html.contains("x\\\"") && !html.contains("x\" onclick"), "{html}");
}

#[test]
fn includes_and_raw_markup_are_refused() {
    for inside in ["<mj-include path=\"/etc/passwd\" />", "<mj-raw><b>x</b></mj-raw>", "{% include 'x' %}"] {
        assert!(refusal(inside).starts_with("mjml: "), "{inside}");
    }
}

#[test]
fn nothing_is_loaded_from_others() {
    let filled = mail(&content("x"), &context("Anna"), "en").unwrap();
    for other in ["fonts.googleapis.com", "mailjet", "@import"] {
        assert!(!filled.html.contains(other), "{other} in {}", filled.html);
    }
}

#[test]
fn a_short_message_is_one_title_a_text_and_perhaps_a_link() {
    let short = Content {
        title: Some("{{ points | number }}\npoints".into()),
        short: Some("Hi {{ person.name }}\u{202e}\nBye".into()),
        link: Some("{% if points %}{{ url }}{% endif %}".into()),
        ..Content::default()
    };
    let filled = note(&short, &context("Anna"), "nl").unwrap();
    let expected = Note {
        title: "1.234 points".into(),
        body: "Hi Anna\nBye".into(),
        link: Some("https://shop.example/a?b=1&c=2".into()),
    };
    assert_eq!(Note { body: filled.body.replace(" \n", "\n"), ..filled }, expected);
    let mut elsewhere = context("Anna");
    elsewhere["url"] = json!("javascript:x");
    assert_eq!(note(&short, &elsewhere, "nl").unwrap_err().0, "link: is no address of the web");
}
