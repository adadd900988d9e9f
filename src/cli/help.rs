//! What stands below the options in a help text.

/// Of the program.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 something failed or was rejected; 2 invalid usage or
configuration; 130 interrupted. With --detailed-exitcode: 0 nothing to do,
2 changes, 1 error.";

/// Of `completions`.
pub(super) const COMPLETIONS_HELP: &str = "\
To install them for new shells:
  bash  talos-order completions bash \\
            > ~/.local/share/bash-completion/completions/talos-order
  zsh   talos-order completions zsh > DIR/_talos-order
        where DIR is in $fpath
  fish  talos-order completions fish \\
            > ~/.config/fish/completions/talos-order.fish
The directories must exist. bash needs the package bash-completion; without it
add this line to ~/.bashrc:  source <(talos-order completions bash)";
