//! What every mutation's payload has in common.

use std::borrow::Cow;

use async_graphql::{OutputType, SimpleObject, TypeName};

/// Why a mutation was refused, for a program and for a person.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name_type)]
pub struct UserError<C: OutputType> {
    /// For a program.
    pub code: C,
    /// Path of the input field at fault, if one is.
    pub field: Option<Vec<String>>,
    /// For a person, with the amounts in it.
    pub message: String,
}

/// `OrderUserError` for `OrderErrorCode`.
impl<C: OutputType> TypeName for UserError<C> {
    fn type_name() -> Cow<'static, str> {
        C::type_name().replace("ErrorCode", "UserError").into()
    }
}
