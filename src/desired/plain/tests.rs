//! The recogniser against the full decoder: what it takes must be the same, at the same places.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::file::decoded;
use super::super::write;
use super::super::write::tests::any_entry;
use super::*;

/// Compares both ways through a file. Tells whether the recogniser took it.
fn compare(bytes: &[u8]) -> Result<bool, String> {
    let Some(taken) = content(bytes) else { return Ok(false) };
    let full = decoded(bytes);
    match full {
        Ok(content) if content == taken => Ok(true),
        other => Err(format!(
            "the recogniser and the decoder differ on {:?}:\n{taken:?}\n{other:?}",
            String::from_utf8_lossy(bytes)
        )),
    }
}

fn takes(text: &str) -> bool {
    compare(text.as_bytes()).unwrap_or_else(|difference| panic!("{difference}"))
}

#[test]
fn files_as_people_write_them_are_taken() {
    for text in [
        "pop3:\n  a: enabled\n",
        "version: 1\npop3:\n  a@x.example: enabled\n  John Smith: disabled",
        "# top\n\nversion: 1  # of the format\n\npop3: # users\n  # first\n\n  a: enabled # why\n# out here\n  b:   disabled\n",
        "pop3:\n  \n  a: enabled\n   \n",
        "\u{feff}pop3:\n    O'Brien (left): enabled\n    名前: disabled\n    null: enabled\n    1: disabled\n",
        "pop3:\n  a:\n    access: enabled\n",
        "pop3:\n  a: # why\n    access: enabled # x\n\n    # y\n# z\n    until: 2026-12-31\n    reason: CHG-1, see #12 or http://x/#y # z\n  b: disabled",
        "pop3:\n a:  \n  reason: 2 mailboxes, [x], {y} & *z\n  access: disabled\n b:\n    access: enabled\n    until: 2028-02-29",
        "pop3:\n  \"1\": enabled\n  'b: c # d': disabled\n  \"e\":\n    access: disabled\n    reason: \"F: it's # g\"\n",
        "pop3:\n  名前:\n    access: enabled\n    reason: wäre weg \u{2014} 退職\n  b:\n    access: enabled\n    reason: ''\n",
        "# 誰が\u{a0}POP3を使うか \u{201c}quoted\u{201d}\npop3:\n bj\u{f6}rn: enabled\n",
    ] {
        assert!(takes(text), "{text}");
    }
}

#[test]
fn whatever_could_mean_something_else_is_left_to_the_decoder() {
    for text in [
        "",
        "pop3:",
        "pop3:\n",
        "pop3: {}\n",
        "pop3:\n  a: enabled\n   b: enabled\n",
        "pop3:\n  a: enabled\n b: enabled\n",
        "pop3:\n  a: enabled\n    more\n",
        "pop3:\n  a: enabled\nversion: 1\n",
        "pop3:\na: enabled\n",
        "pop3:\n  a: on\n",
        "pop3:\n  a: enabled#x\n",
        "pop3:\n  a: enabledx\n",
        "pop3:\n  a:enabled\n",
        "pop3:\n  a : enabled\n",
        "pop3:\n  a:\tenabled\n",
        "pop3:\n  a: \"enabled\"\n",
        "pop3:\n  a #b: enabled\n",
        "pop3:\n  a:b: enabled\n",
        "pop3:\n  - a: enabled\n",
        "pop3:\n  ? a\n",
        "pop3:\n  *a : enabled\n",
        "pop3:\n  a&b: enabled\n",
        "pop3:\n  a: &x enabled\n",
        "pop3:\r\n  a: enabled\r\n",
        "pop3:\n  a\u{200b}b: enabled\n",
        "pop3:\n  a\u{3000}: enabled\n",
        "pop3:\n  a: enabled # \u{202e}\n",
        "pop3:\n  a: enabled # \u{1}\n",
        "pop3:\n        a: enabled\n",
        "version: 1\nversion: 1\npop3:\n  a: enabled\n",
        "version: 2\npop3:\n  a: enabled\n",
        "---\npop3:\n  a: enabled\n",
        "pop3:\n  a: enabled\n...\n",
        "pop3:\n  a:\n",
        "pop3:\n  a:\n  b: enabled\n",
        "pop3:\n  a:\n    reason: x\n",
        "pop3:\n  a:\n   access: enabled\n    reason: x\n",
        "pop3:\n  a:\n    access: enabled\n   reason: x\n",
        "pop3:\n  a:\n    access: enabled\n      more\n",
        "pop3:\n  a:\n    access: enabled\n    access: enabled\n",
        "pop3:\n  a:\n    access: disabled\n    until: 2026-12-31\n",
        "pop3:\n  a:\n    access: enabled\n    until: 2026-02-29\n",
        "pop3:\n  a:\n    access: enabled\n    until: \"2026-12-31\"\n",
        "pop3:\n  a:\n    access: enabled\n    until: 2026-12-31T00:00\n",
        "pop3:\n  a:\n    access: enabled\n    expires: 2026-12-31\n",
        "pop3:\n  a:\n    access:enabled\n",
        "pop3:\n  a:enabled\n    access: enabled\n",
        "pop3:\n  a:#\n    access: enabled\n",
        "pop3:\n  a: enabled\n    access: enabled\n",
        "pop3:\n  a: {access: enabled}\n",
        "pop3:\n  a:\n        access: enabled\n",
        "pop3:\n  a:\n    access: enabled\n    reason:\n",
        "pop3:\n  a:\n    access: enabled\n    reason: 4711\n",
        "pop3:\n  a:\n    access: enabled\n    reason: 1e3\n",
        "pop3:\n  a:\n    access: enabled\n    reason: TRUE\n",
        "pop3:\n  a:\n    access: enabled\n    reason: null # x\n",
        "pop3:\n  a:\n    access: enabled\n    reason: CHG: 1\n",
        "pop3:\n  a:\n    access: enabled\n    reason: CHG:\n",
        "pop3:\n  a:\n    access: enabled\n    reason: a\tb\n",
        "pop3:\n  a:\n    access: enabled\n    reason: a\u{200b}b\n",
        "pop3:\n  a:\n    access: enabled\n    reason: *a\n",
        "pop3:\n  a:\n    access: enabled\n    reason: |\n      x\n",
        "pop3:\n  a:\n    access: enabled\n    reason: \"a\\nb\"\n",
        "pop3:\n  a:\n    access: enabled\n    reason: \"a\n      b\"\n",
        "pop3:\n  a:\n    access: enabled\n    reason: 'it''s'\n",
        "pop3:\n  a:\n    access: enabled\n    reason: 'a'b\n",
        "pop3:\n  \"\": enabled\n",
        "pop3:\n  \" a\": enabled\n",
        "pop3:\n  \"a\\\"\": enabled\n",
        "pop3:\n  \"a\" : enabled\n",
        "pop3:\n  \"a\"b: enabled\n",
    ] {
        assert!(!takes(text), "{text:?}");
    }
    assert!(!takes(&format!("pop3:\n  {}: enabled\n", "a".repeat(rules::LONGEST_NAME + 1))));
    assert_eq!(compare(b"pop3:\n  a\xff: enabled\n"), Ok(false));
}

/// Pieces of which files are made that are nearly plain, and some that YAML treats in its own way.
const PIECES: &[&str] = &[
    "pop3:",
    "version: 1",
    "\n",
    "\n",
    "\n",
    "  ",
    "  ",
    "  ",
    " ",
    "\t",
    "a",
    "Bob",
    "b@x.example",
    "John Smith",
    ": ",
    ": ",
    ":",
    "enabled",
    "enabled",
    "disabled",
    "enabled\n",
    "  a: enabled\n",
    "  c: disabled\n",
    "# c",
    " # c",
    "#",
    "-",
    "- ",
    "? ",
    "'",
    "\"",
    "&a ",
    "*a",
    "!t ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "|",
    ">",
    "%",
    "@",
    "`",
    "\\",
    "---\n",
    "...\n",
    "<<",
    "~",
    "null",
    "1",
    "0x1",
    "1e3",
    "true",
    ".",
    "_",
    "+",
    "=",
    "$",
    "^",
    "(",
    ")",
    "/",
    ";",
    "\r\n",
    "\r",
    "é",
    "e\u{301}",
    "名",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}",
    "\u{3000}",
    "\u{fffe}",
    "\0",
    "\u{7f}",
    "\u{1f600}",
    "pop3:\n  a: enabled\n",
    "access: ",
    "until: ",
    "reason: ",
    "    access: enabled\n",
    "    access: disabled\n",
    "    until: 2026-12-31\n",
    "    reason: left\n",
    "    reason: CHG-1: left\n",
    "    reason: ",
    "  b:\n    access: enabled\n",
    "  \"d\": enabled\n",
    "2026-12-31",
    "2026-02-29",
    "moved, see #1",
    "\"moved: 1\"",
    "'",
    "\n    ",
    "\n      ",
    ": x",
    " #",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_ways_agree_on_files_of_any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        compare(pieces.concat().as_bytes()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn both_ways_agree_on_plain_files(
        entries in prop::collection::vec(("[a-zA-Z0-9_é名][a-zé名@. +/=$~^'()-]{0,12}", any::<bool>(), "( # [a-z: {é]*)?"), 1..12),
        indent in 1usize..8,
    ) {
        let line = |(name, enabled, comment): &(String, bool, String)| {
            let word = if *enabled { "enabled" } else { "disabled" };
            format!("{:indent$}{name}: {word}{comment}\n", "")
        };
        let text: String = std::iter::once("pop3:\n".to_owned()).chain(entries.iter().map(line)).collect();
        compare(text.as_bytes()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn both_ways_agree_on_files_in_canonical_form_and_most_of_these_are_taken(
        entries in prop::collection::vec(any_entry(), 1..6),
    ) {
        let text = write(&entries);
        let taken = compare(text.as_bytes()).map_err(TestCaseError::fail)?;
        let is_escaped = |line: &str| line.contains('\\') || line.contains("? ");
        prop_assert!(taken || text.lines().any(is_escaped), "{}", text);
    }
}

/// What a test at random meets once in a thousand runs.
#[test]
fn both_ways_agree_on_every_short_reason_and_those_in_canonical_form_without_quotes_are_taken() {
    let printable = || (' '..='~').map(String::from).chain([String::new()]);
    let texts = printable().flat_map(|first| printable().map(move |second| first.clone() + &second));
    for text in texts {
        let plain = format!("pop3:\n  a:\n    access: enabled\n    reason: {text}\n");
        let taken = compare(plain.as_bytes()).unwrap();
        let reason = yaml::plain_or_quoted(&text);
        assert!(taken || reason != text, "{text:?}");
        let canonical = format!("pop3:\n  a:\n    access: enabled\n    reason: {reason}\n");
        assert!(
            compare(canonical.as_bytes()).unwrap() || reason.contains('\\') || text.trim().is_empty(),
            "{text:?}"
        );
    }
}

/// Changes files at random and compares. Looks for a second; `FUZZ_SECONDS` sets for how long.
#[test]
fn both_ways_agree_on_files_that_were_damaged_at_random() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x9e37_79b9);
    let seeds = [
        "pop3:\n  a: enabled\n  John Smith: disabled # left\n",
        "# top\nversion: 1\n\npop3:\n    bob@x.example: enabled\n    # b\n    名前: disabled\n",
        "\u{feff}version: 1 # v\npop3: # p\n _a.b+c@x: disabled\n\n O'Brien (x): enabled\n 1: enabled",
        "pop3:\n  a:\n    access: enabled\n    until: 2026-12-31\n    reason: CHG-1 moves # x\n  \"b\": disabled\n",
        "version: 1\npop3:\n  é:\n    # c\n    access: disabled\n    reason: \"CHG-1: left\"\n\n  b: enabled\n",
        "pop3:\n 'O b': # x\n   reason: left, see http://x/#y\n   access: enabled\n   until: 2028-02-29\n c: enabled\n",
    ];
    let mut random = Random(seed);
    #[expect(clippy::disallowed_methods, reason = "only bounds how long is looked")]
    let start = Instant::now();
    let (mut files, mut taken) = (0u64, 0u64);
    let mut bytes = Vec::new();
    while files % 1024 != 0 || start.elapsed() < Duration::from_secs(seconds) {
        // From a good file with few changes to one with many, so that most are taken or nearly so.
        if files % 3 == 0 || bytes.len() > 400 {
            bytes = seeds[random.below(seeds.len())].as_bytes().to_vec();
        }
        for _ in 0..=random.below(2) {
            random.damage(&mut bytes);
        }
        match compare(&bytes) {
            Ok(yes) => taken += u64::from(yes),
            Err(difference) => panic!("{difference}\nafter {files} files with FUZZ_SEED={seed}"),
        }
        files += 1;
    }
    assert!(taken * 50 > files, "only {taken} of {files} files were worth comparing");
    println!("{files} files compared, {taken} of them taken, no difference");
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(6)).min(bytes.len());
        match self.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 | 2 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            3 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => bytes.insert(at, b" \n:#ab"[self.below(6)]),
        }
    }
}
