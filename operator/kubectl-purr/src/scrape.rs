//! Reads the text format of Prometheus, as far as the fleet's programs write it.

use std::collections::BTreeMap;

/// One sample of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Samples of a page. Comments and lines that are none are passed over.
pub fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.trim().rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = head.split_once('{') else {
        return Some(Sample { name: head.into(), labels: BTreeMap::new(), value });
    };
    Some(Sample { name: name.into(), labels: labels(rest.strip_suffix('}')?)?, value })
}

/// `a="b",c="d"`; in a value, backslash escapes.
fn labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), rest.char_indices());
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        found.insert(name.to_owned(), value);
        text = rest[end + 1..].trim_start_matches(',');
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_read_and_comments_are_not() {
        let text = "# HELP a b\n# TYPE a gauge\na 3\nb{part=\"chain\",why=\"x\\\"y, z\"} 0.5\nnonsense\nc{x=\"1} 4\n";
        let found = samples(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].value), ("a", 3.0));
        assert_eq!(found[1].labels["why"], "x\"y, z");
        assert_eq!((found[1].labels["part"].as_str(), found[1].value), ("chain", 0.5));
    }
}
