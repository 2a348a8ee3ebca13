//! SQL text from a [`Table`]. Identifiers are checked and quoted, every value is a parameter.
//!
//! A column is always written with its table in front: `SQLite` takes a bare `"no_such_column"` for a text and
//! answers it for every row, and only a qualified name is sure to be a name
//! (<https://sqlite.org/quirks.html#double_quoted_string_literals_are_accepted>).

use std::fmt::Write as _;

use super::{SqlValue, Table};

/// How the key has to be compared for a text to find the row it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// The column turns the text into what it stores: `key = ?1`.
    Converted,
    /// The column stores numbers and texts as they come, so both are tried: `key IN (?1, ?2)`.
    AsTheyCome,
}

/// Tells whether a name may stand in a statement.
pub(super) fn is_identifier(name: &str) -> bool {
    name.trim() == name
        && !name.is_empty()
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '$' | '-' | '.' | ' '))
}

/// Returns the statement that reads every account: key, access columns, name, aliases, then the row number if it
/// is asked for. There is no ORDER BY: sorting through an index costs twenty times the scan.
pub(super) fn select(table: &Table, row_number: bool) -> String {
    let mut columns: Vec<String> = table.all_columns().map(|column| qualified(table, column)).collect();
    if row_number {
        columns.push(format!("{}.rowid", quoted(&table.table)));
    }
    let mut sql = format!("SELECT {} FROM main.{}", columns.join(", "), quoted(&table.table));
    if let Some(filter) = filter(table) {
        sql.push_str(" WHERE ");
        sql.push_str(&filter);
    }
    sql
}

/// Returns the statement that looks at the access columns of one key, `?1` and perhaps `?2`; two rows at most.
pub(super) fn look(table: &Table, keys: Keys) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| qualified(table, column)).collect();
    let from = quoted(&table.table);
    format!("SELECT {} FROM main.{from} WHERE {} LIMIT 2", columns.join(", "), row_of_key(table, keys))
}

/// Returns the statement that sets all columns of the key `?1` (and perhaps `?2`) to `?3`, whatever they hold.
pub(super) fn update(table: &Table, keys: Keys) -> String {
    // OR ABORT: no conflict clause of the table may delete other rows or keep half of a change.
    let mut sql = format!("UPDATE OR ABORT main.{} SET ", quoted(&table.table));
    for (position, column) in table.columns.iter().enumerate() {
        let comma = if position > 0 { ", " } else { "" };
        write!(sql, "{comma}{} = ?3", quoted(column)).expect("a String takes every write");
    }
    sql.push_str(" WHERE ");
    sql.push_str(&row_of_key(table, keys));
    sql
}

/// Returns the statement of [`update`], but only for a row whose columns all hold `?4`.
pub(super) fn update_from(table: &Table, keys: Keys) -> String {
    let mut sql = update(table, keys);
    for column in &table.columns {
        write!(sql, " AND {} IS ?4", qualified(table, column)).expect("a String takes every write");
    }
    sql
}

/// Returns the statement that inserts the key `?1` with all columns `?2`.
pub(super) fn insert(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    let values = vec!["?2"; columns.len()].join(", ");
    format!(
        "INSERT OR ABORT INTO main.{} ({}, {}) VALUES (?1, {values})",
        quoted(&table.table),
        quoted(&table.key),
        columns.join(", "),
    )
}

/// Returns the statement that makes popgate's own table. It is clustered by key, so that a scan comes sorted.
pub(super) fn create(table: &Table) -> String {
    let values = format!("{}, {}", literal(&table.enabled), literal(&table.disabled));
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!(", {0} TEXT NOT NULL CHECK ({0} IN ({values}))", quoted(column)))
        .collect();
    format!(
        "CREATE TABLE main.{} ({} TEXT NOT NULL PRIMARY KEY{}) WITHOUT ROWID",
        quoted(&table.table),
        quoted(&table.key),
        columns.concat(),
    )
}

/// Returns an identifier in double quotes.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn qualified(table: &Table, column: &str) -> String {
    format!("{}.{}", quoted(&table.table), quoted(column))
}

fn row_of_key(table: &Table, keys: Keys) -> String {
    let key = qualified(table, &table.key);
    // The second comparison is for a key column that ignores case: `A@x` must not find `a@x`.
    let mut sql = match keys {
        Keys::Converted => format!("{key} = ?1 AND {key} COLLATE BINARY = ?1"),
        Keys::AsTheyCome => format!("{key} COLLATE BINARY IN (?1, ?2)"),
    };
    if let Some(filter) = filter(table) {
        sql.push_str(" AND ");
        sql.push_str(&filter);
    }
    sql
}

/// The administrator's condition. The line breaks end a `--` comment in it.
fn filter(table: &Table) -> Option<String> {
    let filter = table.filter.as_deref()?.trim();
    (!filter.is_empty()).then(|| format!("(\n{filter}\n)"))
}

fn literal(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "NULL".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Table {
        Table {
            table: "mailbox".into(),
            key: "username".into(),
            columns: vec!["enablepop3".into(), "enablepop3tls".into()],
            aliases: vec!["alias".into()],
            name: Some("full name".into()),
            filter: Some("active = 1 -- not the dead".into()),
            ..Table::own("/db")
        }
    }

    #[test]
    fn every_column_stands_with_its_table_so_that_a_typing_error_is_an_error() {
        assert_eq!(
            select(&mailbox(), true),
            "SELECT \"mailbox\".\"username\", \"mailbox\".\"enablepop3\", \"mailbox\".\"enablepop3tls\", \
             \"mailbox\".\"full name\", \"mailbox\".\"alias\", \"mailbox\".rowid FROM main.\"mailbox\" \
             WHERE (\nactive = 1 -- not the dead\n)"
        );
    }

    #[test]
    fn a_write_names_all_columns_and_keeps_the_filter() {
        assert_eq!(
            update_from(&mailbox(), Keys::Converted),
            "UPDATE OR ABORT main.\"mailbox\" SET \"enablepop3\" = ?3, \"enablepop3tls\" = ?3 \
             WHERE \"mailbox\".\"username\" = ?1 AND \"mailbox\".\"username\" COLLATE BINARY = ?1 \
             AND (\nactive = 1 -- not the dead\n) \
             AND \"mailbox\".\"enablepop3\" IS ?4 AND \"mailbox\".\"enablepop3tls\" IS ?4"
        );
        assert_eq!(
            look(&Table { filter: Some(" ".into()), ..mailbox() }, Keys::AsTheyCome),
            "SELECT \"mailbox\".\"enablepop3\", \"mailbox\".\"enablepop3tls\" FROM main.\"mailbox\" \
             WHERE \"mailbox\".\"username\" COLLATE BINARY IN (?1, ?2) LIMIT 2"
        );
    }

    #[test]
    fn the_own_table_takes_only_the_two_words() {
        assert_eq!(
            create(&Table::own("/db")),
            "CREATE TABLE main.\"pop3\" (\"user\" TEXT NOT NULL PRIMARY KEY, \"access\" TEXT NOT NULL CHECK \
             (\"access\" IN ('enabled', 'disabled'))) WITHOUT ROWID"
        );
        assert_eq!(
            insert(&Table::own("/db")),
            "INSERT OR ABORT INTO main.\"pop3\" (\"user\", \"access\") VALUES (?1, ?2)"
        );
    }

    #[test]
    fn quotes_in_identifiers_are_doubled_even_though_they_are_refused_before() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert!(!is_identifier("a\"b"));
        for name in ["mailbox", "pop3-enabled", "Ünï_1", "full name", "$x"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["", " a", "a;", "a'", "a\n", "[a]", "`a`", "a,b", "(a)"] {
            assert!(!is_identifier(name), "{name}");
        }
    }
}
