//! The shape of the table as the database has it, and whether it fits the settings.

use rusqlite::{Connection, OptionalExtension, Result};

use crate::stores::StoreError;
use crate::stores::sql::text::Keys;
use crate::stores::sql::{Table, invalid};

/// A table, as far as popgate has to know it.
#[derive(Debug)]
pub(super) struct Shape {
    /// Whether it is a view or a virtual table, or an ordinary one.
    pub(super) kind: Kind,
    /// Whether its rows are numbered.
    pub(super) row_numbers: bool,
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// Whether the database itself forbids two rows with one key.
    pub(super) key_is_unique: bool,
    /// The triggers on it.
    pub(super) triggers: Vec<String>,
}

/// What answers to the table's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table.
    Table,
    /// Something that can be read and not be written row by row: a view, a virtual table.
    Other,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    declared: String,
    /// Whether its value is computed from others.
    computed: bool,
}

/// Looks at the table; `None` when there is none of this name.
pub(super) fn of(connection: &Connection, table: &Table) -> Result<Option<Shape>> {
    let found = connection
        .prepare_cached(
            "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
        )?
        .query_row([&table.table], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((name, kind, without_row_numbers)) = found else { return Ok(None) };
    let kind = if kind == "table" || kind == "shadow" { Kind::Table } else { Kind::Other };
    let mut columns = Vec::new();
    let mut primary_key = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1, 'main')")?;
    let mut rows = statement.query([&name])?;
    while let Some(row) = rows.next()? {
        let column = Column {
            name: row.get(0)?,
            declared: row.get(1)?,
            computed: matches!(row.get::<_, i64>(3)?, 2 | 3),
        };
        if row.get::<_, i64>(2)? > 0 {
            primary_key.push(column.name.clone());
        }
        columns.push(column);
    }
    let is_key = |column: &String| column.eq_ignore_ascii_case(&table.key);
    let key_is_unique = matches!(&primary_key[..], [only] if is_key(only))
        || has_unique_index(connection, &name, &table.key)?;
    let triggers = connection
        .prepare_cached(
            "SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
        )?
        .query_map([&name], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let row_numbers = kind == Kind::Table && !without_row_numbers;
    Ok(Some(Shape { kind, row_numbers, columns, key_is_unique, triggers }))
}

fn has_unique_index(connection: &Connection, table: &str, key: &str) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') AS list WHERE list.\"unique\" AND NOT list.partial \
             AND (SELECT count(*) FROM pragma_index_info(list.name, 'main')) = 1 \
             AND (SELECT info.name FROM pragma_index_info(list.name, 'main') AS info) = ?2 COLLATE NOCASE)",
        )?
        .query_row([table, key], |row| row.get(0))
}

impl Shape {
    /// Checks that every column of the settings is there.
    pub(super) fn fits(&self, table: &Table) -> std::result::Result<(), StoreError> {
        for wanted in table.all_columns() {
            if self.column(wanted).is_none() {
                let names = self.columns.iter().map(|column| column.name.as_str());
                return Err(invalid(
                    format!("table `{}` in {} has no column `{wanted}`", table.table, table.path.display()),
                    suggestion(wanted, names, "its columns are"),
                ));
            }
        }
        Ok(())
    }

    /// Checks what writing needs besides: a table, and access in columns that are not computed.
    pub(super) fn takes_writes(&self, table: &Table) -> std::result::Result<(), StoreError> {
        if self.kind == Kind::Other {
            return Err(invalid(
                format!("`{}` in {} is not an ordinary table", table.table, table.path.display()),
                "a view can be read, but name the table behind it to have popgate write",
            ));
        }
        if let Some(computed) = table
            .columns
            .iter()
            .find(|column| self.column(column.as_str()).is_some_and(|column| column.computed))
        {
            return Err(invalid(
                format!("column `{computed}` of `{}` is computed and cannot be written", table.table),
                "name the columns it is computed from",
            ));
        }
        Ok(())
    }

    /// Tells how a key is to be compared, by the affinity of its column (<https://sqlite.org/datatype3.html>).
    pub(super) fn keys(&self, table: &Table) -> Keys {
        let declared =
            self.column(&table.key).map(|column| column.declared.to_ascii_uppercase()).unwrap_or_default();
        let converts = |part: &str| declared.contains(part);
        // `ANY` converts nothing in a STRICT table and numbers in others; as they come is right for both.
        if declared.is_empty()
            || declared == "ANY"
            || (converts("BLOB") && !converts("INT") && !is_text(&declared))
        {
            Keys::AsTheyCome
        } else {
            Keys::Converted
        }
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// Explains that the table is not there.
pub(super) fn no_table(connection: &Connection, table: &Table) -> StoreError {
    let names: Vec<String> = connection
        .prepare("SELECT name FROM main.sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .unwrap_or_default();
    invalid(
        format!("{} has no table `{}`", table.path.display(), table.table),
        suggestion(&table.table, names.iter().map(String::as_str), "its tables are"),
    )
}

fn is_text(declared: &str) -> bool {
    ["CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part))
}

/// Returns "did you mean", or what there is, when nothing is near.
fn suggestion<'a>(wanted: &str, names: impl Iterator<Item = &'a str> + Clone, otherwise: &str) -> String {
    /// How many names help a person; more only hide what was said.
    const SHOWN: usize = 20;

    let folded = wanted.to_lowercase();
    let nearest = names
        .clone()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1.max(wanted.chars().count() / 3));
    if let Some((_, name)) = nearest {
        return format!("did you mean `{name}`?");
    }
    let shown: Vec<String> = names.clone().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.count().saturating_sub(SHOWN) {
        _ if shown.is_empty() => "there is none at all; check `path`".to_owned(),
        0 => format!("{otherwise} {}", shown.join(", ")),
        more => format!("{otherwise} {} and {more} more", shown.join(", ")),
    }
}
