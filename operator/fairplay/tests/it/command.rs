//! The command: files in the documented format, and recorded hands of honest players.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::{path::PathBuf, process::Command};

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_purr-fairplay")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn scratch(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn simulated_files_are_scored_against_their_truth() {
    let (records, truth) = (scratch("records.jsonl"), scratch("truth.json"));
    let simulate = ["simulate", "--seed", "4", "--pools", "2", "--hands", "300"];
    let (done, _, error) = run(&[&simulate[..], &["--records", &records, "--truth", &truth]].concat());
    assert!(done, "{error}");
    let (done, table, error) = run(&["score", &records, "--truth", &truth, "--json"]);
    assert!(done, "{error}");
    let figures: serde_json::Value = serde_json::from_str(&table).unwrap();
    assert_eq!(figures["hands"], 2 * 5 * 300);
    assert_eq!(figures["players"], 60);
    assert!(figures["pairAveragePrecision"]["high"].as_f64().unwrap() <= 1.0);
    let (done, text, _) = run(&["score", &records, "--truth", &truth]);
    assert!(done && text.contains("| pair average precision |"));
    // Kinds that the program does not know have rows of their own.
    let mut unseen: serde_json::Value = serde_json::from_slice(&std::fs::read(&truth).unwrap()).unwrap();
    for group in unseen["groups"].as_array_mut().unwrap() {
        group["kind"] = "chipWashing".into();
    }
    let other = scratch("unseen.json");
    std::fs::write(&other, unseen.to_string()).unwrap();
    let (done, text, error) = run(&["score", &records, "--truth", &other]);
    assert!(done, "{error}");
    let pairs =
        |kind: &str| text.lines().filter(|line| line.starts_with(&format!("| {kind} (held out) |"))).count();
    assert_eq!(pairs("chipWashing"), 1, "{text}");
    assert_eq!(text.matches("chipWashing, any alarm at the end (held out)").count(), 1, "{text}");
}

#[test]
fn tables_records_score_as_the_documented_format_does_and_less_without_the_key() {
    let (hands, records, truth) = (scratch("hands.jsonl"), scratch("sealed.jsonl"), scratch("same.json"));
    let key = scratch("fair-play.key");
    std::fs::write(&key, format!("{}\n", "11".repeat(32))).unwrap();
    let simulate = ["simulate", "--seed", "6", "--pools", "1", "--hands", "200", "--truth", &truth];
    for more in [&["--records", &hands][..], &["--records", &records, "--key-file", &key]] {
        let (done, _, error) = run(&[&simulate[..], more].concat());
        assert!(done, "{error}");
    }
    let score = |more: &[&str]| {
        let (done, text, error) = run(&[&["score"][..], more, &["--json", "--top", "200"]].concat());
        assert!(done, "{error}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let plain = score(&[&hands]);
    assert!(plain["top"].as_array().unwrap().len() > 100);
    assert_eq!(score(&[&records, "--key-file", &key]), plain);
    // A file may mix both formats in one stream.
    let mixed = scratch("mixed.jsonl");
    let (half, rest) = (std::fs::read_to_string(&hands).unwrap(), std::fs::read_to_string(&records).unwrap());
    let lines: Vec<&str> = half.lines().take(400).chain(rest.lines().skip(400)).collect();
    std::fs::write(&mixed, lines.join("\n")).unwrap();
    assert_eq!(score(&[&mixed, "--key-file", &key]), plain);
    // No hole cards, no decisions that can be judged.
    assert_ne!(score(&[&records]), plain);
    let (done, _, error) = run(&["score", &records, "--key-file", &hands]);
    assert!(!done && error.contains("64 hex digits"), "{error}");
}

#[test]
fn a_line_that_is_no_hand_is_named_by_its_number() {
    let records = scratch("broken.jsonl");
    std::fs::write(&records, "\n{\"table\": 5}\n").unwrap();
    let (done, _, error) = run(&["score", &records]);
    assert!(!done && error.contains("line 2: neither an ended hand"), "{error}");
    assert_eq!(error.matches("neither").count(), 1, "said once: {error}");
}

/// Hands of professionals and one program, where the folder of PURR_PHH_DIR has them.
#[test]
fn recorded_hands_of_professionals_show_no_collusion() {
    let Some(folder) = std::env::var_os("PURR_PHH_DIR") else {
        eprintln!("skipped: PURR_PHH_DIR names no folder with recorded hands");
        return;
    };
    let file = PathBuf::from(folder).join("pluribus-sample.phhs");
    let (done, text, error) = run(&["score", file.to_str().unwrap(), "--json"]);
    assert!(done, "{error}");
    let signals: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(signals["alarms"], serde_json::json!([]));
    assert!(!signals["top"].as_array().unwrap().is_empty());
}
