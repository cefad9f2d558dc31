//! `regulars api-key create`: keys for the shop's servers.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::config;
use crate::app::App;
use crate::auth::api_keys::{self, NewKey};
use crate::auth::viewer::Scope;
use crate::config::ConfigArgs;

/// What to do with API keys.
#[derive(Debug, Args)]
pub(super) struct ApiKeyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Makes a key and prints it; it is not shown again
    Create(CreateArgs),
}

/// Which key to make.
#[derive(Clone, Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do, such as `orders:write`; several, or the option several times
    #[arg(long = "scope", required = true, num_args = 1.., value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// After how many days it ends; never, if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    expires_days: Option<u32>,
}

fn scope(name: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    Scope::parse(name).ok_or_else(|| format!("the scopes are {}", known()))
}

pub(super) async fn run(args: ApiKeyArgs) -> anyhow::Result<ExitCode> {
    let What::Create(args) = args.what;
    let app = App::build(config(args.config.clone())?).await?;
    create(&app, &args).await?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a key and prints it.
async fn create(app: &App, args: &CreateArgs) -> anyhow::Result<()> {
    let name = args.name.trim().to_owned();
    anyhow::ensure!((1..=200).contains(&name.chars().count()), "a name has 1 to 200 characters");
    let new = NewKey { name, scopes: args.scopes.clone(), days: args.expires_days };
    let key = api_keys::create(app, &new).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    println!("{}", key.expose_secret());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn scopes(arguments: &str) -> Option<Vec<Scope>> {
        let words = std::iter::once("create").chain(arguments.split(' '));
        Command::try_parse_from(words).ok().map(|command| command.args.scopes)
    }

    #[test]
    fn scopes_are_named_one_after_the_other_or_with_commas() {
        let both = Some(vec![Scope::OrdersWrite, Scope::PointsWrite]);
        assert_eq!(scopes("--name web --scope orders:write points:write"), both);
        assert_eq!(scopes("--name web --scope orders:write,points:write --expires-days 30"), both);
        assert_eq!(scopes("--scope orders:write --scope points:write --name web"), both);
        assert_eq!(scopes("--name web"), None);
        assert_eq!(scopes("--name web --scope orders:everything"), None);
    }
}
