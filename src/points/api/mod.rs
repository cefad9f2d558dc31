//! Points over GraphQL.

mod account;
mod adjustments;
mod inputs;
mod liability;
mod mutations;
mod queries;
mod tax;
mod types;

pub(crate) use account::{AccountsAhead, account_ahead};
pub use account::{PointsAccount, account_of};
pub use adjustments::{AdjustmentsMutation, AdjustmentsQuery};
pub use liability::LiabilityQuery;
pub use mutations::PointsMutation;
pub use queries::PointsQuery;
pub use tax::TaxOfRate;
