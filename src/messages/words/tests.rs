//! Every template in every language, with and without a link.

use super::*;

const SHOP: &str = "Fietsen & <b>Zo</b>";
const CODE: &str = "012345";
const TOKEN: &str = "-tOkEn_9876543210-abcdefghijklmnopqrstuvwxyz";
const LINK: &str = "https://shop.example/sign-in?token=tOkEn&lang='nl'";

fn values() -> Values<'static> {
    Values {
        shop: SHOP,
        zone: Tz::Europe__Amsterdam,
        at: "2026-11-21T13:03:59Z".parse().unwrap(),
        life: TimeDelta::minutes(10),
        code: Some(CODE),
        token: Some(TOKEN),
        link: None,
    }
}

/// Every template and language, with and without a link.
fn each(mut check: impl FnMut(Template, Language, &Values, &Rendered)) {
    let words = Words::embedded().unwrap();
    for template in Template::ALL {
        let life = if template.shows() == Shows::Token { TimeDelta::days(7) } else { TimeDelta::minutes(10) };
        for language in Language::ALL {
            for link in [None, Some(LINK)] {
                let values = Values { life, link, ..values() };
                let rendered = words.render(template, language, &values).unwrap();
                check(template, language, &values, &rendered);
            }
        }
    }
}

fn rendered(template: Template, language: Language, values: &Values) -> Rendered {
    Words::embedded().unwrap().render(template, language, values).unwrap()
}

fn document(html: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    roxmltree::Document::parse_with_options(html, options).unwrap()
}

/// What a reader sees of the HTML: the texts of its body, one a line.
fn seen(html: &str) -> Vec<String> {
    let document = document(html);
    let body = document.descendants().find(|node| node.has_tag_name("body")).unwrap();
    let texts = body.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text());
    texts.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn without_isolates(text: &str) -> String {
    text.replace(['\u{2068}', '\u{2069}'], "")
}

#[test]
fn every_subject_is_one_line_that_names_the_shop() {
    each(|template, language, _, words| {
        let subject = &words.subject;
        assert!(subject.contains(SHOP), "{template:?} {language:?}: {subject}");
        assert!(!subject.chars().any(char::is_control), "{template:?} {language:?}: {subject}");
        assert!(subject.chars().count() < 100, "{template:?} {language:?}: {subject}");
    });
}

#[test]
fn every_placeholder_is_filled_in() {
    each(|template, language, _, words| {
        for part in [&words.subject, &words.text, &seen(&words.html).join("\n")] {
            for left in ["{{", "}}", "{%", "none", "undefined"] {
                assert!(!part.contains(left), "{template:?} {language:?} has {left}: {part}");
            }
        }
    });
}

#[test]
fn a_mail_shows_what_its_template_says_and_no_more() {
    each(|template, language, values, words| {
        let lines: Vec<&str> = words.text.lines().map(str::trim).collect();
        let seen = seen(&words.html);
        let has = |what: &str| {
            let in_text = lines.contains(&what);
            assert_eq!(in_text, seen.iter().any(|text| text == what), "{template:?} {language:?}: {what}");
            assert_eq!(in_text, words.text.contains(what), "{template:?} {language:?}: {what}");
            in_text
        };
        let found = (has(CODE), has(LINK), has(TOKEN));
        let expected = match (template.shows(), values.link) {
            (Shows::Nothing, _) => (false, false, false),
            (Shows::Code, _) => (true, false, false),
            (Shows::Token, Some(_)) => (false, true, false),
            (Shows::Token, None) => (false, false, true),
        };
        assert_eq!(found, expected, "{template:?} {language:?}");
        let life = match template.shows() {
            Shows::Nothing => None,
            Shows::Code => Some("10"),
            Shows::Token => Some("7"),
        };
        let says_life = |life| words.text.split(|c: char| !c.is_ascii_digit()).any(|number| number == life);
        assert!(life.is_none_or(says_life), "{template:?} {language:?}");
    });
}

#[test]
fn text_and_html_say_the_same() {
    each(|template, language, values, words| {
        let mut seen = seen(&words.html);
        if template.shows() == Shows::Token && values.link.is_some() {
            // The button, and the words between it and the address, are for HTML only.
            let address = seen.iter().position(|text| text == LINK).unwrap();
            seen.drain(address - 2..address);
        }
        let lines: Vec<&str> = words.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(seen, lines, "{template:?} {language:?}");
    });
}

#[test]
fn html_is_well_formed_and_says_its_language_and_direction() {
    each(|template, language, values, words| {
        let document = document(&words.html);
        let root = document.root_element();
        let expected = match language {
            Language::English => ("en", "ltr"),
            Language::Dutch => ("nl", "ltr"),
            Language::Hebrew => ("he", "rtl"),
        };
        assert_eq!((root.attribute("lang").unwrap(), root.attribute("dir").unwrap()), expected);
        assert!(document.descendants().all(|node| !node.has_tag_name("b")), "the shop's name became markup");
        for value in [CODE, TOKEN] {
            let shown = document.descendants().filter(|node| node.is_element() && node.text() == Some(value));
            assert!(shown.clone().all(|node| node.attribute("dir") == Some("ltr")), "{template:?}: {value}");
        }
        let links: Vec<&str> = document.descendants().filter_map(|node| node.attribute("href")).collect();
        let has_link = template.shows() == Shows::Token && values.link.is_some();
        let expected: &[&str] = if has_link { &[LINK, LINK] } else { &[] };
        assert_eq!(links, expected, "{template:?}");
    });
}

#[test]
fn no_language_is_left_in_another() {
    each(|template, language, values, words| {
        if language == Language::English {
            return;
        }
        let english = rendered(template, Language::English, values);
        let theirs = |line: &&str| !line.is_empty() && ![SHOP, CODE, TOKEN, LINK].contains(line);
        for line in words.text.lines().map(str::trim).filter(theirs) {
            assert!(
                !english.text.lines().any(|other| other.trim() == line),
                "{template:?} {language:?}: {line}"
            );
        }
        assert_ne!(words.subject, english.subject);
        for english in [" the ", " you ", " your ", " account was ", " is for "] {
            assert!(!words.text.contains(english), "{template:?} {language:?}: {english}");
        }
        if language == Language::Hebrew {
            for line in words.text.lines().map(str::trim).filter(theirs).chain([words.subject.as_str()]) {
                let own = without_isolates(line).replace(SHOP, "").replace("CET", "");
                assert!(own.chars().any(|c| ('א'..='ת').contains(&c)), "{template:?}: {line}");
                assert!(!own.chars().any(|c| c.is_ascii_alphabetic()), "{template:?}: {line}");
            }
        }
    });
}

#[test]
fn a_notice_says_when_by_the_clocks_of_the_shop() {
    for (language, when) in [
        (Language::English, "on 21 November 2026 at 14:03 (CET)"),
        (Language::Dutch, "op 21 november 2026 om 14:03 uur (CET)"),
        (Language::Hebrew, "ב־21 בנובמבר 2026 בשעה 14:03 (CET)"),
    ] {
        for template in [Template::EmailChanged, Template::PasswordChanged] {
            let text = without_isolates(&rendered(template, language, &values()).text);
            assert!(text.contains(when), "{text}");
        }
    }
}

#[test]
fn a_value_breaks_out_of_nothing() {
    let shop =
        "Shop\r\nBcc: eve@example.com\n\n    999999\u{2028}\u{202e}{{ code }}</td><script>alert(1)</script>";
    for template in Template::ALL {
        for language in Language::ALL {
            let words = rendered(template, language, &Values { shop, ..values() });
            assert_eq!(words.subject.lines().count(), 1);
            assert!(!words.text.lines().any(|line| line.starts_with("Bcc:") || line.trim() == "999999"));
            assert!(!words.html.contains("<script") && !words.html.contains('\u{202e}'));
            assert!(words.text.contains("{{ code }}"), "what is in a value is no placeholder");
            document(&words.html);
        }
    }
}

#[test]
fn what_a_template_shows_has_to_be_there() {
    let words = Words::embedded().unwrap();
    let nothing = Values { code: None, token: None, ..values() };
    for template in Template::ALL {
        let faults = words.render(template, Language::English, &nothing).is_err();
        assert_eq!(faults, template.shows() != Shows::Nothing, "{template:?}");
    }
    let script = Values { link: Some("javascript:alert(1)"), ..values() };
    words.render(Template::WelcomeSignIn, Language::English, &script).unwrap_err();
}

#[test]
fn a_code_reads_well_as_text() {
    let expected = "Hello,\n\nWith this code you sign in at Fietsen & <b>Zo</b>:\n\n    012345\n\nThe code is good for 10 \
        minutes. Never give it to anybody else; the shop will not ask you for it.\n\nWas it not you who asked? Then \
        there is nothing to do: without the code nothing happens.\n\nFietsen & <b>Zo</b>";
    assert_eq!(rendered(Template::CodeSignIn, Language::English, &values()).text, expected);
    let expected = "Hallo,\n\nIemand, waarschijnlijk jijzelf, vroeg om een code voor je account bij Fietsen & <b>Zo</b>. \
        Dit account is geblokkeerd. Neem contact op met de winkel.\n\nFietsen & <b>Zo</b>";
    assert_eq!(rendered(Template::AccountDisabled, Language::Dutch, &values()).text, expected);
}

#[test]
fn a_token_reads_well_as_text() {
    let values = Values { life: TimeDelta::days(7), ..values() };
    let text = rendered(Template::StaffInvitation, Language::English, &values).text;
    let expected = "Hello,\n\nYou are invited to join the staff of Fietsen & <b>Zo</b>. Set a password to begin.\n\nPaste \
        this where you are asked for it:\n\n-tOkEn_9876543210-abcdefghijklmnopqrstuvwxyz\n\nIt works once, within 7 days. \
        Never give it to anybody else.\n\nDid you not expect this? Then there is nothing to do.\n\nFietsen & <b>Zo</b>";
    assert_eq!(text, expected);
}
