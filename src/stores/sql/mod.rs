//! Stores that keep access in columns of an SQL table.
//!
//! [`Table`] says which table and which columns; `text` turns it into statements and `wire` turns rows into
//! accounts, both pure; [`sqlite`] does the talking.

mod text;
mod wire;

pub mod sqlite;

use std::path::PathBuf;
use std::time::Duration;

use super::StoreError;
use crate::model::{Access, Fault};

/// Where a table of accounts is and which of its columns hold access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The database file.
    pub path: PathBuf,
    /// The table's name, without quotes.
    pub table: String,
    /// The column whose value identifies an account.
    pub key: String,
    /// The columns that hold access. They are read and written together, all with the same value.
    pub columns: Vec<String>,
    /// What each of the columns holds when POP3 is enabled.
    pub enabled: SqlValue,
    /// What each of the columns holds when POP3 is disabled.
    pub disabled: SqlValue,
    /// Columns with other names of the account; NULL and the empty text stand for none.
    pub aliases: Vec<String>,
    /// The column with the name a person recognises; the key where it is not set, NULL or empty.
    pub name: Option<String>,
    /// An SQL condition that bounds what is read and what is written. Trusted: it comes from the administrator
    /// and goes into the statements as it is.
    pub filter: Option<String>,
    /// How long to wait for somebody else's lock.
    pub busy_timeout: Duration,
    /// Whether the table is popgate's own: file and table are made by the first write, and an account that the
    /// table lacks is inserted.
    pub create: bool,
}

/// A value as the settings write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A number, such as `1`.
    Integer(i64),
    /// A text, such as `y`.
    Text(String),
}

impl Table {
    /// Returns popgate's own table `pop3(user, access)` in the given file.
    pub fn own(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            table: "pop3".to_owned(),
            key: "user".to_owned(),
            columns: vec!["access".to_owned()],
            enabled: SqlValue::Text(Access::Enabled.word().to_owned()),
            disabled: SqlValue::Text(Access::Disabled.word().to_owned()),
            aliases: Vec::new(),
            name: None,
            filter: None,
            busy_timeout: Duration::from_secs(5),
            create: true,
        }
    }

    /// Checks what can be checked without a database: identifiers, doubled columns, values that mean the same.
    ///
    /// # Errors
    /// The first rule that the settings break, with the remedy.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.columns.is_empty() {
            return Err(invalid("no column holds access", "name at least one under `access: columns`"));
        }
        for (what, identifier) in self.identifiers() {
            if !text::is_identifier(identifier) {
                return Err(invalid(
                    format!("{identifier:?} cannot be the name of a {what}"),
                    "use letters, digits, `_`, `$`, `-`, `.` and inner spaces, without quotes",
                ));
            }
        }
        for (position, column) in self.columns.iter().enumerate() {
            if column.eq_ignore_ascii_case(&self.key) {
                return Err(invalid(
                    format!("`{column}` is both the key and a column of access"),
                    "a key identifies an account; access needs columns of its own",
                ));
            }
            if self.columns[..position].iter().any(|before| before.eq_ignore_ascii_case(column)) {
                return Err(invalid(format!("column `{column}` is named twice"), "name it once"));
            }
        }
        if self.enabled.means_the_same(&self.disabled) {
            return Err(invalid(
                "the values for enabled and disabled are the same",
                "give `enabled` and `disabled` different values",
            ));
        }
        Ok(())
    }

    /// Returns the value that the columns hold for this access.
    fn value(&self, access: Access) -> &SqlValue {
        match access {
            Access::Enabled => &self.enabled,
            Access::Disabled => &self.disabled,
        }
    }

    fn identifiers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        std::iter::once(("table", self.table.as_str()))
            .chain(self.all_columns().map(|column| ("column", column)))
    }

    /// Iterates over every column that is read, in the order in which [`text::select`] asks for them.
    fn all_columns(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key)
            .chain(&self.columns)
            .chain(&self.name)
            .chain(&self.aliases)
            .map(String::as_str)
    }
}

/// A refusal that waits for somebody to change the settings or the database.
fn invalid(what: impl Into<String>, help: impl Into<String>) -> StoreError {
    StoreError { what: what.into(), fault: Fault::Invalid, help: Some(help.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Table)) -> Option<String> {
        let mut table = Table::own("/db");
        change(&mut table);
        table.check().err().map(|error| error.what)
    }

    #[test]
    fn popgates_own_table_is_in_order() {
        assert_eq!(refusal(|_| ()), None);
    }

    #[test]
    fn a_table_that_cannot_work_is_refused_before_any_database_is_touched() {
        for (change, words) in [
            ((|table| table.columns.clear()) as fn(&mut Table), "no column"),
            (|table| table.columns.push("USER".into()), "both the key"),
            (|table| table.columns.push("Access".into()), "twice"),
            (|table| table.table = String::new(), "name of a table"),
            (|table| table.table = "a\"; DROP TABLE b; --".into(), "name of a table"),
            (|table| table.aliases.push("x\0".into()), "name of a column"),
            (|table| table.name = Some("'n'".into()), "name of a column"),
            (|table| table.disabled = table.enabled.clone(), "the same"),
            (
                |table| (table.enabled, table.disabled) = (SqlValue::Integer(1), SqlValue::Text("1".into())),
                "the same",
            ),
        ] {
            let refused = refusal(change);
            assert!(refused.as_ref().is_some_and(|what| what.contains(words)), "{words}: {refused:?}");
        }
    }
}
