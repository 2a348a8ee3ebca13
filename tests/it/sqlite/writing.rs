//! Writing: what happens to one row must not happen to another, and what looks the same is not always the same.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use popgate::model::{Access, AccountId, Fault, Outcome, State};
use popgate::stores::sql::sqlite::open;
use popgate::stores::{Reader as _, Writer as _};

use super::{MAILBOX, Sqlite};
use crate::contract::change;

const ENABLED: State = State::Is(Access::Enabled);

fn disable(names: &[&str]) -> Vec<popgate::plan::Change> {
    names.iter().map(|name| change(name, ENABLED, Access::Disabled)).collect()
}

async fn disabled(world: &Sqlite) -> Vec<String> {
    let live = world.store.read().await.unwrap();
    let disabled = live.iter().filter(|account| account.state.is(Access::Disabled));
    disabled.map(|account| account.id.to_string()).collect()
}

#[tokio::test]
async fn a_trigger_that_refuses_one_row_refuses_only_that_row() {
    for raise in ["ABORT", "FAIL"] {
        for when in ["BEFORE", "AFTER"] {
            let world = Sqlite::new(
                &format!(
                    "{MAILBOX}; INSERT INTO mailbox (username) VALUES ('a'), ('boss'), ('c'); \
                     CREATE TRIGGER keep {when} UPDATE ON mailbox WHEN new.username = 'boss' \
                     BEGIN SELECT RAISE({raise}, 'not the boss'); END"
                ),
                |_| (),
            );
            let outcomes = world.store.write(&disable(&["a", "boss", "c"])).await;
            assert_eq!(
                outcomes,
                [Outcome::Done, Outcome::NotApplied(Fault::Invalid), Outcome::Done],
                "{raise}"
            );
            assert_eq!(disabled(&world).await, ["a", "c"], "{raise} {when}");
        }
    }
}

#[tokio::test]
async fn a_trigger_that_rolls_everything_back_leaves_nothing_done() {
    let world = Sqlite::new(
        &format!(
            "{MAILBOX}; INSERT INTO mailbox (username) VALUES ('a'), ('boss'), ('c'); \
             CREATE TRIGGER keep AFTER UPDATE ON mailbox WHEN new.username = 'boss' \
             BEGIN SELECT RAISE(ROLLBACK, 'not the boss'); END"
        ),
        |_| (),
    );
    let outcomes = world.store.write(&disable(&["a", "boss", "c"])).await;
    let again = Outcome::NotApplied(Fault::TRANSIENT);
    assert_eq!(outcomes, [again.clone(), Outcome::NotApplied(Fault::Invalid), again]);
    assert!(disabled(&world).await.is_empty());
    assert_eq!(world.store.write(&disable(&["a", "c"])).await, [Outcome::Done, Outcome::Done]);
}

#[tokio::test]
async fn a_trigger_that_undoes_or_ignores_a_change_is_not_believed() {
    for body in [
        "AFTER UPDATE ON mailbox BEGIN UPDATE mailbox SET enablepop3 = 1 WHERE username = new.username; END",
        "BEFORE UPDATE ON mailbox BEGIN SELECT RAISE(IGNORE); END",
    ] {
        let schema =
            format!("{MAILBOX}; INSERT INTO mailbox (username) VALUES ('a'); CREATE TRIGGER undo {body}");
        let world = Sqlite::new(&schema, |_| ());
        assert_eq!(
            world.store.write(&disable(&["a"])).await,
            [Outcome::NotApplied(Fault::Invalid)],
            "{body}"
        );
        assert!(disabled(&world).await.is_empty());
        let live = world.store.read().await.unwrap();
        assert_eq!(live.counts(|_| true).mixed, 0, "half a change was kept");
    }
}

#[tokio::test]
async fn a_key_that_is_not_unique_is_ambiguous_and_neither_row_is_written() {
    let schema = "CREATE TABLE mailbox (username TEXT, flag INTEGER); \
        CREATE UNIQUE INDEX some ON mailbox (username) WHERE flag = 1; \
        CREATE UNIQUE INDEX both ON mailbox (username, flag); \
        INSERT INTO mailbox VALUES ('twin', 1), ('twin', 0), ('single', 1)";
    let world = Sqlite::new(schema, |table| table.columns = vec!["flag".into()]);
    let outcomes = world.store.write(&disable(&["twin", "single"])).await;
    assert_eq!(outcomes, [Outcome::NotApplied(Fault::Ambiguous), Outcome::Done]);
    let left: i64 = world
        .connection()
        .query_row("SELECT sum(flag) FROM mailbox WHERE username = 'twin'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_key_that_ignores_case_still_means_the_row_it_was_read_from() {
    let schema = "CREATE TABLE mailbox (username TEXT COLLATE NOCASE, flag INTEGER); \
        INSERT INTO mailbox VALUES ('Bob', 1), ('bob', 1)";
    let world = Sqlite::new(schema, |table| table.columns = vec!["flag".into()]);
    assert_eq!(world.store.write(&disable(&["bob", "BOB"])).await, [Outcome::Done, Outcome::Missing]);
    assert_eq!(disabled(&world).await, ["bob"]);
}

#[tokio::test]
async fn numbers_as_keys_are_found_again_in_every_kind_of_column() {
    for declared in [
        "INTEGER PRIMARY KEY",
        "INT UNIQUE",
        "TEXT PRIMARY KEY",
        "VARCHAR(9) UNIQUE",
        "UNIQUE",
        "BLOB UNIQUE",
        "NUMERIC UNIQUE",
    ] {
        let schema = format!(
            "CREATE TABLE mailbox (username {declared}, flag INTEGER); INSERT INTO mailbox VALUES (42, 1), (43, 1)"
        );
        let world = Sqlite::new(&schema, |table| table.columns = vec!["flag".into()]);
        assert_eq!(world.store.write(&disable(&["42", "042"])).await[0], Outcome::Done, "{declared}");
        assert_eq!(disabled(&world).await, ["42"], "{declared}");
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_compared_as_it_was_read() {
    let schema = "CREATE TABLE mailbox (username TEXT PRIMARY KEY, flag); \
        INSERT INTO mailbox VALUES ('text', '1'), ('blob', x'31'), ('odd', 7)";
    let world = Sqlite::new(schema, |table| table.columns = vec!["flag".into()]);
    assert_eq!(world.store.write(&disable(&["text", "blob"])).await, [Outcome::Done, Outcome::Done]);
    let odd = |reason: &str| change("odd", State::Unreadable(reason.into()), Access::Disabled);
    let other = Outcome::NotApplied(Fault::TRANSIENT);
    assert_eq!(world.store.write(&[odd("column flag holds 8")]).await, [other]);
    assert_eq!(world.store.write(&[odd("column flag holds 7")]).await, [Outcome::Done]);
    assert_eq!(disabled(&world).await, ["blob", "odd", "text"]);
}

#[tokio::test]
async fn the_filter_bounds_writes_too() {
    let schema = format!("{MAILBOX}; INSERT INTO mailbox (username, active) VALUES ('a', 1), ('b', 0)");
    let world = Sqlite::new(&schema, |table| table.filter = Some("active = 1".into()));
    assert_eq!(world.store.write(&disable(&["a", "b"])).await, [Outcome::Done, Outcome::Missing]);
    let outside: i64 = world
        .connection()
        .query_row("SELECT enablepop3 FROM mailbox WHERE username = 'b'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(outside, 1);
}

#[tokio::test]
async fn a_conflict_clause_of_the_table_cannot_delete_another_row() {
    let schema = "CREATE TABLE mailbox (username TEXT PRIMARY KEY, flag INTEGER UNIQUE ON CONFLICT REPLACE); \
        INSERT INTO mailbox VALUES ('a', 1), ('b', 0)";
    let world = Sqlite::new(schema, |table| table.columns = vec!["flag".into()]);
    assert_eq!(world.store.write(&disable(&["a"])).await, [Outcome::NotApplied(Fault::Invalid)]);
    assert_eq!(world.store.read().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_foreign_journal_mode_is_left_as_it_is() {
    let schema =
        format!("PRAGMA journal_mode = DELETE; {MAILBOX}; INSERT INTO mailbox (username) VALUES ('a')");
    let world = Sqlite::new(&schema, |_| ());
    assert_eq!(world.store.write(&disable(&["a"])).await, [Outcome::Done]);
    let mode: String = world.connection().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
}

#[tokio::test]
async fn popgates_own_table_can_live_in_a_database_of_others() {
    let world = Sqlite::new(&format!("PRAGMA journal_mode = DELETE; {MAILBOX}"), |table| {
        *table = popgate::stores::sql::Table::own(table.path.clone());
    });
    assert!(world.store.read().await.unwrap().is_empty());
    let create = [change("a", State::Missing, Access::Enabled)];
    assert_eq!(world.store.write(&create).await, [Outcome::Done]);
    assert_eq!(world.store.read().await.unwrap().len(), 1);
    let mode: String = world.connection().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "only an empty database is popgate's to set up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_no_error_and_no_half_of_a_chunk_while_chunks_are_written() {
    let world = Sqlite::mailbox();
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         INSERT INTO mailbox (username) SELECT 'user' || i FROM n",
    );
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let names: Vec<String> = (1..=500).map(|number| format!("user{number}")).collect();
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let connection = world.connection();
                let mut login = connection.prepare("SELECT sum(enablepop3) FROM mailbox").unwrap();
                let _first: i64 = login.query_row([], |row| row.get(0)).unwrap();
                // Whoever opens a WAL database first may keep the others out for a moment; after that nobody waits.
                connection.busy_timeout(std::time::Duration::ZERO).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let enabled: i64 = login.query_row([], |row| row.get(0)).expect("a login never fails");
                    assert!(enabled == 0 || enabled == 500, "{enabled}");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::task::block_in_place(|| {
            for round in 0..20 {
                let (from, to) = if round % 2 == 0 {
                    (ENABLED, Access::Disabled)
                } else {
                    (State::Is(Access::Disabled), Access::Enabled)
                };
                let chunk: Vec<_> = names.iter().map(|name| change(name, from.clone(), to)).collect();
                let outcomes = runtime.block_on(world.store.write(&chunk));
                assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
            }
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn two_stores_on_one_file_race_and_every_change_is_done_once() {
    let world = Sqlite::mailbox();
    let names: Vec<String> = (0..300).map(|number| format!("user{number}")).collect();
    for name in &names {
        world.connection().execute("INSERT INTO mailbox (username) VALUES (?1)", [name]).unwrap();
    }
    let chunk: Vec<_> = names.iter().map(|name| change(name, ENABLED, Access::Disabled)).collect();
    let other = open(world.table.clone());
    let (one, two) = tokio::join!(world.store.write(&chunk), other.write(&chunk));
    let done = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count();
    assert_eq!(done(&one) + done(&two), 300);
    assert!(one.iter().chain(&two).all(|outcome| matches!(outcome, Outcome::Done | Outcome::Already)));
    assert_eq!(
        *world.store.read().await.unwrap().get(&AccountId::new("user7")).unwrap().state,
        State::Is(Access::Disabled)
    );
}
