//! `regulars.toml`: its lines become the defaults of the flags, so that flags and environment variables go before them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Command;
use toml::Value;

/// Names the file; without it `regulars.toml` is read where the process was started, if it is there.
const PATH: &str = "REGULARS_CONFIG";

/// Gives `command` and its subcommands the defaults of the file.
pub(super) fn defaults(command: Command) -> anyhow::Result<Command> {
    let named = std::env::var_os(PATH);
    let path = PathBuf::from(named.clone().unwrap_or_else(|| OsString::from("regulars.toml")));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(command),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    apply(command, &text, &path)
}

fn apply(mut command: Command, text: &str, path: &Path) -> anyhow::Result<Command> {
    let table: toml::Table =
        text.parse().with_context(|| format!("{} is not a TOML file", path.display()))?;
    let mut known = BTreeSet::new();
    settings_of(&command, &mut known);
    for (name, value) in &table {
        if !known.contains(name) {
            bail!("{}: there is no setting `{name}`", path.display());
        }
        let values = texts(value).with_context(|| format!("{}: `{name}`", path.display()))?;
        command = with_default(command, name, &values);
    }
    Ok(command)
}

/// Names of all settings: flags that have an environment variable.
fn settings_of(command: &Command, known: &mut BTreeSet<String>) {
    let settings = command.get_arguments().filter(|arg| arg.get_env().is_some());
    known.extend(settings.map(|arg| arg.get_id().to_string()));
    for subcommand in command.get_subcommands() {
        settings_of(subcommand, known);
    }
}

fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Integer(number) => Ok(vec![number.to_string()]),
        Value::Float(number) => Ok(vec![number.to_string()]),
        Value::Boolean(is) => Ok(vec![is.to_string()]),
        Value::Array(values) => Ok(values.iter().map(texts).collect::<Result<Vec<_>, _>>()?.concat()),
        Value::Datetime(_) | Value::Table(_) => bail!("must be a text, a number, true or false, or a list"),
    }
}

fn with_default(mut command: Command, name: &str, values: &[String]) -> Command {
    if command.get_arguments().any(|arg| arg.get_id() == name) {
        command = command.mut_arg(name, |arg| arg.default_values(values));
    }
    let subcommands: Vec<String> =
        command.get_subcommands().map(|subcommand| subcommand.get_name().to_owned()).collect();
    for subcommand in subcommands {
        command = command.mut_subcommand(subcommand, |subcommand| with_default(subcommand, name, values));
    }
    command
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{ArgMatches, CommandFactory};

    use super::apply;
    use crate::cli::Cli;

    fn parse(file: &str, line: &[&str]) -> Result<ArgMatches, String> {
        let command =
            apply(Cli::command(), file, Path::new("regulars.toml")).map_err(|error| format!("{error:#}"))?;
        let line = ["regulars"].iter().chain(line);
        let found = command.try_get_matches_from(line).map_err(|error| error.to_string())?;
        Ok(found.subcommand().unwrap().1.clone())
    }

    #[test]
    fn lines_of_the_file_are_defaults_that_flags_go_before() {
        let file = "listen = \"0.0.0.0:1\"\nmax_depth = 5\nno_worker = true\ncors_origins = [\"https://a\", \"https://b\"]";
        let found = parse(file, &["serve", "--max-depth", "6"]).unwrap();
        assert_eq!(found.get_one::<String>("listen").unwrap(), "0.0.0.0:1");
        assert_eq!(found.get_one::<u32>("max_depth"), Some(&6));
        assert!(found.get_flag("no_worker"));
        assert_eq!(found.get_many::<String>("cors_origins").unwrap().count(), 2);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_named() {
        let told = |file| parse(file, &["serve"]).unwrap_err();
        assert_eq!(told("speed = 1"), "regulars.toml: there is no setting `speed`");
        assert_eq!(
            told("[listen]"),
            "regulars.toml: `listen`: must be a text, a number, true or false, or a list"
        );
        assert!(told("listen = ").starts_with("regulars.toml is not a TOML file"));
        assert!(told("max_depth = \"deep\"").contains("invalid value 'deep' for '--max-depth"));
    }
}
