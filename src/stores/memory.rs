//! A store in memory: the contract in its shortest form, and what tests of other modules use.
//!
//! It can be changed behind popgate's back, made to fail, and asked what was asked of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Reader, StoreError, Writer};
use crate::model::{Access, Account, AccountId, Fault, Finding, Live, Outcome, State};
use crate::plan::Change;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    chunk_size: usize,
    creates: bool,
    own_account: Option<String>,
    inner: Mutex<Inner>,
}

/// What a store was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Reads of all accounts.
    pub reads: usize,
    /// Chunks written, empty ones too.
    pub chunks: usize,
    /// Changes in all chunks.
    pub changes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<AccountId, Account>,
    calls: Calls,
    failing_reads: Vec<StoreError>,
    failing_writes: BTreeMap<AccountId, Failure>,
}

/// How the next write of one account fails.
#[derive(Debug)]
struct Failure {
    outcome: Outcome,
    written: bool,
}

impl MemoryStore {
    /// Makes a store with these accounts. Of two with one id the last one counts.
    pub fn new(accounts: impl IntoIterator<Item = Account>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account.id.clone(), account)).collect();
        Self {
            chunk_size: 1_000,
            creates: false,
            own_account: None,
            inner: Mutex::new(Inner { accounts, ..Inner::default() }),
        }
    }

    /// Makes a store whose accounts have their id as their name, and no other.
    pub fn of<'a>(accounts: impl IntoIterator<Item = (&'a str, Access)>) -> Self {
        Self::new(accounts.into_iter().map(|(id, access)| plain(AccountId::new(id), State::Is(access))))
    }

    /// Has the store create an account that it lacks, as `missing: create` does.
    #[must_use]
    pub fn creating(self) -> Self {
        Self { creates: true, ..self }
    }

    /// Sets how many changes one chunk may hold.
    #[must_use]
    pub fn with_chunk_size(self, chunk_size: usize) -> Self {
        Self { chunk_size, ..self }
    }

    /// Sets the account that popgate signs in as.
    #[must_use]
    pub fn with_own_account(self, name: impl Into<String>) -> Self {
        Self { own_account: Some(name.into()), ..self }
    }

    /// Puts an account there behind popgate's back, in place of one with the same id.
    pub fn put(&self, account: Account) {
        self.inner().accounts.insert(account.id.clone(), account);
    }

    /// Sets the state of an account behind popgate's back; puts the account there if need be.
    pub fn set(&self, id: &str, state: State) {
        let id = AccountId::new(id);
        self.inner().accounts.entry(id.clone()).or_insert_with(|| plain(id, State::Missing)).state = state;
    }

    /// Removes an account behind popgate's back.
    pub fn remove(&self, id: &str) {
        self.inner().accounts.remove(&AccountId::new(id));
    }

    /// Returns the state of an account without counting as a read.
    pub fn state(&self, id: &str) -> State {
        self.inner().accounts.get(&AccountId::new(id)).map_or(State::Missing, |account| account.state.clone())
    }

    /// Returns what was asked of the store so far.
    pub fn calls(&self) -> Calls {
        self.inner().calls
    }

    /// Makes a read fail; several failures are answered one after the other, the first one first.
    pub fn fail_read(&self, error: StoreError) {
        self.inner().failing_reads.push(error);
    }

    /// Makes the next write of an account end so, without writing it.
    pub fn fail_write(&self, id: &str, outcome: Outcome) {
        self.inner().failing_writes.insert(AccountId::new(id), Failure { outcome, written: false });
    }

    /// Makes the next write of an account happen although its answer is lost: [`Outcome::Unknown`].
    pub fn lose_answer(&self, id: &str) {
        let failure = Failure { outcome: Outcome::Unknown, written: true };
        self.inner().failing_writes.insert(AccountId::new(id), failure);
    }

    /// Nothing in here can leave the accounts half changed, so a panic elsewhere does not spoil them.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Reader for MemoryStore {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn read(&self) -> Result<Live, StoreError> {
        let mut inner = self.inner();
        inner.calls.reads += 1;
        if !inner.failing_reads.is_empty() {
            return Err(inner.failing_reads.remove(0));
        }
        Live::new(inner.accounts.values().cloned().collect()).map_err(|twice| StoreError {
            what: twice.to_string(),
            fault: Fault::Invalid,
            help: None,
        })
    }

    async fn preflight(&self) -> Vec<Finding> {
        vec![Finding::ok(format!("{} accounts in memory", self.inner().accounts.len()))]
    }

    fn own_account(&self) -> Option<String> {
        self.own_account.clone()
    }
}

#[async_trait]
impl Writer for MemoryStore {
    async fn write(&self, chunk: &[Change]) -> Vec<Outcome> {
        let mut inner = self.inner();
        inner.calls.chunks += 1;
        inner.calls.changes += chunk.len();
        chunk.iter().map(|change| inner.write(change, self.creates)).collect()
    }

    fn chunk_size(&self) -> usize {
        self.chunk_size
    }
}

impl Inner {
    fn write(&mut self, change: &Change, creates: bool) -> Outcome {
        match self.failing_writes.remove(&change.account) {
            Some(Failure { outcome, written: false }) => outcome,
            Some(Failure { outcome, written: true }) => match self.apply(change, creates) {
                Outcome::Done => outcome,
                refused => refused,
            },
            None => self.apply(change, creates),
        }
    }

    /// Compares and sets: only an account that still is as the plan saw it is written.
    fn apply(&mut self, change: &Change, creates: bool) -> Outcome {
        let wanted = State::Is(change.to);
        match self.accounts.get_mut(&change.account) {
            None if creates && change.from == State::Missing => {
                self.accounts.insert(change.account.clone(), plain(change.account.clone(), wanted));
                Outcome::Done
            }
            None => Outcome::Missing,
            Some(account) if account.state == wanted => Outcome::Already,
            Some(account) if account.state == change.from => {
                account.state = wanted;
                Outcome::Done
            }
            Some(_) => Outcome::NotApplied(Fault::TRANSIENT),
        }
    }
}

fn plain(id: AccountId, state: State) -> Account {
    Account { name: id.as_str().to_owned(), id, aliases: Vec::new(), state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cause;
    use crate::stores::Leave;

    fn change(id: &str, from: Access, to: Access) -> Change {
        Change {
            account: AccountId::new(id),
            name: id.to_owned(),
            from: State::Is(from),
            to,
            cause: Cause::Unlisted,
        }
    }

    #[tokio::test]
    async fn failures_are_answered_once_and_calls_are_counted() {
        let store = MemoryStore::of([("a", Access::Enabled), ("b", Access::Enabled)]);
        store.fail_read(StoreError { what: "down".into(), fault: Fault::TRANSIENT, help: None });
        assert_eq!(store.read().await.unwrap_err().what, "down");
        assert_eq!(store.read().await.unwrap().len(), 2);
        store.fail_write("a", Outcome::NotApplied(Fault::Denied));
        store.lose_answer("b");
        let chunk =
            [change("a", Access::Enabled, Access::Disabled), change("b", Access::Enabled, Access::Disabled)];
        assert_eq!(store.write(&chunk).await, [Outcome::NotApplied(Fault::Denied), Outcome::Unknown]);
        assert_eq!(store.state("a"), State::Is(Access::Enabled));
        assert_eq!(store.state("b"), State::Is(Access::Disabled));
        assert_eq!(store.write(&chunk).await, [Outcome::Done, Outcome::Already]);
        assert_eq!(store.calls(), Calls { reads: 2, chunks: 2, changes: 4 });
    }

    #[tokio::test]
    async fn a_store_that_does_nothing_ahead_writes_with_leave_only() {
        let store = MemoryStore::of([("a", Access::Enabled)]);
        let chunk = [change("a", Access::Enabled, Access::Disabled)];
        let (permit, leave) = Leave::with_permit();
        drop(permit);
        assert_eq!(store.write_with(&chunk, leave).await, [Outcome::NotApplied(Fault::TRANSIENT)]);
        assert_eq!(store.calls().chunks, 0);
        assert_eq!(store.write_with(&chunk, Leave::at_once()).await, [Outcome::Done]);
    }
}
