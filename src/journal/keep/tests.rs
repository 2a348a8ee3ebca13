//! Keeping and loading, with files as a crash, a person or time may have left them.

use std::fs;

use super::*;

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn files(files: &[(&str, &[u8])]) -> Vec<SourceFile> {
    let file = |(path, bytes): &(&str, &[u8])| SourceFile { path: (*path).to_owned(), bytes: bytes.to_vec() };
    files.iter().map(file).collect()
}

/// Keeps a state as a whole.
fn keep(dir: &Path, target: &str, digest: Digest, files: &[SourceFile]) -> Result<(), KeepError> {
    write(dir, target, digest, files, None, &[digest])?.sync()
}

/// Keeps a state as an edit of another one.
fn keep_on(dir: &Path, own: u8, files: &[SourceFile], base: u8, before: &[SourceFile]) {
    let gone = before.iter().filter(|old| files.iter().all(|file| file.path != old.path));
    let edit = Edit {
        base: digest(base),
        files: files.iter().filter(|file| !before.contains(file)).collect(),
        gone: gone.map(|old| &*old.path).collect(),
    };
    write(dir, "t", digest(own), files, Some(edit), &[digest(base)]).unwrap().sync().unwrap();
}

fn size(dir: &Path, byte: u8) -> u64 {
    fs::metadata(dir.join("desired/t").join(digest(byte).to_string())).unwrap().len()
}

#[test]
fn what_was_kept_is_loaded_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<u8> = (0..=255).collect();
    let kept = files(&[("a.yaml", b"\n\n{}"), ("b/\"ü\".yaml", &all), ("empty.yaml", b"")]);
    keep(dir.path(), "onprem", digest(1), &kept).unwrap();
    keep(dir.path(), "onprem", digest(2), &[]).unwrap();
    assert_eq!(load(dir.path(), "onprem", digest(1)).unwrap(), kept);
    assert_eq!(load(dir.path(), "onprem", digest(2)).unwrap(), []);
    assert!(matches!(load(dir.path(), "onprem", digest(3)), Err(KeepError::Missing { .. })));
    assert!(matches!(load(dir.path(), "other", digest(1)), Err(KeepError::Missing { .. })));
}

#[test]
fn an_edit_is_as_small_as_what_has_changed_and_outlives_what_it_is_based_on() {
    let dir = tempfile::tempdir().unwrap();
    let long = |byte: u8| vec![byte; 1_000];
    let first = files(&[("a", &long(1)), ("b", &long(2)), ("c", &long(3)), ("d", &long(4))]);
    keep(dir.path(), "t", digest(1), &first).unwrap();
    let mut second = first.clone();
    second[1].bytes = long(9);
    second.remove(2);
    second.insert(0, SourceFile { path: "0".to_owned(), bytes: b"new".to_vec() });
    keep_on(dir.path(), 2, &second, 1, &first);
    assert!(size(dir.path(), 1) > 4_000 && size(dir.path(), 2) < 1_300);
    assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), second);
    // The next one stands on it, and what it stands on stays for as long as somebody needs it.
    let mut third = second.clone();
    third[0].bytes = b"newer".to_vec();
    keep_on(dir.path(), 3, &third, 2, &second);
    assert!(size(dir.path(), 3) < 300);
    assert_eq!(prune(dir.path(), "t", &[digest(3)]).unwrap(), 0);
    assert_eq!(load(dir.path(), "t", digest(3)).unwrap(), third);
    // What has little in common with it stands on its own.
    let other = files(&[("0", &long(7)), ("a", &long(8)), ("d", &long(4))]);
    keep_on(dir.path(), 4, &other, 3, &third);
    assert_eq!(prune(dir.path(), "t", &[digest(4)]).unwrap(), 3);
    assert_eq!(load(dir.path(), "t", digest(4)).unwrap(), other);
    assert!(load(dir.path(), "t", digest(3)).is_err());
}

#[test]
fn going_back_to_what_others_are_based_on_leaves_that_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = files(&[("a", &[1; 1_000]), ("b", b"x")]);
    let second = files(&[("a", &[1; 1_000]), ("b", b"y")]);
    keep(dir.path(), "t", digest(1), &first).unwrap();
    keep_on(dir.path(), 2, &second, 1, &first);
    let whole = size(dir.path(), 1);
    keep_on(dir.path(), 1, &first, 2, &second);
    assert_eq!(size(dir.path(), 1), whole);
    assert_eq!(load(dir.path(), "t", digest(1)).unwrap(), first);
    assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), second);
    // What is damaged there is written anew, and not based on what is based on it.
    let path = dir.path().join("desired/t").join(digest(1).to_string());
    fs::write(&path, "damaged").unwrap();
    keep_on(dir.path(), 1, &first, 2, &second);
    assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), second);
    let text = fs::read(&path).unwrap();
    fs::write(&path, text.iter().map(|byte| if *byte == 1 { 2 } else { *byte }).collect::<Vec<_>>()).unwrap();
    keep(dir.path(), "t", digest(1), &first).unwrap();
    assert_eq!(load(dir.path(), "t", digest(1)).unwrap(), first);
}

#[test]
fn after_many_edits_a_state_stands_on_its_own_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = files(&[("a", &[1; 1_000]), ("b", b"0")]);
    keep(dir.path(), "t", digest(0), &before).unwrap();
    for edit in 1..200 {
        let mut after = before.clone();
        after[1].bytes = vec![edit; 2];
        keep_on(dir.path(), edit, &after, edit - 1, &before);
        assert_eq!(load(dir.path(), "t", digest(edit)).unwrap(), after);
        before = after;
    }
    let whole = (0..200).filter(|byte| size(dir.path(), *byte) > 1_000).count();
    assert_eq!(whole, 1 + 199 / (DEEPEST as usize + 1));
    prune(dir.path(), "t", &[digest(199)]).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("desired/t")).unwrap().count(), 199 % (DEEPEST as usize + 1) + 1);
}

#[test]
fn without_its_base_a_state_is_missing_and_with_a_short_one_damaged_until_it_is_kept_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = files(&[("a", &[1; 1_000]), ("b", b"x")]);
    let second = files(&[("a", &[1; 1_000]), ("b", b"y")]);
    keep(dir.path(), "t", digest(1), &first).unwrap();
    keep_on(dir.path(), 2, &second, 1, &first);
    let base = dir.path().join("desired/t").join(digest(1).to_string());
    let whole = fs::read(&base).unwrap();
    fs::write(&base, &whole[..whole.len() - 500]).unwrap();
    assert!(matches!(load(dir.path(), "t", digest(2)), Err(KeepError::Damaged { .. })));
    // Nothing is based on what is damaged or not there.
    keep_on(dir.path(), 2, &second, 1, &first);
    assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), second);
    keep_on(dir.path(), 3, &first, 9, &second);
    fs::remove_file(&base).unwrap();
    assert_eq!(load(dir.path(), "t", digest(3)).unwrap(), first);
    assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Missing { .. })));
}

#[test]
fn a_state_is_never_based_on_itself_nor_on_ever_more_others() {
    let dir = tempfile::tempdir().unwrap();
    let state = files(&[("a", &[1; 1_000]), ("b", b"x")]);
    keep(dir.path(), "t", digest(1), &state).unwrap();
    keep_on(dir.path(), 1, &state, 1, &state);
    assert_eq!(load(dir.path(), "t", digest(1)).unwrap(), state);
    let path = |byte: u8| dir.path().join("desired/t").join(digest(byte).to_string());
    for (own, base) in [(1, 2), (2, 1)] {
        let text = format!("{{\"base\":\"{}\",\"rest\":13}}\n{{\"files\":[]}}\n", digest(base));
        fs::write(path(own), text).unwrap();
    }
    assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })));
    assert_eq!(prune(dir.path(), "t", &[digest(1)]).unwrap(), 0);
}

#[test]
fn keeping_again_mends_what_was_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desired/t").join(digest(1).to_string());
    let kept = files(&[("a.yaml", b"x")]);
    keep(dir.path(), "t", digest(1), &kept).unwrap();
    fs::write(&path, "damaged").unwrap();
    keep(dir.path(), "t", digest(1), &kept).unwrap();
    assert_eq!(load(dir.path(), "t", digest(1)).unwrap(), kept);
}

#[test]
fn a_file_cut_or_grown_at_any_byte_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    keep(dir.path(), "t", digest(1), &files(&[("a.yaml", b"pop3: {}\n"), ("b.yaml", b"x")])).unwrap();
    let path = dir.path().join("desired/t").join(digest(1).to_string());
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let damaged = load(dir.path(), "t", digest(1));
        assert!(matches!(damaged, Err(KeepError::Damaged { .. })), "cut at {cut}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })));
    for odd in [
        "{\"rest\":18446744073709551615}\n{\"files\":[]}\n",
        "{\"rest\":54}\n{\"files\":[{\"path\":\"a\",\"length\":18446744073709551615}]}\nx",
        "{\"rest\":3}\n{}\n",
        "{}\n{\"files\":[]}\n",
    ] {
        fs::write(&path, odd).unwrap();
        assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })), "{odd}");
    }
}

#[test]
fn pruning_deletes_the_others_of_this_target_only() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(prune(dir.path(), "t", &[]).unwrap(), 0);
    for (target, byte) in [("t", 1), ("t", 2), ("t", 3), ("u", 1)] {
        keep(dir.path(), target, digest(byte), &[]).unwrap();
    }
    fs::write(dir.path().join("desired/t/.popgate-1-1.tmp"), "left over").unwrap();
    fs::write(dir.path().join("desired/t/README"), "not ours").unwrap();
    assert_eq!(prune(dir.path(), "t", &[digest(2)]).unwrap(), 2);
    assert!(load(dir.path(), "t", digest(2)).is_ok() && load(dir.path(), "u", digest(1)).is_ok());
    assert!(load(dir.path(), "t", digest(1)).is_err());
    assert_eq!(fs::read_dir(dir.path().join("desired/t")).unwrap().count(), 2);
}

#[test]
fn a_target_name_cannot_lead_out_of_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", ".a", "../a", "a/b", "/a", "A", "a b", "ä", "a\0", &"a".repeat(101)] {
        let refused = keep(dir.path(), name, digest(1), &[]);
        assert!(matches!(refused, Err(KeepError::Target(_))), "{name:?}");
        assert!(load(dir.path(), name, digest(1)).is_err() && prune(dir.path(), name, &[]).is_err());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    keep(dir.path(), "eu-1_a.b", digest(1), &[]).unwrap();
}
