//! `regulars api-key create|list|rotate|revoke`: keys for the shop's servers.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::config;
use crate::app::App;
use crate::auth::api_keys::{self, KeyError, NewKey};
use crate::auth::viewer::Scope;
use crate::config::ConfigArgs;
use crate::error::{Fault, split};

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
    /// Prints every key, the oldest first: how it begins, whether it works, its scopes and what it is for
    List(ListArgs),
    /// Makes a key in place of another, with the same owner, and prints it; it is not shown again
    Rotate(RotateArgs),
    /// Ends a key at once
    Revoke(RevokeArgs),
}

/// Which keys to print.
#[derive(Clone, Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Which key to rotate.
#[derive(Clone, Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How the key begins, such as `rg_abcd2345`
    prefix: String,
    /// For how many minutes the old key goes on
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_080))]
    grace_minutes: u32,
}

/// Which key to revoke.
#[derive(Clone, Debug, Args)]
struct RevokeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How the key begins, such as `rg_abcd2345`
    prefix: String,
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
    match args.what {
        What::Create(args) => create(&App::build(config(args.config.clone())?).await?, &args).await?,
        What::List(args) => list(&App::build(config(args.config)?).await?).await?,
        What::Rotate(args) => rotate(&App::build(config(args.config.clone())?).await?, &args).await?,
        What::Revoke(args) => revoke(&App::build(config(args.config.clone())?).await?, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints every key without its secret.
async fn list(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now();
    for key in api_keys::list(app).await.map_err(|fault| faulted(&fault))? {
        let state = if api_keys::is_in_force(&key, now) { "active" } else { "ended" };
        let scopes: Vec<String> = serde_json::from_value(key.scopes)?;
        let used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
        println!("rg_{}\t{state}\tused {used}\t{}\t{}", key.prefix, scopes.join(","), key.name);
    }
    Ok(())
}

/// Makes a successor and prints it.
async fn rotate(app: &App, args: &RotateArgs) -> anyhow::Result<()> {
    let rotated = api_keys::rotate_by_prefix(app, &args.prefix, args.grace_minutes).await;
    let key = split(rotated).map_err(|fault| faulted(&fault))?.map_err(refused)?;
    println!("{}", key.expose_secret());
    Ok(())
}

/// Ends a key.
async fn revoke(app: &App, args: &RevokeArgs) -> anyhow::Result<()> {
    split(api_keys::revoke_by_prefix(app, &args.prefix).await)
        .map_err(|fault| faulted(&fault))?
        .map_err(refused)?;
    println!("revoked");
    Ok(())
}

fn faulted(fault: &Fault) -> anyhow::Error {
    anyhow::anyhow!("{fault:?}")
}

fn refused(error: KeyError) -> anyhow::Error {
    anyhow::anyhow!(match error {
        KeyError::NotFound => "there is no such key",
        KeyError::Ended => "this key is revoked or has expired",
        KeyError::Rotated => "this key was rotated before; rotate the one that took its place",
    })
}

/// Makes a key and prints it.
async fn create(app: &App, args: &CreateArgs) -> anyhow::Result<()> {
    let name = args.name.trim().to_owned();
    anyhow::ensure!((1..=200).contains(&name.chars().count()), "a name has 1 to 200 characters");
    let new = NewKey { name, scopes: args.scopes.clone(), days: args.expires_days };
    let key = api_keys::create(app, &new).await.map_err(|fault| faulted(&fault))?;
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
