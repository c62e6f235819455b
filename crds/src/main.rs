//! Writes the generated YAML beside the crate and into the chart, and the reference beside the crate.

fn main() -> anyhow::Result<()> {
    let here = env!("CARGO_MANIFEST_DIR");
    for (file, yaml) in purr_crds::generated()? {
        for folder in purr_crds::FOLDERS {
            std::fs::write(format!("{here}/{folder}/{file}"), &yaml)?;
            println!("wrote {folder}/{file}");
        }
    }
    std::fs::write(format!("{here}/{}", purr_crds::REFERENCE), purr_crds::generated_reference()?)?;
    println!("wrote {}", purr_crds::REFERENCE);
    Ok(())
}
