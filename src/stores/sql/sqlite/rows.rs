//! The rows of a table, within one transaction.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Result, ToSql};

use super::read;
use super::shape::Shape;
use crate::model::{Fault, Outcome, State};
use crate::plan::Change;
use crate::stores::sql::text::{self, Keys};
use crate::stores::sql::{SqlValue, Table, wire};

/// The statements of one transaction.
pub(super) struct Rows<'a> {
    transaction: &'a Connection,
    table: &'a Table,
    keys: Keys,
    /// Whether one statement cannot be trusted to change exactly one row to exactly the wanted value.
    careful: bool,
    look: CachedStatement<'a>,
    update: CachedStatement<'a>,
    update_from: CachedStatement<'a>,
    insert: Option<CachedStatement<'a>>,
}

/// What stands under a key.
enum Seen {
    Nothing,
    One(State),
    Several,
}

impl<'a> Rows<'a> {
    pub(super) fn prepare(transaction: &'a Connection, table: &'a Table, shape: &Shape) -> Result<Self> {
        let keys = shape.keys(table);
        Ok(Self {
            transaction,
            table,
            keys,
            careful: !shape.triggers.is_empty() || !shape.key_is_unique || keys == Keys::AsTheyCome,
            look: transaction.prepare_cached(&text::look(table, keys))?,
            update: transaction.prepare_cached(&text::update(table, keys))?,
            update_from: transaction.prepare_cached(&text::update_from(table, keys))?,
            insert: table.create.then(|| transaction.prepare_cached(&text::insert(table))).transpose()?,
        })
    }

    /// Applies one change if the row still is as the plan saw it.
    pub(super) fn apply(&mut self, change: &Change) -> Result<Outcome> {
        let key = Key::of(change, self.keys);
        let wanted = self.table.value(change.to);
        if let State::Is(from) = change.from
            && from != change.to
            && !self.careful
        {
            let from = self.table.value(from);
            if execute(&mut self.update_from, &[&key.text, &key.number, wanted, from])? == 1 {
                return Ok(Outcome::Done);
            }
        }
        match self.look(&key)? {
            Seen::Several => Ok(Outcome::NotApplied(Fault::Ambiguous)),
            Seen::Nothing if change.from == State::Missing && self.insert.is_some() => {
                self.change(&key, change, |rows| match &mut rows.insert {
                    Some(insert) => execute(insert, &[&key.text, wanted]),
                    None => Ok(0),
                })
            }
            Seen::Nothing => Ok(Outcome::Missing),
            Seen::One(now) if now.is(change.to) => Ok(Outcome::Already),
            // The same although the statement above did not find it: the same value in another type.
            Seen::One(now) if now == change.from => {
                self.change(&key, change, |rows| execute(&mut rows.update, &[&key.text, &key.number, wanted]))
            }
            Seen::One(_) => Ok(Outcome::NotApplied(Fault::TRANSIENT)),
        }
    }

    /// Runs a statement that must change one row, and where triggers may interfere looks whether it did.
    fn change(
        &mut self,
        key: &Key<'_>,
        change: &Change,
        run: impl FnOnce(&mut Self) -> Result<usize>,
    ) -> Result<Outcome> {
        if !self.careful {
            return Ok(done(run(self)? == 1));
        }
        self.transaction.execute_batch("SAVEPOINT one_change")?;
        let changed = run(self).and_then(|changed| match self.look(key)? {
            Seen::One(now) => Ok(changed == 1 && now.is(change.to)),
            // The condition of the settings no longer holds for the row.
            Seen::Nothing => Ok(changed == 1),
            Seen::Several => Ok(false),
        });
        if !matches!(changed, Ok(true)) && !self.transaction.is_autocommit() {
            self.transaction.execute_batch("ROLLBACK TO one_change")?;
        }
        if !self.transaction.is_autocommit() {
            self.transaction.execute_batch("RELEASE one_change")?;
        }
        changed.map(done)
    }

    fn look(&mut self, key: &Key<'_>) -> Result<Seen> {
        let count = self.look.parameter_count();
        let parameters: [&dyn ToSql; 2] = [&key.text, &key.number];
        let mut rows = self.look.query(&parameters[..count])?;
        let Some(row) = rows.next()? else { return Ok(Seen::Nothing) };
        let state =
            wire::state(self.table, (0..self.table.columns.len()).map(|column| read::cell(row, column)));
        Ok(if rows.next()?.is_some() { Seen::Several } else { Seen::One(state) })
    }
}

fn done(changed: bool) -> Outcome {
    if changed { Outcome::Done } else { Outcome::NotApplied(Fault::Invalid) }
}

/// Binds as many values as the statement has parameters.
fn execute(statement: &mut CachedStatement<'_>, values: &[&dyn ToSql]) -> Result<usize> {
    let count = statement.parameter_count();
    statement.execute(&values[..count])
}

/// A key as text, and as the number it may be stored as.
struct Key<'a> {
    text: &'a str,
    number: Option<i64>,
}

impl<'a> Key<'a> {
    fn of(change: &'a Change, keys: Keys) -> Self {
        let text = change.account.as_str();
        let number =
            text.parse().ok().filter(|number: &i64| keys == Keys::AsTheyCome && number.to_string() == text);
        Self { text, number }
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}
