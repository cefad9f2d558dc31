//! A postal address, as customers keep it and orders carry it.

use entity::customer_address;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::country::{CountryCode, NotACountry};
use super::profile::{NotAPhoneNumber, PhoneNumber};

/// A postal address: each text is trimmed, not empty and on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Stated")]
pub struct Address {
    /// Of the person there, 1 to 200 characters.
    pub name: Option<String>,
    /// Of the company there, 1 to 200 characters.
    pub company: Option<String>,
    /// Street and number, 1 to 200 characters.
    pub line1: String,
    /// What else there is to it, 1 to 200 characters.
    pub line2: Option<String>,
    /// 1 to 20 characters.
    pub postal_code: Option<String>,
    /// 1 to 100 characters.
    pub city: String,
    /// State or province, 1 to 100 characters.
    pub region: Option<String>,
    /// Where on earth.
    pub country: CountryCode,
    /// For the carrier.
    pub phone: Option<PhoneNumber>,
}

/// An address as somebody wrote it: its bounds are not checked yet. An optional text that is blank counts as none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stated {
    /// Of the person there.
    pub name: Option<String>,
    /// Of the company there.
    pub company: Option<String>,
    /// Street and number.
    pub line1: String,
    /// What else there is to it.
    pub line2: Option<String>,
    /// As carriers write it.
    pub postal_code: Option<String>,
    /// Town.
    pub city: String,
    /// State or province.
    pub region: Option<String>,
    /// Two letters.
    pub country: String,
    /// For the carrier.
    pub phone: Option<String>,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {problem}")]
pub struct NotAnAddress {
    /// Which field, as the API calls it.
    pub field: &'static str,
    /// What is wrong with it, to follow the field's name.
    pub problem: &'static str,
}

impl TryFrom<Stated> for Address {
    type Error = NotAnAddress;

    fn try_from(stated: Stated) -> Result<Self, NotAnAddress> {
        let phone = stated.phone.filter(|phone| !phone.trim().is_empty()).map(PhoneNumber::try_from);
        Ok(Self {
            name: optional("name", stated.name, 200)?,
            company: optional("company", stated.company, 200)?,
            line1: text("line1", &stated.line1, 200)?,
            line2: optional("line2", stated.line2, 200)?,
            postal_code: optional("postalCode", stated.postal_code, 20)?,
            city: text("city", &stated.city, 100)?,
            region: optional("region", stated.region, 100)?,
            country: stated.country.parse().map_err(|_other: NotACountry| NotAnAddress {
                field: "country",
                problem: "is not a country code of ISO 3166-1, two letters such as NL",
            })?,
            phone: phone.transpose().map_err(|_other: NotAPhoneNumber| NotAnAddress {
                field: "phone",
                problem: PhoneNumber::BOUNDS,
            })?,
        })
    }
}

impl From<customer_address::Model> for Stated {
    fn from(row: customer_address::Model) -> Self {
        Self {
            name: row.name,
            company: row.company,
            line1: row.line1,
            line2: row.line2,
            postal_code: row.postal_code,
            city: row.city,
            region: row.region,
            country: row.country,
            phone: row.phone,
        }
    }
}

fn optional(field: &'static str, given: Option<String>, most: usize) -> Result<Option<String>, NotAnAddress> {
    given.filter(|given| !given.trim().is_empty()).map(|given| text(field, &given, most)).transpose()
}

fn text(field: &'static str, given: &str, most: usize) -> Result<String, NotAnAddress> {
    let given = given.trim();
    let problem = match most {
        20 => "must be 1 to 20 characters on one line",
        100 => "must be 1 to 100 characters on one line",
        _ => "must be 1 to 200 characters on one line",
    };
    let fits = !given.is_empty() && given.chars().count() <= most && !given.chars().any(char::is_control);
    if fits { Ok(given.to_owned()) } else { Err(NotAnAddress { field, problem }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated() -> Stated {
        Stated {
            name: Some(" Anna de Wit ".to_owned()),
            line1: "Kerkstraat 1".to_owned(),
            line2: Some("  ".to_owned()),
            postal_code: Some("1017 GC".to_owned()),
            city: "Amsterdam".to_owned(),
            country: "nl".to_owned(),
            phone: Some("+31 20 123 4567".to_owned()),
            ..Stated::default()
        }
    }

    fn wrong(stated: Stated) -> &'static str {
        Address::try_from(stated).unwrap_err().field
    }

    #[test]
    fn an_address_is_trimmed_and_blanks_are_nothing() {
        let address = Address::try_from(stated()).unwrap();
        assert_eq!((address.name.as_deref(), address.line2.as_deref()), (Some("Anna de Wit"), None));
        assert_eq!(address.country.as_str(), "NL");
    }

    #[test]
    fn an_address_is_read_back_as_it_was_stored() {
        let address = Address::try_from(stated()).unwrap();
        let stored = serde_json::to_value(&address).unwrap();
        assert_eq!(stored["postalCode"], "1017 GC");
        assert_eq!(serde_json::from_value::<Address>(stored).unwrap(), address);
        assert!(serde_json::from_str::<Address>(r#"{ "line1": "", "city": "x", "country": "NL" }"#).is_err());
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert_eq!(wrong(Stated { line1: " ".to_owned(), ..stated() }), "line1");
        assert_eq!(wrong(Stated { city: "x".repeat(101), ..stated() }), "city");
        assert_eq!(wrong(Stated { postal_code: Some("1".repeat(21)), ..stated() }), "postalCode");
        assert_eq!(wrong(Stated { company: Some("a\nb".to_owned()), ..stated() }), "company");
        assert_eq!(wrong(Stated { country: "XX".to_owned(), ..stated() }), "country");
        assert_eq!(wrong(Stated { phone: Some("call me".to_owned()), ..stated() }), "phone");
    }
}
