//! The markup of a mail once it is filled in, read strictly before it becomes HTML: elements and attributes that mails need,
//! quoted, closed and not nested deep, so that no two readers can take it for different things.

use super::Refusal;

/// Elements that a mail may be made of.
const ELEMENTS: [&str; 59] = [
    "mjml",
    "mj-head",
    "mj-body",
    "mj-attributes",
    "mj-all",
    "mj-class",
    "mj-title",
    "mj-preview",
    "mj-breakpoint",
    "mj-style",
    "mj-section",
    "mj-wrapper",
    "mj-column",
    "mj-group",
    "mj-text",
    "mj-button",
    "mj-image",
    "mj-divider",
    "mj-spacer",
    "mj-table",
    "mj-hero",
    "p",
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "small",
    "br",
    "hr",
    "span",
    "div",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "img",
    "blockquote",
    "pre",
    "code",
    "sub",
    "sup",
    "center",
    "bdi",
    "bdo",
];
/// Elements that have no end.
const VOID: [&str; 3] = ["br", "hr", "img"];
/// Attributes that lead somewhere, run something or name what the text does not show.
const REFUSED_ATTRIBUTES: [&str; 12] = [
    "action",
    "background",
    "formaction",
    "http-equiv",
    "is",
    "path",
    "ping",
    "poster",
    "sizes",
    "srcdoc",
    "srcset",
    "usemap",
];
/// What no value may have in it, whatever it is of.
const REFUSED_VALUES: [&str; 8] =
    ["javascript:", "vbscript:", "data:", "expression(", "@import", "url(", "behavior:", "-moz-binding"];
/// Elements within elements.
const DEEPEST: usize = 32;
/// Elements of one mail.
const MOST: usize = 1_000;

/// The same with character references for what would be written otherwise than it stands: the values of attributes, and the
/// title that becomes one, are written with Rust's `{:?}`, whose escapes mean nothing in HTML.
pub(super) fn referenced(mjml: &str) -> String {
    let mut written = String::with_capacity(mjml.len());
    let (mut in_tag, mut in_title, mut quote) = (false, false, None);
    for (at, c) in mjml.char_indices() {
        let is_value = match quote {
            Some(open) => c != open,
            None => in_title && !in_tag && c != '<',
        };
        if is_value && is_escaped(c) {
            written.extend(["&#x", &format!("{:x}", u32::from(c)), ";"]);
            continue;
        }
        written.push(c);
        match (in_tag, quote, c) {
            (_, Some(open), end) if end == open => quote = None,
            (true, None, '"' | '\'') => quote = Some(c),
            (true, None, '>') => in_tag = false,
            (false, None, '<') => (in_tag, in_title) = (true, mjml[at..].starts_with("<mj-title>")),
            _ => {}
        }
    }
    written
}

/// Whether `{:?}` writes it in more characters than itself within a text.
fn is_escaped(c: char) -> bool {
    c != '\'' && c.escape_debug().len() > 1
}

/// Refuses what is no mail as mails may be.
pub(super) fn check(mjml: &str) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    let mut count = 0;
    let mut rest = mjml;
    while let Some(at) = rest.find('<') {
        text(&open, &rest[..at])?;
        let inside = &rest[at + 1..];
        if let Some(closing) = inside.strip_prefix('/') {
            let (name, after) = name(closing)?;
            let Some(after) = after.trim_start().strip_prefix('>') else {
                return Refusal::of(format!("`</{name}` is not closed"));
            };
            if open.pop() != Some(name) {
                return Refusal::of(format!("`</{name}>` ends nothing that is open"));
            }
            rest = after;
            continue;
        }
        let tag = Tag::read(inside)?;
        tag.check(open.last().copied())?;
        count += 1;
        if count > MOST {
            return Refusal::of("there are more than 1,000 elements");
        }
        if open.is_empty() && (count > 1 || tag.name != "mjml") {
            return Refusal::of("all must be within one <mjml>");
        }
        if !tag.is_closed && !VOID.contains(&tag.name) {
            open.push(tag.name);
        }
        if open.len() > DEEPEST {
            return Refusal::of("elements are nested too deep");
        }
        rest = tag.after;
    }
    text(&open, rest)?;
    match open.last() {
        Some(name) => Refusal::of(format!("`<{name}>` is not ended")),
        None if count == 0 => Refusal::of("there is no <mjml>"),
        None => Ok(()),
    }
}

fn text(open: &[&str], text: &str) -> Result<(), Refusal> {
    match open.last() {
        None if !text.trim().is_empty() => Refusal::of("all must be within one <mjml>"),
        Some(&"mj-style") => harmless("mj-style", text),
        Some(&"mj-title") if text.contains(['"', '\\']) => {
            Refusal::of("the title has a `\"` or `\\` in it; write &quot; or &#x5c;")
        }
        _ => Ok(()),
    }
}

fn name(text: &str) -> Result<(&str, &str), Refusal> {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    if name.is_empty() { Refusal::of("a `<` begins no element; write &lt;") } else { Ok((name, after)) }
}

struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    is_closed: bool,
    after: &'a str,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Result<Self, Refusal> {
        let (name, mut rest) = self::name(text)?;
        let mut attributes = Vec::new();
        loop {
            let trimmed = rest.trim_start();
            if let Some(after) = trimmed.strip_prefix('>') {
                return Ok(Self { name, attributes, is_closed: false, after });
            }
            if let Some(after) = trimmed.strip_prefix("/>") {
                return Ok(Self { name, attributes, is_closed: true, after });
            }
            if trimmed.len() == rest.len() {
                return Refusal::of(format!("`<{name}` is not written as it should be"));
            }
            let (attribute, after) = attribute(name, trimmed)?;
            attributes.push(attribute);
            rest = after;
        }
    }

    fn check(&self, within: Option<&str>) -> Result<(), Refusal> {
        if !ELEMENTS.contains(&self.name) {
            return Refusal::of(format!("`<{}>` is not allowed", self.name));
        }
        for (attribute, value) in &self.attributes {
            check_attribute(attribute, value)?;
        }
        let is_image = matches!(self.name, "img" | "mj-image") && within != Some("mj-attributes");
        let has_alt = self.attributes.iter().any(|(name, value)| *name == "alt" && !value.trim().is_empty());
        if is_image && !has_alt {
            return Refusal::of("an image has no alt text: many readers see no images");
        }
        Ok(())
    }
}

type Attribute<'a> = (&'a str, &'a str);

fn attribute<'a>(element: &str, text: &'a str) -> Result<(Attribute<'a>, &'a str), Refusal> {
    let (name, after) = self::name(text)?;
    let quoted = after.strip_prefix('=').and_then(|after| {
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, after) = after[1..].split_once(quote)?;
        Some((value, after))
    });
    match quoted {
        Some((value, _)) if value.contains(['<', '>', '"', '\\']) => {
            Refusal::of(format!("`{name}` of `<{element}>` has a `<`, `>`, `\"` or `\\` in it"))
        }
        Some((value, after)) => Ok(((name, value), after)),
        None => Refusal::of(format!("`{name}` of `<{element}>` has no value in quotes")),
    }
}

fn check_attribute(name: &str, value: &str) -> Result<(), Refusal> {
    if name.starts_with("on") || REFUSED_ATTRIBUTES.contains(&name) {
        return Refusal::of(format!("the attribute `{name}` is not allowed"));
    }
    let leads = |schemes: &[&str]| {
        let value = decoded(value).trim().to_ascii_lowercase();
        let is_plain = !value.contains(|c: char| c.is_control() || c.is_whitespace());
        is_plain
            && schemes.iter().any(|scheme| value.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    };
    match name {
        "href" if leads(&["https://", "http://", "mailto:", "tel:"]) => Ok(()),
        "href" => Refusal::of("a link leads to no web page and no mailbox"),
        src if src == "src" || src.ends_with("-url") => {
            let is_web = leads(&["https://", "http://"]);
            if is_web { Ok(()) } else { Refusal::of(format!("`{name}` is no address of the web")) }
        }
        "alt" | "title" => Ok(()),
        _ => harmless(name, value),
    }
}

fn harmless(name: &str, value: &str) -> Result<(), Refusal> {
    let plain = decoded(value).to_ascii_lowercase();
    let plain: String =
        plain.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '\\').collect();
    match REFUSED_VALUES.iter().find(|refused| plain.contains(**refused)) {
        Some(refused) => Refusal::of(format!("`{name}` has `{refused}` in it")),
        None => Ok(()),
    }
}

/// With character references put in place, as far as they can be part of an address.
pub(super) fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let reference = &rest[at + 1..];
        let end =
            reference.find(|c: char| !(c.is_ascii_alphanumeric() || c == '#')).unwrap_or(reference.len());
        let character = character(&reference[..end]);
        decoded.push(character.unwrap_or('&'));
        rest = match character {
            Some(_) => reference[end..].strip_prefix(';').unwrap_or(&reference[end..]),
            None => reference,
        };
    }
    decoded.push_str(rest);
    decoded
}

fn character(reference: &str) -> Option<char> {
    let code = match reference.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => {
            return Some(match reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "colon" => ':',
                "Tab" => '\t',
                "NewLine" => '\n',
                _ => return None,
            });
        }
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(inside: &str) -> String {
        format!(
            "<mjml><mj-body><mj-section><mj-column><mj-text>{inside}</mj-text></mj-column></mj-section></mj-body></mjml>"
        )
    }

    #[test]
    fn a_mail_of_paragraphs_links_and_images_is_fine() {
        let fine = "<p style=\"color:red\">A &amp; B<br/>c<br></p><a href='https:&#x2f;&#x2f;shop.example'>x</a>\
            <a href=\"mailto:shop@shop.example\">y</a><img src=\"https://shop.example/a.png\" alt=\"data: a thing\"/>";
        check(&within(fine)).unwrap();
    }

    #[test]
    fn what_attributes_and_the_title_hold_means_the_same_in_html() {
        let hidden = "<mjml><mj-head><mj-title>a\" b</mj-title>\n</mj-head><a title='x\" y=\"\\' alt=\"\u{a0}\u{5d0}\u{5b0}\">\u{a0}\"</a></mjml>";
        let expected = "<mjml><mj-head><mj-title>a&#x22; b</mj-title>\n</mj-head><a title='x&#x22; y=&#x22;&#x5c;' \
            alt=\"&#xa0;\u{5d0}&#x5b0;\">\u{a0}\"</a></mjml>";
        assert_eq!(referenced(hidden), expected);
        check(hidden).unwrap_err();
        check(expected).unwrap();
    }

    #[test]
    fn what_runs_loads_or_hides_is_refused() {
        for refused in [
            "<script>x</script>",
            "<SCRIPT>x</SCRIPT>",
            "<mj-raw>x</mj-raw>",
            "<mj-include path=\"/etc/passwd\"/>",
            "<iframe></iframe>",
            "<!-- x -->",
            "<![CDATA[x]]>",
            "<?php ?>",
            "1 < 2",
            "<p onclick=\"x\"></p>",
            "<p title=x></p>",
            "<p title></p>",
            "<p title=\"a\"lang=\"b\"></p>",
            "<p title=\"<\"></p>",
            "<p title='x\" onclick=alert(1) y=\"'></p>",
            "<p title=\"\\\"></p>",
            "<a href=\"javascript:x\">x</a>",
            "<a href=\"java&#115;cript:x\">x</a>",
            "<a href=\" https://a b\">x</a>",
            "<a href=\"//evil.example\">x</a>",
            "<a href=\"\">x</a>",
            "<a href=\"data:text/html,x\">x</a>",
            "<img src=\"mailto:x@y\" alt=\"x\"/>",
            "<img src=\"https://shop.example/a.png\"/>",
            "<img src=\"https://shop.example/a.png\" alt=\" \"/>",
            "<p style=\"background:u&#114;l(https://evil.example)\"></p>",
            "<p style=\"x: expr\\ession(1)\"></p>",
            "<p style=\"x: expr&#x5c;ession(1)\"></p>",
            "<p>x",
            "x</p>",
            "<p><b>x</p></b>",
        ] {
            assert!(check(&within(refused)).is_err(), "{refused}");
        }
        let deep = format!("{}{}", "<div>".repeat(40), "</div>".repeat(40));
        assert!(check(&within(&deep)).is_err());
        assert!(check(&within(&"<br/>".repeat(1_001))).is_err());
        for outside in ["", "x", "<p></p>", "<mjml></mjml><mjml></mjml>", "<mjml></mjml>x"] {
            assert!(check(outside).is_err(), "{outside}");
        }
        let style = "<mjml><mj-head><mj-style>a { background: url(https://evil.example) }</mj-style></mj-head></mjml>";
        assert!(check(style).is_err());
    }
}
