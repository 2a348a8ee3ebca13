//! What a directory means.

use jiff::civil::date;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::super::*;
use super::{files, good};
use crate::model::Access;

#[test]
fn the_short_form_and_the_map_form_are_understood() {
    let desired = good(
        "version: 1  # of the format\npop3:\n  John Smith: enabled\n  alice@contoso.example: disabled\n  \
         scanner-3@contoso.example:\n    access: enabled\n    until: 2099-12-31\n    reason: CHG-1234 legacy \
         scanner\n  1: enabled\n  'null': disabled\n  ~: enabled\n",
    );
    let names: Vec<&str> = desired.iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["1", "alice@contoso.example", "John Smith", "null", "scanner-3@contoso.example", "~"]);
    let scanner = desired.get("SCANNER-3@contoso.example").unwrap();
    assert_eq!(scanner.until, Some(date(2099, 12, 31)));
    assert_eq!(scanner.reason, Some("CHG-1234 legacy scanner"));
    assert_eq!(desired.get("alice@contoso.example").unwrap().access, Access::Disabled);
    assert_eq!(desired.get("nobody"), None);
}

#[test]
fn an_entry_knows_where_it_stands() {
    let text = "pop3:\n  \"caf\\u00e9\": enabled\n  'b c': enabled\n  {flow: x}: y\n";
    assert!(read(files(&[("a.yaml", text)])).is_err());
    let desired = read(files(&[
        ("b/x.yaml", "pop3:\n  ü: enabled # ü\n  \"caf\\u00e9\": enabled\n  'it''s': enabled\n"),
        ("a.yaml", "# x\npop3: {ä: enabled, 'b c': disabled, \"\\\\\": enabled}\n"),
    ]))
    .unwrap();
    let origins: Vec<String> = desired
        .iter()
        .map(|entry| {
            let origin = desired.origin(entry);
            format!("{} {}:{}:{}", entry.name, origin.file, origin.line, origin.column)
        })
        .collect();
    assert_eq!(
        origins,
        [
            "\\ a.yaml:2:37",
            "b c a.yaml:2:20",
            "café b/x.yaml:3:3",
            "it's b/x.yaml:4:3",
            "ä a.yaml:2:8",
            "ü b/x.yaml:2:3",
        ]
    );
    assert_eq!(desired.file_of("CAFÉ"), Some("b/x.yaml"));
    let counts: Vec<_> = desired.files().map(|(file, entries)| (&*file.path, entries)).collect();
    assert_eq!(counts, [("a.yaml", 3), ("b/x.yaml", 3)]);
}

#[test]
fn the_digest_covers_paths_and_bytes_and_not_their_order() {
    let of = |pairs: &[(&str, &str)]| digest(&files(pairs));
    let some = of(&[("a", "x"), ("b", "y")]);
    assert_eq!(some, of(&[("b", "y"), ("a", "x")]));
    for other in [
        of(&[("a", "xb"), ("b", "y")]),
        of(&[("ax", ""), ("b", "y")]),
        of(&[("a", "x"), ("by", "")]),
        of(&[("a", "x")]),
        of(&[("a", "y"), ("b", "x")]),
        of(&[]),
    ] {
        assert_ne!(some, other);
    }
    let desired = good("pop3: {}\n");
    assert_eq!(desired.digest(), of(&[("a.yaml", "pop3: {}\n")]));
    // The documented framing, spelled out once.
    let mut framed = b"\x06\0\0\0\0\0\0\0a.yaml\x20\0\0\0\0\0\0\0".to_vec();
    framed.extend(Sha256::digest(b"pop3: {}\n"));
    assert_eq!(desired.digest().0, <[u8; 32]>::from(Sha256::digest(framed)));
}

#[test]
fn until_is_the_last_day_of_access() {
    let desired = good(
        "pop3: {a: {access: enabled, until: 2026-10-24}, b: enabled, c: {access: enabled, until: 9999-12-31}}\n",
    );
    let a = desired.get("a").unwrap();
    assert_eq!(a.access_on(date(2026, 10, 24)), Access::Enabled);
    assert_eq!(a.access_on(date(2026, 10, 25)), Access::Disabled);
    assert_eq!(desired.get("b").unwrap().access_on(date(9999, 12, 31)), Access::Enabled);
    let expires = |name: &str, zone: &str| {
        let zone = TimeZone::get(zone).unwrap();
        desired.get(name).unwrap().expires_at(&zone).map(|moment| moment.to_string())
    };
    assert_eq!(expires("a", "UTC").as_deref(), Some("2026-10-25T00:00:00Z"));
    assert_eq!(expires("a", "Asia/Taipei").as_deref(), Some("2026-10-24T16:00:00Z"));
    assert_eq!(expires("a", "Europe/Berlin").as_deref(), Some("2026-10-24T22:00:00Z"));
    assert_eq!(expires("b", "UTC"), None);
    assert_eq!(expires("c", "UTC"), None);
}

#[test]
fn a_day_that_does_not_begin_at_midnight_begins_when_it_begins() {
    let entry = |until| Entry { name: "a".into(), access: Access::Enabled, until: Some(until), reason: None };
    let expires =
        |until, zone| entry(until).borrowed().expires_at(&TimeZone::get(zone).unwrap()).unwrap().to_string();
    // Clocks went from 23:59:59 straight to 01:00.
    assert_eq!(expires(date(2018, 11, 3), "America/Sao_Paulo"), "2018-11-04T03:00:00Z");
    // The first of two midnights.
    assert_eq!(expires(date(2024, 11, 2), "America/Havana"), "2024-11-03T04:00:00Z");
    // 30 December 2011 did not exist in Samoa.
    assert_eq!(expires(date(2011, 12, 29), "Pacific/Apia"), "2011-12-30T10:00:00Z");
}

#[test]
fn entries_of_two_states_are_compared_by_what_they_mean() {
    let before = good("pop3: {A: enabled, b: {access: enabled, reason: x}}\n");
    let after = good("pop3: {a: {access: enabled}, b: {access: enabled, reason: y}}\n");
    assert!(before.same_entry(&after, "a"));
    assert!(!before.same_entry(&after, "b"));
    assert!(!before.same_entry(&after, "c"));
    assert!(Desired::default().is_empty());
}
