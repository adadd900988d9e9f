//! The program: parse, run, print the error chain, exit.

use std::process::ExitCode;

use clap::Parser;
use talos_order::cli::{self, Cli};

fn main() -> ExitCode {
    if cli::complete() {
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => cli::report(&error).into(),
    }
}
