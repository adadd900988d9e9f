//! The program; all of it is in the library, and `talos_order::cli::main` says why.

use std::process::ExitCode;

fn main() -> ExitCode {
    talos_order::cli::main()
}
