//! Writes the generated YAML beside the crate and into the chart.

fn main() -> anyhow::Result<()> {
    for (file, yaml) in purr_crds::generated()? {
        for folder in purr_crds::FOLDERS {
            std::fs::write(format!("{}/{folder}/{file}", env!("CARGO_MANIFEST_DIR")), &yaml)?;
            println!("wrote {folder}/{file}");
        }
    }
    Ok(())
}
