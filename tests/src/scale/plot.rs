//! The figures as a table and as a plot.

use serde_json::Value;
use std::fmt::Write;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 60.0;
const COLOURS: [&str; 5] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"];

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The figures as a table for a README.
pub(super) fn table(figures: &Value) -> String {
    let f = |path: &str| number(figures, path);
    let mut out = String::from("| figure | measured | bound |\n|---|---|---|\n");
    let mut row = |name: &str, measured: String, bound: &str| {
        let _ = writeln!(out, "| {name} | {measured} | {bound} |");
    };
    let ratio = format!(
        "{:.2} ({:.0} beside {:.0} tables/s)",
        f("/create/ratio"),
        f("/create/tables_per_s"),
        f("/create/bare_tables_per_s")
    );
    row("tables/s to Ready beside a bare client", ratio, "≥ 0.7");
    row(
        "controller's peak RSS in a cold start",
        format!("{:.0} MiB", f("/cold_start/peak_rss_mib")),
        "≤ 150 MiB",
    );
    row("Ready again", format!("{:.1} s", f("/cold_start/ready_again_s")), "≤ 10 s");
    let both = format!("{} and {}", f("/cold_start/creations"), f("/cold_start/deletions"));
    row("creations and deletions in a cold start", both, "0 and 0");
    let writes = format!("{:.1}", f("/deal/api_writes_per_s"));
    row("API writes/s while every table deals", writes, "≤ 20");
    let steps = figures.pointer("/capacity/steps").and_then(Value::as_array).cloned().unwrap_or_default();
    out.push_str("\n| tables | next step, s | controller CPU of it, s | controller RSS, MiB | API server RSS, MiB | etcd RSS, MiB | etcd bytes a table |\n|---|---|---|---|---|---|---|\n");
    for step in &steps {
        let f = |path: &str| number(step, path);
        // The last one has no step after it.
        let after = |path: &str| match step.pointer(path).and_then(Value::as_f64) {
            Some(value) => format!("{value:.1}"),
            None => "–".into(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} |",
            f("/tables"),
            after("/next_step_s"),
            after("/next_step_cpu_s"),
            f("/controller_rss_mib"),
            f("/apiserver_rss_mib"),
            f("/etcd_rss_mib"),
            f("/etcd_bytes_a_table")
        );
    }
    out.push_str("\n| s | phase | created | Ready | controller CPU | API server CPU | etcd CPU | KWOK CPU | this program's CPU | controller RSS, MiB |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for row in figures["windows"].as_array().into_iter().flatten() {
        let cpu = |name: &str| row["cpu"][name].as_f64().map_or("–".to_owned(), |cpu| format!("{cpu:.2}"));
        let rss = row["controller_rss_mib"].as_f64().map_or("–".to_owned(), |rss| format!("{rss:.0}"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {rss} |",
            row["s"],
            row["phase"].as_str().unwrap_or_default(),
            row["created"],
            row["ready"],
            cpu("controller"),
            cpu("apiserver"),
            cpu("etcd"),
            cpu("kwok"),
            cpu("this"),
        );
    }
    out
}

/// Tables and CPU over time.
pub(super) fn svg(rows: &[Value]) -> String {
    let end = rows.last().map_or(1.0, |row| number(row, "/s")).max(1.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * HEIGHT + 70.0
    );
    let tables = [("created", "/created"), ("Ready", "/ready")];
    chart(&mut out, rows, 20.0, "tables", &tables, end);
    let cpu = [
        ("controller", "/cpu/controller"),
        ("API server", "/cpu/apiserver"),
        ("etcd", "/cpu/etcd"),
        ("KWOK", "/cpu/kwok"),
        ("this program", "/cpu/this"),
    ];
    chart(&mut out, rows, 45.0 + HEIGHT, "CPU, cores (of 2)", &cpu, end);
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">0 to {end} s, a point every 10 s</text>\n</svg>",
        2.0 * HEIGHT + 62.0
    );
    out
}

fn chart(out: &mut String, rows: &[Value], top: f64, title: &str, lines: &[(&str, &str)], end: f64) {
    let all = lines.iter().flat_map(|(_, path)| rows.iter().map(|row| number(row, path)));
    let most = all.filter(|value| value.is_finite()).fold(0.0_f64, f64::max).max(0.1);
    let (right, bottom) = (WIDTH - 120.0, top + HEIGHT - 20.0);
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"black\"/><text x=\"{LEFT}\" y=\"{}\">{title}</text><text x=\"5\" y=\"{}\">{most:.1}</text>",
        top - 6.0,
        top + 8.0
    );
    for (at, ((name, path), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = rows
            .iter()
            .map(|row| (number(row, "/s"), number(row, path)))
            .filter(|(_, value)| value.is_finite())
            .map(|(s, value)| {
                let x = LEFT + s / end * (right - LEFT);
                format!("{x:.1},{:.1}", bottom - value / most * (bottom - top))
            })
            .collect();
        let y = top + 14.0 * at as f64 + 8.0;
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/><text x=\"{}\" y=\"{y}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            right + 8.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_without_a_controller_is_a_gap_and_no_zero() {
        let rows = [
            json!({"s": 0, "created": 0, "ready": 0, "cpu": {"etcd": 0.5}}),
            json!({"s": 10, "created": 5, "ready": 4}),
        ];
        let svg = svg(&rows);
        assert!(svg.contains("60.0,170.0 700.0,20.0"), "{svg}");
        assert!(svg.contains("<polyline points=\"\" fill=\"none\" stroke=\"#1f77b4\""), "{svg}");
        assert!(table(&json!({"windows": rows})).contains("| 10 |  | 5 | 4 | – |"));
    }
}
