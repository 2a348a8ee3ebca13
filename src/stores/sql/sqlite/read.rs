//! Reading every account in one transaction.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::shape::{self, Shape};
use super::{connect, fault};
use crate::model::{Live, LiveBuilder};
use crate::stores::StoreError;
use crate::stores::sql::wire::{self, Cell, Nameless};
use crate::stores::sql::{Table, invalid, text};

/// Reads the table as it is at one moment.
pub(super) fn live(table: &Table) -> Result<Live, StoreError> {
    table.check()?;
    let Some(connected) = connect::reading(table)? else { return Ok(Live::default()) };
    let live = accounts(&connected.connection, table)?;
    if !connected.is_current(table) {
        return Err(connect::replaced(table));
    }
    Ok(live)
}

/// Reads every account; two of one key are an error. popgate's own table may be missing, as before the first write.
pub(super) fn accounts(connection: &Connection, table: &Table) -> Result<Live, StoreError> {
    let explained = |error| fault::explain(table, "reading", &error);
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Deferred).map_err(explained)?;
    let Some(shape) = shape::of(&transaction, table).map_err(explained)? else {
        return if table.create { Ok(Live::default()) } else { Err(shape::no_table(&transaction, table)) };
    };
    shape.fits(table)?;
    let mut statement = transaction
        .prepare(&text::select(table, shape.row_numbers))
        .map_err(|error| unprepared(table, &error))?;
    let row_number = table.all_columns().count();
    let mut rows = statement.query([]).map_err(explained)?;
    let mut accounts = LiveBuilder::default();
    while let Some(row) = rows.next().map_err(explained)? {
        wire::account(table, |column| cell(row, column), &mut accounts)
            .map_err(|nameless| unnamed(table, &shape, &nameless, cell(row, row_number)))?;
    }
    accounts.finish().map_err(|twice| {
        invalid(
            format!("{twice} (column `{}` in {})", table.key, table.path.display()),
            "name a column under `key` that tells accounts apart, or leave the others out with `where`",
        )
    })
}

/// Borrows one cell. A statement is read only by the positions it was made with, so none is out of range.
pub(super) fn cell<'a>(row: &'a Row<'_>, column: usize) -> Cell<'a> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => Cell::Integer(number),
        Ok(ValueRef::Real(number)) => Cell::Real(number),
        Ok(ValueRef::Text(text)) => Cell::Text(text),
        Ok(ValueRef::Blob(bytes)) => Cell::Blob(bytes),
        Ok(ValueRef::Null) | Err(_) => Cell::Null,
    }
}

/// Explains a statement that `SQLite` does not take: the columns are there, so the condition or a trigger is to blame.
pub(super) fn unprepared(table: &Table, error: &rusqlite::Error) -> StoreError {
    if matches!(error, rusqlite::Error::SqliteFailure(code, _) if code.code != rusqlite::ErrorCode::Unknown) {
        return fault::explain(table, "reading", error);
    }
    let said = fault::words(error);
    match &table.filter {
        Some(filter) => invalid(
            format!("{} does not take `where: {filter}`: {said}", table.path.display()),
            "write one SQL condition over the columns of the table, such as `active = 1`",
        ),
        None => invalid(
            format!("{}: `{}` cannot be used: {said}", table.path.display(), table.table),
            "check `table`, `key` and `access` in the settings",
        ),
    }
}

fn unnamed(table: &Table, shape: &Shape, nameless: &Nameless, row_number: Cell<'_>) -> StoreError {
    let row = match row_number {
        Cell::Integer(number) if shape.row_numbers => format!("row {number}"),
        _ => "a row".to_owned(),
    };
    invalid(
        format!(
            "{row} of `{}` in {} has no usable name: column {} holds {}",
            table.table,
            table.path.display(),
            nameless.column,
            nameless.holds,
        ),
        "correct or delete the row, or leave it out with `where`; popgate reads all accounts or none",
    )
}
