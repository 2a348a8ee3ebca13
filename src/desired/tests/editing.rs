//! A state that is made of another one is the same as one that is made of its files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;

const PATHS: [&str; 5] = ["a.yaml", "b.yaml", "b/c.yaml", "d.yaml", "e.yaml"];
const NAMES: [&str; 9] = ["al", "AL", "bo", "cy", "\u{c4}x", "\u{e4}x", "di", "ed", "fay"];

/// What a file becomes; nothing deletes it.
fn content() -> impl Strategy<Value = Option<String>> {
    let access =
        prop::sample::select(vec!["enabled", "disabled", "on", "{access: enabled, until: 2026-05-01}"]);
    let weights = prop_oneof![12 => 0usize..2, 1 => 2usize..4];
    let entry = (prop::sample::select(&NAMES[..]), access, weights);
    let text = prop::collection::vec(entry, 0..4).prop_map(|entries| {
        let lines = entries.iter().map(|(name, access, which)| {
            // Few are wrong, so that most edits come into force.
            let access = if *which < 2 && *access == "on" { "enabled" } else { access };
            format!("  {name}: {access}\n")
        });
        let body: String = lines.collect();
        if body.is_empty() { "pop3: {}\n".to_owned() } else { format!("pop3:\n{body}") }
    });
    prop::option::weighted(0.8, text)
}

fn edits() -> impl Strategy<Value = Vec<BTreeMap<&'static str, Option<String>>>> {
    let edit = prop::collection::btree_map(prop::sample::select(&PATHS[..]), content(), 0..3);
    prop::collection::vec(edit, 1..12)
}

fn described(desired: &Desired) -> Vec<String> {
    let entry = |entry| format!("{entry:?} {:?}", desired.origin(entry));
    let written = desired.as_written().map(entry);
    let numbered =
        (0..).zip(desired.as_written()).map(|(number, entry)| format!("{}", desired.at(number) == entry));
    let looked = NAMES.iter().map(|name| format!("{:?} {:?}", desired.get(name), desired.file_of(name)));
    let files = desired.files().map(|(file, count)| format!("{file:?} {count}"));
    let until = desired.with_until().map(|entry| format!("{entry:?}"));
    let all =
        written.chain(desired.iter().map(entry)).chain(numbered).chain(looked).chain(files).chain(until);
    all.chain([format!("{} {}", desired.len(), desired.digest())]).collect()
}

/// Every entry of both states is in the difference once, and what both hold says the same.
fn adds_up(now: &Desired, before: &Desired) -> Result<(), TestCaseError> {
    let difference = now.since(before);
    let numbers = |desired: &Desired| 0..u32::try_from(desired.len()).unwrap();
    let mut gone: Vec<u32> = difference.gone.iter().cloned().flatten().collect();
    let mut come: Vec<u32> = difference.come.iter().cloned().flatten().collect();
    for number in numbers(before) {
        for kept in difference.kept([number]) {
            prop_assert_eq!(now.at(kept), before.at(number));
            gone.push(number);
            come.push(kept);
        }
    }
    gone.sort_unstable();
    come.sort_unstable();
    prop_assert!(gone.into_iter().eq(numbers(before)) && come.into_iter().eq(numbers(now)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn file_by_file_or_all_at_once_is_the_same(edits in edits()) {
        let mut files: BTreeMap<&str, String> = BTreeMap::from([("a.yaml", "pop3: {}\n".to_owned())]);
        let source = |(path, text): (&&str, &String)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let mut before = read(files.iter().map(source).collect()).unwrap();
        for edit in edits {
            let mut after = files.clone();
            for (path, content) in &edit {
                match content {
                    Some(text) => drop(after.insert(path, text.clone())),
                    None => drop(after.remove(path)),
                }
            }
            let new = after.iter().filter(|(path, text)| files.get(*path) != Some(text));
            let new = new.map(source).map(parse).collect();
            let gone: Vec<&str> = files.keys().filter(|path| !after.contains_key(*path)).copied().collect();
            let step_by_step = reassemble(&before, &gone, new);
            let at_once = read(after.iter().map(source).collect());
            match (step_by_step, at_once) {
                (Ok(step_by_step), Ok(at_once)) => {
                    prop_assert_eq!(described(&step_by_step), described(&at_once));
                    prop_assert_eq!(&step_by_step, &at_once);
                    let parts = |desired: &Desired| {
                        let others = desired.written_otherwise(&before);
                        others.map(|entry| entry.to_entry()).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(parts(&step_by_step), parts(&at_once));
                    adds_up(&step_by_step, &before)?;
                    (before, files) = (step_by_step, after);
                }
                (step_by_step, at_once) => prop_assert_eq!(step_by_step, at_once),
            }
        }
    }
}

#[test]
fn after_many_edits_the_tables_begin_anew_and_nothing_is_lost() {
    let file = |number: u32, edit: u32| {
        let users = (0..400).map(|user| format!("  user{user}-{edit}-of-{number}: enabled\n"));
        parse(SourceFile {
            path: format!("{number}.yaml"),
            bytes: format!("pop3:\n{}", users.collect::<String>()).into_bytes(),
        })
    };
    let mut desired = assemble((0..3).map(|number| file(number, 0)).collect()).unwrap();
    for edit in 1..20 {
        desired = reassemble(&desired, &[], vec![file(edit % 3, edit)]).unwrap();
        assert_eq!(desired.len(), 1_200);
        assert!(desired.get(&format!("user399-{edit}-of-{}", edit % 3)).is_some());
        assert!(desired.get(&format!("user399-{}-of-{}", edit.saturating_sub(3), edit % 3)).is_none());
    }
}
