//! Logs on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How the process logs.
#[derive(Clone, Debug, Args)]
pub(super) struct LogArgs {
    /// What is logged: a level, or levels by module such as `info,regulars::http=debug`
    ///
    /// `info` if not given.
    #[arg(long, global = true, env = "REGULARS_LOG")]
    log: Option<String>,
    /// How it is written
    #[arg(long, global = true, env = "REGULARS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Begins to log; `otherwise` is what is logged if nothing else is asked for.
    pub(super) fn install(&self, otherwise: &str) -> anyhow::Result<()> {
        let filter = EnvFilter::builder()
            .parse(self.log.as_deref().unwrap_or(otherwise))
            .context("REGULARS_LOG is no filter")?;
        let to_stderr = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Pretty => to_stderr.init(),
            LogFormat::Json => to_stderr.json().flatten_event(true).init(),
        }
        Ok(())
    }
}
