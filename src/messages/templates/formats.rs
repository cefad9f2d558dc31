//! Numbers, money and days as readers of a language write them.

use chrono::{Datelike, NaiveDate};

use crate::messages::template::Language;
use crate::money::Money;

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DUTCH: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];
const HEBREW: [&str; 12] = [
    "ינואר",
    "פברואר",
    "מרץ",
    "אפריל",
    "מאי",
    "יוני",
    "יולי",
    "אוגוסט",
    "ספטמבר",
    "אוקטובר",
    "נובמבר",
    "דצמבר",
];

/// `€ 1.234,50` in Dutch, `€1,234.50` in English, `1,234.50 €` in Hebrew; a code where there is no sign.
pub(crate) fn money(language: Language, money: Money) -> String {
    let amount = amount(language, money);
    let code = money.currency.code();
    let sign = match code {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "ILS" => "₪",
        other => other,
    };
    match language {
        Language::Dutch => format!("{sign}\u{a0}{amount}"),
        Language::English if sign == code => format!("{sign}\u{a0}{amount}"),
        Language::English => format!("{sign}{amount}"),
        Language::Hebrew => format!("{amount}\u{a0}{sign}"),
    }
}

fn amount(language: Language, money: Money) -> String {
    let amount = money.amount();
    let (sign, digits) = amount.strip_prefix('-').map_or(("", amount.as_str()), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = grouped(language, whole);
    let mark = match language {
        Language::Dutch => ',',
        Language::English | Language::Hebrew => '.',
    };
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}{mark}{decimals}") }
}

/// `1.234` in Dutch, `1,234` elsewhere.
pub(crate) fn number(language: Language, number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(language, &number.unsigned_abs().to_string()))
}

fn grouped(language: Language, digits: &str) -> String {
    let mark = match language {
        Language::Dutch => '.',
        Language::English | Language::Hebrew => ',',
    };
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(mark);
        }
        grouped.push(digit);
    }
    grouped
}

/// `15 januari 2026`, `15 January 2026`, `15 בינואר 2026`.
pub(crate) fn day(language: Language, date: NaiveDate) -> String {
    let (months, before) = match language {
        Language::Dutch => (DUTCH, ""),
        Language::English => (ENGLISH, ""),
        Language::Hebrew => (HEBREW, "ב"),
    };
    let month = usize::try_from(date.month0()).ok().and_then(|month| months.get(month)).unwrap_or(&"");
    format!("{} {before}{month} {}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn money_is_written_as_its_readers_write_it() {
        let euros = |minor| Money { minor, currency: Currency::EUR };
        for (language, minor, written) in [
            (Language::Dutch, 1_250, "€\u{a0}12,50"),
            (Language::English, 1_250, "€12.50"),
            (Language::Hebrew, 1_250, "12.50\u{a0}€"),
            (Language::Dutch, 123_456_789, "€\u{a0}1.234.567,89"),
            (Language::English, -100_000, "€-1,000.00"),
        ] {
            assert_eq!(money(language, euros(minor)), written);
        }
        let yen = Money { minor: 1_000, currency: "JPY".parse().unwrap() };
        assert_eq!(money(Language::English, yen), "JPY\u{a0}1,000");
        assert_eq!(
            (number(Language::Dutch, 1_000), number(Language::English, -999)),
            ("1.000".into(), "-999".into())
        );
    }

    #[test]
    fn a_day_is_written_as_its_readers_write_it() {
        let date = NaiveDate::from_ymd_opt(2026, 1, 15).unwrap();
        let written = Language::ALL.map(|language| day(language, date));
        assert_eq!(written, ["15 January 2026", "15 januari 2026", "15 בינואר 2026"]);
    }
}
