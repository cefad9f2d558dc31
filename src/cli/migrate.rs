//! `regulars migrate`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::config;
use crate::config::ConfigArgs;
use crate::db::{self, Db};

/// Which way, and which database.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to do
    #[arg(value_enum, default_value_t = Way::Up)]
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Run every migration that has not run
    Up,
    /// Take the whole schema back, and with it all data
    Down,
    /// Print the migrations that have not run; exit 1 if there are some
    Status,
}

pub(super) async fn run(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let db = Db::connect(&config(args.config)?.database).await?;
    let code = match args.way {
        Way::Up => {
            db::migrate(&db).await?;
            ExitCode::SUCCESS
        }
        Way::Down => {
            db::migrate_down(&db).await?;
            ExitCode::SUCCESS
        }
        Way::Status => {
            let pending = db::pending_migrations(&db).await?;
            for name in &pending {
                println!("{name}");
            }
            if pending.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    };
    db.close().await?;
    Ok(code)
}
