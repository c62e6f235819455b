//! Answers as columns for people or as JSON for programs.

use crate::{
    Output,
    overview::{self, Part},
    rollout::Progress,
    row::Row,
};
use serde::Serialize;
use serde_json::json;

fn json(value: &impl Serialize) {
    println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

pub(crate) fn rows(output: Output, rows: &[Row]) {
    match output {
        Output::Json => json(&rows),
        Output::Table => print!("{}", columns(rows)),
    }
}

/// Columns as wide as their widest value, as kubectl has them.
pub fn columns(rows: &[Row]) -> String {
    let Some(Row(first)) = rows.first() else { return "No resources found.\n".into() };
    let head: Vec<String> = first.iter().map(|(name, _)| name.to_uppercase()).collect();
    let body = rows.iter().map(|Row(row)| row.iter().map(|(_, value)| value.clone()).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..first.len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    lines.iter().map(line).collect()
}

/// An object for programs, a text for people.
pub(crate) fn either<T: Serialize>(output: Output, value: &T, text: impl FnOnce(&T) -> String) {
    match output {
        Output::Json => json(value),
        Output::Table => print!("{}", text(value)),
    }
}

pub(crate) fn parts(output: Output, parts: &[Part]) {
    let row = |part: &Part| {
        let values = [
            ("part", part.part.clone()),
            ("state", part.state.name().to_owned()),
            ("says", part.says.clone()),
        ];
        Row::new(values)
    };
    match output {
        Output::Json => json(&json!({"well": overview::is_well(parts), "parts": parts})),
        Output::Table => rows(output, &parts.iter().map(row).collect::<Vec<_>>()),
    }
}

pub(crate) fn said(output: Output, text: &str) {
    match output {
        Output::Json => json(&json!({"message": text})),
        Output::Table => println!("{text}"),
    }
}

pub(crate) fn progress(output: Output, progress: &Progress) {
    match output {
        Output::Json => json(progress),
        Output::Table => println!("{}: {} ({})", progress.name, progress.message, progress.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_value() {
        let row = |name: &str, pod: &str| Row::new([("name", name.into()), ("pod", pod.into())]);
        let text = columns(&[row("a", "a-1"), row("longer", "")]);
        assert_eq!(text, "NAME     POD\na        a-1\nlonger\n");
        assert_eq!(columns(&[]), "No resources found.\n");
    }
}
