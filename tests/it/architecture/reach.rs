//! Reads Rust source just far enough to know which paths and macros its code reaches for.
//!
//! Comments, texts and everything behind `#[cfg(test)]` do not count. No types are known here: a path is taken as
//! written, with the braces of `use` spread out.

/// One path that the code names, or one macro that it calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Line, from 1.
    pub(crate) line: usize,
    /// The segments as written; a glob import ends in `*`.
    pub(crate) path: Vec<String>,
    /// How the path is used.
    pub(crate) kind: Kind,
}

/// How a path is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `name!(…)`.
    Macro,
    /// `.name(…)`.
    Method,
    /// `mod name`.
    Module,
    /// A path in code.
    Path,
    /// A path that a `use` brings in.
    Use,
}

/// Lists everything that the code in `text` reaches for, from the first line to the last.
pub(crate) fn reaches(text: &str) -> Vec<Reach> {
    let tokens = without_tests(&tokens(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = match (&tokens[at].1, tokens.get(at + 1).map(|next| &next.1)) {
            (Token::Word(word), Some(next)) if word == "use" && *next != Token::Mark('<') => {
                use_tree(&tokens, at + 1, &[], &mut found)
            }
            (Token::Word(word), Some(Token::Word(name))) if word == "mod" => {
                found.push(Reach { line: tokens[at].0, path: vec![name.clone()], kind: Kind::Module });
                at + 2
            }
            (Token::Word(_), _) => path(&tokens, at, &mut found),
            _ => at + 1,
        };
    }
    found
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// An identifier, a keyword or a number.
    Word(String),
    /// `::`
    Colons,
    /// Any other character.
    Mark(char),
}

type Tokens = Vec<(usize, Token)>;

fn path(tokens: &Tokens, start: usize, found: &mut Vec<Reach>) -> usize {
    let mark =
        |at: usize, wanted: char| tokens.get(at).is_some_and(|(_, token)| *token == Token::Mark(wanted));
    let mut segments = Vec::new();
    let mut at = start;
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        segments.push(word.clone());
        at += 1;
        if !matches!(
            (tokens.get(at), tokens.get(at + 1)),
            (Some((_, Token::Colons)), Some((_, Token::Word(_))))
        ) {
            break;
        }
        at += 1;
    }
    let opens = |at: usize| "([{".chars().any(|open| mark(at, open));
    let kind = if mark(at, '!') && opens(at + 1) {
        Kind::Macro
    } else if start > 0 && mark(start - 1, '.') && segments.len() == 1 && mark(at, '(') {
        Kind::Method
    } else {
        Kind::Path
    };
    found.push(Reach { line: tokens[start].0, path: segments, kind });
    at
}

/// Reads one branch of a `use` and returns where it ends: at its `,`, `}` or behind its `;`.
fn use_tree(tokens: &Tokens, start: usize, before: &[String], found: &mut Vec<Reach>) -> usize {
    let mut path = before.to_vec();
    let mut line = tokens.get(start).map_or(0, |token| token.0);
    let mut at = start;
    while let Some((here, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "as" => at += 2,
            Token::Word(word) => {
                line = *here;
                path.push(word.clone());
                at += 1;
            }
            Token::Colons => at += 1,
            Token::Mark('*') => {
                path.push("*".to_owned());
                at += 1;
            }
            Token::Mark('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|(_, token)| *token != Token::Mark('}')) {
                    at = use_tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|(_, token)| *token == Token::Mark(',')) {
                        at += 1;
                    }
                }
                // The branches have said it all.
                return end_of_branch(tokens, at + 1);
            }
            Token::Mark(_) => break,
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    found.push(Reach { line, path, kind: Kind::Use });
    end_of_branch(tokens, at)
}

fn end_of_branch(tokens: &Tokens, at: usize) -> usize {
    if tokens.get(at).is_some_and(|(_, token)| *token == Token::Mark(';')) { at + 1 } else { at }
}

fn tokens(text: &str) -> Tokens {
    let text: Vec<char> = text.chars().collect();
    let starts =
        |at: usize, wanted: &str| wanted.chars().enumerate().all(|(n, c)| text.get(at + n) == Some(&c));
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut found = Tokens::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let start = at;
        match text[at] {
            '/' if starts(at, "//") => at += text[at..].iter().take_while(|c| **c != '\n').count(),
            '/' if starts(at, "/*") => {
                let mut depth = 0;
                while at < text.len() {
                    let (step, change) = match (starts(at, "/*"), starts(at, "*/")) {
                        (true, _) => (2, 1),
                        (_, true) => (2, -1),
                        _ => (1, 0),
                    };
                    at += step;
                    depth += change;
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => at = behind_quote(&text, at),
            // 'a' and '\n' are characters, 'a alone is a lifetime.
            '\'' if text.get(at + 1) == Some(&'\\') => {
                at += 3;
                while at < text.len() && text[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if text.get(at + 2) == Some(&'\'') => at += 3,
            c if is_word(c) => {
                at += text[at..].iter().take_while(|c| is_word(**c)).count();
                let word: String = text[start..at].iter().collect();
                let hashes = text[at..].iter().take_while(|c| **c == '#').count();
                if ["r", "br", "cr"].contains(&word.as_str()) && text.get(at + hashes) == Some(&'"') {
                    at = behind_raw(&text, at + hashes + 1, hashes);
                } else if word == "r" && hashes == 1 {
                    // A raw identifier: the word itself follows.
                    at += 1;
                } else {
                    found.push((line, Token::Word(word)));
                }
            }
            ':' if starts(at, "::") => {
                at += 2;
                found.push((line, Token::Colons));
            }
            c => {
                at += 1;
                if !c.is_whitespace() && c != '\'' {
                    found.push((line, Token::Mark(c)));
                }
            }
        }
        at = at.min(text.len());
        line += text[start..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn behind_quote(text: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn behind_raw(text: &[char], inside: usize, hashes: usize) -> usize {
    let mut at = inside;
    while at < text.len() {
        at += 1;
        if text[at - 1] == '"' && (0..hashes).all(|n| text.get(at + n) == Some(&'#')) {
            return at + hashes;
        }
    }
    at
}

/// Takes out every item behind `#[cfg(test)]`, and the whole file behind `#![cfg(test)]`.
fn without_tests(tokens: &Tokens) -> Tokens {
    let mark =
        |at: usize, wanted: char| tokens.get(at).is_some_and(|(_, token)| *token == Token::Mark(wanted));
    let word = |at: usize, wanted: &str| matches!(tokens.get(at), Some((_, Token::Word(w))) if w == wanted);
    let mut kept = Tokens::new();
    let mut at = 0;
    while at < tokens.len() {
        let inner = mark(at, '#') && mark(at + 1, '!');
        let open = at + 1 + usize::from(inner);
        if !(mark(at, '#') && mark(open, '[')) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let close = behind_brackets(tokens, open);
        let for_tests = word(open + 1, "cfg")
            && (open..close).any(|at| word(at, "test"))
            && !(open..close).any(|at| word(at, "not"));
        if !for_tests {
            kept.extend(tokens[at..close].iter().cloned());
            at = close;
        } else if inner {
            return Tokens::new();
        } else {
            at = close;
            while at < tokens.len() {
                if mark(at, ';') {
                    at += 1;
                    break;
                }
                let body = mark(at, '{');
                at =
                    if body || mark(at, '(') || mark(at, '[') { behind_brackets(tokens, at) } else { at + 1 };
                // `use a::{b};` goes on behind its brace, and only a lone `;` can follow.
                if body && !mark(at, ';') {
                    break;
                }
            }
        }
    }
    kept
}

fn behind_brackets(tokens: &Tokens, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, (_, token)) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, kind: Kind) -> Vec<String> {
        reaches(text)
            .into_iter()
            .filter(|reach| reach.kind == kind)
            .map(|reach| format!("{}:{}", reach.line, reach.path.join("::")))
            .collect()
    }

    #[test]
    fn the_braces_of_a_use_are_spread_out() {
        let text =
            "use std::{\n    fs as disk, io::{self, Read},\n    time::*,\n};\npub use crate::model::Now;";
        assert_eq!(
            names(text, Kind::Use),
            ["2:std::fs", "2:std::io", "2:std::io::Read", "3:std::time::*", "5:crate::model::Now"]
        );
    }

    #[test]
    fn paths_macros_methods_and_modules_in_code_are_seen() {
        let text = "mod a;\nfn f<'a>(x: &'a str) -> bool { ::std::fs::read(x); x.exists(); println!(\"\"); 'a' != '\\'' }";
        assert_eq!(names(text, Kind::Module), ["1:a"]);
        assert!(names(text, Kind::Path).contains(&"2:std::fs::read".to_owned()));
        assert_eq!(names(text, Kind::Method), ["2:exists"]);
        assert_eq!(names(text, Kind::Macro), ["2:println"]);
    }

    #[test]
    fn comments_and_texts_do_not_count() {
        let text = r##"
            // std::fs
            /* std::fs /* nested */ std::fs */
            const A: &str = "std::fs \" std::fs";
            const B: &str = r#"std::fs " std::fs"#;
            const C: (char, char) = ('"', '\u{22}');
            fn g() { std::net::x() }
        "##;
        let outside: Vec<_> =
            names(text, Kind::Path).into_iter().filter(|path| path.contains("std")).collect();
        assert_eq!(outside, ["7:std::net::x"]);
    }

    #[test]
    fn test_code_does_not_count_and_what_follows_it_does() {
        let text = "#[cfg(test)]\nuse std::{fs};\n#[cfg(test)]\n#[expect(x)]\nmod tests { fn a() { std::fs::b() } }\n\
                    #[cfg(not(test))]\nfn c() { std::net::d() }";
        let all = [names(text, Kind::Use), names(text, Kind::Path)].concat();
        assert!(!all.iter().any(|path| path.contains("std::fs")), "{all:?}");
        assert!(all.contains(&"7:std::net::d".to_owned()), "{all:?}");
        assert!(reaches("#![cfg(test)]\nuse std::fs;").is_empty());
    }
}
