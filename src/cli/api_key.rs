//! `regulars api-key create`: keys for the shop's servers.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use crate::app::App;
use crate::auth::api_keys::{self, NewKey};
use crate::auth::viewer::Scope;

/// What to do with API keys.
#[derive(Clone, Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Makes a key and prints it; it is not shown again
    Create(CreateArgs),
}

/// Which key to make.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// What it is for
    #[arg(long)]
    pub name: String,
    /// What it may do, such as `orders:write`; several, or the option several times
    #[arg(long = "scope", required = true, num_args = 1.., value_delimiter = ',', value_parser = scope)]
    pub scopes: Vec<Scope>,
    /// After how many days it ends; never, if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub expires_days: Option<u32>,
}

fn scope(name: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    Scope::parse(name).ok_or_else(|| format!("the scopes are {}", known()))
}

/// Makes a key and prints it.
pub async fn create(app: &App, args: &CreateArgs) -> anyhow::Result<()> {
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
