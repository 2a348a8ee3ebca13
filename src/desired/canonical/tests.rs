use proptest::prelude::*;

use super::super::tests::files;
use super::super::write;
use super::super::write::tests::any_entry;
use super::*;
use crate::name::fold;
use crate::yaml;

fn formatted(text: &str) -> String {
    let edits = format(&files(&[("a.yaml", text)]))
        .unwrap_or_else(|problems| panic!("{text}\n{}", crate::diagnostic::render(&problems, false)));
    let after = edits[0].after.clone();
    let again = format(&files(&[("a.yaml", &after)])).unwrap();
    assert!(!again[0].is_change(), "not idempotent:\n{after}\n->\n{}", again[0].after);
    after
}

#[test]
fn users_are_sorted_and_take_their_comments_along() {
    let text = "# who may use POP3\n\nversion: 1 # the format\n\n# everybody\npop3: # all\n    # ours\n    \"bob\" : 'enabled'   # \
                since 2019\n\n\n    # the scanner\n    # in the cellar\n    anna:\n        # asked by Kim\n        until: \
                2030-01-01 # soon\n        access: enabled\n        # reason: none\n    # end\n# the very end\n";
    assert_eq!(
        formatted(text),
        "# who may use POP3\n\nversion: 1  # the format\n# everybody\npop3:  # all\n  # the scanner\n  # in the cellar\n  \
         anna:\n    access: enabled\n    # asked by Kim\n    until: 2030-01-01  # soon\n    # reason: none\n  # ours\n  bob: \
         enabled  # since 2019\n  # end\n# the very end\n"
    );
}

#[test]
fn the_short_form_is_taken_where_it_suffices_and_no_comment_is_lost() {
    assert_eq!(
        formatted(
            "pop3:\n  a: # x\n    # y\n    access: enabled # z\n    # w\n  b: {access: disabled} # v\n"
        ),
        "pop3:\n  # y\n  # z\n  # w\n  a: enabled  # x\n  b: disabled  # v\n"
    );
    assert_eq!(
        formatted(
            "pop3: { # all\n  b: enabled, # x\n  # y\n  a: {access: enabled, until: 2030-01-01}\n} # end\n"
        ),
        "pop3:  # all\n  # y\n  a:\n    access: enabled\n    until: 2030-01-01\n  b: enabled  # x\n  # end\n"
    );
}

#[test]
fn what_is_canonical_already_stays_as_it_is() {
    for text in [
        "pop3: {}\n",
        "pop3: {}  # nobody\n",
        "version: 1\npop3:\n  a: enabled\n",
        "# top\n\n# more\npop3:\n  # the board\n\n  # chair\n  a: enabled\n\n  # end\n\n# the very end\n",
        "pop3:\n  a:\n    access: enabled\n    reason: \"# no comment\"\n    # below\n  \"b: c\": disabled\n",
        "version: 1\r\npop3:\r\n  a: enabled  # x\r\n",
    ] {
        assert_eq!(formatted(text), text);
    }
}

#[test]
fn odd_ways_of_writing_become_the_one_way() {
    for (text, after) in [
        ("\u{feff}pop3: {}", "pop3: {}\n"),
        ("--- # doc\npop3: {}\n...\n", "# doc\npop3: {}\n"),
        ("%YAML 1.2\n---\npop3: {}\n", "pop3: {}\n"),
        ("{\"pop3\": {\"b\": \"enabled\", \"a\": \"disabled\"}}", "pop3:\n  a: disabled\n  b: enabled\n"),
        (
            "pop3:\n  ? b # x\n  : enabled\n  a:\n    disabled # y\n",
            "pop3:\n  a: disabled  # y\n  b: enabled  # x\n",
        ),
        (
            "pop3:\n  b:\n    access: enabled\n    reason: |-  # why\n      # text\n  # for a\n  a: enabled\n",
            "pop3:\n  # for a\n  a: enabled\n  b:\n    access: enabled\n    reason: \"# text\"  # why\n",
        ),
        ("pop3: # y\n  {} # x\nversion: 1 # z\n# w", "version: 1  # z\npop3: {}  # y\n  # x\n# w\n"),
        ("pop3:\n  b: enabled\n\n\n\n  # end\n\n\n", "pop3:\n  b: enabled\n\n  # end\n"),
    ] {
        assert_eq!(formatted(text), after, "{text}");
    }
}

#[test]
fn invalid_files_are_refused_with_all_their_problems() {
    let problems = format(&files(&[
        ("a.yaml", "pop3: {a: on}"),
        ("b.yaml", "pop3: {b: enabled}"),
        ("c.yaml", "pop3: ["),
    ]))
    .unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.order().0.to_owned()).collect();
    assert_eq!(places, ["a.yaml", "c.yaml"]);
    let twice = format(&files(&[("a.yaml", "pop3: {a: enabled}"), ("b.yaml", "pop3: {A: enabled}")]));
    assert_eq!(twice.unwrap_err()[0].code, codes::LISTED_TWICE);
}

/// A file whose entries are written in various ways, with a numbered comment wherever one may stand.
fn file(entries: &[Entry], styles: &[u8]) -> (String, usize) {
    let mut count = 0;
    let mut note = |text: &str| {
        count += 1;
        format!("{text}# c{count} é")
    };
    let mut text = vec![note(""), "\n\n".to_owned(), note(""), format!("\npop3:{}\n", note(" "))];
    let mut seen = std::collections::BTreeSet::new();
    for (entry, style) in entries.iter().zip(styles.iter().cycle()) {
        if !seen.insert(fold(&entry.name)) {
            continue;
        }
        if style & 8 != 0 {
            text.push(format!("{}\n", note("    ")));
        }
        if style & 16 != 0 {
            text.push("\n".to_owned());
        }
        let block = write::block(entry, "    ", "   ", "\n");
        match style % 4 {
            0 => text.push(format!(
                "    {}: {}{}\n",
                yaml::quote(&entry.name),
                write::flow(entry, false),
                note("   ")
            )),
            1 => text.push(format!(
                "{}\n",
                block
                    .lines()
                    .map(|line| if line.ends_with(['"', '?', ':']) || line.contains('#') {
                        line.to_owned()
                    } else {
                        format!("{line}{}", note(" "))
                    })
                    .collect::<Vec<_>>()
                    .join("\n")
            )),
            2 => text.push(format!("{block}{}\n{}\n", note("  "), note("         "))),
            _ => text.push(format!("{block}\n")),
        }
    }
    text.push(format!("{}\n\n{}", note("    "), note("")));
    let text = text.concat();
    (if seen.is_empty() { text.replacen("pop3:", "pop3: {}", 1) } else { text }, count)
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same_keeps_every_comment_and_is_its_own(
        entries in prop::collection::vec(any_entry(), 0..6),
        styles in prop::collection::vec(any::<u8>(), 6),
        windows: bool,
    ) {
        let (mut text, count) = file(&entries, &styles);
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let before = files(&[("a.yaml", &text)]);
        let meant = read(before.clone()).map_err(|problems| {
            TestCaseError::fail(format!("{text}\n{}", crate::diagnostic::render(&problems, false)))
        })?;
        let edit = format(&before).map_err(|_| TestCaseError::fail(format!("refused:\n{text}")))?.remove(0);
        let after = files(&[("a.yaml", &edit.after)]);
        let again = read(after.clone()).unwrap();
        prop_assert!(meant.iter().eq(again.iter()), "{}\n->\n{}", text, edit.after);
        for number in 1..=count {
            let comment = format!("# c{number} é{}", if windows { "\r\n" } else { "\n" });
            prop_assert_eq!(edit.after.matches(&comment).count(), 1, "{} in\n{}\n->\n{}", comment, text, edit.after);
        }
        prop_assert_eq!(&format(&after).unwrap()[0].after, &edit.after, "from\n{}", text);
        // Where there is no comment, it is the form in which popgate writes files itself.
        let entries: Vec<_> = again.iter().map(|entry| entry.to_entry()).collect();
        let bare = write(&entries);
        prop_assert_eq!(&format(&files(&[("a.yaml", &bare)])).unwrap()[0].after, &bare);
    }
}
