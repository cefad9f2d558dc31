//! `optInReport`: how many of those who can be reached said yes.

use async_graphql::{Context, Object, SimpleObject};

use super::types::{ConsentPurpose, MessageChannel};
use crate::app::App;
use crate::consent::rate::{OptInRate as Counted, rates};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::money::Rate;

const DEFINITION: &str = "Numerator: of the people in the denominator, those whose consent for the purpose on the channel \
    stands as granted; by mail, while the shop asks for double opt-in, only those who confirmed it in the mailbox. \
    Denominator: people who can be reached: customers who are neither disabled nor merged into another, by mail with an \
    address, by text message with a telephone number, in the inbox and by push with an account; by mail also guests who did \
    not prove the mailbox. Rounded down to four decimals; null if nobody can be reached.";

/// How many said yes to a purpose on a channel, now.
#[derive(Debug, SimpleObject)]
pub(super) struct OptInRate {
    /// What for; only what needs consent.
    purpose: ConsentPurpose,
    /// By which way.
    channel: MessageChannel,
    /// People who can be reached.
    reachable: i32,
    /// Those of them who said yes.
    granted: i32,
    /// Those of these who confirmed it in the mailbox.
    confirmed: i32,
    /// The part of those who can be reached who may be sent something; null if there are none.
    rate: Option<Rate>,
}

/// How many of those who can be reached said yes.
#[derive(Debug, SimpleObject)]
pub(super) struct OptInReport {
    /// Numerator and denominator of every rate, in words.
    definition: &'static str,
    /// One for each purpose that needs consent on each channel.
    rates: Vec<OptInRate>,
}

/// Queries about how many said yes.
#[derive(Debug, Default)]
pub(super) struct ReportQuery;

#[Object]
impl ReportQuery {
    /// How many of those who can be reached said yes, by purpose and channel. For staff with `reports.read`.
    #[graphql(guard = "Allowed")]
    async fn opt_in_report(&self, ctx: &Context<'_>) -> Result<OptInReport, ApiError> {
        let rates = rates(ctx.data_unchecked::<App>()).await?;
        let rates = rates.into_iter().map(rate).collect::<Result<_, ApiError>>()?;
        Ok(OptInReport { definition: DEFINITION, rates })
    }
}

fn rate(counted: Counted) -> Result<OptInRate, ApiError> {
    let Counted { purpose, channel, reachable, granted, confirmed, counted } = counted;
    let scale = u64::try_from(Rate::SCALE)?;
    let part = (counted * scale).checked_div(reachable).map(u32::try_from).transpose()?;
    Ok(OptInRate {
        purpose: purpose.into(),
        channel: channel.into(),
        reachable: i32::try_from(reachable)?,
        granted: i32::try_from(granted)?,
        confirmed: i32::try_from(confirmed)?,
        rate: part.map(Rate::from_ten_thousandths),
    })
}
