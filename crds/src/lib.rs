//! The API `purr.poker/v1alpha1`. The YAML beside this crate is generated from these types
//! (`cargo run --release -p purr-crds`), and a test checks that it was.

mod table;

pub use table::{
    AntePayer, Blinds, Bound, BuyIn, Clock, Currency, HandHistory, Phase, PodTemplate, PokerTable,
    PokerTableSpec, PokerTableStatus, Rake, RakeCap, Resources, Settlement, Variant,
};

use kube::{CustomResourceExt, ResourceExt};

/// Where the YAML is kept, seen from the crate: beside it, and in the chart.
pub const FOLDERS: [&str; 2] = [".", "../helm/purr/files/crds"];

/// The definitions as (file name, YAML).
pub fn generated() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let crd = PokerTable::crd();
    let file = format!("{}.yaml", crd.name_any().split('.').next().unwrap_or_default());
    let head = "# Generated from the crate purr-crds: cargo run --release -p purr-crds\n";
    Ok(vec![(file, format!("{head}{}", serde_yaml::to_string(&crd)?))])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_yaml_is_what_the_types_generate() {
        for (file, yaml) in super::generated().unwrap() {
            let committed =
                std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            assert!(committed == yaml, "{file} is stale: cargo run --release -p purr-crds");
        }
    }

    #[test]
    fn the_example_is_a_valid_object_of_the_types() {
        let text = include_str!("../examples/table.yaml");
        let table: super::PokerTable = serde_yaml::from_str(text).unwrap();
        assert_eq!(table.spec.seats, 6);
    }
}
