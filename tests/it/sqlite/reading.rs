//! Reading: types, names, names of rows, and databases that are not as they should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use popgate::model::{Access, Account, AccountId, AccountRef, Fault, Outcome, Severity, State};
use popgate::stores::sql::sqlite::open;
use popgate::stores::sql::{SqlValue, Table};
use popgate::stores::{Reader as _, StoreError, Writer as _};
use rusqlite::Connection;

use super::{MAILBOX, Sqlite, mailbox};
use crate::contract::change;

async fn state(world: &Sqlite, id: &str) -> State {
    let live = world.store.read().await.unwrap();
    live.get(&AccountId::new(id)).map_or(State::Missing, |account| account.state.clone())
}

async fn refusal(world: &Sqlite) -> (String, Fault, String) {
    let StoreError { what, fault, help } = world.store.read().await.unwrap_err();
    (what, fault, help.expect("every refusal says what to do"))
}

#[tokio::test]
async fn values_count_by_meaning_and_not_by_type() {
    let world = Sqlite::new("CREATE TABLE mailbox (username TEXT PRIMARY KEY, flag)", |table| {
        table.columns = vec!["flag".into()];
    });
    for (id, written, expected) in [
        ("integer", "1", State::Is(Access::Enabled)),
        ("text", "'1'", State::Is(Access::Enabled)),
        ("real", "1.0", State::Is(Access::Enabled)),
        ("blob", "x'31'", State::Is(Access::Enabled)),
        ("zero", "'0'", State::Is(Access::Disabled)),
        ("seven", "7", State::Unreadable("column flag holds 7".into())),
        ("null", "NULL", State::Unreadable("column flag holds NULL".into())),
        ("word", "'true'", State::Unreadable("column flag holds \"true\"".into())),
        ("bytes", "x'00ff'", State::Unreadable("column flag holds a blob of 2 bytes".into())),
        (
            "broken",
            "CAST(x'ff' AS TEXT)",
            State::Unreadable("column flag holds a text that is not UTF-8".into()),
        ),
    ] {
        world.sql(&format!("INSERT INTO mailbox VALUES ('{id}', {written})"));
        assert_eq!(state(&world, id).await, expected, "{id}");
    }
}

#[tokio::test]
async fn names_come_from_key_name_and_aliases_within_the_filter() {
    let schema =
        "CREATE TABLE mailbox (id INTEGER PRIMARY KEY, full, alias, second, enabled INTEGER, active INTEGER)";
    let world = Sqlite::new(schema, |table| {
        table.key = "ID".into();
        table.columns = vec!["enabled".into()];
        table.name = Some("full".into());
        table.aliases = vec!["alias".into(), "second".into()];
        table.filter = Some("active = 1".into());
    });
    world.sql(
        "INSERT INTO mailbox VALUES (7, 'Bob', 'bob@x', '', 1, 1), (9, NULL, NULL, 12, 0, 1), (10, 'Gone', '', '', 1, 0)",
    );
    let live = world.store.read().await.unwrap();
    let account = |id: &str, name: &str, aliases: &[&str], access| Account {
        id: AccountId::new(id),
        name: name.into(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        state: State::Is(access),
    };
    let expected =
        [account("7", "Bob", &["bob@x"], Access::Enabled), account("9", "9", &["12"], Access::Disabled)];
    assert_eq!(live.iter().map(AccountRef::to_account).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_row_without_a_usable_key_fails_the_whole_read_and_is_named() {
    for (row, holds) in [
        ("NULL", "column username holds NULL"),
        ("CAST(x'62f662' AS TEXT)", "column username holds a text that is not UTF-8"),
        ("x'626f62'", "column username holds a blob of 3 bytes"),
    ] {
        let world = Sqlite::mailbox();
        world.sql("INSERT INTO mailbox (username) VALUES ('a'), ('b')");
        world.sql(&format!("INSERT INTO mailbox (username) VALUES ({row})"));
        let (what, fault, help) = refusal(&world).await;
        assert!(what.starts_with("row 3 of `mailbox`") && what.contains(holds), "{what}");
        assert_eq!(fault, Fault::Invalid);
        assert!(help.contains("all accounts or none"), "{help}");
    }
}

#[tokio::test]
async fn two_rows_of_one_key_fail_the_whole_read() {
    let world =
        Sqlite::new("CREATE TABLE mailbox (username, flag)", |table| table.columns = vec!["flag".into()]);
    world.sql("INSERT INTO mailbox VALUES (42, 1), ('42', 0)");
    let (what, fault, _) = refusal(&world).await;
    assert!(what.contains("`42` twice"), "{what}");
    assert_eq!(fault, Fault::Invalid);
}

#[tokio::test]
async fn a_typing_error_in_the_settings_is_an_error_with_the_right_word() {
    for (change, words, hint) in [
        (
            (|table| table.columns[1] = "enablepop3secure".into()) as fn(&mut Table),
            "no column",
            "`enablepop3secured`",
        ),
        (|table| table.key = "user name".into(), "no column", "`username`"),
        (|table| table.aliases.push("zzz".into()), "no column", "its columns are `username`"),
        (|table| table.table = "mailboxes".into(), "no table", "did you mean `mailbox`?"),
        (|table| table.table = "zzz".into(), "no table", "its tables are `mailbox`"),
        (|table| table.table = "a\"b".into(), "cannot be the name", "without quotes"),
        (|table| table.filter = Some("actve = 1".into()), "no such column: actve", "one SQL condition"),
        (|table| table.filter = Some("active = 1) OR (".into()), "where", "one SQL condition"),
        (|table| table.filter = Some("1; DELETE FROM mailbox".into()), "where", "one SQL condition"),
        (|table| table.enabled = SqlValue::Integer(0), "are the same", "different values"),
    ] {
        let world = Sqlite::new(MAILBOX, change);
        let (what, fault, help) = refusal(&world).await;
        assert!(what.contains(words), "{words}: {what}");
        assert!(help.contains(hint), "{hint}: {help}");
        assert_eq!(fault, Fault::Invalid);
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_an_error_and_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(
        at("text"),
        "this is not a database, and long enough for a header of one hundred bytes ".repeat(3),
    )
    .unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    for (name, words) in [
        ("absent.db", "does not exist"),
        ("absent/deep.db", "does not exist"),
        ("dangling", "does not exist"),
        ("directory", "is a directory"),
        ("text/below.db", "looking at"),
        ("text", "is not a SQLite database"),
        ("empty", "no table `mailbox`"),
        ("/dev/null", "not a regular file"),
        ("", "is a directory"),
    ] {
        let store = open(mailbox(at(name)));
        let error = store.read().await.unwrap_err();
        assert!(error.what.contains(words), "{name}: {error}");
        assert_eq!(error.fault, Fault::Invalid, "{name}");
        assert!(error.help.is_some(), "{name}");
        let worst = store.preflight().await.into_iter().max_by_key(|finding| finding.severity).unwrap();
        assert_eq!(worst.severity, Severity::Error, "{name}: {worst:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
}

#[tokio::test]
async fn names_that_sqlite_would_take_for_something_else_are_files() {
    for name in [":memory:", "file:users.db?mode=memory", "100%41.db"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(MAILBOX).unwrap();
        assert_eq!(open(mailbox(path)).read().await.unwrap().len(), 0, "{name}");
        let shown = open(mailbox(name.into())).name();
        assert!(shown.starts_with("sqlite /") && shown.ends_with(name), "{shown}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_said_to_be_damaged() {
    let world = Sqlite::new(&format!("PRAGMA journal_mode = DELETE; {MAILBOX}"), |_| ());
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
         INSERT INTO mailbox (username) SELECT 'user' || i FROM n",
    );
    let mut bytes = fs::read(&world.table.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[8192..middle].fill(0xa5);
    fs::write(&world.table.path, bytes).unwrap();
    let (what, fault, help) = refusal(&world).await;
    assert!(what.contains("damaged"), "{what}");
    assert!(help.contains("integrity_check"), "{help}");
    assert_eq!(fault, Fault::Invalid);
}

#[tokio::test]
async fn reading_works_beside_an_open_write_and_sees_what_is_committed() {
    let world = Sqlite::mailbox();
    world.sql("INSERT INTO mailbox (username) VALUES ('a')");
    let other = world.connection();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE mailbox SET enablepop3 = 0").unwrap();
    assert_eq!(state(&world, "a").await, State::Is(Access::Enabled));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(state(&world, "a").await, State::Mixed);
}

#[tokio::test]
async fn an_interrupted_write_is_explained_to_a_reader_and_undone_by_a_writer() {
    let world = Sqlite::new(&format!("PRAGMA journal_mode = DELETE; {MAILBOX}"), |_| ());
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
         INSERT INTO mailbox (username) SELECT 'user' || i FROM n",
    );
    // A copy of the files in the middle of a write that has outgrown its cache: what a crash leaves.
    let other = world.connection();
    other.execute_batch("PRAGMA cache_size = 5; BEGIN; UPDATE mailbox SET enablepop3 = 0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let crashed = mailbox(directory.path().join("users.db"));
    let journal = |path: &std::path::Path| path.with_file_name("users.db-journal");
    fs::copy(&world.table.path, &crashed.path).unwrap();
    fs::copy(journal(&world.table.path), journal(&crashed.path)).unwrap();
    drop(other);
    let store = open(crashed);
    let error = store.read().await.unwrap_err();
    assert!(error.what.contains("interrupted write"), "{error}");
    assert!(error.help.unwrap().contains("sqlite3"));
    let disable = change("user1", State::Is(Access::Enabled), Access::Disabled);
    assert_eq!(store.write(&[disable]).await, [Outcome::Done]);
    let live = store.read().await.unwrap();
    assert_eq!(live.counts(|_| true).disabled, 1);
    assert_eq!(live.counts(|_| true).enabled, 1999);
}

#[tokio::test]
async fn reading_a_database_of_popgates_own_that_does_not_exist_makes_nothing() {
    let world = Sqlite::own();
    assert!(world.store.read().await.unwrap().is_empty());
    let findings = world.store.preflight().await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
    assert_eq!(fs::read_dir(world.directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_preflight_says_what_may_bite_later_and_leaves_every_byte() {
    let schema = "PRAGMA journal_mode = DELETE; CREATE TABLE mailbox (username TEXT, flag); \
        CREATE TRIGGER audit AFTER UPDATE ON mailbox BEGIN SELECT 1; END; \
        INSERT INTO mailbox VALUES ('a', 1), ('b', 7), ('c', 0)";
    let world = Sqlite::new(schema, |table| table.columns = vec!["flag".into()]);
    let files = || {
        let list = fs::read_dir(world.directory.path()).unwrap().map(|file| file.unwrap().path());
        list.map(|path| (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = files();
    let findings = world.store.preflight().await;
    assert_eq!(files(), before);
    let said = |severity, words: &str| {
        assert!(
            findings.iter().any(|finding| finding.severity == severity && finding.what.contains(words)),
            "{severity:?} {words}: {findings:#?}"
        );
    };
    said(Severity::Warning, "not in WAL mode");
    said(Severity::Warning, "nothing stops two rows");
    said(Severity::Warning, "has triggers: audit");
    said(Severity::Warning, "first unreadable one is b: column flag holds 7");
    said(Severity::Ok, "writable");
    assert!(findings.iter().all(|finding| finding.remedy.is_empty() == (finding.severity == Severity::Ok)));
}

#[tokio::test]
async fn a_view_can_be_read_and_is_refused_as_a_place_to_write() {
    let schema = format!("{MAILBOX}; CREATE VIEW people AS SELECT * FROM mailbox");
    let world = Sqlite::new(&schema, |table| table.table = "people".into());
    world.sql("INSERT INTO mailbox (username) VALUES ('a')");
    assert_eq!(state(&world, "a").await, State::Is(Access::Enabled));
    let findings = world.store.preflight().await;
    assert!(
        findings
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.what.contains("ordinary"))
    );
}

#[tokio::test]
async fn the_directory_of_popgates_own_database_is_for_its_owner_alone() {
    let world = Sqlite::own();
    let create = change("a", State::Missing, Access::Enabled);
    world.store.write(&[create]).await;
    let directory = world.table.path.parent().unwrap();
    for made in [directory, directory.parent().unwrap()] {
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
    }
    let mode: String = world.connection().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert!(world.connection().execute("INSERT INTO pop3 VALUES ('b', 'perhaps')", []).is_err());
}
