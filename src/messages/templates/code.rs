//! The code in a template, read before the engine reads it: values with filters, `if` and `for`, and nothing that calls,
//! computes, stores, includes or grows.

use std::collections::BTreeSet;

use super::Refusal;

/// Filters that a template may use; each gives text that is escaped like any other.
pub(super) const FILTERS: [&str; 9] =
    ["capitalize", "default", "first", "last", "length", "lower", "number", "trim", "upper"];
/// Loops within loops.
const DEEPEST_LOOP: usize = 2;
/// Blocks within blocks.
const DEEPEST_BLOCK: usize = 12;
/// Words and signs between two braces.
const MOST_TOKENS: usize = 60;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stands as it is.
    Text(&'a str),
    /// Shows a value.
    Output(Vec<Token<'a>>),
    /// `if` or `for`, or a part of them.
    Tag(Vec<Token<'a>>),
}

/// A word or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Text(&'a str),
    Number(&'a str),
    Sign(&'a str),
}

const SIGNS: [&str; 11] = ["==", "!=", "<=", ">=", "<", ">", ".", "|", "(", ")", ","];

/// Takes a template apart.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Refusal> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(at) = opening(rest) {
        let (text, marked) = rest.split_at(at);
        pieces.push(Piece::Text(text));
        let (mark, inside) = marked.split_at(2);
        if mark == "{#" {
            let Some(end) = inside.find("#}") else { return Refusal::of("a comment has no end") };
            rest = &inside[end + 2..];
            continue;
        }
        let close = if mark == "{{" { "}}" } else { "%}" };
        let inside = inside.strip_prefix('-').unwrap_or(inside);
        let (tokens, after) = tokens(inside, close)?;
        pieces.push(if mark == "{{" { Piece::Output(tokens) } else { Piece::Tag(tokens) });
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn opening(text: &str) -> Option<usize> {
    ["{{", "{%", "{#"].iter().filter_map(|mark| text.find(mark)).min()
}

/// The tokens up to `close`, and what follows that.
fn tokens<'a>(text: &'a str, close: &str) -> Result<(Vec<Token<'a>>, &'a str), Refusal> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let end = rest.strip_prefix('-').unwrap_or(rest);
        if let Some(after) = end.strip_prefix(close) {
            return Ok((tokens, after));
        }
        if tokens.len() == MOST_TOKENS {
            return Refusal::of("too much stands between two braces");
        }
        let (token, after) = token(rest)?;
        tokens.push(token);
        rest = after.trim_start();
    }
}

fn token(text: &str) -> Result<(Token<'_>, &str), Refusal> {
    let Some(first) = text.chars().next() else { return Refusal::of("a brace is not closed") };
    let split = |is: fn(char) -> bool| text.split_at(text.find(|c| !is(c)).unwrap_or(text.len()));
    if first.is_ascii_alphabetic() || first == '_' {
        let (name, after) = split(|c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Token::Name(name), after));
    }
    if first.is_ascii_digit() {
        let (number, after) = split(|c| c.is_ascii_digit());
        let fits = number.len() <= 9 && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        return if fits { Ok((Token::Number(number), after)) } else { Refusal::of("a number is too long") };
    }
    if first == '"' || first == '\'' {
        let inside = &text[1..];
        let Some(end) = inside.find(first) else { return Refusal::of("a text has no end") };
        let (value, after) = (&inside[..end], &inside[end + 1..]);
        return if value.contains('\\') {
            Refusal::of("a text cannot have a backslash in it")
        } else {
            Ok((Token::Text(value), after))
        };
    }
    match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), &text[sign.len()..])),
        None => Refusal::of(format!("`{first}` is not allowed between braces")),
    }
}

/// Refuses all code but what templates may have; answers the names that it begins with.
pub(super) fn check<'a>(pieces: &[Piece<'a>]) -> Result<BTreeSet<&'a str>, Refusal> {
    let mut names = BTreeSet::new();
    let mut open: Vec<&str> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Output(tokens) if tokens.is_empty() => {
                return Refusal::of("there is nothing between two braces");
            }
            Piece::Output(tokens) => expression(tokens, &mut names)?,
            Piece::Tag(tokens) => tag(tokens, &mut open, &mut names)?,
        }
    }
    match open.last() {
        Some(block) => Refusal::of(format!("`{block}` is not ended")),
        None => Ok(names),
    }
}

fn tag<'a>(
    tokens: &[Token<'a>],
    open: &mut Vec<&'a str>,
    names: &mut BTreeSet<&'a str>,
) -> Result<(), Refusal> {
    let Some((Token::Name(name), rest)) = tokens.split_first() else {
        return Refusal::of("a tag has no name");
    };
    match (*name, rest) {
        ("if", rest) if !rest.is_empty() => {
            open.push("if");
            expression(rest, names)?;
        }
        ("elif", rest) if !rest.is_empty() && open.last() == Some(&"if") => expression(rest, names)?,
        ("else", []) if !open.is_empty() => {}
        ("for", [Token::Name(_), Token::Name("in"), over @ ..]) if !over.is_empty() => {
            open.push("for");
            expression(over, names)?;
        }
        ("endif", []) if open.last() == Some(&"if") => {
            open.pop();
        }
        ("endfor", []) if open.last() == Some(&"for") => {
            open.pop();
        }
        ("if" | "elif" | "else" | "for" | "endif" | "endfor", _) => {
            return Refusal::of(format!("`{name}` is not used as it can be"));
        }
        _ => return Refusal::of(format!("`{name}` is not allowed: there are only if and for")),
    }
    let loops = open.iter().filter(|block| **block == "for").count();
    if loops > DEEPEST_LOOP || open.len() > DEEPEST_BLOCK {
        return Refusal::of("blocks are nested too deep");
    }
    Ok(())
}

fn expression<'a>(tokens: &[Token<'a>], names: &mut BTreeSet<&'a str>) -> Result<(), Refusal> {
    let mut rest = tokens;
    let mut before: Option<Token<'_>> = None;
    while let Some((token, after)) = rest.split_first() {
        rest = match (token, after) {
            (Token::Sign("|"), [Token::Name(filter), Token::Sign("("), arguments @ ..]) => {
                known(filter)?;
                after_arguments(arguments)?
            }
            (Token::Sign("|"), [Token::Name(filter), after @ ..]) => {
                known(filter)?;
                after
            }
            (Token::Sign("("), _) => return Refusal::of("nothing can be called but filters"),
            (Token::Sign(")" | "," | "|"), _) => return Refusal::of("a sign stands where it cannot"),
            (Token::Sign("."), after) => {
                let between = matches!((before, after.first()), (Some(Token::Name(_)), Some(Token::Name(_))));
                if between { after } else { return Refusal::of("a dot stands where it cannot") }
            }
            (
                Token::Name("is"),
                [Token::Name("not"), Token::Name("defined"), after @ ..]
                | [Token::Name("defined"), after @ ..],
            )
            | (Token::Text(_) | Token::Number(_) | Token::Sign(_), after) => after,
            (Token::Name(name @ ("is" | "if" | "else" | "recursive")), _) => {
                return Refusal::of(format!("`{name}` is not allowed there"));
            }
            (Token::Name(name), after) => {
                let is_word = matches!(*name, "and" | "or" | "not" | "in" | "true" | "false" | "none");
                if !is_word && before != Some(Token::Sign(".")) {
                    names.insert(name);
                }
                after
            }
        };
        before = Some(*token);
    }
    Ok(())
}

fn known(filter: &str) -> Result<(), Refusal> {
    if FILTERS.contains(&filter) { Ok(()) } else { Refusal::of(format!("there is no filter `{filter}`")) }
}

/// What follows the arguments of a filter, which are written out: texts and numbers.
fn after_arguments<'a, 't>(tokens: &'t [Token<'a>]) -> Result<&'t [Token<'a>], Refusal> {
    match tokens {
        [Token::Text(_) | Token::Number(_), Token::Sign(")"), after @ ..] => Ok(after),
        _ => Refusal::of("a filter takes one text or number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(source: &str) -> Result<Vec<&str>, String> {
        let pieces = pieces(source).map_err(|refusal| refusal.0)?;
        check(&pieces).map(|names| names.into_iter().collect()).map_err(|refusal| refusal.0)
    }

    #[test]
    fn values_conditions_and_loops_are_read_with_their_names() {
        let source = "{# {{ x }} #}Hi {{ person.name | default('you') | upper }}\
            {%- if order and not cart.lines|length >= 2 or a is not defined -%}{% for line in order.lines %}\
            {{ line.name }}{% else %}-{% endfor %}{% elif b == 'x}}' %}{% else %}{% endif %}}}";
        assert_eq!(checked(source).unwrap(), ["a", "b", "cart", "line", "order", "person"]);
    }

    #[test]
    fn what_calls_computes_stores_includes_or_grows_is_refused() {
        for source in [
            "{% set a = 1 %}",
            "{% macro a() %}{% endmacro %}",
            "{% include 'a' %}",
            "{% import 'a' as b %}",
            "{% extends 'a' %}",
            "{% call a() %}{% endcall %}",
            "{% filter upper %}{% endfilter %}",
            "{% with a = 1 %}{% endwith %}",
            "{% block a %}{% endblock %}",
            "{% raw %}{{ a }}{% endraw %}",
            "{% autoescape false %}{% endautoescape %}",
            "{% do a %}",
            "{{ a ~ a }}",
            "{{ 'a' * 1000000000 }}",
            "{{ a + a }}",
            "{{ a - a }}",
            "{{ a / a }}",
            "{{ a % a }}",
            "{{ [a] }}",
            "{{ a[0] }}",
            "{{ {'a': 1} }}",
            "{{ range(9) }}",
            "{{ a.b() }}",
            "{{ a|safe }}",
            "{{ a|join('x') }}",
            "{{ a|default(b) }}",
            "{{ a|upper() }}",
            "{{ a is none }}",
            "{{ a if b else c }}",
            "{{ loop.cycle('a') }}",
            "{{ '\\x41' }}",
            "{{ . }}",
            "{{ a. }}",
            "{{ }}",
            "{{ 1234567890 }}",
            "{{ a",
            "{# a",
            "{{ 'a }}",
            "{% for a in b recursive %}{% endfor %}",
            "{% for a in b if a %}{% endfor %}",
            "{% for a, c in b %}{% endfor %}",
            "{% for a in b %}",
            "{% endif %}",
            "{% if a %}{% endfor %}",
            "{% for a in a %}{% for b in a %}{% for c in b %}{% endfor %}{% endfor %}{% endfor %}",
            "{{ a:b }}",
            "{{ a;b }}",
            "{{ a`b }}",
            "{{ é }}",
        ] {
            assert!(checked(source).is_err(), "{source}");
        }
        let deep = format!("{}{}", "{% if a %}".repeat(13), "{% endif %}".repeat(13));
        assert!(checked(&deep).is_err());
        assert!(checked(&format!("{{{{ {} a }}}}", "not ".repeat(100))).is_err());
    }
}
