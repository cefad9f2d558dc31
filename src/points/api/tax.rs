//! Tax by rate, as clients see it.

use async_graphql::SimpleObject;

use crate::error::Fault;
use crate::graphql::scalars::MoneyValue;
use crate::money::{Currency, Money, Rate};
use crate::points::tax::RateTax;

/// The tax inside what is due at one rate. With the taxable amount it is the price of the goods at that rate, less what
/// points pay of them if the shop takes that for a discount.
#[derive(Debug, SimpleObject)]
pub struct TaxOfRate {
    /// Share of tax on top of what is taxable, such as `"0.21"`; null for lines of which the shop did not say.
    rate: Option<Rate>,
    /// Price without the tax.
    taxable: MoneyValue,
    /// Rounded half up, once for all lines of the rate; nothing where the rate is not known.
    tax: MoneyValue,
}

impl TaxOfRate {
    /// In `currency`.
    pub(crate) fn of(tax: RateTax, currency: Currency) -> Result<Self, Fault> {
        let rate = tax.rate.map(u32::try_from).transpose()?;
        Ok(Self {
            rate: rate.map(Rate::from_ten_thousandths),
            taxable: Money { minor: tax.taxable, currency }.into(),
            tax: Money { minor: tax.tax, currency }.into(),
        })
    }
}
