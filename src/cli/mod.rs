//! The commands beside serving.

pub mod api_key;
pub mod staff;
