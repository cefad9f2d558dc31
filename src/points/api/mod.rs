//! Points over GraphQL.

mod adjustments;
mod inputs;
mod liability;
mod mutations;
mod queries;
mod tax;
mod types;

pub use adjustments::{AdjustmentsMutation, AdjustmentsQuery};
pub use liability::LiabilityQuery;
pub use mutations::PointsMutation;
pub use queries::PointsQuery;
pub use tax::TaxOfRate;
pub use types::{PointsAccount, account_of};
