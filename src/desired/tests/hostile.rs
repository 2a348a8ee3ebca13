//! Input that is not YAML, deceives, or is made to hurt.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::super::*;
use super::{codes_of, files, good, places, problems, shown};
use crate::diagnostic::{codes, render};
use crate::yaml;

#[test]
fn characters_that_deceive_are_refused_in_comments_too() {
    assert_snapshot!(shown("pop3:\n  a: enabled # \u{202e}delbasid\u{2066}\n  b: on\n"), @r"
    error[POP009]: the character U+202E makes this line read in another order than it is written
     --> a.yaml:2:16
      |
    2 |   a: enabled # �delbasid�
      |                ^ here
      |
      = help: delete it

    error[POP009]: the character U+2066 makes this line read in another order than it is written
     --> a.yaml:2:25
      |
    2 |   a: enabled # �delbasid�
      |                         ^ here
      |
      = help: delete it

    error[POP012]: access must be `enabled` or `disabled`, not `on`
     --> a.yaml:3:6
      |
    3 |   b: on
      |      ^^ not an access word
      |
      = help: write `enabled`
    ");
    assert_eq!(places("pop3:\n  a: enabled # x\u{2028}  b: disabled\n"), [(codes::LINE_BREAK, 2, 17, 1)]);
    assert_eq!(places("pop3:\r  a: enabled\n"), [(codes::LINE_BREAK, 1, 6, 1)]);
    assert_eq!(places("pop3:\n  ä: x\u{85}\n"), [(codes::LINE_BREAK, 2, 7, 1)]);
    assert_eq!(
        places("pop3:\n  a\0\0: enabled\u{7}\n"),
        [(codes::CONTROL_CHARACTER, 2, 4, 1), (codes::CONTROL_CHARACTER, 2, 15, 1)]
    );
    assert_eq!(places("pop3:\n\u{feff}  a: enabled\n"), [(codes::CONTROL_CHARACTER, 2, 1, 1)]);
}

#[test]
fn what_is_not_plain_data_is_refused() {
    assert_snapshot!(shown("pop3:\n  a: &x enabled\n  b: *x\n  <<: {c: enabled}\n  d: !!str enabled\n  ? [e]\n  : enabled\n"), @r"
    error[POP004]: an anchor is not allowed: this file is plain data
     --> a.yaml:2:6
      |
    2 |   a: &x enabled
      |      ^
      |
      = help: remove it; a name or a text that begins with `&` must be put in quotes

    error[POP004]: an alias is not allowed: this file is plain data
     --> a.yaml:3:6
      |
    3 |   b: *x
      |      ^
      |
      = help: write the value out; a name or a text that begins with `*` must be put in quotes

    error[POP004]: a merge key is not allowed: this file is plain data
     --> a.yaml:4:3
      |
    4 |   <<: {c: enabled}
      |   ^
      |
      = help: write the fields out

    error[POP005]: a tag is not allowed: this file is plain data
     --> a.yaml:5:6
      |
    5 |   d: !!str enabled
      |      ^
      |
      = help: remove it; a name or a text that begins with `!` must be put in quotes

    error[POP025]: a list or a map cannot stand before a colon
     --> a.yaml:6:5
      |
    6 |   ? [e]
      |     ^
      |
      = help: write a name; one with brackets or braces in it must be put in quotes
    ");
    assert_eq!(places("a: *unknown\n"), [(codes::ANCHOR, 1, 4, 1)]);
    assert_eq!(codes_of("pop3: {a: enabled}\n---\npop3: {b: enabled}\n"), [codes::SECOND_DOCUMENT]);
    assert_eq!(
        places("pop3:\n  a: enabled\n---\npop3:\n  b: enabled\n"),
        [(codes::SECOND_DOCUMENT, 3, 1, 1)]
    );
    assert_eq!(codes_of("? - a\n: b\n"), [codes::KEY_KIND]);
    let desired = good(
        "--- # one document is fine\npop3:\n  \"r&d@x.example\": enabled\n  r&d@y.example: enabled\n  '*': disabled\n",
    );
    assert_eq!(desired.len(), 3);
}

#[test]
fn bombs_are_refused_before_they_are_decoded() {
    let levels = ('b'..='i').zip('a'..='h');
    let levels =
        levels.map(|(name, of)| format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", ")));
    let aliases = format!("a: &a [x, x, x, x, x, x, x, x, x]\n{}", levels.collect::<Vec<_>>().concat());
    assert!(codes_of(&aliases).iter().all(|code| *code == codes::ANCHOR));
    for deep in [
        "[".repeat(1 << 16),
        "{".repeat(1 << 16),
        format!("pop3: {}", "[".repeat(1 << 16)),
        format!("pop3:\n  a: {}", "{a: ".repeat(1 << 14)),
        "- ".repeat(1 << 16),
        "? ".repeat(1 << 16),
        "-\t".repeat(1 << 10),
        (0..40).map(|depth| " ".repeat(depth) + "a:\n").collect(),
    ] {
        let codes = codes_of(&deep);
        assert!(
            codes.contains(&codes::TOO_DEEP) || codes == [codes::SYNTAX],
            "{codes:?} for {}",
            &deep[..20]
        );
    }
    assert_eq!(codes_of(&"[".repeat(9)), [codes::TOO_DEEP]);
}

#[test]
fn a_file_must_be_utf8_and_may_begin_with_a_byte_order_mark() {
    let rendered = render(&problems(b"pop3:\n  bj\xf6rn: enabled\n"), false);
    assert_snapshot!(rendered, @r"
    error[POP002]: the byte 0xf6 is not valid UTF-8
     --> a.yaml:2:5
      |
    2 |   bj�rn: enabled
      |     ^ from here on
      |
      = help: save the file as UTF-8
    ");
    let mut sixteen = vec![0xff, 0xfe];
    sixteen.extend("pop3: {}".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(problems(&sixteen)[0].message, "the file is UTF-16, not UTF-8");

    let desired = good("\u{feff}pop3:\r\n  björn: enabled\r\n  anna: disabled\r\n");
    let origin = desired.origin(desired.get("anna").unwrap());
    assert_eq!((origin.line, origin.column), (3, 3));
    assert_eq!(places("\u{feff}pop3: {ä: enabled, b: on}\r\n"), [(codes::ACCESS_WORD, 1, 23, 2)]);
}

#[test]
fn a_file_over_64_mib_is_refused_unread() {
    let mut bytes = b"pop3: {}\n#".to_vec();
    bytes.resize((64 << 20) + 1, b' ');
    assert_eq!(problems(&bytes)[0].code, codes::FILE_SIZE);
}

#[test]
fn what_lacks_quotes_is_said_to_lack_quotes() {
    assert_snapshot!(shown("pop3:\n  @x: enabled\n"), @r#"
    error[POP001]: not YAML: found character that cannot start any token
     --> a.yaml:2:3
      |
    2 |   @x: enabled
      |   ^^^
      |
      = help: a name with such characters must be quoted: "@x"
    "#);
    assert_snapshot!(shown("pop3:\n  a: b: enabled\n"), @r#"
    error[POP001]: not YAML: mapping values are not allowed in this context
     --> a.yaml:2:7
      |
    2 |   a: b: enabled
      |       ^
      |
      = help: a name with such characters must be quoted: "a: b"
    "#);
    assert_snapshot!(shown("pop3:\n  john #1: enabled\n  x: enabled\n"), @r#"
    error[POP001]: not YAML: did not find expected key
     --> a.yaml:2:3
      |
    2 |   john #1: enabled
      |   ^^^^
      |
      = help: a name with such characters must be quoted: "john #1"
    "#);
    assert_snapshot!(shown("pop3:\n  a: enabled\n  'b: enabled\n  c: enabled\n"), @r"
    error[POP001]: not YAML: found unexpected end of stream
     --> a.yaml:3:3
      |
    3 |   'b: enabled
      |   ^^^
      |
      = help: look for a quote that is not closed, or for text after the closing one
    ");
    assert_snapshot!(shown("pop3:\n\ta: enabled\n"), @r"
    error[POP001]: not YAML: found character that cannot start any token
     --> a.yaml:2:1
      |
    2 |     a: enabled
      | ^^^^
      |
      = help: indent with spaces, not with tabs
    ");
    assert_snapshot!(shown("pop3:\n  a: enabled\n  b enabled\n  c: enabled\n"), @r"
    error[POP001]: not YAML: could not find expected ':'
     --> a.yaml:3:3
      |
    3 |   b enabled
      |   ^
      |
      = help: a line needs a colon and a space between the name and the value: `name: enabled`
    ");
    for line in ["`x: enabled", "%x: enabled", "[x]: y: enabled", "john #1: enabled\n  b: enabled"] {
        let problem = problems(format!("pop3:\n  {line}\n").as_bytes()).swap_remove(0);
        assert!(problem.help.as_ref().unwrap().contains("quote"), "{line}: {problem:?}");
    }
}

#[test]
fn a_key_as_long_as_a_book_is_not_repeated_in_the_message() {
    let rendered = shown(&format!("pop3:\n  {}: enabled\n", "x".repeat(5000)));
    assert!(rendered.len() < 1000, "{rendered}");
    let rendered = shown(&format!("pop3:\n  a: {}\n", "y".repeat(5000)));
    assert!(rendered.contains(&format!("`{}…`", "y".repeat(80))) && rendered.len() < 1000, "{rendered}");
}

#[test]
fn what_a_terminal_would_obey_never_reaches_it() {
    for text in ["pop3: {\"a\\e[31m\": \"on\\e[2J\"}\n", "pop3:\n  a: \u{1b}[31m\n", "\"po\\rp\": 1\n"] {
        let rendered = shown(text);
        assert!(!rendered.contains(['\u{1b}', '\r']), "{rendered:?}");
    }
    let file = SourceFile { path: "a\u{1b}[31m\n.yaml".to_owned(), bytes: Vec::new() };
    let rendered = render(&read(vec![file]).unwrap_err(), false);
    assert!(!rendered.contains('\u{1b}'), "{rendered:?}");
}

#[test]
fn at_most_a_thousand_problems_are_shown_and_the_rest_is_counted() {
    let text = (0..1234).map(|user| format!("  u{user}: on\n")).collect::<Vec<_>>().concat();
    let rendered = shown(&format!("pop3:\n{text}"));
    assert_eq!(rendered.matches("error[POP012]").count(), 1000);
    assert!(
        rendered.ends_with("\n… and 234 more problems; the first 1000 are shown\n"),
        "{}",
        &rendered[rendered.len() - 99..]
    );
}

/// A text that is much like YAML, so that odd mixtures come up often.
fn almost_yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("pop3:\n".to_owned()),
        4 => "[ ]{0,6}(a|b|ä|\"c\"|'d'|e f): (enabled|disabled|on|1|~|\\{access: enabled\\}|)( # x)?\r?\n",
        2 => "[ ]{1,6}(access|until|reason): (enabled|2026-12-31|1|x y|\\|)\n",
        1 => "[-?:,&*!|>'\"%@`#{}\\[\\] \t\na<~]{1,4}",
        1 => "\\PC{1,3}",
        1 => Just("---\n".to_owned()),
        1 => prop_oneof![Just("\u{85}"), Just("\r"), Just("\u{2028}"), Just("\u{feff}"), Just("\0"), Just("\u{202e}")].prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// Every key and every value, in the order of the text.
fn flatten(raw: &yaml::Raw<'_>, out: &mut Vec<String>) {
    match raw {
        yaml::Raw::Map(pairs) => {
            for (key, value) in pairs {
                out.push(key.text.to_string());
                flatten(value, out);
            }
        }
        yaml::Raw::Text(text) => out.push(text.to_string()),
        yaml::Raw::Number(number) => out.push(number.to_string()),
        other => panic!("{} is never accepted", other.kind()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_bytes_make_reading_or_rendering_panic(bytes: Vec<u8>, text in almost_yaml()) {
        for bytes in [bytes, text.into_bytes()] {
            let file = SourceFile { path: "a.yaml".to_owned(), bytes };
            match read(vec![file.clone(), file]) {
                Ok(desired) => prop_assert!(desired.is_empty()),
                Err(problems) => {
                    let rendered = render(&problems, false);
                    prop_assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'), "{:?}", rendered);
                    let one = serde_json::to_value(&problems).unwrap();
                    prop_assert_eq!(one.as_array().unwrap().len(), problems.len());
                }
            }
        }
    }

    #[test]
    fn another_parser_sees_the_same_users_in_what_is_accepted(text in almost_yaml()) {
        if read(files(&[("a.yaml", &text)])).is_ok() {
            let mut ours = Vec::new();
            flatten(&yaml::decode("a.yaml", text.trim_start_matches('\u{feff}')).unwrap(), &mut ours);
            let theirs: Vec<String> = saphyr_parser::Parser::new_from_str(&text)
                .filter_map(|event| match event.unwrap().0 {
                    saphyr_parser::Event::Scalar(scalar, ..) => Some(scalar.into_owned()),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn an_entry_stands_where_its_name_begins_however_it_is_quoted(name in "[^\\pC]{1,20}", quote in 0..4usize, padding in "[^\\pC\\p{Zl}\\p{Zp}]{0,9}") {
        let key = match quote {
            0 => yaml::quote(&name),
            1 => format!("'{}'", name.replace('\'', "''")),
            2 => format!("\"{}\"", name.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<Vec<_>>().concat()),
            _ => name,
        };
        let column = 21 + u32::try_from(key.len() - key.trim_start_matches(' ').len()).unwrap();
        let text = format!("# {padding}\npop3: {{x: disabled, {key}: enabled}}\n");
        if let Ok(desired) = read(files(&[("a.yaml", &text)])) {
            for entry in desired.iter().filter(|entry| entry.name != "x") {
                let origin = desired.origin(entry);
                prop_assert_eq!((origin.line, origin.column), (2, column), "{}", text);
            }
        }
    }

    #[test]
    fn a_place_is_right_whatever_stands_before_it(name in "[^\\pC\\pZ'\"]{1,30}", padding in "[^\\pC\\p{Zl}\\p{Zp}]{0,10}") {
        prop_assume!(rules::check_name(&name).is_ok());
        let key = yaml::quote(&name);
        let text = format!("# {padding}\npop3: {{ {key}: on }} # {padding}\n");
        let width = u32::try_from(key.chars().count()).unwrap();
        prop_assert_eq!(places(&text), [(codes::ACCESS_WORD, 2, 9 + width + 2, 2)]);
    }
}
