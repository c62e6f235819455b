//! `purr replay` as a program: its exit codes, also when nobody reads its output.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

const HAND: &str = "variant = 'NT'\nantes = [0, 0, 0]\nblinds_or_straddles = [0.50, 1, 0]\nmin_bet = 1\n\
    starting_stacks = [100, 100, 100]\n\
    actions = ['d dh p1 ????', 'd dh p2 ????', 'd dh p3 ????', 'p3 cbr 3', 'p1 f', 'p2 f']\n";

/// Enough hands with problems that their report fills a pipe.
fn hands(end: &str) -> String {
    (1..=1_500).map(|number| format!("[{number}]\n{HAND}{end}\n")).collect()
}

fn purr(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purr"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it and closes its stdout at once.
fn unread(arguments: &[&str], input: &str) -> Output {
    let mut child = purr(arguments).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_closed_pipe_ends_a_replay_quietly() {
    let raked = hands("finishing_stacks = [99.50, 99, 101.40]");
    for arguments in [&["replay", "-"][..], &["replay", "--json", "-"]] {
        let Output { status, stderr, .. } = unread(arguments, &raked);
        assert!(status.success(), "{arguments:?}: {status}");
        assert_eq!(String::from_utf8_lossy(&stderr), "", "{arguments:?}");
    }
}

/// The exit code is right whether or not somebody reads the report.
#[test]
fn a_check_still_fails_where_nobody_reads_its_report() {
    let right = hands("finishing_stacks = [99.50, 99, 101.50]");
    assert!(unread(&["replay", "--check", "-"], &right).status.success());
    let wrong = hands("finishing_stacks = [99, 99.50, 101.50]");
    assert!(!unread(&["replay", "--check", "-"], &wrong).status.success());
}

#[test]
fn a_check_of_no_hand_fails() {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/cases");
    let case = |name: &str| {
        let file = cases.join(name);
        let status = purr(&["replay", "--check", file.to_str().unwrap()]).output().unwrap().status;
        status.success()
    };
    assert!(!case("empty.phhs"));
    assert!(!case("empty_raise.phh"));
    assert!(case("ante_trim.phh") && case("party_uncalled_won.phh"));
    for nothing in ["", "# a comment\n"] {
        assert!(!unread(&["replay", "--check", "-"], nothing).status.success());
        assert!(unread(&["replay", "-"], nothing).status.success());
    }
}
