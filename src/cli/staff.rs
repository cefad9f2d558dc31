//! `regulars staff create`: the first people of the shop.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use entity::staff::Role;
use secrecy::{ExposeSecret, SecretString};

use super::config;
use crate::app::App;
use crate::auth::passwords::{Password, PasswordProblem};
use crate::auth::{secret, staff};
use crate::config::ConfigArgs;
use crate::customers::email::EmailAddress;
use crate::error::split;

/// Where the password comes from; without it one is made and printed once.
const PASSWORD: &str = "REGULARS_STAFF_PASSWORD";

/// What to do with staff.
#[derive(Debug, Args)]
pub(super) struct StaffArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Adds a member of staff; the password is read from `REGULARS_STAFF_PASSWORD`, or made and printed once
    Create(CreateArgs),
}

/// Who to add.
#[derive(Clone, Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Signs in with it
    #[arg(long)]
    email: String,
    /// Which permissions
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Shown in the ledger; the first part of the address, if not given
    #[arg(long)]
    name: Option<String>,
}

/// A role on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// Everything
    Owner,
    /// Everything but staff, keys and audit
    Manager,
    /// Customers, orders and small adjustments
    Support,
    /// Reading only
    Analyst,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Owner => Self::Owner,
            RoleArg::Manager => Self::Manager,
            RoleArg::Support => Self::Support,
            RoleArg::Analyst => Self::Analyst,
        }
    }
}

pub(super) async fn run(args: StaffArgs) -> anyhow::Result<ExitCode> {
    let What::Create(args) = args.what;
    let app = App::build(config(args.config.clone())?).await?;
    create(&app, &args).await?;
    Ok(ExitCode::SUCCESS)
}

/// Adds a member of staff; prints the id, and the password if it was made here.
async fn create(app: &App, args: &CreateArgs) -> anyhow::Result<()> {
    let email = EmailAddress::try_from(args.email.clone())?;
    let local = email.as_str().split('@').next().unwrap_or_default();
    let name = args.name.as_deref().unwrap_or(local).trim().to_owned();
    let given = std::env::var(PASSWORD).ok().map(SecretString::from);
    let made = match &given {
        Some(_) => None,
        None => Some(secret::token().map_err(|fault| anyhow::anyhow!("{fault:?}"))?),
    };
    let text = given.or_else(|| made.clone()).unwrap_or_default();
    let password =
        Password::parse(text).map_err(|problem| anyhow::anyhow!("{PASSWORD} {}", words(problem)))?;
    let new = staff::NewStaff { email, name, role: args.role.into(), password };
    let created = split(staff::create(app, new).await).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let id = created.map_err(|staff::AddressTaken| {
        anyhow::anyhow!("there is a member of staff with this address already")
    })?;
    println!("staff {}", id.0);
    if let Some(made) = made {
        println!("password {}", made.expose_secret());
    }
    Ok(())
}

fn words(problem: PasswordProblem) -> &'static str {
    match problem {
        PasswordProblem::TooShort => "has fewer than 8 characters",
        PasswordProblem::TooLong => "has more than 128 characters",
        PasswordProblem::Common => "is among the most common passwords",
    }
}
