//! `regulars keys rotate`: new keys for access tokens.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use entity::session::Audience;

use super::config;
use crate::app::App;
use crate::auth::rotation::{self, Rotate, Rotated};
use crate::config::ConfigArgs;

/// What to do with the keys of the server.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Makes new keys that sign access tokens; running servers take them over within a second, and nobody is signed out
    Rotate(RotateArgs),
}

/// Which keys to replace.
#[derive(Clone, Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose tokens the key signs; those of both, if not given
    #[arg(long, value_enum)]
    audience: Option<AudienceArg>,
    /// Delete the older keys: access tokens that they signed end at once, refresh tokens go on
    #[arg(long)]
    revoke: bool,
}

/// An audience on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AudienceArg {
    /// Customers
    Customer,
    /// Staff
    Staff,
}

impl RotateArgs {
    fn rotate(&self) -> Rotate {
        let audiences = match self.audience {
            None => vec![Audience::Customer, Audience::Staff],
            Some(AudienceArg::Customer) => vec![Audience::Customer],
            Some(AudienceArg::Staff) => vec![Audience::Staff],
        };
        Rotate { audiences, revoke: self.revoke }
    }
}

pub(super) async fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let What::Rotate(args) = args.what;
    let app = App::build(config(args.config.clone())?).await?;
    let rotate = args.rotate();
    let rotated = rotation::rotate(&app, &rotate).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    for new in rotated {
        println!("{}", told(new, rotate.revoke));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of output: whose key, its `kid`, and what became of the older ones.
fn told(new: Rotated, revoke: bool) -> String {
    let audience = match new.audience {
        Audience::Customer => "customer",
        Audience::Staff => "staff",
    };
    let ended = if revoke { "deleted" } else { "retired" };
    format!("{audience} {} {ended} {}", new.key.0, new.older)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use entity::id::ServerKeyId;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: RotateArgs,
    }

    fn rotate(arguments: &[&str]) -> Option<(Vec<Audience>, bool)> {
        let words = std::iter::once("rotate").chain(arguments.iter().copied());
        let rotate = Command::try_parse_from(words).ok()?.args.rotate();
        Some((rotate.audiences, rotate.revoke))
    }

    #[test]
    fn both_keys_are_rotated_unless_one_is_named() {
        assert_eq!(rotate(&[]), Some((vec![Audience::Customer, Audience::Staff], false)));
        assert_eq!(rotate(&["--audience", "staff"]), Some((vec![Audience::Staff], false)));
        assert_eq!(rotate(&["--audience", "customer", "--revoke"]), Some((vec![Audience::Customer], true)));
        assert_eq!(rotate(&["--audience", "shop"]), None);
    }

    #[test]
    fn a_line_names_the_key_and_what_became_of_the_older_ones() {
        let new = Rotated { audience: Audience::Staff, key: ServerKeyId(uuid::Uuid::from_u128(1)), older: 2 };
        assert_eq!(told(new, false), "staff 00000000-0000-0000-0000-000000000001 retired 2");
        assert_eq!(told(new, true), "staff 00000000-0000-0000-0000-000000000001 deleted 2");
    }
}
