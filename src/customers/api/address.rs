//! A postal address over GraphQL, as customers keep it and orders carry it.

use async_graphql::{InputObject, SimpleObject};

use crate::customers::address::{Address as Postal, NotAnAddress, Stated};
use crate::customers::country::CountryCode;

/// A postal address.
#[derive(Clone, Debug, SimpleObject)]
pub struct Address {
    /// Of the person there.
    name: Option<String>,
    /// Of the company there.
    company: Option<String>,
    /// Street and number.
    line1: String,
    /// What else there is to it.
    line2: Option<String>,
    /// As carriers write it.
    postal_code: Option<String>,
    /// Town.
    city: String,
    /// State or province.
    region: Option<String>,
    /// Where on earth.
    country: CountryCode,
    /// For the carrier.
    phone: Option<String>,
}

impl From<Postal> for Address {
    fn from(address: Postal) -> Self {
        let Postal { name, company, line1, line2, postal_code, city, region, country, phone } = address;
        let phone = phone.map(String::from);
        Self { name, company, line1, line2, postal_code, city, region, country, phone }
    }
}

/// A postal address. Texts are trimmed; an optional one that is blank counts as left out.
#[derive(Clone, Debug, InputObject)]
pub struct AddressInput {
    /// Of the person there, at most 200 characters.
    name: Option<String>,
    /// Of the company there, at most 200 characters.
    company: Option<String>,
    /// Street and number, 1 to 200 characters.
    line1: String,
    /// What else there is to it, at most 200 characters.
    line2: Option<String>,
    /// At most 20 characters.
    postal_code: Option<String>,
    /// Town, 1 to 100 characters.
    city: String,
    /// State or province, at most 100 characters.
    region: Option<String>,
    /// Where on earth.
    country: CountryCode,
    /// For the carrier: 5 to 20 digits, perhaps with spaces and a + in front.
    phone: Option<String>,
}

impl TryFrom<AddressInput> for Postal {
    type Error = NotAnAddress;

    fn try_from(given: AddressInput) -> Result<Self, NotAnAddress> {
        let AddressInput { name, company, line1, line2, postal_code, city, region, country, phone } = given;
        let country = country.as_str().to_owned();
        Stated { name, company, line1, line2, postal_code, city, region, country, phone }.try_into()
    }
}
