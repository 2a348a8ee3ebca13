//! The store in memory keeps the contract of all stores.

use std::collections::BTreeMap;

use async_trait::async_trait;
use popgate::model::State;
use popgate::stores::memory::MemoryStore;
use popgate::stores::{Reader as _, Writer};

use crate::contract::{World, contract};

struct Memory {
    store: MemoryStore,
    creates: bool,
}

#[async_trait]
impl World for Memory {
    fn store(&self) -> &dyn Writer {
        &self.store
    }

    async fn put(&self, accounts: &[(String, State)]) {
        for (name, state) in accounts {
            self.store.set(name, state.clone());
        }
    }

    async fn delete(&self, name: &str) {
        self.store.remove(name);
    }

    async fn dump(&self) -> BTreeMap<String, String> {
        let live = self.store.read().await.unwrap();
        live.iter().map(|account| (account.id.to_string(), format!("{account:?}"))).collect()
    }

    fn mixes(&self) -> bool {
        true
    }

    fn creates(&self) -> bool {
        self.creates
    }
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_contract() {
    contract(async || Memory { store: MemoryStore::new([]).with_chunk_size(700), creates: false }).await;
}

#[tokio::test]
async fn a_creating_store_in_memory_keeps_the_contract() {
    contract(async || Memory { store: MemoryStore::new([]).creating(), creates: true }).await;
}
