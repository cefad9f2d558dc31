//! Points over GraphQL.

mod inputs;
mod mutations;
mod types;

pub use mutations::PointsMutation;
pub use types::{PointsAccount, account_of};
