//! What every mutation's payload has in common.

use async_graphql::{OutputType, SimpleObject};

/// Why a mutation was refused, for a program and for a person.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError<C: OutputType> {
    /// For a program.
    pub code: C,
    /// Path of the input field at fault, if one is.
    pub field: Option<Vec<String>>,
    /// For a person, with the amounts in it.
    pub message: String,
}
