//! Generates the evaluator's tables, `src/eval/tables.bin`. Run by `make generate`.

#[path = "../src/eval/generate.rs"]
mod generate;

fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/eval/tables.bin"), generate::tables())
}
