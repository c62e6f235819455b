//! Removes comments and indentation from a script, by the lexical grammar of ECMAScript (ECMA-262, section 12).
//!
//! Line breaks stay where they end a statement. Whether a slash begins a regular expression is told by the token before it;
//! a wrong guess leaves a string or an expression open, which is an error.

/// Words after which a slash begins a regular expression.
const BEFORE_EXPRESSION: [&str; 14] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "do",
    "instanceof",
    "yield",
    "await",
];

/// Comments that are kept: licences.
const KEPT: &str = "/*!";

struct Script<'a> {
    source: &'a str,
    at: usize,
    out: String,
    /// The last token ends a value: a slash divides it.
    value: bool,
    /// Braces that are open, in each `${` of a template and outside of all.
    braces: Vec<usize>,
}

/// The script without what only its readers need.
///
/// # Errors
/// The byte at which a string, a template, a comment or a regular expression begins that has no end.
pub(super) fn strip(source: &str) -> Result<String, usize> {
    let out = String::with_capacity(source.len());
    let mut script = Script { source, at: 0, out, value: false, braces: vec![0] };
    while let Some(next) = script.rest().chars().next() {
        script.token(next)?;
    }
    if script.braces.len() > 1 { Err(source.len()) } else { Ok(script.out) }
}

impl Script<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Copies this many bytes.
    fn copy(&mut self, length: usize) {
        let end = self.at.saturating_add(length);
        self.out.push_str(self.source.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    fn token(&mut self, next: char) -> Result<(), usize> {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            self.comment()?;
        } else if next.is_whitespace() {
            self.at += next.len_utf8();
            self.space(next);
        } else if next == '"' || next == '\'' {
            self.quoted(next)?;
        } else if next == '`' {
            self.copy(1);
            self.template()?;
        } else if next == '/' && !self.value {
            self.expression()?;
        } else if is_word(next) {
            self.word();
        } else {
            return self.sign(next);
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), usize> {
        let rest = self.rest();
        let length = rest.get(2..).and_then(|inside| inside.find("*/")).ok_or(self.at)? + 4;
        if rest.starts_with(KEPT) {
            self.copy(length);
            return Ok(());
        }
        // A comment of several lines ends a line (ECMA-262, section 12.4).
        let lines = rest.get(..length).is_some_and(|comment| comment.contains('\n'));
        self.at += length;
        self.space(if lines { '\n' } else { ' ' });
        Ok(())
    }

    /// Writes one line break, or one blank within a line.
    fn space(&mut self, next: char) {
        if next == '\n' {
            while self.out.ends_with(' ') {
                self.out.pop();
            }
        }
        if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(if next == '\n' { '\n' } else { ' ' });
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), usize> {
        let mut escaped = false;
        for (at, next) in self.rest().char_indices().skip(1) {
            match next {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' => break,
                _ if next == quote => {
                    self.copy(at + 1);
                    self.value = true;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.at)
    }

    /// What follows a backquote, or the brace that ends a `${`, up to the template's end or its next `${`.
    fn template(&mut self) -> Result<(), usize> {
        let mut escaped = false;
        let mut before = ' ';
        for (at, next) in self.rest().char_indices() {
            if escaped {
                (escaped, before) = (false, ' ');
                continue;
            }
            match next {
                '\\' => escaped = true,
                '`' => {
                    self.copy(at + 1);
                    self.value = true;
                    return Ok(());
                }
                '{' if before == '$' => {
                    self.copy(at + 1);
                    self.value = false;
                    self.braces.push(0);
                    return Ok(());
                }
                _ => {}
            }
            before = next;
        }
        Err(self.at)
    }

    fn expression(&mut self) -> Result<(), usize> {
        let (mut escaped, mut class) = (false, false);
        for (at, next) in self.rest().char_indices().skip(1) {
            match next {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                '/' if !class => {
                    self.copy(at + 1);
                    self.value = true;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.at)
    }

    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.value = self.out.ends_with('.') || !BEFORE_EXPRESSION.contains(&word);
        self.copy(length);
    }

    fn sign(&mut self, next: char) -> Result<(), usize> {
        let inside = self.braces.len() > 1;
        match (next, self.braces.last_mut()) {
            ('{', Some(open)) => *open += 1,
            ('}', Some(0)) if inside => {
                self.braces.pop();
                self.copy(1);
                return self.template();
            }
            ('}', Some(open)) => *open = open.checked_sub(1).ok_or(self.at)?,
            _ => {}
        }
        self.copy(next.len_utf8());
        self.value = matches!(next, ')' | ']' | '}');
        Ok(())
    }
}

fn is_word(next: char) -> bool {
    next.is_alphanumeric() || matches!(next, '_' | '$' | '#' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_go() {
        let source = "// head\n/** what\n * it is */\nexport function f(a) {\n  // why\n  return a /* b */ + 1; // c\n\n}\n";
        assert_eq!(strip(source).unwrap(), "export function f(a) {\nreturn a + 1;\n}\n");
        assert_eq!(strip("/*! licence */ a").unwrap(), "/*! licence */ a");
        assert_eq!(strip("return /* two\nlines */ 1").unwrap(), "return\n1");
    }

    #[test]
    fn texts_stay_as_they_are() {
        for same in [
            "const a = 'https://x  // y';",
            "const b = \"it's /* no */  comment\";",
            "const c = `a  // ${f({ b: `x  ${1} // y` })}  /* z */\n   next`;",
            "const d = /[/'\"`]\\/ *\\/\\/ /u.test(a) / 2 / 3;",
            "const e = '\\'// ';",
            "const f = `\\${ // ` + `$` + `$\\{`;",
            "const g = x.in / 2 + '//';",
            "if (a) { return /`/; }",
        ] {
            assert_eq!(strip(same).unwrap(), same);
        }
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        for (open, at) in [("a 'b\n'", 2), ("`a ${b", 6), ("a /* b", 2), ("= /a\n/", 2), ("`a", 1), ("}", 0)]
        {
            assert_eq!(strip(open), Err(at), "{open}");
        }
    }
}
