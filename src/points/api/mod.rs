//! Points over GraphQL.

mod inputs;
mod mutations;
mod queries;
mod types;

pub use mutations::PointsMutation;
pub use queries::PointsQuery;
pub use types::{PointsAccount, account_of};
