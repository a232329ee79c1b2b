//! Runs the commands that verbs are made of. Every command is printed before it starts, in a form
//! that can be pasted into a shell.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

/// The workspace's directory: where every command runs.
pub(crate) fn workspace() -> &'static Path {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.parent().unwrap_or(manifest_dir)
}

/// `program args...`, to be run in the workspace.
pub(crate) fn command<I>(program: impl AsRef<OsStr>, args: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace());
    command
}

/// `cargo args...`. The plain name, not `$CARGO`: rustup then picks the toolchain as in a shell.
pub(crate) fn cargo<I>(args: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    command("cargo", args)
}

/// Prints the command and runs it with this process's input and output.
///
/// # Errors
/// When it cannot be started or ends with a failure.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = announce(command);
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Prints the command, runs it and returns what it wrote.
///
/// # Errors
/// When it cannot be started; a failure of the command itself is left to the caller.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let shown = announce(command);
    command.output().with_context(|| format!("cannot run `{shown}`"))
}

/// Prints the command that is about to run and returns it as text.
pub(crate) fn announce(command: &Command) -> String {
    let shown = show(command);
    println!("$ {shown}");
    shown
}

/// The command as one would type it, variables first.
pub(crate) fn show(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quote(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quote);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = cargo(["test", "--", "a name with 'quotes'", ""]);
        command.env("LLVM_PREFIX", "/usr/lib/llvm-22").env_remove("RUSTFLAGS");
        assert_eq!(
            show(&command),
            r"LLVM_PREFIX=/usr/lib/llvm-22 cargo test -- 'a name with '\''quotes'\''' ''"
        );
    }

    #[test]
    fn a_failing_command_is_named_with_its_status() {
        let error = run(&mut command("false", [] as [&str; 0])).expect_err("false fails");
        assert!(error.to_string().contains("`false` failed (exit status: 1)"), "{error}");
    }

    #[test]
    fn an_absent_program_is_named() {
        let error = run(&mut command("/no/such/program", ["x"])).expect_err("does not exist");
        assert_eq!(error.to_string(), "cannot run `/no/such/program x`");
    }
}
