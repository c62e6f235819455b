//! The API `purr.poker/v1alpha1`. The YAML beside this crate is generated from these types
//! (`cargo run --release -p purr-crds`), and a test checks that it was.

mod fleet;
mod table;

pub use fleet::{
    Buffer, CHANGEABLE, Hud, PokerTableFleet, PokerTableFleetSpec, PokerTableFleetStatus, REPLICAS_MAX,
    Rollout, ScaleDown, Seating, SeatingPolicy,
};
pub use table::{
    AntePayer, Blinds, Bound, BuyIn, Clock, Currency, Phase, PodTemplate, PokerTable, PokerTableSpec,
    PokerTableStatus, Rake, RakeCap, Resources, Settlement, Variant,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};

/// Where the YAML is kept, seen from the crate: beside it, and in the chart.
pub const FOLDERS: [&str; 2] = [".", "../helm/purr/files/crds"];

/// The definitions as (file name, YAML).
pub fn generated() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let head = "# Generated from the crate purr-crds: cargo run --release -p purr-crds\n";
    let yaml = |crd: CustomResourceDefinition| {
        let file = format!("{}.yaml", crd.name_any().split('.').next().unwrap_or_default());
        Ok((file, format!("{head}{}", serde_yaml::to_string(&crd)?)))
    };
    [PokerTable::crd(), PokerTableFleet::crd()].into_iter().map(yaml).collect()
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

    #[test]
    fn the_example_of_a_fleet_is_a_valid_object_of_the_types() {
        let text = include_str!("../examples/fleet.yaml");
        let fleet: super::PokerTableFleet = serde_yaml::from_str(text).unwrap();
        assert_eq!((fleet.spec.replicas, fleet.spec.template.seats, fleet.spec.buffer.tables), (50, 6, 3));
    }
}
