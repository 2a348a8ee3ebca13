//! Two texts of one file as a unified diff.

use std::fmt;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::super::harmless::{harmless, line_as_shown};

/// How long the shortest diff is looked for; after that a longer one is good enough.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes what differs between two texts of a file; nothing where nothing does.
///
/// # Errors
/// Only those of `out`.
pub fn texts(name: &str, before: &str, after: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
    let mut unified = diff.unified_diff();
    let mut begun = false;
    for hunk in unified.context_radius(super::CONTEXT).iter_hunks() {
        if !begun {
            let name = harmless(name);
            writeln!(out, "--- {name}\n+++ {name}")?;
            begun = true;
        }
        writeln!(out, "{}", hunk.header())?;
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value();
            let ends = line.ends_with('\n');
            let line = line.strip_suffix('\n').unwrap_or(line);
            // A line break of Windows is no part of the line either.
            writeln!(out, "{sign}{}", line_as_shown(line.strip_suffix('\r').unwrap_or(line)))?;
            if !ends {
                writeln!(out, "\\ No newline at end of file")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_differ_line_by_line_and_no_line_is_a_command() {
        let mut out = String::new();
        texts(
            "a.yaml",
            "pop3:\n  ::x: enabled\n  b: enabled",
            "pop3:\n  ::x: enabled\n  b: disabled\n",
            &mut out,
        )
        .unwrap();
        assert_eq!(
            out,
            "--- a.yaml\n+++ a.yaml\n@@ -1,3 +1,3 @@\n pop3:\n   \\u{3a}:x: enabled\n-  b: enabled\n\\ No newline at end of \
             file\n+  b: disabled\n"
        );
        out.clear();
        texts("a.yaml", "same\n", "same\n", &mut out).unwrap();
        assert_eq!(out, "");
    }
}
