//! Takes the fenced blocks out of a Markdown text, each with the comment that says in which setting it is tested.

/// One fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Line of the opening fence, from 1.
    pub(crate) line: usize,
    /// The word after the fence: `sh`, `yaml`, `text`.
    pub(crate) language: String,
    /// What stands in `<!-- KIND: NAME -->` on the line before the fence.
    pub(crate) marker: Option<(String, String)>,
    /// The lines between the fences, each with its number.
    pub(crate) lines: Vec<(usize, String)>,
}

impl Block {
    /// The block as one text.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect()
    }
}

/// One command of a `sh` block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Line in the Markdown text, from 1.
    pub(crate) line: usize,
    /// The command, without its comment.
    pub(crate) text: String,
    /// The exit code that its comment `# exit N: why` promises; 0 without one.
    pub(crate) exit: i32,
}

/// Lists all fenced blocks in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = "";
    for (number, line) in (1..).zip(markdown.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Block { line: number, language, marker: marker(before), lines: Vec::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push((number, line.to_owned())),
            (None, None) => {}
        }
        before = line;
    }
    found
}

/// Lists the commands of a `sh` block: one a line, empty lines and comments left out.
pub(crate) fn commands(block: &Block) -> Vec<Command> {
    block
        .lines
        .iter()
        .filter_map(|(line, text)| {
            let (text, comment) = text.split_once(" # ").unwrap_or((text, ""));
            let exit = comment.trim().strip_prefix("exit ").map_or(0, |rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().expect("`# exit` is followed by a number")
            });
            let text = text.trim();
            (!text.is_empty() && !text.starts_with('#')).then(|| Command {
                line: *line,
                text: text.to_owned(),
                exit,
            })
        })
        .collect()
}

/// Tells whether `have` is what `shown` shows, where a line `...` stands for any number of lines.
pub(crate) fn shows(shown: &[&str], have: &[&str]) -> bool {
    match shown.split_first() {
        None => have.is_empty(),
        Some((&"...", rest)) => (0..=have.len()).any(|skipped| shows(rest, &have[skipped..])),
        Some((first, rest)) => {
            have.split_first().is_some_and(|(line, have)| is_line(first, line) && shows(rest, have))
        }
    }
}

/// Tells whether a line is as shown, where `...` at the end of what is shown stands for any text.
pub(crate) fn is_line(shown: &str, line: &str) -> bool {
    match shown.trim_end().strip_suffix("...") {
        Some(beginning) => line.starts_with(beginning),
        None => shown.trim_end() == line.trim_end(),
    }
}

fn marker(line: &str) -> Option<(String, String)> {
    let inside = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    let (kind, name) = inside.split_once(':')?;
    Some((kind.trim().to_owned(), name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_carry_their_marker_their_language_and_their_lines() {
        let found = blocks("Text.\n\n<!-- test: tour -->\n```sh\na\n\nb\n```\n```yaml\nc\n```\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].line, 4);
        assert_eq!(found[0].language, "sh");
        assert_eq!(found[0].marker, Some(("test".to_owned(), "tour".to_owned())));
        assert_eq!(found[0].text(), "a\n\nb\n");
        assert_eq!((found[1].language.as_str(), found[1].marker.as_ref()), ("yaml", None));
    }

    #[test]
    fn a_command_says_its_exit_code_in_a_comment() {
        let block =
            &blocks("```sh\n# A note.\npopgate plan   # exit 2: changes\n\npopgate get  # who\n```\n")[0];
        let command = |line, text: &str, exit| Command { line, text: text.to_owned(), exit };
        assert_eq!(commands(block), [command(3, "popgate plan", 2), command(5, "popgate get", 0)]);
    }

    #[test]
    fn three_dots_stand_for_any_lines_and_nothing_else_does() {
        assert!(shows(&["a", "...", "d"], &["a", "b", "c", "d"]));
        assert!(shows(&["..."], &[]));
        assert!(!shows(&["a", "...", "d"], &["a", "b"]));
        assert!(!shows(&["a"], &["a", "b"]));
    }

    #[test]
    fn three_dots_at_the_end_of_a_line_stand_for_the_rest_of_it() {
        assert!(shows(&["plan 1 · ...", "b"], &["plan 1 · at noon", "b"]));
        assert!(!shows(&["plan 1 · ...", "b"], &["plan 2 · at noon", "b"]));
        assert!(!is_line("a", "a b"));
    }
}
