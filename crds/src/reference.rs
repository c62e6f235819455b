//! The reference of the resources, `README.md` beside the crate, written out of their schemas.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value};
use std::fmt::Write;

const RULES: &str = "x-kubernetes-validations";
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

const HEAD: &str = "<!-- Generated from the crate purr-crds: cargo run --release -p purr-crds -->

# PokerTable and PokerTableFleet

Resources of the group `purr.poker`, version `v1alpha1`. Amounts are minor units of the currency (for USDC millionths),
times are seconds. `kubectl explain ptable.spec --recursive` says the same. Examples that the API server accepts are in
[`examples/`](examples/).
";

/// Says the default of a field in its description: `kubectl explain` shows descriptions alone.
pub fn say_defaults(crd: &mut CustomResourceDefinition) -> Result<(), serde_json::Error> {
    let mut value = serde_json::to_value(&*crd)?;
    if let Some(schema) = value.pointer_mut(SCHEMA) {
        walk(schema);
    }
    *crd = serde_json::from_value(value)?;
    Ok(())
}

fn walk(schema: &mut Value) {
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in fields.values_mut() {
            let default = field.get("default").filter(|default| !default.is_object() && !default.is_array());
            if let Some(default) = default.map(plain)
                && let Some(Value::String(text)) = field.get_mut("description")
                && !text.contains("Default:")
            {
                let _ = write!(text, " Default: {default}.");
            }
            walk(field);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        walk(items);
    }
}

/// A value as people write it in YAML.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A field with its path, as the tables of the reference list it.
#[derive(Debug)]
pub struct Field<'a> {
    pub path: String,
    pub schema: &'a Map<String, Value>,
    required: bool,
}

/// All fields below a schema, depth first. A fleet's template is a table's spec and not listed again.
pub fn fields<'a>(path: &str, schema: &'a Value) -> Vec<Field<'a>> {
    let mut found = Vec::new();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let Some(schema) = field.as_object() else { continue };
        let mut path = format!("{path}.{name}");
        let mut inner = field;
        if let Some(items) = field.get("items") {
            path.push_str("[]");
            inner = items;
        }
        // Kubernetes documents its own types.
        let own = name != "conditions" && name != "tolerations" && path != "spec.template";
        found.push(Field { path: path.clone(), schema, required: required.contains(&name.as_str()) });
        if own {
            found.extend(fields(&path, inner));
        }
    }
    found
}

impl Field<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.schema.get(key).or_else(|| self.schema.get("items")?.get(key))
    }

    pub fn description(&self) -> &str {
        self.schema.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// Type, bounds and whether it must be given.
    fn kind(&self) -> String {
        let mut kind = match self.get("enum").and_then(Value::as_array) {
            Some(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
            None => self.schema.get("type").and_then(Value::as_str).unwrap_or("object").to_owned(),
        };
        let bound = |low: &str, high: &str| match (self.get(low), self.get(high)) {
            (Some(low), Some(high)) => Some(format!("{} to {}", whole(low), whole(high))),
            (Some(low), None) => Some(format!("at least {}", whole(low))),
            (None, Some(high)) => Some(format!("at most {}", whole(high))),
            (None, None) => None,
        };
        for (bound, unit) in [
            (bound("minimum", "maximum"), ""),
            (bound("minLength", "maxLength"), " characters"),
            (bound("minItems", "maxItems"), " entries"),
        ] {
            if let Some(bound) = bound {
                let _ = write!(kind, ", {bound}{unit}");
            }
        }
        if self.required {
            kind.push_str(", required");
        }
        kind
    }

    fn row(&self) -> String {
        let text = self.description().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        format!("| `{}` | {} | {text} |\n", self.path, self.kind())
    }
}

/// Writes a bound as a whole number; the schema's type has floating-point bounds.
fn whole(value: &Value) -> String {
    value.as_f64().map_or_else(|| value.to_string(), |number| format!("{number:.0}"))
}

/// Writes the rules about several fields, in the words of the API server's messages.
fn rules(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            let own = map.get(RULES).and_then(Value::as_array).into_iter().flatten();
            into.extend(own.filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
            map.iter().filter(|(name, _)| *name != "template").for_each(|(_, value)| rules(value, into));
        }
        Value::Array(values) => values.iter().for_each(|value| rules(value, into)),
        _ => {}
    }
}

/// The whole reference.
pub fn reference(crds: &[CustomResourceDefinition]) -> Result<String, serde_json::Error> {
    let mut text = HEAD.to_owned();
    for crd in crds {
        let value = serde_json::to_value(crd)?;
        let names = &crd.spec.names;
        let short = names.short_names.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
        let schema = value.pointer(SCHEMA).cloned().unwrap_or_default();
        let spec = &schema["properties"]["spec"];
        let about = spec["description"].as_str().unwrap_or_default();
        let _ = write!(text, "\n## {} (`{short}`)\n\n{about}\n", names.kind);
        for (part, name) in [("spec", "spec"), ("status", "status")] {
            text.push_str("\n| field | value | meaning |\n|---|---|---|\n");
            for field in fields(part, &schema["properties"][name]) {
                text.push_str(&field.row());
            }
        }
        let mut messages = Vec::new();
        rules(&schema, &mut messages);
        if !messages.is_empty() {
            text.push_str("\nRules of the API server about more than one value:\n\n");
            for message in messages {
                let _ = writeln!(text, "- {message}");
            }
        }
    }
    Ok(text)
}
