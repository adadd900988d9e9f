//! The manual pages: what clap knows of a command, and the sections that it has no
//! place for.

mod examples;
mod texts;

use std::io;

use clap::CommandFactory;
use clap::builder::Resettable;
use clap_mangen::Man;

use super::args::Cli;
use examples::EXAMPLES;
use texts::{
    ENVIRONMENT, EXIT_STATUS, EXIT_STATUS_OF_DIFF, EXIT_STATUS_OF_OUTPUTS, EXIT_STATUS_OF_PLAN,
    EXIT_STATUS_OF_STATUS, EXIT_STATUS_OF_WAIT, FILES, INTERRUPTED,
};

/// Every page, with the name of its file: of the program, of each command, and of
/// those below them.
///
/// # Errors
/// Never, as they are made in memory; the generator cannot tell.
pub(super) fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    let mut pages = vec![page(program, "")?];
    for command in commands {
        let name = command.get_name().to_owned();
        for below in command.get_subcommands() {
            let name = format!("{name} {}", below.get_name());
            pages.push(page(below.clone(), &name)?);
        }
        pages.push(page(command, &name)?);
    }
    Ok(pages)
}

fn page(command: clap::Command, name: &str) -> io::Result<(String, Vec<u8>)> {
    // The exit codes have a section of their own here.
    let man = Man::new(command.after_help(Resettable::Reset));
    let mut page = Vec::new();
    man.render(&mut page)?;
    let exit_status = match name {
        "" | "plan" => EXIT_STATUS_OF_PLAN,
        "status" => EXIT_STATUS_OF_STATUS,
        "diff" => EXIT_STATUS_OF_DIFF,
        "outputs" => EXIT_STATUS_OF_OUTPUTS,
        "wait" => EXIT_STATUS_OF_WAIT,
        _ => EXIT_STATUS,
    };
    let is_run = matches!(name, "" | "apply");
    let exit_status = [exit_status, if is_run { &[INTERRUPTED] } else { &[] }].concat();
    section(&mut page, "EXIT STATUS", &exit_status);
    if name.is_empty() {
        section(&mut page, "ENVIRONMENT", ENVIRONMENT);
        section(&mut page, "FILES", FILES);
    }
    let examples = EXAMPLES.iter().find(|(command, _)| *command == name);
    section(&mut page, "EXAMPLES", examples.map_or(&[], |found| found.1));
    if !name.is_empty() {
        page.extend_from_slice(
            b".SH \"SEE ALSO\"\n\\fBtalos\\-order\\fR(1) for environment and files\n",
        );
    }
    Ok((man.get_filename(), page))
}

fn section(page: &mut Vec<u8>, heading: &str, entries: &[(&str, &str)]) {
    page.extend_from_slice(format!(".SH \"{heading}\"\n").as_bytes());
    for (term, text) in entries {
        let entry = format!(".TP\n\\fB{}\\fR\n{}\n", escaped(term), escaped(text));
        page.extend_from_slice(entry.as_bytes());
    }
}

/// A text as roff takes it: a hyphen would become a dash that cannot be copied, and a
/// full stop at the beginning of a line a command.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn every_command_has_examples_that_are_accepted() {
        let command = Cli::command();
        let commands = command.get_subcommands().map(clap::Command::get_name);
        for name in std::iter::once("").chain(commands) {
            let found = EXAMPLES.iter().find(|(command, _)| *command == name);
            let (_, examples) = found.unwrap_or_else(|| panic!("{name} has no example"));
            for (line, _) in *examples {
                let words = shell_words::split(line).unwrap();
                assert!(name.is_empty() || words[1] == name, "{line}");
                Cli::try_parse_from(words).unwrap_or_else(|why| panic!("{line}: {why}"));
            }
        }
    }

    #[test]
    fn every_page_has_its_sections() {
        for (file, page) in pages().unwrap() {
            let text = String::from_utf8(page).unwrap();
            for heading in ["EXIT STATUS", "EXAMPLES"] {
                assert!(
                    text.contains(&format!("\n.SH \"{heading}\"\n.TP\n")),
                    "{file}: {heading}"
                );
            }
            let whole = file == "talos-order.1";
            for heading in ["ENVIRONMENT", "FILES"] {
                assert_eq!(
                    text.contains(&format!("\n.SH \"{heading}\"\n")),
                    whole,
                    "{file}"
                );
            }
        }
    }
}
