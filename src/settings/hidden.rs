//! Which lines of a settings file must not be shown, because a secret may stand there.
//!
//! Settings take no secret inline, but people write one before they know. Whatever is wrong then, the message must not
//! carry it into a log. The search is by the look of the text, so it works in a file that is not even YAML, and it
//! rather hides a line too many.

/// Parts of the names of fields that hold secrets.
const DELICATE: [&str; 10] =
    ["pass", "pwd", "secret", "token", "credential", "apikey", "api_key", "private", "bearer", "pw"];

/// Words whose misspelling is searched for, too.
const MISSPELT: [&str; 4] = ["password", "passphrase", "secret", "credentials"];

/// Tells, for every line, whether it must not be shown.
pub(super) fn lines(lines: &[&str]) -> Vec<bool> {
    let mut hidden = vec![false; lines.len()];
    // The indentation of a delicate key whose value may go on below it.
    let mut open: Option<usize> = None;
    for (line, hide) in lines.iter().zip(&mut hidden) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if open.is_some_and(|key| !text.is_empty() && indent <= key) {
            open = None;
        }
        let delicate = keys(text).filter(|key| is_delicate(key)).count() > 0;
        *hide = open.is_some() || delicate || holds_userinfo(text);
        if delicate && open.is_none() {
            open = Some(indent);
        }
    }
    // A value may begin at the indentation of its key, inside of brackets.
    for line in 0..lines.len() {
        let key_alone = lines[line].trim_end().ends_with(':');
        if hidden[line] && key_alone && line + 1 < lines.len() {
            hidden[line + 1] = true;
        }
    }
    hidden
}

/// Tells whether a field of this name would hold a secret, even if the name is misspelt.
pub(super) fn is_delicate(field: &str) -> bool {
    let field = field.to_lowercase();
    DELICATE.iter().any(|part| field.contains(part))
        || MISSPELT.iter().any(|word| {
            // No further apart than they can be by their lengths alone, which is soon known.
            word.len().abs_diff(field.chars().count()) <= 2 && strsim::osa_distance(word, &field) <= 2
        })
}

/// Every word of a line that stands before a colon.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(':').filter_map(|(colon, _)| {
        let before = text[..colon].trim_end().trim_end_matches(['"', '\'']);
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |last| last + before[last..].chars().next().map_or(0, char::len_utf8));
        let word = &before[start..];
        (!word.is_empty() && word.len() <= 64).then_some(word)
    })
}

/// Tells whether a text holds an address such as `https://user:password@host` or `https://token@host`. A user alone is
/// no secret for SSH.
pub(super) fn holds_userinfo(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let authority = text[at + mark.len()..].split(['/', '?', '#', ' ', '"', '\'', ',']).next();
        let userinfo = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
        userinfo.is_some_and(|user| user.contains(':') || !text[..at].ends_with("ssh"))
    })
}

#[cfg(test)]
mod tests {

    fn hidden(text: &str) -> Vec<usize> {
        let lines: Vec<_> = text.lines().collect();
        super::lines(&lines).iter().enumerate().filter(|(_, hide)| **hide).map(|(line, _)| line + 1).collect()
    }

    #[test]
    fn lines_with_a_secret_are_hidden() {
        assert_eq!(hidden("a: 1\npassword: hunter2\nb: 2\n"), [2]);
        assert_eq!(hidden("store: {type: exchange, \"Password\" : hunter2}\n"), [1]);
        assert_eq!(
            hidden("passwort: hunter2\npasword: hunter2\nsercet: hunter2\nbind_pw: hunter2"),
            [1, 2, 3, 4]
        );
        assert_eq!(hidden("url: https://me:hunter2@git.example/x\nurl: https://git.example/a@b\n"), [1]);
        assert_eq!(hidden("url: ssh://git@git.example/x\nurl: https://token@git.example/x\n"), [2]);
    }

    #[test]
    fn a_secret_over_several_lines_is_hidden_to_its_end() {
        assert_eq!(hidden("a:\n  token: |\n    one\n\n    two\n  b: 1\nc: 2\n"), [2, 3, 4, 5]);
        assert_eq!(hidden("{\npassword:\nhunter2,\nb: 1}\n"), [2, 3]);
        assert_eq!(hidden("  - password:\n      hunter2\n  - b: 1\n"), [1, 2]);
    }

    #[test]
    fn other_lines_are_shown() {
        assert_eq!(
            hidden("targets:\n  default:\n    desired: x\n    restart: {quiet: 30s, max_delay: 15m}\n"),
            [0; 0]
        );
        assert_eq!(hidden("at: 22:00-02:00\nwhere: \"active = 1\"\nkey: username\n"), [0; 0]);
        assert_eq!(hidden(""), [0; 0]);
    }
}
