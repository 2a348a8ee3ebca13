//! Whatever is written, reading ends with settings or with problems that can be shown.

use proptest::prelude::*;

use super::*;
use crate::diagnostic::Severity;

fn read_any(text: &str) -> Result<Settings, Vec<Diagnostic>> {
    read(text, "popgate.yaml", Path::new("/etc/popgate"))
}

/// Every problem has a code of the table and a place in the text.
fn check(text: &str) {
    let found = match read_any(text) {
        Ok(settings) => {
            assert!(settings.warnings.iter().all(|problem| problem.severity == Severity::Warning));
            settings.warnings
        }
        Err(found) => {
            assert!(found.iter().any(|problem| problem.severity == Severity::Error));
            found
        }
    };
    let lines = text.lines().count();
    for problem in &found {
        assert!(codes::TABLE.iter().any(|entry| entry.code == problem.code), "{problem:?}");
        assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
        for spot in problem.labels.iter().filter_map(|label| label.at.as_ref()) {
            assert!(
                (1..=lines.max(1)).contains(&(spot.line as usize)) && spot.column >= 1 && spot.width >= 1
            );
        }
    }
}

/// Pieces of settings that, in any order, reach far into the readers.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "targets:",
        "t:",
        "desired:",
        "store:",
        "service:",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "type",
        "sqlite",
        "table",
        "path",
        "windows",
        "at",
        "22:00-02:00",
        "days",
        "mon",
        "allow",
        "restarts",
        "'",
        "\"",
        "restart",
        "quiet",
        "30s",
        "5",
        "1.5",
        "null",
        "true",
        "guards",
        "max_disable",
        "percent",
        "password",
        "hunter2",
        "git",
        "https://a:b@c",
        "timezone",
        "Europe/Berln",
        "\\0",
        "\\u202e",
        "#",
        "|",
        ">",
        "~",
        "&a",
        "*a",
        "!!str",
        "\t",
        "\r\n",
        "\u{85}",
        "ü",
        "\u{feff}",
        "version",
        "1",
        "web",
        "listen",
        "notify",
        "command",
        "log",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_fragments_never_panic(fragments in prop::collection::vec(fragment(), 0..60)) {
        check(&fragments.concat());
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_never_panics(
        from in 0..good::WHOLE.len(),
        length in 0..40usize,
        instead in prop::collection::vec(fragment(), 0..3),
    ) {
        let to = (from + length).min(good::WHOLE.len());
        check(&format!("{}{}{}", &good::WHOLE[..from], instead.concat(), &good::WHOLE[to..]));
    }

    #[test]
    fn no_secret_is_ever_shown(
        before in prop::collection::vec(fragment(), 0..8),
        field in prop::sample::select(vec!["password", "Password", "passwrod", "client_secret", "token", "api_key"]),
        style in prop::sample::select(vec![" s3cr3tvalue", " \"s3cr3tvalue", " |\n          s3cr3tvalue", "\n          s3cr3tvalue", " [s3cr3tvalue]"]),
        after in prop::collection::vec(fragment(), 0..8),
    ) {
        let text = format!("{}\nstore: {{type: exchange,\n  x: {}\n      {field}:{style}{}", TARGET, before.concat(), after.concat());
        for text in [&text, &store(&format!("\n      type: exchange\n      {field}:{style}{}", after.concat()))] {
            if let Err(found) = read_any(text) {
                prop_assert!(!format!("{found:?}").contains("s3cr3tvalue"), "{}\n{:?}", text, found);
            }
        }
    }
}

#[test]
fn the_source_line_is_shown_unless_a_secret_stands_in_it() {
    let found = read_any(&with("colour: red")).unwrap_err();
    assert_eq!(found[0].labels[0].at.as_ref().unwrap().source.as_deref(), Some("    colour: red"));
    let found = read_any(&with("bind: {colour: red, password: hunter2}\ncolour: red")).unwrap_err();
    assert_eq!(found[0].labels[0].at.as_ref().unwrap().source, None);
    assert!(found[1].labels[0].at.as_ref().unwrap().source.is_some());
}

#[test]
fn a_flood_of_problems_is_cut_off() {
    let flood = (0..5000).map(|n| format!("unknown{n}: 1\n")).collect::<Vec<_>>().concat();
    let found = read_any(&flood).unwrap_err();
    assert_eq!(found.len(), 500);
    let fields = (0..10_000).map(|n| format!("u{n}: 1, ")).collect::<Vec<_>>().concat();
    let one_line = format!("{{{fields}}}");
    let found = read_any(&one_line).unwrap_err();
    assert!(
        found.iter().flat_map(|problem| &problem.labels).all(|label| label
            .at
            .as_ref()
            .unwrap()
            .source
            .is_none())
    );
}
