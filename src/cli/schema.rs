//! `regulars schema`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

/// Which part of the schema.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Whose view of it
    #[arg(long, value_enum, default_value_t = Audience::All)]
    audience: Audience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Audience {
    /// The whole schema, as in `schema.graphql`
    All,
}

pub(super) fn run(args: &SchemaArgs) -> ExitCode {
    match args.audience {
        Audience::All => println!("{}", crate::graphql::sdl()),
    }
    ExitCode::SUCCESS
}
