//! `SQLite` files: the contract, with the shapes of tables that mail servers have.

mod faults;
mod reading;
mod writing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use popgate::model::{Access, Outcome, State};
use popgate::stores::Writer;
use popgate::stores::sql::sqlite::{SqliteStore, open};
use popgate::stores::sql::{SqlValue, Table};
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::contract::{World, change, contract};

/// A mailbox table as iRedMail has it, cut down to what matters here.
const MAILBOX: &str = "CREATE TABLE mailbox (username TEXT PRIMARY KEY, password TEXT NOT NULL DEFAULT '{PLAIN}pw', \
    enableimap INTEGER NOT NULL DEFAULT 1, enablepop3 INTEGER DEFAULT 1, enablepop3secured INTEGER DEFAULT 1, \
    enablepop3tls INTEGER DEFAULT 1, active INTEGER NOT NULL DEFAULT 1)";

/// A database in a directory of its own, and the store on it.
struct Sqlite {
    directory: TempDir,
    table: Table,
    store: SqliteStore,
}

impl Sqlite {
    /// Makes the database with this schema, in WAL mode.
    fn new(schema: &str, settings: impl FnOnce(&mut Table)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut table = mailbox(directory.path().join("users.db"));
        settings(&mut table);
        let connection = Connection::open(&table.path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        connection.execute_batch(schema).unwrap();
        Self { store: open(table.clone()), directory, table }
    }

    fn mailbox() -> Self {
        Self::new(MAILBOX, |_| ())
    }

    /// Makes the store on popgate's own table, of which nothing exists yet.
    fn own() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("state/deep/pop3.db"));
        Self { store: open(table.clone()), directory, table }
    }

    fn connection(&self) -> Connection {
        Connection::open(&self.table.path).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }
}

/// Settings for [`MAILBOX`].
fn mailbox(path: PathBuf) -> Table {
    Table {
        path,
        table: "mailbox".to_owned(),
        key: "username".to_owned(),
        columns: ["enablepop3", "enablepop3secured", "enablepop3tls"].map(str::to_owned).to_vec(),
        enabled: SqlValue::Integer(1),
        disabled: SqlValue::Integer(0),
        aliases: Vec::new(),
        name: None,
        filter: None,
        busy_timeout: Duration::from_secs(5),
        create: false,
    }
}

fn value(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
    }
}

#[async_trait]
impl World for Sqlite {
    fn store(&self) -> &dyn Writer {
        &self.store
    }

    async fn put(&self, accounts: &[(String, State)]) {
        let Table { table, key, columns, enabled, disabled, .. } = &self.table;
        if self.table.create && !self.table.path.exists() {
            // Only popgate makes this table.
            let first = [change("first", State::Missing, Access::Enabled)];
            assert_eq!(open(self.table.clone()).write(&first).await, [Outcome::Done]);
            self.sql("DELETE FROM pop3");
        }
        let mut connection = self.connection();
        let transaction = connection.transaction().unwrap();
        for (name, state) in accounts {
            let values = columns.iter().enumerate().map(|(position, _)| match state {
                State::Is(Access::Enabled) => value(enabled),
                State::Is(Access::Disabled) => value(disabled),
                State::Mixed => value(if position == 0 { disabled } else { enabled }),
                other => panic!("{other:?} is not for this world"),
            });
            let sql = format!(
                "INSERT INTO {table} ({key}, {0}) VALUES (?1, {1}) ON CONFLICT ({key}) DO UPDATE SET {2}",
                columns.join(", "),
                (0..columns.len()).map(|at| format!("?{}", at + 2)).collect::<Vec<_>>().join(", "),
                columns
                    .iter()
                    .map(|column| format!("{column} = excluded.{column}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            let values = std::iter::once(Value::Text(name.clone())).chain(values);
            transaction.prepare_cached(&sql).unwrap().execute(rusqlite::params_from_iter(values)).unwrap();
        }
        transaction.commit().unwrap();
    }

    async fn delete(&self, name: &str) {
        let sql = format!("DELETE FROM {} WHERE {} = ?1", self.table.table, self.table.key);
        assert_eq!(self.connection().execute(&sql, params![name]).unwrap(), 1);
    }

    async fn dump(&self) -> BTreeMap<String, String> {
        if !self.table.path.exists() {
            return BTreeMap::new();
        }
        let connection = self.connection();
        let mut statement =
            connection.prepare(&format!("SELECT {}, * FROM {}", self.table.key, self.table.table)).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Vec<String> = (1..columns).map(|at| format!("{:?}", row.get_ref_unwrap(at))).collect();
            Ok((row.get(0)?, cells.join(" ")))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn mixes(&self) -> bool {
        self.table.columns.len() > 1
    }

    fn creates(&self) -> bool {
        self.table.create
    }
}

#[tokio::test]
async fn popgates_own_table_keeps_the_contract() {
    contract(async || Sqlite::own()).await;
}

#[tokio::test]
async fn three_columns_keep_the_contract_and_their_neighbours() {
    contract(async || Sqlite::mailbox()).await;
}

#[tokio::test]
async fn inverted_letters_keep_the_contract() {
    let schema = "CREATE TABLE mail_user (id INTEGER PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE, \
        disableimap CHAR(1) NOT NULL DEFAULT 'n', disablepop3 CHAR(1) NOT NULL DEFAULT 'n')";
    let settings = |table: &mut Table| {
        table.table = "mail_user".to_owned();
        table.key = "email".to_owned();
        table.columns = vec!["disablepop3".to_owned()];
        table.enabled = SqlValue::Text("n".to_owned());
        table.disabled = SqlValue::Text("y".to_owned());
    };
    contract(async || Sqlite::new(schema, settings)).await;
}

#[tokio::test]
async fn a_table_with_triggers_a_filter_and_a_rollback_journal_keeps_the_contract() {
    let schema = format!(
        "PRAGMA journal_mode = DELETE; {MAILBOX}; CREATE TABLE log (n INTEGER); \
         CREATE TRIGGER audit AFTER UPDATE ON mailbox BEGIN INSERT INTO log VALUES (1); END"
    );
    let settings = |table: &mut Table| table.filter = Some("active = 1 -- the living".to_owned());
    contract(async || Sqlite::new(&schema, settings)).await;
}

#[tokio::test]
async fn an_untyped_table_with_nullable_flags_keeps_the_contract() {
    let schema = "CREATE TABLE mailbox (username UNIQUE, a, b)";
    let settings = |table: &mut Table| {
        table.columns = vec!["a".to_owned(), "b".to_owned()];
        table.enabled = SqlValue::Text("Y".to_owned());
        table.disabled = SqlValue::Null;
    };
    contract(async || Sqlite::new(schema, settings)).await;
}
