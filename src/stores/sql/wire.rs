//! Rows to accounts: which cell means enabled, which disabled, and what cannot be said.
//!
//! SQL databases are loose about types: a flag may come as `1`, `'1'`, `1.0` or a blob. Equal is what is equal as
//! a number or as a text; everything else is unreadable and never guessed.

use std::borrow::Cow;
use std::fmt;

use super::{SqlValue, Table};
use crate::model::{Access, LiveBuilder, State};

/// One cell of a row, borrowed from the database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A text, which need not be UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A row whose account cannot be named, so that nothing read beside it can be trusted to be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nameless {
    /// The column that should have held a name.
    pub(super) column: String,
    /// What it holds.
    pub(super) holds: String,
}

/// Takes one row of [`super::text::select`] as an account. Nothing is copied but into the list of all accounts.
pub(super) fn account<'a>(
    table: &Table,
    cell: impl Fn(usize) -> Cell<'a>,
    accounts: &mut LiveBuilder,
) -> Result<(), Nameless> {
    if let (Cell::Text(key), None, []) = (cell(0), &table.name, &*table.aliases) {
        let state = state(table, (1..=table.columns.len()).map(&cell));
        let nameless = |_| Nameless { column: table.key.clone(), holds: cell(0).to_string() };
        return accounts.push_bytes(key, state).map_err(nameless);
    }
    let Some(key) = name(&table.key, cell(0))? else {
        return Err(Nameless { column: table.key.clone(), holds: "NULL".to_owned() });
    };
    let columns = table.columns.len();
    let mut at = 1 + columns;
    let mut shown = None;
    if let Some(column) = &table.name {
        shown = name(column, cell(at))?.filter(|name| !name.is_empty());
        at += 1;
    }
    let mut aliases = Vec::new();
    for (column, position) in table.aliases.iter().zip(at..) {
        aliases.extend(name(column, cell(position))?.filter(|alias| !alias.is_empty()));
    }
    let state = state(table, (1..=columns).map(cell));
    accounts.push(&key, shown.as_deref().unwrap_or(&key), aliases.iter().map(|alias| &**alias), state);
    Ok(())
}

/// Tells what the access columns of one row say together.
pub(super) fn state<'a>(table: &Table, cells: impl Iterator<Item = Cell<'a>>) -> State {
    let mut agreed: Option<Access> = None;
    let mut mixed = false;
    for (column, cell) in table.columns.iter().zip(cells) {
        let access = if table.enabled.is(cell) {
            Access::Enabled
        } else if table.disabled.is(cell) {
            Access::Disabled
        } else {
            return State::Unreadable(format!("column {column} holds {cell}"));
        };
        mixed |= agreed.is_some_and(|before| before != access);
        agreed = Some(access);
    }
    match agreed {
        Some(access) if !mixed => State::Is(access),
        Some(_) => State::Mixed,
        None => State::Unreadable("no column holds access".to_owned()),
    }
}

impl SqlValue {
    /// Tells whether a cell holds this value, as a number or as a text.
    pub(super) fn is(&self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Null, cell) => cell == Cell::Null,
            (Self::Integer(want), Cell::Integer(have)) => *want == have,
            (Self::Integer(want), Cell::Real(have)) => whole(have) == Some(*want),
            (Self::Integer(want), Cell::Text(have) | Cell::Blob(have)) => number(have) == Some(*want),
            (Self::Text(want), Cell::Text(have) | Cell::Blob(have)) => want.as_bytes() == have,
            (Self::Text(want), Cell::Integer(have)) => number(want.as_bytes()) == Some(have),
            (Self::Text(want), Cell::Real(have)) => {
                whole(have).is_some_and(|have| number(want.as_bytes()) == Some(have))
            }
            (Self::Integer(_) | Self::Text(_), Cell::Null) => false,
        }
    }

    /// Tells whether a cell could hold both values at once.
    pub(super) fn means_the_same(&self, other: &Self) -> bool {
        match other {
            Self::Null => self.is(Cell::Null),
            Self::Integer(number) => self.is(Cell::Integer(*number)),
            Self::Text(text) => {
                self.is(Cell::Text(text.as_bytes()))
                    || number(text.as_bytes()).is_some_and(|number| self.is(Cell::Integer(number)))
            }
        }
    }
}

impl fmt::Display for Cell<'_> {
    /// Describes the cell for a person. Only short texts are shown as they are: somebody may have named a column
    /// of passwords by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number:?}"),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok("") => f.write_str("an empty text"),
                Ok(text) if text.chars().count() <= 8 => write!(f, "{text:?}"),
                Ok(text) => write!(f, "a text of {} characters", text.chars().count()),
                Err(_) => f.write_str("a text that is not UTF-8"),
            },
            Self::Blob(bytes) => write!(f, "a blob of {} bytes", bytes.len()),
        }
    }
}

/// Reads a name: a text, or a whole number shown as one; NULL is none.
fn name<'a>(column: &str, cell: Cell<'a>) -> Result<Option<Cow<'a, str>>, Nameless> {
    let unnamed = || Nameless { column: column.to_owned(), holds: cell.to_string() };
    match cell {
        Cell::Null => Ok(None),
        Cell::Integer(number) => Ok(Some(number.to_string().into())),
        Cell::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(unnamed()),
        },
        Cell::Real(_) | Cell::Blob(_) => Err(unnamed()),
    }
}

/// Reads a whole number from plain decimal text, `1` as well as `1.0`; never from ` 1`, `0x1` or `inf`.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    plain.then(|| text.parse().ok().and_then(whole)).flatten()
}

/// Returns a floating-point number that is exactly a whole one.
fn whole(number: f64) -> Option<i64> {
    /// 2^53: up to here a float tells neighbouring whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded and without a fraction, so the cast is exact"
    )]
    (number.abs() <= EXACT && number.fract() == 0.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Account;

    fn mailbox(enabled: SqlValue, disabled: SqlValue) -> Table {
        Table {
            key: "username".into(),
            columns: vec!["enablepop3".into(), "enablepop3tls".into()],
            enabled,
            disabled,
            ..Table::own("/db")
        }
    }

    fn flags() -> Table {
        mailbox(SqlValue::Integer(1), SqlValue::Integer(0))
    }

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(text.as_bytes())
    }

    #[test]
    fn columns_that_agree_say_it_and_columns_that_do_not_are_mixed() {
        let (on, off) = (Cell::Integer(1), Cell::Integer(0));
        for (cells, state) in [
            ([on, on], State::Is(Access::Enabled)),
            ([off, off], State::Is(Access::Disabled)),
            ([on, off], State::Mixed),
            ([off, on], State::Mixed),
        ] {
            assert_eq!(super::state(&flags(), cells.into_iter()), state, "{cells:?}");
        }
    }

    #[test]
    fn a_value_that_is_neither_is_unreadable_and_said() {
        for (cell, words) in [
            (Cell::Integer(7), "column enablepop3tls holds 7"),
            (Cell::Null, "column enablepop3tls holds NULL"),
            (Cell::Real(0.5), "column enablepop3tls holds 0.5"),
            (text("maybe"), "column enablepop3tls holds \"maybe\""),
            (text(""), "column enablepop3tls holds an empty text"),
            (text("{PLAIN}hunter2"), "column enablepop3tls holds a text of 14 characters"),
            (Cell::Text(b"\xff"), "column enablepop3tls holds a text that is not UTF-8"),
            (Cell::Blob(b"\x01"), "column enablepop3tls holds a blob of 1 bytes"),
        ] {
            let cells = [Cell::Integer(1), cell];
            assert_eq!(state(&flags(), cells.into_iter()), State::Unreadable(words.into()));
        }
    }

    #[test]
    fn one_is_one_in_every_type_and_nothing_else_is() {
        for value in [SqlValue::Integer(1), SqlValue::Text("1".into())] {
            for cell in [Cell::Integer(1), Cell::Real(1.0), text("1"), Cell::Blob(b"1")] {
                assert!(value.is(cell), "{value:?} is {cell:?}");
            }
            for cell in
                [Cell::Null, Cell::Integer(0), Cell::Real(1.1), Cell::Real(f64::NAN), text(" 1"), text("0x1")]
            {
                assert!(!value.is(cell), "{value:?} is not {cell:?}");
            }
        }
        assert!(SqlValue::Integer(1).is(text("1.0")));
        assert!(SqlValue::Integer(0).is(text("0e5")));
        assert!(SqlValue::Integer(0).is(Cell::Real(-0.0)));
        assert!(!SqlValue::Integer(i64::MAX).is(Cell::Real(9.223_372_036_854_776e18)));
        assert!(SqlValue::Text("y".into()).is(Cell::Blob(b"y")));
        assert!(!SqlValue::Text("y".into()).is(text("Y")));
    }

    #[test]
    fn null_means_something_only_where_the_settings_say_so() {
        let table = mailbox(SqlValue::Text("Y".into()), SqlValue::Null);
        assert_eq!(state(&table, [Cell::Null, Cell::Null].into_iter()), State::Is(Access::Disabled));
        assert_eq!(state(&table, [Cell::Null, text("Y")].into_iter()), State::Mixed);
        assert!(!SqlValue::Null.is(text("")));
    }

    #[test]
    fn inverted_flags_are_read_as_the_settings_say() {
        let table = mailbox(SqlValue::Text("n".into()), SqlValue::Text("y".into()));
        assert_eq!(state(&table, [text("y"), text("y")].into_iter()), State::Is(Access::Disabled));
        assert_eq!(state(&table, [text("n"), text("n")].into_iter()), State::Is(Access::Enabled));
    }

    fn read(table: &Table, cells: &[Cell<'_>]) -> Result<Account, Nameless> {
        let mut accounts = LiveBuilder::default();
        account(table, |at| cells[at], &mut accounts)?;
        let live = accounts.finish().unwrap();
        Ok(live.iter().next().unwrap().to_account())
    }

    #[test]
    fn names_are_texts_or_whole_numbers_and_empty_aliases_are_none() {
        let mut table = flags();
        table.name = Some("full".into());
        table.aliases = vec!["alias1".into(), "alias2".into(), "alias3".into()];
        let flags = [Cell::Integer(1), Cell::Integer(1)];
        let row = [Cell::Integer(42), flags[0], flags[1], text("Åsa"), text("a@x"), Cell::Null, text("")];
        let account = read(&table, &row).unwrap();
        assert_eq!((account.id.as_str(), account.name.as_str()), ("42", "Åsa"));
        assert_eq!(account.aliases, ["a@x"]);
        let row = [text("bob@x"), flags[0], flags[1], Cell::Null, Cell::Null, Cell::Integer(7), text("b")];
        let account = read(&table, &row).unwrap();
        assert_eq!((account.id.as_str(), account.name.as_str()), ("bob@x", "bob@x"));
        assert_eq!(account.aliases, ["7", "b"]);
    }

    #[test]
    fn a_row_without_a_usable_key_is_refused_with_the_column() {
        for (cell, holds) in [
            (Cell::Null, "NULL"),
            (Cell::Real(1.5), "1.5"),
            (Cell::Blob(b"bob"), "a blob of 3 bytes"),
            (Cell::Text(b"b\xf6b"), "a text that is not UTF-8"),
        ] {
            let refused = read(&flags(), &[cell, Cell::Integer(1), Cell::Integer(1)]);
            assert_eq!(refused, Err(Nameless { column: "username".into(), holds: holds.into() }));
        }
    }

    proptest! {
        #[test]
        fn values_that_differ_are_never_both_held_by_one_cell(number in -2i64..3, real in -2.0..3.0, bytes in "[-+]?[01yn]{0,2}(\\.0)?(e0)?|.*") {
            let pairs = [
                (SqlValue::Integer(1), SqlValue::Integer(0)),
                (SqlValue::Text("y".into()), SqlValue::Text("n".into())),
                (SqlValue::Text("1".into()), SqlValue::Null),
                (SqlValue::Text("1.0".into()), SqlValue::Integer(0)),
            ];
            for (enabled, disabled) in pairs {
                prop_assert!(!enabled.means_the_same(&disabled));
                for cell in [Cell::Integer(number), Cell::Real(real), Cell::Real(real.round()), Cell::Text(bytes.as_bytes()), Cell::Blob(bytes.as_bytes())] {
                    prop_assert!(!(enabled.is(cell) && disabled.is(cell)));
                }
            }
        }
    }
}
