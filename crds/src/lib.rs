//! The API `purr.poker/v1alpha1`. The YAML beside this crate is generated from these types
//! (`cargo run --release -p purr-crds`), and a test checks that it was.

mod fleet;
mod reference;
mod table;

pub use fleet::{
    Buffer, CHANGEABLE, Hud, PokerTableFleet, PokerTableFleetSpec, PokerTableFleetStatus, REPLICAS_MAX,
    Rollout, ScaleDown, Seating, SeatingPolicy,
};
pub use table::{
    AntePayer, Blinds, Bound, BuyIn, Chat, Clock, Currency, HandHistory, Phase, PodTemplate, PokerTable,
    PokerTableSpec, PokerTableStatus, Rake, RakeCap, Resources, Room, Settlement, Variant,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};

/// Folders that the YAML is written to, relative to the crate: beside it, and in the chart.
pub const FOLDERS: [&str; 2] = [".", "../helm/purr/files/crds"];

/// Rises with every change of a definition that is released: a release leaves the definitions of a newer one alone.
pub const REVISION: u32 = 2;
/// Annotation of a definition that says its [`REVISION`].
pub const REVISION_ANNOTATION: &str = "purr.poker/definition-revision";

/// A definition cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("a definition's schema is not valid for Kubernetes: {0}")]
    Schema(#[from] serde_json::Error),
    #[error("a definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

/// The reference of all fields, beside this crate.
pub const REFERENCE: &str = "README.md";

/// The definitions as the API server takes them.
///
/// # Errors
/// [`GenerateError`]: the types make no definition.
pub fn definitions() -> Result<[CustomResourceDefinition; 2], GenerateError> {
    let mut crds = [PokerTable::crd(), PokerTableFleet::crd()];
    for crd in &mut crds {
        reference::say_defaults(crd)?;
    }
    Ok(crds)
}

/// The definitions as (file name, YAML).
///
/// # Errors
/// [`GenerateError`]: the types make no definition.
pub fn generated() -> Result<Vec<(String, String)>, GenerateError> {
    let head = "# Generated from the crate purr-crds: cargo run --release -p purr-crds\n";
    let yaml = |crd: CustomResourceDefinition| {
        let file = format!("{}.yaml", crd.name_any().split('.').next().unwrap_or_default());
        Ok((file, format!("{head}{}", serde_yaml::to_string(&crd)?)))
    };
    definitions()?.into_iter().map(yaml).collect()
}

/// Generates the text of `README.md`.
///
/// # Errors
/// [`GenerateError`]: the types make no definition.
pub fn generated_reference() -> Result<String, GenerateError> {
    Ok(reference::reference(&definitions()?)?)
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
    fn the_committed_reference_is_what_the_types_generate() {
        let path = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), super::REFERENCE);
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == super::generated_reference().unwrap(),
            "stale: cargo run --release -p purr-crds"
        );
    }

    #[test]
    fn every_field_has_a_description_and_says_its_default() {
        for crd in super::definitions().unwrap() {
            let value = serde_json::to_value(&crd).unwrap();
            let schema = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                for field in super::reference::fields(part, &schema[part]) {
                    let text = field.description();
                    assert!(text.split_whitespace().count() >= 4, "{}: '{text}'", field.path);
                    assert!(text.starts_with(char::is_uppercase), "{}: '{text}'", field.path);
                    let scalar = field.schema.get("default").is_some_and(|d| !d.is_object() && !d.is_array());
                    assert!(part == "status" || !scalar || text.contains("Default:"), "{}", field.path);
                }
            }
        }
    }

    /// kubectl reads YAML 1.1 (section 10.3.2 there: its boolean type has more spellings than true and false).
    #[test]
    fn no_word_of_the_definitions_is_a_boolean_of_yaml_1_1() {
        const BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
        fn look(value: &serde_json::Value, path: &str) {
            let word = |word: &str| {
                assert!(!BOOLEANS.contains(&word.to_lowercase().as_str()), "{path}: {word}");
            };
            match value {
                serde_json::Value::String(text) => word(text),
                serde_json::Value::Array(items) => items.iter().for_each(|item| look(item, path)),
                serde_json::Value::Object(fields) => {
                    for (name, field) in fields {
                        word(name);
                        look(field, &format!("{path}.{name}"));
                    }
                }
                _ => {}
            }
        }
        for crd in super::definitions().unwrap() {
            look(&serde_json::to_value(&crd).unwrap(), "");
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
