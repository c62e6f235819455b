//! All modules of the page as one script, so that a first visit waits for one answer instead of seventy.
//!
//! Each module becomes a function that returns its exports, in the order in which a browser would evaluate them (ECMA-262,
//! section 16.2.1.6). What the page's modules do not use is refused: cycles, exports that change, and the default export.

use super::strip::strip;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Why modules cannot be put together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BundleError {
    #[error("{name} imports {import}, which is not a file of the page")]
    Missing { name: String, import: String },
    #[error("{0} imports itself by way of other modules")]
    Cycle(String),
    #[error("{name}: a text, comment or expression that begins at byte {at} does not end")]
    Open { name: String, at: usize },
    #[error("{name}: this form of import or export is not known: {statement}")]
    Statement { name: String, statement: String },
}

/// The script that does what the module `entry` does.
pub(super) fn bundle(files: &[(&str, &[u8])], entry: &str) -> Result<String, BundleError> {
    let mut bundle = Bundle {
        files: files.iter().copied().collect(),
        order: BTreeMap::new(),
        open: BTreeSet::new(),
        out: String::new(),
    };
    bundle.module(entry)?;
    Ok(bundle.out)
}

struct Bundle<'a> {
    files: BTreeMap<&'a str, &'a [u8]>,
    /// Modules that are in `out`, each with its number.
    order: BTreeMap<String, usize>,
    /// Modules whose imports are being put there.
    open: BTreeSet<String>,
    out: String,
}

impl Bundle<'_> {
    /// Puts a module behind all that it imports; returns its number.
    fn module(&mut self, name: &str) -> Result<usize, BundleError> {
        if let Some(number) = self.order.get(name) {
            return Ok(*number);
        }
        if !self.open.insert(name.to_owned()) {
            return Err(BundleError::Cycle(name.to_owned()));
        }
        let source = self.files.get(name).map(|body| String::from_utf8_lossy(body)).unwrap_or_default();
        let source = strip(&source).map_err(|at| BundleError::Open { name: name.to_owned(), at })?;
        let (mut body, mut exports) = (String::new(), Vec::new());
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with("import ") && !line.starts_with("export ") {
                let _ = writeln!(body, "{line}");
                continue;
            }
            let mut statement = line.to_owned();
            // A list of names may take several lines.
            while is_list(&statement) && !statement.ends_with(';') {
                let Some(next) = lines.next() else { break };
                statement.push_str(next);
            }
            self.statement(name, &statement, &mut body, &mut exports)?;
        }
        let number = self.order.len();
        let _ = writeln!(
            self.out,
            "const m{number} = (() => {{\n{body}return {{ {} }};\n}})();",
            exports.join(", ")
        );
        self.order.insert(name.to_owned(), number);
        Ok(number)
    }

    fn statement(
        &mut self,
        name: &str,
        statement: &str,
        body: &mut String,
        exports: &mut Vec<String>,
    ) -> Result<(), BundleError> {
        let unknown = || BundleError::Statement { name: name.to_owned(), statement: statement.to_owned() };
        if let Some(rest) = statement.strip_prefix("import ") {
            let (what, from) = rest.split_once(" from ").ok_or_else(unknown)?;
            let number = self.imported(name, from)?;
            let _ = match (what.strip_prefix("* as "), list(what)) {
                (Some(all), _) => writeln!(body, "const {all} = m{number};"),
                (None, Some(names)) => {
                    let names: Vec<String> = names.map(|(theirs, own)| pair(theirs, own)).collect();
                    writeln!(body, "const {{ {} }} = m{number};", names.join(", "))
                }
                (None, None) => return Err(unknown()),
            };
            return Ok(());
        }
        let declared = statement.strip_prefix("export ").unwrap_or(statement);
        if let Some((what, from)) = declared.split_once(" from ").filter(|_| is_list(statement)) {
            let number = self.imported(name, from)?;
            let names = list(what).ok_or_else(unknown)?;
            exports.extend(names.map(|(theirs, own)| format!("{own}: m{number}.{theirs}")));
        } else if let Some(names) = list(declared) {
            exports.extend(names.map(|(own, theirs)| pair(theirs, own)));
        } else {
            exports.push(declares(declared).ok_or_else(unknown)?.to_owned());
            let _ = writeln!(body, "{declared}");
        }
        Ok(())
    }

    /// The number of the module that is imported by `'./its.js';`.
    fn imported(&mut self, name: &str, from: &str) -> Result<usize, BundleError> {
        let import = from.trim_end_matches(';').trim_matches(['\'', '"']);
        let mut path: Vec<&str> = name.split('/').collect();
        path.pop();
        for part in import.split('/') {
            match part {
                "." => {}
                ".." => drop(path.pop()),
                part => path.push(part),
            }
        }
        let path = path.join("/");
        if !self.files.contains_key(path.as_str()) {
            return Err(BundleError::Missing { name: name.to_owned(), import: import.to_owned() });
        }
        self.module(&path)
    }
}

fn is_list(statement: &str) -> bool {
    statement.starts_with("import {") || statement.starts_with("export {")
}

/// The names in `{ a, b as c };`, each as (name, its other name).
fn list(text: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
    let inside = text.trim_end_matches(';').strip_prefix('{')?.strip_suffix('}')?;
    let names = inside.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.map(|name| name.split_once(" as ").unwrap_or((name, name))))
}

/// A property and the variable that holds it.
fn pair(property: &str, variable: &str) -> String {
    if property == variable { variable.to_owned() } else { format!("{property}: {variable}") }
}

/// The name that a declaration gives. A `let` can change after it was handed on, so it has none.
fn declares(declaration: &str) -> Option<&str> {
    let named = ["async function* ", "async function ", "function* ", "function ", "class ", "const "];
    let rest = named.iter().find_map(|word| declaration.strip_prefix(word))?;
    let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_' && next != '$')?;
    rest.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<String, BundleError> {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        bundle(&files, "app.js")
    }

    #[test]
    fn modules_become_functions_behind_what_they_import() {
        let made = of(&[
            (
                "app.js",
                "import { one, two as second } from './lib/a.js';\nimport * as all from './b.js';\n// why\ngo(one, second, all);\n",
            ),
            ("b.js", "export { one as first } from './lib/a.js';\nexport class B {}\n"),
            (
                "lib/a.js",
                "import { B } from '../c.js';\nexport const one = 1;\nfunction own() {}\nexport { own as two };\n",
            ),
            ("c.js", "export function B() {}\n"),
        ]);
        assert_eq!(
            made.unwrap(),
            "const m0 = (() => {\nfunction B() {}\nreturn { B };\n})();\n\
             const m1 = (() => {\nconst { B } = m0;\nconst one = 1;\nfunction own() {}\nreturn { one, two: own };\n})();\n\
             const m2 = (() => {\nclass B {}\nreturn { first: m1.one, B };\n})();\n\
             const m3 = (() => {\nconst { one, two: second } = m1;\nconst all = m2;\ngo(one, second, all);\nreturn {  };\n})();\n"
        );
    }

    #[test]
    fn what_cannot_be_put_together_is_named() {
        let statement = |text: &str| BundleError::Statement { name: "app.js".into(), statement: text.into() };
        for (files, error) in [
            (
                vec![("app.js", "import { a } from './no.js';")],
                BundleError::Missing { name: "app.js".into(), import: "./no.js".into() },
            ),
            (
                vec![("app.js", "import { a } from './a.js';"), ("a.js", "import { b } from './app.js';")],
                BundleError::Cycle("app.js".into()),
            ),
            (vec![("app.js", "const a = 'b")], BundleError::Open { name: "app.js".into(), at: 10 }),
            (vec![("app.js", "export let a = 1;")], statement("export let a = 1;")),
            (vec![("app.js", "export default 1;")], statement("export default 1;")),
            (vec![("app.js", "import './a.js';"), ("a.js", "")], statement("import './a.js';")),
        ] {
            assert_eq!(of(&files), Err(error));
        }
    }
}
