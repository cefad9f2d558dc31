//! Points over GraphQL.

mod adjustments;
mod inputs;
mod mutations;
mod queries;
mod types;

pub use adjustments::{AdjustmentsMutation, AdjustmentsQuery};
pub use mutations::PointsMutation;
pub use queries::PointsQuery;
pub use types::{PointsAccount, account_of};
