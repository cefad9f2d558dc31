//! The `regulars` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    regulars::cli::main()
}
