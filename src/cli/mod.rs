//! The commands of the command line, besides serving.

pub mod import;
