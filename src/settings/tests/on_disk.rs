//! Settings brought from a disk.

use std::fs;

use insta::assert_snapshot;

use super::*;

#[test]
fn a_file_is_read_relative_to_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("popgate.yaml");
    fs::write(&file, TARGET.replace("/srv/desired-state", "desired")).unwrap();
    let settings = load(Some(&file), None).unwrap();
    assert_eq!(settings.path, Some(file));
    assert_eq!(settings.targets["t"].desired, DesiredSource::Directory(dir.path().join("desired")));
    assert_eq!(settings.state, dir.path().join(".popgate"));
}

#[test]
fn the_command_line_wins_over_the_state_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("popgate.yaml");
    fs::write(&file, format!("state: here\n{TARGET}")).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    assert_eq!(load(Some(&file), Some(&elsewhere)).unwrap().state, elsewhere);
    let inside = load(Some(&file), Some(Path::new("/srv/desired-state/x"))).unwrap_err();
    assert_snapshot!(sketch(&inside).replace(dir.path().to_str().unwrap(), "DIR"), @"
    POP130 Error DIR/popgate.yaml:4:14+18 the state directory lies in the desired directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
}

#[test]
fn links_do_not_hide_that_directories_lie_in_each_other() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    let file = dir.path().join("popgate.yaml");
    fs::write(&file, format!("state: link/not-yet/state\n{}", TARGET.replace("/srv/desired-state", "real")))
        .unwrap();
    let found = load(Some(&file), None).unwrap_err();
    assert_snapshot!(sketch(&found).replace(dir.path().to_str().unwrap(), "DIR"), @"
    POP130 Error DIR/popgate.yaml:4:14+4 the state directory lies in the desired directory
      also DIR/popgate.yaml:1:8+18 the state directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_not_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |path: &Path| {
        sketch(&load(Some(path), None).unwrap_err()).replace(dir.path().to_str().unwrap(), "DIR")
    };
    assert_snapshot!(shown(&dir.path().join("missing.yaml")), @"
    POP100 Error DIR/missing.yaml the settings file cannot be read: No such file or directory (os error 2)
      help name another file with `--config`
    ");
    assert_snapshot!(shown(dir.path()), @"
    POP100 Error DIR the settings file cannot be read: Is a directory (os error 21)
      help name another file with `--config`
    ");
    let file = dir.path().join("popgate.yaml");
    fs::write(&file, b"a: 1\nb: \xff\n").unwrap();
    assert_snapshot!(shown(&file), @"
    POP101 Error DIR/popgate.yaml the settings file is not UTF-8 text, beginning in line 2
      help save the file as UTF-8
    ");
    fs::write(&file, "ä".repeat(200_000)).unwrap();
    assert_snapshot!(shown(&file), @"
    POP102 Error DIR/popgate.yaml the settings file is longer than 256 KiB
      help users belong into the desired directory
    ");
    assert!(sketch(&load(Some(Path::new("/dev/zero")), None).unwrap_err()).starts_with("POP102 "));
}

#[test]
fn the_embedded_default_checks_the_state_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let standard = dir.path().join("popgate.yaml");
    let load = |state| load::load_or(&standard, None, state);
    assert_eq!(load(None).unwrap(), Settings::default_embedded());
    let settings = load(Some(Path::new("/tmp/elsewhere"))).unwrap();
    assert_eq!(
        settings.targets["default"].store,
        StoreSettings::Sqlite(Sqlite::own("/tmp/elsewhere/pop3.db".into()))
    );
    assert_snapshot!(sketch(&load(Some(Path::new("desired-state/x"))).unwrap_err()), @"
    POP130 Error desired-state/x the state directory lies in the desired directory
      help name another `--state` directory
    ");
}

#[test]
fn the_standard_file_counts_as_soon_as_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let standard = dir.path().join("popgate.yaml");
    std::os::unix::fs::symlink("nowhere", &standard).unwrap();
    let found = load::load_or(&standard, None, None).unwrap_err();
    assert!(sketch(&found).starts_with("POP100 "), "a link that leads nowhere is not the default");
    fs::write(dir.path().join("nowhere"), TARGET).unwrap();
    assert!(load::load_or(&standard, None, None).unwrap().targets.contains_key("t"));
}
